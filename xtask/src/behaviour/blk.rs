//! The disks: what the kernel reads and writes, byte for byte against the images.

use anyhow::{Context as _, Result, bail, ensure};

use super::case::{command, excerpt, refused_command};
use super::disk_image::TestDisk;
use crate::vm::{Vm, log};

/// The trace events of a read and of a write that reached the device.
pub(crate) const REQUEST_EVENTS: [&str; 2] = ["virtio_blk_handle_read", "virtio_blk_handle_write"];

/// Checks reading, writing and refusing on every disk; the images are compared after the machine has ended.
pub(crate) fn check(vm: &mut Vm, disks: &mut [TestDisk]) -> Result<()> {
    for disk in disks {
        let number = number_of(vm, disk.serial())?;
        check_checksum(vm, number, disk)?;
        let last = disk.sectors() - 1;
        check_read(vm, number, disk, 0, 1)?;
        check_read(vm, number, disk, 2741, 5)?;
        check_read(vm, number, disk, last, 1)?;
        check_write(vm, number, disk, 77, 3, 0xa5)?;
        check_write(vm, number, disk, last, 1, 0x3c)?;
        check_erase(vm, number, disk, 120, 9)?;
        check_refusals(vm, number, disk)?;
        check_checksum(vm, number, disk)?;
    }
    Ok(())
}

/// Returns the kernel's number for the disk whose GET_ID answer is `serial`.
pub(crate) fn number_of(vm: &mut Vm, serial: &str) -> Result<u32> {
    let output = command(vm, "blk info")?;
    find_number(&output, serial).with_context(|| {
        format!(
            "`blk info` names no disk \"{serial}\": {}",
            excerpt(&output)
        )
    })
}

/// The number is in the serial's own line, or in a line before it.
fn find_number(output: &[String], serial: &str) -> Option<u32> {
    let mut number = None;
    for line in output {
        if let Some((_, after)) = line.split_once("disk ") {
            let digits = after.split(|c: char| !c.is_ascii_digit()).next();
            if let Some(parsed) = digits.and_then(|digits| digits.parse().ok()) {
                number = Some(parsed);
            }
        }
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        if words.any(|word| word == serial) {
            return number;
        }
    }
    None
}

/// Checks that the kernel's SHA-256 of the whole disk equals the host's.
pub(crate) fn check_checksum(vm: &mut Vm, number: u32, disk: &TestDisk) -> Result<()> {
    let output = command(vm, &format!("blk checksum {number}"))?;
    let bytes = disk.sectors() * super::disk_image::SECTOR_BYTES;
    let expected = format!("sha256 {}  disk {number}, {bytes} bytes", disk.sha256());
    ensure!(
        output.iter().any(|line| line.trim() == expected),
        "`blk checksum {number}` was to print:\n{expected}\ninstead of:\n{}",
        excerpt(&output)
    );
    Ok(())
}

/// Checks that the dump of `count` sectors shows what the image holds.
pub(crate) fn check_read(
    vm: &mut Vm,
    number: u32,
    disk: &TestDisk,
    first: usize,
    count: usize,
) -> Result<()> {
    let line = format!("blk read {first} {count} -d {number}");
    let output = command(vm, &line)?;
    let rows = parse_dump(&output)?;
    let mut offset = (first * super::disk_image::SECTOR_BYTES) as u64;
    let mut bytes = Vec::new();
    for (start, row) in rows {
        ensure!(
            start == offset,
            "`{line}`: a row starts at {start:#x} instead of {offset:#x}"
        );
        offset += row.len() as u64;
        bytes.extend(row);
    }
    let expected: Vec<u8> = (first..first + count)
        .flat_map(|sector| disk.sector(sector).iter().copied())
        .collect();
    ensure!(
        bytes.len() == expected.len(),
        "`{line}` showed {} bytes instead of {}",
        bytes.len(),
        expected.len()
    );
    let differing = bytes.iter().zip(&expected).position(|(a, b)| a != b);
    if let Some(at) = differing {
        bail!(
            "`{line}`: byte {at} is {:#04x} instead of {:#04x}",
            bytes[at],
            expected[at]
        );
    }
    Ok(())
}

/// Has the kernel fill sectors, and reads them back with their neighbours.
pub(crate) fn check_write(
    vm: &mut Vm,
    number: u32,
    disk: &mut TestDisk,
    first: usize,
    count: usize,
    byte: u8,
) -> Result<()> {
    command(
        vm,
        &format!("blk write {first} {count} {byte:#x} -d {number}"),
    )?;
    disk.expect_fill(first, count, byte);
    let before = first.saturating_sub(1);
    let after = (first + count + 1).min(disk.sectors());
    check_read(vm, number, disk, before, after - before)
}

/// Has the disk zero sectors, and then forget them; what they hold then nobody can say, until they are written.
pub(crate) fn check_erase(
    vm: &mut Vm,
    number: u32,
    disk: &mut TestDisk,
    first: usize,
    count: usize,
) -> Result<()> {
    command(vm, &format!("blk zero {first} {count} -d {number}"))?;
    disk.expect_fill(first, count, 0);
    check_read(vm, number, disk, first - 1, count + 2)?;
    command(vm, &format!("blk discard {first} {count} -d {number}"))?;
    command(vm, &format!("blk read {first} {count} -d {number}"))?;
    check_read(vm, number, disk, first - 1, 1)?;
    check_read(vm, number, disk, first + count, 1)?;
    check_write(vm, number, disk, first, count, 0x69)
}

/// Checks that what does not fit the disk is refused by the driver: the device never sees it.
fn check_refusals(vm: &mut Vm, number: u32, disk: &TestDisk) -> Result<()> {
    let (end, last) = (disk.sectors(), disk.sectors() - 1);
    let before = requests(&vm.qemu_log()?);
    ensure!(
        before > 0,
        "QEMU's trace has none of the requests made so far, so it cannot prove that one was not made"
    );
    for request in [
        format!("blk read {end} -d {number}"),
        format!("blk read {last} 2 -d {number}"),
        format!("blk read 0x7fffffffffffff 1 -d {number}"),
        format!("blk read 18446744073709551614 1 -d {number}"),
        format!("blk write {end} 1 0xff -d {number}"),
        format!("blk write {last} 2 0xff -d {number}"),
        format!("blk write 0xfffffffffffffffe 1 0xff -d {number}"),
        format!("blk zero {end} 1 -d {number}"),
        format!("blk zero {last} 2 -d {number}"),
        format!("blk discard {last} 2 -d {number}"),
    ] {
        refused_command(vm, &request)?;
    }
    let after = requests(&vm.qemu_log()?);
    ensure!(
        after == before,
        "{} requests outside the disk reached the device",
        after - before
    );
    // And the disk still answers.
    check_read(vm, number, disk, last, 1)
}

/// Returns how many reads and writes QEMU's log has.
pub(crate) fn requests(log: &str) -> usize {
    traced(log).count()
}

/// Checks that every read and write in QEMU's log is of at least one sector, and within a disk of `sectors` sectors.
pub(crate) fn ensure_within(log: &str, sectors: usize) -> Result<()> {
    ensure!(requests(log) > 0, "no request reached the device");
    for line in traced(log) {
        let number = |key: &str| -> Option<u64> {
            let (_, after) = line.split_once(&format!(" {key} "))?;
            after.split(' ').next()?.parse().ok()
        };
        let (Some(first), Some(count)) = (number("sector"), number("nsectors")) else {
            bail!("a trace line that cannot be read: {line}");
        };
        let end = first.checked_add(count);
        ensure!(
            count > 0 && end.is_some_and(|end| end <= sectors as u64),
            "this should have been refused before the device saw it: {line}"
        );
    }
    Ok(())
}

fn traced(log: &str) -> impl Iterator<Item = &str> {
    log.lines()
        .filter(|line| log::is_trace_line(line))
        .filter(|line| REQUEST_EVENTS.iter().any(|event| line.contains(event)))
}

/// Reads the rows `OFFSET  16 bytes in two groups  |ASCII|`; other lines are left out.
fn parse_dump(output: &[String]) -> Result<Vec<(u64, Vec<u8>)>> {
    let rows = output.iter().filter_map(|line| {
        let (hex, _ascii) = line.split_once('|')?;
        Some((line, hex))
    });
    let mut parsed = Vec::new();
    for (line, hex) in rows {
        let mut words = hex.split_whitespace();
        let offset = words.next().map(|word| u64::from_str_radix(word, 16));
        let bytes: Result<Vec<u8>, _> = words.map(|word| u8::from_str_radix(word, 16)).collect();
        match (offset, bytes) {
            (Some(Ok(offset)), Ok(bytes)) => parsed.push((offset, bytes)),
            _ => bail!("not a row of a dump: {line}"),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_disk_is_found_by_its_serial() {
        let output = lines("disk 0: second, 512 bytes\ndisk 12: first, 512 bytes");
        assert_eq!(find_number(&output, "first"), Some(12));
        assert_eq!(find_number(&output, "second"), Some(0));
        assert_eq!(find_number(&output, "sec"), None);
        let output = lines("disk 3\n  serial \"a-b\"\n");
        assert_eq!(find_number(&output, "a-b"), Some(3));
    }

    #[test]
    fn a_dump_is_read_back() {
        let rows: Vec<String> = levitate_kernel::hexdump::rows(512, &[0x7c; 18])
            .map(|row| row.to_string())
            .collect();
        let parsed = parse_dump(&rows).unwrap();
        assert_eq!(parsed, [(512, vec![0x7c; 16]), (528, vec![0x7c; 2])]);
        assert!(parse_dump(&lines("00000200  zz |.|")).is_err());
        assert!(parse_dump(&lines("no dump at all")).unwrap().is_empty());
    }

    #[test]
    fn requests_are_counted_in_the_log() {
        let log = "virtio_blk_handle_read vdev 0x1 req 0x2 sector 0 nsectors 1\n\
                   virtio_blk_handle_write vdev 0x1 req 0x2 sector 0 nsectors 1\n\
                   virtio_gpu_cmd_res_flush res 0x1, w 1, h 1, x 0, y 0\n\
                   a guest error about virtio_blk_handle_read\n";
        assert_eq!(requests(log), 2);
    }

    #[test]
    fn a_request_that_does_not_fit_is_noticed() {
        let line = |sector: u64, count: u64| {
            format!("virtio_blk_handle_read vdev 0x1 req 0x2 sector {sector} nsectors {count}\n")
        };
        ensure_within(&(line(0, 1) + &line(7, 3)), 10).unwrap();
        for wrong in [line(0, 0), line(10, 1), line(9, 2), line(u64::MAX, 1)] {
            assert!(
                ensure_within(&(line(0, 1) + &wrong), 10).is_err(),
                "{wrong}"
            );
        }
        assert!(ensure_within("", 10).is_err());
        assert!(ensure_within("virtio_blk_handle_read vdev 0x1\n", 10).is_err());
    }
}

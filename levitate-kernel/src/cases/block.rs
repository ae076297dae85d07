//! Every disk, through the kernel's interface; what is written is put back.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use levitate_kernel::selftest::{Outcome, Run};

use super::{Result, driver, ensure, wait_until};
use crate::devices::Devices;
use crate::drivers::block::{BlockDevice, Read, SECTOR_BYTES};
use crate::interrupts;

/// Sectors that are written and put back, at the end of the disk.
const SCRATCH_SECTORS: u64 = 8;
/// Reads that are in flight together.
const READS: u64 = 16;
/// The longest disk that is read as a whole, in one call: more than one request carries.
const WHOLE_SECTORS: u64 = 16 << 11;

type Test = fn(&mut dyn BlockDevice) -> Result;

const TESTS: &[(&str, Test)] = &[
    ("id", tells_the_same_id_twice),
    ("ends-at-its-capacity", ends_at_its_capacity),
    ("reads-the-same-twice", reads_the_same_twice),
    ("writes-and-restores", writes_and_restores),
    ("many-in-flight", has_many_reads_in_flight),
    ("long-request", splits_a_long_request),
    ("refuses-misaligned", refuses_what_is_not_whole_sectors),
    (
        "refuses-to-write-read-only",
        refuses_to_write_a_read_only_disk,
    ),
    ("flushes", flushes),
];

/// Runs every test on every disk.
pub(super) fn run(devices: &mut Devices, run: &mut Run, out: &mut impl Write) -> fmt::Result {
    if devices.disks.is_empty() {
        run.record("disk", &Outcome::skipped(format_args!("no disk")), out)?;
    }
    for (number, disk) in devices.disks.iter_mut().enumerate() {
        for (name, test) in TESTS {
            let outcome = Outcome::of(test(&mut *disk.device));
            run.record(&format!("disk{number}-{name}"), &outcome, out)?;
        }
        let mut entries = devices.entries.iter();
        let entry = entries.find(|entry| entry.address == disk.address);
        let line = entry.map_or(u32::MAX, |entry| entry.interrupt.number);
        let outcome = Outcome::of(interrupts_when_asked_to(&mut *disk.device, line));
        run.record(&format!("disk{number}-interrupts"), &outcome, out)?;
    }
    Ok(())
}

fn tells_the_same_id_twice(disk: &mut dyn BlockDevice) -> Result {
    let first = disk.id().map_err(driver)?;
    let second = disk.id().map_err(driver)?;
    ensure!(first == second, "{first:?} became {second:?}");
    ensure!(
        first.len() <= 20,
        "{first:?} is longer than the 20 bytes there are"
    );
    Ok(())
}

fn ends_at_its_capacity(disk: &mut dyn BlockDevice) -> Result {
    let capacity = disk.info().capacity_sectors;
    ensure!(capacity > 0, "the disk has no sector");
    let mut sector = [0; SECTOR_BYTES];
    disk.read(capacity - 1, &mut sector).map_err(driver)?;
    let mut two = [0; 2 * SECTOR_BYTES];
    for first in [capacity - 1, capacity, u64::MAX - 1, u64::MAX] {
        let read = disk.read(first, &mut two);
        ensure!(
            read.is_err(),
            "sectors {first} and the next were read, of {capacity}"
        );
        let written = disk.write(first, &two);
        ensure!(
            written.is_err(),
            "sectors {first} and the next were written, of {capacity}"
        );
    }
    // The refusals have not harmed it.
    let mut again = [0; SECTOR_BYTES];
    disk.read(capacity - 1, &mut again).map_err(driver)?;
    ensure!(sector == again, "the last sector changed");
    Ok(())
}

fn reads_the_same_twice(disk: &mut dyn BlockDevice) -> Result {
    let count = disk.info().capacity_sectors.min(64);
    let mut first = sectors(count);
    // Different from each other and from most disks, so that a read that does nothing shows.
    let mut second = vec![0x5a; first.len()];
    first.fill(0xa5);
    disk.read(0, &mut first).map_err(driver)?;
    disk.read(0, &mut second).map_err(driver)?;
    ensure!(
        first == second,
        "the first {count} sectors changed between two reads"
    );
    Ok(())
}

fn writes_and_restores(disk: &mut dyn BlockDevice) -> Result {
    let info = disk.info();
    if info.is_read_only {
        return Err(Outcome::skipped(format_args!("the disk is read-only")));
    }
    let count = info.capacity_sectors.min(SCRATCH_SECTORS);
    let first = info.capacity_sectors - count;
    let mut original = sectors(count);
    disk.read(first, &mut original).map_err(driver)?;
    let pattern: Vec<u8> = (0..original.len())
        .map(|index| original[index] ^ (index as u8).wrapping_mul(31) ^ (index >> 8) as u8 ^ 0x96)
        .collect();
    disk.write(first, &pattern).map_err(driver)?;
    let mut found = sectors(count);
    let read = disk.read(first, &mut found).map_err(driver);
    disk.write(first, &original).map_err(driver)?;
    disk.flush().map_err(driver)?;
    read?;
    ensure!(found == pattern, "what was read is not what was written");
    disk.read(first, &mut found).map_err(driver)?;
    ensure!(found == original, "what was there before was not restored");
    Ok(())
}

fn has_many_reads_in_flight(disk: &mut dyn BlockDevice) -> Result {
    let capacity = disk.info().capacity_sectors;
    let count = READS.min(capacity);
    // Spread over the disk, and not in order.
    let place = |index: u64| (index * 7 % count) * (capacity / count);
    let mut together = sectors(count);
    together.fill(0xc3);
    let mut reads: Vec<Read<'_>> = (0..)
        .zip(together.chunks_exact_mut(SECTOR_BYTES))
        .map(|(index, buffer)| Read {
            first_sector: place(index),
            buffer,
        })
        .collect();
    disk.read_many(&mut reads).map_err(driver)?;
    for (index, found) in (0..).zip(together.chunks_exact(SECTOR_BYTES)) {
        let mut alone = [0; SECTOR_BYTES];
        disk.read(place(index), &mut alone).map_err(driver)?;
        ensure!(
            found == alone,
            "sector {} differs when read among others",
            place(index)
        );
    }
    Ok(())
}

fn splits_a_long_request(disk: &mut dyn BlockDevice) -> Result {
    let info = disk.info();
    let count = info.capacity_sectors.min(WHOLE_SECTORS);
    let length = count * SECTOR_BYTES as u64;
    if length <= info.max_request_bytes {
        let max = info.max_request_bytes;
        return Err(Outcome::skipped(format_args!(
            "one request carries {max} bytes, and the disk has {length}"
        )));
    }
    let mut whole = sectors(count);
    whole.fill(0x3c);
    disk.read(0, &mut whole).map_err(driver)?;
    let mut part = sectors(1);
    // A stride that hits no borders of pieces by rule.
    for first in (0..count).step_by(61) {
        disk.read(first, &mut part).map_err(driver)?;
        let start = first as usize * SECTOR_BYTES;
        ensure!(
            whole[start..start + SECTOR_BYTES] == part[..],
            "sector {first} differs when read in one long request"
        );
    }
    Ok(())
}

fn refuses_what_is_not_whole_sectors(disk: &mut dyn BlockDevice) -> Result {
    for length in [0, 1, SECTOR_BYTES - 1, SECTOR_BYTES + 1] {
        let mut buffer = vec![0; length];
        let read = disk.read(0, &mut buffer);
        ensure!(read.is_err(), "{length} bytes were read");
        let written = disk.write(0, &buffer);
        ensure!(written.is_err(), "{length} bytes were written");
    }
    Ok(())
}

fn refuses_to_write_a_read_only_disk(disk: &mut dyn BlockDevice) -> Result {
    if !disk.info().is_read_only {
        return Err(Outcome::skipped(format_args!("the disk is writable")));
    }
    let mut before = sectors(1);
    disk.read(0, &mut before).map_err(driver)?;
    let mut changed = before.clone();
    changed.iter_mut().for_each(|byte| *byte ^= 0xff);
    ensure!(
        disk.write(0, &changed).is_err(),
        "a read-only disk was written"
    );
    let mut after = sectors(1);
    disk.read(0, &mut after).map_err(driver)?;
    ensure!(before == after, "a read-only disk changed");
    Ok(())
}

fn flushes(disk: &mut dyn BlockDevice) -> Result {
    if disk.info().is_read_only {
        return Err(Outcome::skipped(format_args!("the disk is read-only")));
    }
    disk.flush().map_err(driver)
}

/// Interrupts arrive when they are wanted, as many as are needed, and no storm of them.
fn interrupts_when_asked_to(disk: &mut dyn BlockDevice, line: u32) -> Result {
    const READS: u64 = 20;
    let mut sector = [0; SECTOR_BYTES];
    let before = interrupts::count(line);
    disk.set_interrupts(true);
    let outcome = (|| {
        for _ in 0..READS {
            disk.read(0, &mut sector).map_err(driver)?;
        }
        wait_until(|| interrupts::count(line) > before)
    })();
    disk.set_interrupts(false);
    outcome?;
    let count = interrupts::count(line) - before;
    ensure!(count <= READS, "{READS} reads made {count} interrupts");
    Ok(())
}

fn sectors(count: u64) -> Vec<u8> {
    vec![0; count as usize * SECTOR_BYTES]
}

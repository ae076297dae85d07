//! Every disk, through the kernel's interface; what is written is put back.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use levitate_kernel::expectations;
use levitate_kernel::selftest::{Outcome, Run};

use super::{Result, driver, ensure, wait_until};
use crate::devices::Devices;
use crate::drivers::block::{BlockDevice, Read, SECTOR_BYTES};
use crate::interrupts::{self, Line};

/// Sectors that are written and put back, at the end of the disk.
const SCRATCH_SECTORS: u64 = 8;
/// Reads of a block each that are in flight together.
const READS: u64 = 16;
/// The longest disk that is read as a whole, in one call: more than one request carries.
const WHOLE_SECTORS: u64 = 16 << 11;

type Test = fn(&mut dyn BlockDevice) -> Result;

const TESTS: &[(&str, Test)] = &[
    ("id", tells_the_same_id_twice),
    ("ends-at-its-capacity", ends_at_its_capacity),
    ("reads-the-same-twice", reads_the_same_twice),
    ("writes-and-restores", writes_and_restores),
    ("zeroes-and-restores", zeroes_and_restores),
    ("discards-and-restores", discards_and_restores),
    ("many-in-flight", has_many_reads_in_flight),
    ("refuses-one-of-many", refuses_one_read_of_many),
    ("long-request", splits_a_long_request),
    ("refuses-misaligned", refuses_what_is_not_whole_blocks),
    (
        "refuses-to-write-read-only",
        refuses_to_write_a_read_only_disk,
    ),
    ("flushes", flushes),
    ("notifies-once-a-request", notifies_once_a_request),
];

/// Runs every test on every disk.
pub(super) fn run(devices: &mut Devices, run: &mut Run, out: &mut impl Write) -> fmt::Result {
    if devices.disks.is_empty() {
        run.record("disk", &Outcome::skipped(format_args!("no disk")), out)?;
    }
    for (number, disk) in devices.disks.iter_mut().enumerate() {
        let crate_name = disk.device.info().driver;
        let mut entries = devices.entries.iter();
        let entry = entries.find(|entry| entry.location == disk.location);
        let over = entry.and_then(|entry| entry.way.over());
        let mut record = |name: &str, result: Result| {
            let expected = expectations::find(name, crate_name, over);
            let outcome = Outcome::of(result).expecting(expected);
            run.record(&format!("disk{number}-{name}"), &outcome, out)
        };
        for (name, test) in TESTS {
            record(name, test(&mut *disk.device))?;
        }
        let lines = entry.map_or_else(Vec::new, |entry| entry.way.lines());
        let interrupted = interrupts_when_it_is_done(&mut *disk.device, &lines);
        record("interrupts", interrupted)?;
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
    let block = disk.info().block_sectors;
    let capacity = whole_blocks(disk, u64::MAX);
    ensure!(capacity > 0, "the disk has no block");
    let last = capacity - block;
    let mut original = sectors(block);
    disk.read(last, &mut original).map_err(driver)?;
    let mut two = sectors(2 * block);
    let end_of_numbers = u64::MAX - (u64::MAX % block);
    for first in [last, capacity, end_of_numbers - block, end_of_numbers] {
        let read = disk.read(first, &mut two);
        ensure!(
            read.is_err(),
            "the blocks at sector {first} were read, of {capacity} sectors"
        );
        let written = disk.write(first, &two);
        ensure!(
            written.is_err(),
            "the blocks at sector {first} were written, of {capacity} sectors"
        );
    }
    // The refusals have not harmed it.
    let mut again = sectors(block);
    disk.read(last, &mut again).map_err(driver)?;
    ensure!(original == again, "the last block changed");
    Ok(())
}

fn reads_the_same_twice(disk: &mut dyn BlockDevice) -> Result {
    let count = whole_blocks(disk, 64);
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
    with_scratch(disk, |disk, first, count| {
        let mut found = sectors(count);
        let pattern: Vec<u8> = (0..found.len())
            .map(|index| (index as u8).wrapping_mul(31) ^ (index >> 8) as u8 ^ 0x96)
            .collect();
        disk.write(first, &pattern).map_err(driver)?;
        disk.read(first, &mut found).map_err(driver)?;
        ensure!(found == pattern, "what was read is not what was written");
        Ok(())
    })
}

fn zeroes_and_restores(disk: &mut dyn BlockDevice) -> Result {
    if !disk.info().can_write_zeroes {
        return Err(Outcome::skipped(format_args!(
            "the disk has no such command, or its driver has not"
        )));
    }
    with_scratch(disk, |disk, first, count| {
        disk.write_zeroes(first, count).map_err(driver)?;
        let mut found = sectors(count);
        found.fill(0x5a);
        disk.read(first, &mut found).map_err(driver)?;
        ensure!(
            found.iter().all(|byte| *byte == 0),
            "what was zeroed does not read as zeroes"
        );
        Ok(())
    })
}

/// Nothing can be said of what is read from sectors that were discarded, but that they can be read and written.
fn discards_and_restores(disk: &mut dyn BlockDevice) -> Result {
    if !disk.info().can_discard {
        return Err(Outcome::skipped(format_args!(
            "the disk has no such command, or its driver has not"
        )));
    }
    let beyond = whole_blocks(disk, u64::MAX);
    ensure!(
        disk.discard(beyond, disk.info().block_sectors).is_err(),
        "the block at sector {beyond} was discarded, of {beyond} sectors"
    );
    with_scratch(disk, |disk, first, count| {
        disk.discard(first, count).map_err(driver)?;
        disk.read(first, &mut sectors(count)).map_err(driver)
    })
}

/// Runs `test` on sectors at the end of the disk, and puts back what was there.
fn with_scratch(
    disk: &mut dyn BlockDevice,
    test: impl FnOnce(&mut dyn BlockDevice, u64, u64) -> Result,
) -> Result {
    if disk.info().is_read_only {
        return Err(Outcome::skipped(format_args!("the disk is read-only")));
    }
    let count = whole_blocks(disk, SCRATCH_SECTORS);
    let first = whole_blocks(disk, u64::MAX) - count;
    let mut original = sectors(count);
    disk.read(first, &mut original).map_err(driver)?;
    let outcome = disk
        .write(first, &vec![0xa5; original.len()])
        .map_err(driver)
        .and_then(|()| test(disk, first, count));
    let restored = disk.write(first, &original);
    let flushed = disk.flush();
    restored.and(flushed).map_err(|error| {
        Outcome::failed(format_args!(
            "what was there before is not restored: {error}"
        ))
    })?;
    outcome?;
    let mut found = sectors(count);
    disk.read(first, &mut found).map_err(driver)?;
    ensure!(found == original, "what was there before was not restored");
    Ok(())
}

fn has_many_reads_in_flight(disk: &mut dyn BlockDevice) -> Result {
    let block = disk.info().block_sectors;
    let block_bytes = sectors(block).len();
    let blocks = whole_blocks(disk, u64::MAX) / block;
    let count = READS.min(blocks);
    // Spread over the disk, and not in order.
    let place = |index: u64| (index * 7 % count) * (blocks / count) * block;
    let mut together = sectors(count * block);
    together.fill(0xc3);
    let mut reads: Vec<Read<'_>> = (0..)
        .zip(together.chunks_exact_mut(block_bytes))
        .map(|(index, buffer)| Read {
            first_sector: place(index),
            buffer,
        })
        .collect();
    disk.read_many(&mut reads).map_err(driver)?;
    for (index, found) in (0..).zip(together.chunks_exact(block_bytes)) {
        let mut alone = sectors(block);
        disk.read(place(index), &mut alone).map_err(driver)?;
        ensure!(
            found == alone,
            "the block at sector {} differs when read among others",
            place(index)
        );
    }
    Ok(())
}

/// The reads before the one that is refused are answered: nobody waits for them until the deadline.
fn refuses_one_read_of_many(disk: &mut dyn BlockDevice) -> Result {
    let beyond = whole_blocks(disk, u64::MAX);
    let mut block = sectors(disk.info().block_sectors);
    let mut refused = block.clone();
    let Err(alone) = disk.read(beyond, &mut refused) else {
        return Err(Outcome::failed(format_args!(
            "the block at sector {beyond} was read, of {beyond} sectors"
        )));
    };
    let mut reads = [(0, &mut block), (beyond, &mut refused)].map(|(first_sector, buffer)| Read {
        first_sector,
        buffer,
    });
    let Err(among_others) = disk.read_many(&mut reads) else {
        return Err(Outcome::failed(format_args!(
            "the block at sector {beyond} was read among others, of {beyond} sectors"
        )));
    };
    let (alone, among_others) = (format!("{alone}"), format!("{among_others}"));
    ensure!(
        alone == among_others,
        "a read that is refused alone ({alone}) fails differently among others: {among_others}"
    );
    disk.read(0, &mut block).map_err(driver)
}

fn splits_a_long_request(disk: &mut dyn BlockDevice) -> Result {
    let info = disk.info();
    let count = whole_blocks(disk, WHOLE_SECTORS);
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
    let mut part = sectors(info.block_sectors);
    let block_bytes = part.len();
    // A stride that hits no borders of pieces by rule.
    for (index, block) in (0..).zip(whole.chunks_exact(block_bytes)).step_by(61) {
        let first: u64 = index * info.block_sectors;
        disk.read(first, &mut part).map_err(driver)?;
        ensure!(
            block == part,
            "the block at sector {first} differs when read in one long request"
        );
    }
    Ok(())
}

fn refuses_what_is_not_whole_blocks(disk: &mut dyn BlockDevice) -> Result {
    let block_bytes = sectors(disk.info().block_sectors).len();
    for length in [0, 1, block_bytes - 1, block_bytes + 1, block_bytes / 2] {
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
    let mut before = sectors(disk.info().block_sectors);
    disk.read(0, &mut before).map_err(driver)?;
    let mut changed = before.clone();
    changed.iter_mut().for_each(|byte| *byte ^= 0xff);
    ensure!(
        disk.write(0, &changed).is_err(),
        "a read-only disk was written"
    );
    let mut after = sectors(disk.info().block_sectors);
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

/// Interrupts arrive, and no storm of them.
///
/// Certain is only that of the first request after the disk was brought up, for which its driver asked beforehand: later on, an answer
/// that is there before the driver looks needs none, and that may be so of each of these.
fn interrupts_when_it_is_done(disk: &mut dyn BlockDevice, lines: &[Line]) -> Result {
    const READS: u64 = 20;
    let mut block = sectors(disk.info().block_sectors);
    let before = interrupts::count(lines);
    for _ in 0..READS {
        disk.read(0, &mut block).map_err(driver)?;
    }
    wait_until(|| interrupts::count(lines) > 0)?;
    let count = interrupts::count(lines) - before;
    ensure!(count <= READS, "{READS} reads made {count} interrupts");
    Ok(())
}

/// A driver that counts notifies once a request, if they come one after the other.
fn notifies_once_a_request(disk: &mut dyn BlockDevice) -> Result {
    const READS: u64 = 20;
    let Some(before) = disk.counts().first().copied() else {
        return Err(Outcome::skipped(format_args!("the driver counts nothing")));
    };
    let mut block = sectors(disk.info().block_sectors);
    for _ in 0..READS {
        disk.read(0, &mut block).map_err(driver)?;
    }
    let after = disk.counts().first().copied();
    let after = after.ok_or_else(|| Outcome::failed(format_args!("it stopped counting")))?;
    let requests = after.requests - before.requests;
    let notifications = after.notifications - before.notifications;
    ensure!(requests == READS, "{READS} reads are {requests} requests");
    ensure!(
        notifications == READS,
        "{READS} reads made {notifications} notifications"
    );
    Ok(())
}

/// Returns as many sectors as the disk has, at most `limit`, or one block if that is more; whole blocks.
fn whole_blocks(disk: &dyn BlockDevice, limit: u64) -> u64 {
    let info = disk.info();
    let count = info.capacity_sectors.min(limit.max(info.block_sectors));
    count - count % info.block_sectors
}

fn sectors(count: u64) -> Vec<u8> {
    vec![0; count as usize * SECTOR_BYTES]
}

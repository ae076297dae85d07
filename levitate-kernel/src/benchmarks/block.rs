//! Disks: [`Contender`], what each of them has to do, and their turns.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt::Write;

use levitate_kernel::command_line::Effort;

use super::series::{Record, Subject, Tally};
#[cfg(feature = "virtio-drivers")]
use super::virtio_drivers_blk;
use super::{Result, floor, levitate_blk, levitate_blk_async};
use crate::devices::{Entry, Way};
use crate::drivers::block::SECTOR_BYTES;

/// A driver that is measured.
pub(super) struct Contender {
    /// Its name in what is told.
    pub(super) name: &'static str,
    /// Brings it up on a device, has it used, and takes it off again.
    pub(super) drive: fn(&Entry, &mut Body<'_>) -> Result,
}

/// Uses a driver that is up.
pub(super) type Body<'a> = dyn FnMut(&mut dyn Disk, &dyn Tally) -> Result + 'a;

/// In the order of their turns: first our best, and next to it what it has to stand comparison with.
const CONTENDERS: &[Contender] = &[
    levitate_blk::IN_FLIGHT,
    floor::DISK,
    #[cfg(feature = "virtio-drivers")]
    virtio_drivers_blk::BLOCKING,
    #[cfg(feature = "virtio-drivers")]
    virtio_drivers_blk::IN_FLIGHT,
    levitate_blk::IN_TABLES,
    levitate_blk::BLOCKING,
    levitate_blk_async::ASLEEP,
];

/// A disk as it is measured.
pub(super) trait Disk {
    /// Returns its length.
    fn capacity_sectors(&mut self) -> Result<u64>;

    /// Returns how many requests it can have in flight at a time.
    fn max_depth(&self) -> u16;

    /// Prepares for batches of this kind; whatever memory they take is allocated here.
    fn prepare(&mut self, batch: Batch) -> Result;

    /// Makes a batch of requests, one behind the other from `first_sector` on, and waits until all of them are done.
    fn run(&mut self, first_sector: u64) -> Result;

    /// Looks whether the last batch was carried out, where `run` does not.
    fn check(&self) -> Result {
        Ok(())
    }
}

/// Requests that are made together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    /// What they do.
    pub(super) access: Access,
    /// How many they are.
    pub(super) requests: u16,
    /// Length of each.
    pub(super) bytes: usize,
}

impl Batch {
    /// Returns the sectors of one request.
    pub(super) const fn sectors_each(&self) -> u64 {
        (self.bytes / SECTOR_BYTES) as u64
    }

    /// Returns the first sector of batch number `number`, on a disk of this length: one batch after the other, and then from the beginning.
    fn first_sector(&self, number: u32, capacity_sectors: u64) -> u64 {
        let sectors = self.sectors_each() * u64::from(self.requests);
        let batches = (capacity_sectors / sectors).max(1);
        u64::from(number) % batches * sectors
    }
}

/// What requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// How many requests are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Exactly(u16),
    /// As many as the driver can have.
    Deepest,
}

struct Workload {
    name: &'static str,
    access: Access,
    bytes: usize,
    depth: Depth,
    /// Batches in a round.
    batches: u32,
    /// Batches in a round of a short benchmark.
    few_batches: u32,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "read-4k-one",
        access: Access::Read,
        bytes: 4 << 10,
        depth: Depth::Exactly(1),
        batches: 300,
        few_batches: 40,
    },
    Workload {
        name: "read-4k-batch",
        access: Access::Read,
        bytes: 4 << 10,
        depth: Depth::Exactly(32),
        batches: 30,
        few_batches: 4,
    },
    Workload {
        name: "read-4k-deepest",
        access: Access::Read,
        bytes: 4 << 10,
        depth: Depth::Deepest,
        batches: 10,
        few_batches: 2,
    },
    Workload {
        name: "read-128k-one",
        access: Access::Read,
        bytes: 128 << 10,
        depth: Depth::Exactly(1),
        batches: 40,
        few_batches: 4,
    },
    Workload {
        name: "write-128k-one",
        access: Access::Write,
        bytes: 128 << 10,
        depth: Depth::Exactly(1),
        batches: 40,
        few_batches: 4,
    },
];

/// How often each contender has its turn.
const fn rounds(effort: Effort) -> u32 {
    match effort {
        Effort::Full => 35,
        Effort::Short => 2,
    }
}

/// Measures all contenders on the disk of `entry`.
pub(super) fn run(effort: Effort, entry: &Entry, out: &mut impl Write) -> Result {
    let mut record = Record::new(&name(&entry.way)?, &entry.way);
    for _ in 0..rounds(effort) {
        for contender in CONTENDERS {
            (contender.drive)(entry, &mut |disk, tally| {
                turn(effort, contender.name, disk, tally, &mut record)
            })
            .map_err(|error| format!("{}: {error}", contender.name))?;
        }
    }
    Ok(record.write(out)?)
}

/// One turn of one contender.
fn turn(
    effort: Effort,
    driver: &'static str,
    disk: &mut dyn Disk,
    tally: &dyn Tally,
    record: &mut Record,
) -> Result {
    for workload in WORKLOADS {
        let deepest = disk.max_depth();
        let requests = match workload.depth {
            // What takes one request at a time, does the same for many.
            Depth::Exactly(many) if many > 1 && deepest == 1 => continue,
            Depth::Deepest if deepest == 1 => continue,
            Depth::Exactly(many) => many,
            Depth::Deepest => deepest,
        };
        let batch = Batch {
            access: workload.access,
            requests,
            bytes: workload.bytes,
        };
        let samples = match effort {
            Effort::Full => workload.batches,
            Effort::Short => workload.few_batches,
        };
        let capacity_sectors = disk.capacity_sectors()?;
        disk.prepare(batch)?;
        // The first one of a kind takes longer, for the translator and caches.
        disk.run(0)?;
        let subject = Subject {
            driver,
            workload: workload.name,
            depth: requests.min(deepest),
        };
        record.measure(subject, tally, (samples, requests), |sample| {
            disk.run(batch.first_sector(sample, capacity_sectors))
        })?;
        disk.check()?;
    }
    Ok(())
}

/// Returns what the disk calls itself, or where it is.
fn name(way: &Way) -> Result<String> {
    let id = levitate_blk::id(way)?;
    Ok(match id.is_empty() {
        true => way.location().to_string(),
        false => id,
    })
}

//! A reset of one virtqueue of every disk, which goes on with what comes after it (§2.6.1).
//!
//! Nowhere else does the kernel ask for RING_RESET: the disks of QEMU keep its promise only for a queue that they have fetched everything
//! from and answered. So nothing is in flight when a queue is reset here, but what the device was not told of.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use levitate_drivers_blk::{Blk, BlkStorage, Options, RequestError, ResetQueueError};
use levitate_kernel::selftest::{Outcome, Run};
use levitate_virtio::{DeviceType, Features, QueueIndex, QueueResetError, Token};

use super::{Result, ensure, is_driven, wait_until};
use crate::devices::{Devices, KernelTransport, Way};
use crate::drivers::block::SECTOR_BYTES;
use crate::interrupts;
use crate::platform::{KernelDma, Platform, platform};

/// Requests that can be in flight at a time.
const REQUESTS: usize = 8;
/// How often a queue is reset in one life of the device.
const ROUNDS: usize = 20;
/// The queue that is reset; the driver has no other one here.
const QUEUE: QueueIndex = QueueIndex::new(0);
/// What is in a buffer before something is read into it.
const UNREAD: u8 = 0xc3;

type Disk<'s> = Blk<'s, KernelTransport, Platform>;
type Test = fn(&mut Disk<'_>, &Way) -> Result;
/// What a request came back with: its result, and what its buffer holds.
type Lost = (core::result::Result<(), RequestError>, Vec<u8>);

const TESTS: &[(&str, Test)] = &[
    ("queue-reset-reads-on", reads_on_after_each_reset),
    ("queue-reset-gives-back", gives_back_what_was_not_fetched),
    ("queue-reset-interrupts", interrupts_after_a_reset),
    ("queue-reset-ignored", goes_on_if_the_reset_is_ignored),
];

/// Runs every test on every disk, each in a life of the device of its own.
pub(super) fn run(devices: &mut Devices, run: &mut Run, out: &mut impl Write) -> fmt::Result {
    let entries = devices.entries.iter().enumerate();
    let disks: Vec<usize> = entries
        .filter(|(_, entry)| entry.way.device_type() == DeviceType::BLOCK)
        .map(|(index, _)| index)
        .collect();
    if disks.is_empty() {
        run.record("disk", &Outcome::skipped(format_args!("no disk")), out)?;
    }
    for (number, index) in disks.into_iter().enumerate() {
        let way = devices.entries[index].way.clone();
        devices.stop(index);
        for (name, test) in TESTS {
            let outcome = Outcome::of(on_disk(&way, *test));
            run.record(&format!("disk{number}-{name}"), &outcome, out)?;
        }
        devices.start(index);
        let works = Outcome::of(is_driven(&devices.entries[index]));
        run.record(&format!("disk{number}-is-driven-again"), &works, out)?;
    }
    Ok(())
}

fn on_disk(way: &Way, test: Test) -> Result {
    let options = Options {
        features: Features::DEFAULT.union(Features::RING_RESET),
        ..Options::default()
    };
    let mut storage = Box::new(BlkStorage::<KernelDma, REQUESTS>::new());
    let mut disk = Blk::with_options(way.connect()?, platform(), &mut storage, options)?;
    test(&mut disk, way)
}

fn reads_on_after_each_reset(disk: &mut Disk<'_>, _: &Way) -> Result {
    let before = read(disk)?;
    for round in 1..=ROUNDS {
        let lost = reset(disk)?;
        ensure!(
            lost.is_empty(),
            "nothing was in flight, and reset {round} gave back {}",
            lost.len()
        );
        ensure!(
            read(disk)? == before,
            "what is read after reset {round} is something else"
        );
    }
    Ok(())
}

fn gives_back_what_was_not_fetched(disk: &mut Disk<'_>, _: &Way) -> Result {
    let before = read(disk)?;
    let tokens = submit(disk)?;
    let lost = reset(disk)?;
    ensure!(
        lost.len() == tokens.len() && disk.in_flight() == 0,
        "of {} requests {} came back, and {} are still in flight",
        tokens.len(),
        lost.len(),
        disk.in_flight()
    );
    for (result, content) in lost {
        ensure!(
            result == Err(RequestError::Aborted),
            "a request that the device was not told of came back as {result:?}"
        );
        ensure!(
            content.iter().all(|byte| *byte == UNREAD),
            "something was read by a request that came back"
        );
    }
    ensure!(
        read(disk)? == before,
        "what is read after the reset is something else"
    );
    Ok(())
}

/// Over PCI, a device forgets the vector of a queue that is reset.
///
/// Nobody looks at the queue before the interrupt: a device sends none for what its driver has seen already.
fn interrupts_after_a_reset(disk: &mut Disk<'_>, way: &Way) -> Result {
    let lines = way.lines_of_queue(QUEUE.get());
    disk.set_used_notifications(true);
    let done = disk.poll()?;
    ensure!(done.is_none(), "something is done before anything is asked");
    for _ in 0..2 {
        let before = interrupts::count(&lines);
        let tokens = submit(disk)?;
        disk.notify();
        wait_until(|| interrupts::count(&lines) > before)?;
        collect(disk, tokens)?;
        reset(disk)?;
    }
    Ok(())
}

/// As on QEMU's virtio-mmio, which has no register for it.
fn goes_on_if_the_reset_is_ignored(disk: &mut Disk<'_>, _: &Way) -> Result {
    let before = read(disk)?;
    let tokens = submit(disk)?;
    match disk.reset_queue(QUEUE, |_| {}) {
        Err(ResetQueueError::Reset(QueueResetError::Ignored { .. })) => {}
        Ok(()) => {
            return Err(Outcome::skipped(format_args!(
                "the device resets its queue"
            )));
        }
        Err(error) => return Err(error.into()),
    }
    ensure!(
        collect(disk, tokens)? == before,
        "what was in flight when the reset was ignored reads something else"
    );
    Ok(())
}

/// Resets the queue, and returns what became of each request that was in it.
fn reset(disk: &mut Disk<'_>) -> Result<Vec<Lost>> {
    let mut lost = Vec::new();
    let reset = disk.reset_queue(QUEUE, |request| {
        let content = request.buffer.map(|buffer| buffer.as_slice().to_vec());
        lost.push((request.result, content.unwrap_or_default()));
    });
    match reset {
        Ok(()) => Ok(lost),
        Err(ResetQueueError::Reset(
            error @ (QueueResetError::Ignored { .. } | QueueResetError::NotNegotiated { .. }),
        )) => Err(Outcome::skipped(format_args!("the device: {error}"))),
        Err(error) => Err(error.into()),
    }
}

/// Reads the first blocks, one in each request, all in flight together.
fn read(disk: &mut Disk<'_>) -> Result<Vec<u8>> {
    let tokens = submit(disk)?;
    collect(disk, tokens)
}

/// Submits a read of each of the first blocks, and does not tell the device.
fn submit(disk: &mut Disk<'_>) -> Result<Vec<Token>> {
    let block_bytes = disk.block_size_bytes() as usize;
    let block_sectors = (block_bytes / SECTOR_BYTES) as u64;
    let blocks = disk.capacity_sectors() / block_sectors;
    let count = blocks.min(REQUESTS as u64);
    ensure!(count > 1, "the disk has {blocks} blocks");
    let mut tokens = vec![];
    for block in 0..count {
        let mut buffer = disk.allocate_buffer(block_bytes)?;
        buffer.as_mut_slice().fill(UNREAD);
        tokens.push(disk.submit_read(block * block_sectors, buffer)?);
    }
    Ok(tokens)
}

/// Tells the device, and returns what these requests read.
fn collect(disk: &mut Disk<'_>, tokens: Vec<Token>) -> Result<Vec<u8>> {
    disk.notify();
    let mut bytes = Vec::new();
    for token in tokens {
        let completion = disk.wait(token)?;
        let completion = completion
            .ok_or_else(|| Outcome::failed(format_args!("a request is gone from the queue")))?;
        completion.result?;
        let buffer = completion.buffer.as_ref();
        bytes.extend_from_slice(buffer.map_or(&[][..], |buffer| buffer.as_slice()));
    }
    Ok(bytes)
}

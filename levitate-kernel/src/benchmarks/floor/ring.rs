//! A device and its first queue: [`Ring`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};

use levitate_hal::{Clock as _, Deadline, DmaAddr};
use levitate_virtio::queue::layout::{self, Block, Descriptor, DescriptorFlags};
use levitate_virtio::transport::{Placement, QueueAreas};
use levitate_virtio::{Features, Interface, Notify as _, QueueIndex, QueueSize, Status, Transport};

use super::memory::Memory;
use crate::benchmarks::transport::{CountedNotifier, CountedTransport, Counters};
use crate::benchmarks::{LOOKS, PATIENCE, Result};
use crate::devices::Way;
use crate::platform::KernelClock;

const QUEUE: QueueIndex = QueueIndex::new(0);
/// A queue as long as the others have.
const MAX_SIZE: u32 = 256;

/// A device that is up, and a queue of it in which every chain is used before the next ones are made available.
pub(super) struct Ring {
    pub(super) transport: CountedTransport,
    notifier: CountedNotifier,
    memory: Memory,
    block: Block,
    pub(super) size: QueueSize,
    /// Where the next entry of the available ring goes; all before it are used.
    index: u16,
}

/// A buffer of a chain: where, how long, and whether the device writes there.
pub(super) type Buffer = (DmaAddr, usize, DescriptorFlags);

impl Ring {
    /// Brings the device up (§3.1.1), with no feature that it may be driven without.
    pub(super) fn new(way: &Way, counters: &Arc<Counters>) -> Result<Self> {
        let mut transport = CountedTransport::new(way, counters)?;
        reset(&mut transport)?;
        let mut status = Status::ACKNOWLEDGE | Status::DRIVER;
        transport.write_status(status);
        let offered = Features::from_bits_truncate(transport.read_device_features());
        let accepted = offered & (Features::VERSION_1 | Features::ANY_LAYOUT);
        transport.write_driver_features(accepted.bits());
        if transport.interface() == Interface::Modern {
            status |= Status::FEATURES_OK;
            transport.write_status(status);
        }
        transport.map_config_changes()?;
        let max = transport.read_max_queue_size(QUEUE)?;
        let size = QueueSize::at_most(max.min(MAX_SIZE)).ok_or("the queue has no room")?;
        let block = layout::block(
            size,
            match transport.placement() {
                Placement::Separate => layout::USED_RING_ALIGN,
                Placement::Block => layout::LEGACY_ALIGN,
            },
        );
        let memory = Memory::new(block.len_bytes)?;
        memory.store(
            block.available_ring + layout::AVAILABLE_FLAGS,
            layout::NO_NOTIFICATION,
        );
        let areas = QueueAreas {
            size,
            descriptor: memory.device_addr(block.descriptor_table),
            driver: memory.device_addr(block.available_ring),
            device: memory.device_addr(block.used_ring),
        };
        // SAFETY: the areas are those of `block` in `memory`, which is given back only in `end`, after a reset.
        unsafe { transport.enable_queue(QUEUE, &areas) }?;
        transport.write_status(status | Status::DRIVER_OK);
        Ok(Self {
            notifier: transport.notifier(QUEUE),
            transport,
            memory,
            block,
            size,
            index: 0,
        })
    }

    /// Resets the device, and gives the queue's memory back; the device reaches none it was given any more.
    pub(super) fn end(mut self) -> Result {
        reset(&mut self.transport)?;
        // SAFETY: the device is reset.
        unsafe { self.memory.release() };
        Ok(())
    }

    /// Lays out a chain whose descriptors are those from `head` on.
    pub(super) fn lay_out<const N: usize>(&self, head: u16, buffers: [Buffer; N]) -> Result {
        let last = N.checked_sub(1);
        for (number, (addr, len_bytes, flags)) in buffers.into_iter().enumerate() {
            let flags = match Some(number) == last {
                true => flags,
                false => flags | DescriptorFlags::NEXT,
            };
            let index = head + u16::try_from(number)?;
            let descriptor = Descriptor {
                addr: addr.get().into(),
                len: u32::try_from(len_bytes)?.into(),
                flags: flags.bits().into(),
                next: (index + 1).into(),
            };
            let offset = usize::from(index) * size_of::<Descriptor>();
            self.memory
                .store(self.block.descriptor_table + offset, descriptor);
        }
        Ok(())
    }

    /// Makes the chain at `head` the one of this number among those that are made available next.
    pub(super) fn offer(&self, number: u16, head: u16) {
        let entry =
            usize::from(self.index.wrapping_add(number) & self.size.mask()) * size_of::<u16>();
        let entry = self.block.available_ring + layout::AVAILABLE_RING + entry;
        self.memory.store(entry, head.to_le());
    }

    /// Makes as many chains available as were offered, and waits until all of them are used.
    pub(super) fn run(&mut self, chains: u16) -> Result {
        // Release: the device must see chains and entries before the index (§2.7.13.3.1).
        fence(Ordering::Release);
        self.index = self.index.wrapping_add(chains);
        self.memory.store(
            self.block.available_ring + layout::AVAILABLE_IDX,
            self.index.to_le(),
        );
        self.notifier.notify(self.index);
        let used_index = self.block.used_ring + layout::USED_IDX;
        let wanted = self.index.to_le();
        let deadline = Deadline::after(&KernelClock, PATIENCE);
        while !deadline.is_missed(&KernelClock) {
            for _ in 0..LOOKS {
                if self.memory.load::<u16>(used_index) == wanted {
                    // Acquire: what the device wrote is read after the index; its partner is the device's store of that.
                    fence(Ordering::Acquire);
                    return Ok(());
                }
                KernelClock.relax();
            }
        }
        Err("requests were not answered".into())
    }
}

/// Resets the device, and waits for it.
fn reset(transport: &mut CountedTransport) -> Result {
    transport.write_status(Status::empty());
    let deadline = Deadline::after(&KernelClock, PATIENCE);
    let is_reset = || transport.read_status().is_empty().then_some(());
    deadline
        .poll(&KernelClock, is_reset)
        .ok_or_else(|| Box::from("the device is not reset"))
}

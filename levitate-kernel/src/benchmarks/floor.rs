//! The least a polling driver can do: a split ring whose descriptors are laid out once, and nothing is checked (§2.7).
//!
//! It says how much of a time is the device's own. No kernel should drive a device like that.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::alloc::Layout;
use core::hint::spin_loop;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

use levitate_hal::{Deadline, Dma as _, DmaAddr, DmaAllocation};
use levitate_virtio::queue::layout::{self, Block, Descriptor, DescriptorFlags};
use levitate_virtio::transport::{Placement, QueueAreas};
use levitate_virtio::{Features, Interface, Notify as _, QueueIndex, QueueSize, Status, Transport};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::block::{Access, Batch, Contender, Disk};
use super::transport::{CountedNotifier, CountedTransport, Counters};
use super::{LOOKS, PATIENCE, Result};
use crate::devices::Way;
use crate::platform::{KernelClock, KernelDma};

/// The floor.
pub(super) const FLOOR: Contender = Contender {
    name: "floor",
    drive: |entry, body| {
        let counters = Arc::default();
        let mut floor = Floor::new(&entry.way, &counters)?;
        body(&mut floor, &*counters)?;
        floor.end()
    },
};

const QUEUE: QueueIndex = QueueIndex::new(0);
/// Descriptors of a request: its header, its data, its status.
const CHAIN: u16 = 3;
/// A queue as long as the others have.
const MAX_SIZE: u32 = 256;
/// Where the status is that a request ends with, from its header on; and how far apart requests are.
const STATUS_OFFSET: usize = 16;
const REQUEST_BYTES: usize = 32;

/// Types of requests, the status of one that was carried out, and of one that was not answered (§5.2.6).
const TYPE_IN: u32 = 0;
const TYPE_OUT: u32 = 1;
const STATUS_OK: u8 = 0;
const STATUS_UNWRITTEN: u8 = 0xff;

/// The beginning of a request (§5.2.6).
#[derive(Default, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct RequestHeader {
    kind: U32,
    reserved: U32,
    sector: U64,
}

struct Floor {
    transport: CountedTransport,
    notifier: CountedNotifier,
    ring: Memory,
    block: Block,
    size: QueueSize,
    capacity_sectors: u64,
    batch: Option<Prepared>,
    /// Where the next entry of the available ring goes; all before it are used.
    index: u16,
}

/// A batch whose descriptors are laid out.
struct Prepared {
    batch: Batch,
    /// A header and a status for each request, [`REQUEST_BYTES`] long.
    requests: Memory,
    _data: Memory,
}

/// Memory that the device knows; leaked, unless it is given back.
///
/// INVARIANT: `allocation` came from `KernelDma.allocate(layout)`, and was not given back.
struct Memory {
    allocation: DmaAllocation,
    layout: Layout,
}

impl Memory {
    fn new(bytes: usize) -> Result<Self> {
        let layout = Layout::from_size_align(bytes, layout::LEGACY_ALIGN)?;
        let allocation = KernelDma.allocate(layout)?;
        Ok(Self { allocation, layout })
    }

    /// Returns where the device finds what is at `offset`.
    fn device_addr(&self, offset: usize) -> DmaAddr {
        DmaAddr::new(self.allocation.device.get() + offset as u64)
    }

    /// Returns where the CPU finds the `T` at `offset`.
    fn place<T>(&self, offset: usize) -> NonNull<T> {
        debug_assert!(offset + size_of::<T>() <= self.layout.size());
        // SAFETY: the caller asks for nothing behind the end: rings are as long as their size says, requests as there are in a batch.
        unsafe { self.allocation.cpu.add(offset) }.cast()
    }

    fn store<T: IntoBytes>(&self, offset: usize, value: T) {
        // SAFETY: the place is inside the memory and aligned, as all offsets of rings and requests are. Volatile: the device reads it.
        unsafe { self.place::<T>(offset).write_volatile(value) }
    }

    fn load<T: FromBytes>(&self, offset: usize) -> T {
        // SAFETY: the place is inside the memory and aligned, as all offsets of rings and requests are. Volatile: the device writes it.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// The device does not reach it any more.
    unsafe fn release(self) {
        // SAFETY: from `allocate(layout)` and given back once, for it is moved here (invariant); unused by the device, says the caller.
        unsafe { KernelDma.release(self.allocation, self.layout) }
    }
}

impl Floor {
    /// Brings the device up (§3.1.1), with no feature that it may be driven without.
    fn new(way: &Way, counters: &Arc<Counters>) -> Result<Self> {
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
        let ring = Memory::new(block.len_bytes)?;
        ring.store(
            block.available_ring + layout::AVAILABLE_FLAGS,
            layout::NO_NOTIFICATION,
        );
        let areas = QueueAreas {
            size,
            descriptor: ring.device_addr(block.descriptor_table),
            driver: ring.device_addr(block.available_ring),
            device: ring.device_addr(block.used_ring),
        };
        // SAFETY: the areas are those of `block` in `ring`, which is given back only in `end`, after a reset.
        unsafe { transport.enable_queue(QUEUE, &areas) }?;
        transport.write_status(status | Status::DRIVER_OK);
        // `capacity` is the first field of the configuration (§5.2.4); nothing changes it here.
        let capacity = [transport.read_config32(0), transport.read_config32(4)];
        Ok(Self {
            notifier: transport.notifier(QUEUE),
            transport,
            ring,
            block,
            size,
            capacity_sectors: u64::from(capacity[0]) | u64::from(capacity[1]) << 32,
            batch: None,
            index: 0,
        })
    }

    /// Resets the device, and gives everything back.
    fn end(mut self) -> Result {
        reset(&mut self.transport)?;
        if let Some(prepared) = self.batch {
            prepared.release();
        }
        // SAFETY: the device is reset.
        unsafe { self.ring.release() };
        Ok(())
    }

    fn write_descriptor(
        &self,
        index: u16,
        addr: DmaAddr,
        len_bytes: usize,
        flags: DescriptorFlags,
    ) -> Result {
        let descriptor = Descriptor {
            addr: addr.get().into(),
            len: u32::try_from(len_bytes)?.into(),
            flags: flags.bits().into(),
            next: (index + 1).into(),
        };
        self.ring
            .store(usize::from(index) * size_of::<Descriptor>(), descriptor);
        Ok(())
    }
}

impl Prepared {
    /// Gives the memory back; no request is on its way.
    fn release(self) {
        // SAFETY: the device has used every request it was given, or is reset, and is given these no more.
        unsafe { self.requests.release() };
        // SAFETY: as above.
        unsafe { self._data.release() };
    }
}

impl Disk for Floor {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.capacity_sectors)
    }

    fn max_depth(&self) -> u16 {
        self.size.get() / CHAIN
    }

    fn prepare(&mut self, batch: Batch) -> Result {
        if let Some(before) = self.batch.take() {
            before.release();
        }
        let (kind, data_flags) = match batch.access {
            Access::Read => (TYPE_IN, DescriptorFlags::WRITE),
            Access::Write => (TYPE_OUT, DescriptorFlags::empty()),
        };
        let requests = Memory::new(usize::from(batch.requests) * REQUEST_BYTES)?;
        let data = Memory::new(usize::from(batch.requests) * batch.bytes)?;
        for number in 0..batch.requests {
            let request = usize::from(number) * REQUEST_BYTES;
            let header = RequestHeader {
                kind: kind.into(),
                ..RequestHeader::default()
            };
            requests.store(request, header);
            requests.store(request + STATUS_OFFSET, STATUS_UNWRITTEN);
            let head = number * CHAIN;
            let header = requests.device_addr(request);
            self.write_descriptor(
                head,
                header,
                size_of::<RequestHeader>(),
                DescriptorFlags::NEXT,
            )?;
            let bytes = data.device_addr(usize::from(number) * batch.bytes);
            self.write_descriptor(
                head + 1,
                bytes,
                batch.bytes,
                data_flags | DescriptorFlags::NEXT,
            )?;
            let status = requests.device_addr(request + STATUS_OFFSET);
            self.write_descriptor(head + 2, status, size_of::<u8>(), DescriptorFlags::WRITE)?;
        }
        self.batch = Some(Prepared {
            batch,
            requests,
            _data: data,
        });
        Ok(())
    }

    fn run(&mut self, first_sector: u64) -> Result {
        let Some(Prepared {
            batch, requests, ..
        }) = &self.batch
        else {
            return Err("no batch is prepared".into());
        };
        let mut sector = first_sector;
        for number in 0..batch.requests {
            let header = usize::from(number) * REQUEST_BYTES;
            requests.store(header + offset_of!(RequestHeader, sector), U64::new(sector));
            sector += batch.sectors_each();
            let entry =
                usize::from(self.index.wrapping_add(number) & self.size.mask()) * size_of::<u16>();
            let entry = self.block.available_ring + layout::AVAILABLE_RING + entry;
            self.ring.store(entry, (number * CHAIN).to_le());
        }
        // Release: the device must see headers and entries before the index (§2.7.13.3.1).
        fence(Ordering::Release);
        self.index = self.index.wrapping_add(batch.requests);
        self.ring.store(
            self.block.available_ring + layout::AVAILABLE_IDX,
            self.index.to_le(),
        );
        self.notifier.notify(self.index);
        let used_index = self.block.used_ring + layout::USED_IDX;
        let wanted = self.index.to_le();
        let deadline = Deadline::after(&KernelClock, PATIENCE);
        while !deadline.is_missed(&KernelClock) {
            for _ in 0..LOOKS {
                if self.ring.load::<u16>(used_index) == wanted {
                    // Acquire: what the device wrote is read after the index; its partner is the device's store of that.
                    fence(Ordering::Acquire);
                    return Ok(());
                }
                spin_loop();
            }
        }
        // The device may still write there: the memory stays with it.
        self.batch = None;
        Err("requests were not answered".into())
    }

    fn check(&self) -> Result {
        let Some(Prepared {
            batch, requests, ..
        }) = &self.batch
        else {
            return Ok(());
        };
        for number in 0..batch.requests {
            let status = usize::from(number) * REQUEST_BYTES + STATUS_OFFSET;
            if requests.load::<u8>(status) != STATUS_OK {
                return Err("the device did not carry out a request".into());
            }
        }
        Ok(())
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

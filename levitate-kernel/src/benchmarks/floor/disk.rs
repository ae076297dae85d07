//! The floor of disks (§5.2.6).

use alloc::sync::Arc;
use core::mem::offset_of;

use levitate_virtio::Transport as _;
use levitate_virtio::queue::layout::DescriptorFlags;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::memory::Memory;
use super::ring::Ring;
use crate::benchmarks::Result;
use crate::benchmarks::block::{Access, Batch, Contender, Disk};

/// The floor.
pub(in crate::benchmarks) const DISK: Contender = Contender {
    name: "floor",
    drive: |entry, body| {
        let counters = Arc::default();
        let mut floor = Floor::new(Ring::new(&entry.way, &counters)?);
        body(&mut floor, &*counters)?;
        floor.end()
    },
};

/// Descriptors of a request: its header, its data, its status.
const CHAIN: u16 = 3;
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
    ring: Ring,
    capacity_sectors: u64,
    batch: Option<Prepared>,
}

/// A batch whose descriptors are laid out.
struct Prepared {
    batch: Batch,
    /// A header and a status for each request, [`REQUEST_BYTES`] long.
    requests: Memory,
    _data: Memory,
}

impl Floor {
    fn new(ring: Ring) -> Self {
        // `capacity` is the first field of the configuration (§5.2.4); nothing changes it here.
        let capacity = [0, 4].map(|offset| ring.transport.read_config32(offset));
        Self {
            ring,
            capacity_sectors: u64::from(capacity[0]) | u64::from(capacity[1]) << 32,
            batch: None,
        }
    }

    /// Resets the device, and gives everything back.
    fn end(self) -> Result {
        self.ring.end()?;
        if let Some(prepared) = self.batch {
            prepared.release();
        }
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
        self.ring.size.get() / CHAIN
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
            let header = requests.device_addr(request);
            let bytes = data.device_addr(usize::from(number) * batch.bytes);
            let status = requests.device_addr(request + STATUS_OFFSET);
            self.ring.lay_out(
                number * CHAIN,
                [
                    (header, size_of::<RequestHeader>(), DescriptorFlags::empty()),
                    (bytes, batch.bytes, data_flags),
                    (status, size_of::<u8>(), DescriptorFlags::WRITE),
                ],
            )?;
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
            self.ring.offer(number, number * CHAIN);
        }
        self.ring.run(batch.requests).inspect_err(|_| {
            // The device may still write there: the memory stays with it.
            self.batch = None;
        })
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

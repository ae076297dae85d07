//! `levitate-drivers-blk`, by futures: the CPU sleeps while their requests are in flight.

use alloc::vec::Vec;

use levitate_drivers_blk::{AsyncBlk, Request};
use levitate_hal::DmaBuffer;

use super::Result;
use super::block::{Access, Batch, Contender, Disk};
use super::levitate_blk;
use super::transport::CountedTransport;
use crate::executor::block_on;
use crate::platform::{KernelDma, Platform};

/// Requests that are submitted by value, notified of together, and waited for one after the other.
pub(super) const ASLEEP: Contender = Contender {
    name: "levitate-async",
    drive: |entry, body| {
        levitate_blk::drive::<{ levitate_blk::REQUESTS }>(&entry.way, |blk, counters| {
            let blk = AsyncBlk::new(blk, entry.signal);
            let mut disk = Asleep {
                blk: &blk,
                batch: None,
                buffers: Vec::new(),
                requests: Vec::new(),
            };
            body(&mut disk, counters)
        })
    },
};

type Driver<'s> = AsyncBlk<'s, CountedTransport, Platform>;

struct Asleep<'b, 's> {
    blk: &'b Driver<'s>,
    batch: Option<Batch>,
    buffers: Vec<DmaBuffer<KernelDma>>,
    /// Those in flight; a field for the sake of its memory.
    requests: Vec<Request<'b, 's, CountedTransport, Platform>>,
}

impl Disk for Asleep<'_, '_> {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.blk.capabilities().capacity_sectors())
    }

    fn max_depth(&self) -> u16 {
        self.blk.idle_slots()
    }

    fn prepare(&mut self, batch: Batch) -> Result {
        self.buffers.clear();
        for _ in 0..batch.requests {
            self.buffers.push(self.blk.allocate_buffer(batch.bytes)?);
        }
        self.requests.reserve(batch.requests.into());
        self.batch = Some(batch);
        Ok(())
    }

    fn run(&mut self, first_sector: u64) -> Result {
        let batch = self.batch.ok_or("no batch is prepared")?;
        let mut sector = first_sector;
        while let Some(buffer) = self.buffers.pop() {
            let submitted = match batch.access {
                Access::Read => self.blk.submit_read(sector, buffer),
                Access::Write => self.blk.submit_write(sector, buffer),
            };
            self.requests
                .push(submitted.map_err(|rejected| rejected.error)?);
            sector += batch.sectors_each();
        }
        let Self {
            requests, buffers, ..
        } = self;
        block_on(async {
            // The first one that is polled notifies the device of all.
            for request in requests.drain(..) {
                let completion = request.await?;
                completion.result?;
                buffers.extend(completion.buffer);
            }
            Ok(())
        })
    }
}

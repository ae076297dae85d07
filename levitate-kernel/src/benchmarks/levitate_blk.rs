//! `levitate-drivers-blk`, by requests that are submitted and collected, and by blocking calls over borrowed slices.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use levitate_drivers_blk::{Blk, BlkStorage, Options};
use levitate_hal::{Clock as _, Deadline, DmaBuffer};

use super::block::{Access, Batch, Body, Contender, Disk};
use super::transport::{CountedTransport, Counters};
use super::{LOOKS, PATIENCE, Result};
use crate::devices::{Entry, Way};
use crate::platform::{KernelClock, KernelDma, Platform, platform};

/// Requests that are submitted by value, notified of together and polled for.
pub(super) const IN_FLIGHT: Contender = Contender {
    name: "levitate",
    drive: |entry, body| in_flight::<REQUESTS>(entry, body),
};

/// The same, with room for so many that each has to be in a table of its own.
pub(super) const IN_TABLES: Contender = Contender {
    name: "levitate-tables",
    drive: |entry, body| in_flight::<MOST_REQUESTS>(entry, body),
};

/// Blocking calls, whose data goes through the driver's own buffer.
pub(super) const BLOCKING: Contender = Contender {
    name: "levitate-blocking",
    drive: |entry, body| {
        drive::<REQUESTS>(&entry.way, |blk, counters| {
            let mut disk = Blocking {
                blk,
                access: Access::Read,
                data: Vec::new(),
            };
            body(&mut disk, counters)
        })
    },
};

/// QEMU's queue has descriptors for the chains of so many.
pub(super) const REQUESTS: usize = 64;
/// As many as QEMU's queue has descriptors.
const MOST_REQUESTS: usize = 256;
/// The longest request there is in a benchmark, so that no call becomes two.
const BOUNCE_BYTES: usize = 128 << 10;

/// The driver, over a transport that counts.
pub(super) type Driver<'s> = Blk<'s, CountedTransport, Platform>;

/// Has the disk used by a driver with room for so many requests.
fn in_flight<const REQUESTS: usize>(entry: &Entry, body: &mut Body<'_>) -> Result {
    drive::<REQUESTS>(&entry.way, |blk, counters| {
        let mut disk = InFlight {
            blk,
            batch: None,
            buffers: Vec::new(),
        };
        body(&mut disk, counters)
    })
}

/// Brings the disk up, has it used, and takes it off again.
pub(super) fn drive<const REQUESTS: usize>(
    way: &Way,
    body: impl FnOnce(Driver<'_>, &Counters) -> Result,
) -> Result {
    let counters = Arc::default();
    let transport = CountedTransport::new(way, &counters)?;
    let mut storage = Box::new(BlkStorage::<KernelDma, REQUESTS>::new());
    let options = Options {
        bounce_bytes: BOUNCE_BYTES,
        ..Options::default()
    };
    let blk = Blk::with_options(transport, platform(), &mut storage, options)?;
    body(blk, &counters)
}

/// Returns what the disk calls itself.
pub(super) fn id(way: &Way) -> Result<String> {
    let mut id = String::new();
    drive::<1>(way, |mut blk, _| {
        id = blk.id()?.to_string();
        Ok(())
    })?;
    Ok(id)
}

struct InFlight<'s> {
    blk: Driver<'s>,
    batch: Option<Batch>,
    buffers: Vec<DmaBuffer<KernelDma>>,
}

impl Disk for InFlight<'_> {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.blk.capacity_sectors())
    }

    fn max_depth(&self) -> u16 {
        self.blk.idle_slots()
    }

    fn prepare(&mut self, batch: Batch) -> Result {
        self.buffers.clear();
        for _ in 0..batch.requests {
            self.buffers.push(self.blk.allocate_buffer(batch.bytes)?);
        }
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
            submitted.map_err(|rejected| rejected.error)?;
            sector += batch.sectors_each();
        }
        self.blk.notify();
        let deadline = Deadline::after(&KernelClock, PATIENCE);
        while self.buffers.len() < usize::from(batch.requests) {
            self.collect(&deadline)?;
        }
        Ok(())
    }
}

impl InFlight<'_> {
    /// Waits for one request.
    fn collect(&mut self, deadline: &Deadline) -> Result {
        loop {
            for _ in 0..LOOKS {
                let result: Option<Result> = self.blk.poll_with(|done| {
                    if let Some(buffer) = done.buffer {
                        self.buffers.push(buffer);
                    }
                    done.result.map_err(Into::into)
                })?;
                if let Some(result) = result {
                    return result;
                }
                KernelClock.relax();
            }
            if deadline.is_missed(&KernelClock) {
                return Err("requests were not answered".into());
            }
        }
    }
}

struct Blocking<'s> {
    blk: Driver<'s>,
    access: Access,
    data: Vec<u8>,
}

impl Disk for Blocking<'_> {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.blk.capacity_sectors())
    }

    fn max_depth(&self) -> u16 {
        1
    }

    fn prepare(&mut self, batch: Batch) -> Result {
        self.access = batch.access;
        self.data = vec![0; batch.bytes];
        Ok(())
    }

    fn run(&mut self, first_sector: u64) -> Result {
        match self.access {
            Access::Read => self.blk.read(first_sector, &mut self.data)?,
            Access::Write => self.blk.write(first_sector, &self.data)?,
        }
        Ok(())
    }
}

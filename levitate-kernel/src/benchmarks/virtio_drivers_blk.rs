//! The crate `virtio-drivers` on a disk, by requests in flight and by blocking calls.

use alloc::vec;
use alloc::vec::Vec;

use levitate_hal::{Clock as _, Deadline};
use virtio_drivers::Error;
use virtio_drivers::device::blk::{BlkReq, BlkResp, VirtIOBlk};

use super::block::{Access, Batch, Contender, Disk};
use super::series::Tally;
use super::{LOOKS, PATIENCE, Result};
use crate::drivers::virtio_drivers::{Counted, Life, Record};
use crate::platform::{KernelClock, KernelHal};

/// Requests that are submitted one by one, as many as its queue holds, and polled for.
pub(super) const IN_FLIGHT: Contender = Contender {
    name: "virtio-drivers",
    drive: |entry, body| {
        let life = Life::start(&entry.way, VirtIOBlk::new)?;
        let record = life.record();
        let mut disk = InFlight {
            life,
            batch: None,
            requests: Vec::new(),
            owners: [None; QUEUE_SIZE],
        };
        let outcome = body(&mut disk, &*record);
        if !disk.life.end() {
            // The device may still write there.
            disk.requests.leak();
        }
        outcome
    },
};

/// Blocking calls, whose data the device reads and writes where it is.
pub(super) const BLOCKING: Contender = Contender {
    name: "virtio-drivers-blocking",
    drive: |entry, body| {
        let life = Life::start(&entry.way, VirtIOBlk::new)?;
        let record = life.record();
        let mut disk = Blocking {
            life,
            access: Access::Read,
            data: Vec::new(),
        };
        body(&mut disk, &*record)
    },
};

/// Descriptors of its queue, which all of a request's fit into one of.
const QUEUE_SIZE: usize = 16;

type Driver = VirtIOBlk<KernelHal, Counted>;

/// It counts notifications; registers are accessed by the crate's own transports.
impl Tally for Record {
    fn notifications(&self) -> u64 {
        self.notifications()
    }

    fn register_accesses(&self) -> Option<u64> {
        None
    }
}

/// A request, and what the device has of it.
#[derive(Default)]
struct Request {
    header: BlkReq,
    data: Vec<u8>,
    response: BlkResp,
}

struct InFlight {
    life: Life<Driver>,
    batch: Option<Batch>,
    /// INVARIANT: nothing is done with one that has an entry in `owners`.
    requests: Vec<Request>,
    /// The request of each token.
    owners: [Option<usize>; QUEUE_SIZE],
}

impl Disk for InFlight {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.life.driver()?.capacity())
    }

    fn max_depth(&self) -> u16 {
        QUEUE_SIZE as u16
    }

    fn prepare(&mut self, batch: Batch) -> Result {
        self.requests.clear();
        self.requests
            .resize_with(batch.requests.into(), || Request {
                data: vec![0; batch.bytes],
                ..Request::default()
            });
        self.batch = Some(batch);
        Ok(())
    }

    fn run(&mut self, first_sector: u64) -> Result {
        let batch = self.batch.ok_or("no batch is prepared")?;
        let deadline = Deadline::after(&KernelClock, PATIENCE);
        let mut sector = usize::try_from(first_sector)?;
        let (mut submitted, mut completed) = (0, 0);
        while completed < self.requests.len() {
            if submitted < self.requests.len() && self.submit(batch.access, submitted, sector)? {
                submitted += 1;
                sector += batch.sectors_each() as usize;
                continue;
            }
            self.complete(batch.access, &deadline)?;
            completed += 1;
        }
        Ok(())
    }
}

impl InFlight {
    /// Submits a request, if there is room for it in the queue; says whether there was.
    fn submit(&mut self, access: Access, index: usize, sector: usize) -> Result<bool> {
        let Request {
            header,
            data,
            response,
        } = &mut self.requests[index];
        let disk = self.life.driver()?;
        let token = match access {
            // SAFETY: the request has an entry in `owners` now, and is left alone until `complete` takes that out; it lives until
            // then, or until the device is reset (`drive`).
            Access::Read => unsafe { disk.read_blocks_nb(sector, header, data, response) },
            // SAFETY: as above.
            Access::Write => unsafe { disk.write_blocks_nb(sector, header, data, response) },
        };
        match token {
            Ok(token) => self.owners[usize::from(token)] = Some(index),
            Err(Error::QueueFull) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Waits for a request, and takes it back.
    fn complete(&mut self, access: Access, deadline: &Deadline) -> Result {
        let disk = self.life.driver()?;
        let token = wait(disk, deadline)?;
        let owner = self.owners.get_mut(usize::from(token));
        let index = owner.and_then(Option::take);
        let index = index.ok_or("an answer belongs to no request")?;
        let Request {
            header,
            data,
            response,
        } = &mut self.requests[index];
        match access {
            // SAFETY: it is what was submitted for this token.
            Access::Read => unsafe { disk.complete_read_blocks(token, header, data, response) }?,
            // SAFETY: it is what was submitted for this token.
            Access::Write => unsafe { disk.complete_write_blocks(token, header, data, response) }?,
        }
        Ok(())
    }
}

/// Waits until the device is done with a request; returns its token.
fn wait(disk: &mut Driver, deadline: &Deadline) -> Result<u16> {
    while !deadline.is_missed(&KernelClock) {
        for _ in 0..LOOKS {
            if let Some(token) = disk.peek_used() {
                return Ok(token);
            }
            KernelClock.relax();
        }
    }
    Err("requests were not answered".into())
}

struct Blocking {
    life: Life<Driver>,
    access: Access,
    data: Vec<u8>,
}

impl Disk for Blocking {
    fn capacity_sectors(&mut self) -> Result<u64> {
        Ok(self.life.driver()?.capacity())
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
        let sector = usize::try_from(first_sector)?;
        let disk = self.life.driver()?;
        match self.access {
            Access::Read => disk.read_blocks(sector, &mut self.data)?,
            Access::Write => disk.write_blocks(sector, &self.data)?,
        }
        Ok(())
    }
}

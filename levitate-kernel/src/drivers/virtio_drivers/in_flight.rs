//! Several reads of a `virtio-drivers` disk that are in flight together.
//!
//! The crate's calls for that leave it to the caller that the device has what it was given for as long as it may use it.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use levitate_hal::{Clock as _, Deadline};
use virtio_drivers::Error;
use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE, VirtIOBlk};

use super::life::Life;
use super::transport::Counted;
use crate::drivers::DriverError;
use crate::drivers::block::Read;
use crate::platform::{KernelClock, KernelHal};

/// How long all of them together may take.
const PATIENCE: Duration = Duration::from_secs(5);

type Disk = VirtIOBlk<KernelHal, Counted>;

/// A read, and what the device has of it.
///
/// INVARIANT: while `token` is `Some`, nothing is done with what is before it.
struct InFlight {
    request: BlkReq,
    buffer: Vec<u8>,
    response: BlkResp,
    token: Option<u16>,
    first_sector: usize,
}

impl InFlight {
    fn new(read: &Read<'_>) -> Result<Self, DriverError> {
        Ok(Self {
            request: BlkReq::default(),
            buffer: vec![0; read.buffer.len()],
            response: BlkResp::default(),
            token: None,
            first_sector: checked(read.first_sector, read.buffer)?,
        })
    }

    fn submit(&mut self, disk: &mut Disk) -> virtio_drivers::Result<()> {
        let (request, response) = (&mut self.request, &mut self.response);
        // SAFETY: they are left alone while there is a token, and live until `complete`, or until the disk is reset: `read` sees
        // to that.
        let token =
            unsafe { disk.read_blocks_nb(self.first_sector, request, &mut self.buffer, response) };
        self.token = Some(token?);
        Ok(())
    }

    /// Takes back what the device had; it was done with that of `token`.
    fn complete(&mut self, disk: &mut Disk, token: u16) -> virtio_drivers::Result<()> {
        let response = &mut self.response;
        // SAFETY: they are what was submitted for this token.
        let done =
            unsafe { disk.complete_read_blocks(token, &self.request, &mut self.buffer, response) };
        // An answer, whatever it is; if it is none, the disk is reset.
        self.token = None;
        done
    }
}

/// Reads all of `reads`, as many at a time as the queue holds; all of them are answered before the first error is returned.
pub(super) fn read(life: &mut Life<Disk>, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
    let in_flight = reads.iter().map(InFlight::new);
    let mut in_flight: Vec<InFlight> = in_flight.collect::<Result<_, _>>()?;
    match life.driver().and_then(|disk| run(disk, &mut in_flight)) {
        Ok(outcome) => outcome?,
        Err(error) => {
            if !life.end() {
                // The device may still write there.
                in_flight.leak();
            }
            return Err(error);
        }
    }
    for (read, done) in reads.iter_mut().zip(&in_flight) {
        read.buffer.copy_from_slice(&done.buffer);
    }
    Ok(())
}

/// Submits and completes until there are no more; returns the first error that was an answer, or fails for one that was none.
fn run(disk: &mut Disk, reads: &mut [InFlight]) -> Result<virtio_drivers::Result<()>, DriverError> {
    let deadline = Deadline::after(&KernelClock, PATIENCE);
    let mut outcome = Ok(());
    let (mut submitted, mut completed) = (0, 0);
    while completed < reads.len() {
        if let Some(next) = reads.get_mut(submitted) {
            match next.submit(disk) {
                Ok(()) => {
                    submitted += 1;
                    continue;
                }
                Err(Error::QueueFull) if completed < submitted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(token) = disk.peek_used() else {
            if deadline.is_missed(&KernelClock) {
                let missing = submitted - completed;
                return Err(
                    alloc::format!("{missing} reads not answered within {PATIENCE:?}").into(),
                );
            }
            KernelClock.relax();
            continue;
        };
        let answered = reads.iter_mut().find(|read| read.token == Some(token));
        let read = answered.ok_or("an answer belongs to no read")?;
        match read.complete(disk, token) {
            Err(error @ Error::WrongToken) => return Err(error.into()),
            done => outcome = outcome.and(done),
        }
        completed += 1;
    }
    Ok(outcome)
}

/// Refuses what the crate would panic over.
pub(super) fn checked(first_sector: u64, bytes: &[u8]) -> Result<usize, DriverError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(SECTOR_SIZE) {
        return Err("these are not whole sectors".into());
    }
    Ok(usize::try_from(first_sector)?)
}

//! Several reads of a `virtio-drivers` disk that are in flight together.
//!
//! The crate's calls for that leave it to the caller that the device has what it was given for as long as it may use it.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr::NonNull;
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

/// Memory that a device has for a while: there is no reference to it meanwhile, and unless it is taken back it is leaked.
///
/// INVARIANT: the pointer is that of a box, which nobody else has.
struct Lent<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Lent<T> {
    fn new(memory: Box<T>) -> Self {
        Self(NonNull::from(Box::leak(memory)))
    }

    /// Returns the memory, to give it to the device or to take it from there.
    ///
    /// # Safety
    ///
    /// The device does not have it, or is done with it.
    unsafe fn get(&mut self) -> &mut T {
        // SAFETY: it is alive and nobody else's, by the invariant, and the device does not write it, says the caller.
        unsafe { self.0.as_mut() }
    }

    /// Takes the memory back.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), for good.
    unsafe fn take_back(self) -> Box<T> {
        // SAFETY: it is that of a box, by the invariant, and this is the only call for it, which takes `self`.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

/// A read, and what the device has of it.
///
/// INVARIANT: while `token` is `Some`, nothing is done with what is before it.
struct InFlight {
    request: Lent<BlkReq>,
    buffer: Lent<[u8]>,
    response: Lent<BlkResp>,
    token: Option<u16>,
    first_sector: usize,
}

impl InFlight {
    fn new(first_sector: usize, len_bytes: usize) -> Self {
        Self {
            request: Lent::new(Box::default()),
            buffer: Lent::new(vec![0; len_bytes].into()),
            response: Lent::new(Box::default()),
            token: None,
            first_sector,
        }
    }

    fn submit(&mut self, disk: &mut Disk) -> virtio_drivers::Result<()> {
        // SAFETY: here and below, it was not given to the device before, or the device has answered.
        let request = unsafe { self.request.get() };
        // SAFETY: as above.
        let buffer = unsafe { self.buffer.get() };
        // SAFETY: as above.
        let response = unsafe { self.response.get() };
        // SAFETY: they are left alone while there is a token, and live until `complete`, or until the disk is reset: `read` sees
        // to that.
        let token = unsafe { disk.read_blocks_nb(self.first_sector, request, buffer, response) };
        self.token = Some(token?);
        Ok(())
    }

    /// Takes back what the device had; it was done with that of `token`.
    fn complete(&mut self, disk: &mut Disk, token: u16) -> virtio_drivers::Result<()> {
        // SAFETY: here and below, the device has answered, and writes there no more.
        let request = unsafe { self.request.get() };
        // SAFETY: as above.
        let buffer = unsafe { self.buffer.get() };
        // SAFETY: as above.
        let response = unsafe { self.response.get() };
        // SAFETY: they are what was submitted for this token.
        let done = unsafe { disk.complete_read_blocks(token, request, buffer, response) };
        // An answer, whatever it is; if it is none, the disk is reset.
        self.token = None;
        done
    }

    /// Takes its memory back, and returns what was read.
    ///
    /// # Safety
    ///
    /// The device has answered, or is reset.
    unsafe fn take_back(self) -> Box<[u8]> {
        // SAFETY: here and below, the caller's promise.
        drop(unsafe { self.request.take_back() });
        // SAFETY: as above.
        drop(unsafe { self.response.take_back() });
        // SAFETY: as above.
        unsafe { self.buffer.take_back() }
    }
}

/// Reads all of `reads`, as many at a time as the queue holds; all of them are answered before the first error is returned.
pub(super) fn read(life: &mut Life<Disk>, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
    // Checked first: what is made for a read is leaked unless it is taken back.
    let places = reads
        .iter()
        .map(|read| checked(read.first_sector, read.buffer));
    let places: Vec<usize> = places.collect::<Result<_, _>>()?;
    let new = |(read, place): (&Read<'_>, usize)| InFlight::new(place, read.buffer.len());
    let mut in_flight: Vec<InFlight> = reads.iter().zip(places).map(new).collect();
    let outcome = match life.driver().and_then(|disk| run(disk, &mut in_flight)) {
        Ok(outcome) => outcome.map_err(DriverError::from),
        Err(error) if life.end() => Err(error),
        // The device may still write there.
        Err(error) => return Err(error),
    };
    for (read, done) in reads.iter_mut().zip(in_flight) {
        // SAFETY: each was answered, or the device is reset.
        let buffer = unsafe { done.take_back() };
        if outcome.is_ok() {
            read.buffer.copy_from_slice(&buffer);
        }
    }
    outcome
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

//! Calls that wait for the device themselves.

use core::ops::Range;

use levitate_hal::{Dma, DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};

use super::check::{Access, sectors};
use super::{Blk, requests};
use crate::error::{BufferError, Error, SubmitError};
use crate::id::{DeviceId, ID_BYTES};
use crate::listener::Listener;
use crate::request::{Context, Owner, RequestKind};

/// Each of these makes one request after another, waits for each at most for the timeout of the [`Options`](crate::Options), and
/// notifies the device once for each.
///
/// Submitted requests of others stay in flight, or wait for [`poll`](Self::poll), meanwhile; they must leave a slot idle.
/// After a timeout the request stays with the device, and the next call first waits for it.
impl<T: Transport, P: Platform, const MORE: usize> Blk<'_, T, P, MORE> {
    /// Reads whole blocks, from `sector` on, into `data`; waits for the device (§5.2.6).
    ///
    /// `data` is a positive number of blocks long, and filled by way of the driver's own buffer: a device that answers late
    /// never writes to memory of the caller.
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise a beginning of `data` may have been read.
    pub fn read(&mut self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        self.capabilities.check(sector, data.len(), Access::Read)?;
        let chunk_bytes = self.bounce_chunk_bytes()?;
        let mut sector = sector;
        for chunk in data.chunks_mut(chunk_bytes) {
            let bounce = self.take_bounce(chunk.len())?;
            self.run(RequestKind::Read, sector, Data::Writable(bounce))?;
            chunk.copy_from_slice(self.bounced()?);
            sector = sector.saturating_add(sectors(chunk.len()));
        }
        Ok(())
    }

    /// Writes whole blocks, from `sector` on, from `data`; waits for the device (§5.2.6).
    ///
    /// `data` is a positive number of blocks long.
    /// Unless the [`cache_mode`](crate::Capabilities::cache_mode) is writethrough, it is durable only after [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise a beginning of `data` may have been written.
    pub fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Error> {
        self.capabilities.check(sector, data.len(), Access::Write)?;
        let chunk_bytes = self.bounce_chunk_bytes()?;
        let mut sector = sector;
        for chunk in data.chunks(chunk_bytes) {
            let mut bounce = self.take_bounce(chunk.len())?;
            bounce.as_mut_slice().copy_from_slice(chunk);
            self.run(RequestKind::Write, sector, Data::Readable(bounce))?;
            sector = sector.saturating_add(sectors(chunk.len()));
        }
        Ok(())
    }

    /// Makes durable what was written; waits for the device (§5.2.6).
    ///
    /// Without a flush command the device has no cache that could lose it (§5.2.5.1), and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn flush(&mut self) -> Result<(), Error> {
        if !self.has_flush() {
            return Ok(());
        }
        self.settle_late()?;
        self.run(RequestKind::Flush, 0, Data::None)
    }

    /// Asks the device for its ID, often a serial number; waits for the device (§5.2.6).
    ///
    /// # Errors
    ///
    /// [`Error`]; [`RequestError::Unsupported`](crate::RequestError::Unsupported) from a device that has none.
    pub fn id(&mut self) -> Result<DeviceId, Error> {
        self.settle_late()?;
        let bounce = self.take_bounce(ID_BYTES)?;
        self.run(RequestKind::GetId, 0, Data::Writable(bounce))?;
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(self.bounced()?);
        Ok(DeviceId::new(id))
    }

    /// Reads whole blocks, from `sector` on, into the window of `buffer`, which the device fills itself; waits for it (§5.2.6).
    ///
    /// The window is a positive number of blocks long; beyond [`max_request_bytes`](Self::max_request_bytes) it takes several
    /// requests.
    ///
    /// # Errors
    ///
    /// [`BufferError`], with the buffer unless the device still has it; a part of the window may have been read.
    pub fn read_buffer(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        self.transfer(Access::Read, sector, buffer)
    }

    /// Writes whole blocks, from `sector` on, from the window of `buffer`, which the device reads itself; waits for it (§5.2.6).
    ///
    /// The window is a positive number of blocks long; beyond [`max_request_bytes`](Self::max_request_bytes) it takes several
    /// requests.
    ///
    /// # Errors
    ///
    /// [`BufferError`], with the buffer unless the device still has it; a part of the window may have been written.
    pub fn write_buffer(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        self.transfer(Access::Write, sector, buffer)
    }

    fn transfer(
        &mut self,
        access: Access,
        first: u64,
        mut buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        let window = buffer.window();
        if let Err(error) = self.capabilities.check(first, buffer.len_bytes(), access) {
            return Err(BufferError {
                error: error.into(),
                buffer: Some(buffer),
            });
        }
        for (chunk, sector) in chunks(window.clone(), first, self.max_request_bytes()) {
            match self.transfer_chunk(access, sector, chunk, buffer) {
                Ok(returned) => buffer = returned,
                Err(mut error) => {
                    if let Some(buffer) = &mut error.buffer {
                        restore(buffer, window);
                    }
                    return Err(error);
                }
            }
        }
        restore(&mut buffer, window);
        Ok(buffer)
    }

    /// Reads or writes what one request can carry.
    fn transfer_chunk(
        &mut self,
        access: Access,
        sector: u64,
        chunk: Range<usize>,
        mut buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        restore(&mut buffer, chunk);
        let Some(life) = &mut self.life else {
            return Err(BufferError {
                error: SubmitError::NotRunning.into(),
                buffer: Some(buffer),
            });
        };
        let submitted = match access {
            Access::Read => requests::submit_buffer::<_, _, false>(&mut life.queue, sector, buffer),
            Access::Write => requests::submit_buffer::<_, _, true>(&mut life.queue, sector, buffer),
        };
        let token = match submitted {
            Ok(token) => token,
            Err(rejected) => {
                return Err(BufferError {
                    error: rejected.error.into(),
                    buffer: Some(rejected.buffer),
                });
            }
        };
        life.queue.notify();
        let completion = life
            .wait_for_first(self.platform.clock(), self.options.timeout, token)
            .map_err(|error| BufferError {
                error,
                buffer: None,
            })?;
        completion.into_buffer()
    }

    /// Makes one request of the driver's own and waits for it; a buffer in `data` is the bounce buffer, and returns there.
    pub(super) fn run(
        &mut self,
        kind: RequestKind,
        sector: u64,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<(), Error> {
        let life = self.life.as_mut().ok_or(SubmitError::NotRunning)?;
        let context = Context {
            kind,
            sector,
            owner: Owner::Driver,
            listener: Listener::Caller,
        };
        let token = match requests::submit(&mut life.queue, context, data) {
            Ok(token) => token,
            Err(rejected) => {
                self.own.keep_bounce(rejected.data.into_inner());
                return Err(rejected.error.into());
            }
        };
        life.queue.notify();
        // Until it is taken back: an error of the wait leaves it with the device.
        self.own.abandoned = Some(token);
        self.settle()
    }

    /// Waits for the request of the driver's own that is on its way, if there is one; returns how it went.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(token) = self.own.abandoned else {
            return Ok(());
        };
        let life = self.life.as_mut().ok_or(SubmitError::NotRunning)?;
        let completion = life.wait_for_first(self.platform.clock(), self.options.timeout, token)?;
        self.own.abandoned = None;
        self.own.keep_bounce(completion.buffer);
        Ok(completion.result?)
    }

    /// Waits for an earlier call's request that was not answered in time; how it went, nobody asks any more.
    pub(super) fn settle_late(&mut self) -> Result<(), Error> {
        match self.settle() {
            Err(Error::Request(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// Returns how much of a borrowed slice goes through the bounce buffer at a time.
    fn bounce_chunk_bytes(&mut self) -> Result<usize, Error> {
        self.settle_late()?;
        let bounce = self.own.bounce.as_ref().ok_or(SubmitError::NotRunning)?;
        let limit = usize::try_from(self.max_request_bytes()).unwrap_or(usize::MAX);
        Ok(bounce.capacity_bytes().min(limit))
    }

    /// Returns what the device put into the bounce buffer.
    pub(super) fn bounced(&self) -> Result<&[u8], Error> {
        let bounce = self.own.bounce.as_ref().ok_or(SubmitError::NotRunning)?;
        Ok(bounce.as_slice())
    }

    /// Takes the bounce buffer, with a window of `len_bytes`.
    pub(super) fn take_bounce(&mut self, len_bytes: usize) -> Result<DmaBuffer<P::Dma>, Error> {
        let mut bounce = self.own.bounce.take().ok_or(SubmitError::NotRunning)?;
        restore(&mut bounce, 0..len_bytes);
        Ok(bounce)
    }
}

/// Cuts a window into what one request can carry each, with the sector where it begins.
pub(super) fn chunks(
    window: Range<usize>,
    first: u64,
    chunk_bytes: u32,
) -> impl Iterator<Item = (Range<usize>, u64)> {
    let chunk_bytes = usize::try_from(chunk_bytes).unwrap_or(usize::MAX);
    let starts = window.clone().step_by(chunk_bytes.max(1));
    starts.map(move |start| {
        let end = start.saturating_add(chunk_bytes).min(window.end);
        let sector = first.saturating_add(sectors(start.saturating_sub(window.start)));
        (start..end, sector)
    })
}

/// Sets a window that is known to lie inside the buffer: it was its window before, or is part of that.
pub(super) fn restore<D: Dma>(buffer: &mut DmaBuffer<D>, window: Range<usize>) {
    let outcome = buffer.set_window(window);
    debug_assert_eq!(outcome, Ok(()));
}

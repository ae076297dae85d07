//! Calls that wait for the device themselves.

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};

use super::{Access, Blk, sectors};
use crate::error::{BufferError, Error, SubmitError};
use crate::id::{DeviceId, ID_BYTES};
use crate::request::{Owner, RequestKind};

/// Each of these makes one request after another, waits for each at most for the timeout of the [`Options`](crate::Options), and
/// notifies the device once for each.
///
/// Submitted requests of others stay in flight, or wait for [`poll`](Self::poll), meanwhile; they must leave a slot idle.
/// After a timeout the request stays with the device, and the next call first waits for it.
impl<T: Transport, P: Platform> Blk<'_, T, P> {
    /// Reads whole sectors, from `sector` on, into `data`; waits for the device (§5.2.6).
    ///
    /// `data` is a positive multiple of 512 bytes long, and filled by way of the driver's own buffer: a device that answers late
    /// never writes to memory of the caller.
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise a beginning of `data` may have been read.
    pub fn read(&mut self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        self.check(sector, data.len(), Access::Read)?;
        let chunk_bytes = self.bounce_chunk()?;
        let mut sector = sector;
        for chunk in data.chunks_mut(chunk_bytes) {
            let bounce = self.take_bounce(chunk.len())?;
            self.run(RequestKind::Read, sector, Data::Writable(bounce))?;
            chunk.copy_from_slice(self.bounced(chunk.len())?);
            sector = sector.saturating_add(sectors(chunk.len()));
        }
        Ok(())
    }

    /// Writes whole sectors, from `sector` on, from `data`; waits for the device (§5.2.6).
    ///
    /// `data` is a positive multiple of 512 bytes long.
    /// Unless the [`cache_mode`](crate::Capabilities::cache_mode) is writethrough, it is durable only after [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise a beginning of `data` may have been written.
    pub fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Error> {
        self.check(sector, data.len(), Access::Write)?;
        let chunk_bytes = self.bounce_chunk()?;
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
        self.settle()?;
        self.run(RequestKind::Flush, 0, Data::None)
    }

    /// Asks the device for its ID, often a serial number; waits for the device (§5.2.6).
    ///
    /// # Errors
    ///
    /// [`Error`]; [`RequestError::Unsupported`](crate::RequestError::Unsupported) from a device that has none.
    pub fn id(&mut self) -> Result<DeviceId, Error> {
        let bounce = self.take_bounce(ID_BYTES)?;
        self.run(RequestKind::GetId, 0, Data::Writable(bounce))?;
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(self.bounced(ID_BYTES)?);
        Ok(DeviceId::new(id))
    }

    /// Reads whole sectors, from `sector` on, into the window of `buffer`, which the device fills itself; waits for it (§5.2.6).
    ///
    /// The window is a positive multiple of 512 bytes long; beyond [`max_request_bytes`](Self::max_request_bytes) it takes several
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

    /// Writes whole sectors, from `sector` on, from the window of `buffer`, which the device reads itself; waits for it (§5.2.6).
    ///
    /// The window is a positive multiple of 512 bytes long; beyond [`max_request_bytes`](Self::max_request_bytes) it takes several
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
        if let Err(error) = self.check(first, buffer.len_bytes(), access) {
            return Err(BufferError {
                error: error.into(),
                buffer: Some(buffer),
            });
        }
        let chunk_bytes = usize::try_from(self.max_request_bytes()).unwrap_or(usize::MAX);
        let mut start = window.start;
        let mut sector = first;
        while start < window.end {
            let end = start.saturating_add(chunk_bytes).min(window.end);
            let (result, returned) = self.transfer_chunk(access, sector, start..end, buffer);
            let Some(mut returned) = returned else {
                return Err(BufferError {
                    error: result.err().unwrap_or(SubmitError::NotRunning.into()),
                    buffer: None,
                });
            };
            if let Err(error) = result {
                restore(&mut returned, window);
                return Err(BufferError {
                    error,
                    buffer: Some(returned),
                });
            }
            buffer = returned;
            sector = sector.saturating_add(sectors(end.saturating_sub(start)));
            start = end;
        }
        restore(&mut buffer, window);
        Ok(buffer)
    }
}

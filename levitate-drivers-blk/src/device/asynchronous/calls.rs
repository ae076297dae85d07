//! Calls that are made when they are awaited, from the wait for room to the answer.

use core::mem::size_of;
use core::ops::Range;

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};
use zerocopy::IntoBytes;

use super::AsyncBlk;
use super::line::Need;
use super::room::SetAside;
use crate::device::blocking::{chunks, restore};
use crate::device::check::Access;
use crate::error::{BufferError, Error, Rejected, SubmitError};
use crate::id::{DeviceId, ID_BYTES};
use crate::lifetime::{Lifetime, LifetimeLayout};
use crate::range::{RangeSegment, Unmap};
use crate::request::RequestKind;

/// Calls that do all there is to do, when they are awaited: wait for room, submit, notify, wait for the answer.
///
/// Each notifies the device once for each request it makes.
impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// Reads whole blocks, from `sector` on, into the window of `buffer` (§5.2.6).
    ///
    /// The window is a positive number of blocks long; beyond [`max_request_bytes`](crate::Capabilities::max_request_bytes) it takes
    /// several requests, one after another.
    ///
    /// # Errors
    ///
    /// [`BufferError`], with the buffer unless the device still has it; a part of the window may have been read.
    pub async fn read(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        self.transfer(Access::Read, sector, buffer).await
    }

    /// Writes whole blocks, from `sector` on, from the window of `buffer` (§5.2.6).
    ///
    /// The window is a positive number of blocks long; beyond [`max_request_bytes`](crate::Capabilities::max_request_bytes) it takes
    /// several requests, one after another.
    /// Unless the [`cache_mode`](crate::Capabilities::cache_mode) is writethrough, it is durable only after [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`BufferError`], with the buffer unless the device still has it; a part of the window may have been written.
    pub async fn write(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        self.transfer(Access::Write, sector, buffer).await
    }

    /// Makes durable what *was written* when this is first polled (§5.2.6).
    ///
    /// Without a flush command the device has no cache that could lose it (§5.2.5.1), and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn flush(&self) -> Result<(), Error> {
        if !self.capabilities().has_flush() {
            return Ok(());
        }
        let room = self.room(Need::Slot).await?;
        let request = room.used_for(self.submit_flush_now())?;
        Ok(request.await?.result?)
    }

    /// Asks the device for its ID, often a serial number (§5.2.6).
    ///
    /// # Errors
    ///
    /// [`Error`]; [`RequestError::Unsupported`](crate::RequestError::Unsupported) from a device that has none.
    pub async fn id(&self) -> Result<DeviceId, Error> {
        let mut id = [0; ID_BYTES];
        self.ask(RequestKind::GetId, &mut id).await?;
        Ok(DeviceId::new(id))
    }

    /// Asks the device how worn it is (§5.2.6).
    ///
    /// # Errors
    ///
    /// [`Error`]; [`SubmitError::NoCommand`] from a device that does not tell.
    pub async fn lifetime(&self) -> Result<Lifetime, Error> {
        let kind = RequestKind::GetLifetime;
        if !self.capabilities().has_lifetime() {
            return Err(SubmitError::NoCommand { kind }.into());
        }
        let mut layout = LifetimeLayout::default();
        self.ask(kind, layout.as_mut_bytes()).await?;
        Ok(layout.into())
    }

    /// Lets the device forget what is in `sector_count` sectors from `sector` on: [`Blk::discard`](crate::Blk::discard).
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been discarded.
    pub async fn discard(&self, sector: u64, sector_count: u64) -> Result<(), Error> {
        let kind = RequestKind::Discard;
        self.change_range(kind, sector, sector_count, Unmap::Forbidden)
            .await
    }

    /// Makes `sector_count` sectors from `sector` on read as zeroes: [`Blk::write_zeroes`](crate::Blk::write_zeroes).
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been zeroed.
    pub async fn write_zeroes(
        &self,
        sector: u64,
        sector_count: u64,
        unmap: Unmap,
    ) -> Result<(), Error> {
        let kind = RequestKind::WriteZeroes;
        self.change_range(kind, sector, sector_count, unmap).await
    }

    /// Erases `sector_count` sectors from `sector` on: [`Blk::secure_erase`](crate::Blk::secure_erase).
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been erased.
    pub async fn secure_erase(&self, sector: u64, sector_count: u64) -> Result<(), Error> {
        let kind = RequestKind::SecureErase;
        self.change_range(kind, sector, sector_count, Unmap::Forbidden)
            .await
    }

    async fn transfer(
        &self,
        access: Access,
        first: u64,
        mut buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        let window = buffer.window();
        let capabilities = self.capabilities();
        if let Err(error) = capabilities.check(first, buffer.len_bytes(), access) {
            return Err(BufferError {
                error: error.into(),
                buffer: Some(buffer),
            });
        }
        for (chunk, sector) in chunks(window.clone(), first, capabilities.max_request_bytes()) {
            match self.transfer_chunk(access, sector, chunk, buffer).await {
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
    async fn transfer_chunk(
        &self,
        access: Access,
        sector: u64,
        chunk: Range<usize>,
        mut buffer: DmaBuffer<P::Dma>,
    ) -> Result<DmaBuffer<P::Dma>, BufferError<P::Dma>> {
        restore(&mut buffer, chunk);
        let room = match self.room(Need::Slot).await {
            Ok(room) => room,
            Err(error) => {
                return Err(BufferError {
                    error,
                    buffer: Some(buffer),
                });
            }
        };
        let submitted = room.used_for(match access {
            Access::Read => self.submit_buffer::<false>(sector, buffer),
            Access::Write => self.submit_buffer::<true>(sector, buffer),
        });
        let request = match submitted {
            Ok(request) => request,
            Err(Rejected { error, buffer }) => {
                return Err(BufferError {
                    error: error.into(),
                    buffer: Some(buffer),
                });
            }
        };
        match request.await {
            Ok(completion) => completion.into_buffer(),
            Err(error) => Err(BufferError {
                error,
                buffer: None,
            }),
        }
    }

    async fn change_range(
        &self,
        kind: RequestKind,
        first: u64,
        sector_count: u64,
        unmap: Unmap,
    ) -> Result<(), Error> {
        let cuts = self.capabilities().cut(kind, first, sector_count, unmap)?;
        for segment in cuts {
            let room = self.room(Need::Bounce).await?;
            let mut bounce = self
                .shared
                .borrow_mut()
                .blk
                .take_bounce(size_of::<RangeSegment>())?;
            bounce.as_mut_slice().copy_from_slice(segment.as_bytes());
            self.run(room, kind, Data::Readable(bounce), &mut [])
                .await?;
        }
        Ok(())
    }

    /// Asks for what the device tells of itself.
    async fn ask(&self, kind: RequestKind, answer: &mut [u8]) -> Result<(), Error> {
        let room = self.room(Need::Bounce).await?;
        let bounce = self.shared.borrow_mut().blk.take_bounce(answer.len())?;
        self.run(room, kind, Data::Writable(bounce), answer).await
    }

    /// Makes one request with the driver's own buffer, and copies the beginning of that into `answer`.
    async fn run(
        &self,
        room: SetAside<'_, 's, T, P, MORE>,
        kind: RequestKind,
        data: Data<DmaBuffer<P::Dma>>,
        answer: &mut [u8],
    ) -> Result<(), Error> {
        let request = room.used_for(self.submit_own(kind, data))?;
        let completion = request.await?;
        if completion.result.is_ok()
            && let Some(bounce) = &completion.buffer
        {
            for (to, from) in answer.iter_mut().zip(bounce.as_slice()) {
                *to = *from;
            }
        }
        self.keep_bounce(completion.buffer);
        Ok(completion.result?)
    }

    /// Gives the driver its own buffer back, which a request of its own has returned.
    pub(super) fn keep_bounce(&self, buffer: Option<DmaBuffer<P::Dma>>) {
        self.shared.borrow_mut().blk.own.keep_bounce(buffer);
        self.call_waiting();
    }
}

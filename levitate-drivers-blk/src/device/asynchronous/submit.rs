//! Calls that submit at once, and return the future of the answer.

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};

use super::AsyncBlk;
use super::request::Request;
use crate::device::check::Access;
use crate::device::requests::{self, Unsubmitted};
use crate::error::{Rejected, SubmitError};
use crate::listener::Listener;
use crate::request::{Context, Owner, RequestKind};

/// The way to have one notification for many requests.
///
/// Whichever of the futures is polled first, or [`notify`](Self::notify), notifies the device of all of them.
impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// Submits a read of whole blocks, from `sector` on, into the window of `buffer`.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](crate::Capabilities::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    pub fn submit_read(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        self.submit::<false>(sector, buffer)
    }

    /// Submits a write of whole blocks, from `sector` on, from the window of `buffer`.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](crate::Capabilities::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    pub fn submit_write(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        self.submit::<true>(sector, buffer)
    }

    /// Submits a flush, which makes every write durable that *is done* by now.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], in particular [`SubmitError::NoFlush`] if there is nothing that a flush could do.
    pub fn submit_flush(&self) -> Result<Request<'_, 's, T, P, MORE>, SubmitError> {
        if !self.capabilities().has_flush() {
            return Err(SubmitError::NoFlush);
        }
        self.check_room()?;
        self.submit_flush_now()
    }

    /// Makes the device look at what was submitted, if it was not notified of it and does not look by itself; says whether it was told.
    pub fn notify(&self) -> bool {
        !self.is_recovering() && self.shared.borrow_mut().announce()
    }

    /// Submits a write, or else a read, if there is room that is not set aside for others.
    #[inline]
    fn submit<const IS_WRITE: bool>(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        match self.check_room() {
            Ok(()) => self.submit_buffer::<IS_WRITE>(sector, buffer),
            Err(error) => Err(Rejected { error, buffer }),
        }
    }

    /// Refuses a submission if all idle slots are set aside for others; where none is idle, the submission says so.
    #[inline]
    fn check_room(&self) -> Result<(), SubmitError> {
        match self.line.borrow().is_any_set_aside() {
            true => self.check_what_is_left(),
            false => Ok(()),
        }
    }

    /// As [`check_room`](Self::check_room), where anything is set aside.
    #[inline(never)]
    fn check_what_is_left(&self) -> Result<(), SubmitError> {
        let supply = self.shared.borrow().supply();
        let idle_slots = supply.slots;
        match self.line.borrow().left_of(supply).slots {
            0 if idle_slots != 0 => Err(SubmitError::SetAside { idle_slots }),
            _ => Ok(()),
        }
    }

    /// Submits a flush, which the device has a command for.
    pub(super) fn submit_flush_now(&self) -> Result<Request<'_, 's, T, P, MORE>, SubmitError> {
        self.submit_with(RequestKind::Flush, 0, Owner::User, Data::None)
            .map_err(|unsubmitted| unsubmitted.error)
    }

    /// Submits a write, or else a read.
    #[inline]
    pub(super) fn submit_buffer<const IS_WRITE: bool>(
        &self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        let access = match IS_WRITE {
            true => Access::Write,
            false => Access::Read,
        };
        let checked = {
            let shared = self.shared.borrow();
            shared
                .blk
                .capabilities()
                .check_one(sector, buffer.len_bytes(), access)
        };
        if let Err(error) = checked {
            return Err(Rejected { error, buffer });
        }
        let (kind, data) = match IS_WRITE {
            true => (RequestKind::Write, Data::Readable(buffer)),
            false => (RequestKind::Read, Data::Writable(buffer)),
        };
        self.submit_with(kind, sector, Owner::User, data)
            .map_err(Unsubmitted::into_rejected)
    }

    /// Submits a request of the driver's own; a buffer in `data` is the bounce buffer, and stays the driver's.
    pub(super) fn submit_own(
        &self,
        kind: RequestKind,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Request<'_, 's, T, P, MORE>, SubmitError> {
        match self.submit_with(kind, 0, Owner::Driver, data) {
            Ok(request) => {
                // Until it is taken back: a future that is dropped leaves it with the device.
                self.shared.borrow_mut().blk.own.abandoned = Some(request.token());
                Ok(request)
            }
            Err(Unsubmitted { error, data }) => {
                self.keep_bounce(data.into_inner());
                Err(error)
            }
        }
    }

    /// Submits a request.
    #[inline(always)]
    fn submit_with(
        &self,
        kind: RequestKind,
        sector: u64,
        owner: Owner,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Unsubmitted<P::Dma>> {
        if self.is_recovering() {
            let error = SubmitError::NotRunning;
            return Err(Unsubmitted { error, data });
        }
        let shared = &mut *self.shared.borrow_mut();
        let Some(life) = &mut shared.blk.life else {
            let error = SubmitError::NotRunning;
            return Err(Unsubmitted { error, data });
        };
        let context = Context {
            kind,
            sector,
            owner,
            listener: Listener::Task(None),
        };
        let token = requests::submit(&mut life.queue, context, data)?;
        shared.told_at = None;
        Ok(Request::new(self, token))
    }
}

//! Calls that submit at once, and return the future of the answer.

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};

use super::AsyncBlk;
use super::line::Need;
use super::request::Request;
use super::room::SetAside;
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
        self.submit(Access::Read, sector, buffer)
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
        self.submit(Access::Write, sector, buffer)
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
        self.submit_flush_into(self.claim_slot()?)
    }

    /// Makes the device look at what was submitted, if it was not notified of it and does not look by itself; says whether it was told.
    pub fn notify(&self) -> bool {
        !self.is_recovering() && self.shared.borrow_mut().announce()
    }

    /// Submits a read or a write, if there is room.
    fn submit(
        &self,
        access: Access,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        match self.claim_slot() {
            Ok(room) => self.submit_into(room, access, sector, buffer),
            Err(error) => Err(Rejected { error, buffer }),
        }
    }

    /// Sets a slot aside, unless all that are idle are set aside for others; where none is idle, the submission says so.
    fn claim_slot(&self) -> Result<SetAside<'_, 's, T, P, MORE>, SubmitError> {
        let supply = self.shared.borrow().supply();
        let idle_slots = supply.slots;
        if idle_slots != 0 && self.line.borrow().left_of(supply).slots == 0 {
            return Err(SubmitError::SetAside { idle_slots });
        }
        Ok(SetAside::new(self, Need::Slot))
    }

    /// Submits a flush, which the device has a command for.
    pub(super) fn submit_flush_into(
        &self,
        room: SetAside<'_, 's, T, P, MORE>,
    ) -> Result<Request<'_, 's, T, P, MORE>, SubmitError> {
        self.submit_with(room, RequestKind::Flush, 0, Owner::User, Data::None)
            .map_err(|unsubmitted| unsubmitted.error)
    }

    /// Submits a read or a write.
    pub(super) fn submit_into(
        &self,
        room: SetAside<'_, 's, T, P, MORE>,
        access: Access,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Rejected<P::Dma>> {
        let len_bytes = buffer.len_bytes();
        if let Err(error) = self.capabilities().check_one(sector, len_bytes, access) {
            return Err(Rejected { error, buffer });
        }
        let (kind, data) = match access {
            Access::Read => (RequestKind::Read, Data::Writable(buffer)),
            Access::Write => (RequestKind::Write, Data::Readable(buffer)),
        };
        self.submit_with(room, kind, sector, Owner::User, data)
            .map_err(Unsubmitted::into_rejected)
    }

    /// Submits a request of the driver's own; a buffer in `data` is the bounce buffer, and stays the driver's.
    pub(super) fn submit_own(
        &self,
        room: SetAside<'_, 's, T, P, MORE>,
        kind: RequestKind,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Request<'_, 's, T, P, MORE>, SubmitError> {
        match self.submit_with(room, kind, 0, Owner::Driver, data) {
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

    /// Submits a request with what is set aside for it.
    fn submit_with(
        &self,
        _room: SetAside<'_, 's, T, P, MORE>,
        kind: RequestKind,
        sector: u64,
        owner: Owner,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Request<'_, 's, T, P, MORE>, Unsubmitted<P::Dma>> {
        if self.is_recovering() {
            let error = SubmitError::NotRunning;
            return Err(Unsubmitted { error, data });
        }
        let mut shared = self.shared.borrow_mut();
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

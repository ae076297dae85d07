//! Requests that are submitted now and collected later, as many at a time as there are slots.

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Data, Transport};

use super::life::Life;
use super::{Access, Blk};
use crate::error::{Error, PollError, Rejected, SubmitError};
use crate::request::{Completion, Owner, RequestKind};
use levitate_virtio::Token;

impl<T: Transport, P: Platform> Blk<'_, T, P> {
    /// Submits a read of whole blocks, from `sector` on, into the window of `buffer`; [`notify`](Self::notify) makes the device look.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](Self::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    pub fn submit_read(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Token, Rejected<P::Dma>> {
        self.submit(Access::Read, sector, buffer)
    }

    /// Submits a write of whole blocks, from `sector` on, from the window of `buffer`; [`notify`](Self::notify) makes the device look.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](Self::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    pub fn submit_write(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Token, Rejected<P::Dma>> {
        self.submit(Access::Write, sector, buffer)
    }

    /// Submits a flush, which makes every write durable that *is done* by now; [`notify`](Self::notify) makes the device look.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], in particular [`SubmitError::NoFlush`] if there is nothing that a flush could do.
    pub fn submit_flush(&mut self) -> Result<Token, SubmitError> {
        if !self.has_flush() {
            return Err(SubmitError::NoFlush);
        }
        let life = self.life.as_mut().ok_or(SubmitError::NotRunning)?;
        life.submit(RequestKind::Flush, 0, Data::None, Owner::User)
            .map_err(|rejected| rejected.error.into())
    }

    /// Makes the device look at what was submitted since the last call, if it does not look by itself; says whether it was told.
    pub fn notify(&mut self) -> bool {
        self.life.as_mut().is_some_and(|life| life.queue.notify())
    }

    /// Returns a submitted request that the device is done with, the one that has been for longest.
    ///
    /// # Errors
    ///
    /// [`PollError`], once all that was done properly is taken.
    pub fn poll(&mut self) -> Result<Option<Completion<P::Dma>>, PollError> {
        self.collect(|life| life.next_done())
    }

    /// Returns the request of this token if the device is done with it; `None` if it is not, or was returned before.
    ///
    /// # Errors
    ///
    /// [`PollError`].
    pub fn take(&mut self, token: Token) -> Result<Option<Completion<P::Dma>>, PollError> {
        self.collect(|_| Some(token))
    }

    /// Waits for a submitted request and returns it; `None` if the token names none, for instance because it was returned before.
    ///
    /// The wait ends after the timeout of the [`Options`](crate::Options), counted from this call.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] with the reason, [`Error::NeedsReset`] or [`Error::Fault`]; the request stays in flight.
    pub fn wait(&mut self, token: Token) -> Result<Option<Completion<P::Dma>>, Error> {
        let life = self.life.as_mut().ok_or(SubmitError::NotRunning)?;
        if !life.knows(token) {
            return Ok(None);
        }
        let clock = self.platform.clock();
        life.wait(clock, self.options.timeout, token).map(Some)
    }

    /// Looks at the queue, takes the driver's own late request out of the way, and returns the request that `choose` names.
    fn collect(
        &mut self,
        choose: impl FnOnce(&Life<'_, T, P::Dma>) -> Option<Token>,
    ) -> Result<Option<Completion<P::Dma>>, PollError> {
        let life = self.life.as_mut().ok_or(PollError::NotRunning)?;
        let processed = life.queue.process();
        self.settle_if_done();
        let life = self.life.as_mut().ok_or(PollError::NotRunning)?;
        let completion = choose(life).and_then(|token| life.take(token));
        match (completion, processed) {
            (None, Err(fault)) => Err(fault.into()),
            (completion, _) => Ok(completion),
        }
    }

    fn submit(
        &mut self,
        access: Access,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Token, Rejected<P::Dma>> {
        let checked = self.check_one(sector, buffer.len_bytes(), access);
        match (checked, &mut self.life) {
            (Ok(()), Some(life)) => life.submit_buffer(access, sector, buffer),
            (Ok(()), None) => Err(Rejected {
                error: SubmitError::NotRunning,
                buffer,
            }),
            (Err(error), _) => Err(Rejected { error, buffer }),
        }
    }

    /// Refuses what does not fit into one request, besides what must not be sent at all.
    fn check_one(&self, sector: u64, len_bytes: usize, access: Access) -> Result<(), SubmitError> {
        self.check(sector, len_bytes, access)?;
        let max_bytes = self.max_request_bytes();
        if u32::try_from(len_bytes).is_ok_and(|len_bytes| len_bytes <= max_bytes) {
            return Ok(());
        }
        Err(SubmitError::TooLong {
            len_bytes,
            max_bytes,
        })
    }
}

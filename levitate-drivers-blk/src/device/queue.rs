//! One virtqueue of the device, for whoever submits to it: [`BlkQueue`] (§5.2.2).

use core::fmt;

use levitate_hal::{Dma, DmaBuffer};
use levitate_virtio::{Data, Notify, Queue, QueueIndex, Token, Transport};

use super::check::Access;
use super::requests::{self, RequestQueue};
use crate::capabilities::Capabilities;
use crate::error::{PollError, Rejected, SubmitError};
use crate::listener::Listener;
use crate::request::{self, Completion, Context, Owner, RequestKind};

/// One of the device's virtqueues: requests that are submitted now and collected later, as many at a time as there are slots.
///
/// It is borrowed from a [`Blk`](crate::Blk), with all others of it at a time or by itself, and can be given to another thread
/// meanwhile: nothing is shared between two of them but what the device says of itself.
pub struct BlkQueue<'q, 's, T: Transport, D: Dma> {
    pub(super) queue: &'q mut RequestQueue<'s, T, D>,
    pub(super) capabilities: &'q Capabilities,
    /// What the driver itself has in this queue; only in the first one.
    pub(super) own: Option<&'q mut Own<D>>,
}

/// What the driver keeps for requests of its own, which are in the first queue.
pub(super) struct Own<D: Dma> {
    /// What borrowed slices go through; `None` while `abandoned` has it.
    pub(super) bounce: Option<DmaBuffer<D>>,
    /// A request that was not answered in time.
    pub(super) abandoned: Option<Token>,
}

impl<D: Dma> Own<D> {
    /// Keeps the bounce buffer that a request gave back, if it carried it.
    pub(super) fn keep_bounce(&mut self, buffer: Option<DmaBuffer<D>>) {
        if buffer.is_some() {
            self.bounce = buffer;
        }
    }

    /// Forgets a request of the driver's own that is answered.
    pub(super) fn note_answered(&mut self, token: Token) {
        if self.abandoned == Some(token) {
            self.abandoned = None;
        }
    }

    /// Takes a request out of the way that is done and that nobody waits for.
    pub(super) fn let_go<N: Notify>(
        &mut self,
        queue: &mut Queue<'_, DmaBuffer<D>, Context, D, N>,
        token: Token,
    ) {
        let owner = queue.context(token).map(|context| context.owner);
        let Some(completion) = requests::take(queue, token) else {
            return;
        };
        self.note_answered(token);
        if owner == Some(Owner::Driver) {
            self.keep_bounce(completion.buffer);
        }
    }
}

impl<T: Transport, D: Dma> BlkQueue<'_, '_, T, D> {
    /// Returns which of the device's queues it is.
    #[must_use]
    pub fn index(&self) -> QueueIndex {
        self.queue.index()
    }

    /// Submits a read of whole blocks, from `sector` on, into the window of `buffer`; [`notify`](Self::notify) makes the device look.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](Capabilities::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    #[inline]
    pub fn submit_read(&mut self, sector: u64, buffer: DmaBuffer<D>) -> Result<Token, Rejected<D>> {
        self.submit::<false>(sector, buffer)
    }

    /// Submits a write of whole blocks, from `sector` on, from the window of `buffer`; [`notify`](Self::notify) makes the device look.
    ///
    /// The window is a positive number of blocks long, at most [`max_request_bytes`](Capabilities::max_request_bytes).
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    #[inline]
    pub fn submit_write(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<D>,
    ) -> Result<Token, Rejected<D>> {
        self.submit::<true>(sector, buffer)
    }

    /// Submits a flush, which makes every write durable that *is done* by now, whichever queue it came by;
    /// [`notify`](Self::notify) makes the device look.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], in particular [`SubmitError::NoFlush`] if there is nothing that a flush could do.
    pub fn submit_flush(&mut self) -> Result<Token, SubmitError> {
        if !self.capabilities.has_flush() {
            return Err(SubmitError::NoFlush);
        }
        let context = Context {
            kind: RequestKind::Flush,
            sector: 0,
            owner: Owner::User,
            listener: Listener::Caller,
        };
        requests::submit(self.queue, context, Data::None).map_err(|unsubmitted| unsubmitted.error)
    }

    /// Makes the device look at what was submitted since the last call, if it does not look by itself; says whether it was told.
    pub fn notify(&mut self) -> bool {
        self.queue.notify()
    }

    /// Returns a submitted request that the device is done with, the one that has been for longest.
    ///
    /// # Errors
    ///
    /// [`PollError`], once all that was done properly is taken.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Completion<D>>, PollError> {
        self.poll_with(|completion| completion)
    }

    /// As [`poll`](Self::poll), but hands the completion to `done`, and returns what that makes of it: to return all of a completion
    /// takes longer than to use it where it is found.
    ///
    /// # Errors
    ///
    /// As for `poll`.
    #[inline]
    pub fn poll_with<R>(
        &mut self,
        done: impl FnOnce(Completion<D>) -> R,
    ) -> Result<Option<R>, PollError> {
        if self.own.as_ref().is_some_and(|own| own.abandoned.is_some()) {
            let collected = self.collect(|queue| queue.next_done())?;
            return Ok(collected.map(done));
        }
        let polled = self
            .queue
            .poll_with(|completed| request::complete(completed, done));
        Ok(polled?)
    }

    /// Returns the request of this token if the device is done with it; `None` if it is not, was returned before, or is another queue's.
    ///
    /// # Errors
    ///
    /// [`PollError`].
    pub fn take(&mut self, token: Token) -> Result<Option<Completion<D>>, PollError> {
        self.collect(|_| Some(token))
    }

    /// Returns how many requests the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.queue.in_flight()
    }

    /// Returns how many more requests can be submitted now.
    #[must_use]
    pub fn idle_slots(&self) -> u16 {
        self.queue.idle_slots()
    }

    /// Looks at the queue, and returns the request that `choose` names, if the device is done with it.
    fn collect(
        &mut self,
        choose: impl FnOnce(&RequestQueue<'_, T, D>) -> Option<Token>,
    ) -> Result<Option<Completion<D>>, PollError> {
        match self.look(choose)? {
            Some(token) => Ok(self.take_done(token)),
            None => Ok(None),
        }
    }

    /// Looks at the queue and takes the driver's own late request out of the way; says whether the device is done with the request
    /// that `choose` names.
    pub(super) fn look(
        &mut self,
        choose: impl FnOnce(&RequestQueue<'_, T, D>) -> Option<Token>,
    ) -> Result<Option<Token>, PollError> {
        let processed = self.queue.process();
        if let Some(own) = &mut self.own
            && let Some(token) = own.abandoned
        {
            own.let_go(self.queue, token);
        }
        let done = choose(self.queue).filter(|token| self.queue.is_done(*token));
        match (done, processed) {
            (None, Err(fault)) => Err(fault.into()),
            (done, _) => Ok(done),
        }
    }

    /// Returns a request that [`look`](Self::look) found done.
    pub(super) fn take_done(&mut self, token: Token) -> Option<Completion<D>> {
        requests::take(self.queue, token)
    }

    /// Submits a write, or else a read.
    #[inline]
    fn submit<const IS_WRITE: bool>(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<D>,
    ) -> Result<Token, Rejected<D>> {
        let len_bytes = buffer.len_bytes() as u64;
        match self
            .capabilities
            .allows_one(sector, len_bytes, access::<IS_WRITE>())
        {
            true => requests::submit_buffer::<_, _, IS_WRITE>(self.queue, sector, buffer),
            false => submit_examined::<_, _, IS_WRITE>(
                self.queue,
                self.capabilities,
                // Made only here, so that the buffer need not be in memory before.
                (sector, buffer),
            ),
        }
    }
}

/// Submits what has to be looked at more closely, which is then refused with the reason.
///
/// By itself, with the buffer handed over: what is needed after a call has to be in registers that are saved on the way to every request.
#[cold]
#[inline(never)]
fn submit_examined<D: Dma, N: Notify, const IS_WRITE: bool>(
    queue: &mut Queue<'_, DmaBuffer<D>, Context, D, N>,
    capabilities: &Capabilities,
    (sector, buffer): (u64, DmaBuffer<D>),
) -> Result<Token, Rejected<D>> {
    match capabilities.examine_one(sector, buffer.len_bytes(), access::<IS_WRITE>()) {
        Ok(()) => requests::submit_buffer::<_, _, IS_WRITE>(queue, sector, buffer),
        Err(error) => Err(Rejected { error, buffer }),
    }
}

/// Returns which way the data of a write goes, or else of a read.
const fn access<const IS_WRITE: bool>() -> Access {
    match IS_WRITE {
        true => Access::Write,
        false => Access::Read,
    }
}

impl<T: Transport, D: Dma> fmt::Debug for BlkQueue<'_, '_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlkQueue")
            .field("index", &self.index())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

//! Requests that are submitted now and collected later, over all queues as one.

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Token, Transport};

use super::life::Life;
use super::queue::BlkQueue;
use super::{Blk, requests};
use crate::error::{Error, PollError, Rejected, SubmitError};
use crate::request::Completion;

/// What is submitted here goes to the first queue; what was submitted to any queue is collected.
impl<'s, T: Transport, P: Platform, const MORE: usize> Blk<'s, T, P, MORE> {
    /// Returns how many queues are in use: one, or with `VIRTIO_BLK_F_MQ` as many as the device and the storage have.
    ///
    /// Zero after a recovery that failed.
    pub fn queue_count(&self) -> usize {
        self.life.as_ref().map_or(0, Life::queue_count)
    }

    /// Returns the queues in use, the first one first, to be used independently of one another.
    pub fn queues(&mut self) -> impl Iterator<Item = BlkQueue<'_, 's, T, P::Dma>> {
        let capabilities = &self.capabilities;
        let mut own = Some(&mut self.own);
        let queues = self.life.iter_mut().flat_map(Life::queues_mut);
        queues.map(move |queue| BlkQueue {
            queue,
            capabilities,
            // What the driver itself submits is in the first.
            own: own.take(),
        })
    }

    /// Returns one of the queues in use, counted from 0.
    pub fn queue(&mut self, index: usize) -> Option<BlkQueue<'_, 's, T, P::Dma>> {
        let queue = self.life.as_mut()?.queue_mut(index)?;
        Some(BlkQueue {
            queue,
            capabilities: &self.capabilities,
            own: (index == 0).then_some(&mut self.own),
        })
    }

    /// Submits a read to the first queue: [`BlkQueue::submit_read`].
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    #[inline]
    pub fn submit_read(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Token, Rejected<P::Dma>> {
        match self.queue(0) {
            Some(mut queue) => queue.submit_read(sector, buffer),
            None => Err(not_running(buffer)),
        }
    }

    /// Submits a write to the first queue: [`BlkQueue::submit_write`].
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the buffer: the device has not seen the request.
    #[inline]
    pub fn submit_write(
        &mut self,
        sector: u64,
        buffer: DmaBuffer<P::Dma>,
    ) -> Result<Token, Rejected<P::Dma>> {
        match self.queue(0) {
            Some(mut queue) => queue.submit_write(sector, buffer),
            None => Err(not_running(buffer)),
        }
    }

    /// Submits a flush to the first queue: [`BlkQueue::submit_flush`].
    ///
    /// # Errors
    ///
    /// [`SubmitError`], in particular [`SubmitError::NoFlush`] if there is nothing that a flush could do.
    pub fn submit_flush(&mut self) -> Result<Token, SubmitError> {
        self.queue(0).ok_or(SubmitError::NotRunning)?.submit_flush()
    }

    /// Makes the device look at what was submitted since the last call, if it does not look by itself; says whether it was told.
    #[inline]
    pub fn notify(&mut self) -> bool {
        if MORE == 0 {
            let life = self.life.as_mut();
            return life.is_some_and(|life| life.queue.notify());
        }
        let mut is_told = false;
        // Each of them, whatever the one before did.
        for mut queue in self.queues() {
            is_told |= queue.notify();
        }
        is_told
    }

    /// Returns a submitted request that the device is done with; the queues that have one take turns, and of each comes first what
    /// has been done for longest.
    ///
    /// # Errors
    ///
    /// [`PollError`], once all that was done properly is taken.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Completion<P::Dma>>, PollError> {
        self.poll_with(|completion| completion)
    }

    /// As [`poll`](Self::poll), but hands the completion to `done`, and returns what that makes of it: to return all of a completion
    /// takes longer than to use it where it is found.
    ///
    /// ```no_run
    /// # use levitate_drivers_blk::{Blk, PollError, RequestError};
    /// # use levitate_hal::{DmaBuffer, Platform};
    /// # use levitate_virtio::Transport;
    /// /// Takes all back that is done; returns how the first of it went that went wrong.
    /// fn collect<T: Transport, P: Platform>(
    ///     disk: &mut Blk<'_, T, P>,
    ///     idle: &mut Vec<DmaBuffer<P::Dma>>,
    /// ) -> Result<Result<(), RequestError>, PollError> {
    ///     let mut outcome = Ok(());
    ///     while let Some(result) = disk.poll_with(|done| {
    ///         idle.extend(done.buffer);
    ///         done.result
    ///     })? {
    ///         outcome = outcome.and(result);
    ///     }
    ///     Ok(outcome)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for `poll`.
    #[inline]
    pub fn poll_with<R>(
        &mut self,
        done: impl FnOnce(Completion<P::Dma>) -> R,
    ) -> Result<Option<R>, PollError> {
        if MORE == 0 {
            return match self.queue(0) {
                Some(mut queue) => queue.poll_with(done),
                None => Err(PollError::NotRunning),
            };
        }
        self.poll_in_turn().map(|taken| taken.map(done))
    }

    /// As [`poll`](Self::poll), with several queues.
    fn poll_in_turn(&mut self) -> Result<Option<Completion<P::Dma>>, PollError> {
        if self.life.is_none() {
            return Err(PollError::NotRunning);
        }
        let count = self.queue_count();
        let first = self.next_polled.min(count);
        let mut outcome = Ok(None);
        for index in (first..count).chain(0..first) {
            let Some(mut queue) = self.queue(index) else {
                continue;
            };
            // A completion is large: it is made once it is known where it goes.
            match queue.look(|queue| queue.next_done()) {
                Ok(None) => {}
                Ok(Some(token)) => {
                    self.next_polled = index.saturating_add(1);
                    return Ok(self
                        .queue(index)
                        .and_then(|mut queue| queue.take_done(token)));
                }
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// Returns the request of this token if the device is done with it; `None` if it is not, or was returned before.
    ///
    /// # Errors
    ///
    /// [`PollError`].
    pub fn take(&mut self, token: Token) -> Result<Option<Completion<P::Dma>>, PollError> {
        if self.life.is_none() {
            return Err(PollError::NotRunning);
        }
        match self.queue(usize::from(token.queue().get())) {
            Some(mut queue) => queue.take(token),
            None => Ok(None),
        }
    }

    /// Waits for a submitted request and returns it; `None` if the token names none, for instance because it was returned before.
    ///
    /// The wait ends after the timeout of the [`Options`](crate::Options), counted from this call.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] with the reason, [`Error::NeedsReset`], [`Error::Gone`] or [`Error::Fault`]; the request stays in flight.
    pub fn wait(&mut self, token: Token) -> Result<Option<Completion<P::Dma>>, Error> {
        let life = self.life.as_mut().ok_or(SubmitError::NotRunning)?;
        let Some((device, queue)) = life.owner_of(token) else {
            return Ok(None);
        };
        let clock = self.platform.clock();
        requests::wait(device, queue, clock, self.options.timeout, token).map(Some)
    }
}

const fn not_running<D: levitate_hal::Dma>(buffer: DmaBuffer<D>) -> Rejected<D> {
    Rejected {
        error: SubmitError::NotRunning,
        buffer,
    }
}

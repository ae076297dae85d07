//! Resets, of the device or of the queue alone: what is in flight ends, and what waits goes on (§2.4, §2.6.1).

use levitate_hal::Platform;
use levitate_virtio::{QueueCounts, Transport};

use super::AsyncBlk;
use super::shared::Shared;
use crate::device::life::REQUEST_QUEUE;
use crate::error::{RecoverError, ResetQueueError};
use crate::request::Reclaimed;

impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// Resets the device and brings it up again: [`Blk::recover`](crate::Blk::recover); waits for it, with the CPU.
    ///
    /// The future of each request ends with [`Aborted`](crate::RequestError::Aborted), and `reclaim` is handed its buffer, also if nobody
    /// waits for the request any more. What was not submitted yet goes on waiting for room, and finds it.
    /// `reclaim` must not call this driver.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]; the device is not running then, and every further call says so.
    pub fn recover(&self, reclaim: impl FnMut(Reclaimed<P::Dma>)) -> Result<(), RecoverError> {
        self.while_aborting(|shared| {
            let recovered = shared.blk.recover(reclaim);
            shared.given_up = None;
            recovered
        })
    }

    /// Takes back what the device has in the queue that all requests go to, and brings that queue into use again:
    /// [`Blk::reset_queue`](crate::Blk::reset_queue), which says what that takes; waits for it, with the CPU.
    ///
    /// The future of each request ends with [`Aborted`](crate::RequestError::Aborted), and `reclaim` is handed its buffer, also if nobody
    /// waits for the request any more. What was not submitted yet goes on waiting for room, and finds it.
    /// `reclaim` must not call this driver.
    ///
    /// # Errors
    ///
    /// - [`ResetQueueError::Reset`]: nothing has changed. Futures wait as before, each until its deadline: where the device has not
    ///   [finished in time](levitate_virtio::QueueResetError::Timeout), it may have stopped answering.
    /// - [`ResetQueueError::Restart`]: the queue was reset and is out of use. All futures end, those that wait for room too, and what the
    ///   requests carried is handed to the `reclaim` of this call, or of a further one or [`recover`](Self::recover), whichever succeeds.
    /// - [`ResetQueueError::NotRunning`].
    pub fn reset_queue(
        &self,
        reclaim: impl FnMut(Reclaimed<P::Dma>),
    ) -> Result<(), ResetQueueError> {
        let quiesced = self.shared.borrow_mut().blk.quiesce_queue(REQUEST_QUEUE);
        let proof = quiesced?;
        self.while_aborting(|shared| shared.blk.restart_queue(&proof, reclaim))
    }

    /// Ends all requests by `reset`.
    fn while_aborting<R>(&self, reset: impl FnOnce(&mut Shared<'s, T, P, MORE>) -> R) -> R {
        self.is_recovering.set(true);
        // Before the reset, which drops what is left of the requests while the driver is borrowed.
        self.wake_all(|shared, wakes| shared.take_request_waiters(|_| true, wakes));
        let mut shared = self.shared.borrow_mut();
        let before = shared.queue_counts();
        let outcome = reset(&mut shared);
        // A queue that is set up anew counts from zero.
        shared.past = QueueCounts::default();
        let now = shared.queue_counts();
        shared.past = QueueCounts {
            requests: before.requests.wrapping_sub(now.requests),
            notifications: before.notifications.wrapping_sub(now.notifications),
        };
        shared.leader = None;
        drop(shared);
        self.is_recovering.set(false);
        self.signal.clear();
        // Calls who has room now, or wakes all if the reset has failed.
        self.look(&mut None);
        self.appoint_leader();
        outcome
    }
}

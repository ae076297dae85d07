//! Resetting one virtqueue of the device, which goes on with the others: [`Blk::reset_queue`] (§2.6.1).

use levitate_hal::Platform;
use levitate_virtio::{QueueIndex, QueueQuiesced, Transport};

use super::Blk;
use super::life::{aborted, reclaim_done};
use crate::error::ResetQueueError;
use crate::request::{Owner, Reclaimed};

impl<T: Transport, P: Platform, const MORE: usize> Blk<'_, T, P, MORE> {
    /// Takes back what the device has in one queue, and brings that queue into use again; waits for it.
    ///
    /// Every request that was submitted to the queue ends here: `reclaim` is handed each that was not taken, and the tokens name nothing
    /// any more. The device, and its other queues, go on meanwhile. It takes `VIRTIO_F_RING_RESET`, which is to be asked for in the
    /// [`Options`](crate::Options): some devices that offer it go on with what they had. Where it was not agreed on, only
    /// [`recover`](Self::recover) does that.
    ///
    /// # Errors
    ///
    /// [`ResetQueueError`], which says whether the queue can be used.
    pub fn reset_queue(
        &mut self,
        index: QueueIndex,
        mut reclaim: impl FnMut(Reclaimed<P::Dma>),
    ) -> Result<(), ResetQueueError> {
        let proof = self.quiesce_queue(index)?;
        self.restart_queue(&proof, &mut reclaim)
    }

    /// Has the device reset one queue, and waits for it; the driver's side is as it was, until [`restart_queue`](Self::restart_queue).
    pub(super) fn quiesce_queue(
        &mut self,
        index: QueueIndex,
    ) -> Result<QueueQuiesced, ResetQueueError> {
        let life = self.life.as_mut().ok_or(ResetQueueError::NotRunning)?;
        let no_such_queue = ResetQueueError::NoSuchQueue { queue: index };
        let (device, _) = life.with_queue(index).ok_or(no_such_queue)?;
        Ok(device.reset_queue(index, self.platform.clock(), self.options.timeout)?)
    }

    /// Brings a queue that was reset into use again, and hands `reclaim` each request of it that was not taken.
    pub(super) fn restart_queue(
        &mut self,
        proof: &QueueQuiesced,
        mut reclaim: impl FnMut(Reclaimed<P::Dma>),
    ) -> Result<(), ResetQueueError> {
        let index = proof.queue();
        let life = self.life.as_mut().ok_or(ResetQueueError::NotRunning)?;
        let no_such_queue = ResetQueueError::NoSuchQueue { queue: index };
        let (device, queue) = life.with_queue(index).ok_or(no_such_queue)?;
        let own = &mut self.own;
        let mut reclaim = |request: Reclaimed<P::Dma>, owner| match owner {
            Owner::User => reclaim(request),
            Owner::Driver => own.keep_bounce(request.buffer),
        };
        // What the device was done with before is done, whatever becomes of the queue; a fault ends with it.
        let _: Result<_, _> = queue.process();
        reclaim_done::<T, P::Dma>(queue, &mut reclaim);
        queue.restart(device, proof, self.platform.dma(), |data, context| {
            let (request, owner) = aborted(data, context);
            reclaim(request, owner);
        })?;
        if own.abandoned.is_some_and(|token| token.queue() == index) {
            own.abandoned = None;
        }
        // Asks for notifications again, if they are wanted.
        let _: Result<_, _> = queue.process();
        log::debug!("queue {index} of the block device was reset and is live again");
        Ok(())
    }
}

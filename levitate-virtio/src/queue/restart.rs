//! Bringing one virtqueue of a live device back into use after a reset of just that queue: [`Queue::restart`] (§2.6.1).

use levitate_hal::{Barriers, Dma, DmaError, Segments};
use thiserror::Error;

use super::in_order::Order;
use super::ring::{Format, Progress, Ring as _};
use super::slot::{Form, List, Stack};
use super::{Data, DeviceFault, Queue, QueueIndex};
use crate::init::queue_reset::QueueQuiesced;
use crate::init::{Device, Identity, stage};
use crate::transport::{EnableQueueError, Notify, Transport};

/// Why a virtqueue was not brought back into use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestartError {
    /// The proof is about another queue or device, or about what the queue was before it was last enabled; nothing was done.
    #[error("there is no proof that queue {queue} was reset since it was enabled")]
    NotReset {
        /// Index of the queue.
        queue: QueueIndex,
    },
    /// There is no memory for new rings; requests stay in the queue, and it can be restarted with the same proof.
    #[error("no memory for the virtqueue: {0}")]
    Dma(#[from] DmaError),
    /// The transport or the device refused it.
    ///
    /// Where the device was [not told](EnableQueueError::is_device_told), requests stay in the queue, and it can be restarted with
    /// the same proof. Otherwise they are given back, and the queue has to be reset once more.
    #[error(transparent)]
    Enable(#[from] EnableQueueError),
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Brings the queue back into use once it is reset: gives it new rings and enables it again.
    ///
    /// `reclaim` is handed what requests carried that were not taken, done or not, and their tokens name nothing any more.
    /// A [fault](Self::fault) of the device is forgotten, and counting begins anew. Call [`process`](Self::process) afterwards, if
    /// used buffer notifications are [wanted](Self::set_used_notifications).
    ///
    /// # Errors
    ///
    /// [`RestartError`]; but for [`NotReset`](RestartError::NotReset), the queue is [out of use](DeviceFault::NotEnabled) until it is
    /// restarted.
    pub fn restart<T: Transport<Notifier = N>>(
        &mut self,
        device: &mut Device<T, stage::Live<R>>,
        proof: &QueueQuiesced,
        dma: &D,
        mut reclaim: impl FnMut(Data<B>, C),
    ) -> Result<(), RestartError> {
        let queue = self.index;
        if device.identity() != self.identity || !proof.covers(self.identity, queue, self.enabled) {
            return Err(RestartError::NotReset { queue });
        }
        self.set_fault(DeviceFault::NotEnabled);
        let ring = R::Ring::new(dma, &self.ring_config)?;
        let enabled = Identity::fresh();
        // A live device may look at the rings as soon as it is told of them.
        Barriers::Platform.before_notify();
        let transport = device.transport_mut();
        // SAFETY: the ring is at the areas it names and as long as their size says. If the device is told of them, the ring is kept
        // below as that of this queue: it is given back by `release`, with proof that the device of this `identity` was reset, or
        // here, with proof that the queue was since it was enabled, and is leaked otherwise.
        let outcome = unsafe { transport.enable_queue(queue, &ring.areas()) };
        if let Err(error) = outcome
            && !error.is_device_told()
        {
            drop(ring.into_memory());
            return Err(error.into());
        }
        self.enabled = enabled;
        // By the proof the device reaches the old ring no more, nor anything that was in it.
        drop(core::mem::replace(&mut self.ring, ring).into_memory());
        self.begin_anew(&mut reclaim);
        outcome?;
        self.idle = Stack::of(self.slots, self.shape.slots);
        self.notifier = device.transport().notifier(queue);
        self.fault = None;
        self.pace = self.pace();
        Ok(())
    }

    /// Empties every slot, with nothing laid out in the ring.
    fn begin_anew(&mut self, reclaim: &mut impl FnMut(Data<B>, C)) {
        for slot in self.slots.iter_mut() {
            slot.record.form = Form::NONE;
            if let Some((mut data, context)) = slot.empty() {
                data.sync_for_cpu();
                reclaim(data, context);
            }
        }
        self.done = List::EMPTY;
        self.done_len = 0;
        self.progress = Progress::behind(self.progress.submitted);
        self.order = Order::of(self.shape.slots);
        self.notifications = 0;
        self.awaited = self.progress.done;
        self.settled = self.progress.done;
    }
}

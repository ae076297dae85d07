//! Requests in one virtqueue: submitted, taken back, waited for (§5.2.6).

use core::time::Duration;

use levitate_hal::{Clock, Deadline, Dma, DmaBuffer};
use levitate_virtio::{Data, Device, Notify, Queue, Timeout, Token, Transport, stage};

use crate::error::{Error, Rejected, SubmitError};
use crate::listener::Listener;
use crate::request::{self, Completion, Context, Owner, RequestKind, RequestStatus};

/// One virtqueue of a device.
pub(super) type RequestQueue<'s, T, D> =
    Queue<'s, DmaBuffer<D>, Context, D, <T as Transport>::Notifier>;

/// A device that may be used.
pub(super) type Live<T> = Device<T, stage::Live>;

/// How often a wait looks whether the device has given up: seldom, for the look costs an exit to the hypervisor.
const STATUS_INTERVAL: Duration = Duration::from_millis(20);

/// A request that was not submitted.
pub(super) struct Unsubmitted<D: Dma> {
    pub(super) error: SubmitError,
    pub(super) data: Data<DmaBuffer<D>>,
}

impl<D: Dma> Unsubmitted<D> {
    /// Hands back the buffer of a read or a write.
    pub(super) fn into_rejected(self) -> Rejected<D> {
        match self.data {
            Data::Readable(buffer) | Data::Writable(buffer) => Rejected {
                error: self.error,
                buffer,
            },
            Data::None => unreachable!("a queue gives back the data it was handed"),
        }
    }
}

/// Makes a request available, without notifying the device.
#[inline(always)]
pub(super) fn submit<D: Dma, N: Notify>(
    queue: &mut Queue<'_, DmaBuffer<D>, Context, D, N>,
    context: Context,
    data: Data<DmaBuffer<D>>,
) -> Result<Token, Unsubmitted<D>> {
    let header = context.kind.header(context.sector);
    let submitted = queue.submit(&header, data, &RequestStatus::UNWRITTEN, context);
    submitted.map_err(|rejected| Unsubmitted {
        error: rejected.error.into(),
        data: rejected.data,
    })
}

/// Makes a write of the user's available, or else a read, without notifying the device.
///
/// A function each, wherever it is called, for the two have few steps in common.
#[inline]
pub(super) fn submit_buffer<D: Dma, N: Notify, const IS_WRITE: bool>(
    queue: &mut Queue<'_, DmaBuffer<D>, Context, D, N>,
    sector: u64,
    buffer: DmaBuffer<D>,
) -> Result<Token, Rejected<D>> {
    let (kind, data) = match IS_WRITE {
        false => (RequestKind::Read, Data::Writable(buffer)),
        true => (RequestKind::Write, Data::Readable(buffer)),
    };
    let context = Context {
        kind,
        sector,
        owner: Owner::User,
        listener: Listener::Caller,
    };
    submit(queue, context, data).map_err(Unsubmitted::into_rejected)
}

/// Takes a request back that is done, as of the last look at the queue.
pub(super) fn take<D: Dma, N: Notify>(
    queue: &mut Queue<'_, DmaBuffer<D>, Context, D, N>,
    token: Token,
) -> Option<Completion<D>> {
    queue.take(token).map(request::completion)
}

/// Waits until the request is done and takes it back; others that are done stay for whoever wants them.
pub(super) fn wait<T: Transport, D: Dma>(
    device: &mut Live<T>,
    queue: &mut RequestQueue<'_, T, D>,
    clock: &impl Clock,
    timeout: Duration,
    token: Token,
) -> Result<Completion<D>, Error> {
    let deadline = Deadline::after(clock, timeout);
    let mut next_look = Deadline::after(clock, STATUS_INTERVAL);
    let outcome = deadline.poll_at(clock, |now| {
        let processed = queue.process();
        if let Some(completion) = take(queue, token) {
            return Some(Ok(completion));
        }
        if let Err(fault) = processed {
            return Some(Err(fault.into()));
        }
        if next_look.is_missed_at(now) {
            next_look = Deadline::after(clock, STATUS_INTERVAL);
            return device.read_given_up().map(|given_up| Err(given_up.into()));
        }
        None
    });
    match outcome {
        Some(outcome) => outcome,
        None => {
            let cause = device.diagnose(queue, token, &RequestStatus::UNWRITTEN);
            Err(Timeout { timeout, cause }.into())
        }
    }
}

//! What all futures of a driver share, and what is done to it while it is borrowed: [`Shared`].

use levitate_hal::{Deadline, DmaBuffer, Platform};
use levitate_virtio::{QueueCounts, Status, Timeout, Token, Transport};

use super::Counts;
use super::room::{Need, Waiters};
use super::wakes::Wakes;
use crate::device::Blk;
use crate::device::requests;
use crate::error::{Error, SubmitError};
use crate::listener::{Listener, Waiter};
use crate::request::{Completion, Owner, RequestError, RequestStatus};

/// What a future waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The answer to a request.
    Answer(Token),
    /// Room for a request; the number is the future's own.
    Room(u64),
}

/// The driver, and who waits for it.
pub(super) struct Shared<'s, T: Transport, P: Platform, const MORE: usize> {
    pub(super) blk: Blk<'s, T, P, MORE>,
    pub(super) waiters: Waiters,
    /// Whose waker the signal has, if it has not woken it.
    pub(super) leader: Option<Place>,
    /// What the device status read when the device had given up.
    pub(super) needs_reset: Option<Status>,
    /// Whether there is room, or may be, that nobody who waits for it has been told of.
    pub(super) has_freed: bool,
    /// What was counted of the queue before the last recovery.
    pub(super) past: QueueCounts,
    pub(super) idle_polls: u64,
}

impl<'s, T: Transport, P: Platform, const MORE: usize> Shared<'s, T, P, MORE> {
    /// Notifies the device of what was submitted since it was notified last, if it wants to be; says whether it was.
    pub(super) fn announce(&mut self) -> bool {
        // One that has given up is not notified any more.
        let life = self
            .blk
            .life
            .as_mut()
            .filter(|_| self.needs_reset.is_none());
        life.is_some_and(|life| life.queue.notify())
    }

    /// Returns what was counted.
    pub(super) fn counts(&self) -> Counts {
        let QueueCounts {
            requests,
            notifications,
        } = self.queue_counts();
        Counts {
            requests,
            notifications,
            idle_polls: self.idle_polls,
        }
    }

    /// Returns what was counted of the queue, those before recoveries included.
    pub(super) fn queue_counts(&self) -> QueueCounts {
        let Some(life) = &self.blk.life else {
            return self.past;
        };
        let now = life.queue.counts();
        QueueCounts {
            requests: self.past.requests.wrapping_add(now.requests),
            notifications: self.past.notifications.wrapping_add(now.notifications),
        }
    }

    /// Sets the deadline of a wait that begins now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.blk.platform.clock(), self.blk.options.timeout)
    }

    /// Reads whether the device has given up.
    pub(super) fn read_status(&mut self) {
        let Some(life) = &self.blk.life else { return };
        let status = life.device.transport().read_status();
        // All ones is what a device that is gone reads; the diagnosis says so.
        if status.contains(Status::DEVICE_NEEDS_RESET) && !status.is_all() {
            self.needs_reset = Some(status);
        }
    }

    /// Looks at the virtqueue and takes the tasks that have something to do; says whether `wakes` had room for all of them.
    ///
    /// With `checks_deadlines` those whose deadline has passed are among them.
    pub(super) fn look(&mut self, checks_deadlines: bool, wakes: &mut Wakes) -> bool {
        let Some(life) = &mut self.blk.life else {
            return self.take_waiters(|_| true, wakes);
        };
        let is_broken = life.queue.process().is_err();
        let mut is_complete = true;
        let mut next = life.queue.next_done();
        while let Some(token) = next {
            next = life.queue.done_after(token);
            let Some(context) = life.queue.context_mut(token) else {
                break;
            };
            match (&mut context.listener, context.owner) {
                (Listener::Task(waiter), _) => is_complete &= wakes.take_from(waiter),
                (Listener::Caller, Owner::User) => {}
                (Listener::Nobody, _) | (Listener::Caller, Owner::Driver) => {
                    self.blk.own.let_go(&mut life.queue, token);
                    self.has_freed = true;
                }
            }
        }
        if is_broken || self.needs_reset.is_some() {
            is_complete &= self.take_waiters(|_| true, wakes);
        } else if checks_deadlines {
            let platform = self.blk.platform.clone();
            let is_late = |waiter: &Waiter| waiter.deadline.is_missed(platform.clock());
            is_complete &= self.take_waiters(is_late, wakes);
        }
        is_complete & self.take_freed(wakes)
    }

    /// Takes those who wait for room, if there is some that they have not been told of; says whether `wakes` had room for all.
    pub(super) fn take_freed(&mut self, wakes: &mut Wakes) -> bool {
        if self.has_freed {
            let is_complete = self.waiters.take(|_| true, wakes);
            self.has_freed = !is_complete;
        }
        !self.has_freed
    }

    /// Takes the tasks that `is_meant` is true for; says whether `wakes` had room for all of them.
    pub(super) fn take_waiters(
        &mut self,
        is_meant: impl Fn(&Waiter) -> bool,
        wakes: &mut Wakes,
    ) -> bool {
        self.take_request_waiters(&is_meant, wakes) & self.waiters.take(is_meant, wakes)
    }

    /// Takes the tasks that wait for an answer and that `is_meant` is true for.
    pub(super) fn take_request_waiters(
        &mut self,
        is_meant: impl Fn(&Waiter) -> bool,
        wakes: &mut Wakes,
    ) -> bool {
        let mut is_complete = true;
        let queues = self.blk.life.iter_mut().map(|life| &mut life.queue);
        for (_, context) in queues.flat_map(|queue| queue.contexts_mut()) {
            if let Some(waiter) = context.listener.waiter_mut()
                && waiter.as_ref().is_some_and(&is_meant)
            {
                is_complete &= wakes.take_from(waiter);
            }
        }
        is_complete
    }

    /// Returns somebody who waits, for the signal to wake.
    pub(super) fn any_waiter(&mut self) -> Option<(Place, &Waiter)> {
        let queues = self.blk.life.iter_mut().map(|life| &mut life.queue);
        let mut contexts = queues.flat_map(|queue| queue.contexts_mut());
        let of_request = contexts.find_map(|(token, context)| match &context.listener {
            Listener::Task(Some(waiter)) => Some((Place::Answer(token), waiter)),
            _ => None,
        });
        of_request.or_else(|| self.waiters.any())
    }

    /// Puts a task down as waiting; returns the one it takes the place of, if it does.
    pub(super) fn set_waiter(&mut self, place: Place, waiter: Waiter) -> Option<Waiter> {
        match place {
            Place::Answer(token) => {
                let queue = &mut self.blk.life.as_mut()?.queue;
                queue
                    .context_mut(token)?
                    .listener
                    .waiter_mut()?
                    .replace(waiter)
            }
            Place::Room(number) => self.waiters.insert(number, waiter),
        }
    }

    /// Takes a task back that was put down as waiting.
    pub(super) fn take_waiter(&mut self, place: Place) -> Option<Waiter> {
        match place {
            Place::Answer(token) => {
                let queue = &mut self.blk.life.as_mut()?.queue;
                queue.context_mut(token)?.listener.waiter_mut()?.take()
            }
            Place::Room(number) => self.waiters.remove(number),
        }
    }

    /// Takes a request back that is done; an error if it is none any more, because the device was reset.
    pub(super) fn take_answer(
        &mut self,
        token: Token,
    ) -> Option<Result<Completion<P::Dma>, Error>> {
        let aborted = Some(Err(RequestError::Aborted.into()));
        let Some(life) = &mut self.blk.life else {
            return aborted;
        };
        if life.queue.context(token).is_none() {
            return aborted;
        }
        let completion = requests::take(&mut life.queue, token)?;
        self.has_freed = true;
        self.blk.own.note_answered(token);
        Some(Ok(completion))
    }

    /// Says why a wait is over without what it was for, if it is.
    pub(super) fn failure(&mut self, place: Place, deadline: &Deadline) -> Option<Error> {
        let Some(life) = &mut self.blk.life else {
            return Some(SubmitError::NotRunning.into());
        };
        if let Some(fault) = life.queue.fault() {
            return Some(fault.into());
        }
        if let Some(status) = self.needs_reset {
            return Some(Error::NeedsReset { status });
        }
        if !deadline.is_missed(self.blk.platform.clock()) {
            return None;
        }
        let token = match place {
            Place::Answer(token) => Some(token),
            // Whatever the slots are taken by, the device has it: the oldest of it says why.
            Place::Room(_) => life.queue.oldest_in_flight(),
        };
        let Some(token) = token else {
            // The device has done all it was asked to: others have answers that they do not take.
            if life.queue.idle_slots() != 0 {
                return Some(SubmitError::OwnBufferInUse.into());
            }
            let slots = u16::try_from(life.queue.contexts_mut().count()).unwrap_or(u16::MAX);
            let full = levitate_virtio::SubmitError::Full { slots };
            return Some(SubmitError::from(full).into());
        };
        let cause = life
            .device
            .diagnose(&mut life.queue, token, &RequestStatus::UNWRITTEN);
        let timeout = deadline.timeout();
        Some(Timeout { timeout, cause }.into())
    }

    /// Says whether there is room for a request, or a reason that there will be none.
    pub(super) fn has_room(&self, need: Need) -> bool {
        let Some(life) = &self.blk.life else {
            return true;
        };
        let has_memory = need == Need::Slot || self.blk.own.bounce.is_some();
        life.queue.fault().is_some() || (life.queue.idle_slots() != 0 && has_memory)
    }

    /// Lets a request go that nobody waits for any more: at once if it is done, else as soon as the device gives it back.
    pub(super) fn abandon(&mut self, token: Token) {
        let Some(life) = &mut self.blk.life else {
            return;
        };
        if life.queue.is_done(token) {
            self.blk.own.let_go(&mut life.queue, token);
            self.has_freed = true;
        } else if let Some(context) = life.queue.context_mut(token) {
            context.listener = Listener::Nobody;
        }
    }

    /// Gives the driver its own buffer back, which a request of its own has returned.
    pub(super) fn keep_bounce(&mut self, buffer: Option<DmaBuffer<P::Dma>>) {
        self.blk.own.keep_bounce(buffer);
        self.has_freed = true;
    }
}

//! How a task waits, and how it is woken.
//!
//! One of those that wait, the leader, has its waker in the signal.
//! Woken, it looks at the virtqueue and wakes those whose requests are done; when its own wait is over, another one leads.
//! Who begins to lead looks once more *after* its waker is in the signal: what came before is seen, what comes later wakes it.

use core::task::{Poll, Waker};

use levitate_hal::{Instant, Platform};
use levitate_virtio::Transport;

use super::AsyncBlk;
use super::shared::{Place, Shared};
use super::wakes::Wakes;
use crate::error::Error;
use crate::listener::Waiter;

/// What a future does to wait; nothing of the driver is borrowed when it is asked to.
pub(super) trait Wait {
    /// What it waits for.
    type Output;

    fn place(&self) -> Place;

    /// Returns when its wait began, once it has waited.
    fn began(&self) -> Option<Instant>;

    /// Has its wait begin.
    fn begin(&mut self, start: Instant);

    /// Puts its task down as waiting, or as not waiting; returns what is left over, to be dropped.
    fn replace_waiter(&mut self, waiter: Option<Waiter>) -> Option<Waiter>;

    /// Takes what it waits for, if it is there.
    fn attain(&mut self) -> Poll<Result<Self::Output, Error>>;
}

/// As [`Wait::attain`], where that is not done in line.
#[inline(never)]
fn attain_late<W: Wait>(wait: &mut W) -> Poll<Result<W::Output, Error>> {
    wait.attain()
}

impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// One poll of a future that waits.
    ///
    /// The clock, which costs an exit to the hypervisor on some machines, is read at most once, and once more for a tick; not for what is
    /// there.
    #[inline]
    pub(super) fn poll_wait<W: Wait>(
        &self,
        wait: &mut W,
        waker: &Waker,
    ) -> Poll<Result<W::Output, Error>> {
        // One that has not waited has no waker anywhere, and does not lead.
        let has_waited = wait.began().is_some();
        if has_waited {
            // It looks itself now, so it is not to be woken by what it finds.
            drop(wait.replace_waiter(None));
        }
        // It may be there already. What it comes to is moved nowhere: a target that copies large values by a call does so for each move.
        let mut polled = wait.attain();
        match (&polled, has_waited) {
            (Poll::Ready(_), true) => self.end_wait(wait.place()),
            (Poll::Ready(_), false) => self.call_waiting(),
            (Poll::Pending, _) => polled = self.look_and_wait(wait, waker),
        }
        // What is behind it may be nobody's, so that nobody else looks.
        if polled.is_ready() && self.shared.borrow().has_abandoned {
            self.look(&mut None);
        }
        polled
    }

    /// As [`poll_wait`](Self::poll_wait), for what is not there as far as can be told without a look at all there is.
    #[inline(never)]
    fn look_and_wait<W: Wait>(
        &self,
        wait: &mut W,
        waker: &Waker,
    ) -> Poll<Result<W::Output, Error>> {
        let mut now = None;
        self.shared.borrow_mut().announce();
        self.look(&mut now);
        let mut polled = attain_late(wait);
        if polled.is_pending() {
            polled = self.wait_on(wait, waker, &mut now);
        }
        if polled.is_ready() {
            drop(wait.replace_waiter(None));
            self.end_wait(wait.place());
        }
        polled
    }

    /// Puts the task down as waiting, and as the one that leads; returns an outcome if it has come meanwhile, or will not come.
    fn wait_on<W: Wait>(
        &self,
        wait: &mut W,
        waker: &Waker,
        now: &mut Option<Instant>,
    ) -> Poll<Result<W::Output, Error>> {
        let place = wait.place();
        let began = wait.began();
        let start = began.unwrap_or_else(|| self.shared.borrow_mut().start(place, now));
        wait.begin(start);
        let deadline = self.shared.borrow().deadline(start);
        let waiter = Waiter {
            waker: waker.clone(),
            deadline,
        };
        drop(wait.replace_waiter(Some(waiter)));
        self.shared.borrow_mut().leader = Some(place);
        self.signal.register(waker);
        self.look(now);
        let polled = attain_late(wait);
        if polled.is_ready() {
            return polled;
        }
        let mut shared = self.shared.borrow_mut();
        if let Some(error) = shared.hopelessness() {
            return Poll::Ready(Err(error));
        }
        // One that was set just now is not missed.
        if began.is_none() {
            return Poll::Pending;
        }
        if deadline.is_missed_at(shared.present(now)) {
            return Poll::Ready(Err(shared.lateness(place, &deadline)));
        }
        shared.idle_polls = shared.idle_polls.wrapping_add(1);
        Poll::Pending
    }

    /// Ends a wait, whatever its outcome: who waits for room that there is now is called, and somebody else leads.
    pub(super) fn end_wait(&self, place: Place) {
        if self.is_recovering() {
            return;
        }
        self.call_waiting();
        let is_leader = self.shared.borrow().leader == Some(place);
        if is_leader {
            self.appoint_leader();
        }
    }

    /// Wakes who is first in line for room, as long as there is some.
    #[inline]
    pub(super) fn call_waiting(&self) {
        if !self.line.borrow().is_empty() {
            self.call_first();
        }
    }

    /// As [`call_waiting`](Self::call_waiting), where somebody waits.
    #[inline(never)]
    fn call_first(&self) {
        if !self.is_recovering() {
            self.wake_all(|shared, wakes| self.line.borrow_mut().call(shared.supply(), wakes));
        }
    }

    /// Lets somebody lead who waits.
    pub(super) fn appoint_leader(&self) {
        let waker = {
            let mut shared = self.shared.borrow_mut();
            let line = self.line.borrow();
            let (leader, waker) = shared
                .any_waiter(&line)
                .map(|(place, waiter)| (place, waiter.waker.clone()))
                .unzip();
            shared.leader = leader;
            waker
        };
        match waker {
            Some(waker) => {
                self.signal.register(&waker);
                self.look(&mut None);
            }
            None => self.signal.clear(),
        }
    }

    /// Looks at the virtqueue, and wakes all who have something to do; `now` is what the clock read in this poll, if it was read.
    pub(super) fn look(&self, now: &mut Option<Instant>) {
        let needs_attention = self.signal.take_attention();
        if needs_attention {
            // It is about the time until it was called for, not about an earlier reading.
            *now = None;
            let mut shared = self.shared.borrow_mut();
            // A look at the status is one at what becomes of the requests, so the device is to know of them.
            shared.announce();
            shared.read_status();
        }
        self.wake_all(|shared, wakes| {
            let late_at = needs_attention.then(|| shared.present(now));
            shared.look(&mut self.line.borrow_mut(), late_at, wakes)
        });
    }

    /// Wakes what `take` takes, until it has taken all there is.
    pub(super) fn wake_all(
        &self,
        mut take: impl FnMut(&mut Shared<'s, T, P, MORE>, &mut Wakes) -> bool,
    ) {
        loop {
            let mut wakes = Wakes::default();
            // A turn that is not the last wakes as many tasks as there is room for.
            let is_complete = take(&mut self.shared.borrow_mut(), &mut wakes);
            wakes.wake();
            if is_complete {
                return;
            }
        }
    }
}

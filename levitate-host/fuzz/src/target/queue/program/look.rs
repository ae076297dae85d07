//! Looks at the used ring: the driver's, and that of a model that knows beforehand what it must find.

use levitate_virtio::Interface;

use super::{INITIAL, Program, Request};
use crate::device::ring::Use;
use crate::sabotage::Sabotage;

impl<const H: usize, const F: usize> Program<'_, '_, H, F> {
    pub(super) fn process(&mut self) {
        self.look(false);
    }

    /// Looks until there is nothing more: what the model finds the queue must find, unless it looked just before.
    fn look(&mut self, has_looked: bool) {
        let mut expected = self.bench.with(|device| self.model.process(device));
        if self.bench.is_sabotaged(Sabotage::Miscounted) {
            expected = expected.map(|count| count + 1);
        }
        let found = self.bench.call("process", 0, || self.queue.process());
        let is_expected = match (&expected, &found) {
            (Ok(expected), Ok(found)) => expected == found || has_looked && *found == 0,
            (Err(expected), Err(found)) => expected.is(*found),
            _ => false,
        };
        if !is_expected {
            self.bench.fail(format!(
                "the used ring has {expected:?}, the queue finds {found:?}"
            ));
        }
        self.note_done(expected.is_ok());
        self.check_done();
        if self.is_notified && expected.is_ok() {
            let awaited = self.awaited;
            let is_right = self
                .bench
                .with(|device| self.model.is_wish_right(device, awaited));
            self.bench.demand(
                is_right,
                "the driver wishes to be notified of another request than the last it waits for",
            );
        }
    }

    /// Says that the next requests are waited for together; the next look tells the device.
    pub(super) fn await_together(&mut self) {
        let count = match self.bench.byte() {
            240.. => u16::MAX,
            count => u16::from(count % 8),
        };
        self.queue.await_together(count);
        self.awaited = count.into();
    }

    /// Takes back what has been done for longest, as a whole or where it is found; whether the driver looks further than that takes is
    /// its choice.
    pub(super) fn poll(&mut self, is_in_place: bool) {
        let (mut one, mut all) = (self.model.clone(), self.model.clone());
        if self.done.is_empty() {
            self.bench.with(|device| {
                let _ = one.collect(device);
                let _ = all.process(device);
            });
        }
        let found = self.bench.call("poll", 0, || match is_in_place {
            true => self.queue.poll_with(|completed| completed),
            false => self.queue.poll::<[u8; F]>(),
        });
        let is_all = usize::from(self.queue.in_flight()) == all.in_flight()
            && self.queue.fault().is_some() == all.fault().is_some();
        self.model = if is_all { all } else { one };
        self.note_done(false);
        let expected = self.done.first().copied();
        match (found, expected) {
            (Ok(Some(completed)), Some(number)) => {
                let mut requests = self.requests.iter();
                match requests.position(|one| one.number == number) {
                    Some(position) => self.check(position, &completed),
                    None => self.bench.fail(format!("request {number} is done twice")),
                }
            }
            (Ok(None), None) => self
                .bench
                .demand(self.model.fault().is_none(), "a fault is not told of"),
            (Err(found), None) => self.bench.demand(
                self.model.fault().is_some_and(|fault| fault.is(found)),
                "a fault is told of that is none",
            ),
            (found, expected) => {
                let found = found.map(|found| found.map(|completed| completed.context));
                self.bench.fail(format!(
                    "request {expected:?} is next, a poll finds {found:?}"
                ));
            }
        }
        self.check_done();
    }

    /// Takes each request back that is next when its turn comes, as tasks do that wait for one each.
    pub(super) fn take_in_turn(&mut self) {
        let submitted: Vec<u32> = self.requests.iter().map(|one| one.number).collect();
        for number in submitted {
            let mut requests = self.requests.iter();
            if let Some(position) = requests.position(|one| one.number == number) {
                self.take_ahead(position);
            }
        }
    }

    /// Takes a request back that is done, or next of what the device is done with; whatever else there is must stay as it is.
    pub(super) fn take_ahead(&mut self, position: usize) {
        let Request {
            token,
            number,
            is_done,
            ..
        } = self.requests[position];
        if !is_done {
            self.bench
                .with(|device| self.model.take_ahead(device, number));
            self.note_done(false);
        }
        let is_next = self.requests[position].is_done;
        let taken = self
            .bench
            .call("take ahead", 0, || self.queue.take_next::<[u8; F]>(token));
        self.bench.demand(
            taken.is_some() == is_next,
            "a request is taken ahead out of its turn, or kept in it",
        );
        if let Some(completed) = taken {
            self.check(position, &completed);
            let again = self.queue.take_next::<[u8; F]>(token).is_some();
            self.bench.demand(!again, "a request is taken ahead twice");
        }
        self.check_done();
    }

    /// Asks why the oldest request is not done; the diagnosis looks at the ring, so the model does too.
    pub(super) fn diagnose(&mut self) {
        if let Some(token) = self.queue.oldest_in_flight() {
            let _ = self.bench.call("diagnose", 0, || {
                self.device.diagnose(&mut self.queue, token, &[INITIAL; F])
            });
            // It looked at the ring or not, as the registers said; another look brings both to the same point.
            self.look(true);
        }
    }

    /// Notes what the model found done; of a device that used all as it should, that is what it used.
    fn note_done(&mut self, is_all: bool) {
        let is_legacy = self.model.interface() == Interface::Legacy;
        let mut found = std::mem::take(&mut self.model.done);
        if self.bench.is_sabotaged(Sabotage::WrongOrder) {
            found.reverse();
        }
        if self.bench.is_sabotaged(Sabotage::Overlooked) {
            self.bench.with(|device| {
                let ring = device.ring.iter_mut();
                ring.for_each(|ring| ring.honest.extend([Use::default()]));
            });
        }
        for done in found {
            let used = self.bench.with(|device| match &mut device.ring {
                Some(ring) if !ring.used_is_dirty => Some(ring.honest.pop_front()),
                _ => None,
            });
            if let Some(used) = used {
                let written = (done.written.0 + done.written.1) as u32;
                let is_it = used.is_some_and(|used| {
                    used.head == done.head && (is_legacy || used.written == written)
                });
                if !is_it {
                    self.bench
                        .fail(format!("the device used {used:?}, and {done:?} is found"));
                }
            }
            self.done.push(done.number);
            self.awaited = self.awaited.saturating_sub(1);
            let mut requests = self.requests.iter_mut();
            if let Some(request) = requests.find(|one| one.number == done.number) {
                request.is_done = true;
                request.written = done.written;
                let used = used.flatten();
                request.sure = used.map_or(0, |used| used.sure as usize);
                request.is_honest = used.is_some();
            }
        }
        let is_missed = is_all
            && self.bench.with(|device| {
                let ring = device.ring.as_ref();
                ring.is_some_and(|ring| !ring.used_is_dirty && !ring.honest.is_empty())
            });
        self.bench
            .demand(!is_missed, "a request that was used is not found");
    }

    /// Checks that the queue has done what the model has, in the same order, and nothing else.
    pub(super) fn check_done(&self) {
        let in_flight = usize::from(self.queue.in_flight());
        let is_right = in_flight == self.model.in_flight()
            && in_flight + self.done.len() == self.requests.len();
        self.bench
            .demand(is_right, "requests in flight are miscounted");
        let idle = usize::from(self.queue.idle_slots());
        self.bench.demand(
            idle + self.requests.len() == self.slots,
            "idle slots are miscounted",
        );
        let first = self.queue.next_done();
        let tokens = std::iter::successors(first, |token| self.queue.done_after(*token));
        // A list that goes in a circle is too long.
        let found: Vec<_> = tokens
            .take(self.requests.len() + 1)
            .map(|token| self.queue.context(token).copied())
            .collect();
        let is_same = found.iter().flatten().eq(&self.done) && found.len() == self.done.len();
        if !is_same {
            self.bench.fail(format!(
                "{:?} are done in this order, not {found:?}",
                self.done
            ));
        }
    }
}

//! Waiting until a request can be submitted: [`Room`], and [`SetAside`], what comes of it.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::Poll;

use levitate_hal::{Instant, Platform};
use levitate_virtio::Transport;

use super::AsyncBlk;
use super::line::{Need, Node};
use super::shared::Place;
use super::waiting::Wait;
use crate::error::Error;
use crate::listener::Waiter;

impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// Waits until there is room for a request, after all who have waited for longer.
    ///
    /// What the request needs is set aside until the outcome is dropped, which is to be after the submission.
    pub(super) async fn room(&self, need: Need) -> Result<SetAside<'_, 's, T, P, MORE>, Error> {
        let node = pin!(Node::new());
        let mut room = Room {
            blk: self,
            node,
            number: self.next_number(),
            need,
            began: None,
        };
        poll_fn(|context| {
            // While the device is reset, the submission says so.
            if self.is_recovering() {
                return Poll::Ready(Ok(SetAside::new(self, need)));
            }
            self.poll_wait(&mut room, context.waker())
        })
        .await
    }
}

/// A wait for room.
struct Room<'b, 'n, 's, T: Transport, P: Platform, const MORE: usize> {
    blk: &'b AsyncBlk<'s, T, P, MORE>,
    node: Pin<&'n mut Node>,
    number: u64,
    need: Need,
    began: Option<Instant>,
}

impl<'b, 's, T: Transport, P: Platform, const MORE: usize> Wait for Room<'b, '_, 's, T, P, MORE> {
    type Output = SetAside<'b, 's, T, P, MORE>;

    fn place(&self) -> Place {
        let (number, need) = (self.number, self.need);
        Place::Room { number, need }
    }

    fn began(&self) -> Option<Instant> {
        self.began
    }

    fn begin(&mut self, start: Instant) {
        self.began = Some(start);
    }

    fn replace_waiter(&mut self, waiter: Option<Waiter>) -> Option<Waiter> {
        let mut line = self.blk.line.borrow_mut();
        if waiter.is_some() && self.node.is_initial() {
            line.join(self.node.as_mut(), self.number, self.need);
        }
        line.replace_waiter(&self.node, waiter)
    }

    fn attain(&mut self) -> Poll<Result<Self::Output, Error>> {
        // Who has waited for longer comes first.
        self.blk.call_waiting();
        let shared = self.blk.shared.borrow();
        let mut line = self.blk.line.borrow_mut();
        let supply = shared.supply();
        let is_called = line.is_called(&self.node);
        let has_room = if is_called {
            line.release(self.need);
            supply.suffices(self.need)
        } else {
            !line.is_waiting(&self.node) && line.left_of(supply).suffices(self.need)
        };
        // Where there will never be room, the submission says why, unless it lacks the driver's own buffer.
        let is_over = has_room || shared.is_unusable();
        let why = match self.need {
            Need::Bounce if is_over && !has_room => shared.hopelessness(),
            Need::Bounce | Need::Slot => None,
        };
        let mut waiter = None;
        if is_called || is_over {
            waiter = line.leave(self.node.as_mut());
        }
        if is_called && !is_over {
            line.join_again(self.node.as_mut(), self.number, self.need);
        }
        drop((shared, line));
        drop(waiter);
        match why {
            Some(error) => Poll::Ready(Err(error)),
            None if is_over => Poll::Ready(Ok(SetAside::new(self.blk, self.need))),
            None => Poll::Pending,
        }
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for Room<'_, '_, '_, T, P, MORE> {
    fn drop(&mut self) {
        let waiter = {
            let mut line = self.blk.line.borrow_mut();
            if line.is_called(&self.node) {
                line.release(self.need);
            }
            line.leave(self.node.as_mut())
        };
        drop(waiter);
        self.blk.end_wait(self.place());
    }
}

/// What a request needs, set aside for it; dropped, it is given to whoever is next, if it was not used.
pub(super) struct SetAside<'b, 's, T: Transport, P: Platform, const MORE: usize> {
    blk: &'b AsyncBlk<'s, T, P, MORE>,
    need: Need,
}

impl<'b, 's, T: Transport, P: Platform, const MORE: usize> SetAside<'b, 's, T, P, MORE> {
    pub(super) fn new(blk: &'b AsyncBlk<'s, T, P, MORE>, need: Need) -> Self {
        blk.line.borrow_mut().set_aside(need);
        Self { blk, need }
    }

    /// Returns `submitted`, for which it was set aside: it is so until that was submitted, and no longer.
    pub(super) fn used_for<R>(self, submitted: R) -> R {
        submitted
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for SetAside<'_, '_, T, P, MORE> {
    fn drop(&mut self) {
        self.blk.line.borrow_mut().release(self.need);
        self.blk.call_waiting();
    }
}

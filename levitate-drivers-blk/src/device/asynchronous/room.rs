//! Waiting until a request can be submitted: [`Room`], and [`Waiters`], who they are.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use levitate_hal::{Deadline, Platform};
use levitate_virtio::Transport;

use super::AsyncBlk;
use super::shared::Place;
use super::wakes::Wakes;
use crate::error::Error;
use crate::listener::Waiter;

/// How many tasks can wait for room and be told; where there are more, they take turns, and each turn is a poll of all.
const CAPACITY: usize = 8;

/// What a request needs besides the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// An idle slot.
    Slot,
    /// An idle slot and the driver's own buffer.
    Bounce,
}

/// Waits until there is room for a request; what is submitted before the future of another task runs has it.
#[derive(Debug)]
pub(super) struct Room<'b, 's, T: Transport, P: Platform, const MORE: usize> {
    blk: &'b AsyncBlk<'s, T, P, MORE>,
    need: Need,
    number: u64,
    deadline: Option<Deadline>,
}

impl<'b, 's, T: Transport, P: Platform, const MORE: usize> Room<'b, 's, T, P, MORE> {
    pub(super) fn new(blk: &'b AsyncBlk<'s, T, P, MORE>, need: Need) -> Self {
        Self {
            blk,
            need,
            number: blk.next_number(),
            deadline: None,
        }
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Future for Room<'_, '_, T, P, MORE> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // While the device is recovered, the submission says so.
        if this.blk.is_recovering() {
            return Poll::Ready(Ok(()));
        }
        let need = this.need;
        let place = Place::Room(this.number);
        this.blk
            .poll_at(place, &mut this.deadline, context.waker(), |shared| {
                shared.has_room(need).then_some(Ok(()))
            })
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for Room<'_, '_, T, P, MORE> {
    fn drop(&mut self) {
        self.blk.stop_waiting(Place::Room(self.number));
    }
}

/// The tasks that wait for room, each by the number of its future.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    numbers: [u64; CAPACITY],
    waiters: [Option<Waiter>; CAPACITY],
}

impl Waiters {
    /// Adds a task; returns another one if there is no place for both, to be woken and so to look by itself.
    pub(super) fn insert(&mut self, number: u64, waiter: Waiter) -> Option<Waiter> {
        let places = self.waiters.iter().zip(&self.numbers).enumerate();
        // A free one, else that of whoever has waited for longest.
        let (place, _) = places.min_by_key(|(_, (waiter, number))| (waiter.is_some(), **number))?;
        *self.numbers.get_mut(place)? = number;
        self.waiters.get_mut(place)?.replace(waiter)
    }

    /// Takes a task out.
    pub(super) fn remove(&mut self, number: u64) -> Option<Waiter> {
        let mut places = self.waiters.iter_mut().zip(&self.numbers);
        let (waiter, _) = places.find(|(waiter, is)| waiter.is_some() && **is == number)?;
        waiter.take()
    }

    /// Takes the tasks that `is_meant` is true for; says whether `wakes` had room for all of them.
    pub(super) fn take(&mut self, is_meant: impl Fn(&Waiter) -> bool, wakes: &mut Wakes) -> bool {
        let waiters = self.waiters.iter_mut();
        let meant = waiters.filter(|waiter| waiter.as_ref().is_some_and(&is_meant));
        meant.fold(true, |is_complete, waiter| {
            is_complete & wakes.take_from(waiter)
        })
    }

    /// Returns one of them.
    pub(super) fn any(&self) -> Option<(Place, &Waiter)> {
        let mut places = self.waiters.iter().zip(&self.numbers);
        places.find_map(|(waiter, number)| Some((Place::Room(*number), waiter.as_ref()?)))
    }
}

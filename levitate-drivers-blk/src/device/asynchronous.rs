//! A disk for tasks that wait without a CPU: [`AsyncBlk`].

use core::cell::{Cell, RefCell};
use core::fmt;

use levitate_hal::{DmaBuffer, DmaError, Platform};
use levitate_virtio::{Negotiated, QueueCounts, Signal, Token, Transport};

use super::{Blk, CapacityChange};
use crate::capabilities::{CacheMode, Capabilities};
use crate::error::{CacheModeError, InitError};
use crate::features::BlkFeatures;

mod calls;
mod line;
mod request;
mod reset;
mod room;
mod shared;
mod submit;
mod waiting;
mod wakes;

use line::Line;
pub use request::Request;
use shared::{Place, Shared};

/// A block device whose calls are futures: a task that waits is woken by the device's interrupt, by way of a [`Signal`].
///
/// Tasks of one executor thread share a reference to it.
/// It is made of a [`Blk`], which has the blocking calls for early boot, and can be turned back into one.
/// All of its requests go to the first queue.
///
/// [`Signal::on_interrupt`] is to be called by the handler of the device's interrupt, with the handle from
/// [`interrupt`](Self::interrupt), and [`Signal::on_tick`] now and then, so that a missed deadline is noticed.
/// A future that has been polled is to be polled whenever its task is woken, or to be dropped: it may be the one that looks at the device
/// for all, and kept aside it holds the others up.
/// A wait ends after the timeout of the [`Options`](crate::Options), and each has one: for room, and for each answer.
pub struct AsyncBlk<'s, T: Transport, P: Platform, const MORE: usize = 0> {
    shared: RefCell<Shared<'s, T, P, MORE>>,
    /// Apart from the driver, so that a future can be dropped while that is borrowed by a reset.
    line: RefCell<Line>,
    signal: &'s Signal,
    next_number: Cell<u64>,
    /// The device, or its queue, is reset: meanwhile the futures are not to touch the driver.
    is_recovering: Cell<bool>,
}

/// What was counted of the first queue, since the driver was brought up that an [`AsyncBlk`] was made of; resets do not begin it anew.
///
/// A number that is too large begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were submitted.
    pub requests: u64,
    /// Available buffer notifications that were sent.
    pub notifications: u64,
    /// Polls of a future, besides its first, that did not bring it further: nobody woke it, or for the sake of others.
    pub idle_polls: u64,
}

impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// Makes the device interrupt for requests that are done, and the driver wait for `signal`, which is this driver's alone.
    ///
    /// Requests that were submitted to `blk` before stay there, and can be collected after [`into_inner`](Self::into_inner).
    #[must_use]
    pub fn new(mut blk: Blk<'s, T, P, MORE>, signal: &'s Signal) -> Self {
        blk.set_used_notifications(true);
        // What the device has may be another one's, of whose futures some were dropped.
        let has_abandoned = blk.in_flight() != 0;
        Self {
            shared: RefCell::new(Shared {
                blk,
                leader: None,
                given_up: None,
                told_at: None,
                has_abandoned,
                past: QueueCounts::default(),
                idle_polls: 0,
            }),
            line: RefCell::new(Line::new()),
            signal,
            next_number: Cell::new(0),
            is_recovering: Cell::new(false),
        }
    }

    /// Returns the driver with the blocking calls; the device interrupts for nothing but changes of its configuration.
    ///
    /// What dropped futures have left with the device comes back by [`Blk::poll`].
    #[must_use]
    pub fn into_inner(self) -> Blk<'s, T, P, MORE> {
        self.signal.clear();
        let mut blk = self.shared.into_inner().blk;
        blk.set_used_notifications(false);
        blk
    }

    /// Returns what the device can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        *self.shared.borrow().blk.capabilities()
    }

    /// Returns what driver and device agreed on; `None` after a recovery that failed.
    #[must_use]
    pub fn features(&self) -> Option<Negotiated<BlkFeatures>> {
        self.shared.borrow().blk.features()
    }

    /// Returns how many requests the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.shared.borrow().blk.in_flight()
    }

    /// Returns how many more requests can be submitted now, besides those that calls have waited for.
    #[must_use]
    pub fn idle_slots(&self) -> u16 {
        let supply = self.shared.borrow().supply();
        self.line.borrow().left_of(supply).slots
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.borrow().counts()
    }

    /// Allocates a zeroed buffer of `len_bytes` bytes that the device can reach.
    ///
    /// # Errors
    ///
    /// [`DmaError`].
    pub fn allocate_buffer(&self, len_bytes: usize) -> Result<DmaBuffer<P::Dma>, DmaError> {
        self.shared.borrow().blk.allocate_buffer(len_bytes)
    }

    /// Returns the handle for an interrupt handler, to be passed to [`Signal::on_interrupt`]; it outlives a recovery.
    ///
    /// `None` after a recovery that failed.
    pub fn interrupt(&self) -> Option<T::Interrupt> {
        self.shared.borrow().blk.interrupt()
    }

    /// Looks what has become of the configuration: [`Blk::process_config_change`], to be called after [`Signal::config_change`].
    ///
    /// # Errors
    ///
    /// [`InitError::Config`] or [`InitError::Capacity`]; the capacity known so far stays.
    pub fn process_config_change(&self) -> Result<Option<CapacityChange>, InitError> {
        self.shared.borrow_mut().blk.process_config_change()
    }

    /// Switches the cache mode: [`Blk::set_cache_mode`].
    ///
    /// # Errors
    ///
    /// [`CacheModeError`].
    pub fn set_cache_mode(&self, mode: CacheMode) -> Result<CacheMode, CacheModeError> {
        self.shared.borrow_mut().blk.set_cache_mode(mode)
    }

    fn is_recovering(&self) -> bool {
        self.is_recovering.get()
    }

    /// Returns a number that no other future has.
    fn next_number(&self) -> u64 {
        let number = self.next_number.get();
        self.next_number.set(number.wrapping_add(1));
        number
    }

    /// Lets a request go that nobody waits for any more.
    fn abandon(&self, token: Token) {
        if self.is_recovering() {
            return;
        }
        let waiter = self.shared.borrow_mut().replace_waiter(token, None);
        drop(waiter);
        self.shared.borrow_mut().abandon(token);
        self.end_wait(Place::Answer(token));
    }
}

impl<T: Transport, P: Platform, const MORE: usize> fmt::Debug for AsyncBlk<'_, T, P, MORE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncBlk")
            .field("counts", &self.counts())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

//! What becomes of the interrupts of a device: its [`Signal`] hears of them.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use levitate_virtio::{Interrupt, InterruptStatus, Signal, Transport};
use log::warn;

use super::Entry;
use super::way::WayError;
use crate::interrupts::{self, InterruptError};
use crate::lock::Mutex;
use crate::timer;

/// How often the handler acknowledges before it leaves the rest to the next interrupt: a device may raise it again meanwhile.
const MAX_ACKNOWLEDGEMENTS: usize = 4;

/// Those of all devices.
static SIGNALS: Mutex<Vec<&'static Signal>> = Mutex::new(Vec::new());

/// Has every driver that waits look at the clock; called by the timer's handler.
pub(crate) fn tick() {
    for signal in &*SIGNALS.lock() {
        signal.on_tick();
    }
}

/// How often a device has pulled its line, which it may share with others.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// For whatever reason.
    all: AtomicU64,
    /// Because something was done in a queue.
    for_queues: AtomicU64,
}

impl Pulls {
    fn count(&self, causes: InterruptStatus) {
        // Relaxed: they are counted, and nothing is made of it.
        self.all.fetch_add(1, Ordering::Relaxed);
        if causes.contains(InterruptStatus::USED_BUFFER) {
            self.for_queues.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Why a device's interrupts are not heard.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Way(#[from] WayError),
    #[error(transparent)]
    Interrupt(#[from] InterruptError),
}

impl ListenError {
    /// Says whether the device may be heard without messages.
    const fn is_about_messages(&self) -> bool {
        match self {
            Self::Way(error) => error.is_about_messages(),
            Self::Interrupt(_) => true,
        }
    }
}

impl Entry {
    /// Has the device's interrupts heard from now on, whoever drives it; without them, its drivers look at each tick.
    pub(super) fn hear(&mut self) {
        if self.is_heard {
            return;
        }
        self.is_heard = true;
        SIGNALS.lock().push(self.signal);
        self.listen_if_possible();
    }

    /// Has it interrupt without messages from now on, if it sent some, and that heard; says whether it did.
    pub(super) fn give_up_messages(&mut self) -> bool {
        let sent_messages = self.way.give_up_messages();
        if sent_messages {
            self.listen_if_possible();
        }
        sent_messages
    }

    /// Returns how often the device has interrupted.
    pub(crate) fn interrupt_count(&self) -> u64 {
        match self.way.sends_messages() {
            true => interrupts::count(&self.way.lines()),
            false => self.pulls.all.load(Ordering::Relaxed),
        }
    }

    /// Returns how often the device has interrupted for what it has done in this queue; by a line it does not say in which.
    pub(crate) fn queue_interrupt_count(&self, queue: u16) -> u64 {
        match self.way.sends_messages() {
            true => interrupts::count(&self.way.lines_of_queue(queue)),
            false => self.pulls.for_queues.load(Ordering::Relaxed),
        }
    }

    /// Has its interrupts heard by messages, else by its line.
    fn listen_if_possible(&mut self) {
        let location = self.location;
        while let Err(error) = self.listen() {
            if !error.is_about_messages() || !self.way.give_up_messages() {
                warn!("{location}: its interrupts are not heard: {error}");
                return;
            }
            warn!("{location}: {error}; its messages are given up");
        }
        if self.way.lines().is_empty() {
            warn!("{location}: it has no interrupt, and is looked at each tick");
        }
    }

    /// Has the device's interrupts acknowledged and counted, and its signal told.
    fn listen(&self) -> Result<(), ListenError> {
        let transport = self.way.connect()?;
        let (signal, pulls) = (self.signal, self.pulls);
        if !self.way.sends_messages() {
            return self.way.lines().into_iter().try_for_each(|line| {
                let interrupt = transport.interrupt();
                Ok(interrupts::handle(line, move || {
                    let causes = acknowledge_line(&interrupt, signal);
                    let is_its = !causes.is_empty();
                    if is_its {
                        pulls.count(causes);
                    }
                    is_its
                })?)
            });
        }
        for (vector, line) in (0..).zip(self.way.lines()) {
            let interrupt = transport.interrupt();
            // There is nothing to acknowledge; what a message is about is known by its vector.
            interrupts::handle(line, move || {
                pass_on(signal.on_vector(&interrupt, vector));
                true
            })?;
        }
        Ok(())
    }
}

/// Acknowledges until nothing is left, so that the device lets go of its line; returns what it held the line for.
fn acknowledge_line(interrupt: &impl Interrupt, signal: &Signal) -> InterruptStatus {
    let mut all = InterruptStatus::empty();
    for _ in 0..MAX_ACKNOWLEDGEMENTS {
        let causes = signal.on_interrupt(interrupt);
        pass_on(causes);
        if causes.is_empty() {
            break;
        }
        all |= causes;
    }
    all
}

/// Tells who follows what devices change about themselves.
fn pass_on(causes: InterruptStatus) {
    if causes.contains(InterruptStatus::CONFIG_CHANGE) {
        timer::NEWS.tell();
    }
}

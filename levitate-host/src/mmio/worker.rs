//! A thread that serves a device: [`Worker`].

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use levitate_hal::{Clock as _, Instant};

use super::transport::Transport;
use crate::clock::SystemClock;
use crate::device::{DeviceModel, Step};
use crate::sync::lock;

/// What the thread waits for.
#[derive(Debug, Default)]
struct Signal {
    is_woken: bool,
    #[cfg(test)]
    times_woken: usize,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Bell {
    signal: Mutex<Signal>,
    rung: Condvar,
}

/// The thread of a device, joined on drop.
#[derive(Debug)]
pub(super) struct Worker {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn spawn<M: DeviceModel>(
        transport: Arc<Mutex<Transport<M>>>,
        clock: SystemClock,
    ) -> io::Result<Self> {
        let bell = Arc::<Bell>::default();
        let heard = bell.clone();
        let thread = thread::Builder::new()
            .name("device".to_owned())
            .spawn(move || serve(&transport, &heard, clock))?;
        Ok(Self {
            bell,
            thread: Some(thread),
        })
    }

    /// Makes the thread look at what it was notified of, and at the time.
    pub(super) fn wake(&self) {
        self.ring(|signal| {
            signal.is_woken = true;
            #[cfg(test)]
            {
                signal.times_woken += 1;
            }
        });
    }

    #[cfg(test)]
    pub(super) fn times_woken(&self) -> usize {
        lock(&self.bell.signal).times_woken
    }

    fn ring(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut lock(&self.bell.signal));
        self.bell.rung.notify_one();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.ring(|signal| signal.is_over = true);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last handle may be the model's own, and no thread can wait for itself.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        let outcome = thread.join();
        assert!(
            outcome.is_ok() || thread::panicking(),
            "the device's thread panicked"
        );
    }
}

/// Serves until told to end.
fn serve<M: DeviceModel>(transport: &Mutex<Transport<M>>, bell: &Bell, clock: SystemClock) {
    let mut due = None;
    while bell.wait(due, clock) {
        // The device is unlocked between any two requests, so that registers are never out of reach for long.
        let notified = lock(transport).core.take_notified();
        serve_queues(transport, &notified);
        let core = &mut lock(transport).core;
        core.answer_due();
        due = core.next_due();
    }
}

fn serve_queues<M: DeviceModel>(transport: &Mutex<Transport<M>>, queues: &BTreeSet<u16>) {
    for queue in queues {
        loop {
            let mut device = lock(transport);
            let gives_way = device.core.behaviour.gives_way;
            let step = device.core.step(*queue);
            drop(device);
            match step {
                Step::Took { .. } if gives_way => thread::yield_now(),
                Step::Took { .. } => {}
                Step::Idle => break,
            }
        }
    }
}

impl Bell {
    /// Waits until the thread is woken or the time is `due`; false when it is over.
    fn wait(&self, due: Option<Instant>, clock: SystemClock) -> bool {
        let mut signal = lock(&self.signal);
        while !signal.is_woken && !signal.is_over {
            signal = match due {
                None => self
                    .rung
                    .wait(signal)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let now = clock.now();
                    if now >= due {
                        break;
                    }
                    self.rung
                        .wait_timeout(signal, due.since(now))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        signal.is_woken = false;
        !signal.is_over
    }
}

//! From notification to request: how a device looks at its queues.

use std::collections::BTreeSet;

use levitate_hal::Instant;

use super::answer::check_kept;
use super::core::{Core, DRIVER_OK};
use super::feature::ACCESS_PLATFORM;
use super::{Completion, DeviceModel, Family, Suppression};
use crate::dma::{DeviceMemory, Exposure};
use crate::queue::{Chain, RingError};

/// How long a careless device takes to ask for a notification: about as long as a driver takes for its next request.
const DAWDLING_SPINS: usize = 1000;

/// A request the device has taken and not answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) queue: u16,
    pub(super) chain: Chain,
    pub(super) due: Option<Instant>,
    exposures: Vec<Exposure>,
}

impl Pending {
    fn new(queue: u16, chain: Chain, due: Option<Instant>, memory: &DeviceMemory) -> Self {
        let buffers = chain
            .buffers
            .iter()
            .map(|buffer| (buffer.addr, u64::from(buffer.len_bytes)));
        let table = chain
            .indirect_table
            .map(|(addr, len_bytes)| (addr, u64::from(len_bytes)));
        let exposures = buffers
            .chain(table)
            .map(|(addr, len_bytes)| memory.expose(addr, len_bytes))
            .collect();
        Self {
            queue,
            chain,
            due,
            exposures,
        }
    }

    pub(super) fn conceal(&self, memory: &DeviceMemory) {
        for exposure in &self.exposures {
            memory.conceal(*exposure);
        }
    }
}

/// What a device found when it looked at a queue.
pub(crate) enum Step {
    /// A chain, answered at once or, if there is a time, then.
    Took { due: Option<Instant> },
    /// Nothing, and it will be notified of more; or it is broken.
    Idle,
}

impl<M: DeviceModel> Core<M> {
    /// Takes a notification for `queue`; the instant returned is when [`answer_due`](Self::answer_due) is wanted.
    pub(crate) fn notify(&mut self, queue: u16) -> Option<Instant> {
        if self.status & DRIVER_OK == 0 {
            self.violations.add(
                "INIT-08",
                format!("queue {queue} was notified before DRIVER_OK"),
            );
            return None;
        }
        if self.has_told_needs_reset {
            self.violations.add(
                "STATUS-04",
                format!("queue {queue} was notified after the driver had read DEVICE_NEEDS_RESET"),
            );
        }
        if self.behaviour.completion == Completion::Deaf {
            self.has_been_deaf = true;
            return None;
        }
        if self.clock.is_real() {
            // Whether the device wanted to be notified when the driver looked, nobody can tell now.
            self.notified.insert(queue);
            return None;
        }
        let features = self.ring_features();
        if let Some(ring) = self.queues.get_mut(usize::from(queue))
            && ring.is_enabled()
            && let Err(stray) =
                ring.check_notification(&self.memory, features, &mut self.violations)
        {
            self.break_down(RingError::Unreachable(stray));
        }
        self.look(queue)
    }

    /// Looks at `queue` as if it had been notified.
    pub(crate) fn look(&mut self, queue: u16) -> Option<Instant> {
        if self.clock.is_real() {
            self.notified.insert(queue);
            return None;
        }
        let mut wanted = None;
        while let Step::Took { due } = self.step(queue) {
            wanted = wanted.max(due);
        }
        wanted
    }

    /// Says whether there are queues for the device's thread to look at.
    pub(crate) fn is_notified(&self) -> bool {
        !self.notified.is_empty()
    }

    /// Returns the queues to look at, for the device's thread.
    pub(crate) fn take_notified(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.notified)
    }

    /// Takes one chain of `queue`, if there is one, and serves it as the behaviour says.
    pub(crate) fn step(&mut self, queue: u16) -> Step {
        let index = usize::from(queue);
        let is_enabled = self
            .queues
            .get(index)
            .is_some_and(|queue| queue.is_enabled());
        if self.is_broken || !is_enabled || self.status & DRIVER_OK == 0 {
            return Step::Idle;
        }
        match self.take_chain(index) {
            Ok(Some(chain)) => {
                let due = match self.behaviour.completion {
                    Completion::After(delay) => Some(self.clock.present().after(delay)),
                    _ => None,
                };
                self.accept(Pending::new(queue, chain, due, &self.memory));
                Step::Took { due }
            }
            Ok(None) => {
                self.deliver();
                Step::Idle
            }
            Err(error) => {
                if let RingError::Unreachable(stray) = error {
                    // With ACCESS_PLATFORM the platform was to make the address one the device can use, without it is to be one.
                    let rule = match self.negotiated & ACCESS_PLATFORM {
                        0 => "RSVD-05",
                        _ => "RSVD-04",
                    };
                    self.violations.add(rule, stray.to_string());
                }
                self.break_down(error);
                Step::Idle
            }
        }
    }

    fn take_chain(&mut self, index: usize) -> Result<Option<Chain>, RingError> {
        let features = self.ring_features();
        let Some(queue) = self.queues.get_mut(index) else {
            return Ok(None);
        };
        let suppression = self.behaviour.suppression;
        let is_following = suppression != Suppression::Frozen;
        loop {
            let chain = queue.pop(&self.memory, features, &mut self.violations)?;
            if chain.is_some() {
                if is_following {
                    queue.be_quiet(&self.memory, features)?;
                }
                return Ok(chain);
            }
            if suppression == Suppression::Careless {
                (0..DAWDLING_SPINS).for_each(|_| std::hint::spin_loop());
            }
            // What was made available between the look and the request to be notified is not notified of.
            if !is_following
                || !queue.listen(&self.memory, features)?
                || suppression == Suppression::Careless
            {
                return Ok(None);
            }
        }
    }

    fn accept(&mut self, mut request: Pending) {
        if self.ring_features().in_order {
            // It is used after those that came before it, whatever has become of them.
            let is_behind =
                |list: &[Pending]| list.iter().any(|other| other.queue == request.queue);
            if is_behind(&self.forgotten) {
                self.forgotten.push(request);
                return;
            }
            if is_behind(&self.pending) && self.behaviour.completion == Completion::Inline {
                request.due = Some(self.clock.present());
                self.pending.push(request);
                return;
            }
        }
        match self.behaviour.completion {
            Completion::Inline => self.answer(request),
            Completion::Never => self.forgotten.push(request),
            Completion::After(_) | Completion::Held | Completion::Deaf => {
                self.pending.push(request);
            }
        }
    }

    /// Stops serving until the next reset, as QEMU does for a queue it cannot follow.
    pub(super) fn break_down(&mut self, error: RingError) {
        self.ring_errors.push(error);
        self.is_broken = true;
        if self.family == Family::Modern {
            self.set_needs_reset();
        }
    }

    /// Drops what waits, of one queue or of all.
    pub(super) fn drop_pending(&mut self, queue: Option<u16>) {
        for request in self.pending.iter().chain(&self.forgotten) {
            check_kept(request, &self.memory, &mut self.violations);
        }
        self.batches
            .retain(|other, _| queue.is_some_and(|queue| queue != *other));
        for list in [&mut self.pending, &mut self.forgotten] {
            list.retain(|request| {
                let stays = queue.is_some_and(|queue| queue != request.queue);
                if !stays {
                    request.conceal(&self.memory);
                }
                stays
            });
        }
    }
}

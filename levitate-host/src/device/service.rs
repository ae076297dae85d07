//! From notification to answer: how a device serves its queues.

use std::collections::BTreeSet;

use levitate_hal::Instant;

use super::core::{Core, DRIVER_OK, Source};
use super::feature::ACCESS_PLATFORM;
use super::{Completion, DeviceModel, Family, Fault, Suppression, Violations};
use crate::dma::{AccessKind, DeviceMemory, Exposure};
use crate::queue::{Chain, Request, RingError, Used, scatter};

/// How long a careless device takes to ask for a notification: about as long as a driver takes for its next request.
const DAWDLING_SPINS: usize = 1000;

/// A request the device has taken and not answered.
#[derive(Debug)]
pub(super) struct Pending {
    queue: u16,
    chain: Chain,
    due: Option<Instant>,
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

    fn conceal(&self, memory: &DeviceMemory) {
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

    /// Returns when the next answer is due, for the device's thread.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.pending.iter().filter_map(|request| request.due).min()
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
            Ok(None) => Step::Idle,
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

    fn accept(&mut self, request: Pending) {
        match self.behaviour.completion {
            Completion::Inline => self.answer(request),
            Completion::Never => self.forgotten.push(request),
            Completion::After(_) | Completion::Held | Completion::Deaf => {
                self.pending.push(request);
            }
        }
    }

    /// Stops serving until the next reset, as QEMU does for a queue it cannot follow.
    fn break_down(&mut self, error: RingError) {
        self.ring_errors.push(error);
        self.is_broken = true;
        if self.family == Family::Modern {
            self.set_needs_reset();
        }
    }

    /// Returns the queue and head of each request that waits for an answer, oldest first.
    pub(crate) fn waiting(&self) -> Vec<(u16, u16)> {
        self.pending
            .iter()
            .map(|request| (request.queue, request.chain.head))
            .collect()
    }

    /// Answers the waiting request at `position`; false if there is none.
    pub(crate) fn answer_at(&mut self, position: usize) -> bool {
        if position >= self.pending.len() {
            return false;
        }
        let request = self.pending.remove(position);
        self.answer(request);
        true
    }

    /// Answers all requests whose time has come.
    pub(crate) fn answer_due(&mut self) {
        let present = self.clock.present();
        while let Some(position) = self
            .pending
            .iter()
            .position(|request| request.due.is_some_and(|due| due <= present))
        {
            self.answer_at(position);
        }
    }

    /// Drops what waits, of one queue or of all.
    pub(super) fn drop_pending(&mut self, queue: Option<u16>) {
        for request in self.pending.iter().chain(&self.forgotten) {
            check_kept(request, &self.memory, &mut self.violations);
        }
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

    fn answer(&mut self, request: Pending) {
        let Pending { queue, chain, .. } = &request;
        let ring_features = self.ring_features();
        if let Some(ring) = self.queues.get_mut(usize::from(*queue)) {
            ring.check_unchanged(chain, &self.memory, ring_features, &mut self.violations);
        }
        check_kept(&request, &self.memory, &mut self.violations);
        let fault = self.faults.pop_front().or(self.constant_fault);
        let features = self.negotiated();
        let mut served = Request::new(&self.memory, chain, &mut self.violations, features);
        self.model.serve(*queue, &mut served);
        let (mut answer, mut used_len) = (served.answer, served.used_len_bytes);
        distort(fault, chain, &mut answer, &mut used_len);
        let mut result = Ok(());
        for (offset, bytes) in &answer {
            result = result.and_then(|()| scatter(chain, *offset, bytes, &self.memory));
        }
        // Before the driver can know: what it is given back, it may give back.
        request.conceal(&self.memory);
        let result = result
            .map_err(RingError::from)
            .and_then(|()| self.give_back(&request, used_len, fault));
        if let Err(error) = result {
            self.break_down(error);
        }
        if fault == Some(Fault::NeedsReset) {
            self.set_needs_reset();
        }
    }

    fn give_back(
        &mut self,
        request: &Pending,
        used_len: u32,
        fault: Option<Fault>,
    ) -> Result<(), RingError> {
        let features = self.ring_features();
        let Some(queue) = self.queues.get_mut(usize::from(request.queue)) else {
            return Ok(());
        };
        let memory = &self.memory;
        let head = request.chain.head;
        queue.land(head);
        let used = Used::new(&request.chain, used_len);
        match fault {
            Some(Fault::NoUsedElement) => return Ok(()),
            Some(Fault::UsedIdOutOfRange) => {
                // A multiple of the size, so that an index taken modulo the size would look right.
                let id = used.id + u32::from(queue.size());
                queue.lie(used.naming(id), memory)?;
            }
            Some(Fault::UsedIdNotInFlight) => {
                let flying = queue.in_flight();
                let stranger =
                    (0..queue.size()).find(|other| *other != head && !flying.contains(other));
                queue.lie(used.naming(stranger.map_or(u32::MAX, u32::from)), memory)?;
            }
            Some(Fault::UsedTwice) => {
                queue.lie(used, memory)?;
                queue.lie(used, memory)?;
            }
            Some(Fault::UsedIndexJump(by)) => {
                queue.lie(used, memory)?;
                queue.jump(by, memory)?;
            }
            Some(Fault::UsedRingMisplaced) => {
                queue.lie_elsewhere(used, memory)?;
            }
            _ => {
                if queue.give_back(used, memory, features, &mut self.violations)? {
                    self.signal(Source::Queue(request.queue));
                }
                return Ok(());
            }
        }
        if queue.wants_interrupt_for_lies(memory, features)? {
            self.signal(Source::Queue(request.queue));
        }
        Ok(())
    }
}

/// Checks that the driver has left the buffers of a request to the device (§3.3.1).
fn check_kept(request: &Pending, memory: &DeviceMemory, violations: &mut Violations) {
    for buffer in &request.chain.buffers {
        let kind = if buffer.is_writable {
            AccessKind::Write
        } else {
            AccessKind::Read
        };
        if let Err(stray) = memory.check(buffer.addr, u64::from(buffer.len_bytes), kind) {
            violations.add(
                "CLEAN-02",
                format!("a buffer was taken back before a reset: {stray}"),
            );
        }
    }
}

/// Changes an honest answer into the one that `fault` asks for.
fn distort(
    fault: Option<Fault>,
    chain: &Chain,
    answer: &mut Vec<(usize, Vec<u8>)>,
    used_len: &mut u32,
) {
    let room: usize = chain
        .buffers
        .iter()
        .filter(|buffer| buffer.is_writable)
        .map(|buffer| buffer.len_bytes as usize)
        .sum();
    match fault {
        Some(Fault::UsedLen(len_bytes)) => *used_len = len_bytes,
        Some(Fault::AnswerTruncated { len_bytes }) => {
            for (offset, bytes) in answer {
                bytes.truncate((len_bytes as usize).saturating_sub(*offset));
            }
            *used_len = len_bytes.min(*used_len);
        }
        Some(Fault::AnswerType(number)) if room >= 4 => {
            answer.push((0, number.to_le_bytes().to_vec()));
        }
        Some(Fault::LastByte(byte)) if room > 0 => answer.push((room - 1, vec![byte])),
        _ => {}
    }
}

//! From request to answer: how a device does what it was asked, and gives the chain back.

use levitate_hal::Instant;

use super::core::{Core, Source};
use super::service::Pending;
use super::{DeviceModel, Fault, Violations};
use crate::dma::{AccessKind, DeviceMemory};
use crate::queue::{Chain, Request, RingError, scatter};

impl<M: DeviceModel> Core<M> {
    /// Returns the queue and head of each request that waits for an answer, oldest first.
    pub(crate) fn waiting(&self) -> Vec<(u16, u16)> {
        self.pending
            .iter()
            .map(|request| (request.queue, request.chain.head))
            .collect()
    }

    /// Answers the waiting request at `position`, and with IN_ORDER those before it in its queue; false if there is none.
    pub(crate) fn answer_at(&mut self, position: usize) -> bool {
        let Some(queue) = self.pending.get(position).map(|request| request.queue) else {
            return false;
        };
        if self.ring_features().in_order {
            let is_of_queue = |request: &Pending| request.queue == queue;
            let earlier = self.pending[..position].iter();
            for _ in 0..earlier.filter(|request| is_of_queue(request)).count() {
                self.answer_first(is_of_queue);
            }
            self.answer_first(is_of_queue);
            self.answer_due();
        } else {
            let request = self.pending.remove(position);
            self.answer(request);
        }
        true
    }

    /// Answers all requests that wait, oldest first, and returns how many.
    pub(crate) fn answer_all(&mut self) -> usize {
        let mut answered = 0;
        while self.answer_first(|_| true) {
            answered += 1;
        }
        self.deliver();
        answered
    }

    fn answer_first(&mut self, is_wanted: impl Fn(&Pending) -> bool) -> bool {
        let Some(position) = self.pending.iter().position(is_wanted) else {
            return false;
        };
        let request = self.pending.remove(position);
        self.answer(request);
        true
    }

    /// Answers all requests whose time has come.
    pub(crate) fn answer_due(&mut self) {
        let present = self.clock.present();
        while let Some(position) = (0..self.pending.len())
            .find(|position| self.due_at(*position).is_some_and(|due| due <= present))
        {
            let request = self.pending.remove(position);
            self.answer(request);
        }
        self.deliver();
    }

    /// Returns when the next answer is due, for the device's thread.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        (0..self.pending.len())
            .filter_map(|position| self.due_at(position))
            .min()
    }

    /// Returns when the request at `position` is due, unless with IN_ORDER others have to be answered before it.
    fn due_at(&self, position: usize) -> Option<Instant> {
        let request = self.pending.get(position)?;
        let is_behind = || {
            let mut earlier = self.pending[..position].iter();
            earlier.any(|other| other.queue == request.queue)
        };
        request
            .due
            .filter(|_| !self.ring_features().in_order || !is_behind())
    }

    pub(super) fn answer(&mut self, request: Pending) {
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
        let batches = features.in_order && self.behaviour.batches;
        if batches && fault.is_none_or(|fault| !fault.is_about_rings()) {
            return self.hold_back(request, used_len);
        }
        self.deliver_queue(request.queue)?;
        let Some(queue) = self.queues.get_mut(usize::from(request.queue)) else {
            return Ok(());
        };
        let memory = &self.memory;
        let head = request.chain.head;
        queue.land(head);
        let used = self.behaviour.used(&request.chain, used_len);
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

    /// Keeps what was used until the batch is given back that it belongs to (§2.7.9, §2.8.8).
    fn hold_back(&mut self, request: &Pending, used_len: u32) -> Result<(), RingError> {
        let Pending { queue, chain, .. } = request;
        let mut used = self.behaviour.used(chain, used_len);
        if let Some(earlier) = self.batches.remove(queue) {
            used.chains = used.chains.saturating_add(earlier.chains);
            used.descriptors = used.descriptors.saturating_add(earlier.descriptors);
        }
        self.batches.insert(*queue, used);
        if let Some(rings) = self.queues.get_mut(usize::from(*queue)) {
            rings.land(chain.head);
        }
        // Chains that are skipped count as written all over.
        if u64::from(used_len) != chain.writable_len_bytes() {
            self.deliver_queue(*queue)?;
        }
        Ok(())
    }

    /// Gives back the batches that were held back.
    pub(super) fn deliver(&mut self) {
        while let Some((&queue, _)) = self.batches.first_key_value() {
            if let Err(error) = self.deliver_queue(queue) {
                self.break_down(error);
            }
        }
    }

    fn deliver_queue(&mut self, queue: u16) -> Result<(), RingError> {
        let features = self.ring_features();
        let batch = self.batches.remove(&queue);
        if let Some(used) = batch
            && let Some(rings) = self.queues.get_mut(usize::from(queue))
            && rings.give_back(used, &self.memory, features, &mut self.violations)?
        {
            self.signal(Source::Queue(queue));
        }
        Ok(())
    }
}

/// Checks that the driver has left the buffers of a request to the device (§3.3.1).
pub(super) fn check_kept(request: &Pending, memory: &DeviceMemory, violations: &mut Violations) {
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

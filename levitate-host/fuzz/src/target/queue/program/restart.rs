//! Resets of the queue by itself, and what becomes of its requests and their tokens (§2.6.1).

use levitate_virtio::{QueueResetError, RestartError, Token};

use super::{Program, addr_of, check_answer};
use crate::bench::TIMEOUT;
use crate::sabotage::Sabotage;

impl<const H: usize, const F: usize> Program<'_, '_, H, F> {
    /// Resets the queue, unless it is already, and brings it back into use, or tries to with a proof that has served.
    pub(super) fn restart(&mut self) {
        let choice = self.bench.byte();
        if choice.is_multiple_of(4) {
            self.restart_by_old_proof();
        }
        if !self.reset_queue() {
            return;
        }
        if (choice / 4).is_multiple_of(4) {
            self.bench.let_an_allocation_fail();
        }
        self.restart_reset();
        self.check_done();
    }

    /// Has a device that behaves reset the queue with a request in it, and brings that back into use; says whether there is such a
    /// reset, and it is done.
    pub(in super::super) fn begin_anew(&mut self) -> bool {
        self.submit();
        if !self.reset_queue() {
            return false;
        }
        let is_restarted = self.restart_reset();
        self.bench
            .demand(is_restarted, "a queue that was reset is not enabled again");
        is_restarted
    }

    /// Says whether there is a proof that the queue is reset, and that it has not served.
    fn reset_queue(&mut self) -> bool {
        if self.proof.is_none() {
            let clock = self.bench.clock();
            let index = self.queue.index();
            let outcome = self.bench.call("reset of a queue", 1, || {
                self.device.reset_queue(index, &clock, TIMEOUT)
            });
            let is_refused = matches!(outcome, Err(QueueResetError::NotNegotiated { .. }));
            let may_be_reset = self.bench.with(|device| device.may_reset_queue());
            self.bench.demand(
                is_refused != may_be_reset,
                "a queue is reset that cannot be, or the other way round",
            );
            self.proof = outcome.ok();
        }
        self.proof.is_some()
    }

    /// Brings the queue back into use, with the proof there is; says whether it is.
    fn restart_reset(&mut self) -> bool {
        let Some(proof) = self.proof.take() else {
            return false;
        };
        let mut back = Vec::new();
        let outcome = self.bench.call("restart", 0, || {
            let memory = &self.bench.memory;
            self.queue
                .restart(&mut self.device, &proof, memory, |data, number| {
                    back.push((number, data));
                })
        });
        self.bench.memory.pool().fail_allocation_after(usize::MAX);
        let keeps_all = match &outcome {
            Ok(()) => false,
            Err(RestartError::Enable(error)) => !error.is_device_told(),
            Err(RestartError::Dma(_)) => true,
            Err(error) => {
                self.bench.fail(format!("a proof does not serve: {error}"));
                true
            }
        };
        if keeps_all {
            self.bench
                .demand(back.is_empty(), "requests are given back, and kept");
            self.proof = Some(proof);
            self.model.end();
            return false;
        }
        self.old_proof = Some(proof);
        let mut requests = std::mem::take(&mut self.requests);
        let twice = match self.bench.is_sabotaged(Sabotage::BackTwice) {
            true => back.as_slice(),
            false => &[],
        };
        for (number, data) in back.iter().chain(twice) {
            let key = (*number, addr_of(data));
            let found = requests
                .iter()
                .position(|one| (one.number, one.addr) == key);
            match found {
                Some(position) => {
                    let request = requests.remove(position);
                    check_answer(self.bench, &request, data);
                    self.old_tokens.push(request.token);
                }
                None => self
                    .bench
                    .fail(format!("a restart gives back {number}, which nobody has")),
            }
        }
        self.bench.demand(
            requests.is_empty(),
            "a restart does not give back everything",
        );
        self.done.clear();
        self.awaited = 0;
        self.model.begin_anew();
        if outcome.is_err() {
            self.model.end();
        }
        for position in 0..self.old_tokens.len() {
            self.check_old_token(position);
        }
        outcome.is_ok()
    }

    /// A proof serves once: the queue was enabled since.
    fn restart_by_old_proof(&mut self) {
        if let Some(proof) = &self.old_proof {
            let mut is_called = false;
            let memory = &self.bench.memory;
            let outcome = self
                .queue
                .restart(&mut self.device, proof, memory, |_, _| is_called = true);
            let is_refused = matches!(outcome, Err(RestartError::NotReset { .. }));
            self.bench
                .demand(is_refused && !is_called, "a proof serves twice");
        }
    }

    /// Checks that a token of before a reset of the queue names nothing.
    pub(super) fn check_old_token(&mut self, position: usize) {
        let mut token = self.old_tokens[position];
        if let Some(request) = self.requests.first()
            && self.bench.is_sabotaged(Sabotage::OldToken)
        {
            token = request.token;
        }
        let is_known = self.queue.is_done(token)
            || self.queue.context(token).is_some()
            || self.queue.take::<[u8; F]>(token).is_some()
            || self.queue.take_next::<[u8; F]>(token).is_some();
        self.bench.demand(
            !is_known,
            "a token of before the reset of the queue names a request",
        );
    }

    /// Says whether a token was not in use before the last reset of the queue.
    pub(super) fn is_not_old(&self, token: Token) -> bool {
        !self.old_tokens.contains(&token)
    }
}

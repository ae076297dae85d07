//! The device's side, from the specification alone, with barriers of its own: [`ModelDevice`].

use std::boxed::Box;
use std::vec::Vec;

use super::shared::{ANSWER_BYTES, DATA_BYTES, RequestData, Shared};

/// Where a queue is, as the transport told the device.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) memory: Shared,
    pub(super) size: u16,
    pub(super) descriptor: u64,
    pub(super) driver: u64,
    pub(super) device: u64,
    pub(super) has_event_index: bool,
}

/// A descriptor, whatever format it was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    pub(super) addr: u64,
    pub(super) len_bytes: u32,
    pub(super) is_writable: bool,
}

/// What the device fetched.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) id: u16,
    /// Descriptors it has in the ring.
    pub(super) descriptors: u16,
    pub(super) buffers: Vec<Buffer>,
}

/// A device's side of a ring.
pub(super) trait RingSide {
    /// Fetches the next chain, if there is one.
    fn fetch(&mut self) -> Option<Chain>;

    /// Uses chains by one entry, and says whether the driver wants to be notified; the device wrote `written_bytes` to the last.
    fn complete(&mut self, chains: &[Chain], written_bytes: u32) -> bool;

    /// Asks for no notifications.
    fn suppress_notifications(&mut self);

    /// Asks for a notification of the next chain; says whether the device may sleep now.
    fn request_notification(&mut self) -> bool;
}

/// A device that answers what it finds, and sleeps when that is nothing.
pub(super) struct ModelDevice {
    memory: Shared,
    ring: Box<dyn RingSide + Send>,
    uses_in_batches: bool,
    fetched: u16,
}

impl ModelDevice {
    pub(super) fn new(
        memory: Shared,
        ring: Box<dyn RingSide + Send>,
        uses_in_batches: bool,
    ) -> Self {
        Self {
            memory,
            ring,
            uses_in_batches,
            fetched: 0,
        }
    }

    /// Fetches `count` requests, and answers each if `answers`; sleeps in between as a device may.
    pub(super) fn run(mut self, count: u16, answers: bool) {
        loop {
            self.ring.suppress_notifications();
            let mut batch = Vec::new();
            while let Some(chain) = self.ring.fetch() {
                self.serve(&chain, answers);
                batch.push(chain);
                if !self.uses_in_batches {
                    self.complete(&mut batch, answers);
                }
            }
            self.complete(&mut batch, answers);
            if self.fetched == count {
                return;
            }
            if self.ring.request_notification() {
                self.memory.doorbell.wait();
            }
        }
    }

    /// Looks at everything a request stands for, and writes its answer.
    fn serve(&mut self, chain: &Chain, answers: bool) {
        let expected = RequestData {
            number: self.fetched,
        };
        self.fetched += 1;
        let &[data, answer] = chain.buffers.as_slice() else {
            panic!("stale: the chain has {} buffers", chain.buffers.len());
        };
        let readable = Buffer {
            addr: expected.addr(),
            len_bytes: DATA_BYTES,
            is_writable: false,
        };
        assert_eq!(data, readable, "stale: the descriptor of the data");
        let shape = (answer.len_bytes, answer.is_writable);
        assert_eq!(shape, (ANSWER_BYTES, true), "stale: that of the answer");
        let content = self.memory.read(data.addr);
        assert_eq!(content, expected.content(), "stale: the data");
        if answers {
            self.memory.write(answer.addr, content);
        }
    }

    fn complete(&mut self, batch: &mut Vec<Chain>, answers: bool) {
        if answers && !batch.is_empty() && self.ring.complete(batch, ANSWER_BYTES) {
            self.memory.interrupt.notify();
        }
        batch.clear();
    }
}

//! The device's side of the rings, from the specification alone, with barriers of its own: [`ModelDevice`].

use std::sync::Arc;

use loom::sync::Notify;
use loom::sync::atomic::{Ordering, fence};

use super::super::memory::Cells;
use super::Payload;

/// What the device believes of a queue with `SIZE` descriptors (§2.7).
const SIZE: u16 = 2;
/// Where the available ring is: behind descriptors of 16 bytes.
const AVAILABLE: usize = 16 * SIZE as usize;
/// Where the used ring is: behind flags, index, entries and used_event, aligned to four bytes.
const USED: usize = (AVAILABLE + 6 + 2 * SIZE as usize).next_multiple_of(4);
/// Where a ring's flags and index are.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const USED_EVENT: usize = AVAILABLE + 4 + 2 * SIZE as usize;
const AVAIL_EVENT: usize = USED + 4 + 8 * SIZE as usize;

/// A device that takes requests one by one, and sleeps when there are none.
pub(super) struct ModelDevice {
    pub(super) cells: Arc<Cells>,
    pub(super) payload: Arc<Payload>,
    pub(super) has_event_index: bool,
    /// What wakes it: the driver's available buffer notification.
    pub(super) doorbell: Arc<Notify>,
    /// What wakes the driver: its own used buffer notification.
    pub(super) interrupt: Arc<Notify>,
    /// Requests fetched so far.
    pub(super) fetched: u16,
    /// Requests used so far.
    pub(super) used: u16,
}

impl ModelDevice {
    /// Fetches `count` requests, and answers each if `answers`; sleeps in between as a device may.
    pub(super) fn run(mut self, count: u16, answers: bool) {
        loop {
            self.suppress_notifications();
            while let Some(head) = self.fetch() {
                if answers {
                    self.complete(head);
                }
            }
            if self.fetched == count {
                return;
            }
            if self.request_notification() {
                self.doorbell.wait();
            }
        }
    }

    /// Fetches the next request, and looks at everything it stands for (§2.7.13).
    fn fetch(&mut self) -> Option<u16> {
        if self.read16(AVAILABLE + INDEX) == self.fetched {
            return None;
        }
        // Acquire: partner is the driver's barrier before it stores the index.
        fence(Ordering::Acquire);
        let head = self.read16(AVAILABLE + 4 + 2 * usize::from(self.fetched % SIZE));
        let descriptor = 16 * usize::from(head);
        let (addr, rest) = (self.cells.read(descriptor), self.cells.read(descriptor + 8));
        assert_ne!(addr, 0, "stale: the descriptor has no address");
        // Length 4, flags 2: device-writable.
        assert_eq!(rest, 4 | 2 << 32, "stale: the rest of the descriptor");
        self.payload.check_request(self.fetched);
        self.fetched = self.fetched.wrapping_add(1);
        Some(head)
    }

    /// Uses a request, and notifies the driver if it wants to be (§2.7.8, §2.7.14, §2.7.7).
    fn complete(&mut self, head: u16) {
        self.payload.write_answer(self.used);
        let entry = USED + 4 + 8 * usize::from(self.used % SIZE);
        // The id, then the length: all of the four bytes.
        self.cells.write(entry, u64::from(head) | 4 << 32);
        // Release: partner is the driver's barrier after it has read the index.
        fence(Ordering::Release);
        let old = self.used;
        self.used = old.wrapping_add(1);
        self.write16(USED + INDEX, self.used);
        // SeqCst: partner is the driver's barrier before it reads this index again.
        fence(Ordering::SeqCst);
        let is_wanted = if self.has_event_index {
            self.read16(USED_EVENT) == old
        } else {
            self.read16(AVAILABLE + FLAGS) & 1 == 0
        };
        if is_wanted {
            self.interrupt.notify();
        }
    }

    /// Asks for no notifications while it is awake (§2.7.10); with the event index it just leaves that one behind.
    fn suppress_notifications(&self) {
        if !self.has_event_index {
            self.write16(USED + FLAGS, 1);
        }
    }

    /// Asks for a notification of the next request; returns whether the device may sleep now.
    fn request_notification(&self) -> bool {
        if self.has_event_index {
            self.write16(AVAIL_EVENT, self.fetched);
        } else {
            self.write16(USED + FLAGS, 0);
        }
        // SeqCst: partner is the driver's barrier before it reads what was just written.
        fence(Ordering::SeqCst);
        self.read16(AVAILABLE + INDEX) == self.fetched
    }

    fn read16(&self, offset: usize) -> u16 {
        self.cells.read(offset) as u16
    }

    fn write16(&self, offset: usize, value: u16) {
        self.cells.write(offset, value.into());
    }
}

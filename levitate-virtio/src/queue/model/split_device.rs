//! A device's side of a split virtqueue (§2.7): [`SplitSide`].

use std::vec;
use std::vec::Vec;

use loom::sync::atomic::{Ordering, fence};

use super::device::{Buffer, Chain, Place, RingSide};

/// Where a ring's flags, index and entries are.
const FLAGS: u64 = 0;
const INDEX: u64 = 2;
const ENTRIES: u64 = 4;

const NEXT: u64 = 1;
const WRITE: u64 = 2;
const INDIRECT: u64 = 4;

/// How far the device has come.
pub(super) struct SplitSide {
    place: Place,
    fetched: u16,
    used: u16,
}

impl SplitSide {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            fetched: 0,
            used: 0,
        }
    }

    /// Reads the chain that begins at `head`, in a table of its own if it is there (§2.7.5.3).
    fn read_chain(&self, head: u16) -> Vec<Buffer> {
        let (first, flags, next) = self.read_descriptor(self.place.descriptor, head);
        if flags & INDIRECT == 0 {
            return self.follow(self.place.descriptor, first, flags, next);
        }
        let (entry, flags, next) = self.read_descriptor(first.addr, 0);
        self.follow(first.addr, entry, flags, next)
    }

    /// Reads the rest of a chain in `table`.
    fn follow(&self, table: u64, first: Buffer, mut flags: u64, mut next: u16) -> Vec<Buffer> {
        let mut buffers = vec![first];
        while flags & NEXT != 0 {
            let buffer;
            (buffer, flags, next) = self.read_descriptor(table, next);
            buffers.push(buffer);
        }
        buffers
    }

    /// Reads a descriptor, its flags and its link.
    fn read_descriptor(&self, table: u64, index: u16) -> (Buffer, u64, u16) {
        let at = table + 16 * u64::from(index);
        let [addr, len, rest] = [0, 8, 12].map(|offset| self.place.memory.read(at + offset));
        let flags = rest & 0xffff;
        let buffer = Buffer {
            addr,
            len_bytes: len as u32,
            is_writable: flags & WRITE != 0,
        };
        (buffer, flags, (rest >> 16) as u16)
    }

    fn entry(&self, index: u16, entry_bytes: u64) -> u64 {
        ENTRIES + u64::from(index % self.place.size) * entry_bytes
    }

    /// Where `used_event` is: behind the available ring's entries; `avail_event` is behind the used ring's.
    fn used_event(&self) -> u64 {
        self.place.driver + ENTRIES + 2 * u64::from(self.place.size)
    }

    fn avail_event(&self) -> u64 {
        self.place.device + ENTRIES + 8 * u64::from(self.place.size)
    }

    fn read16(&self, addr: u64) -> u16 {
        self.place.memory.read(addr) as u16
    }

    fn write(&self, addr: u64, value: impl Into<u64>) {
        self.place.memory.write(addr, value.into());
    }
}

impl RingSide for SplitSide {
    /// §2.7.13.
    fn fetch(&mut self) -> Option<Chain> {
        if self.read16(self.place.driver + INDEX) == self.fetched {
            return None;
        }
        // Acquire: partner is the driver's barrier before it stores the index.
        fence(Ordering::Acquire);
        let head = self.read16(self.place.driver + self.entry(self.fetched, 2));
        self.fetched = self.fetched.wrapping_add(1);
        Some(Chain {
            id: head,
            descriptors: 0,
            buffers: self.read_chain(head),
        })
    }

    /// §2.7.8, §2.7.9, §2.7.14, §2.7.7.
    fn complete(&mut self, chains: &[Chain], written_bytes: u32) -> bool {
        let old = self.used;
        let entry = self.place.device + self.entry(old, 8);
        self.write(entry, chains.last().unwrap().id);
        self.write(entry + 4, written_bytes);
        // Release: partner is the driver's barrier after it has read the index.
        fence(Ordering::Release);
        self.used = old.wrapping_add(chains.len() as u16);
        self.write(self.place.device + INDEX, self.used);
        // SeqCst: partner is the driver's barrier before it reads this index again.
        fence(Ordering::SeqCst);
        if self.place.has_event_index {
            // The event is one of the entries that were just used.
            let event = self.read16(self.used_event());
            event.wrapping_sub(old) < self.used.wrapping_sub(old)
        } else {
            self.read16(self.place.driver + FLAGS) & 1 == 0
        }
    }

    /// §2.7.10; with the event index it just leaves that one behind.
    fn suppress_notifications(&mut self) {
        if !self.place.has_event_index {
            self.write(self.place.device + FLAGS, 1_u16);
        }
    }

    fn request_notification(&mut self) -> bool {
        if self.place.has_event_index {
            self.write(self.avail_event(), self.fetched);
        } else {
            self.write(self.place.device + FLAGS, 0_u16);
        }
        // SeqCst: partner is the driver's barrier before it reads what was just written.
        fence(Ordering::SeqCst);
        self.read16(self.place.driver + INDEX) == self.fetched
    }
}

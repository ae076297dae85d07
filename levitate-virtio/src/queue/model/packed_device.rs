//! A device's side of a packed virtqueue (§2.8): [`PackedSide`].

use std::vec::Vec;

use loom::sync::atomic::{Ordering, fence};

use super::device::{Buffer, Chain, Place, RingSide};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// Where the parts of a descriptor are; id and flags are one field.
const LENGTH: u64 = 8;
const ID: u64 = 12;

/// Values of the flags in an event suppression area (§2.8.10).
const ENABLE: u16 = 0;
const DISABLE: u16 = 1;
const DESCRIPTOR: u16 = 2;

/// A descriptor's offset, and the wrap counter there (§2.8.1).
#[derive(Clone, Copy)]
struct Turn {
    offset: u16,
    wrap: bool,
}

impl Turn {
    const START: Self = Self {
        offset: 0,
        wrap: true,
    };

    fn after(self, descriptors: u16, size: u16) -> Self {
        let offset = self.offset + descriptors;
        match offset.checked_sub(size) {
            Some(offset) => Self {
                offset,
                wrap: !self.wrap,
            },
            None => Self { offset, ..self },
        }
    }

    fn off_wrap(self) -> u16 {
        self.offset | u16::from(self.wrap) << 15
    }
}

/// How far the device has come.
pub(super) struct PackedSide {
    place: Place,
    fetched: Turn,
    used: Turn,
    /// Flags of what the device said last.
    flags: u16,
}

impl PackedSide {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            fetched: Turn::START,
            used: Turn::START,
            flags: ENABLE,
        }
    }

    fn at(&self, turn: Turn) -> u64 {
        self.place.descriptor + 16 * u64::from(turn.offset)
    }

    /// Reads id and flags of a descriptor.
    fn read_flags(&self, turn: Turn) -> (u16, u16) {
        halves(self.place.memory.read(self.at(turn) + ID))
    }

    /// Reads a descriptor but for id and flags.
    fn read_buffer(&self, turn: Turn, flags: u16) -> Buffer {
        Buffer {
            addr: self.place.memory.read(self.at(turn)),
            len_bytes: self.place.memory.read(self.at(turn) + LENGTH) as u32,
            is_writable: flags & WRITE != 0,
        }
    }

    /// Says whether there is something to fetch (§2.8.21.2).
    fn is_available(&self, flags: u16) -> bool {
        let (avail, used) = (flags & AVAIL != 0, flags & USED != 0);
        avail == self.fetched.wrap && used != self.fetched.wrap
    }

    /// Reads an indirect table, whose entries follow one another (§2.8.7).
    fn read_table(&self, table: Buffer) -> Vec<Buffer> {
        let entries = 0..u64::from(table.len_bytes / 16);
        let read = |addr| self.place.memory.read(addr);
        entries
            .map(|entry| table.addr + 16 * entry)
            .map(|at| [read(at), read(at + LENGTH), read(at + ID)])
            .map(|[addr, len, rest]| Buffer {
                addr,
                len_bytes: len as u32,
                is_writable: (rest >> 16) as u16 & WRITE != 0,
            })
            .collect()
    }

    /// Says what the device wants to be notified of; the offset first, for the flags say whether it counts.
    ///
    /// A device may write them one after the other, so that the driver, which reads both at once, finds them in two steps.
    fn wish(&mut self, off_wrap: u16, flags: u16) {
        let word = |flags| u64::from(off_wrap) | u64::from(flags) << 16;
        if self.place.has_event_index {
            self.place.memory.write(self.place.device, word(self.flags));
        }
        self.flags = flags;
        self.place.memory.write(self.place.device, word(flags));
    }

    /// Reads what the driver wants to be notified of: the flags first, then the offset, as a device may.
    fn read_wish(&self) -> (u16, u16) {
        let (mut off_wrap, flags) = halves(self.place.memory.read(self.place.driver));
        if self.place.has_event_index && flags & 3 == DESCRIPTOR {
            (off_wrap, _) = halves(self.place.memory.read(self.place.driver));
        }
        (off_wrap, flags)
    }
}

impl RingSide for PackedSide {
    /// §2.8.21.
    fn fetch(&mut self) -> Option<Chain> {
        let first = self.fetched;
        let (mut id, mut flags) = self.read_flags(first);
        if !self.is_available(flags) {
            return None;
        }
        // Acquire: partner is the driver's barrier before it stores these flags.
        fence(Ordering::Acquire);
        let mut buffers = std::vec![self.read_buffer(first, flags)];
        let mut descriptors = 1;
        if flags & INDIRECT != 0 {
            buffers = self.read_table(buffers[0]);
        }
        while flags & NEXT != 0 {
            assert!(descriptors < self.place.size, "stale: an endless chain");
            let turn = first.after(descriptors, self.place.size);
            // The id is that of the chain's last descriptor (§2.8.6).
            (id, flags) = self.read_flags(turn);
            buffers.push(self.read_buffer(turn, flags));
            descriptors += 1;
        }
        self.fetched = first.after(descriptors, self.place.size);
        Some(Chain {
            id,
            descriptors,
            buffers,
        })
    }

    /// §2.8.4, §2.8.8, §2.8.22, §2.8.10.
    fn complete(&mut self, chains: &[Chain], written_bytes: u32) -> bool {
        let old = self.used;
        let descriptors = chains.iter().map(|chain| chain.descriptors).sum();
        let at = self.at(old);
        self.place.memory.write(at + LENGTH, written_bytes.into());
        // Release: partner is the driver's barrier after it has read the flags.
        fence(Ordering::Release);
        let flags = if old.wrap { AVAIL | USED } else { 0 };
        let id = chains.last().unwrap().id;
        let word = u64::from(id) | u64::from(flags | WRITE) << 16;
        self.place.memory.write(at + ID, word);
        self.used = old.after(descriptors, self.place.size);
        // SeqCst: partner is the driver's barrier before it reads these flags again.
        fence(Ordering::SeqCst);
        let (off_wrap, flags) = self.read_wish();
        match flags & 3 {
            ENABLE => true,
            DESCRIPTOR if self.place.has_event_index => {
                // The event is one of the descriptors that were just passed.
                let mut passed =
                    (0..descriptors).map(|passed| old.after(passed, self.place.size).off_wrap());
                passed.any(|passed| passed == off_wrap)
            }
            _ => false,
        }
    }

    fn suppress_notifications(&mut self) {
        self.wish(0, DISABLE);
    }

    fn request_notification(&mut self) -> bool {
        match self.place.has_event_index {
            true => self.wish(self.fetched.off_wrap(), DESCRIPTOR),
            false => self.wish(0, ENABLE),
        }
        // SeqCst: partner is the driver's barrier before it reads what was just written.
        fence(Ordering::SeqCst);
        let (_, flags) = self.read_flags(self.fetched);
        !self.is_available(flags)
    }
}

/// Splits a word of two fields of 16 bits.
fn halves(word: u64) -> (u16, u16) {
    (word as u16, (word >> 16) as u16)
}

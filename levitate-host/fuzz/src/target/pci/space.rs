//! What a PCI function shows of itself, as the script has it: [`Space`].

use std::cell::RefCell;
use std::rc::Rc;

use levitate_hal::Mmio;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::transport::pci::{self, EcamAccess};

use crate::script::Script;

/// The function, as the driver has it.
pub(super) type Function = pci::Function<EcamAccess<Space>>;

/// Bytes of a function in ECAM.
const SPACE_BYTES: usize = 4096;
const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const HEADER_TYPE: usize = 0x0e;
const BARS: usize = 0x10;
const LIST: usize = 0x34;
/// Where capabilities may begin, and where they end.
const CAPABILITIES: usize = 0x40;
const CAPABILITIES_END: usize = 0x100;
/// Bytes of the longest capability: one with a 64-bit range.
const ENTRY_BYTES: usize = 24;
/// The BAR that a device which behaves has, how large it is and where.
const BAR_BITS: u32 = 14;
const BAR_ADDRESS: u32 = 0x1000_0000;
/// Kinds of structures (§4.1.4).
const KINDS: [u8; 6] = [1, 2, 3, 4, 5, 8];

/// Registers of the function: its configuration space, or what it answers with in a BAR.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    state: Rc<RefCell<State>>,
    /// `None`: the configuration space.
    bar_bytes: Option<usize>,
}

#[derive(Debug)]
struct State {
    script: Script,
    bytes: Vec<u8>,
    /// For each BAR, the bits that can be written, and whether they are the upper half of the one before.
    masks: [u32; 6],
    reads: usize,
    lies: bool,
    doubles: bool,
}

impl Space {
    pub(super) fn new(script: Script) -> Self {
        let mut state = State {
            script,
            bytes: vec![0; SPACE_BYTES],
            masks: [0; 6],
            reads: 0,
            lies: false,
            doubles: false,
        };
        state.put_header();
        state.put_scripted_bars();
        state.put_scripted_list();
        Self {
            state: Rc::new(RefCell::new(state)),
            bar_bytes: None,
        }
    }

    pub(super) fn function(&self) -> Function {
        EcamAccess::new(self.clone(), 0, 0..=0).function(PciAddress::new(0, 0, 0, 0))
    }

    /// Returns registers in a BAR.
    pub(super) fn registers(&self, len_bytes: usize) -> Self {
        Self {
            state: self.state.clone(),
            bar_bytes: Some(len_bytes),
        }
    }

    pub(super) fn reads(&self) -> usize {
        self.state.borrow().reads
    }

    /// Returns a queue for the program to ask for.
    pub(super) fn queue(&self) -> u16 {
        self.state.borrow_mut().script.program_byte().into()
    }

    /// Has every BAR look twice as large as it is.
    pub(super) fn set_doubled_bars(&self, doubles: bool) {
        self.state.borrow_mut().doubles = doubles;
    }

    /// Has the device change what it shows from now on, now and then.
    pub(super) fn begin_to_lie(&self) {
        self.state.borrow_mut().lies = true;
    }

    /// Has the function be one that can be driven.
    pub(super) fn behave(&self) {
        let state = &mut *self.state.borrow_mut();
        state.lies = false;
        state.doubles = false;
        state.bytes.fill(0);
        state.put_header();
        state.put_bar(0, BAR_ADDRESS, u32::MAX << BAR_BITS);
        for (place, kind) in KINDS.into_iter().take(4).enumerate() {
            let at = CAPABILITIES + ENTRY_BYTES * place;
            let next = if place == 3 { 0 } else { at + ENTRY_BYTES };
            let kind_offset = 0x1000 * place as u32;
            state.put_entry(at, &[0x09, next as u8, 24, kind, 0, 0, 0, 0]);
            state.put_words(at + 8, &[kind_offset, 0x1000, 0, 0]);
        }
        state.bytes[LIST] = CAPABILITIES as u8;
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        let state = &mut *self.state.borrow_mut();
        let mut bytes = [0xff; 8];
        let bytes_read = &mut bytes[..width_bytes];
        match self.bar_bytes {
            None => state.read_config(offset, bytes_read),
            Some(len_bytes) if offset.saturating_add(width_bytes) <= len_bytes => {
                bytes_read.fill_with(|| state.script.byte());
            }
            // As on a bus where nothing answers; a field beyond the device's configuration is asked for there.
            Some(_) => {}
        }
        u64::from_le_bytes(bytes)
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        let state = &mut *self.state.borrow_mut();
        if self.bar_bytes.is_none() {
            state.write_config(offset, &value.to_le_bytes()[..width_bytes]);
        }
    }
}

impl State {
    fn put_words(&mut self, at: usize, words: &[u32]) {
        for (place, word) in (at..).step_by(4).zip(words) {
            self.bytes[place..place + 4].copy_from_slice(&word.to_le_bytes());
        }
    }

    fn put_entry(&mut self, at: usize, head: &[u8; 8]) {
        self.bytes[at..at + 8].copy_from_slice(head);
    }

    fn put_bar(&mut self, index: usize, address: u32, mask: u32) {
        self.masks[index] = mask;
        self.put_words(BARS + 4 * index, &[address & mask]);
    }

    /// A block device with a list of capabilities (§4.1.2).
    fn put_header(&mut self) {
        self.put_words(0, &[0x1042_1af4]);
        self.bytes[STATUS] = 0x10;
        self.masks = [0; 6];
    }

    fn put_scripted_bars(&mut self) {
        if self.script.byte() == 0xff {
            self.bytes[HEADER_TYPE] = self.script.byte();
        }
        for index in 0..6 {
            let (shape, flags) = (self.script.byte(), self.script.byte());
            let mask = match shape {
                0xf0..=0xff => self.script.number(),
                _ => u32::MAX << (4 + shape % 28),
            };
            let address = match flags & 0x30 {
                0 => self.script.number(),
                _ => BAR_ADDRESS << (index & 3),
            };
            self.put_bar(index, address, mask & !0xf);
            // 32 or 64 bits, mostly; ports, and what is reserved, now and then.
            self.bytes[BARS + 4 * index] |= match flags & 0xf {
                0 => 1,
                1 => 2,
                2..=5 => 4,
                _ => 0,
            };
        }
    }

    fn put_scripted_list(&mut self) {
        let count = self.script.byte() % 8;
        self.bytes[LIST] = match self.script.byte() {
            0xe0.. => self.script.byte(),
            _ => CAPABILITIES as u8,
        };
        for place in 0..usize::from(count) {
            let at = CAPABILITIES + ENTRY_BYTES * place;
            let (shape, place) = (self.script.byte(), self.script.byte());
            let next = match shape >> 5 {
                0 => place,
                _ => (at + ENTRY_BYTES) as u8,
            };
            let id = match shape >> 2 & 7 {
                0 => self.script.byte(),
                1 | 2 => 0x11,
                _ => 0x09,
            };
            let kind = KINDS
                .get(usize::from(place % 8))
                .map_or(place, |kind| *kind);
            let bar = match shape & 3 {
                0 => self.script.byte(),
                _ => 0,
            };
            self.put_entry(at, &[id, next, 24, kind, bar, place, 0, 0]);
            let words = [(); 4].map(|()| self.offset());
            self.put_words(at + 8, &words);
            if shape & 3 == 2 {
                // No upper halves, as devices that mean well have none.
                self.put_words(at + 16, &[0, 0]);
            }
        }
    }

    /// Returns an offset or a length, likely to be at the end of a BAR.
    fn offset(&mut self) -> u32 {
        let choice = self.script.byte();
        let len_bytes = 1_u32.checked_shl(self.masks[0].trailing_zeros());
        let len_bytes = len_bytes.unwrap_or(0);
        match choice {
            0..=63 => 0x1000 * u32::from(choice & 7),
            64..=127 => len_bytes.wrapping_sub(u32::from(choice & 1) << 12),
            128..=191 => len_bytes / 2,
            _ => self.script.number(),
        }
    }

    fn read_config(&mut self, offset: usize, into: &mut [u8]) {
        self.reads += 1;
        if self.lies && self.script.byte() >= 0xc0 {
            let at = usize::from(self.script.byte());
            // BARs keep still: they are what the oracle measures with.
            if !(BARS..LIST).contains(&at) && at < CAPABILITIES_END {
                self.bytes[at] = self.script.byte();
            }
        }
        let found = self.bytes.get(offset..).unwrap_or_default();
        if let Some(found) = found.get(..into.len()) {
            into.copy_from_slice(found);
        }
    }

    fn write_config(&mut self, offset: usize, value: &[u8]) {
        let bars = BARS..BARS + 4 * self.masks.len();
        if let (true, &[a, b, c, d]) = (bars.contains(&offset) && offset.is_multiple_of(4), value) {
            let mut mask = self.masks[(offset - BARS) / 4];
            if self.doubles {
                mask &= mask << 1;
            }
            let flags = self.bytes[offset] & 0xf;
            self.put_words(offset, &[u32::from_le_bytes([a, b, c, d]) & mask]);
            self.bytes[offset] |= flags;
        } else if offset >= CAPABILITIES || offset == COMMAND {
            // The status beside the command has no bit that can be set.
            let end = if offset == COMMAND {
                STATUS
            } else {
                SPACE_BYTES
            };
            let places = self.bytes.get_mut(offset..end).unwrap_or_default();
            for (place, byte) in places.iter_mut().zip(value) {
                *place = *byte;
            }
        }
    }
}

impl Mmio for Space {
    fn len_bytes(&self) -> usize {
        self.bar_bytes.unwrap_or(SPACE_BYTES)
    }

    levitate_hal::accesses_by_width!();
}

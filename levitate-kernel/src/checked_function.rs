//! A PCI function as it was checked, for a driver that reads configuration space by itself: [`CheckedFunction`].
//!
//! It is a copy: the driver finds the BARs and structures that were accepted and no others, whatever the device shows meanwhile,
//! and nothing that it writes reaches the device.
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "an offset of 8 bits is in configuration space, and for what is added room is made sure of; 64 bits are cut in halves"
)]

use thiserror::Error;

/// 32-bit words of configuration space.
const WORDS: usize = 64;
/// Words of BARs.
const BARS: usize = 6;

/// The word of the command, with the status above it.
const COMMAND: usize = 1;
/// The bits of the command that may be written.
const COMMAND_BITS: u32 = 0xffff;
/// In the command: the function answers at its memory BARs, and reaches memory.
const ON: u32 = 0b110;
/// In the status: there is a capability list.
const HAS_CAPABILITIES: u32 = 1 << 20;
/// The word of the first BAR.
const FIRST_BAR: usize = 4;
/// The word that says where the first capability is.
const POINTER: usize = 13;
/// The word of the first capability, and how many it has: that of the next is behind them.
const FIRST_CAPABILITY: usize = 16;
const CAPABILITY_WORDS: usize = 5;
/// The capability ID that says "vendor-specific", and so VirtIO.
const VENDOR_SPECIFIC: u32 = 0x09;
/// Where the parts of a capability's first word are: the next one, its length, and what it is about.
const NEXT: u32 = 8;
const LEN: u32 = 16;
const CFG_TYPE: u32 = 24;

/// In a BAR: its address has 64 bits; reading has no side effects.
const WIDTH_64: u32 = 0b100;
const PREFETCHABLE: u32 = 0b1000;

/// A BAR for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedBar {
    /// Its address, a multiple of its length.
    pub address: u64,
    /// Its length, a power of two.
    pub len_bytes: u64,
    /// Whether its address may be above 4 GiB.
    pub is_64_bit: bool,
    /// Whether reading it has no side effects.
    pub is_prefetchable: bool,
}

/// A structure of VirtIO in a BAR (§4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedStructure {
    /// What it is: `cfg_type`.
    pub cfg_type: u8,
    /// Which BAR it is in.
    pub bar: u8,
    /// Where in the BAR.
    pub offset: u64,
    /// Its length.
    pub len_bytes: u64,
    /// `notify_off_multiplier`, of that for notifications.
    pub multiplier: u32,
}

/// Why a function is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShowError {
    /// It has more BARs or structures than configuration space.
    #[error("there is no room in configuration space for what the function has")]
    NoRoom,
    /// A capability has 32 bits for where a structure begins, and for its length.
    #[error("the {len_bytes:#x} bytes from {offset:#x} of BAR {bar} do not end within 4 GiB")]
    TooFar {
        /// Which BAR.
        bar: u8,
        /// Where the structure begins.
        offset: u64,
        /// Its length.
        len_bytes: u64,
    },
}

/// A write that is none of a driver's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the driver may not write {value:#010x} to configuration space at {offset:#04x}")]
pub struct WriteRefused {
    /// Where.
    pub offset: u8,
    /// What.
    pub value: u32,
}

/// The configuration space of a function, with what was checked and nothing else.
#[derive(Clone, Debug)]
pub struct CheckedFunction {
    words: [u32; WORDS],
    /// What each BAR reads once all ones were written to it.
    masks: [u32; BARS],
    /// Whether they were, and nothing since.
    is_measured: [bool; BARS],
    structures: usize,
}

impl CheckedFunction {
    /// Shows a function that is turned on, with neither BARs nor structures yet.
    #[must_use]
    pub fn new(vendor: u16, device: u16) -> Self {
        let mut words = [0; WORDS];
        words[0] = u32::from(device) << 16 | u32::from(vendor);
        words[COMMAND] = ON;
        Self {
            words,
            masks: [0; BARS],
            is_measured: [false; BARS],
            structures: 0,
        }
    }

    /// Shows a BAR.
    ///
    /// # Errors
    ///
    /// [`ShowError::NoRoom`].
    pub fn add_bar(&mut self, index: u8, bar: CheckedBar) -> Result<(), ShowError> {
        let mut flags = 0;
        if bar.is_64_bit {
            flags |= WIDTH_64;
        }
        if bar.is_prefetchable {
            flags |= PREFETCHABLE;
        }
        let mask = bar.len_bytes.wrapping_neg();
        let halves = |value: u64| [value as u32 | flags, (value >> 32) as u32];
        let width = if bar.is_64_bit { 2 } else { 1 };
        for (part, (address, mask)) in halves(bar.address)
            .into_iter()
            .zip(halves(mask))
            .take(width)
            .enumerate()
        {
            let place = usize::from(index) + part;
            *self.masks.get_mut(place).ok_or(ShowError::NoRoom)? = mask;
            self.words[FIRST_BAR + place] = address;
        }
        Ok(())
    }

    /// Shows a structure, behind those that were added before.
    ///
    /// # Errors
    ///
    /// [`ShowError`].
    pub fn add_structure(&mut self, structure: CheckedStructure) -> Result<(), ShowError> {
        let CheckedStructure {
            cfg_type,
            bar,
            offset,
            len_bytes,
            multiplier,
        } = structure;
        let too_far = ShowError::TooFar {
            bar,
            offset,
            len_bytes,
        };
        let end = offset.checked_add(len_bytes).ok_or(too_far)?;
        u32::try_from(end).map_err(|_| too_far)?;
        let first = FIRST_CAPABILITY + self.structures * CAPABILITY_WORDS;
        let words = self.words.get_mut(first..first + CAPABILITY_WORDS);
        let words = words.ok_or(ShowError::NoRoom)?;
        let head = VENDOR_SPECIFIC
            | (CAPABILITY_WORDS as u32 * 4) << LEN
            | u32::from(cfg_type) << CFG_TYPE;
        words.copy_from_slice(&[
            head,
            bar.into(),
            offset as u32,
            len_bytes as u32,
            multiplier,
        ]);
        match self.structures {
            0 => {
                self.words[COMMAND] |= HAS_CAPABILITIES;
                self.words[POINTER] = first as u32 * 4;
            }
            _ => self.words[first - CAPABILITY_WORDS] |= (first as u32 * 4) << NEXT,
        }
        self.structures += 1;
        Ok(())
    }

    /// Reads the 32 bits that `offset` is in.
    #[must_use]
    pub fn read(&self, offset: u8) -> u32 {
        let word = usize::from(offset / 4);
        match bar_at(word) {
            Some(bar) if self.is_measured[bar] => self.masks[bar],
            _ => self.words[word],
        }
    }

    /// Writes them, as a driver does that measures BARs.
    ///
    /// # Errors
    ///
    /// [`WriteRefused`]: it is neither the command, nor a BAR that is measured or given back its address.
    pub fn write(&mut self, offset: u8, value: u32) -> Result<(), WriteRefused> {
        let word = usize::from(offset / 4);
        if word == COMMAND {
            let status = self.words[COMMAND] & !COMMAND_BITS;
            self.words[COMMAND] = status | value & COMMAND_BITS;
            return Ok(());
        }
        match bar_at(word) {
            Some(bar) if value == u32::MAX => self.is_measured[bar] = true,
            Some(bar) if value == self.words[word] => self.is_measured[bar] = false,
            _ => return Err(WriteRefused { offset, value }),
        }
        Ok(())
    }
}

/// Returns which BAR a word is.
fn bar_at(word: usize) -> Option<usize> {
    let bar = word.checked_sub(FIRST_BAR)?;
    (bar < BARS).then_some(bar)
}

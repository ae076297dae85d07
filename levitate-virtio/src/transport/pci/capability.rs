//! The capability list of a function, walked once: [`Capability`] (§4.1.4).

use pci_types::ConfigRegionAccess;

use super::bars::{Bar, Bars};
use super::function::Function;

/// Where the first capability can be: behind the header.
const FIRST: u8 = 0x40;
/// The capability ID that says "vendor-specific", and so VirtIO.
const VENDOR_SPECIFIC: u8 = 0x09;

/// A range of a BAR: all of it is behind the register, as far as its size says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarRange {
    /// Which BAR.
    pub bar: u8,
    /// Where the range begins in it.
    pub offset: u64,
    /// Its length.
    pub len_bytes: u64,
    /// Where it begins as the bus addresses it.
    pub address: u64,
}

/// Why a capability is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is shorter than what it should hold, by its own length or because configuration space ends.
    #[error("it is shorter than {needed_bytes} bytes")]
    Truncated {
        /// Bytes it should have.
        needed_bytes: u8,
    },
    /// It is about a BAR that is not there, or is the upper half of another.
    #[error("there is nothing behind BAR {bar}")]
    NoBar {
        /// Which BAR.
        bar: u8,
    },
    /// It is about I/O ports.
    #[error("BAR {bar} is about I/O ports, which are not supported")]
    IoBar {
        /// Which BAR.
        bar: u8,
    },
    /// It is about a BAR that was given no address.
    #[error("BAR {bar} has no address")]
    NoAddress {
        /// Which BAR.
        bar: u8,
    },
    /// It is about a BAR at an address where none of its length can be.
    #[error("BAR {bar} is at {address:#x}, where its {bar_len_bytes:#x} bytes cannot be")]
    Misplaced {
        /// Which BAR.
        bar: u8,
        /// Its address.
        address: u64,
        /// Its length.
        bar_len_bytes: u64,
    },
    /// Its range is not all in the BAR.
    #[error(
        "{len_bytes:#x} bytes from {offset:#x} on are not all in BAR {bar}, which has {bar_len_bytes:#x}"
    )]
    OutsideBar {
        /// Which BAR.
        bar: u8,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len_bytes: u64,
        /// Length of the BAR.
        bar_len_bytes: u64,
    },
    /// Its range is too short for what should be there.
    #[error("it is about {len_bytes} bytes, of which {needed_bytes} are needed")]
    TooShort {
        /// Length of the range.
        len_bytes: u64,
        /// Bytes needed.
        needed_bytes: u64,
    },
    /// Its range, or its unit, is not aligned as it has to be.
    #[error("{what} is {value:#x}, which is no multiple of {align_bytes}")]
    Misaligned {
        /// What is not aligned.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it should be a multiple of.
        align_bytes: u64,
    },
}

/// An entry of the list, of which only the first 4 bytes have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capability {
    /// Where it is in configuration space.
    pub(super) at: u8,
    /// What it is about.
    pub(super) id: u8,
    /// The two bytes behind the pointer to the next.
    pub(super) head: [u8; 2],
}

/// The entries of the list, each once: one that comes again ends it.
#[derive(Debug)]
pub(super) struct Capabilities<'f, A> {
    function: &'f Function<A>,
    next: u8,
    /// Which of the 64 words of configuration space an entry began at, a bit each.
    visited: u64,
}

impl<A: ConfigRegionAccess> Iterator for Capabilities<'_, A> {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        // The lower two bits are reserved, and to be masked.
        let at = self.next & !3;
        let word = 1_u64.wrapping_shl(u32::from(at).wrapping_shr(2));
        if at < FIRST || self.visited & word != 0 {
            return None;
        }
        self.visited |= word;
        let [id, next, head @ ..] = self.function.read_bytes(at);
        self.next = next;
        Some(Capability { at, id, head })
    }
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Walks the capability list.
    pub(super) fn capabilities(&self) -> Capabilities<'_, A> {
        Capabilities {
            function: self,
            next: self.read_capabilities_pointer(),
            visited: 0,
        }
    }

    /// Reads word `index` of a capability, if configuration space goes that far.
    pub(super) fn read_word(&self, capability: Capability, index: u8) -> Option<u32> {
        let at = capability.at.checked_add(index.checked_mul(4)?)?;
        Some(self.read32(at))
    }
}

/// A capability of VirtIO, by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VirtioCapability {
    capability: Capability,
}

impl VirtioCapability {
    /// Takes a capability for one of VirtIO, if its ID says so.
    pub(super) const fn new(capability: Capability) -> Option<Self> {
        match capability.id {
            VENDOR_SPECIFIC => Some(Self { capability }),
            _ => None,
        }
    }

    /// Returns where it is in configuration space.
    pub(super) const fn at(&self) -> u8 {
        self.capability.at
    }

    /// Returns its `cfg_type`.
    pub(super) const fn cfg_type(&self) -> u8 {
        let [_, cfg_type] = self.capability.head;
        cfg_type
    }

    /// Reads the range it is about, and its ID.
    pub(super) fn read_range<A: ConfigRegionAccess>(
        &self,
        function: &Function<A>,
        bars: &Bars,
    ) -> Result<(BarRange, u8), Refusal> {
        self.read(function, bars, |_| Some((0, 0)), 16)
    }

    /// Reads the range it is about with the upper halves of offset and length (`virtio_pci_cap64`), and its ID.
    pub(super) fn read_range64<A: ConfigRegionAccess>(
        &self,
        function: &Function<A>,
        bars: &Bars,
    ) -> Result<(BarRange, u8), Refusal> {
        let upper = |function: &Function<A>| {
            Some((
                function.read_word(self.capability, 4)?,
                function.read_word(self.capability, 5)?,
            ))
        };
        self.read(function, bars, upper, 24)
    }

    fn read<A: ConfigRegionAccess>(
        &self,
        function: &Function<A>,
        bars: &Bars,
        upper: impl FnOnce(&Function<A>) -> Option<(u32, u32)>,
        needed_bytes: u8,
    ) -> Result<(BarRange, u8), Refusal> {
        self.check_len(needed_bytes)?;
        let truncated = Refusal::Truncated { needed_bytes };
        let word = |index| function.read_word(self.capability, index).ok_or(truncated);
        let [bar, id, ..] = word(1)?.to_le_bytes();
        let (offset, len) = (word(2)?, word(3)?);
        let (offset_hi, len_hi) = upper(function).ok_or(truncated)?;
        let offset = u64::from(offset_hi) << 32 | u64::from(offset);
        let len_bytes = u64::from(len_hi) << 32 | u64::from(len);
        Ok((bars.range(bar, offset, len_bytes)?, id))
    }

    /// Reads `notify_off_multiplier`, which a notification capability goes on with (§4.1.4.4).
    pub(super) fn read_multiplier<A: ConfigRegionAccess>(
        &self,
        function: &Function<A>,
    ) -> Result<u32, Refusal> {
        let needed_bytes = 20;
        self.check_len(needed_bytes)?;
        function
            .read_word(self.capability, 4)
            .ok_or(Refusal::Truncated { needed_bytes })
    }

    /// It may be longer than is known (§4.1.4.1).
    const fn check_len(&self, needed_bytes: u8) -> Result<(), Refusal> {
        let [cap_len, _] = self.capability.head;
        match cap_len >= needed_bytes {
            true => Ok(()),
            false => Err(Refusal::Truncated { needed_bytes }),
        }
    }
}

impl Bars {
    /// Takes a range of a BAR, if it is memory at an address and has all of the range.
    pub(super) fn range(&self, bar: u8, offset: u64, len_bytes: u64) -> Result<BarRange, Refusal> {
        let memory = match self.get(bar) {
            Some(Bar::Memory(memory)) => memory,
            Some(Bar::Io { .. }) => return Err(Refusal::IoBar { bar }),
            None => return Err(Refusal::NoBar { bar }),
        };
        let (address, bar_len_bytes) = (memory.address, memory.len_bytes);
        if address == 0 {
            return Err(Refusal::NoAddress { bar });
        }
        let end = address.checked_add(bar_len_bytes);
        if end.is_none() || !address.is_multiple_of(bar_len_bytes) {
            return Err(Refusal::Misplaced {
                bar,
                address,
                bar_len_bytes,
            });
        }
        let outside = Refusal::OutsideBar {
            bar,
            offset,
            len_bytes,
            bar_len_bytes,
        };
        let end = offset.checked_add(len_bytes).ok_or(outside)?;
        if end > bar_len_bytes {
            return Err(outside);
        }
        Ok(BarRange {
            bar,
            offset,
            len_bytes,
            address: address.checked_add(offset).ok_or(outside)?,
        })
    }
}

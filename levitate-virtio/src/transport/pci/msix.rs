//! MSI-X: a table of messages, one a vector: [`MsixTable`], [`Message`] (§4.1.5.1.2).

use levitate_hal::Mmio;
use pci_types::{ConfigRegionAccess, PciAddress};
use thiserror::Error;

use super::bars::Bars;
use super::capability::{BarRange, Capability, Refusal};
use super::function::Function;

/// The capability ID of MSI-X.
const MSIX: u8 = 0x11;
/// In the capability's first word: MSI-X is on.
const ENABLE: u32 = 1 << 31;
/// In the capability's first word: all vectors are masked.
const FUNCTION_MASK: u32 = 1 << 30;
/// In the message control: one less than there are vectors.
const SIZE_MASK: u16 = 0x7ff;
/// In the words for table and pending bits: which BAR.
const BAR_MASK: u32 = 0b111;
/// In the words for table and pending bits: where in the BAR.
const OFFSET_MASK: u32 = !BAR_MASK;

/// Bytes of an entry of the table.
const ENTRY_BYTES: usize = 16;
/// Where the parts of an entry are: address, its upper half, data, control.
const ADDRESS: usize = 0;
const ADDRESS_HIGH: usize = 4;
const DATA: usize = 8;
const CONTROL: usize = 12;
/// In the control: the vector is masked.
const MASKED: u32 = 1;

/// What a device writes, and where, to interrupt.
///
/// ```compile_fail
/// // Where a device writes is as dangerous as a pointer, so that only who knows may say so.
/// let message = levitate_virtio::transport::pci::Message::new(0x4000_0000, 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    address: u64,
    data: u32,
}

impl Message {
    /// Names a message.
    ///
    /// # Safety
    ///
    /// To write `data` to `address`, as the device addresses it, does nothing but interrupt: no memory in use is there.
    #[must_use]
    pub const unsafe fn new(address: u64, data: u32) -> Self {
        Self { address, data }
    }
}

/// Why MSI-X is of no use, or a vector of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MsixError {
    /// The capability makes no sense.
    #[error("the MSI-X capability at {at:#04x} is of no use: {refusal}")]
    Capability {
        /// Where it is in configuration space.
        at: u8,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The platform did not map the table.
    #[error(
        "the MSI-X table, {:#x} bytes from {:#x} in BAR {}, is not mapped", .range.len_bytes, .range.offset, .range.bar
    )]
    NotMapped {
        /// Where it is.
        range: BarRange,
    },
    /// The table has no such vector.
    #[error("there is no vector {vector} in an MSI-X table of {vectors}")]
    NoSuchVector {
        /// The vector.
        vector: u16,
        /// Vectors of the table.
        vectors: u16,
    },
    /// The table does not read as it was written; it may not answer at all.
    #[error("the MSI-X table does not take the message of vector {vector}")]
    NotTaken {
        /// The vector.
        vector: u16,
    },
}

/// The vectors of one function.
#[derive(Debug)]
pub struct MsixTable<M, A> {
    function: Function<A>,
    capability: Capability,
    vectors: u16,
    table: M,
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Turns MSI-X off, if the function has it.
    pub(super) fn turn_msix_off(&self) {
        if let Some(capability) = self.find_msix() {
            self.change_msix(capability, |control| control & !ENABLE);
        }
    }

    fn find_msix(&self) -> Option<Capability> {
        self.capabilities().find(|entry| entry.id == MSIX)
    }

    fn change_msix(&self, capability: Capability, change: impl FnOnce(u32) -> u32) {
        let control = self.read32(capability.at);
        self.write32(capability.at, change(control));
    }
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Reads how many vectors the function's MSI-X table has, 1 to 2048, in configuration space alone; `None` if it does not have MSI-X.
    ///
    /// # Errors
    ///
    /// [`MsixError::Capability`].
    pub fn read_msix_vectors(&self, bars: &Bars) -> Result<Option<u16>, MsixError> {
        let Some(capability) = self.find_msix() else {
            return Ok(None);
        };
        let (vectors, _) = judge_table(self, capability, bars)?;
        Ok(Some(vectors))
    }
}

impl<A: ConfigRegionAccess + Clone> Function<A> {
    /// Looks for MSI-X and has `map` map its table; `None` if the function does not have it.
    ///
    /// The function is turned on. Each vector is masked then, and MSI-X as it was before. As for [`probe`](super::PciTransport::probe), `map` compares the
    /// address with the windows of the host bridge.
    ///
    /// # Errors
    ///
    /// [`MsixError::Capability`] or [`MsixError::NotMapped`].
    pub fn msix<M: Mmio>(
        &self,
        bars: &Bars,
        map: impl FnOnce(BarRange) -> Option<M>,
    ) -> Result<Option<MsixTable<M, A>>, MsixError> {
        let Some(capability) = self.find_msix() else {
            return Ok(None);
        };
        let (vectors, range) = judge_table(self, capability, bars)?;
        let table = map(range)
            .filter(|table| table.len_bytes() as u64 >= range.len_bytes)
            .ok_or(MsixError::NotMapped { range })?;
        let msix = MsixTable {
            function: self.clone(),
            capability,
            vectors,
            table,
        };
        for vector in 0..vectors {
            msix.mask(vector)?;
        }
        Ok(Some(msix))
    }
}

/// Reads as [`read_table`], with an error that says where the capability is.
fn judge_table<A: ConfigRegionAccess>(
    function: &Function<A>,
    capability: Capability,
    bars: &Bars,
) -> Result<(u16, BarRange), MsixError> {
    read_table(function, capability, bars).map_err(|refusal| MsixError::Capability {
        at: capability.at,
        refusal,
    })
}

/// Reads how many vectors there are and where their table is; the pending bits have to be somewhere too.
fn read_table<A: ConfigRegionAccess>(
    function: &Function<A>,
    capability: Capability,
    bars: &Bars,
) -> Result<(u16, BarRange), Refusal> {
    let control = u16::from_le_bytes(capability.head);
    let vectors = (control & SIZE_MASK).saturating_add(1);
    let range = |word, len_bytes| {
        let place = function
            .read_word(capability, word)
            .ok_or(Refusal::Truncated { needed_bytes: 12 })?;
        let [bar, ..] = (place & BAR_MASK).to_le_bytes();
        bars.range(bar, (place & OFFSET_MASK).into(), len_bytes)
    };
    let table = range(1, u64::from(vectors).saturating_mul(ENTRY_BYTES as u64))?;
    range(2, u64::from(vectors).div_ceil(64).saturating_mul(8))?;
    Ok((vectors, table))
}

impl<M: Mmio, A: ConfigRegionAccess> MsixTable<M, A> {
    /// Returns how many vectors there are, 1 to 2048.
    #[must_use]
    pub const fn vectors(&self) -> u16 {
        self.vectors
    }

    /// Returns where the function is.
    #[must_use]
    pub const fn address(&self) -> PciAddress {
        self.function.address()
    }

    /// Sets the message of a vector, and lets it go; a message that was kept back goes to the new place.
    ///
    /// # Errors
    ///
    /// [`MsixError::NoSuchVector`]; [`MsixError::NotTaken`], after which the vector is of no use.
    pub fn enable(&self, vector: u16, message: Message) -> Result<(), MsixError> {
        let entry = self.entry(vector)?;
        // Nothing is sent to a place of which half has been written.
        self.write_mask(entry, true);
        let [low, high] = crate::transport::halves(message.address);
        let parts = [(ADDRESS, low), (ADDRESS_HIGH, high), (DATA, message.data)];
        for (part, value) in parts {
            self.write(entry, part, value);
        }
        // Reading also has the writes arrive before the vector is let go.
        let is_taken = parts
            .iter()
            .all(|(part, value)| self.read(entry, *part) == *value);
        if !is_taken {
            return Err(MsixError::NotTaken { vector });
        }
        self.write_mask(entry, false);
        match self.read(entry, CONTROL) & MASKED {
            0 => Ok(()),
            _ => Err(MsixError::NotTaken { vector }),
        }
    }

    /// Keeps the message of a vector back, until it is [enabled](Self::enable).
    ///
    /// # Errors
    ///
    /// [`MsixError::NoSuchVector`].
    pub fn mask(&self, vector: u16) -> Result<(), MsixError> {
        let entry = self.entry(vector)?;
        self.write_mask(entry, true);
        Ok(())
    }

    /// Changes whether a vector is masked; the other bits are reserved, and to be kept.
    fn write_mask(&self, entry: usize, is_masked: bool) {
        let control = self.read(entry, CONTROL);
        let control = match is_masked {
            true => control | MASKED,
            false => control & !MASKED,
        };
        self.write(entry, CONTROL, control);
    }

    /// Reads whether MSI-X is on, and not masked as a whole.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.function.read32(self.capability.at) & (ENABLE | FUNCTION_MASK) == ENABLE
    }

    /// Turns MSI-X on: from now on the function interrupts by messages alone.
    pub fn turn_on(&self) {
        self.function.change_msix(self.capability, |control| {
            (control | ENABLE) & !FUNCTION_MASK
        });
    }

    /// Turns MSI-X off: from now on the function interrupts by its line, if it may.
    pub fn turn_off(&self) {
        self.function
            .change_msix(self.capability, |control| control & !ENABLE);
    }

    /// Returns where the entry of a vector is in the table.
    fn entry(&self, vector: u16) -> Result<usize, MsixError> {
        let vectors = self.vectors;
        match vector < vectors {
            true => Ok(usize::from(vector).saturating_mul(ENTRY_BYTES)),
            false => Err(MsixError::NoSuchVector { vector, vectors }),
        }
    }

    fn read(&self, entry: usize, part: usize) -> u32 {
        self.table.read32(entry.saturating_add(part))
    }

    fn write(&self, entry: usize, part: usize, value: u32) {
        self.table.write32(entry.saturating_add(part), value);
    }
}

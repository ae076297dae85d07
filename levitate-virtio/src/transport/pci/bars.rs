//! Base address registers, measured and given addresses: [`Bars`], [`Bar`], [`MemoryWindow`].
//!
//! What is where in memory is the platform's business; this is what every platform does with it.

use core::ops::Range;

use pci_types::{CommandRegister, ConfigRegionAccess};
use thiserror::Error;

use super::function::Function;

/// Registers of an endpoint.
pub const BAR_COUNT: u8 = 6;
/// Registers of a bridge to another bus.
const BRIDGE_BAR_COUNT: u8 = 2;
/// The types of their headers.
const ENDPOINT: u8 = 0;
const BRIDGE: u8 = 1;
/// Where the first register is.
const FIRST: u8 = 0x10;

/// Bit 0: the BAR is about I/O ports.
const IO: u32 = 1;
/// Bits of an I/O BAR that are no address.
const IO_FLAGS: u32 = 0b11;
/// Bits of a memory BAR that are no address.
const MEMORY_FLAGS: u32 = 0b1111;
/// Bits of a memory BAR that tell how wide it is.
const WIDTH: u32 = 0b110;
/// The width: 32 bits.
const WIDTH_32: u32 = 0b000;
/// The width: 64 bits, with the upper half in the next register.
const WIDTH_64: u32 = 0b100;
/// The BAR may be prefetched from.
const PREFETCHABLE: u32 = 0b1000;

/// What is behind a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Memory, which is where registers are.
    Memory(MemoryBar),
    /// I/O ports, which nothing here uses.
    Io {
        /// The first port.
        port: u32,
        /// How many.
        len: u32,
    },
}

/// A base address register for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBar {
    /// Where it is now, as the bus addresses it; 0 if it was given no address.
    pub address: u64,
    /// Its length, a power of two.
    pub len_bytes: u64,
    /// Whether its address may be above 4 GiB.
    pub is_64_bit: bool,
    /// Whether reading it has no side effects.
    pub is_prefetchable: bool,
}

/// What is behind each base address register of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bars([Option<Bar>; BAR_COUNT as usize]);

impl Bars {
    /// Returns BAR `index`; `None` if there is nothing behind it, or it is the upper half of another.
    #[must_use]
    pub fn get(&self, index: u8) -> Option<Bar> {
        self.0.get(usize::from(index)).copied().flatten()
    }

    /// Returns those for memory, with their indices.
    pub fn memory(&self) -> impl Iterator<Item = (u8, MemoryBar)> {
        (0..BAR_COUNT).filter_map(|index| match self.get(index)? {
            Bar::Memory(bar) => Some((index, bar)),
            Bar::Io { .. } => None,
        })
    }

    fn set(&mut self, index: u8, bar: Bar) {
        if let Some(place) = self.0.get_mut(usize::from(index)) {
            *place = Some(bar);
        }
    }
}

/// What is wrong with a base address register, or with an address for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BarError {
    /// The function is neither an endpoint nor a bridge to another bus, but something whose header has other things there.
    #[error("a header of type {header_type:#x} has no BARs that are known of")]
    OtherHeader {
        /// Type of the header.
        header_type: u8,
    },
    /// It has a memory type that means nothing.
    #[error("BAR {index} reads {value:#010x}, which is of a reserved type")]
    Reserved {
        /// Which BAR.
        index: u8,
        /// What it reads.
        value: u32,
    },
    /// It says that it has 64 bits, and no register is left for the upper half.
    #[error("BAR {index} has 64 bits, and there is no register for the upper half")]
    NoUpperHalf {
        /// Which BAR.
        index: u8,
    },
    /// None of its address bits can be written, so it has no size.
    #[error("BAR {index} has no size: none of its address bits can be set")]
    NoSize {
        /// Which BAR.
        index: u8,
    },
    /// There is no room for it in the memory that was given.
    #[error("there is no room for the {len_bytes:#x} bytes of BAR {index}")]
    NoRoom {
        /// Which BAR.
        index: u8,
        /// Its length.
        len_bytes: u64,
    },
    /// It does not take its address.
    #[error("BAR {index} reads {found:#x} after {address:#x} was written to it")]
    NotTaken {
        /// Which BAR.
        index: u8,
        /// The address it was given.
        address: u64,
        /// What it reads.
        found: u64,
    },
}

/// Memory of a bus, given out from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryWindow {
    free: Range<u64>,
}

impl MemoryWindow {
    /// Takes the addresses in `range`, such as a host bridge forwards to its bus.
    #[must_use]
    pub const fn new(range: Range<u64>) -> Self {
        Self { free: range }
    }

    /// Takes `len_bytes`, a power of two, aligned to that; `None` if there is no room.
    pub fn allocate(&mut self, len_bytes: u64) -> Option<u64> {
        let start = self.free.start.checked_next_multiple_of(len_bytes)?;
        let end = start.checked_add(len_bytes)?;
        if end > self.free.end {
            return None;
        }
        self.free.start = end;
        Some(start)
    }
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Finds out what is behind each base address register, and leaves them as they were.
    ///
    /// The function does not answer at them meanwhile.
    ///
    /// # Errors
    ///
    /// [`BarError::OtherHeader`]: nothing was written. Others, for the first register that makes no sense.
    pub fn measure_bars(&self) -> Result<Bars, BarError> {
        let count = self.count_bars()?;
        let command = self.stop_decoding();
        let bars = self.measure_each(count);
        self.write_command(command);
        bars
    }

    /// Gives each base address register for memory an address: 32-bit ones in `low`, others in `high` if there is room, else in `low`.
    ///
    /// Returns the registers as they are then. The function does not answer at them meanwhile, and not at all after an error;
    /// [`turn_on`](Self::turn_on) follows.
    ///
    /// # Errors
    ///
    /// [`BarError::OtherHeader`]: nothing was written. [`BarError::NoRoom`] or [`BarError::NotTaken`], for the first that has no
    /// address then.
    ///
    /// # Safety
    ///
    /// Nothing else is at the addresses in `low` and `high`: neither memory nor another device.
    pub unsafe fn assign_bars(
        &self,
        bars: &Bars,
        low: &mut MemoryWindow,
        high: &mut MemoryWindow,
    ) -> Result<Bars, BarError> {
        let count = self.count_bars()?;
        let command = self.stop_decoding();
        let mut assigned = *bars;
        for (index, bar) in bars.memory().filter(|(index, _)| *index < count) {
            let len_bytes = bar.len_bytes;
            let address = match bar.is_64_bit {
                true => high.allocate(len_bytes).or_else(|| low.allocate(len_bytes)),
                false => low
                    .allocate(len_bytes)
                    .filter(|address| is_low(*address, len_bytes)),
            };
            let address = address.ok_or(BarError::NoRoom { index, len_bytes })?;
            let found = self.write_address(index, bar.is_64_bit, address);
            if found != address {
                return Err(BarError::NotTaken {
                    index,
                    address,
                    found,
                });
            }
            assigned.set(index, Bar::Memory(MemoryBar { address, ..bar }));
        }
        self.write_command(command);
        Ok(assigned)
    }

    /// Returns how many such registers there are: a bridge has two, and behind them the numbers of its buses.
    fn count_bars(&self) -> Result<u8, BarError> {
        match self.read_header_type() {
            ENDPOINT => Ok(BAR_COUNT),
            BRIDGE => Ok(BRIDGE_BAR_COUNT),
            header_type => Err(BarError::OtherHeader { header_type }),
        }
    }

    /// Has the function answer at none of its BARs, which have wrong addresses from now on; returns the command register before.
    fn stop_decoding(&self) -> CommandRegister {
        let command = self.read_command();
        let decoding = CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE;
        self.write_command(command.difference(decoding));
        command
    }

    fn measure_each(&self, count: u8) -> Result<Bars, BarError> {
        let mut bars = Bars::default();
        let mut index = 0;
        while index < count {
            let mut width = 1;
            if let Some(bar) = self.measure_bar(index, count)? {
                bars.set(index, bar);
                if matches!(
                    bar,
                    Bar::Memory(MemoryBar {
                        is_64_bit: true,
                        ..
                    })
                ) {
                    width = 2;
                }
            }
            index = index.saturating_add(width);
        }
        Ok(bars)
    }

    fn measure_bar(&self, index: u8, count: u8) -> Result<Option<Bar>, BarError> {
        let at = place(index);
        let before = self.read32(at);
        if before & IO != 0 {
            let mask = self.read_mask(at, before) & !IO_FLAGS;
            if mask == 0 {
                return Err(BarError::NoSize { index });
            }
            return Ok(Some(Bar::Io {
                port: before & !IO_FLAGS,
                len: lowest_bit(mask.into()).try_into().unwrap_or(0),
            }));
        }
        let address = before & !MEMORY_FLAGS;
        let is_64_bit = match before & WIDTH {
            WIDTH_32 => false,
            WIDTH_64 => true,
            _ => {
                return Err(BarError::Reserved {
                    index,
                    value: before,
                });
            }
        };
        let (mask, address) = if is_64_bit {
            let upper = index.saturating_add(1);
            if upper >= count {
                return Err(BarError::NoUpperHalf { index });
            }
            let high = self.read32(place(upper));
            let mask = join(
                self.read_mask(at, before) & !MEMORY_FLAGS,
                self.read_mask(place(upper), high),
            );
            (mask, join(address, high))
        } else {
            let mask = self.read_mask(at, before);
            if before == 0 && mask == 0 {
                return Ok(None);
            }
            ((mask & !MEMORY_FLAGS).into(), address.into())
        };
        if mask == 0 {
            return Err(BarError::NoSize { index });
        }
        Ok(Some(Bar::Memory(MemoryBar {
            address,
            len_bytes: lowest_bit(mask),
            is_64_bit,
            is_prefetchable: before & PREFETCHABLE != 0,
        })))
    }

    /// Reads which bits of a register can be set, and writes back what was there before.
    fn read_mask(&self, at: u8, before: u32) -> u32 {
        self.write32(at, u32::MAX);
        let mask = self.read32(at);
        self.write32(at, before);
        mask
    }

    /// Writes the address of a memory BAR and returns what it reads then.
    fn write_address(&self, index: u8, is_64_bit: bool, address: u64) -> u64 {
        let at = place(index);
        let [low, high] = crate::transport::halves(address);
        self.write32(at, low);
        let upper = place(index.saturating_add(1));
        if is_64_bit {
            self.write32(upper, high);
        }
        let low = self.read32(at) & !MEMORY_FLAGS;
        let high = if is_64_bit { self.read32(upper) } else { 0 };
        join(low, high)
    }
}

/// Returns where a register is in configuration space.
const fn place(index: u8) -> u8 {
    FIRST.saturating_add(index.saturating_mul(4))
}

/// Says whether a BAR is where 32 bits reach.
fn is_low(address: u64, len_bytes: u64) -> bool {
    address
        .checked_add(len_bytes.saturating_sub(1))
        .is_some_and(|last| last <= u32::MAX.into())
}

const fn lowest_bit(mask: u64) -> u64 {
    mask & mask.wrapping_neg()
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

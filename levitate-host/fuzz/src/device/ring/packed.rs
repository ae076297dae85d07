//! What is different where the virtqueue is packed: [`Packed`] (§2.8).
//!
//! Descriptors of driver and device share one ring. The books of what the device has must not be taken in by what it writes there
//! itself, so nothing that it leaves behind looks like a descriptor that the driver makes available next.

use levitate_host::dma::DeviceMemory;

mod position;

use super::{Chain, Ring, word};
use crate::spec::{DESC_AVAIL, DESC_USED, DESC_WRITE};
pub(crate) use position::Position;

/// The device's place in a packed ring.
#[derive(Debug)]
pub(crate) struct Packed {
    next_available: Position,
    next_used: Position,
    /// Whether it says by WRITE that a length has a meaning; QEMU does not.
    has_write_flag: bool,
    /// Id of the chain fetched last, and how many descriptors it has.
    pub(crate) newest: (u16, u16),
}

impl Packed {
    pub(crate) const fn new(has_write_flag: bool) -> Self {
        Self {
            next_available: Position::START,
            next_used: Position::START,
            has_write_flag,
            newest: (0, 0),
        }
    }

    /// Goes on where nothing is used.
    pub(super) fn lose_place(&mut self, by: u16, size: u16) {
        self.next_used.advance(by, size);
    }
}

/// Returns the marks AVAIL and USED as wrap counters.
fn marks(flags: u16) -> (bool, bool) {
    (flags & DESC_AVAIL != 0, flags & DESC_USED != 0)
}

impl Ring {
    /// Fetches what the driver has made available in a packed ring.
    pub(super) fn fetch_packed(&mut self, memory: &DeviceMemory) -> Result<usize, String> {
        let mut count = 0;
        while let Some(packed) = &self.packed {
            let next = packed.next_available;
            let (available, used) = marks(self.flags(memory, next.index));
            if available != next.wrap || used == next.wrap {
                break;
            }
            if count == usize::from(self.size) {
                return Err(format!("more than {count} chains are available at once"));
            }
            count += 1;
            let chain = self.walk(memory, next.index)?;
            self.fetched(chain);
        }
        let event = self.packed.as_ref().map(|packed| packed.next_available);
        if let (Some(next), true) = (event, count != 0 && self.has_event_index) {
            // It asks for the next descriptor it has not fetched.
            let [a, b] = next.off_wrap().to_le_bytes();
            self.write_packed(memory, self.used_len() - 4, &[a, b, 2, 0]);
        }
        Ok(count)
    }

    fn fetched(&mut self, chain: Chain) {
        if let Some(packed) = &mut self.packed {
            packed.next_available.advance(chain.descriptors, self.size);
            packed.newest = (chain.head, chain.descriptors);
        }
        self.chains.push(chain);
    }

    /// Writes the next used descriptor, and goes on by so many.
    pub(super) fn write_used_descriptor(
        &mut self,
        memory: &DeviceMemory,
        id: u32,
        len: u32,
        descriptors: u16,
    ) -> Vec<Chain> {
        let size = self.size;
        let Some(packed) = &mut self.packed else {
            return Vec::new();
        };
        let place = packed.next_used;
        packed.next_used.advance(descriptors, size);
        let mut flags = used_flags(place);
        if packed.has_write_flag && len != 0 {
            flags |= DESC_WRITE;
        }
        let mut rest = [0; 8];
        rest[..4].copy_from_slice(&len.to_le_bytes());
        rest[4..6].copy_from_slice(&(id as u16).to_le_bytes());
        rest[6..].copy_from_slice(&flags.to_le_bytes());
        self.write_used(memory, 16 * usize::from(place.index) + 8, &rest, false)
    }

    /// Writes into the descriptors, or into the device's events behind them.
    pub(super) fn write_packed(&self, memory: &DeviceMemory, at: usize, bytes: &[u8]) {
        let descriptors = 16 * usize::from(self.size);
        let in_ring = descriptors.saturating_sub(at).min(bytes.len());
        let (ring, events) = bytes.split_at(in_ring);
        // Both are in memory since `new`, and stay there until the reset.
        let _ = memory.write(self.descriptors + at as u64, ring);
        let behind = (at + in_ring).saturating_sub(descriptors);
        let _ = memory.write(self.used + behind as u64, events);
        if self.used_is_dirty {
            self.tell_descriptors_apart(memory);
        }
    }

    /// Returns where the flags of the next used descriptor are, and what makes it used whatever it holds.
    pub(crate) fn next_used_flags(&self) -> Option<(usize, u16)> {
        let place = self.packed.as_ref()?.next_used;
        Some((16 * usize::from(place.index) + 14, used_flags(place)))
    }

    /// Reads what the driver takes for a used descriptor at `place`: id, length, and whether that has a meaning.
    pub(crate) fn used_descriptor(
        &self,
        memory: &DeviceMemory,
        place: Position,
    ) -> Option<(u32, u32, bool)> {
        let flags = self.flags(memory, place.index);
        if marks(flags) != (place.wrap, place.wrap) {
            return None;
        }
        let (len, id) = self.length_and_id(memory, place.index);
        Some((id.into(), len, flags & DESC_WRITE != 0))
    }

    /// Reads the ids of all descriptors that the driver could take for used, in this lap or another.
    pub(super) fn named_in_packed(&self, memory: &DeviceMemory) -> Vec<u32> {
        let is_used = |index: &u16| {
            let (available, used) = marks(self.flags(memory, *index));
            available == used
        };
        let used = (0..self.size).filter(is_used);
        used.map(|index| self.length_and_id(memory, index).1.into())
            .collect()
    }

    /// Takes away what would pass for a descriptor of the driver's when the device gets there.
    pub(super) fn tell_descriptors_apart(&self, memory: &DeviceMemory) {
        let Some(packed) = &self.packed else {
            return;
        };
        let next = packed.next_available;
        for index in 0..self.size {
            let lap = next.wrap == (index >= next.index);
            let flags = self.flags(memory, index);
            if marks(flags) == (lap, !lap) {
                // Both are the other lap's now.
                let flags = match lap {
                    true => flags & !(DESC_AVAIL | DESC_USED),
                    false => flags | DESC_AVAIL | DESC_USED,
                };
                let at = self.descriptors + 16 * u64::from(index) + 14;
                let _ = memory.write(at, &flags.to_le_bytes());
            }
        }
    }

    fn flags(&self, memory: &DeviceMemory, index: u16) -> u16 {
        word(memory, self.descriptors + 16 * u64::from(index) + 14)
    }

    fn length_and_id(&self, memory: &DeviceMemory, index: u16) -> (u32, u16) {
        let at = self.descriptors + 16 * u64::from(index) + 8;
        let bytes: [u8; 8] = memory.read_array(at).unwrap_or_default();
        let [a, b, c, d, e, f, _, _] = bytes;
        (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
    }
}

/// Returns the flags that make a descriptor used there.
fn used_flags(place: Position) -> u16 {
    match place.wrap {
        true => DESC_AVAIL | DESC_USED,
        false => 0,
    }
}

//! What the device writes into descriptors that only the driver should write, and what was there ([`Forgeries`]).
//!
//! Descriptors stay laid out from one request to the next, and tables too: a device that read again what it wrote there would
//! have lost its way by its own hand. So it reads what the driver wrote last. Its own words are such as no driver writes, by
//! which they are told from the driver's.

use levitate_host::dma::{DeviceMemory, StrayAccess};

use super::Ring;

/// Bytes that a driver writes at once, if it writes any of them: half an address, a length, or flags with what is next to them.
const WORD_BYTES: u64 = 4;

/// A word of the device's.
#[derive(Debug)]
struct Forgery {
    addr: u64,
    word: u32,
    /// What the driver wrote there.
    truth: u32,
}

/// All words of the device's.
#[derive(Debug, Default)]
pub(super) struct Forgeries(Vec<Forgery>);

impl Forgeries {
    /// Reads two words as the driver wrote them.
    pub(super) fn read(&self, memory: &DeviceMemory, addr: u64) -> Result<u64, StrayAccess> {
        let low = self.read_word(memory, addr)?;
        let high = self.read_word(memory, addr + WORD_BYTES)?;
        Ok(u64::from(low) | u64::from(high) << 32)
    }

    fn read_word(&self, memory: &DeviceMemory, addr: u64) -> Result<u32, StrayAccess> {
        let word = u32::from_le_bytes(memory.read_array(addr)?);
        let mut forgeries = self.0.iter();
        let found = forgeries.find(|forgery| forgery.addr == addr && forgery.word == word);
        Ok(found.map_or(word, |forgery| forgery.truth))
    }

    fn write(&mut self, memory: &DeviceMemory, addr: u64, word: u32) {
        // Tables that the driver still has are in memory until the reset.
        if let Ok(truth) = self.read_word(memory, addr) {
            let _ = memory.write(addr, &word.to_le_bytes());
            self.0.retain(|forgery| forgery.addr != addr);
            self.0.push(Forgery { addr, word, truth });
        }
    }
}

impl Ring {
    /// Changes the bits of `noise` in any word of a descriptor that stays laid out: of a split ring's table, or of an indirect one.
    pub(crate) fn forge(&mut self, memory: &DeviceMemory, table: usize, word: usize, noise: u32) {
        let of_ring = (self.descriptors, 16 * u32::from(self.size));
        // In a packed ring they do not stay, and what is written there is all the device's.
        let of_ring = self.packed.is_none().then_some(of_ring);
        let tables: Vec<_> = of_ring.iter().chain(&self.tables).copied().collect();
        let Some((start, len)) = table
            .checked_rem(tables.len())
            .and_then(|choice| tables.get(choice).copied())
        else {
            return;
        };
        let word = word as u64 % (u64::from(len) / WORD_BYTES).max(1);
        // The lower half of an address is like any other's; nothing tells whose it is.
        let word = if word.is_multiple_of(4) {
            word + 1
        } else {
            word
        };
        let addr = start + WORD_BYTES * word;
        let mark = match (word % 4, self.packed.is_some()) {
            // No memory is there, and none is that long.
            (1 | 2, _) => 1 << 31,
            // Reserved among the flags, which are last in a table of a packed ring, and before that in others.
            (_, true) => 1 << 30,
            (_, false) => 1 << 15,
        };
        if let Ok(bytes) = memory.read_array(addr) {
            let forged = (u32::from_le_bytes(bytes) ^ noise) | mark;
            self.forgeries.write(memory, addr, forged);
        }
    }
}

#[cfg(test)]
mod tests {
    use levitate_hal::DmaRegion;
    use levitate_host::Pool;

    use super::*;

    #[test]
    fn the_driver_is_believed_and_the_device_is_not() {
        let pool = Pool::new();
        let memory = pool.device_memory();
        let region = DmaRegion::new(&pool, 16, 16).unwrap();
        let addr = region.device_addr().get();
        let mut forgeries = Forgeries::default();
        memory.write(addr, &1_u64.to_le_bytes()).unwrap();
        forgeries.write(&memory, addr, 1 << 31);
        forgeries.write(&memory, addr, 1 << 31 | 5);
        assert_eq!(
            memory.read_array(addr),
            Ok((1_u32 << 31 | 5).to_le_bytes()),
            "it is there"
        );
        assert_eq!(forgeries.read(&memory, addr), Ok(1));
        memory.write(addr, &2_u32.to_le_bytes()).unwrap();
        assert_eq!(forgeries.read(&memory, addr), Ok(2));
        forgeries.write(&memory, addr, 1 << 31);
        assert_eq!(forgeries.read(&memory, addr), Ok(2));
    }
}

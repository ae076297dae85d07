//! Registers between a driver and its device that change what goes through them: a driver with a mistake, built on purpose.

use levitate_hal::Mmio;

use crate::rig::Registers;

/// What to do with 32-bit accesses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tampering {
    /// What a read returns, given its offset and what the device says.
    pub(crate) read: fn(usize, u32) -> u32,
    /// What is written, if anything, given offset and value.
    pub(crate) write: fn(usize, u32) -> Option<u32>,
}

impl Default for Tampering {
    fn default() -> Self {
        Self {
            read: |_, value| value,
            write: |_, value| Some(value),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Tampered(pub(crate) Registers, pub(crate) Tampering);

impl Mmio for Tampered {
    fn len_bytes(&self) -> usize {
        self.0.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.0.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.0.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        (self.1.read)(offset, self.0.read32(offset))
    }

    fn read64(&self, offset: usize) -> u64 {
        self.0.read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.0.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.0.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        if let Some(value) = (self.1.write)(offset, value) {
            self.0.write32(offset, value);
        }
    }

    fn write64(&self, offset: usize, value: u64) {
        self.0.write64(offset, value);
    }
}

//! Access to a device's registers: [`Mmio`].

/// A region of device registers with a known length.
///
/// Registers are little-endian; values are passed in the CPU's own order.
/// One call is one access of that width, never split, merged, repeated or left out.
///
/// Whoever builds on a region compares [`Mmio::len_bytes`] with what it needs *once*, at construction.
/// An access that nevertheless goes outside the region, or is not a multiple of its width, must be harmless:
/// a read returns all ones and a write is dropped, as on a bus where nothing answers.
///
/// What it returns is taken for what the device says, also that the device was reset and is done with the memory it was given.
///
/// Clones name the same registers; a driver takes one for each of its independent handles.
pub trait Mmio: Clone {
    /// Returns the length of the region in bytes.
    fn len_bytes(&self) -> usize;

    /// Reads 8 bits at `offset` bytes into the region.
    fn read8(&self, offset: usize) -> u8;

    /// Reads 16 bits at `offset` bytes into the region.
    fn read16(&self, offset: usize) -> u16;

    /// Reads 32 bits at `offset` bytes into the region.
    fn read32(&self, offset: usize) -> u32;

    /// Reads 64 bits at `offset` bytes into the region.
    fn read64(&self, offset: usize) -> u64;

    /// Writes 8 bits at `offset` bytes into the region.
    fn write8(&self, offset: usize, value: u8);

    /// Writes 16 bits at `offset` bytes into the region.
    fn write16(&self, offset: usize, value: u16);

    /// Writes 32 bits at `offset` bytes into the region.
    fn write32(&self, offset: usize, value: u32);

    /// Writes 64 bits at `offset` bytes into the region.
    fn write64(&self, offset: usize, value: u64);
}

//! Configuration space as memory of which some bits can be written: [`ConfigSpace`].

/// Bytes of one function in ECAM.
pub(super) const CONFIG_SPACE_BYTES: usize = 4096;

/// What a function's configuration space holds.
#[derive(Debug)]
pub(super) struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
}

impl ConfigSpace {
    /// Space in which nothing can be written.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let writable = vec![0; bytes.len()];
        Self { bytes, writable }
    }

    /// Makes those bits writable that are set in `mask`, from `offset` on.
    pub(super) fn allow(&mut self, offset: usize, mask: &[u8]) {
        for (place, bits) in self.writable[offset..].iter_mut().zip(mask) {
            *place |= bits;
        }
    }

    /// Reads as a driver does.
    pub(super) fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        let mut value = [0; 8];
        value[..width_bytes].copy_from_slice(&self.bytes[offset..offset + width_bytes]);
        u64::from_le_bytes(value)
    }

    /// Writes as a driver does: only what is writable changes.
    pub(super) fn write(&mut self, offset: usize, width_bytes: usize, value: u64) {
        let places = self.bytes[offset..offset + width_bytes].iter_mut();
        let masks = &self.writable[offset..offset + width_bytes];
        for ((place, mask), byte) in places.zip(masks).zip(value.to_le_bytes()) {
            *place = *place & !mask | byte & mask;
        }
    }

    pub(super) fn word(&self, offset: usize) -> u32 {
        self.read(offset, 4) as u32
    }

    pub(super) fn half(&self, offset: usize) -> u16 {
        self.read(offset, 2) as u16
    }

    /// Writes as the device does.
    pub(super) fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

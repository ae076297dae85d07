//! A buffer of a driver, whichever ring it came by: [`Chain`].

/// One element of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where it begins, as the device addresses it.
    pub addr: u64,
    /// Its length; not zero.
    pub len_bytes: u32,
    /// Whether it is for the device to write.
    pub is_writable: bool,
}

/// A chain as the device found it when it took it; in a packed virtqueue the specification calls it a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What the device names it by when it gives it back: the index of its first descriptor, in a packed virtqueue the buffer ID.
    pub head: u16,
    /// Its buffers, readable ones first.
    pub buffers: Vec<Buffer>,
    /// Whether the buffers are in an indirect table, and where: address and bytes.
    pub indirect_table: Option<(u64, u32)>,
    /// How many descriptors of the table or ring it takes; those of an indirect table are not among them.
    pub descriptors: u16,
    /// Where in the table or ring it begins.
    pub first: u16,
}

impl Chain {
    /// Returns how many bytes there are for the device to write.
    #[must_use]
    pub fn writable_len_bytes(&self) -> u64 {
        self.buffers
            .iter()
            .filter(|buffer| buffer.is_writable)
            .map(|buffer| u64::from(buffer.len_bytes))
            .sum()
    }
}

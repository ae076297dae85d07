//! What a driver sends, and the descriptors it becomes: [`Message`], [`Descriptor`].

pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

/// One request: its parts for the device to read, and the lengths of those to write.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) queue: u32,
    pub(crate) readable: Vec<Vec<u8>>,
    pub(crate) writable: Vec<usize>,
}

/// One descriptor, as it will be in the table (§2.7.5).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) flags: u16,
    pub(crate) next: u16,
}

impl Descriptor {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.addr.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }

    /// As it is in an indirect table of a packed virtqueue, where all that follows one belongs to it (§2.8.7).
    ///
    /// Only those of its flags are there that are in `kept`.
    pub(crate) fn to_packed_bytes(self, kept: u16) -> [u8; 16] {
        let mut bytes = self.to_bytes();
        bytes[12..14].fill(0);
        bytes[14..].copy_from_slice(&(self.flags & kept).to_le_bytes());
        bytes
    }
}

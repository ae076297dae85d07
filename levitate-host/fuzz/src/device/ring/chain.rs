//! A request as the device has it: pieces of memory, and what they are to it ([`Chain`]).

use levitate_host::dma::Exposure;

/// A piece of memory that a descriptor names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) is_writable: bool,
}

/// A request that the device has.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) head: u16,
    /// How many descriptors it has in the ring.
    pub(crate) descriptors: u16,
    pub(crate) parts: Vec<Part>,
    /// How many bytes are sure to be [`ANSWER`](super::super::ANSWER), from the first that the device may write.
    pub(crate) sure: u32,
    /// Which of the parts are a program's data, and not memory of the queue.
    pub(crate) data: std::ops::Range<usize>,
    /// The GPU resource it is about; 0 if none.
    pub(crate) resource: u32,
    /// The GPU command; 0 if none.
    pub(crate) command: u32,
    pub(super) exposures: Vec<Exposure>,
}

impl Chain {
    /// Returns how many bytes the device may write.
    pub(crate) fn capacity(&self) -> u32 {
        let writable = self.parts.iter().filter(|part| part.is_writable);
        writable.fold(0, |sum, part| sum.saturating_add(part.len))
    }

    /// Says whether its data reaches into the `len` bytes at `addr`.
    pub(crate) fn holds(&self, addr: u64, len: u64) -> bool {
        self.parts[self.data.clone()]
            .iter()
            .any(|part| part.addr < addr + len && addr < part.addr + u64::from(part.len))
    }
}

/// Whether a request begins with memory of the queue, and ends with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    pub(crate) has_header: bool,
    pub(crate) has_footer: bool,
}

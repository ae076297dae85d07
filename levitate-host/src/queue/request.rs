//! A chain with the means to serve it: [`Request`].

use super::{Buffer, Chain};
use crate::device::Violations;
use crate::device::feature::RING_PACKED;
use crate::dma::{DeviceMemory, StrayAccess};

/// A request for a device model: what the driver wrote, and room for the answer.
///
/// What the model writes reaches the driver's memory when it has returned.
pub struct Request<'a> {
    memory: &'a DeviceMemory,
    chain: &'a Chain,
    violations: &'a mut Violations,
    features: u64,
    pub(crate) answer: Vec<(usize, Vec<u8>)>,
    pub(crate) used_len_bytes: u32,
}

impl<'a> Request<'a> {
    pub(crate) const fn new(
        memory: &'a DeviceMemory,
        chain: &'a Chain,
        violations: &'a mut Violations,
        features: u64,
    ) -> Self {
        Self {
            memory,
            chain,
            violations,
            features,
            answer: Vec::new(),
            used_len_bytes: 0,
        }
    }

    /// Returns the negotiated features.
    #[must_use]
    pub const fn features(&self) -> u64 {
        self.features
    }

    /// Returns the rule that is broken by a list of more descriptors than the device allows, which packed rings have of their own.
    pub(crate) const fn rule_of_segments(&self, of_the_device: &'static str) -> &'static str {
        match (self.features & RING_PACKED, self.chain.indirect_table) {
            (0, _) => of_the_device,
            (_, None) => "PACKED-06",
            (_, Some(_)) => "PACKED-14",
        }
    }

    /// Returns the memory, for requests that name further parts of it.
    #[must_use]
    pub const fn memory(&self) -> &'a DeviceMemory {
        self.memory
    }

    /// Returns the buffers for the device to read.
    #[must_use]
    pub fn readable(&self) -> Vec<Buffer> {
        self.buffers(false)
    }

    /// Returns the buffers for the device to write.
    #[must_use]
    pub fn writable(&self) -> Vec<Buffer> {
        self.buffers(true)
    }

    /// Returns how many bytes there are to read.
    #[must_use]
    pub fn readable_len(&self) -> usize {
        total(&self.readable())
    }

    /// Returns how many bytes there are to write.
    #[must_use]
    pub fn writable_len(&self) -> usize {
        total(&self.writable())
    }

    /// Copies all the driver wrote.
    ///
    /// # Errors
    ///
    /// [`StrayAccess`] if a buffer is out of the device's reach.
    pub fn read_all(&self) -> Result<Vec<u8>, StrayAccess> {
        let mut bytes = vec![0; self.readable_len()];
        let mut rest = &mut bytes[..];
        for buffer in self.readable() {
            let (part, after) = rest.split_at_mut(buffer.len_bytes as usize);
            self.memory.read(buffer.addr, part)?;
            rest = after;
        }
        Ok(bytes)
    }

    /// Writes `bytes` at `offset` of the writable part, as far as there is room, and reports at least so many as used.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let room = self.writable_len().saturating_sub(offset);
        let bytes = &bytes[..bytes.len().min(room)];
        self.answer.push((offset, bytes.to_vec()));
        let end = u32::try_from(offset + bytes.len()).unwrap_or(u32::MAX);
        self.used_len_bytes = self.used_len_bytes.max(end);
    }

    /// Reports `len_bytes` as used, whatever was written.
    pub const fn set_used_len(&mut self, len_bytes: u32) {
        self.used_len_bytes = len_bytes;
    }

    /// Notes that the driver broke the rule `id`.
    pub fn violation(&mut self, id: &'static str, what: String) {
        self.violations.add(id, what);
    }

    fn buffers(&self, is_writable: bool) -> Vec<Buffer> {
        let wanted = |buffer: &&Buffer| buffer.is_writable == is_writable;
        self.chain.buffers.iter().filter(wanted).copied().collect()
    }
}

fn total(buffers: &[Buffer]) -> usize {
    buffers.iter().map(|buffer| buffer.len_bytes as usize).sum()
}

/// Copies `bytes` to the writable part of `chain`, from `offset` on.
pub(crate) fn scatter(
    chain: &Chain,
    offset: usize,
    bytes: &[u8],
    memory: &DeviceMemory,
) -> Result<(), StrayAccess> {
    let (mut skip, mut rest) = (offset, bytes);
    for buffer in chain.buffers.iter().filter(|buffer| buffer.is_writable) {
        let len = buffer.len_bytes as usize;
        if skip >= len {
            skip -= len;
            continue;
        }
        let (part, after) = rest.split_at(rest.len().min(len - skip));
        memory.write(buffer.addr + skip as u64, part)?;
        (skip, rest) = (0, after);
        if rest.is_empty() {
            break;
        }
    }
    Ok(())
}

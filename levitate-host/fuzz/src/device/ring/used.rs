//! What the device writes into its part of a ring, and which requests the driver may take for done by it (§2.7.8, §2.7.9).

use levitate_host::dma::DeviceMemory;

use super::{Chain, Ring, word};

/// How far the device goes on in a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// In a split ring.
    pub(crate) chains: u16,
    /// In a packed ring.
    pub(crate) descriptors: u16,
}

/// A request that the device used as it should.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    pub(crate) head: u16,
    /// Bytes that it wrote, as the driver must take it.
    pub(crate) written: u32,
    /// Bytes that it did write.
    pub(crate) sure: u32,
}

impl Ring {
    /// Returns how long the device's part is: the used ring; in a packed ring the descriptors, and behind them the device's events.
    pub(crate) fn used_len(&self) -> usize {
        match self.packed {
            None => 6 + 8 * usize::from(self.size),
            Some(_) => 4 + 16 * usize::from(self.size),
        }
    }

    /// Reads where the used ring ends and what is in its entry number `index`, as the driver sees it now.
    pub(crate) fn used_index(&self, memory: &DeviceMemory) -> u16 {
        word(memory, self.used + 2)
    }

    /// Reads one entry of the used ring, by its free-running index.
    pub(crate) fn used_element(&self, memory: &DeviceMemory, index: u16) -> (u32, u32) {
        let at = self.used + 4 + 8 * u64::from(index % self.size);
        let bytes: [u8; 8] = memory.read_array(at).unwrap_or_default();
        let [a, b, c, d, e, f, g, h] = bytes;
        (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        )
    }

    /// Takes the request at `position` out of those the device has, with VIRTIO_F_IN_ORDER all before it too.
    fn give_up_to(&mut self, memory: &DeviceMemory, position: usize) -> Vec<Chain> {
        let first = if self.is_in_order { 0 } else { position };
        let count = position + 1 - first;
        std::iter::repeat_with(|| self.give_up(memory, first))
            .take(count)
            .collect()
    }

    /// Takes a chain out of those the device has: it says that it is done with it.
    pub(super) fn give_up(&mut self, memory: &DeviceMemory, position: usize) -> Chain {
        let mut chain = self.chains.remove(position);
        for exposure in chain.exposures.drain(..) {
            memory.conceal(exposure);
        }
        chain
    }

    /// Uses the request at `position` as it should; with VIRTIO_F_IN_ORDER all before it too, of which it says nothing more
    /// (§2.7.9, §2.8.8).
    pub(crate) fn publish(
        &mut self,
        memory: &DeviceMemory,
        position: usize,
        len: u32,
    ) -> Vec<Chain> {
        let Some(last) = self.chains.get(position) else {
            return Vec::new();
        };
        let id = u32::from(last.head);
        // That is a lie.
        self.used_is_dirty |= len > last.capacity();
        let step = self.step_to(position);
        let mut given_up = self.give_up_to(memory, position);
        for chain in &given_up {
            let is_last = u32::from(chain.head) == id;
            let written = if is_last { len } else { chain.capacity() };
            self.honest.push_back(Use {
                head: chain.head,
                written,
                sure: chain.sure,
            });
        }
        given_up.extend(self.write_element(memory, id, len, step));
        given_up
    }

    /// Returns how far it goes on when it uses the request at `position`.
    pub(crate) fn step_to(&self, position: usize) -> Step {
        let first = if self.is_in_order { 0 } else { position };
        let chains = self.chains.get(first..=position).unwrap_or_default();
        Step {
            chains: chains.len() as u16,
            descriptors: chains.iter().map(|chain| chain.descriptors).sum(),
        }
    }

    /// Puts an element where the next one goes, and goes on.
    pub(crate) fn write_element(
        &mut self,
        memory: &DeviceMemory,
        id: u32,
        len: u32,
        step: Step,
    ) -> Vec<Chain> {
        if self.packed.is_some() {
            return self.write_used_descriptor(memory, id, len, step.descriptors);
        }
        let at = 4 + 8 * usize::from(self.published % self.size);
        let mut element = [0; 8];
        element[..4].copy_from_slice(&id.to_le_bytes());
        element[4..].copy_from_slice(&len.to_le_bytes());
        let mut given_up = self.write_used(memory, at, &element, false);
        self.published = self.published.wrapping_add(step.chains);
        given_up.extend(self.write_used(memory, 2, &self.published.to_le_bytes(), false));
        given_up
    }

    /// Goes on, or back, where nothing is used.
    pub(crate) fn lose_place(&mut self, memory: &DeviceMemory, by: u16) -> Vec<Chain> {
        self.used_is_dirty = true;
        match &mut self.packed {
            Some(packed) => packed.lose_place(by, self.size),
            None => self.published = self.published.wrapping_add(by),
        }
        self.doubt(memory)
    }

    /// Writes anything into the used ring; what that says is done, is given up.
    pub(crate) fn write_used(
        &mut self,
        memory: &DeviceMemory,
        at: usize,
        bytes: &[u8],
        is_lie: bool,
    ) -> Vec<Chain> {
        let at = at.min(self.used_len());
        let bytes = &bytes[..bytes.len().min(self.used_len() - at)];
        self.used_is_dirty |= is_lie;
        let end = at + bytes.len();
        if self.packed.is_some() {
            self.write_packed(memory, at, bytes);
            return self.doubt(memory);
        }
        // It is in memory since `new`, and stays there until the reset.
        let _ = memory.write(self.used + at as u64, bytes);
        // A wrong index has the driver look at any entry, also at an old one.
        if self.used_is_dirty && at < 4 {
            return self.doubt(memory);
        }
        let entries = 0..self.size;
        let place = |entry: &u16| 4 + 8 * usize::from(*entry);
        let written = entries.filter(|entry| at < place(entry) + 8 && place(entry) < end);
        self.give_up_named(memory, written)
    }

    /// Gives up every request that any entry of the used ring names, if there is one that is no answer.
    pub(crate) fn doubt(&mut self, memory: &DeviceMemory) -> Vec<Chain> {
        match self.used_is_dirty {
            true if self.packed.is_some() => self.give_up_ids(memory, self.named_in_packed(memory)),
            true => self.give_up_named(memory, 0..self.size),
            false => Vec::new(),
        }
    }

    fn give_up_named(
        &mut self,
        memory: &DeviceMemory,
        entries: impl Iterator<Item = u16>,
    ) -> Vec<Chain> {
        if self.chains.is_empty() {
            return Vec::new();
        }
        let ids = entries.map(|entry| self.used_element(memory, entry).0);
        let ids: Vec<u32> = ids.collect();
        self.give_up_ids(memory, ids)
    }

    fn give_up_ids(&mut self, memory: &DeviceMemory, ids: Vec<u32>) -> Vec<Chain> {
        let mut given_up = Vec::new();
        for id in ids {
            let mut chains = self.chains.iter();
            if let Some(position) = chains.position(|chain| u32::from(chain.head) == id) {
                given_up.extend(self.give_up_to(memory, position));
            }
        }
        given_up
    }
}

//! The device's side of a virtqueue, split or packed, and what of memory it may reach by it: [`Ring`] (§2.7, §2.8).

mod driver_part;
pub(crate) mod packed;

use levitate_host::dma::{AccessKind, DeviceMemory, Exposure};

use crate::spec::{DESC_INDIRECT, DESC_NEXT, DESC_WRITE};
use packed::Packed;

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
    pub(crate) parts: Vec<Part>,
    /// Which of the parts are a program's data, and not memory of the queue.
    pub(crate) data: std::ops::Range<usize>,
    /// The GPU resource it is about; 0 if none.
    pub(crate) resource: u32,
    /// The GPU command; 0 if none.
    pub(crate) command: u32,
    exposures: Vec<Exposure>,
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

/// A queue the device was told of.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) size: u16,
    /// `None` if the ring is split.
    pub(crate) packed: Option<Packed>,
    descriptors: u64,
    available: u64,
    used: u64,
    framing: Framing,
    pub(crate) has_event_index: bool,
    next_fetch: u16,
    pub(crate) published: u16,
    /// Where the available ring ends by the device's own hand; the driver writes another index when it makes something available.
    forged_index: Option<u16>,
    /// The used ring has something in it that is no answer.
    pub(crate) used_is_dirty: bool,
    pub(crate) chains: Vec<Chain>,
    /// Memory of the queue's own that was in a chain: the device may write it until its reset.
    pub(crate) lasting: Vec<(u64, u32)>,
    tables: Vec<(u64, u32)>,
    exposures: Vec<Exposure>,
}

impl Ring {
    /// Takes a queue over; an error if its parts are not in memory.
    pub(crate) fn new(
        memory: &DeviceMemory,
        size: u16,
        [descriptors, available, used]: [u64; 3],
        framing: Framing,
        packed: Option<Packed>,
    ) -> Result<Self, String> {
        let entries = u64::from(size);
        let lengths = match packed {
            None => [16 * entries, 2 * entries + 6, 8 * entries + 6],
            Some(_) => [16 * entries, 4, 4],
        };
        let areas = [
            (descriptors, lengths[0]),
            (available, lengths[1]),
            (used, lengths[2]),
        ];
        let mut exposures = Vec::with_capacity(4);
        for (addr, len) in areas {
            memory
                .check(addr, len, AccessKind::Write)
                .map_err(|stray| format!("a queue is not in memory: {stray}"))?;
            exposures.push(memory.expose(addr, len));
        }
        Ok(Self {
            size,
            packed,
            descriptors,
            available,
            used,
            framing,
            has_event_index: false,
            next_fetch: 0,
            published: 0,
            forged_index: None,
            used_is_dirty: false,
            chains: Vec::new(),
            lasting: Vec::new(),
            tables: Vec::new(),
            exposures,
        })
    }

    /// Ends all the device may reach by this queue.
    pub(crate) fn forget(self, memory: &DeviceMemory) {
        let chains = self.chains.into_iter().flat_map(|chain| chain.exposures);
        for exposure in self.exposures.into_iter().chain(chains) {
            memory.conceal(exposure);
        }
    }

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

    /// Reads the head of the chain made available last.
    pub(crate) fn newest_head(&self, memory: &DeviceMemory) -> u16 {
        let index = word(memory, self.available + 2).wrapping_sub(1);
        word(
            memory,
            self.available + 4 + 2 * u64::from(index % self.size),
        )
    }

    /// Fetches what the driver has made available; an error if that is not as it should be.
    pub(crate) fn fetch(&mut self, memory: &DeviceMemory) -> Result<usize, String> {
        if self.packed.is_some() {
            return self.fetch_packed(memory);
        }
        let index = word(memory, self.available + 2);
        if self.forged_index == Some(index) {
            return Ok(0);
        }
        self.forged_index = None;
        let count = index.wrapping_sub(self.next_fetch);
        if count > self.size {
            return Err(format!("{count} chains are available at once"));
        }
        for _ in 0..count {
            let entry = self.available + 4 + 2 * u64::from(self.next_fetch % self.size);
            self.next_fetch = self.next_fetch.wrapping_add(1);
            let (chain, _) = self.walk(memory, word(memory, entry))?;
            self.chains.push(chain);
        }
        if count != 0 && self.has_event_index {
            self.write_used(
                memory,
                self.used_len() - 2,
                &self.next_fetch.to_le_bytes(),
                false,
            );
        }
        Ok(usize::from(count))
    }

    /// Follows a chain; returns how many descriptors it has in the ring, too.
    fn walk(&mut self, memory: &DeviceMemory, first: u16) -> Result<(Chain, u16), String> {
        let mut table = (self.descriptors, u32::from(self.size));
        let mut parts = Vec::with_capacity(4);
        let (mut index, mut in_ring) = (first, 0);
        // In a packed ring it is the id of the last descriptor.
        let mut head = first;
        for _ in 0..=self.size {
            if u32::from(index) >= table.1 {
                return Err(format!("descriptor {index} of {}", table.1));
            }
            let is_in_ring = table.0 == self.descriptors;
            in_ring += u16::from(is_in_ring);
            let at = table.0 + 16 * u64::from(index);
            let bytes: [u8; 16] = memory.read_array(at).map_err(|stray| stray.to_string())?;
            let addr = u64::from_le_bytes(std::array::from_fn(|i| bytes[i]));
            let len = u32::from_le_bytes(std::array::from_fn(|i| bytes[8 + i]));
            let halves = [[bytes[12], bytes[13]], [bytes[14], bytes[15]]];
            let [flags, mut next] = halves.map(u16::from_le_bytes);
            let mut has_next = flags & DESC_NEXT != 0;
            let mut flags = flags;
            if self.packed.is_some() {
                // The id is where a split ring has the flags, and they are last; what follows is next to it (§2.8.5).
                let id = flags;
                flags = next;
                next = index + 1;
                has_next = flags & DESC_NEXT != 0;
                if is_in_ring {
                    head = id;
                    next %= self.size;
                } else {
                    has_next = u32::from(next) < table.1;
                }
            }
            let is_writable = flags & DESC_WRITE != 0;
            let kind = match is_writable {
                true => AccessKind::Write,
                false => AccessKind::Read,
            };
            memory
                .check(addr, u64::from(len), kind)
                .map_err(|stray| format!("a chain leads out of memory: {stray}"))?;
            if flags & DESC_INDIRECT != 0 {
                if !is_in_ring {
                    return Err("an indirect table within another".to_owned());
                }
                self.keep_table(memory, addr, len);
                table = (addr, len / 16);
                index = 0;
                continue;
            }
            parts.push(Part {
                addr,
                len,
                is_writable,
            });
            if !has_next {
                if self.chains.iter().any(|chain| chain.head == head) {
                    return Err(format!("chain {head} is available twice"));
                }
                return Ok((self.chain(memory, head, parts), in_ring));
            }
            index = next;
        }
        Err(format!("chain {head} has no end"))
    }

    fn chain(&mut self, memory: &DeviceMemory, head: u16, parts: Vec<Part>) -> Chain {
        let start = usize::from(self.framing.has_header).min(parts.len());
        let end = parts
            .len()
            .saturating_sub(usize::from(self.framing.has_footer));
        let data = start..end.max(start);
        let mut exposures = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            if data.contains(&number) {
                exposures.push(memory.expose(part.addr, u64::from(part.len)));
            } else {
                self.last(memory, part.addr, part.len);
            }
        }
        Chain {
            head,
            parts,
            data,
            resource: 0,
            command: 0,
            exposures,
        }
    }

    /// Notes a table, which stays with the device until its reset as well.
    ///
    /// The device reads it again for each request, and the driver does not write all of it each time: a device that wrote there
    /// would have lost its way by its own hand.
    fn keep_table(&mut self, memory: &DeviceMemory, addr: u64, len: u32) {
        if !self.tables.contains(&(addr, len)) {
            self.tables.push((addr, len));
            self.exposures.push(memory.expose(addr, u64::from(len)));
        }
    }

    /// Notes memory of the queue's own, which stays with the device until its reset.
    fn last(&mut self, memory: &DeviceMemory, addr: u64, len: u32) {
        if !self.lasting.contains(&(addr, len)) {
            self.lasting.push((addr, len));
            self.exposures.push(memory.expose(addr, u64::from(len)));
        }
    }

    /// Takes a chain out of those the device has: it says that it is done with it.
    pub(crate) fn give_up(&mut self, memory: &DeviceMemory, position: usize) -> Chain {
        let mut chain = self.chains.remove(position);
        for exposure in chain.exposures.drain(..) {
            memory.conceal(exposure);
        }
        chain
    }

    /// Puts an entry into the used ring, and counts it.
    pub(crate) fn publish(&mut self, memory: &DeviceMemory, id: u32, len: u32) -> Vec<Chain> {
        if self.packed.is_some() {
            return self.publish_packed(memory, id, len);
        }
        let at = 4 + 8 * usize::from(self.published % self.size);
        let mut element = [0; 8];
        element[..4].copy_from_slice(&id.to_le_bytes());
        element[4..].copy_from_slice(&len.to_le_bytes());
        let mut given_up = self.write_used(memory, at, &element, false);
        self.published = self.published.wrapping_add(1);
        given_up.extend(self.write_used(memory, 2, &self.published.to_le_bytes(), false));
        given_up
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
                given_up.push(self.give_up(memory, position));
            }
        }
        given_up
    }
}

fn word(memory: &DeviceMemory, addr: u64) -> u16 {
    memory.load_u16(addr).unwrap_or_default()
}

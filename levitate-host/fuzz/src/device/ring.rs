//! The device's side of a virtqueue, split or packed, and what of memory it may reach by it: [`Ring`] (§2.7, §2.8).

use std::collections::VecDeque;

use levitate_host::dma::{AccessKind, DeviceMemory, Exposure};

mod chain;
mod driver_part;
mod forgery;
pub(crate) mod packed;
mod used;
mod walk;
mod wish;

pub(crate) use chain::{Chain, Framing, Part};
use forgery::Forgeries;
use packed::Packed;
pub(crate) use used::{Step, Use};
pub(crate) use wish::Wish;

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
    /// It uses what it has in the order it got it, in batches if it likes (VIRTIO_F_IN_ORDER).
    pub(crate) is_in_order: bool,
    next_fetch: u16,
    pub(crate) published: u16,
    /// Where the available ring ends by the device's own hand; the driver writes another index when it makes something available.
    forged_index: Option<u16>,
    /// The driver's part has something in it that the device wrote.
    pub(crate) driver_part_is_dirty: bool,
    /// The used ring has something in it that is no answer.
    pub(crate) used_is_dirty: bool,
    /// What the device has, the oldest first.
    pub(crate) chains: Vec<Chain>,
    /// What it used as it should, in this order, and the driver has not been seen to find.
    pub(crate) honest: VecDeque<Use>,
    /// Memory of the queue's own that was in a chain: the device may write it until its reset.
    pub(crate) lasting: Vec<(u64, u32)>,
    tables: Vec<(u64, u32)>,
    forgeries: Forgeries,
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
            is_in_order: false,
            next_fetch: 0,
            published: 0,
            forged_index: None,
            driver_part_is_dirty: false,
            used_is_dirty: false,
            chains: Vec::new(),
            honest: VecDeque::new(),
            lasting: Vec::new(),
            tables: Vec::new(),
            forgeries: Forgeries::default(),
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
            let chain = self.walk(memory, word(memory, entry))?;
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
}

fn word(memory: &DeviceMemory, addr: u64) -> u16 {
    memory.load_u16(addr).unwrap_or_default()
}

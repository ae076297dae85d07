//! A driver's side of a packed ring, over bare memory and by the specification alone: [`Driver`].

use std::collections::VecDeque;

use levitate_hal::DmaRegion;

use crate::device::Violations;
use crate::dma::{DeviceMemory, Pool};
use crate::queue::{Areas, Chain, DeviceQueue, RingError, RingFeatures, Used};

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// Bytes of each buffer, of which all descriptors that do not say otherwise share one.
pub(super) const BUFFER_BYTES: u32 = 64;
/// Descriptors that there is room for in an indirect table.
const TABLE_ENTRIES: usize = 8;

/// What a driver knows of its side, with the device's side beside it.
pub(super) struct Driver {
    pub(super) size: u16,
    pub(super) queue: DeviceQueue,
    pub(super) features: RingFeatures,
    pub(super) violations: Violations,
    pub(super) device: DeviceMemory,
    memory: DmaRegion<Pool>,
    buffer: DmaRegion<Pool>,
    pub(super) pool: Pool,
    /// Where the next descriptor goes, and the counter for it.
    pub(super) next: u16,
    pub(super) wrap: bool,
    /// Where the next used descriptor is looked for, and the counter for it.
    used: u16,
    used_wrap: bool,
    pub(super) free: u16,
    ids: Vec<u16>,
    /// How many descriptors the list of each ID takes.
    lists: Vec<u16>,
}

impl Driver {
    pub(super) fn new(size: u16, features: RingFeatures) -> Self {
        let pool = Pool::new();
        let ring_len = 16 * usize::from(size);
        let memory = DmaRegion::new(&pool, ring_len + 8, 16).unwrap();
        let buffer_len = BUFFER_BYTES as usize + 16 * TABLE_ENTRIES;
        let buffer = DmaRegion::new(&pool, buffer_len, 16).unwrap();
        let at = memory.device_addr().get();
        let areas = Areas {
            descriptor: at,
            driver: at + ring_len as u64,
            device: at + ring_len as u64 + 4,
        };
        let (mut queue, mut violations) = (DeviceQueue::default(), Violations::default());
        let device = pool.device_memory();
        let features = RingFeatures {
            packed: true,
            ..features
        };
        queue.enable(size, areas, features, &device, "MMIO-31", &mut violations);
        assert!(violations.as_slice().is_empty());
        assert!(queue.is_enabled());
        Self {
            size,
            queue,
            features,
            violations,
            device,
            memory,
            buffer,
            pool,
            next: 0,
            wrap: true,
            used: 0,
            used_wrap: true,
            free: size,
            ids: (0..size).rev().collect(),
            lists: vec![0; usize::from(size)],
        }
    }

    /// Returns where the shared buffer is.
    pub(super) fn buffer(&self) -> u64 {
        self.buffer.device_addr().get()
    }

    /// Writes what the driver tells of notifications that it wants.
    pub(super) fn set_event(&self, offset: u16, wrap: bool, flags: u16) {
        let at = 16 * usize::from(self.size);
        self.put(at, offset | u16::from(wrap) << 15);
        self.put(at + 2, flags);
    }

    /// Reads what the device told of notifications that it wants: offset, counter and flags.
    pub(super) fn device_event(&self) -> (u16, bool, u16) {
        let at = 16 * usize::from(self.size) + 4;
        let word = self.get(at);
        (word & 0x7fff, word >> 15 != 0, self.get(at + 2))
    }

    /// Returns the two bits for an available descriptor, at the present counter.
    pub(super) fn marks(&self) -> u16 {
        if self.wrap { 1 << 7 } else { 1 << 15 }
    }

    pub(super) fn put(&self, at: usize, value: u16) {
        self.memory.write(at, &value.to_le_bytes()).unwrap();
    }

    pub(super) fn get(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.memory.read(at).unwrap())
    }

    /// Writes a descriptor but for its flags.
    pub(super) fn write(&self, slot: u16, addr: u64, len_bytes: u32, id: u16) {
        let at = 16 * usize::from(slot);
        self.memory.write(at, &addr.to_le_bytes()).unwrap();
        self.memory.write(at + 8, &len_bytes.to_le_bytes()).unwrap();
        self.put(at + 12, id);
    }

    pub(super) fn write_flags(&self, slot: u16, flags: u16) {
        self.put(16 * usize::from(slot) + 14, flags);
    }

    /// Goes to the next descriptor.
    pub(super) fn step(&mut self) {
        self.next += 1;
        if self.next == self.size {
            self.next = 0;
            self.wrap = !self.wrap;
        }
    }

    /// Makes a list available, `readable` elements and then `writable` ones, if there is room; returns its ID.
    pub(super) fn offer(&mut self, readable: u16, writable: u16) -> Option<u16> {
        let count = readable + writable;
        if count > self.free {
            return None;
        }
        let id = self.ids.pop()?;
        let (first, mut first_flags) = (self.next, 0);
        for index in 0..count {
            let mut flags = self.marks();
            flags |= if index < readable { 0 } else { WRITE };
            flags |= if index + 1 < count { NEXT } else { 0 };
            self.write(self.next, self.buffer(), BUFFER_BYTES, id);
            if index == 0 {
                first_flags = flags;
            } else {
                self.write_flags(self.next, flags);
            }
            self.step();
        }
        self.write_flags(first, first_flags);
        self.free -= count;
        self.lists[usize::from(id)] = count;
        Some(id)
    }

    /// As [`offer`](Self::offer), in an indirect table, all of which have the same elements.
    pub(super) fn offer_indirect(&mut self, readable: u16, writable: u16) -> Option<u16> {
        if self.free == 0 {
            return None;
        }
        let id = self.ids.pop()?;
        for index in 0..readable + writable {
            let flags = if index < readable { 0 } else { WRITE };
            self.write_entry(index, flags);
        }
        let table = self.buffer() + u64::from(BUFFER_BYTES);
        let len_bytes = 16 * u32::from(readable + writable);
        self.write(self.next, table, len_bytes, id);
        self.write_flags(self.next, self.marks() | INDIRECT);
        self.step();
        self.free -= 1;
        self.lists[usize::from(id)] = 1;
        Some(id)
    }

    /// Writes an entry of the indirect table.
    pub(super) fn write_entry(&self, index: u16, flags: u16) {
        let at = BUFFER_BYTES as usize + 16 * usize::from(index);
        let addr = self.buffer().to_le_bytes();
        self.buffer.write(at, &addr).unwrap();
        let len_bytes = BUFFER_BYTES.to_le_bytes();
        self.buffer.write(at + 8, &len_bytes).unwrap();
        self.buffer.write(at + 14, &flags.to_le_bytes()).unwrap();
    }

    /// Takes one used descriptor, if there is one: its ID and, if anything was written, how much.
    pub(super) fn take(&mut self) -> Option<(u16, Option<u32>)> {
        let used = self.look()?;
        self.skip(used.0);
        Some(used)
    }

    /// As [`take`](Self::take), where it stands for all of `sent` up to the one it names.
    pub(super) fn take_batch(&mut self, sent: &mut VecDeque<u16>) -> Option<(u16, Option<u32>)> {
        let used = self.look()?;
        while let Some(id) = sent.pop_front() {
            self.skip(id);
            if id == used.0 {
                break;
            }
        }
        Some(used)
    }

    fn look(&self) -> Option<(u16, Option<u32>)> {
        let at = 16 * usize::from(self.used);
        let flags = self.get(at + 14);
        let marks = [flags >> 7 & 1 != 0, flags >> 15 != 0];
        if marks != [self.used_wrap; 2] {
            return None;
        }
        let len_bytes = u32::from_le_bytes(self.memory.read(at + 8).unwrap());
        Some((self.get(at + 12), (flags & WRITE != 0).then_some(len_bytes)))
    }

    /// Takes the list of `id` back, and goes on behind as many descriptors as it has.
    pub(super) fn skip(&mut self, id: u16) {
        let count = std::mem::take(&mut self.lists[usize::from(id)]);
        assert_ne!(count, 0, "{id} is not in flight");
        self.ids.push(id);
        self.free += count;
        for _ in 0..count {
            self.used += 1;
            if self.used == self.size {
                self.used = 0;
                self.used_wrap = !self.used_wrap;
            }
        }
    }

    /// Has the device take a list.
    pub(super) fn pop(&mut self) -> Result<Option<Chain>, RingError> {
        self.queue
            .pop(&self.device, self.features, &mut self.violations)
    }

    /// Has the device give lists back; true if it is to notify.
    pub(super) fn give_back(&mut self, used: Used) -> bool {
        self.queue
            .give_back(used, &self.device, self.features, &mut self.violations)
            .unwrap()
    }

    /// Has the device give one list back; true if it is to notify.
    pub(super) fn finish(&mut self, chain: &Chain, len_bytes: u32) -> bool {
        self.queue
            .check_unchanged(chain, &self.device, self.features, &mut self.violations);
        self.queue.land(chain.head);
        self.give_back(Used::new(chain, len_bytes))
    }

    /// Returns the rules that were broken.
    pub(super) fn broken(&self) -> Vec<&'static str> {
        let violations = self.violations.as_slice();
        violations.iter().map(|one| one.id).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.queue.disable(&self.device);
    }
}

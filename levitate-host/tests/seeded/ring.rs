//! A split virtqueue in memory, written byte by byte (§2.7): [`Ring`].

use levitate_hal::DmaRegion;
use levitate_host::Pool;

use crate::driver::SIZE;
use crate::message::Descriptor;

const ENTRIES: usize = SIZE as usize;
const USED_NO_NOTIFY: u16 = 1;

pub(crate) struct Ring {
    memory: DmaRegion<Pool>,
    /// Where the three areas begin, from the start of the memory.
    pub(crate) descriptors: usize,
    pub(crate) available: usize,
    pub(crate) used: usize,
    pub(crate) published: u16,
    taken: u16,
}

impl Ring {
    /// One block as version 1 wants it, which does for version 2 as well, with some bytes to spare.
    pub(crate) fn new(pool: &Pool) -> Self {
        let available = 16 * ENTRIES;
        let used = (available + 6 + 2 * ENTRIES).next_multiple_of(4096);
        let memory = DmaRegion::new(pool, used + 6 + 8 * ENTRIES + 16, 4096).unwrap();
        Self {
            memory,
            descriptors: 0,
            available,
            used,
            published: 0,
            taken: 0,
        }
    }

    /// Returns the addresses of the three areas.
    pub(crate) fn areas(&self) -> [u64; 3] {
        let start = self.memory.device_addr().get();
        [self.descriptors, self.available, self.used].map(|offset| start + offset as u64)
    }

    pub(crate) fn write_descriptor(&self, index: u16, descriptor: Descriptor) {
        let at = self.descriptors + 16 * usize::from(index);
        self.memory.write(at, &descriptor.to_bytes()).unwrap();
    }

    /// Makes the chain from `head` available.
    pub(crate) fn publish(&mut self, head: u16) {
        let slot = usize::from(self.published % SIZE);
        self.put(self.available + 4 + 2 * slot, head);
        self.set_available_index(self.published.wrapping_add(1));
    }

    pub(crate) fn set_available_index(&mut self, index: u16) {
        self.published = index;
        self.put(self.available + 2, index);
    }

    /// Says whether the device wants to hear of the chain published last (§2.7.10.1).
    pub(crate) fn wants_notification(&self, has_event_index: bool) -> bool {
        if has_event_index {
            self.get(self.used + 4 + 8 * ENTRIES) == self.published.wrapping_sub(1)
        } else {
            self.get(self.used) & USED_NO_NOTIFY == 0
        }
    }

    /// Takes one used chain, and asks for an interrupt with the next; false if there is none.
    pub(crate) fn take_used(&mut self) -> bool {
        let is_new = self.get(self.used + 2) != self.taken;
        if is_new {
            self.taken = self.taken.wrapping_add(1);
            self.put(self.available + 4 + 2 * ENTRIES, self.taken);
        }
        is_new
    }

    /// Writes a 16-bit number at an offset into the memory.
    pub(crate) fn put(&self, at: usize, value: u16) {
        self.memory.write(at, &value.to_le_bytes()).unwrap();
    }

    fn get(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.memory.read(at).unwrap())
    }
}

//! A driver's side of a packed virtqueue, written byte by byte (§2.8): [`PackedRing`].

use levitate_hal::DmaRegion;
use levitate_host::{DeviceMemory, Pool};

const NEXT: u16 = 1;
const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

const ENABLE: u16 = 0;
const DESC: u16 = 2;

/// One descriptor: address, length, and flags besides NEXT and the two that say whose it is.
pub(crate) type Element = (u64, u32, u16);

pub(crate) struct PackedRing {
    pub(crate) size: u16,
    pub(crate) memory: DmaRegion<Pool>,
    whole: DeviceMemory,
    /// Where the three areas begin, from the start of the memory.
    pub(crate) descriptors: usize,
    pub(crate) driver: usize,
    pub(crate) device: usize,
    /// Where the next descriptor goes, and the wrap counter for it.
    pub(crate) next: u16,
    pub(crate) wrap: bool,
    /// Where the next used descriptor is looked for, and the wrap counter for it.
    used: u16,
    used_wrap: bool,
    /// The descriptor that is left to be made available, and with which flags.
    held_back: Option<(u16, u16)>,
    /// Where the list published last begins, as its notification has it.
    published: u16,
    /// How many descriptors the list of each ID takes, which is one of the first few here.
    lists: [u16; 16],
}

impl PackedRing {
    pub(crate) fn new(pool: &Pool, size: u16) -> Self {
        // With some bytes to spare.
        let driver = 16 * usize::from(size) + 16;
        Self {
            size,
            memory: DmaRegion::new(pool, driver + 32, 16).unwrap(),
            whole: pool.device_memory(),
            descriptors: 0,
            driver,
            device: driver + 8,
            next: 0,
            wrap: true,
            used: 0,
            used_wrap: true,
            held_back: None,
            published: 0,
            lists: [0; 16],
        }
    }

    /// Returns the addresses of the three areas.
    pub(crate) fn areas(&self) -> [u64; 3] {
        let start = self.memory.device_addr().get();
        [self.descriptors, self.driver, self.device].map(|offset| start + offset as u64)
    }

    /// Returns the bits that make a descriptor available at the present counter.
    pub(crate) const fn marks(&self) -> u16 {
        if self.wrap { AVAIL } else { USED }
    }

    /// Returns offset and counter of the next descriptor, as a notification with data has them.
    pub(crate) fn position(&self) -> u16 {
        self.next | u16::from(self.wrap) << 15
    }

    /// Writes all of a list but the flags of its first descriptor, which [`publish`](Self::publish) is for.
    pub(crate) fn write_list(&mut self, elements: &[Element], id: u16) {
        self.write_part(elements, elements.len(), id);
    }

    /// As [`write_list`](Self::write_list), and nothing behind its first `count` descriptors.
    pub(crate) fn write_part(&mut self, elements: &[Element], count: usize, id: u16) {
        self.published = self.position();
        for (index, &(addr, len, flags)) in elements.iter().enumerate().take(count) {
            let is_last = index + 1 == elements.len();
            let flags = flags | self.marks() | if is_last { 0 } else { NEXT };
            let at = self.descriptors + 16 * usize::from(self.next);
            self.memory.write(at, &addr.to_le_bytes()).unwrap();
            self.memory.write(at + 8, &len.to_le_bytes()).unwrap();
            self.put(at + 12, id);
            if index == 0 {
                self.held_back = Some((self.next, flags));
            } else {
                self.write_flags(self.next, flags);
            }
            self.next += 1;
            if self.next == self.size {
                self.next = 0;
                self.wrap = !self.wrap;
            }
        }
        self.lists[usize::from(id)] = elements.len() as u16;
    }

    /// Makes the list available that was written last.
    pub(crate) fn publish(&mut self) {
        if let Some((slot, flags)) = self.held_back.take() {
            self.write_flags(slot, flags);
        }
    }

    pub(crate) fn write_flags(&self, slot: u16, flags: u16) {
        self.put(self.descriptors + 16 * usize::from(slot) + 14, flags);
    }

    /// Says whether the device wants to hear of the list published last (§2.8.10).
    pub(crate) fn wants_notification(&self) -> bool {
        match self.get(self.device + 2) {
            ENABLE => true,
            // One list at a time, so that the device waits for its first descriptor.
            DESC => self.get(self.device) == self.published,
            _ => false,
        }
    }

    /// Takes one used list, and says its ID and what was written if anything was.
    pub(crate) fn take_used(&mut self) -> Option<(u16, Option<u32>)> {
        let used = self.look()?;
        self.skip(used.0);
        Some(used)
    }

    /// As [`take_used`](Self::take_used), of one used descriptor that stands for the lists of all these IDs.
    pub(crate) fn take_used_for(&mut self, ids: &[u16]) -> Option<(u16, Option<u32>)> {
        let used = self.look()?;
        ids.iter().for_each(|id| self.skip(*id));
        Some(used)
    }

    fn look(&self) -> Option<(u16, Option<u32>)> {
        let at = self.descriptors + 16 * usize::from(self.used);
        let flags = self.get(at + 14);
        let wanted = if self.used_wrap { AVAIL | USED } else { 0 };
        if flags & (AVAIL | USED) != wanted {
            return None;
        }
        let id = self.get(at + 12);
        let len = u32::from_le_bytes(self.memory.read(at + 8).unwrap());
        Some((id, (flags & 2 != 0).then_some(len)))
    }

    /// Goes on behind the list of `id`; an ID that no list has takes no descriptors.
    fn skip(&mut self, id: u16) {
        for _ in 0..self.lists.get(usize::from(id)).copied().unwrap_or(0) {
            self.used += 1;
            if self.used == self.size {
                self.used = 0;
                self.used_wrap = !self.used_wrap;
            }
        }
    }

    /// Tells the device of which used descriptors the driver wants to hear.
    pub(crate) fn set_driver_event(&self, event: u16, flags: u16) {
        self.put(self.driver, event);
        self.put(self.driver + 2, flags);
    }

    /// Writes a 16-bit number at an offset into the memory; whole, for a device with a thread may be reading it.
    pub(crate) fn put(&self, at: usize, value: u16) {
        let addr = self.memory.device_addr().get() + at as u64;
        self.whole.store_u16(addr, value).unwrap();
    }

    pub(crate) fn get(&self, at: usize) -> u16 {
        let addr = self.memory.device_addr().get() + at as u64;
        self.whole.load_u16(addr).unwrap()
    }
}

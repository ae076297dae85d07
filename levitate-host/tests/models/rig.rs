//! A driver of a few lines that does only what a test tells it: [`Rig`].

use levitate_hal::{DmaRegion, DmaSlice, Mmio};
use levitate_host::device::DeviceModel;
use levitate_host::{Behaviour, MmioDevice, Pool, Version, VirtualClock};

pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

pub(crate) const INDIRECT_DESC: u64 = 1 << 28;
pub(crate) const EVENT_IDX: u64 = 1 << 29;
pub(crate) const VERSION_1: u64 = 1 << 32;
pub(crate) const IN_ORDER: u64 = 1 << 35;

/// A buffer for a chain: address, length, whether the device writes it.
pub(crate) type Part = (u64, u32, bool);

pub(crate) struct Ring {
    pub(crate) size: u16,
    memory: DmaRegion<Pool>,
    available: usize,
    used: usize,
    published: u16,
    next_free: u16,
}

pub(crate) struct Rig<M: DeviceModel> {
    pub(crate) rings: Vec<Ring>,
    pub(crate) device: MmioDevice<M>,
    pub(crate) clock: VirtualClock,
    pub(crate) pool: Pool,
    pub(crate) version: Version,
}

impl<M: DeviceModel> Rig<M> {
    /// Plugs the device in, without touching it.
    pub(crate) fn plug(model: M, version: Version, change: impl FnOnce(&mut Behaviour)) -> Self {
        let (pool, clock) = (Pool::new(), VirtualClock::new());
        let device = MmioDevice::builder(model)
            .version(version)
            .behave(change)
            .build(&pool, &clock);
        Self {
            rings: Vec::new(),
            device,
            clock,
            pool,
            version,
        }
    }

    /// Brings the device up with queues of `size` entries and those of the offered features that are in `wanted`.
    pub(crate) fn live(model: M, version: Version, queues: u32, size: u16, wanted: u64) -> Self {
        let mut rig = Self::plug(model, version, |_| ());
        rig.probe();
        rig.negotiate(wanted | VERSION_1);
        for index in 0..queues {
            rig.set_up_queue(index, size);
        }
        rig.go();
        rig
    }

    /// The rules that were broken since the last look.
    pub(crate) fn ids(&self) -> Vec<&'static str> {
        let found = self.device.take_violations();
        found.iter().map(|one| one.id).collect()
    }

    pub(crate) fn probe(&self) {
        for offset in [0x000, 0x004, 0x008] {
            self.device.read32(offset);
        }
    }

    pub(crate) fn status(&self) -> u32 {
        self.device.read32(0x070)
    }

    pub(crate) fn set_status(&self, value: u32) {
        self.device.write32(0x070, value);
    }

    pub(crate) fn reset(&self) {
        self.set_status(0);
        assert_eq!(self.status(), 0);
    }

    pub(crate) fn negotiate(&self, wanted: u64) {
        let device = &self.device;
        self.reset();
        self.set_status(1);
        self.set_status(3);
        device.write32(0x014, 0);
        let low = device.read32(0x010);
        device.write32(0x024, 0);
        device.write32(0x020, low & wanted as u32);
        if self.version == Version::Two {
            device.write32(0x014, 1);
            let high = device.read32(0x010);
            device.write32(0x024, 1);
            device.write32(0x020, high & (wanted >> 32) as u32);
            self.set_status(0xb);
            assert_eq!(self.status() & 8, 8);
        }
    }

    pub(crate) fn go(&self) {
        let up = match self.version {
            Version::One => 7,
            Version::Two => 0xf,
        };
        self.set_status(up);
    }

    pub(crate) fn set_up_queue(&mut self, index: u32, size: u16) {
        let ring = Ring::new(&self.pool, size);
        let [descriptor, driver, used] = ring.areas();
        let device = &self.device;
        if self.version == Version::One {
            device.write32(0x028, 4096);
        }
        device.write32(0x030, index);
        let in_use = match self.version {
            Version::One => 0x040,
            Version::Two => 0x044,
        };
        assert_eq!(device.read32(in_use), 0);
        assert!(device.read32(0x034) >= u32::from(size));
        device.write32(0x038, u32::from(size));
        match self.version {
            Version::One => {
                device.write32(0x03c, 4096);
                device.write32(0x040, (descriptor / 4096) as u32);
            }
            Version::Two => {
                for (register, addr) in [(0x080, descriptor), (0x090, driver), (0x0a0, used)] {
                    device.write32(register, addr as u32);
                    device.write32(register + 4, (addr >> 32) as u32);
                }
                device.write32(0x044, 1);
            }
        }
        self.rings.push(ring);
    }

    /// Memory for requests that holds `bytes`, and where the device finds it.
    pub(crate) fn buffer(&self, bytes: &[u8]) -> (DmaSlice<u8, Pool>, u64) {
        let mut slice = DmaSlice::new_zeroed(&self.pool, bytes.len()).unwrap();
        slice.copy_from_slice(bytes);
        let at = slice.device_addr().get();
        (slice, at)
    }

    pub(crate) fn notify(&self, queue: u32) {
        self.device.write32(0x050, queue);
    }

    /// Writes the chain, publishes it and notifies; returns its head.
    pub(crate) fn send(&mut self, queue: u32, parts: &[Part]) -> u16 {
        let ring = &mut self.rings[queue as usize];
        let head = ring.write_chain(parts);
        ring.publish(head);
        self.notify(queue);
        head
    }

    /// Restarts the device after a reset of the driver's making.
    pub(crate) fn bring_down(&mut self) {
        self.reset();
        self.rings.clear();
    }
}

impl<M: DeviceModel> Drop for Rig<M> {
    /// Takes the queues from the device before their memory goes.
    ///
    /// These tests feed a device what no driver may send, to see what it does; each asks for the complaints it is about.
    fn drop(&mut self) {
        self.device.behave(|behaviour| behaviour.reset_reads = 0);
        self.set_status(0);
        self.status();
        drop(self.device.take_complaints());
    }
}

impl Ring {
    /// Memory for a queue, laid out as version 1 wants it, which is fine for all.
    pub(crate) fn new(pool: &Pool, size: u16) -> Self {
        let n = usize::from(size);
        let (available, used) = (16 * n, (18 * n + 6).next_multiple_of(4096));
        Self {
            size,
            memory: DmaRegion::new(pool, used + 8 * n + 6, 4096).unwrap(),
            available,
            used,
            published: 0,
            next_free: 0,
        }
    }

    /// Where descriptors, available ring and used ring are.
    pub(crate) fn areas(&self) -> [u64; 3] {
        let at = self.memory.device_addr().get();
        [at, at + self.available as u64, at + self.used as u64]
    }

    pub(crate) fn write_descriptor(&self, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        let at = 16 * usize::from(index);
        self.memory.write(at, &addr.to_le_bytes()).unwrap();
        self.memory.write(at + 8, &len.to_le_bytes()).unwrap();
        self.put(at + 12, flags);
        self.put(at + 14, next);
    }

    pub(crate) fn write_chain(&mut self, parts: &[Part]) -> u16 {
        let head = self.next_free;
        for (position, &(addr, len, is_writable)) in parts.iter().enumerate() {
            let index = self.next_free;
            self.next_free = (index + 1) % self.size;
            let mut flags = if is_writable { WRITE } else { 0 };
            if position + 1 < parts.len() {
                flags |= NEXT;
            }
            self.write_descriptor(index, addr, len, flags, self.next_free);
        }
        head
    }

    pub(crate) fn publish(&mut self, head: u16) {
        self.put(
            self.available + 4 + 2 * usize::from(self.published % self.size),
            head,
        );
        self.set_available_index(self.published.wrapping_add(1));
    }

    pub(crate) fn set_available_index(&mut self, index: u16) {
        self.published = index;
        self.put(self.available + 2, index);
    }

    pub(crate) fn set_available_flags(&self, flags: u16) {
        self.put(self.available, flags);
    }

    pub(crate) fn set_used_event(&self, index: u16) {
        self.put(self.available + 4 + 2 * usize::from(self.size), index);
    }

    pub(crate) fn used_flags(&self) -> u16 {
        self.get(self.used)
    }

    pub(crate) fn used_index(&self) -> u16 {
        self.get(self.used + 2)
    }

    pub(crate) fn available_event(&self) -> u16 {
        self.get(self.used + 4 + 8 * usize::from(self.size))
    }

    pub(crate) fn used_element(&self, position: u16) -> (u32, u32) {
        let at = self.used + 4 + 8 * usize::from(position % self.size);
        (self.word(at), self.word(at + 4))
    }

    /// A word of the ring's memory at an offset of the test's own reckoning.
    pub(crate) fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.memory.read(at).unwrap())
    }

    fn put(&self, at: usize, value: u16) {
        self.memory.write(at, &value.to_le_bytes()).unwrap();
    }

    fn get(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.memory.read(at).unwrap())
    }
}

//! The registers of the hostile device, as the driver reads and writes them (§4.2.2, §4.2.4).

use super::ring::Ring;
use super::ring::packed::Packed;
use super::{CONFIG_BYTES, Device, Kind};
use crate::sabotage::Sabotage;
use crate::spec::{self, register};

impl Device {
    /// Answers a read of a register.
    pub(crate) fn read(&mut self, offset: usize, width: usize) -> u64 {
        if !self.is_inside(offset, width) {
            return u64::MAX;
        }
        if offset >= register::CONFIG {
            let mut bytes = [0xff; 8];
            let config = &self.config[(offset - register::CONFIG).min(CONFIG_BYTES)..];
            let count = width.min(config.len());
            bytes[..count].copy_from_slice(&config[..count]);
            return u64::from_le_bytes(bytes) & (u64::MAX >> (64 - 8 * width));
        }
        let mut value = self.register(offset);
        if let Some(position) = self.lies.iter().position(|lie| lie.offset == offset) {
            let lie = &mut self.lies[position];
            value = lie.value;
            lie.reads = lie.reads.saturating_sub(1);
            if lie.reads == 0 {
                self.lies.remove(position);
            }
        }
        if offset == register::STATUS && value & 0xff == 0 && self.is_resetting {
            // The driver takes this for the end of the reset.
            self.forget();
        }
        self.follow_queue_reset(offset, value);
        u64::from(value)
    }

    fn register(&mut self, offset: usize) -> u32 {
        let half = |value: u64, sel: u32| match sel {
            0 => value as u32,
            1 => (value >> 32) as u32,
            _ => 0,
        };
        match offset {
            register::MAGIC => spec::MAGIC,
            register::VERSION => self.version,
            register::DEVICE_ID => match self.kind {
                Kind::Bare => 42,
                Kind::Block => 2,
                Kind::Gpu => 16,
            },
            register::DEVICE_FEATURES => half(self.offered, self.feature_sel),
            register::QUEUE_SIZE_MAX if self.queue_sel == 0 => self.queue_size_max,
            register::QUEUE_PFN if self.version == 1 => self.ready,
            register::QUEUE_READY if self.version == 2 => self.ready,
            register::QUEUE_RESET => self.read_queue_reset(),
            register::INTERRUPT_STATUS => self.interrupt,
            register::STATUS => match self.stubborn.checked_sub(1) {
                Some(left) if self.is_resetting => {
                    self.stubborn = left;
                    1
                }
                _ => self.status,
            },
            register::GENERATION => {
                self.generation = self.generation.wrapping_add(u32::from(self.is_restless));
                self.generation
            }
            _ => 0,
        }
    }

    /// Takes a write to a register.
    pub(crate) fn write(&mut self, offset: usize, width: usize, value: u64) {
        if !self.is_inside(offset, width) || offset >= register::CONFIG {
            return;
        }
        let value = value as u32;
        self.queue_reset.interrupt();
        let set_half = |target: &mut u64, sel: u32| match sel {
            0 => *target = *target & !0xffff_ffff | u64::from(value),
            _ => *target = *target & 0xffff_ffff | u64::from(value) << 32,
        };
        match offset {
            register::DEVICE_FEATURES_SEL => self.feature_sel = value,
            0x020 => set_half(&mut self.accepted, self.accepted_sel),
            0x024 => self.accepted_sel = value,
            register::QUEUE_SEL => self.queue_sel = value,
            register::QUEUE_SIZE => self.queue_size = value,
            register::QUEUE_PFN if self.version == 1 && value != 0 => {
                let base = u64::from(value) << 12;
                let available = base + 16 * u64::from(self.queue_size);
                let end = available + 6 + 2 * u64::from(self.queue_size);
                self.enable(value, [base, available, end.next_multiple_of(4096)]);
            }
            register::QUEUE_READY if self.version == 2 && value != 0 => {
                self.enable(value, self.areas);
            }
            // It lied about its version; the driver cannot know that it took no notice.
            register::QUEUE_PFN | register::QUEUE_READY if value != 0 => self.stillborn += 1,
            register::QUEUE_RESET if value != 0 => self.start_queue_reset(),
            register::INTERRUPT_ACK => self.interrupt &= !value,
            register::STATUS if value == 0 => {
                self.status = 0;
                self.is_resetting = true;
            }
            register::STATUS if self.sabotage == Sabotage::NotReady => {
                self.status = value & !spec::DRIVER_OK;
            }
            register::STATUS => self.status = value,
            register::DESC_LOW => set_half(&mut self.areas[0], 0),
            register::DESC_HIGH => set_half(&mut self.areas[0], 1),
            register::DRIVER_LOW => set_half(&mut self.areas[1], 0),
            register::DRIVER_HIGH => set_half(&mut self.areas[1], 1),
            register::DEVICE_LOW => set_half(&mut self.areas[2], 0),
            register::DEVICE_HIGH => set_half(&mut self.areas[2], 1),
            _ => {}
        }
    }

    fn enable(&mut self, ready: u32, mut areas: [u64; 3]) {
        if self.sabotage == Sabotage::WrongAddress {
            areas[0] += 1 << 40;
        }
        self.ready = ready;
        if self.queue_sel != 0 {
            // There is no such queue, but its memory is known now.
            self.stillborn += 1;
            return;
        }
        let is_packed = self.accepted & spec::F_RING_PACKED != 0;
        let is_size =
            |size: &u16| size.is_power_of_two() || is_packed && (1..=1 << 15).contains(size);
        let size = u16::try_from(self.queue_size).ok();
        let Some(size) = size.filter(is_size) else {
            let size = self.queue_size;
            self.failures
                .push(format!("a queue has {size} descriptors"));
            return;
        };
        if self.ring.is_some() {
            self.failures
                .push("a queue is enabled twice between two resets".to_owned());
            return;
        }
        let packed = is_packed.then(|| Packed::new(!self.lacks_write_flag));
        match Ring::new(&self.memory, size, areas, self.framing, packed) {
            Ok(mut ring) => {
                ring.has_event_index = self.accepted & spec::F_EVENT_IDX != 0;
                ring.is_in_order = self.accepted & spec::F_IN_ORDER != 0;
                self.ring = Some(ring);
            }
            Err(why) => {
                self.stillborn += 1;
                self.failures.push(why);
            }
        }
    }

    /// The reset is done, by the device's word: it reaches nothing any more.
    pub(crate) fn forget(&mut self) {
        self.is_resetting = false;
        self.forget_queue();
        self.stillborn = 0;
        self.accepted = 0;
        self.interrupt = 0;
        self.queue_size = 0;
        self.areas = [0; 3];
        let screen = std::mem::take(&mut self.screen);
        screen.forget(&self.memory);
    }

    /// Says whether the region has such a place; an access elsewhere is a mistake of the driver.
    fn is_inside(&mut self, offset: usize, width: usize) -> bool {
        let is_inside = offset.is_multiple_of(width) && offset + width <= self.region_bytes;
        if !is_inside {
            self.failures.push(format!(
                "an access of {width} bytes at {offset:#x} to {:#x} bytes of registers",
                self.region_bytes
            ));
        }
        is_inside
    }
}

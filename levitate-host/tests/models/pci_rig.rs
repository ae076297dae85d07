//! A PCI driver of a few lines that does only what a test tells it: [`PciRig`].

use levitate_hal::{DmaSlice, Mmio};
use levitate_host::device::DeviceModel;
use levitate_host::pci::{PciBuilder, PciRegion};
use levitate_host::{BlockModel, PciDevice, Pool, VirtualClock};

use crate::rig::{Part, Ring, VERSION_1};

pub(crate) const COMMAND: usize = 0x04;
pub(crate) const MEMORY_ENABLE: u16 = 2;
pub(crate) const BUS_MASTER: u16 = 4;
pub(crate) const INTX_DISABLE: u16 = 0x400;

pub(crate) const DEVICE_FEATURE_SELECT: usize = 0;
pub(crate) const DEVICE_FEATURE: usize = 4;
pub(crate) const DRIVER_FEATURE_SELECT: usize = 8;
pub(crate) const DRIVER_FEATURE: usize = 12;
pub(crate) const CONFIG_VECTOR: usize = 16;
pub(crate) const NUM_QUEUES: usize = 18;
pub(crate) const STATUS: usize = 20;
pub(crate) const GENERATION: usize = 21;
pub(crate) const QUEUE_SELECT: usize = 22;
pub(crate) const QUEUE_SIZE: usize = 24;
pub(crate) const QUEUE_VECTOR: usize = 26;
pub(crate) const QUEUE_ENABLE: usize = 28;
pub(crate) const QUEUE_NOTIFY_OFF: usize = 30;
pub(crate) const QUEUE_ADDRESSES: usize = 32;
pub(crate) const QUEUE_NOTIF_CONFIG_DATA: usize = 56;
pub(crate) const QUEUE_RESET: usize = 58;

pub(crate) const NO_VECTOR: u16 = 0xffff;

/// How the driver reaches the structures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Bars,
    Window,
}

/// A structure as the capability list has it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) bar: u8,
    pub(crate) offset: u32,
}

pub(crate) struct PciRig<M: DeviceModel> {
    pub(crate) rings: Vec<Ring>,
    pub(crate) device: PciDevice<M>,
    pub(crate) config: PciRegion<M>,
    pub(crate) clock: VirtualClock,
    pub(crate) pool: Pool,
    pub(crate) via: Via,
    pub(crate) common: Found,
    pub(crate) notify: Found,
    pub(crate) isr: Found,
    pub(crate) specific: Found,
    pub(crate) window: Found,
    pub(crate) msix: Found,
}

impl<M: DeviceModel> PciRig<M> {
    /// Plugs the device in, without touching it.
    pub(crate) fn plug(model: M, change: impl FnOnce(PciBuilder<M>) -> PciBuilder<M>) -> Self {
        let (pool, clock) = (Pool::new(), VirtualClock::new());
        let device = change(PciDevice::builder(model)).build(&pool, &clock);
        Self {
            rings: Vec::new(),
            config: device.config_space(),
            device,
            clock,
            pool,
            via: Via::Bars,
            common: Found::default(),
            notify: Found::default(),
            isr: Found::default(),
            specific: Found::default(),
            window: Found::default(),
            msix: Found::default(),
        }
    }

    /// Gives the BARs addresses, turns the function on and finds the structures.
    pub(crate) fn probed(model: M, change: impl FnOnce(PciBuilder<M>) -> PciBuilder<M>) -> Self {
        let mut rig = Self::plug(model, change);
        rig.assign();
        rig.command(MEMORY_ENABLE | BUS_MASTER);
        rig.discover();
        rig
    }

    /// A rig that has agreed on VERSION_1 and those of `wanted`, and has not set up a queue.
    pub(crate) fn agreed(
        model: M,
        wanted: u64,
        change: impl FnOnce(PciBuilder<M>) -> PciBuilder<M>,
    ) -> Self {
        let rig = Self::probed(model, change);
        rig.negotiate(wanted | VERSION_1);
        rig
    }

    pub(crate) fn command(&self, value: u16) {
        self.config.write16(COMMAND, value);
    }

    pub(crate) fn assign(&self) {
        self.config.write32(0x14, 0x4000_0000);
        self.config.write32(0x18, 0x5000_0000);
        self.config.write32(0x1c, 1);
        self.config.write32(0x20, 0x6000_0000);
        self.config.write32(0x24, 1);
    }

    /// Walks the capability list; the first of each kind counts.
    pub(crate) fn discover(&mut self) {
        let mut next = self.config.read8(0x34);
        for _ in 0..48 {
            if next == 0 {
                return;
            }
            let at = usize::from(next);
            let found = Found {
                at,
                bar: self.config.read8(at + 4),
                offset: self.config.read32((at + 8) & !3),
            };
            let place = match (self.config.read8(at), self.config.read8(at + 3)) {
                (0x11, _) => Some(&mut self.msix),
                (0x09, 1) => Some(&mut self.common),
                (0x09, 2) => Some(&mut self.notify),
                (0x09, 3) => Some(&mut self.isr),
                (0x09, 4) => Some(&mut self.specific),
                (0x09, 5) => Some(&mut self.window),
                _ => None,
            };
            if let Some(place) = place
                && place.at == 0
            {
                *place = found;
            }
            next = self.config.read8(at + 1);
        }
    }

    /// Reads so many bytes of a structure.
    pub(crate) fn read(&self, of: Found, offset: usize, width: u32) -> u32 {
        let offset = of.offset + offset as u32;
        if self.via == Via::Window {
            self.open_window(of.bar, offset, width);
            let data = self.config.read32(self.window.at + 16);
            return data & (u32::MAX >> (32 - 8 * width));
        }
        let (bar, offset) = (self.device.bar(of.bar), offset as usize);
        match width {
            1 => u32::from(bar.read8(offset)),
            2 => u32::from(bar.read16(offset)),
            _ => bar.read32(offset),
        }
    }

    /// Writes so many bytes of a structure.
    pub(crate) fn write(&self, of: Found, offset: usize, width: u32, value: u32) {
        let offset = of.offset + offset as u32;
        if self.via == Via::Window {
            self.open_window(of.bar, offset, width);
            self.config.write32(self.window.at + 16, value);
            return;
        }
        let (bar, offset) = (self.device.bar(of.bar), offset as usize);
        match width {
            1 => bar.write8(offset, value as u8),
            2 => bar.write16(offset, value as u16),
            _ => bar.write32(offset, value),
        }
    }

    pub(crate) fn open_window(&self, bar: u8, offset: u32, width: u32) {
        let at = self.window.at;
        self.config.write8(at + 4, bar);
        self.config.write32(at + 8, offset);
        self.config.write32(at + 12, width);
    }

    pub(crate) fn get16(&self, field: usize) -> u16 {
        self.read(self.common, field, 2) as u16
    }

    pub(crate) fn set16(&self, field: usize, value: u16) {
        self.write(self.common, field, 2, u32::from(value));
    }

    pub(crate) fn get32(&self, field: usize) -> u32 {
        self.read(self.common, field, 4)
    }

    pub(crate) fn set32(&self, field: usize, value: u32) {
        self.write(self.common, field, 4, value);
    }

    pub(crate) fn status(&self) -> u8 {
        self.read(self.common, STATUS, 1) as u8
    }

    pub(crate) fn set_status(&self, value: u8) {
        self.write(self.common, STATUS, 1, u32::from(value));
    }

    pub(crate) fn reset(&self) {
        self.set_status(0);
        assert_eq!(self.status(), 0);
    }

    pub(crate) fn negotiate(&self, wanted: u64) {
        self.reset();
        self.set_status(1);
        self.set_status(3);
        for word in 0..2 {
            self.set32(DEVICE_FEATURE_SELECT, word);
            let offered = self.get32(DEVICE_FEATURE);
            self.set32(DRIVER_FEATURE_SELECT, word);
            self.set32(DRIVER_FEATURE, offered & (wanted >> (32 * word)) as u32);
        }
        self.set_status(0xb);
        assert_eq!(self.status() & 8, 8);
    }

    /// Turns MSI-X on, with message `0x100 + n` to address `0xfee0_0000 + n` for vector n.
    pub(crate) fn turn_msix_on(&self) {
        let control = self.config.read16(self.msix.at + 2);
        let table = self.config.read32(self.msix.at + 4);
        let bar = self.device.bar((table & 7) as u8);
        for vector in 0..=usize::from(control & 0x7ff) {
            let entry = (table & !7) as usize + 16 * vector;
            bar.write32(entry, 0xfee0_0000 + vector as u32);
            bar.write32(entry + 4, 0);
            bar.write32(entry + 8, 0x100 + vector as u32);
            bar.write32(entry + 12, 0);
        }
        self.config.write16(self.msix.at + 2, 0x8000);
    }

    pub(crate) fn set_up_queue(&mut self, index: u16, size: u16, vector: Option<u16>) {
        let ring = self.describe_queue(index, size);
        if let Some(vector) = vector {
            self.set16(QUEUE_VECTOR, vector);
            assert_eq!(self.get16(QUEUE_VECTOR), vector);
        }
        self.set16(QUEUE_ENABLE, 1);
        self.rings.push(ring);
    }

    /// Says all of a queue but its vector, and does not enable it.
    pub(crate) fn describe_queue(&self, index: u16, size: u16) -> Ring {
        let ring = Ring::new(&self.pool, size);
        self.set16(QUEUE_SELECT, index);
        assert!(self.get16(QUEUE_SIZE) >= size);
        self.set16(QUEUE_SIZE, size);
        self.write_areas(ring.areas());
        ring
    }

    pub(crate) fn write_areas(&self, areas: [u64; 3]) {
        for (position, area) in areas.into_iter().enumerate() {
            let field = QUEUE_ADDRESSES + 8 * position;
            self.set32(field, area as u32);
            self.set32(field + 4, (area >> 32) as u32);
        }
    }

    /// Where a queue is notified, in the notification structure.
    pub(crate) fn doorbell(&self, queue: u16) -> usize {
        self.set16(QUEUE_SELECT, queue);
        let multiplier = self.config.read32(self.notify.at + 16);
        usize::from(self.get16(QUEUE_NOTIFY_OFF)) * multiplier as usize
    }

    pub(crate) fn notify(&self, queue: u16) {
        let doorbell = self.doorbell(queue);
        self.write(self.notify, doorbell, 2, u32::from(queue));
    }

    /// Memory for requests that holds `bytes`, and where the device finds it.
    pub(crate) fn buffer(&self, bytes: &[u8]) -> (DmaSlice<u8, Pool>, u64) {
        let mut slice = DmaSlice::new_zeroed(&self.pool, bytes.len()).unwrap();
        slice.copy_from_slice(bytes);
        let at = slice.device_addr().get();
        (slice, at)
    }

    /// Writes the chain and publishes it.
    pub(crate) fn publish(&mut self, queue: u16, parts: &[Part]) {
        let ring = &mut self.rings[usize::from(queue)];
        let head = ring.write_chain(parts);
        ring.publish(head);
    }

    pub(crate) fn ids(&self) -> Vec<&'static str> {
        let found = self.device.take_violations();
        found.iter().map(|one| one.id).collect()
    }
}

/// What is on the disk.
fn content() -> Vec<u8> {
    (0..8 * 512).map(|at| (at / 512 * 31 + at) as u8).collect()
}

pub(crate) fn disk() -> BlockModel {
    BlockModel::new(content())
}

impl PciRig<BlockModel> {
    /// A disk that is live, with its one queue mapped to vector 1 and changes of its size to vector 0.
    pub(crate) fn disk(
        change: impl FnOnce(PciBuilder<BlockModel>) -> PciBuilder<BlockModel>,
    ) -> Self {
        let mut rig = Self::agreed(disk(), 0, change);
        rig.turn_msix_on();
        rig.set16(CONFIG_VECTOR, 0);
        assert_eq!(rig.get16(CONFIG_VECTOR), 0);
        rig.set_up_queue(0, 8, Some(1));
        rig.set_status(0xf);
        rig
    }

    /// Reads a sector, and checks that the device had the right one.
    pub(crate) fn read_sector(&mut self, sector: u8) {
        let mut header = [0; 16];
        header[8] = sector;
        let (_header, header_at) = self.buffer(&header);
        let (data, data_at) = self.buffer(&[0xee; 512]);
        let (status, status_at) = self.buffer(&[0xee]);
        let used = self.rings[0].used_index();
        self.publish(
            0,
            &[
                (header_at, 16, false),
                (data_at, 512, true),
                (status_at, 1, true),
            ],
        );
        self.notify(0);
        assert_eq!(self.rings[0].used_index(), used.wrapping_add(1));
        assert_eq!(self.rings[0].used_element(used).1, 513);
        assert_eq!(status[0], 0);
        let from = 512 * usize::from(sector);
        assert_eq!(data[..], content()[from..from + 512]);
    }
}

impl<M: DeviceModel> Drop for PciRig<M> {
    /// Takes the queues from the device before their memory goes.
    fn drop(&mut self) {
        self.device.behave(|behaviour| behaviour.reset_reads = 0);
        self.via = Via::Bars;
        if self.common.at != 0 {
            self.assign();
            self.command(MEMORY_ENABLE);
            self.set_status(0);
            self.status();
        }
        drop(self.device.take_complaints());
    }
}

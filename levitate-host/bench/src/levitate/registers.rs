//! The registers of a block device behind virtio-mmio, version 2: [`Registers`] (§4.2.2).
//!
//! They keep what they are told; a notification only counts.

use std::cell::Cell;
use std::rc::Rc;

use levitate_hal::{Mmio, accesses_by_width};

use crate::device::{Areas, Device};

/// Where registers are (§4.2.2); halves of 64 bits have the lower one first.
const MAGIC_VALUE: usize = 0x000;
const VERSION: usize = 0x004;
const DEVICE_ID: usize = 0x008;
const DEVICE_FEATURES: usize = 0x010;
const DEVICE_FEATURES_SEL: usize = 0x014;
const DRIVER_FEATURES: usize = 0x020;
const DRIVER_FEATURES_SEL: usize = 0x024;
const QUEUE_SIZE_MAX: usize = 0x034;
const QUEUE_SIZE: usize = 0x038;
const QUEUE_READY: usize = 0x044;
const QUEUE_NOTIFY: usize = 0x050;
const STATUS: usize = 0x070;
const QUEUE_DESC: usize = 0x080;
const QUEUE_DRIVER: usize = 0x090;
const QUEUE_DEVICE: usize = 0x0a0;
const CONFIG: usize = 0x100;

/// "virt", and the device type of disks.
const MAGIC: u32 = 0x7472_6976;
const BLOCK: u32 = 2;

/// Largest queue, as devices have it.
const MAX_QUEUE_SIZE: u32 = 256;

/// Sectors of the disk, the first field of its configuration.
const CAPACITY_SECTORS: u64 = 1 << 20;

/// The region; clones are the same registers.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    offered: u64,
    accepted: Cell<u64>,
    /// Which half of the features is looked at.
    half: Cell<usize>,
    status: Cell<u32>,
    size: Cell<u16>,
    is_ready: Cell<bool>,
    /// Descriptor, driver and device area.
    areas: [Cell<u64>; 3],
    notifications: Cell<u64>,
}

impl Registers {
    /// Makes a device that offers these features.
    pub(super) fn new(offered: u64) -> Self {
        let shared = Rc::new(Shared {
            offered,
            ..Shared::default()
        });
        Self { shared }
    }

    /// Returns the features that the driver has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.shared.accepted.get()
    }

    /// Returns the device behind the queue that the driver has set up.
    ///
    /// # Panics
    ///
    /// There is none, or it is none that the device knows.
    pub(super) fn device(&self) -> Device {
        let shared = &self.shared;
        assert!(shared.is_ready.get(), "the driver has set its queue up");
        let [descriptor, driver, device] = shared.areas.each_ref().map(Cell::get);
        let areas = Areas {
            size: shared.size.get(),
            descriptor,
            driver,
            device,
        };
        // SAFETY: the driver keeps it as the specification says, and what it is given lives as long as the program.
        unsafe { Device::new(shared.accepted.get(), areas) }
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        let shared = &self.shared;
        match offset {
            MAGIC_VALUE => MAGIC.into(),
            VERSION => 2,
            DEVICE_ID => BLOCK.into(),
            DEVICE_FEATURES => shared.offered >> (32 * shared.half.get()) & u64::from(u32::MAX),
            QUEUE_SIZE_MAX => MAX_QUEUE_SIZE.into(),
            QUEUE_READY => shared.is_ready.get().into(),
            STATUS => shared.status.get().into(),
            _ if offset >= CONFIG && offset + width_bytes <= CONFIG + size_of::<u64>() => {
                CAPACITY_SECTORS >> (8 * (offset - CONFIG))
            }
            _ => 0,
        }
    }

    #[inline(always)]
    fn write(&self, offset: usize, _width_bytes: usize, value: u64) {
        let shared = &self.shared;
        if offset == QUEUE_NOTIFY {
            shared.notifications.set(shared.notifications.get() + 1);
        } else {
            self.set_up(offset, value);
        }
    }

    #[cold]
    fn set_up(&self, offset: usize, value: u64) {
        let shared = &self.shared;
        let set = |cell: &Cell<u64>, half: usize| {
            let kept = u64::from(u32::MAX) << (32 * (1 - half));
            cell.set(cell.get() & kept | value << (32 * half));
        };
        match offset {
            DEVICE_FEATURES_SEL | DRIVER_FEATURES_SEL => shared.half.set(value as usize & 1),
            DRIVER_FEATURES => set(&shared.accepted, shared.half.get()),
            QUEUE_SIZE => shared.size.set(value as u16),
            QUEUE_READY => shared.is_ready.set(value & 1 != 0),
            STATUS => {
                shared.status.set(value as u32);
                if value == 0 {
                    shared.is_ready.set(false);
                }
            }
            _ => {
                let starts = [QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE];
                for (area, start) in shared.areas.iter().zip(starts) {
                    if let Some(half) = [start, start + 4].iter().position(|at| *at == offset) {
                        set(area, half);
                    }
                }
            }
        }
    }
}

impl Mmio for Registers {
    fn len_bytes(&self) -> usize {
        CONFIG + size_of::<u64>()
    }

    accesses_by_width!();
}

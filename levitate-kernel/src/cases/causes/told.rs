//! What a driver told a device of its queue: [`Told`].

use core::cell::Cell;
use core::sync::atomic::{AtomicU16, Ordering};
use core::time::Duration;

use levitate_hal::{Clock, Deadline};
use levitate_virtio::queue::layout;

use super::names::Name;
use crate::memory::frames;
use crate::platform::KernelClock;

/// What was written to the registers that say where the queue is; the drivers tried here have one queue each.
#[derive(Debug, Default)]
pub(super) struct Told {
    size: Cell<usize>,
    page: Cell<usize>,
    device_area_low: Cell<u32>,
    device_area_high: Cell<u32>,
}

impl Told {
    /// Remembers a write of a register.
    pub(super) fn note(&self, name: Name, value: u32) {
        match name {
            Name::QueueSize => self.size.set(value as usize),
            Name::QueuePage => self.page.set(value as usize),
            Name::DeviceAreaLow => self.device_area_low.set(value),
            Name::DeviceAreaHigh => self.device_area_high.set(value),
            _ => {}
        }
    }

    /// Waits until the device has put an answer into the used ring, which it aligns to `align_bytes` on version 1.
    ///
    /// There is no telling how long that takes on a busy host, and the bound is only there so that a device that never
    /// answers does not stop everything.
    pub(super) fn wait_for_answer(&self, align_bytes: usize) {
        const HANG: Duration = Duration::from_secs(60);
        let Some(used_idx) = self.used_idx(align_bytes) else {
            return;
        };
        let deadline = Deadline::after(&KernelClock, HANG);
        // Acquire: partner is the device, which writes the answer before idx (§2.7.8.2).
        while used_idx.load(Ordering::Acquire) == 0 && !deadline.is_missed(&KernelClock) {
            KernelClock.relax();
        }
    }

    /// Returns `idx` of the device's used ring, 0 before its first answer.
    fn used_idx(&self, align_bytes: usize) -> Option<&AtomicU16> {
        let used_ring = match self.page.get() {
            0 => {
                let [low, high] = [&self.device_area_low, &self.device_area_high].map(Cell::get);
                usize::try_from((u64::from(high) << 32) | u64::from(low)).ok()?
            }
            // QEMU leaves `used_event` out of the formula of §2.7.2, which makes a difference for small alignments only.
            page => {
                let size = self.size.get();
                let available_end =
                    size_of::<layout::Descriptor>() * size + layout::AVAILABLE_RING + 2 * size;
                page * layout::LEGACY_ALIGN + available_end.next_multiple_of(align_bytes)
            }
        };
        let start = used_ring + layout::USED_IDX;
        if !start.is_multiple_of(align_of::<AtomicU16>())
            || !frames::is_memory(start..start + size_of::<AtomicU16>())
        {
            return None;
        }
        // SAFETY: an aligned number in memory, which is mapped where it is. The driver whose queue it is keeps it until the
        // device is reset, which it does not do while it waits for a register to be read; nobody but the device writes it.
        Some(unsafe { AtomicU16::from_ptr(start as *mut u16) })
    }
}

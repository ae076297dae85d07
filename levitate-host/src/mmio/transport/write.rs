//! What a write to each register does.

use levitate_hal::Instant;

use super::*;
use crate::device::feature::NOTIFICATION_DATA;

/// A number of queues that no QueueSel can reach (QEMU: `VIRTIO_QUEUE_MAX`).
const QUEUES_LIMIT: u32 = 1024;
/// The interrupt bits there are.
const INTERRUPT_BITS: u32 = 3;

impl<M: DeviceModel> Transport<M> {
    /// Writes; the instant returned is when the device wants to be called.
    pub(in crate::mmio) fn write(
        &mut self,
        offset: usize,
        width_bytes: usize,
        value: u64,
    ) -> Option<Instant> {
        self.log.push(Access {
            operation: Operation::Write,
            offset,
            width_bytes,
            value,
        });
        if !self.is_possible(Operation::Write, offset, width_bytes) || self.device_id() == 0 {
            return None;
        }
        if offset >= CONFIG {
            let bytes = value.to_le_bytes();
            if let Some(written) = bytes.get(..width_bytes) {
                self.core.write_config(offset - CONFIG, written);
            }
            return None;
        }
        if width_bytes != 4 {
            return None;
        }
        self.write_register(offset, value as u32)
    }

    fn write_register(&mut self, offset: usize, value: u32) -> Option<Instant> {
        if offset != STATUS {
            self.core.before_write(&format!("register {offset:#x}"));
            if self.core.is_resetting() {
                return None;
            }
        }
        let is_legacy = self.version == Version::One;
        match (offset, rights(offset, self.version)) {
            (_, Rights::OtherVersion)
                if is_legacy && offset != SHM_SEL && offset != QUEUE_RESET =>
            {
                self.guest_error(format!(
                    "write to non-legacy register ({offset:#x}) in legacy mode"
                ));
            }
            (GUEST_PAGE_SIZE | QUEUE_ALIGN | QUEUE_PFN, Rights::OtherVersion) => {
                self.guest_error(format!(
                    "write to legacy register ({offset:#x}) in non-legacy mode"
                ));
            }
            (DEVICE_FEATURES_SEL, _) => self.device_features_sel = Some(value),
            (DRIVER_FEATURES_SEL, _) => self.driver_features_sel = Some(value),
            (DRIVER_FEATURES, _) => self.write_driver_features(value),
            (GUEST_PAGE_SIZE, _) => self.write_page_size(value),
            // One that is too large is dropped, and the queue selected before stays selected.
            (QUEUE_SEL, _) if value < QUEUES_LIMIT => self.queue_sel = value,
            (QUEUE_SEL, _) => {}
            (QUEUE_SIZE, _) => self.write_queue_size(value),
            (QUEUE_ALIGN, _) => self.write_queue_align(value),
            (QUEUE_PFN, _) => self.write_queue_pfn(value),
            (QUEUE_READY, _) => self.write_queue_ready(value),
            (QUEUE_RESET, Rights::ReadWrite) if let Some(reads) = self.queue_reset_reads() => {
                self.write_queue_reset(value, reads);
            }
            (QUEUE_NOTIFY, _) => return self.write_notify(value),
            (INTERRUPT_ACK, _) => {
                if value & !INTERRUPT_BITS != 0 {
                    self.violation("MMIO-18", format!("{value:#x} was written to InterruptACK"));
                }
                let untold = value & INTERRUPT_BITS & !self.interrupts_told;
                if untold != 0 {
                    let what = format!("{untold:#x} was acknowledged and never read");
                    self.violation("MMIO-28", what);
                }
                self.interrupts_told &= !value;
                self.core.interrupt_status &= !value;
            }
            (STATUS, _) => self.write_status(value),
            (
                QUEUE_DESC_LOW | QUEUE_DESC_HIGH | QUEUE_DRIVER_LOW | QUEUE_DRIVER_HIGH
                | QUEUE_DEVICE_LOW | QUEUE_DEVICE_HIGH,
                _,
            ) => self.write_area(offset, value),
            (_, Rights::ReadOnly) => {
                self.guest_error(format!("write to read-only register ({offset:#x})"));
            }
            // Among them SHMSel, and QueueReset unless a test wants it, which QEMU does not have.
            _ => self.guest_error(format!("bad register offset ({offset:#x})")),
        }
        None
    }

    fn write_driver_features(&mut self, value: u32) {
        let Some(selector) = self.driver_features_sel else {
            self.violation(
                "MMIO-11",
                "DriverFeatures was written before DriverFeaturesSel".to_owned(),
            );
            self.core.write_features(0, value);
            return;
        };
        match (self.version, selector) {
            (Version::One, 1..) => self.guest_error(
                "attempt to write guest features with guest_features_sel > 0 in legacy mode"
                    .to_owned(),
            ),
            (_, 0) => self.core.write_features(0, value),
            (Version::Two, _) => self.core.write_features(1, value),
        }
    }

    fn write_page_size(&mut self, value: u32) {
        if !value.is_power_of_two() {
            self.violation(
                "LMMIO-02",
                format!("GuestPageSize {value} is not a power of two"),
            );
        }
        self.is_page_size_written = true;
        // Of zero there are 32, and QEMU takes that for none.
        self.page_shift = value.trailing_zeros() % 32;
    }

    fn write_notify(&mut self, value: u32) -> Option<Instant> {
        let has_data = self.core.negotiated() & NOTIFICATION_DATA != 0;
        let index = match has_data {
            true => value & 0xffff,
            false => value,
        };
        if index as usize >= self.queues.len() {
            self.violation("MMIO-32", format!("{value:#x} was written to QueueNotify"));
            return None;
        }
        let queue = index as u16;
        if has_data {
            self.core.check_notified_of(queue, (value >> 16) as u16);
        }
        self.core.notify(queue)
    }

    fn write_status(&mut self, value: u32) {
        if value > 0xff {
            self.violation("STATUS-01", format!("{value:#x} was written to Status"));
        }
        if value & 0xff == 0 {
            self.reset();
        } else {
            self.core.write_status(value as u8);
        }
    }

    /// Resets the device and the registers; the page size and each queue's alignment outlive it.
    pub(super) fn reset(&mut self) {
        self.core.reset();
        self.queue_sel = 0;
        self.interrupts_told = 0;
        let size = self.core.behaviour.queue_size_max;
        for queue in &mut self.queues {
            let align = queue.align;
            *queue = QueueRegisters::new(size);
            queue.align = align;
        }
    }
}

//! What a read of each register returns.

use super::*;

impl<M: DeviceModel> Transport<M> {
    /// Reads; all ones where nothing answers.
    pub(in crate::mmio) fn read(&mut self, offset: usize, width_bytes: usize) -> u64 {
        let value = if !self.is_possible(Operation::Read, offset, width_bytes) {
            u64::MAX >> (64 - 8 * width_bytes)
        } else if self.device_id() == 0 {
            u64::from(self.read_empty(offset))
        } else if offset >= CONFIG {
            let mut bytes = [0; 8];
            if let Some(wanted) = bytes.get_mut(..width_bytes) {
                self.core.read_config(offset - CONFIG, wanted);
            }
            u64::from_le_bytes(bytes)
        } else if width_bytes == 4 {
            u64::from(self.read_register(offset))
        } else {
            0
        };
        self.log.push(Access {
            operation: Operation::Read,
            offset,
            width_bytes,
            value,
        });
        value
    }

    /// A transport with no device: the first registers answer, all others are 0.
    fn read_empty(&self, offset: usize) -> u32 {
        match offset {
            MAGIC_VALUE => self.core.behaviour.magic,
            VERSION => self.shown_version(),
            VENDOR_ID => self.core.behaviour.vendor_id,
            _ => 0,
        }
    }

    pub(super) fn shown_version(&self) -> u32 {
        let own = match self.version {
            Version::One => 1,
            Version::Two => 2,
        };
        self.core.behaviour.version.unwrap_or(own)
    }

    fn read_register(&mut self, offset: usize) -> u32 {
        let is_legacy = self.version == Version::One;
        match offset {
            MAGIC_VALUE | VERSION | VENDOR_ID => self.read_empty(offset),
            DEVICE_ID => self.device_id(),
            DEVICE_FEATURES => self.read_device_features(),
            QUEUE_SIZE_MAX => {
                if is_legacy && self.selected().is_some_and(|queue| queue.pfn != 0) {
                    self.violation(
                        "LMMIO-04",
                        "QueueSizeMax was read while QueuePFN was not 0".to_owned(),
                    );
                }
                let max = self.core.behaviour.queue_size_max;
                self.note(|queue| queue.is_max_read = true);
                self.selected().map_or(0, |_| max)
            }
            QUEUE_PFN if is_legacy => {
                self.note(|queue| queue.is_checked = true);
                self.selected().map_or(0, |queue| queue.pfn)
            }
            QUEUE_READY if !is_legacy => {
                self.note(|queue| queue.is_checked = true);
                self.selected().map_or(0, |queue| u32::from(queue.is_ready))
            }
            QUEUE_RESET if !is_legacy && self.queue_reset_reads().is_some() => {
                self.read_queue_reset()
            }
            INTERRUPT_STATUS => {
                self.interrupts_told |= self.core.interrupt_status;
                self.core.interrupt_status
            }
            STATUS => u32::from(self.core.read_status()),
            CONFIG_GENERATION if !is_legacy => self.core.read_generation(),
            // There is no shared memory region. QEMU says so with the length only.
            SHM_LEN_LOW | SHM_LEN_HIGH => u32::MAX,
            SHM_BASE_LOW | SHM_BASE_HIGH => 0,
            QUEUE_PFN => {
                self.guest_error(format!(
                    "read from legacy register ({offset:#x}) in non-legacy mode"
                ));
                0
            }
            QUEUE_READY | CONFIG_GENERATION => {
                self.guest_error(format!(
                    "read from non-legacy register ({offset:#x}) in legacy mode"
                ));
                0
            }
            _ => {
                let what = match rights(offset, Version::One) {
                    Rights::WriteOnly => "read of write-only register",
                    _ if rights(offset, Version::Two) == Rights::WriteOnly => {
                        "read of write-only register"
                    }
                    _ => "bad register offset",
                };
                self.guest_error(format!("{what} ({offset:#x})"));
                0
            }
        }
    }

    fn read_device_features(&mut self) -> u32 {
        let Some(selector) = self.device_features_sel else {
            self.violation(
                "MMIO-10",
                "DeviceFeatures was read before DeviceFeaturesSel was written".to_owned(),
            );
            return self.core.offered() as u32;
        };
        match (self.version, selector) {
            (_, 0) => self.core.offered() as u32,
            (Version::One, _) => 0,
            // QEMU takes every other word for the second one.
            (Version::Two, _) => (self.core.offered() >> 32) as u32,
        }
    }
}

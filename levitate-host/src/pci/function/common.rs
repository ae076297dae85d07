//! The common configuration: features, status, and the way to the queues (§4.1.4.3).

use super::*;
use crate::device::DRIVER_OK;

impl<M: DeviceModel> Function<M> {
    pub(super) fn read_common(&mut self, offset: usize, width_bytes: usize) -> u64 {
        if !self.check_field(Operation::Read, offset, width_bytes) {
            return 0;
        }
        match offset {
            DEVICE_FEATURE_SELECT => u64::from(self.device_feature_select),
            DEVICE_FEATURE => word_of(self.core.offered(), self.device_feature_select),
            DRIVER_FEATURE_SELECT => u64::from(self.driver_feature_select),
            DRIVER_FEATURE => word_of(self.core.driver_features, self.driver_feature_select),
            CONFIG_MSIX_VECTOR => {
                self.config_vector.is_unread = false;
                u64::from(self.config_vector.vector)
            }
            NUM_QUEUES => self.queues.len() as u64,
            DEVICE_STATUS => u64::from(self.core.read_status()),
            CONFIG_GENERATION => u64::from(self.core.read_generation() & 0xff),
            QUEUE_SELECT => u64::from(self.queue_select),
            _ => self.read_queue(offset),
        }
    }

    pub(super) fn write_common(&mut self, offset: usize, width_bytes: usize, value: u64) {
        if !self.check_field(Operation::Write, offset, width_bytes) {
            return;
        }
        if offset == DEVICE_STATUS {
            self.write_status(value as u8);
            return;
        }
        self.core
            .before_write(&format!("offset {offset} of the common configuration"));
        if self.core.is_resetting() {
            return;
        }
        match offset {
            DEVICE_FEATURE_SELECT => self.device_feature_select = value as u32,
            DRIVER_FEATURE_SELECT => self.driver_feature_select = value as u32,
            DRIVER_FEATURE => self.write_driver_feature(value as u32),
            CONFIG_MSIX_VECTOR => self.config_vector = self.map(value as u16),
            QUEUE_SELECT => self.queue_select = value as u16,
            _ => self.write_queue(offset, value),
        }
    }

    /// Says whether there is such a field to be accessed so; what is wrong is noted.
    fn check_field(&mut self, operation: Operation, offset: usize, width_bytes: usize) -> bool {
        let access =
            format!("{operation:?} of {width_bytes} bytes at {offset} of the common configuration");
        let Some(field) = field(offset).filter(|field| field.width_bytes == width_bytes) else {
            self.violation("PCI-05", format!("{access}, which is no field"));
            return false;
        };
        if operation == Operation::Write && !field.is_writable {
            let is_of_admin_queue = matches!(offset, ADMIN_QUEUE_INDEX | ADMIN_QUEUE_NUM);
            if is_of_admin_queue {
                self.guest_error(format!("{access}, which is read-only"));
            } else {
                self.violation("PCI-15", format!("{access}, which is read-only"));
            }
            return false;
        }
        if let Some(feature) = field.feature
            && !self.has_negotiated(feature)
        {
            self.violation("CFG-04", format!("{access}, which needs feature {feature}"));
            return false;
        }
        true
    }

    fn write_driver_feature(&mut self, value: u32) {
        let word = self.driver_feature_select;
        if word < 2 {
            self.core.write_features(word, value);
        } else if value != 0 {
            self.violation(
                "FEAT-01",
                format!("features {value:#x} of word {word} were accepted and not offered"),
            );
        }
    }

    fn write_status(&mut self, value: u8) {
        if value == 0 {
            self.reset();
            return;
        }
        if value & !self.core.status & DRIVER_OK != 0 {
            self.check_vectors_read();
        }
        self.core.write_status(value);
    }

    /// A driver cannot know that an event has a vector before it has looked (§4.1.5.1.2.2).
    fn check_vectors_read(&mut self) {
        let queues = self.queues.iter().map(|queue| queue.vector);
        let unread = queues
            .chain([self.config_vector])
            .filter(|mapping| mapping.is_unread)
            .count();
        if unread > 0 {
            self.violation(
                "PCI-35",
                format!("DRIVER_OK was set and {unread} vectors were not read back"),
            );
        }
    }
}

/// Returns word `select` of 64 bits of features; there are no others.
const fn word_of(features: u64, select: u32) -> u64 {
    match select {
        0 => features & 0xffff_ffff,
        1 => features >> 32,
        _ => 0,
    }
}

//! Notifications by the driver: which queue they are for, and whether they are as they should be (§4.1.4.4, §4.1.5.2).

use super::super::header::BUS_MASTER;
use super::*;

impl<M: DeviceModel> Function<M> {
    /// Returns `queue_notify_off` of a queue.
    pub(super) fn notify_offset(&self, queue: u16) -> u16 {
        let chosen = self.traits.notify_offsets.get(usize::from(queue));
        chosen.copied().unwrap_or(queue)
    }

    /// Returns `queue_notif_config_data` of a queue.
    pub(super) const fn notif_config_data(&self, queue: u16) -> u16 {
        self.traits.notif_config_data.wrapping_add(queue)
    }

    /// Takes a notification.
    pub(super) fn notify(
        &mut self,
        offset: usize,
        width_bytes: usize,
        value: u64,
    ) -> Option<Instant> {
        self.core.before_write("a notification");
        if self.core.is_resetting() {
            return None;
        }
        let has_data = self.has_negotiated(NOTIFICATION_DATA);
        let has_config_data = self.has_negotiated(NOTIF_CONFIG_DATA);
        let (wanted, rule) = if has_data {
            (4, "PCI-38")
        } else {
            (2, "PCI-37")
        };
        if width_bytes != wanted {
            self.violation(rule, format!("a notification of {width_bytes} bytes"));
        }
        let Some(queue) = self.notified_queue(offset, value as u16) else {
            self.violation(
                "PCI-46",
                format!("a notification at {offset:#x}, where no queue has its own"),
            );
            return None;
        };
        if value as u16 != self.expected(queue) {
            let rule = match (has_data, has_config_data) {
                (false, false) => "PCI-39",
                (true, false) => "PCI-40",
                (false, true) => "PCI-41",
                (true, true) => "PCI-42",
            };
            self.violation(rule, format!("queue {queue} was notified with {value:#x}"));
        }
        if has_data && width_bytes == 4 {
            self.core.check_notified_of(queue, (value >> 16) as u16);
        }
        if self.command() & BUS_MASTER == 0 {
            self.guest_error(format!(
                "queue {queue} was notified while bus mastering is off"
            ));
            return None;
        }
        self.core.notify(queue)
    }

    /// Returns the queue that is notified at `offset`; where several are, `value` tells them apart.
    fn notified_queue(&self, offset: usize, value: u16) -> Option<u16> {
        let here: Vec<u16> = (0..self.queues.len() as u16)
            .filter(|queue| {
                let place =
                    u64::from(self.notify_offset(*queue)) * u64::from(self.layout.multiplier);
                place == offset as u64
            })
            .collect();
        let meant = here.iter().find(|queue| self.expected(**queue) == value);
        meant.or_else(|| here.first()).copied()
    }

    /// Returns what a driver has to write in the low half.
    fn expected(&self, queue: u16) -> u16 {
        if self.has_negotiated(NOTIF_CONFIG_DATA) {
            self.notif_config_data(queue)
        } else {
            queue
        }
    }
}

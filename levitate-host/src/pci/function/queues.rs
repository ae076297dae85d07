//! The fields of the common configuration that exist once for each queue (§4.1.4.3, §4.1.5.1.3).

use super::*;
use crate::queue::Areas;

/// Halves of addresses that a queue has.
const HALVES: usize = 6;

/// What a driver has said about a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueRegisters {
    size: u16,
    is_size_read: bool,
    pub(super) vector: Mapping,
    is_enabled: bool,
    /// Descriptor, driver and device area, the lower half of each before the upper one.
    halves: [Option<u32>; HALVES],
    /// How many more reads of `queue_reset` see a reset under way.
    reset_reads: u32,
    /// Whether the driver has asked for a reset and not seen it done.
    is_reset_awaited: bool,
    /// Whether it was in use before a reset of its own.
    was_reset: bool,
}

impl QueueRegisters {
    pub(super) fn new(size: u16) -> Self {
        Self {
            size,
            is_size_read: false,
            vector: Mapping::default(),
            is_enabled: false,
            halves: [None; HALVES],
            reset_reads: 0,
            is_reset_awaited: false,
            was_reset: false,
        }
    }

    fn areas(&self) -> Areas {
        let [descriptor, driver, device] = [0, 2, 4].map(|low| {
            let half = |at: usize| u64::from(self.halves[at].unwrap_or(0));
            half(low) | half(low + 1) << 32
        });
        Areas {
            descriptor,
            driver,
            device,
        }
    }
}

impl<M: DeviceModel> Function<M> {
    fn selected(&mut self) -> Option<&mut QueueRegisters> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    /// Reads a field of the selected queue; all of them are 0 if there is none.
    pub(super) fn read_queue(&mut self, offset: usize) -> u64 {
        let index = self.queue_select;
        let notify_offset = self.notify_offset(index);
        let data = self.notif_config_data(index);
        let Some(queue) = self.selected() else {
            return 0;
        };
        let value = match offset {
            QUEUE_SIZE => {
                queue.is_size_read = true;
                queue.size
            }
            QUEUE_MSIX_VECTOR => {
                queue.vector.is_unread = false;
                queue.vector.vector
            }
            QUEUE_ENABLE => u16::from(queue.is_enabled),
            QUEUE_NOTIFY_OFF => notify_offset,
            QUEUE_NOTIF_CONFIG_DATA => data,
            QUEUE_RESET => queue.read_reset(),
            QUEUE_DESC..=QUEUE_DEVICE_HIGH => {
                return u64::from(queue.halves[(offset - QUEUE_DESC) / 4].unwrap_or(0));
            }
            // There are no admin queues.
            _ => 0,
        };
        u64::from(value)
    }

    /// Writes a field of the selected queue.
    pub(super) fn write_queue(&mut self, offset: usize, value: u64) {
        let index = self.queue_select;
        let Some(&mut queue) = self.selected() else {
            self.violation("PCI-45", format!("there is no queue {index} to set up"));
            return;
        };
        if queue.is_reset_awaited {
            self.violation(
                "PCI-21",
                format!("queue {index} was set up again before its reset was seen"),
            );
            // Said once.
            self.change(|queue| queue.is_reset_awaited = false);
        }
        if queue.is_enabled && !matches!(offset, QUEUE_ENABLE | QUEUE_RESET) {
            self.violation(
                "PCI-18",
                format!("offset {offset} was written after queue {index} was enabled"),
            );
        }
        match offset {
            QUEUE_SIZE => self.write_size(value as u16),
            QUEUE_MSIX_VECTOR => {
                let vector = self.map(value as u16);
                self.change(|queue| queue.vector = vector);
            }
            QUEUE_ENABLE => self.enable(queue, value as u16),
            QUEUE_RESET => self.reset_queue(value as u16),
            _ => self.change(|queue| queue.halves[(offset - QUEUE_DESC) / 4] = Some(value as u32)),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut QueueRegisters)) {
        if let Some(queue) = self.selected() {
            change(queue);
        }
    }

    fn write_size(&mut self, value: u16) {
        let max = self.core.behaviour.queue_size_max;
        if self.has_negotiated(RING_PACKED) {
            if value == 0 {
                self.violation("PCI-16", "queue_size 0 was written".to_owned());
                return;
            }
            if value > 32768 {
                self.violation("PACKED-26", format!("queue_size {value} was written"));
                return;
            }
        } else if !value.is_power_of_two() {
            self.violation("PCI-17", format!("queue_size {value} was written"));
            return;
        }
        if u32::from(value) > max {
            self.violation(
                "PCI-45",
                format!("queue_size {value} was written, above {max}"),
            );
            return;
        }
        self.change(|queue| queue.size = value);
    }

    fn enable(&mut self, queue: QueueRegisters, value: u16) {
        let index = self.queue_select;
        if value == 0 {
            self.violation("PCI-20", "0 was written to queue_enable".to_owned());
            return;
        }
        if value != 1 {
            self.guest_error(format!("wrong value for queue_enable {value:x}"));
            return;
        }
        if !queue.is_size_read {
            self.violation(
                "PCI-45",
                format!("queue {index} was enabled without a look at its queue_size"),
            );
        }
        if queue.halves.contains(&None) {
            let rule = if queue.was_reset { "VQR-03" } else { "PCI-18" };
            self.violation(
                rule,
                format!("queue {index} was enabled before all of its addresses were written"),
            );
            return;
        }
        if self.core.behaviour.ignore_queue_setup {
            return;
        }
        self.core.enable_queue(index, queue.size, queue.areas());
        self.change(|queue| {
            queue.is_enabled = true;
            queue.reset_reads = 0;
            queue.is_reset_awaited = false;
        });
    }

    /// Resets the selected queue alone (§2.6.1).
    fn reset_queue(&mut self, value: u16) {
        let index = self.queue_select;
        if value != 1 {
            self.guest_error(format!("wrong value for queue_reset {value:x}"));
            return;
        }
        self.core.disable_queue(index);
        let size = self.core.behaviour.queue_size_max as u16;
        let reset_reads = self.traits.queue_reset_reads;
        self.change(|queue| {
            *queue = QueueRegisters {
                reset_reads,
                is_reset_awaited: true,
                was_reset: true,
                // That it is there has not changed.
                is_size_read: true,
                ..QueueRegisters::new(size)
            };
        });
    }
}

impl QueueRegisters {
    const fn read_reset(&mut self) -> u16 {
        if self.reset_reads > 0 {
            self.reset_reads -= 1;
            return 1;
        }
        self.is_reset_awaited = false;
        0
    }
}

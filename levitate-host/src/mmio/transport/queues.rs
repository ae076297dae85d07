//! The registers that set up a queue (§4.2.3.2, §4.2.4).

use super::*;
use crate::device::feature::RING_PACKED;
use crate::queue::Areas;

/// What QueueAlign is until it is written.
const DEFAULT_QUEUE_ALIGN: u32 = 4096;

/// `VIRTIO_F_RING_RESET`.
const RING_RESET: u64 = 1 << 40;

/// The registers that exist once for each queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueRegisters {
    size: u32,
    pub(super) is_checked: bool,
    pub(super) is_max_read: bool,
    is_size_written: bool,
    pub(super) align: u32,
    is_align_written: bool,
    pub(super) pfn: u32,
    pub(super) is_ready: bool,
    descriptor: [u32; 2],
    driver: [u32; 2],
    device: [u32; 2],
    /// How many more reads of QueueReset see a reset under way.
    reset_reads: u32,
    /// Whether the driver has asked for a reset and not seen it done.
    is_reset_awaited: bool,
    /// Whether it was in use before a reset of its own.
    was_reset: bool,
}

impl QueueRegisters {
    pub(super) const fn new(size: u32) -> Self {
        Self {
            size,
            is_checked: false,
            is_max_read: false,
            is_size_written: false,
            align: DEFAULT_QUEUE_ALIGN,
            is_align_written: false,
            pfn: 0,
            is_ready: false,
            descriptor: [0; 2],
            driver: [0; 2],
            device: [0; 2],
            reset_reads: 0,
            is_reset_awaited: false,
            was_reset: false,
        }
    }
}

impl<M: DeviceModel> Transport<M> {
    pub(super) fn note(&mut self, change: impl FnOnce(&mut QueueRegisters)) {
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            change(queue);
        }
    }

    /// Checks what a driver has to look at before it enables a queue (§4.2.3.2, §4.2.4).
    fn check_looked(&mut self, queue: QueueRegisters) {
        let (checked, sized) = match self.version {
            Version::One => ("LMMIO-03", "LMMIO-04"),
            Version::Two => ("MMIO-31", "MMIO-31"),
        };
        if !queue.is_checked {
            self.violation(
                checked,
                "a queue was enabled without a look at whether it is in use".to_owned(),
            );
        }
        if !queue.is_max_read {
            self.violation(
                sized,
                "a queue was enabled without a look at QueueSizeMax".to_owned(),
            );
        }
    }

    pub(super) fn selected(&self) -> Option<&QueueRegisters> {
        self.queues.get(self.queue_sel as usize)
    }

    fn no_such_queue(&self) -> String {
        format!("there is no queue {} to set up", self.queue_sel)
    }

    fn written_after_pfn(&mut self, register: &str) {
        self.violation("LMMIO-08", format!("{register} was written after QueuePFN"));
    }

    /// Says whether there is a register that resets the selected queue alone, and how many reads that takes.
    pub(super) fn queue_reset_reads(&self) -> Option<u32> {
        let is_agreed_on = self.core.negotiated() & RING_RESET != 0;
        self.core
            .behaviour
            .queue_reset_reads
            .filter(|_| is_agreed_on)
    }

    /// Resets the selected queue (§2.6.1).
    pub(super) fn write_queue_reset(&mut self, value: u32, reset_reads: u32) {
        self.check_reset_seen();
        if value != 1 {
            self.guest_error(format!("wrong value for QueueReset {value:x}"));
            return;
        }
        let size = self.core.behaviour.queue_size_max;
        self.note(|queue| {
            *queue = QueueRegisters {
                reset_reads,
                is_reset_awaited: true,
                was_reset: true,
                ..QueueRegisters::new(size)
            };
        });
        self.core.disable_queue(self.queue_sel as u16);
    }

    pub(super) fn read_queue_reset(&mut self) -> u32 {
        let mut is_under_way = false;
        self.note(|queue| {
            is_under_way = queue.reset_reads > 0;
            queue.reset_reads = queue.reset_reads.saturating_sub(1);
            queue.is_reset_awaited &= is_under_way;
        });
        u32::from(is_under_way)
    }

    /// Checks, where the selected queue is written to, that the driver waits for no reset of it; said once.
    fn check_reset_seen(&mut self) {
        let mut is_awaited = false;
        self.note(|queue| is_awaited = std::mem::take(&mut queue.is_reset_awaited));
        if is_awaited {
            self.violation(
                "MMIO-19",
                format!(
                    "queue {} was written to before its reset was seen",
                    self.queue_sel
                ),
            );
        }
    }

    pub(super) fn write_queue_size(&mut self, value: u32) {
        self.check_reset_seen();
        let max = self.core.behaviour.queue_size_max;
        let (id, is_live) = match (self.version, self.selected()) {
            (_, None) => return,
            (Version::One, Some(queue)) => ("LMMIO-05", queue.pfn != 0),
            (Version::Two, Some(queue)) => ("MMIO-12", queue.is_ready),
        };
        if is_live && self.version == Version::Two {
            self.violation(
                "MMIO-13",
                "QueueSize was written while QueueReady was 1".to_owned(),
            );
        }
        if is_live && self.version == Version::One {
            self.written_after_pfn("QueueSize");
        }
        if value == 0 || value > max {
            self.violation(id, format!("QueueSize {value} is not 1 to {max}"));
            return;
        }
        let is_packed = self.core.negotiated() & RING_PACKED != 0;
        if value > 32768 || !(is_packed || value.is_power_of_two()) {
            let rule = if is_packed { "PACKED-26" } else { "SPLIT-28" };
            self.violation(rule, format!("QueueSize {value}"));
            return;
        }
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.size = value;
            queue.is_size_written = true;
        }
    }

    pub(super) fn write_queue_align(&mut self, value: u32) {
        if !value.is_power_of_two() {
            self.violation(
                "LMMIO-07",
                format!("QueueAlign {value} is not a power of two"),
            );
        }
        if self.selected().is_some_and(|queue| queue.pfn != 0) {
            self.written_after_pfn("QueueAlign");
        }
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.align = value;
            queue.is_align_written = true;
        }
    }

    pub(super) fn write_queue_pfn(&mut self, value: u32) {
        if value == 0 {
            // QEMU resets the whole device, not just the queue.
            self.reset();
            return;
        }
        let page_shift = self.page_shift;
        if !self.is_page_size_written {
            self.violation(
                "LMMIO-02",
                "QueuePFN was written before GuestPageSize".to_owned(),
            );
        }
        let Some(&queue) = self.selected() else {
            self.violation("LMMIO-04", self.no_such_queue());
            return;
        };
        self.check_looked(queue);
        if !queue.is_align_written {
            self.violation(
                "LMMIO-07",
                "QueuePFN was written before QueueAlign".to_owned(),
            );
        }
        if !queue.is_size_written {
            self.violation(
                "LMMIO-05",
                "QueuePFN was written before QueueSize".to_owned(),
            );
        }
        if self.core.behaviour.ignore_queue_setup {
            return;
        }
        let descriptor = u64::from(value) << page_shift;
        let entries = u64::from(queue.size);
        let driver = descriptor + 16 * entries;
        let end = driver + 4 + 2 * entries;
        let device = end.next_multiple_of(u64::from(queue.align.max(1)));
        let areas = Areas {
            descriptor,
            driver,
            device,
        };
        self.core
            .enable_queue(self.queue_sel as u16, queue.size as u16, areas);
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.pfn = value;
        }
    }

    pub(super) fn write_queue_ready(&mut self, value: u32) {
        self.check_reset_seen();
        let index = self.queue_sel as u16;
        let Some(&queue) = self.selected() else {
            self.violation("MMIO-31", self.no_such_queue());
            return;
        };
        if self.core.behaviour.ignore_queue_setup {
            return;
        }
        let is_ready = value & 1 != 0;
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.is_ready = is_ready;
        }
        if !is_ready {
            self.core.disable_queue(index);
            return;
        }
        self.check_looked(queue);
        if !queue.is_size_written {
            let rule = if queue.was_reset { "VQR-03" } else { "MMIO-31" };
            self.violation(
                rule,
                format!("queue {index} was enabled before its size was written"),
            );
        }
        let join = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
        let areas = Areas {
            descriptor: join(queue.descriptor),
            driver: join(queue.driver),
            device: join(queue.device),
        };
        self.core.enable_queue(index, queue.size as u16, areas);
    }

    pub(super) fn write_area(&mut self, offset: usize, value: u32) {
        self.check_reset_seen();
        let Some(queue) = self.queues.get_mut(self.queue_sel as usize) else {
            return;
        };
        let is_ready = queue.is_ready;
        let (area, half) = match offset {
            QUEUE_DESC_LOW => (&mut queue.descriptor, 0),
            QUEUE_DESC_HIGH => (&mut queue.descriptor, 1),
            QUEUE_DRIVER_LOW => (&mut queue.driver, 0),
            QUEUE_DRIVER_HIGH => (&mut queue.driver, 1),
            QUEUE_DEVICE_LOW => (&mut queue.device, 0),
            _ => (&mut queue.device, 1),
        };
        area[half] = value;
        if is_ready {
            self.violation(
                "MMIO-13",
                format!("register {offset:#x} was written while QueueReady was 1"),
            );
        }
    }
}

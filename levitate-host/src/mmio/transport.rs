//! The registers, and what each access to them does, as in QEMU's `virtio-mmio`: [`Transport`].

use levitate_hal::Instant;

use super::Version;
use super::recorder::{Access, AccessLog, Operation};
use super::registers::*;
use crate::device::{Core, DeviceModel};
use crate::queue::Areas;

/// A number of queues that no QueueSel can reach (QEMU: `VIRTIO_QUEUE_MAX`).
const QUEUES_LIMIT: u32 = 1024;
/// What QueueAlign is until it is written.
const DEFAULT_QUEUE_ALIGN: u32 = 4096;
/// The interrupt bits there are.
const INTERRUPT_BITS: u32 = 3;

/// The registers that exist once for each queue.
#[derive(Clone, Copy, Debug)]
struct QueueRegisters {
    size: u32,
    is_size_written: bool,
    align: u32,
    is_align_written: bool,
    pfn: u32,
    is_ready: bool,
    descriptor: [u32; 2],
    driver: [u32; 2],
    device: [u32; 2],
}

impl QueueRegisters {
    const fn new(size: u32) -> Self {
        Self {
            size,
            is_size_written: false,
            align: DEFAULT_QUEUE_ALIGN,
            is_align_written: false,
            pfn: 0,
            is_ready: false,
            descriptor: [0; 2],
            driver: [0; 2],
            device: [0; 2],
        }
    }
}

/// A device behind MMIO registers.
pub(super) struct Transport<M> {
    pub(super) core: Core<M>,
    pub(super) version: Version,
    pub(super) log: AccessLog,
    pub(super) guest_errors: Vec<String>,
    queues: Vec<QueueRegisters>,
    device_features_sel: Option<u32>,
    driver_features_sel: Option<u32>,
    queue_sel: u32,
    page_shift: u32,
    is_page_size_written: bool,
    probed: usize,
}

impl<M: DeviceModel> Transport<M> {
    pub(super) fn new(core: Core<M>, version: Version) -> Self {
        let size = core.behaviour.queue_size_max;
        let queues = vec![QueueRegisters::new(size); core.queues.len()];
        Self {
            core,
            version,
            log: AccessLog::default(),
            guest_errors: Vec::new(),
            queues,
            device_features_sel: None,
            driver_features_sel: None,
            queue_sel: 0,
            page_shift: 0,
            is_page_size_written: false,
            probed: 0,
        }
    }

    fn guest_error(&mut self, what: String) {
        self.guest_errors.push(what);
    }

    fn violation(&mut self, id: &'static str, what: String) {
        self.core.violations.add(id, what);
    }

    /// Checks width and place; an access that is harmless but wrong returns false.
    fn is_possible(&mut self, operation: Operation, offset: usize, width_bytes: usize) -> bool {
        let end = offset.saturating_add(width_bytes);
        if !offset.is_multiple_of(width_bytes) || end > self.core.behaviour.region_len_bytes {
            self.violation(
                "MMIO-01",
                format!("{operation:?} of {width_bytes} bytes at {offset:#x}"),
            );
            return false;
        }
        self.check_probe(operation, offset);
        if offset < CONFIG {
            if width_bytes != 4 {
                self.guest_error(format!(
                    "wrong size access to register: {width_bytes} bytes at {offset:#x}"
                ));
                self.violation(
                    "MMIO-04",
                    format!("{operation:?} of {width_bytes} bytes at {offset:#x}"),
                );
            }
            self.check_rights(operation, offset);
        }
        true
    }

    /// Magic, version and device type come first, and nothing comes after an empty transport (§4.2.3.1.1).
    fn check_probe(&mut self, operation: Operation, offset: usize) {
        let order = [MAGIC_VALUE, VERSION, DEVICE_ID];
        if let Some(wanted) = order.get(self.probed) {
            if operation == Operation::Read && offset == *wanted {
                self.probed += 1;
                return;
            }
            let id = if self.probed < 2 {
                "MMIO-22"
            } else {
                "MMIO-23"
            };
            self.violation(
                id,
                format!("{operation:?} at {offset:#x} before a read of {wanted:#x}"),
            );
            // Said once.
            self.probed = order.len();
        } else if self.device_id() == 0 && offset > DEVICE_ID {
            self.violation(
                "MMIO-25",
                format!("{operation:?} at {offset:#x} of an empty transport"),
            );
        }
    }

    fn check_rights(&mut self, operation: Operation, offset: usize) {
        let access = format!("{operation:?} at {offset:#x}");
        let id = match (rights(offset, self.version), operation) {
            (Rights::ReadWrite, _)
            | (Rights::ReadOnly, Operation::Read)
            | (Rights::WriteOnly, Operation::Write) => return,
            (Rights::ReadOnly, Operation::Write) => "MMIO-02",
            (Rights::WriteOnly, Operation::Read) => "MMIO-03",
            (Rights::OtherVersion, _) if self.version == Version::One => "LMMIO-10",
            (Rights::OtherVersion | Rights::None, _) => "MMIO-01",
        };
        self.violation(id, access);
    }

    fn device_id(&self) -> u32 {
        let behaviour = &self.core.behaviour;
        behaviour
            .device_id
            .unwrap_or_else(|| self.core.model.device_id())
    }

    /// Reads; all ones where nothing answers.
    pub(super) fn read(&mut self, offset: usize, width_bytes: usize) -> u64 {
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

    fn shown_version(&self) -> u32 {
        let own = match self.version {
            Version::One => 1,
            Version::Two => 2,
        };
        self.core.behaviour.version.unwrap_or(own)
    }

    fn selected(&self) -> Option<&QueueRegisters> {
        self.queues.get(self.queue_sel as usize)
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
                self.selected().map_or(0, |_| max)
            }
            QUEUE_PFN if is_legacy => self.selected().map_or(0, |queue| queue.pfn),
            QUEUE_READY if !is_legacy => {
                self.selected().map_or(0, |queue| u32::from(queue.is_ready))
            }
            INTERRUPT_STATUS => self.core.interrupt_status,
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

    /// Writes; the instant returned is when the device wants to be called.
    pub(super) fn write(
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
            (QUEUE_NOTIFY, _) => return self.write_notify(value),
            (INTERRUPT_ACK, _) => {
                if value & !INTERRUPT_BITS != 0 {
                    self.violation("MMIO-18", format!("{value:#x} was written to InterruptACK"));
                }
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
            // Among them QueueReset and SHMSel, which QEMU does not have.
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

    fn write_queue_size(&mut self, value: u32) {
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
        if value == 0 || value > max {
            self.violation(id, format!("QueueSize {value} is not 1 to {max}"));
            return;
        }
        if !value.is_power_of_two() || value > 32768 {
            self.violation("SPLIT-28", format!("QueueSize {value}"));
            return;
        }
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.size = value;
            queue.is_size_written = true;
        }
    }

    fn write_queue_align(&mut self, value: u32) {
        if !value.is_power_of_two() {
            self.violation(
                "LMMIO-07",
                format!("QueueAlign {value} is not a power of two"),
            );
        }
        if let Some(queue) = self.queues.get_mut(self.queue_sel as usize) {
            queue.align = value;
            queue.is_align_written = true;
        }
    }

    fn write_queue_pfn(&mut self, value: u32) {
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
            return;
        };
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

    fn write_queue_ready(&mut self, value: u32) {
        let index = self.queue_sel as u16;
        let Some(&queue) = self.selected() else {
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
        if !queue.is_size_written {
            self.violation(
                "MMIO-31",
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

    fn write_area(&mut self, offset: usize, value: u32) {
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

    fn write_notify(&mut self, value: u32) -> Option<Instant> {
        match u16::try_from(value) {
            Ok(index) if usize::from(index) < self.queues.len() => self.core.notify(index),
            _ => {
                self.violation("MMIO-32", format!("{value:#x} was written to QueueNotify"));
                None
            }
        }
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
    fn reset(&mut self) {
        self.core.reset();
        self.queue_sel = 0;
        let size = self.core.behaviour.queue_size_max;
        for queue in &mut self.queues {
            let align = queue.align;
            *queue = QueueRegisters::new(size);
            queue.align = align;
        }
    }
}

//! The registers, and what each access to them does, as in QEMU's `virtio-mmio`: [`Transport`].

mod queues;
mod read;
mod write;

use super::Version;
use super::recorder::{Access, AccessLog, Operation};
use super::registers::*;
use crate::device::{Core, DeviceModel, refuse_unless_panicking};
use queues::QueueRegisters;

/// What MagicValue reads: "virt".
const MAGIC: u32 = 0x7472_6976;
/// The registers a driver reads before all others.
const ORDER_OF_PROBING: [usize; 3] = [MAGIC_VALUE, VERSION, DEVICE_ID];

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
    interrupts_told: u32,
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
            interrupts_told: 0,
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
        if offset < CONFIG && offset != CONFIG_GENERATION {
            self.core.leave_config();
        }
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
        if let Some((rule, what)) = self.reason_to_ignore() {
            self.violation(rule, format!("{operation:?} at {offset:#x} {what}"));
            // Said once.
            self.probed = ORDER_OF_PROBING.len();
            return;
        }
        if let Some(wanted) = ORDER_OF_PROBING.get(self.probed) {
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
            self.probed = ORDER_OF_PROBING.len();
        } else if self.device_id() == 0 && offset > DEVICE_ID {
            self.violation(
                "MMIO-25",
                format!("{operation:?} at {offset:#x} of an empty transport"),
            );
        }
    }

    /// Says why a driver that has probed so far had to leave the device alone.
    fn reason_to_ignore(&self) -> Option<(&'static str, &'static str)> {
        let is_magic = self.core.behaviour.magic == MAGIC;
        match self.probed {
            1 if !is_magic => Some(("MMIO-06", "though MagicValue is wrong")),
            2 if is_magic && !matches!(self.shown_version(), 1 | 2) => {
                Some(("MMIO-07", "though Version is unknown"))
            }
            _ => None,
        }
    }

    fn check_rights(&mut self, operation: Operation, offset: usize) {
        let access = format!("{operation:?} at {offset:#x}");
        let id = match (rights(offset, self.version), operation) {
            (Rights::ReadOnly | Rights::WriteOnly, _) if is_shared_memory(offset) => "MMIO-26",
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
}

impl<M> Transport<M> {
    /// Returns everything the driver did wrong as far as the device could see, and forgets it.
    pub(super) fn take_complaints(&mut self) -> Vec<String> {
        self.core.take_complaints(&mut self.guest_errors)
    }
}

impl<M> Drop for Transport<M> {
    fn drop(&mut self) {
        refuse_unless_panicking(&self.take_complaints());
    }
}

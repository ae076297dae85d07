//! A device's registers with something wrong about them: [`Tampered`].

use alloc::rc::Rc;

use levitate_hal::Mmio;
use levitate_virtio::Status;
use levitate_virtio::queue::layout::{LEGACY_ALIGN, USED_RING_ALIGN};
use levitate_virtio::transport::mmio::registers as reg;

use super::told::Told;
use crate::platform::Registers;

/// How 32-bit registers are read and written; the drivers' other accesses go to the configuration space, and through.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) read: fn(&Registers, usize) -> u32,
    pub(super) write: fn(&Registers, usize, u32),
    /// What happens when the driver has given up waiting, before it looks for the reason.
    pub(super) before_diagnosis: fn(&Registers, &Told),
}

impl Access {
    /// As the device has them.
    pub(super) const UNTOUCHED: Self = Self {
        read: |registers, offset| registers.read32(offset),
        write: |registers, offset, value| registers.write32(offset, value),
        before_diagnosis: |_, _| {},
    };
}

/// A device's registers, accessed in another way than they should be.
#[derive(Clone)]
pub(super) struct Tampered {
    registers: Registers,
    access: Access,
    told: Rc<Told>,
}

impl Tampered {
    pub(super) fn new(registers: Registers, access: Access) -> Self {
        let told = Rc::default();
        Self {
            registers,
            access,
            told,
        }
    }
}

impl Mmio for Tampered {
    fn len_bytes(&self) -> usize {
        self.registers.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.registers.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.registers.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        // Nothing but the diagnosis looks at a queue of a live device.
        if is_queue_state(offset) && is_live(&self.registers) {
            (self.access.before_diagnosis)(&self.registers, &self.told);
        }
        (self.access.read)(&self.registers, offset)
    }

    fn read64(&self, offset: usize) -> u64 {
        self.registers.read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.registers.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.registers.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.told.note(offset, value);
        (self.access.write)(&self.registers, offset, value);
    }

    fn write64(&self, offset: usize, value: u64) {
        self.registers.write64(offset, value);
    }
}

/// The device has the registers of one version and is driven through those of the other: the original failure.
pub(super) fn show_the_other_version(registers: &Registers, offset: usize) -> u32 {
    let value = registers.read32(offset);
    match value {
        1 if offset == reg::VERSION.offset() => 2,
        2 if offset == reg::VERSION.offset() => 1,
        // It offers VERSION_1, or its driver would stop before there is a queue; the same bit of the lower half means nothing here.
        _ if offset == reg::DEVICE_FEATURES.offset() && reg::VERSION.read(registers) == 1 => {
            value | 1
        }
        _ => value,
    }
}

/// Driver and device disagree on where the used ring is.
pub(super) fn align_queues_to_four(registers: &Registers, offset: usize, value: u32) {
    let is_align = offset == reg::QUEUE_ALIGN.offset();
    registers.write32(
        offset,
        if is_align {
            USED_RING_ALIGN as u32
        } else {
            value
        },
    );
}

/// The device has answered, and put that into the used ring where it has it.
pub(super) fn answer_aligned_to_four(_: &Registers, told: &Told) {
    told.wait_for_answer(USED_RING_ALIGN);
}

/// `QueuePFN` counts bytes, as it does on QEMU before `GuestPageSize` is written for the first time.
pub(super) fn forget_the_page_size(registers: &Registers, offset: usize, value: u32) {
    let is_page_size = offset == reg::GUEST_PAGE_SIZE.offset();
    registers.write32(offset, if is_page_size { 1 } else { value });
}

/// The device is not told that there is something for it.
pub(super) fn lose_notifications(registers: &Registers, offset: usize, value: u32) {
    if offset != reg::QUEUE_NOTIFY.offset() {
        registers.write32(offset, value);
    }
}

/// The device is told only when the driver has given up waiting, and answers then.
pub(super) fn answer_late(registers: &Registers, told: &Told) {
    reg::QUEUE_NOTIFY.write(registers, 0);
    told.wait_for_answer(LEGACY_ALIGN);
}

/// Somebody else resets the device while it is live.
pub(super) fn reset_when_notified(registers: &Registers, offset: usize, value: u32) {
    if offset == reg::QUEUE_NOTIFY.offset() {
        reg::STATUS.write(registers, 0);
    } else {
        registers.write32(offset, value);
    }
}

/// The queues read as enabled when they are set up, and not any more once the device is live.
pub(super) fn hide_live_queues(registers: &Registers, offset: usize) -> u32 {
    if is_queue_state(offset) && is_live(registers) {
        return 0;
    }
    registers.read32(offset)
}

/// The device meets an error it cannot recover from as soon as it is live.
pub(super) fn need_reset_when_live(registers: &Registers, offset: usize) -> u32 {
    let value = registers.read32(offset);
    if offset == reg::STATUS.offset() && is_live(registers) {
        return value | u32::from(Status::DEVICE_NEEDS_RESET.bits());
    }
    value
}

/// The device does not finish its reset.
pub(super) fn never_finish_a_reset(registers: &Registers, offset: usize) -> u32 {
    let value = registers.read32(offset);
    let is_status = offset == reg::STATUS.offset();
    if is_status {
        value | u32::from(Status::ACKNOWLEDGE.bits())
    } else {
        value
    }
}

/// The device does not work with any features.
pub(super) fn refuse_features(registers: &Registers, offset: usize) -> u32 {
    let value = registers.read32(offset);
    let is_status = offset == reg::STATUS.offset();
    if is_status {
        value & !u32::from(Status::FEATURES_OK.bits())
    } else {
        value
    }
}

/// The device has no queue.
pub(super) fn have_no_queues(registers: &Registers, offset: usize) -> u32 {
    let is_size = offset == reg::QUEUE_SIZE_MAX.offset();
    if is_size { 0 } else { registers.read32(offset) }
}

/// Something else than a VirtIO device is there.
pub(super) fn have_no_magic(registers: &Registers, offset: usize) -> u32 {
    let is_magic = offset == reg::MAGIC_VALUE.offset();
    if is_magic {
        0
    } else {
        registers.read32(offset)
    }
}

/// The registers are of a version to come.
pub(super) fn show_version_three(registers: &Registers, offset: usize) -> u32 {
    let is_version = offset == reg::VERSION.offset();
    if is_version {
        3
    } else {
        registers.read32(offset)
    }
}

/// The slot is there, and nothing in it.
pub(super) fn be_an_empty_slot(registers: &Registers, offset: usize) -> u32 {
    let is_device_id = offset == reg::DEVICE_ID.offset();
    if is_device_id {
        0
    } else {
        registers.read32(offset)
    }
}

fn is_live(registers: &Registers) -> bool {
    let [status, ..] = reg::STATUS.read(registers).to_le_bytes();
    Status::from_bits_retain(status).contains(Status::DRIVER_OK)
}

fn is_queue_state(offset: usize) -> bool {
    offset == reg::QUEUE_READY.offset() || offset == reg::QUEUE_PFN.offset()
}

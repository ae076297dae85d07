//! What is done to a device's registers, each the half of an [`Access`](super::tampered::Access).

use levitate_virtio::Status;
use levitate_virtio::queue::layout::{LEGACY_ALIGN, USED_RING_ALIGN};
use levitate_virtio::transport::pci::registers::NO_VECTOR;

use super::names::Name;
use super::tampered::Device;

/// The device has the registers of one version and is driven through those of the other: the original failure.
pub(super) fn show_the_other_version(device: &Device, name: Name, value: u32) -> u32 {
    match (name, value) {
        (Name::Version, 1) => 2,
        (Name::Version, 2) => 1,
        // It offers VERSION_1, or its driver would stop before there is a queue; the same bit of the lower half means nothing here.
        (Name::DeviceFeatures, _) if device.is_version_1() => value | 1,
        _ => value,
    }
}

/// Driver and device disagree on where the used ring is.
pub(super) fn align_queues_to_four(_: &Device, name: Name, value: u32) -> Option<u32> {
    let is_align = name == Name::QueueAlign;
    Some(if is_align {
        USED_RING_ALIGN as u32
    } else {
        value
    })
}

/// The device has answered, and put that into the used ring where it has it.
pub(super) fn answer_aligned_to_four(device: &Device) {
    device.told.wait_for_answer(USED_RING_ALIGN);
}

/// `QueuePFN` counts bytes, as it does on QEMU before `GuestPageSize` is written for the first time.
pub(super) fn forget_the_page_size(_: &Device, name: Name, value: u32) -> Option<u32> {
    let is_page_size = name == Name::GuestPageSize;
    Some(if is_page_size { 1 } else { value })
}

/// The device is not told that there is something for it.
pub(super) fn lose_notifications(_: &Device, name: Name, value: u32) -> Option<u32> {
    (name != Name::Notify).then_some(value)
}

/// The device is told only when the driver has given up waiting, and answers then.
pub(super) fn answer_late(device: &Device) {
    device.notify();
    device.told.wait_for_answer(LEGACY_ALIGN);
}

/// Somebody else resets the device while it is live.
pub(super) fn reset_when_notified(device: &Device, name: Name, value: u32) -> Option<u32> {
    if name == Name::Notify {
        device.reset();
        return None;
    }
    Some(value)
}

/// The queues read as enabled when they are set up, and not any more once the device is live.
pub(super) fn hide_live_queues(device: &Device, name: Name, value: u32) -> u32 {
    let is_hidden = name.is_queue_state() && device.is_live();
    if is_hidden { 0 } else { value }
}

/// The device meets an error it cannot recover from as soon as it is live.
pub(super) fn need_reset_when_live(device: &Device, name: Name, value: u32) -> u32 {
    if name == Name::Status && device.is_live() {
        return value | u32::from(Status::DEVICE_NEEDS_RESET.bits());
    }
    value
}

/// The device does not finish its reset.
pub(super) fn never_finish_a_reset(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::Status => value | u32::from(Status::ACKNOWLEDGE.bits()),
        _ => value,
    }
}

/// The device does not work with any features.
pub(super) fn refuse_features(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::Status => value & !u32::from(Status::FEATURES_OK.bits()),
        _ => value,
    }
}

/// The device has no queue.
pub(super) fn have_no_queues(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::QueueSizeMax | Name::QueueSize => 0,
        _ => value,
    }
}

/// The device has no vector for its queues.
pub(super) fn refuse_vectors(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::QueueVector => NO_VECTOR.into(),
        _ => value,
    }
}

/// The device has no vector for changes of its configuration.
pub(super) fn refuse_the_configuration_vector(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::ConfigVector => NO_VECTOR.into(),
        _ => value,
    }
}

/// Something else than a VirtIO device is there.
pub(super) fn have_no_magic(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::Magic => 0,
        _ => value,
    }
}

/// The registers are of a version to come.
pub(super) fn show_version_three(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::Version => 3,
        _ => value,
    }
}

/// The slot is there, and nothing in it.
pub(super) fn be_an_empty_slot(_: &Device, name: Name, value: u32) -> u32 {
    match name {
        Name::DeviceId => 0,
        _ => value,
    }
}

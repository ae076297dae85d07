//! Our numbers against those of the Linux headers.

use core::mem::{offset_of, size_of};

use levitate_virtio::queue::layout::{Descriptor, DescriptorFlags, NO_NOTIFICATION, UsedElement};
use levitate_virtio::transport::InterruptStatus;
use levitate_virtio::transport::mmio::registers as reg;
use levitate_virtio::{DeviceType, Features, Status};
use virtio_bindings::{
    virtio_config as config, virtio_ids as ids, virtio_mmio as mmio, virtio_ring as ring,
};

#[test]
fn the_registers_are_where_linux_has_them() {
    macro_rules! assert_offsets {
        ($($ours:ident = $theirs:ident,)*) => {
            $(assert_eq!(reg::$ours.offset(), mmio::$theirs as usize, stringify!($ours));)*
        };
    }
    assert_offsets! {
        MAGIC_VALUE = VIRTIO_MMIO_MAGIC_VALUE,
        VERSION = VIRTIO_MMIO_VERSION,
        DEVICE_ID = VIRTIO_MMIO_DEVICE_ID,
        DEVICE_FEATURES = VIRTIO_MMIO_DEVICE_FEATURES,
        DEVICE_FEATURES_SEL = VIRTIO_MMIO_DEVICE_FEATURES_SEL,
        DRIVER_FEATURES = VIRTIO_MMIO_DRIVER_FEATURES,
        DRIVER_FEATURES_SEL = VIRTIO_MMIO_DRIVER_FEATURES_SEL,
        GUEST_PAGE_SIZE = VIRTIO_MMIO_GUEST_PAGE_SIZE,
        QUEUE_SEL = VIRTIO_MMIO_QUEUE_SEL,
        QUEUE_SIZE_MAX = VIRTIO_MMIO_QUEUE_NUM_MAX,
        QUEUE_SIZE = VIRTIO_MMIO_QUEUE_NUM,
        QUEUE_ALIGN = VIRTIO_MMIO_QUEUE_ALIGN,
        QUEUE_PFN = VIRTIO_MMIO_QUEUE_PFN,
        QUEUE_READY = VIRTIO_MMIO_QUEUE_READY,
        QUEUE_NOTIFY = VIRTIO_MMIO_QUEUE_NOTIFY,
        INTERRUPT_STATUS = VIRTIO_MMIO_INTERRUPT_STATUS,
        INTERRUPT_ACK = VIRTIO_MMIO_INTERRUPT_ACK,
        STATUS = VIRTIO_MMIO_STATUS,
        QUEUE_DESC_LOW = VIRTIO_MMIO_QUEUE_DESC_LOW,
        QUEUE_DESC_HIGH = VIRTIO_MMIO_QUEUE_DESC_HIGH,
        QUEUE_DRIVER_LOW = VIRTIO_MMIO_QUEUE_AVAIL_LOW,
        QUEUE_DRIVER_HIGH = VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
        QUEUE_DEVICE_LOW = VIRTIO_MMIO_QUEUE_USED_LOW,
        QUEUE_DEVICE_HIGH = VIRTIO_MMIO_QUEUE_USED_HIGH,
        CONFIG_GENERATION = VIRTIO_MMIO_CONFIG_GENERATION,
    }
    assert_eq!(reg::CONFIG, mmio::VIRTIO_MMIO_CONFIG as usize);
    assert_eq!(
        u32::from(InterruptStatus::USED_BUFFER.bits()),
        mmio::VIRTIO_MMIO_INT_VRING
    );
    assert_eq!(
        u32::from(InterruptStatus::CONFIG_CHANGE.bits()),
        mmio::VIRTIO_MMIO_INT_CONFIG
    );
}

#[test]
fn the_features_and_status_bits_are_those_of_linux() {
    let bit = |number: u32| 1_u64 << number;
    assert_eq!(
        Features::INDIRECT_DESC.bits(),
        bit(ring::VIRTIO_RING_F_INDIRECT_DESC)
    );
    assert_eq!(
        Features::EVENT_IDX.bits(),
        bit(ring::VIRTIO_RING_F_EVENT_IDX)
    );
    assert_eq!(
        Features::NOTIFY_ON_EMPTY.bits(),
        bit(config::VIRTIO_F_NOTIFY_ON_EMPTY)
    );
    assert_eq!(
        Features::ANY_LAYOUT.bits(),
        bit(config::VIRTIO_F_ANY_LAYOUT)
    );
    assert_eq!(Features::VERSION_1.bits(), bit(config::VIRTIO_F_VERSION_1));
    assert_eq!(
        Features::ACCESS_PLATFORM.bits(),
        bit(config::VIRTIO_F_ACCESS_PLATFORM)
    );
    assert_eq!(
        Features::RING_PACKED.bits(),
        bit(config::VIRTIO_F_RING_PACKED)
    );
    assert_eq!(Features::IN_ORDER.bits(), bit(config::VIRTIO_F_IN_ORDER));
    assert_eq!(
        Features::ORDER_PLATFORM.bits(),
        bit(config::VIRTIO_F_ORDER_PLATFORM)
    );
    assert_eq!(Features::SR_IOV.bits(), bit(config::VIRTIO_F_SR_IOV));
    assert_eq!(
        Features::NOTIFICATION_DATA.bits(),
        bit(config::VIRTIO_F_NOTIFICATION_DATA)
    );
    assert_eq!(
        Features::NOTIF_CONFIG_DATA.bits(),
        bit(config::VIRTIO_F_NOTIF_CONFIG_DATA)
    );
    assert_eq!(
        Features::RING_RESET.bits(),
        bit(config::VIRTIO_F_RING_RESET)
    );
    assert_eq!(
        u32::from(Status::ACKNOWLEDGE.bits()),
        config::VIRTIO_CONFIG_S_ACKNOWLEDGE
    );
    assert_eq!(
        u32::from(Status::DRIVER.bits()),
        config::VIRTIO_CONFIG_S_DRIVER
    );
    assert_eq!(
        u32::from(Status::DRIVER_OK.bits()),
        config::VIRTIO_CONFIG_S_DRIVER_OK
    );
    assert_eq!(
        u32::from(Status::FEATURES_OK.bits()),
        config::VIRTIO_CONFIG_S_FEATURES_OK
    );
    assert_eq!(
        u32::from(Status::DEVICE_NEEDS_RESET.bits()),
        config::VIRTIO_CONFIG_S_NEEDS_RESET
    );
    assert_eq!(
        u32::from(Status::FAILED.bits()),
        config::VIRTIO_CONFIG_S_FAILED
    );
}

#[test]
fn the_rings_look_as_they_do_to_linux() {
    assert_eq!(size_of::<Descriptor>(), size_of::<ring::vring_desc>());
    assert_eq!(
        offset_of!(Descriptor, len),
        offset_of!(ring::vring_desc, len)
    );
    assert_eq!(
        offset_of!(Descriptor, flags),
        offset_of!(ring::vring_desc, flags)
    );
    assert_eq!(
        offset_of!(Descriptor, next),
        offset_of!(ring::vring_desc, next)
    );
    assert_eq!(size_of::<UsedElement>(), size_of::<ring::vring_used_elem>());
    assert_eq!(
        offset_of!(UsedElement, len),
        offset_of!(ring::vring_used_elem, len)
    );
    assert_eq!(
        u32::from(DescriptorFlags::NEXT.bits()),
        ring::VRING_DESC_F_NEXT
    );
    assert_eq!(
        u32::from(DescriptorFlags::WRITE.bits()),
        ring::VRING_DESC_F_WRITE
    );
    assert_eq!(
        u32::from(DescriptorFlags::INDIRECT.bits()),
        ring::VRING_DESC_F_INDIRECT
    );
    assert_eq!(u32::from(NO_NOTIFICATION), ring::VRING_AVAIL_F_NO_INTERRUPT);
    assert_eq!(u32::from(NO_NOTIFICATION), ring::VRING_USED_F_NO_NOTIFY);
}

#[test]
fn the_device_types_are_those_of_linux() {
    for (ours, theirs) in [
        (DeviceType::NETWORK, ids::VIRTIO_ID_NET),
        (DeviceType::BLOCK, ids::VIRTIO_ID_BLOCK),
        (DeviceType::CONSOLE, ids::VIRTIO_ID_CONSOLE),
        (DeviceType::ENTROPY, ids::VIRTIO_ID_RNG),
        (DeviceType::GPU, ids::VIRTIO_ID_GPU),
        (DeviceType::INPUT, ids::VIRTIO_ID_INPUT),
        (DeviceType::SOCKET, ids::VIRTIO_ID_VSOCK),
        (DeviceType::SOUND, ids::VIRTIO_ID_SOUND),
    ] {
        assert_eq!(ours.id(), theirs);
    }
}

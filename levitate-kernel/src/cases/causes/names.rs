//! What the registers are called that something is done to, over either transport: [`Name`].

use levitate_virtio::transport::mmio::registers as mmio;
use levitate_virtio::transport::pci::registers as pci;

/// A register of either transport; those that have none of a name do not use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Magic,
    Version,
    DeviceId,
    DeviceFeatures,
    Status,
    ConfigVector,
    QueueVector,
    GuestPageSize,
    QueueSizeMax,
    /// Over PCI, also the most there can be.
    QueueSize,
    QueueAlign,
    /// Version 1: where the queue is, and whether there is one.
    QueuePage,
    /// Otherwise: whether there is one.
    QueueReady,
    DeviceAreaLow,
    DeviceAreaHigh,
    Notify,
    Other,
}

impl Name {
    /// Names a register of virtio-mmio.
    pub(super) fn of_mmio(offset: usize) -> Self {
        let names = [
            (mmio::MAGIC_VALUE.offset(), Self::Magic),
            (mmio::VERSION.offset(), Self::Version),
            (mmio::DEVICE_ID.offset(), Self::DeviceId),
            (mmio::DEVICE_FEATURES.offset(), Self::DeviceFeatures),
            (mmio::STATUS.offset(), Self::Status),
            (mmio::GUEST_PAGE_SIZE.offset(), Self::GuestPageSize),
            (mmio::QUEUE_SIZE_MAX.offset(), Self::QueueSizeMax),
            (mmio::QUEUE_SIZE.offset(), Self::QueueSize),
            (mmio::QUEUE_ALIGN.offset(), Self::QueueAlign),
            (mmio::QUEUE_PFN.offset(), Self::QueuePage),
            (mmio::QUEUE_READY.offset(), Self::QueueReady),
            (mmio::QUEUE_DEVICE_LOW.offset(), Self::DeviceAreaLow),
            (mmio::QUEUE_DEVICE_HIGH.offset(), Self::DeviceAreaHigh),
            (mmio::QUEUE_NOTIFY.offset(), Self::Notify),
        ];
        find(&names, offset)
    }

    /// Names a field of the common configuration of a device on PCI.
    pub(super) fn of_pci(offset: usize) -> Self {
        let [low, high] = pci::QUEUE_DEVICE;
        let names = [
            (pci::DEVICE_STATUS.offset(), Self::Status),
            (pci::CONFIG_MSIX_VECTOR.offset(), Self::ConfigVector),
            (pci::QUEUE_MSIX_VECTOR.offset(), Self::QueueVector),
            (pci::QUEUE_SIZE.offset(), Self::QueueSize),
            (pci::QUEUE_ENABLE.offset(), Self::QueueReady),
            (low.offset(), Self::DeviceAreaLow),
            (high.offset(), Self::DeviceAreaHigh),
        ];
        find(&names, offset)
    }

    /// Says whether it tells if there is a queue.
    pub(super) fn is_queue_state(self) -> bool {
        matches!(self, Self::QueueReady | Self::QueuePage)
    }
}

fn find(names: &[(usize, Name)], offset: usize) -> Name {
    let mut names = names.iter();
    let found = names.find(|(at, _)| *at == offset);
    found.map_or(Name::Other, |(_, name)| *name)
}

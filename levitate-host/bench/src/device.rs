//! The device that all contenders drive: it reads rings as a device does, reads each request's header, writes its status, and no data.
//!
//! It runs when it is called, on the driver's own thread, and it trusts the driver: it is there to cost as little as it can.

mod packed;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use packed::PackedDevice;
pub(crate) use split::SplitDevice;

use crate::contender::Served;
use crate::memory::Table;
use crate::spec::{
    DATA_BYTES, F_EVENT_IDX, F_IN_ORDER, F_RING_PACKED, Header, STATUS_BYTES, STATUS_OK,
};

/// A virtqueue as a driver tells a device of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Areas {
    pub(crate) size: u16,
    pub(crate) descriptor: u64,
    pub(crate) driver: u64,
    pub(crate) device: u64,
}

/// The device for what a driver has negotiated.
#[derive(Debug)]
pub(crate) enum Device {
    Split(SplitDevice<false>),
    SplitInOrder(SplitDevice<true>),
    Packed(PackedDevice<false>),
    PackedInOrder(PackedDevice<true>),
}

impl Device {
    /// Takes a virtqueue over, with these features.
    ///
    /// # Safety
    ///
    /// A driver keeps it as the specification says, and whatever it makes available is there as long as the device is used.
    pub(crate) unsafe fn new(features: u64, areas: Areas) -> Self {
        let has = |feature| features & feature != 0;
        let has_event_index = has(F_EVENT_IDX);
        match (has(F_RING_PACKED), has(F_IN_ORDER)) {
            (false, false) => {
                // SAFETY: as the caller says.
                let device = unsafe { SplitDevice::new(areas, has_event_index) };
                Self::Split(device)
            }
            (false, true) => {
                // SAFETY: as the caller says.
                let device = unsafe { SplitDevice::new(areas, has_event_index) };
                Self::SplitInOrder(device)
            }
            (true, false) => {
                // SAFETY: as the caller says.
                let device = unsafe { PackedDevice::new(areas, has_event_index) };
                Self::Packed(device)
            }
            (true, true) => {
                // SAFETY: as the caller says.
                let device = unsafe { PackedDevice::new(areas, has_event_index) };
                Self::PackedInOrder(device)
            }
        }
    }

    /// Serves all that is available.
    pub(crate) fn serve(&mut self) -> Served {
        match self {
            Self::Split(device) => device.serve(),
            Self::SplitInOrder(device) => device.serve(),
            Self::Packed(device) => device.serve(),
            Self::PackedInOrder(device) => device.serve(),
        }
    }
}

/// What the device says that it wrote: the data, which it left alone, and the status.
const WRITTEN_BYTES: u32 = DATA_BYTES + STATUS_BYTES;

/// Carries out a request; returns its sector.
///
/// # Safety
///
/// A header and a status are at these addresses, in memory that is the device's.
unsafe fn carry_out(header: u64, status: u64) -> u64 {
    // SAFETY: as the caller says.
    let header = unsafe { Table::<Header>::at(header).read(0) };
    // SAFETY: as the caller says.
    unsafe { Table::at(status).write(0, STATUS_OK) };
    header.sector.into()
}

//! The device that all contenders drive: it reads rings as a device does, reads each request's header, writes its status, and no data.
//!
//! It runs when it is called, on the driver's own thread, and it trusts the driver: it is there to cost as little as it can.

mod packed;
mod split;

pub(crate) use packed::PackedDevice;
pub(crate) use split::SplitDevice;

use crate::memory::Table;
use crate::spec::{DATA_BYTES, Header, STATUS_BYTES, STATUS_OK};

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

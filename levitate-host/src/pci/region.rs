//! What a driver accesses of a function: [`PciRegion`].

use std::fmt;

use levitate_hal::Mmio;

use super::handle::PciDevice;
use super::space::CONFIG_SPACE_BYTES;
use crate::device::DeviceModel;

/// Which part of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Config,
    Bar(u8),
}

/// Configuration space or a BAR of a [`PciDevice`].
///
/// A BAR is there from the beginning, and answers while memory decoding is on and it has an address:
/// until then reads return all ones, writes are dropped, and both are noted as guest errors.
pub struct PciRegion<M: DeviceModel> {
    device: PciDevice<M>,
    place: Place,
}

impl<M: DeviceModel> PciRegion<M> {
    pub(super) const fn new(device: PciDevice<M>, place: Place) -> Self {
        Self { device, place }
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        self.device
            .with(|function| match (self.place, function.unplugged) {
                (Place::Config, Some(_)) => u64::MAX,
                (Place::Bar(_), Some(byte)) => u64::from_le_bytes([byte; 8]),
                (Place::Config, None) => function.read_config(offset, width_bytes),
                (Place::Bar(bar), None) => function.read_bar(bar, offset, width_bytes),
            })
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        let due = self
            .device
            .with(|function| match (self.place, function.unplugged) {
                (_, Some(_)) => None,
                (Place::Config, None) => function.write_config(offset, width_bytes, value),
                (Place::Bar(bar), None) => function.write_bar(bar, offset, width_bytes, value),
            });
        self.device.plan(due);
    }
}

impl<M: DeviceModel> Clone for PciRegion<M> {
    fn clone(&self) -> Self {
        Self::new(self.device.clone(), self.place)
    }
}

impl<M: DeviceModel> Mmio for PciRegion<M> {
    fn len_bytes(&self) -> usize {
        match self.place {
            Place::Config => CONFIG_SPACE_BYTES,
            Place::Bar(bar) => self.device.with(|function| function.bar_len_bytes(bar)),
        }
    }

    levitate_hal::accesses_by_width!();
}

impl<M: DeviceModel> fmt::Debug for PciRegion<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PciRegion({:?})", self.place)
    }
}

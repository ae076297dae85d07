//! What a driver with a transport of its own is shown of a device.

use levitate_kernel::checked_function::{CheckedBar, CheckedFunction, CheckedStructure, ShowError};
use levitate_virtio::transport::pci::{BarRange, PciError};
use thiserror::Error;

use super::PciDevice;

/// `VIRTIO_PCI_CAP_COMMON_CFG`, `VIRTIO_PCI_CAP_NOTIFY_CFG`, `VIRTIO_PCI_CAP_ISR_CFG` and `VIRTIO_PCI_CAP_DEVICE_CFG` (§4.1.4).
const COMMON_CFG: u8 = 1;
const NOTIFY_CFG: u8 = 2;
const ISR_CFG: u8 = 3;
const DEVICE_CFG: u8 = 4;

/// Why a device cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotShown {
    /// It has no structures that are of use.
    #[error(transparent)]
    Structures(#[from] PciError),
    /// They do not fit.
    #[error(transparent)]
    Room(#[from] ShowError),
    /// A BAR is not where registers can be.
    #[error("BAR {bar} is not mapped")]
    NotMapped {
        /// Which one.
        bar: u8,
    },
}

impl PciDevice {
    /// Returns a copy of its configuration space with its BARs and with the structures that our transport would use, all of which
    /// are mapped.
    ///
    /// # Errors
    ///
    /// [`NotShown`].
    pub(crate) fn show(&self) -> Result<CheckedFunction, NotShown> {
        let (vendor, device) = self.function.read_ids().ok_or(PciError::Absent)?;
        let mut shown = CheckedFunction::new(vendor, device);
        for (index, bar) in self.bars.memory() {
            let bar = CheckedBar {
                address: bar.address,
                len_bytes: bar.len_bytes,
                is_64_bit: bar.is_64_bit,
                is_prefetchable: bar.is_prefetchable,
            };
            shown.add_bar(index, bar)?;
        }
        let found = self.function.read_structures(&self.bars)?;
        let device = found.device.map(|range| (DEVICE_CFG, range));
        let structures = [
            (COMMON_CFG, found.common),
            (NOTIFY_CFG, found.notify),
            (ISR_CFG, found.isr),
        ];
        for (cfg_type, range) in structures.into_iter().chain(device) {
            let BarRange { bar, .. } = range;
            self.map(range).ok_or(NotShown::NotMapped { bar })?;
            shown.add_structure(CheckedStructure {
                cfg_type,
                bar,
                offset: range.offset,
                len_bytes: range.len_bytes,
                multiplier: found.notify_off_multiplier,
            })?;
        }
        Ok(shown)
    }
}

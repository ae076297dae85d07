//! Which structures the capability list names, and where: [`Structures`], [`StructureKind`] (§4.1.4).

use core::fmt;

use pci_types::ConfigRegionAccess;

use super::PciError;
use super::bars::Bars;
use super::capability::{BarRange, Refusal, VirtioCapability};
use super::function::Function;
use super::registers;
use crate::features::Features;

/// `VIRTIO_PCI_CAP_COMMON_CFG`.
const COMMON_CFG: u8 = 1;
/// `VIRTIO_PCI_CAP_NOTIFY_CFG`.
const NOTIFY_CFG: u8 = 2;
/// `VIRTIO_PCI_CAP_ISR_CFG`.
const ISR_CFG: u8 = 3;
/// `VIRTIO_PCI_CAP_DEVICE_CFG`.
const DEVICE_CFG: u8 = 4;
/// `VIRTIO_PCI_CAP_SHARED_MEMORY_CFG`.
const SHARED_MEMORY_CFG: u8 = 8;

/// Bytes of the shortest notification.
const NOTIFICATION_BYTES_MIN: u64 = 2;
/// Bytes of a notification with data.
pub(super) const NOTIFICATION_BYTES_MAX: u64 = 4;

/// Returns how many bytes a notification has with the features that were accepted (§4.1.5.2.1).
pub(super) const fn notification_bytes(accepted: Features) -> u64 {
    match accepted.contains(Features::NOTIFICATION_DATA) {
        true => NOTIFICATION_BYTES_MAX,
        false => NOTIFICATION_BYTES_MIN,
    }
}

/// A structure that a capability tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureKind {
    /// The common configuration (§4.1.4.3).
    Common,
    /// Where queues are notified (§4.1.4.4).
    Notify,
    /// The ISR status (§4.1.4.5).
    Isr,
    /// The configuration of the device type (§4.1.4.6); a device type may have none.
    Device,
}

impl fmt::Display for StructureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Common => "common configuration",
            Self::Notify => "notification",
            Self::Isr => "ISR status",
            Self::Device => "device configuration",
        })
    }
}

/// The capabilities for one structure, none of which is of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many there are.
    pub count: u8,
    /// Where the first of them is in configuration space, and why it is of no use.
    pub first: Option<(u8, Refusal)>,
}

impl Refused {
    fn add(&mut self, at: u8, refusal: Refusal) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert((at, refusal));
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            None => f.write_str("no capability tells of one"),
            Some((at, refusal)) => write!(
                f,
                "{} tell of one, and that at {at:#04x} is of no use: {refusal}",
                self.count
            ),
        }
    }
}

/// A shared memory region (§2.10, §4.1.4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedMemory {
    /// The number the device type has for it (`shmid`).
    pub id: u8,
    /// Where it is.
    pub range: BarRange,
}

/// The first structure of each kind that is of use (§4.1.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structures {
    /// The common configuration, at least as long as it has to be.
    pub common: BarRange,
    /// Where queues are notified.
    pub notify: BarRange,
    /// Bytes between the places of two queues that are next to one another there; even.
    pub notify_off_multiplier: u32,
    /// The ISR status.
    pub isr: BarRange,
    /// The configuration of the device type; one without bytes is none.
    pub device: Option<BarRange>,
}

/// What has been found of one kind, and what has not been good enough.
#[derive(Debug)]
struct Search<T> {
    found: Option<T>,
    refused: Refused,
}

impl<T> Search<T> {
    const fn new() -> Self {
        Self {
            found: None,
            refused: Refused {
                count: 0,
                first: None,
            },
        }
    }

    /// Looks at a capability, if there was no good one before it.
    fn look(&mut self, kind: StructureKind, at: u8, read: impl FnOnce() -> Result<T, Refusal>) {
        if self.found.is_some() {
            return;
        }
        match read() {
            Ok(found) => self.found = Some(found),
            Err(refusal) => {
                log::debug!("PCI capability at {at:#04x} for the {kind} structure: {refusal}");
                self.refused.add(at, refusal);
            }
        }
    }

    /// What was found; `None` only if there was nothing to refuse.
    fn found_if_any(self, structure: StructureKind) -> Result<Option<T>, PciError> {
        match self.refused.count {
            0 => Ok(self.found),
            _ => self.found(structure).map(Some),
        }
    }

    fn found(self, structure: StructureKind) -> Result<T, PciError> {
        self.found.ok_or(PciError::NoStructure {
            structure,
            refused: self.refused,
        })
    }
}

impl Structures {
    /// Walks the capability list of `function`; what is of no use is passed over.
    pub(super) fn find<A: ConfigRegionAccess>(
        function: &Function<A>,
        bars: &Bars,
    ) -> Result<Self, PciError> {
        let mut common = Search::new();
        let mut notify = Search::new();
        let mut isr = Search::new();
        let mut device = Search::new();
        let mut is_modern = false;
        for capability in function.capabilities().filter_map(VirtioCapability::new) {
            let at = capability.at();
            let range = |needed_bytes, align_bytes| {
                let (range, _) = capability.read_range(function, bars)?;
                check(range, needed_bytes, align_bytes)
            };
            match capability.cfg_type() {
                COMMON_CFG => common.look(StructureKind::Common, at, || {
                    range(registers::COMMON_BYTES, 4)
                }),
                NOTIFY_CFG => notify.look(StructureKind::Notify, at, || {
                    let range = range(NOTIFICATION_BYTES_MIN, NOTIFICATION_BYTES_MIN)?;
                    let multiplier = capability.read_multiplier(function)?;
                    check_multiplier(multiplier)?;
                    Ok((range, multiplier))
                }),
                ISR_CFG => isr.look(StructureKind::Isr, at, || range(1, 1)),
                DEVICE_CFG => device.look(StructureKind::Device, at, || range(0, 4)),
                // The window into the BARs, shared memory, data of a vendor, and what nobody has defined (§4.1.4.1).
                _ => continue,
            }
            is_modern = true;
        }
        if !is_modern && function.is_transitional() {
            return Err(PciError::Legacy);
        }
        let (notify, notify_off_multiplier) = notify.found(StructureKind::Notify)?;
        Ok(Self {
            common: common.found(StructureKind::Common)?,
            notify,
            notify_off_multiplier,
            isr: isr.found(StructureKind::Isr)?,
            device: device
                .found_if_any(StructureKind::Device)?
                .filter(|range| range.len_bytes != 0),
        })
    }
}

impl Structures {
    /// Returns which features the structures have room for, each at the place and as wide as it takes (§4.1.4.3, §4.1.4.4.1).
    pub(super) fn supported_features(&self) -> Features {
        let is_aligned = [self.notify.offset, self.notify_off_multiplier.into()]
            .iter()
            .all(|value| value.is_multiple_of(NOTIFICATION_BYTES_MAX));
        let has_data = is_aligned && self.notify.len_bytes >= NOTIFICATION_BYTES_MAX;
        let mut features = Features::empty();
        features.set(Features::NOTIFICATION_DATA, has_data);
        for (feature, needed_bytes) in [
            (
                Features::NOTIF_CONFIG_DATA,
                registers::QUEUE_NOTIF_CONFIG_DATA.end(),
            ),
            (Features::RING_RESET, registers::QUEUE_RESET.end()),
        ] {
            features.set(feature, self.common.len_bytes >= needed_bytes);
        }
        features
    }
}

impl<A: ConfigRegionAccess> Function<A> {
    /// Reads which structures [`PciTransport::probe`](super::PciTransport::probe) would use, for a platform that hands them to a driver
    /// with a transport of its own.
    ///
    /// # Errors
    ///
    /// [`PciError::NoStructure`], or [`PciError::Legacy`] of a device without any.
    pub fn read_structures(&self, bars: &Bars) -> Result<Structures, PciError> {
        Structures::find(self, bars)
    }

    /// Reads which shared memory regions there are; what makes no sense is passed over (§4.1.4.7).
    pub fn shared_memory<'f>(&'f self, bars: &'f Bars) -> impl Iterator<Item = SharedMemory> + 'f {
        self.capabilities()
            .filter_map(VirtioCapability::new)
            .filter(|capability| capability.cfg_type() == SHARED_MEMORY_CFG)
            .filter_map(|capability| {
                let (range, id) = capability.read_range64(self, bars).ok()?;
                Some(SharedMemory { id, range })
            })
    }
}

fn check(range: BarRange, needed_bytes: u64, align_bytes: u64) -> Result<BarRange, Refusal> {
    if range.len_bytes < needed_bytes {
        return Err(Refusal::TooShort {
            len_bytes: range.len_bytes,
            needed_bytes,
        });
    }
    if !range.offset.is_multiple_of(align_bytes) {
        return Err(Refusal::Misaligned {
            what: "offset",
            value: range.offset,
            align_bytes,
        });
    }
    Ok(range)
}

/// A notification is aligned to its width wherever a queue has its own (§4.1.4.4.1).
fn check_multiplier(multiplier: u32) -> Result<(), Refusal> {
    let value = u64::from(multiplier);
    match value.is_multiple_of(NOTIFICATION_BYTES_MIN) {
        true => Ok(()),
        false => Err(Refusal::Misaligned {
            what: "notify_off_multiplier",
            value,
            align_bytes: NOTIFICATION_BYTES_MIN,
        }),
    }
}

//! Virtio over PCI, the modern interface: [`PciTransport`] (§4.1).
//!
//! [`EcamAccess`] finds [`Function`]s, [`Function::measure_bars`] and [`Function::assign_bars`] take care of their BARs, and
//! [`PciTransport::probe`] finds the structures of VirtIO in them; where a BAR is in the program's memory, the platform says.
//! With MSI-X, the platform fills an [`MsixTable`], and a [`VectorPlan`] tells the device which vector is for what.

use levitate_hal::{Mmio, MmioPart};
use pci_types::{CommandRegister, ConfigRegionAccess};

use super::{
    CutOff, EnableQueueError, Interface, Placement, QueueAreas, QueueReset, QueueState, Transport,
    VectorRefused, halves,
};
use crate::device_type::DeviceType;
use crate::features::Features;
use crate::queue::QueueIndex;
use crate::status::Status;

mod bars;
mod capability;
mod ecam;
mod enable;
mod error;
mod function;
mod handles;
mod msix;
mod queue_reset;
pub mod registers;
mod structures;
mod vectors;

pub use bars::{BAR_COUNT, Bar, BarError, Bars, MemoryBar, MemoryWindow};
pub use capability::{BarRange, Refusal};
pub use ecam::{BUS_BYTES, EcamAccess, Functions};
pub use error::PciError;
pub use function::{Function, InterruptLine, VENDOR};
pub use handles::{PciInterrupt, PciNotifier};
pub use msix::{Message, MsixError, MsixTable};
/// The crate whose addresses, access trait and command bits are used here.
pub use pci_types;
pub use structures::{Refused, SharedMemory, StructureKind, Structures};
pub use vectors::{PlanError, QueueVectors, VectorPlan};

use enable::{NotifyPlace, NotifyPlaces};
use registers as reg;
use structures::NOTIFICATION_BYTES_MAX;

/// Bytes of the device's configuration that are mapped; no device type has as many.
const DEVICE_BYTES_MAX: u64 = 4096;

/// So many queues of a device can be used: where each is notified is kept.
pub const QUEUES_MAX: usize = 64;

/// A device on PCI, through its modern interface (§4.1).
#[derive(Debug)]
pub struct PciTransport<M, A> {
    function: Function<A>,
    device_type: DeviceType,
    common: M,
    notify: M,
    places: NotifyPlaces,
    isr: M,
    /// The device type's configuration.
    device: Option<MmioPart<M>>,
    vectors: Option<VectorPlan>,
    /// What the structures have room for.
    supported: Features,
    /// What was accepted of it.
    accepted: Features,
    /// How each queue that was enabled since the last reset, its own or the device's, is notified.
    notified_at: [Option<NotifyPlace>; QUEUES_MAX],
}

impl<M: Mmio, A: ConfigRegionAccess> PciTransport<M, A> {
    /// Looks for a device in `function`, which is turned on and has `bars`.
    ///
    /// `map` gives access to a range of a BAR, at least as long as it is asked for: parts of structures, three or four of them.
    /// That a BAR is aligned is all that is known of its address: `map` compares it with the windows of its host bridge, and
    /// returns `None` for what is outside them.
    ///
    /// # Errors
    ///
    /// [`PciError`]: nothing was written.
    pub fn probe(
        function: Function<A>,
        bars: &Bars,
        mut map: impl FnMut(BarRange) -> Option<M>,
    ) -> Result<Self, PciError> {
        let (vendor, device) = function.read_ids().ok_or(PciError::Absent)?;
        let device_type = function
            .read_device_type()
            .ok_or(PciError::NotVirtio { vendor, device })?;
        let found = Structures::find(&function, bars)?;
        let mut map = |structure, range: BarRange, most| {
            let range = BarRange {
                len_bytes: range.len_bytes.min(most),
                ..range
            };
            let len_bytes = usize::try_from(range.len_bytes).ok();
            let region = len_bytes.and_then(|len_bytes| {
                let region = map(range)?;
                (region.len_bytes() >= len_bytes).then_some((region, len_bytes))
            });
            region.ok_or(PciError::NotMapped { structure, range })
        };
        let multiplier = found.notify_off_multiplier;
        // Where the last queue there can be has its place.
        let notify_bytes_max = u64::from(u16::MAX)
            .saturating_mul(multiplier.into())
            .saturating_add(NOTIFICATION_BYTES_MAX);
        let (common, _) = map(StructureKind::Common, found.common, reg::COMMON_BYTES_MAX)?;
        let (notify, len_bytes) = map(StructureKind::Notify, found.notify, notify_bytes_max)?;
        let (isr, _) = map(StructureKind::Isr, found.isr, 1)?;
        let device = match found.device {
            Some(range) => {
                let (region, len_bytes) = map(StructureKind::Device, range, DEVICE_BYTES_MAX)?;
                MmioPart::new(region, 0..len_bytes)
            }
            None => None,
        };
        Ok(Self {
            function,
            device_type,
            common,
            notify,
            places: NotifyPlaces {
                len_bytes,
                multiplier,
            },
            isr,
            device,
            vectors: None,
            supported: found.supported_features(),
            accepted: Features::empty(),
            notified_at: [None; QUEUES_MAX],
        })
    }

    /// Has the device send messages, from its next initialization on, instead of pulling its interrupt line.
    ///
    /// `table` is turned on, and the vectors of `plan` are enabled in it: one that is masked keeps its messages back, which is not
    /// looked at here.
    ///
    /// # Errors
    ///
    /// [`PlanError`]: nothing has changed.
    pub fn use_msix<N: Mmio, B: ConfigRegionAccess>(
        &mut self,
        table: &MsixTable<N, B>,
        plan: VectorPlan,
    ) -> Result<(), PlanError> {
        if table.address() != self.function.address() {
            return Err(PlanError::ForeignTable);
        }
        plan.check(table.vectors())?;
        if !table.is_on() {
            return Err(PlanError::TableOff);
        }
        self.vectors = Some(plan);
        Ok(())
    }

    /// Reads how many queues the device has.
    #[must_use]
    pub fn read_queue_count(&self) -> u16 {
        reg::NUM_QUEUES.read(&self.common)
    }

    /// Returns the function.
    #[must_use]
    pub const fn function(&self) -> &Function<A> {
        &self.function
    }
}

impl<M: Mmio, A: ConfigRegionAccess> Transport for PciTransport<M, A> {
    type Notifier = PciNotifier<M>;
    type Interrupt = PciInterrupt<M>;

    fn device_type(&self) -> DeviceType {
        self.device_type
    }

    fn interface(&self) -> Interface {
        Interface::Modern
    }

    fn supported_features(&self) -> Features {
        self.supported
    }

    fn read_device_features(&mut self) -> u64 {
        let read = |select| {
            reg::DEVICE_FEATURE_SELECT.write(&self.common, select);
            u64::from(reg::DEVICE_FEATURE.read(&self.common))
        };
        read(0) | read(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        self.accepted = Features::from_bits_truncate(features) & self.supported;
        for (select, word) in (0..).zip(halves(features)) {
            reg::DRIVER_FEATURE_SELECT.write(&self.common, select);
            reg::DRIVER_FEATURE.write(&self.common, word);
        }
    }

    fn read_status(&self) -> Status {
        Status::from_bits_retain(reg::DEVICE_STATUS.read(&self.common))
    }

    fn write_status(&mut self, status: Status) {
        if status.is_empty() {
            self.notified_at = [None; QUEUES_MAX];
        }
        reg::DEVICE_STATUS.write(&self.common, status.bits());
    }

    fn placement(&self) -> Placement {
        Placement::Separate
    }

    fn map_config_changes(&mut self) -> Result<(), VectorRefused> {
        let Some(vector) = self.vectors.and_then(|plan| plan.config) else {
            return Ok(());
        };
        reg::CONFIG_MSIX_VECTOR.write(&self.common, vector);
        match reg::CONFIG_MSIX_VECTOR.read(&self.common) {
            found if found == vector => Ok(()),
            found => Err(VectorRefused { vector, found }),
        }
    }

    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError> {
        enable::read_max_size(&self.common, queue)
    }

    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        let limit = self.notified_at.len();
        let Some(notified_at) = self.notified_at.get_mut(usize::from(queue.get())) else {
            return Err(EnableQueueError::BeyondTransport { queue, limit });
        };
        let place = enable::enable(
            &self.common,
            self.places,
            self.vectors,
            self.accepted,
            queue,
            areas,
        )?;
        *notified_at = Some(place);
        Ok(())
    }

    fn start_queue_reset(&mut self, queue: QueueIndex) {
        if self.accepted.contains(Features::RING_RESET) {
            queue_reset::start(&self.common, queue);
        }
    }

    fn read_queue_reset(&mut self, queue: QueueIndex) -> QueueReset {
        if !self.accepted.contains(Features::RING_RESET) {
            return QueueReset::Ignored;
        }
        let outcome = queue_reset::read(&self.common, queue);
        let notified_at = self.notified_at.get_mut(usize::from(queue.get()));
        if let (QueueReset::Done, Some(notified_at)) = (outcome, notified_at) {
            *notified_at = None;
        }
        outcome
    }

    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState {
        if self.function.read_ids().is_none() {
            return QueueState::CutOff(CutOff::Gone);
        }
        reg::QUEUE_SELECT.write(&self.common, queue.get());
        if reg::QUEUE_ENABLE.read(&self.common) != 1 {
            return QueueState::Disabled;
        }
        let command = self.function.read_command();
        if !command.contains(CommandRegister::BUS_MASTER_ENABLE) {
            return QueueState::CutOff(CutOff::NoBusMastering);
        }
        if let Some(vectors) = self.vectors.and_then(|plan| plan.queues) {
            let vector = vectors.of(queue);
            let found = reg::QUEUE_MSIX_VECTOR.read(&self.common);
            if found != vector {
                return QueueState::CutOff(CutOff::NoVector { vector, found });
            }
        }
        QueueState::Enabled
    }

    fn notifier(&self, queue: QueueIndex) -> PciNotifier<M> {
        let notified_at = self.notified_at.get(usize::from(queue.get()));
        PciNotifier {
            notify: self.notify.clone(),
            place: notified_at.copied().flatten(),
            has_data: self.accepted.contains(Features::NOTIFICATION_DATA),
        }
    }

    fn interrupt(&self) -> PciInterrupt<M> {
        PciInterrupt {
            isr: self.isr.clone(),
            vectors: self.vectors,
        }
    }

    fn config_len_bytes(&self) -> usize {
        self.device.as_ref().map_or(0, Mmio::len_bytes)
    }

    fn read_config_generation(&self) -> Option<u32> {
        Some(reg::CONFIG_GENERATION.read(&self.common).into())
    }

    fn read_config8(&self, offset: usize) -> u8 {
        let region = self.device.as_ref();
        region.map_or(u8::MAX, |region| region.read8(offset))
    }

    fn read_config16(&self, offset: usize) -> u16 {
        let region = self.device.as_ref();
        region.map_or(u16::MAX, |region| region.read16(offset))
    }

    fn read_config32(&self, offset: usize) -> u32 {
        let region = self.device.as_ref();
        region.map_or(u32::MAX, |region| region.read32(offset))
    }

    fn write_config8(&mut self, offset: usize, value: u8) {
        if let Some(region) = &self.device {
            region.write8(offset, value);
        }
    }

    fn write_config16(&mut self, offset: usize, value: u16) {
        if let Some(region) = &self.device {
            region.write16(offset, value);
        }
    }

    fn write_config32(&mut self, offset: usize, value: u32) {
        if let Some(region) = &self.device {
            region.write32(offset, value);
        }
    }
}

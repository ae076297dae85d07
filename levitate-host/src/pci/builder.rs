//! The choices a test has about a device before it is plugged in: [`PciBuilder`].

use super::capability::Capability;
use super::function::{Function, Traits};
use super::handle::PciDevice;
use super::header;
use super::layout::{Layout, Structure};
use crate::clock::{DeviceClock, VirtualClock};
use crate::device::{Behaviour, Core, DeviceModel, Family, Rules};
use crate::dma::Pool;

/// Bytes between the places where queues are notified, as in QEMU.
const DEFAULT_MULTIPLIER: u32 = 4;
/// `queue_notif_config_data` of queue 0: no queue's index.
const DEFAULT_NOTIF_CONFIG_DATA: u16 = 0x4000;
/// As many vectors as MSI-X can have.
const VECTORS_MAX: u16 = 2048;

/// A change of the capability list.
type ListChange = Box<dyn FnOnce(&mut Vec<Capability>)>;

/// How a device shall be; made by [`PciDevice::builder`].
#[must_use]
pub struct PciBuilder<M> {
    model: M,
    behaviour: Behaviour,
    traits: Traits,
    vectors: u16,
    multiplier: u32,
    shared_memory_len_bytes: u32,
    further: Vec<Structure>,
    header: Vec<(usize, Vec<u8>)>,
    list_changes: Vec<ListChange>,
}

impl<M: DeviceModel> PciBuilder<M> {
    pub(super) fn new(model: M) -> Self {
        // One for each queue, and one for changes of the configuration.
        let vectors = model.queue_count() + 1;
        Self {
            model,
            behaviour: Behaviour::default(),
            traits: Traits {
                notif_config_data: DEFAULT_NOTIF_CONFIG_DATA,
                ..Traits::default()
            },
            vectors,
            multiplier: DEFAULT_MULTIPLIER,
            shared_memory_len_bytes: 0,
            further: Vec::new(),
            header: Vec::new(),
            list_changes: Vec::new(),
        }
    }

    /// Sets switches that must be right before the driver's first access.
    ///
    /// `queue_reset` and `queue_notif_config_data` are there once `offer` has VIRTIO_F_RING_RESET and
    /// VIRTIO_F_NOTIF_CONFIG_DATA; what is of MMIO alone has no effect.
    pub fn behave(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.behaviour);
        self
    }

    /// Chooses the size of the MSI-X table; with 0 there is no MSI-X.
    ///
    /// # Panics
    ///
    /// If that is more than 2048.
    pub fn vectors(mut self, vectors: u16) -> Self {
        assert!(vectors <= VECTORS_MAX, "MSI-X has at most 2048 vectors");
        self.vectors = vectors;
        self
    }

    /// Has these vectors read back as VIRTIO_MSI_NO_VECTOR whenever an event is mapped to them.
    pub fn refuse_vectors(mut self, vectors: &[u16]) -> Self {
        self.traits.refused_vectors = vectors.to_vec();
        self
    }

    /// Chooses `notify_off_multiplier`.
    pub const fn notify_off_multiplier(mut self, multiplier: u32) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Chooses `queue_notify_off` of the first queues; that of a queue is its index if nobody chooses.
    ///
    /// # Panics
    ///
    /// If one is not the index of a queue, for there the notification structure ends.
    pub fn notify_offsets(mut self, offsets: &[u16]) -> Self {
        let queues = self.model.queue_count();
        assert!(
            offsets.iter().all(|offset| *offset < queues),
            "there is room for {queues} queues"
        );
        self.traits.notify_offsets = offsets.to_vec();
        self
    }

    /// Chooses how many reads of `queue_reset` return 1 before a queue is reset.
    pub const fn queue_reset_reads(mut self, reads: u32) -> Self {
        self.traits.queue_reset_reads = reads;
        self
    }

    /// Adds a shared memory region of so many bytes, with a capability.
    pub const fn shared_memory(mut self, len_bytes: u32) -> Self {
        self.shared_memory_len_bytes = len_bytes;
        self
    }

    /// Adds a structure behind those that are there anyway; it works, and has a capability.
    ///
    /// # Panics
    ///
    /// If it is in a BAR that is the upper half of another.
    pub fn structure(mut self, structure: Structure) -> Self {
        assert!(
            matches!(structure.bar, 0 | 1 | 2 | 4),
            "BAR {} is no BAR of its own",
            structure.bar
        );
        self.further.push(structure);
        self
    }

    /// Writes over the header as it is after power-on, such as other IDs.
    pub fn header(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.header.push((offset, bytes.to_vec()));
        self
    }

    /// Changes the capability list, which is honest before.
    ///
    /// What really is in the BARs stays as it was.
    pub fn capabilities(mut self, change: impl FnOnce(&mut Vec<Capability>) + 'static) -> Self {
        self.list_changes.push(Box::new(change));
        self
    }

    /// Plugs the device in.
    ///
    /// # Panics
    ///
    /// If the model offers what no device may.
    #[must_use]
    pub fn build(self, pool: &Pool, clock: &VirtualClock) -> PciDevice<M> {
        let mut layout = Layout::new(
            self.model.queue_count(),
            self.vectors,
            self.multiplier,
            self.shared_memory_len_bytes,
        );
        layout.structures.extend(self.further);
        let mut list = layout.capabilities();
        for change in self.list_changes {
            change(&mut list);
        }
        let device_type = self.behaviour.device_id.unwrap_or(self.model.device_id());
        let (mut space, placed) = header::build(device_type, &layout, &list);
        for (offset, bytes) in self.header {
            space.put(offset, &bytes);
        }
        let mut core = Core::new(
            self.model,
            Family::Modern,
            pool.device_memory(),
            DeviceClock::Virtual(clock.clone()),
            self.behaviour,
        );
        core.rules = &Rules::PCI;
        let function = Function::new(core, layout, self.traits, space, placed);
        PciDevice::plug_in(function, clock)
    }
}

//! The function itself, and what each access to it does: [`Function`].

mod bars;
mod common;
mod config;
mod interrupts;
mod notify;
mod queues;

use levitate_hal::Instant;

use super::capability::{MSIX, Placed};
use super::header;
use super::layout::{Layout, Structure, StructureKind};
use super::registers::*;
use super::space::ConfigSpace;
use crate::device::{Core, DeviceModel, refuse_unless_panicking};
use crate::mmio::{Access, AccessLog, Operation};
use interrupts::Vector;
use queues::QueueRegisters;

pub use interrupts::Message;

/// How a device differs from the plain one.
#[derive(Clone, Debug, Default)]
pub(super) struct Traits {
    /// Vectors that no event can be mapped to, although the table has them.
    pub(super) refused_vectors: Vec<u16>,
    /// How many reads of queue_reset it takes until a queue is reset.
    pub(super) queue_reset_reads: u32,
    /// `queue_notify_off` of each queue, if not its index.
    pub(super) notify_offsets: Vec<u16>,
    /// `queue_notif_config_data` of queue 0; those of the others follow it.
    pub(super) notif_config_data: u16,
}

/// A device behind configuration space and BARs.
pub(super) struct Function<M> {
    pub(super) core: Core<M>,
    pub(super) guest_errors: Vec<String>,
    /// What its registers read while it is not in its slot.
    pub(super) unplugged: Option<u8>,
    pub(super) config_log: AccessLog,
    pub(super) bar_logs: [AccessLog; 6],
    pub(super) messages: Vec<Message>,
    layout: Layout,
    traits: Traits,
    space: ConfigSpace,
    capabilities: Vec<Placed>,
    msix_capability: Option<usize>,
    vectors: Vec<Vector>,
    shared_memory: Vec<u8>,
    device_feature_select: u32,
    driver_feature_select: u32,
    queue_select: u16,
    config_vector: Mapping,
    queues: Vec<QueueRegisters>,
}

/// Which vector an event is mapped to, as the driver asked for it.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    vector: u16,
    /// Whether the driver has not looked at what became of it.
    is_unread: bool,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            vector: NO_VECTOR,
            is_unread: false,
        }
    }
}

impl<M: DeviceModel> Function<M> {
    pub(super) fn new(
        mut core: Core<M>,
        layout: Layout,
        traits: Traits,
        space: ConfigSpace,
        capabilities: Vec<Placed>,
    ) -> Self {
        core.signals = Some(Vec::new());
        let size = core.behaviour.queue_size_max as u16;
        let queues = vec![QueueRegisters::new(size); core.queues.len()];
        let shared_memory_len = layout
            .first(StructureKind::SharedMemory)
            .map_or(0, |structure| structure.length as usize);
        Self {
            core,
            guest_errors: Vec::new(),
            unplugged: None,
            config_log: AccessLog::default(),
            bar_logs: Default::default(),
            messages: Vec::new(),
            vectors: vec![Vector::default(); usize::from(layout.vectors)],
            shared_memory: vec![0; shared_memory_len],
            layout,
            traits,
            space,
            msix_capability: capabilities
                .iter()
                .find(|capability| capability.id == MSIX)
                .map(|capability| capability.at),
            capabilities,
            device_feature_select: 0,
            driver_feature_select: 0,
            queue_select: 0,
            config_vector: Mapping::default(),
            queues,
        }
    }

    fn guest_error(&mut self, what: String) {
        self.guest_errors.push(what);
    }

    fn violation(&mut self, id: &'static str, what: String) {
        self.core.violations.add(id, what);
    }

    fn has_negotiated(&self, feature: u32) -> bool {
        self.core.negotiated() >> feature & 1 != 0
    }

    /// Returns the command register.
    fn command(&self) -> u16 {
        self.space.half(header::COMMAND)
    }

    /// Resets what the driver has set up by VirtIO; the BARs and the table of vectors outlive it.
    fn reset(&mut self) {
        self.core.reset();
        self.device_feature_select = 0;
        self.driver_feature_select = 0;
        self.queue_select = 0;
        self.config_vector = Mapping::default();
        let size = self.core.behaviour.queue_size_max as u16;
        self.queues.fill(QueueRegisters::new(size));
        for vector in &mut self.vectors {
            vector.is_pending = false;
        }
    }
}

impl<M> Function<M> {
    /// Returns everything the driver did wrong as far as the device could see, and forgets it.
    pub(super) fn take_complaints(&mut self) -> Vec<String> {
        self.core.take_complaints(&mut self.guest_errors)
    }
}

impl<M> Drop for Function<M> {
    fn drop(&mut self) {
        refuse_unless_panicking(&self.take_complaints());
    }
}

/// Returns what is read where nothing answers.
const fn all_ones(width_bytes: usize) -> u64 {
    u64::MAX >> (64 - 8 * width_bytes)
}

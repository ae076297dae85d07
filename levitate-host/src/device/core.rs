//! Status, features and configuration of a device, the same on every transport: [`Core`].

mod config;
mod features;
mod notified;
mod rules;
mod status;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::feature::{EVENT_IDX, IN_ORDER, INDIRECT_DESC, RING_PACKED, VERSION_1};
use super::{Behaviour, DeviceModel, Fault, Violations};
use crate::clock::DeviceClock;
use crate::dma::DeviceMemory;
use crate::queue::{Areas, DeviceQueue, RingError, RingFeatures, Used};

use super::service::Pending;
pub(crate) use rules::Rules;
use watch::ConfigWatch;

pub(crate) const ACKNOWLEDGE: u8 = 1;
pub(crate) const DRIVER: u8 = 2;
pub(crate) const DRIVER_OK: u8 = 4;
pub(crate) const FEATURES_OK: u8 = 8;
pub(crate) const NEEDS_RESET: u8 = 0x40;
pub(crate) const FAILED: u8 = 0x80;

pub(crate) const USED_BUFFER: u32 = 1;
const CONFIG_CHANGE: u32 = 2;

/// Which interface the driver sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The one from before the specification (§7.4).
    Legacy,
    /// The one of the specification.
    Modern,
}

/// What the device notifies its driver of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Queue(u16),
    Config,
}

/// A change of configuration that waits for the driver to have read so many times.
pub(crate) type ConfigChange<M> = (u32, Box<dyn FnOnce(&mut M) + Send>);

/// A device behind its transport.
pub(crate) struct Core<M> {
    pub(crate) model: M,
    pub(crate) family: Family,
    pub(crate) rules: &'static Rules,
    pub(crate) memory: DeviceMemory,
    pub(crate) clock: DeviceClock,
    pub(crate) behaviour: Behaviour,
    pub(crate) violations: Violations,
    pub(crate) ring_errors: Vec<RingError>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) constant_fault: Option<Fault>,
    pub(crate) interrupt_status: u32,
    pub(crate) interrupts_raised: usize,
    /// What the notifications were about, for a transport that tells them apart and takes them from here.
    pub(crate) signals: Option<Vec<Source>>,
    pub(crate) queues: Vec<DeviceQueue>,
    pub(super) pending: Vec<Pending>,
    pub(super) forgotten: Vec<Pending>,
    /// What was used and not given back yet, by queue.
    pub(super) batches: BTreeMap<u16, Used>,
    /// Queues that the device's thread has not looked at since they were notified.
    pub(super) notified: BTreeSet<u16>,
    pub(super) is_broken: bool,
    pub(crate) config_changes: Vec<ConfigChange<M>>,
    generation: u32,
    config_reads: u32,
    watch: ConfigWatch,
    pub(crate) status: u8,
    pub(crate) driver_features: u64,
    pub(super) negotiated: u64,
    reset_reads_left: Option<u32>,
    was_reset: bool,
    is_reset_confirmed: bool,
    is_features_ok_confirmed: bool,
    is_refused: bool,
    pub(super) has_told_needs_reset: bool,
    pub(super) has_been_deaf: bool,
}

impl<M: DeviceModel> Core<M> {
    pub(crate) fn new(
        mut model: M,
        family: Family,
        memory: DeviceMemory,
        clock: DeviceClock,
        behaviour: Behaviour,
    ) -> Self {
        model.plug_in(family);
        let queues = (0..model.queue_count())
            .map(|_| DeviceQueue::default())
            .collect();
        Self {
            model,
            family,
            rules: &Rules::MMIO,
            memory,
            clock,
            behaviour,
            violations: Violations::default(),
            ring_errors: Vec::new(),
            faults: VecDeque::new(),
            constant_fault: None,
            interrupt_status: 0,
            interrupts_raised: 0,
            signals: None,
            queues,
            pending: Vec::new(),
            forgotten: Vec::new(),
            batches: BTreeMap::new(),
            notified: BTreeSet::new(),
            is_broken: false,
            config_changes: Vec::new(),
            generation: 0,
            config_reads: 0,
            watch: ConfigWatch::default(),
            status: 0,
            driver_features: 0,
            negotiated: 0,
            reset_reads_left: None,
            was_reset: false,
            is_reset_confirmed: true,
            is_features_ok_confirmed: false,
            is_refused: false,
            has_told_needs_reset: false,
            has_been_deaf: false,
        }
    }

    /// Returns the features on offer.
    pub(crate) fn offered(&self) -> u64 {
        let own = INDIRECT_DESC
            | EVENT_IDX
            | match self.family {
                Family::Legacy => self.model.legacy_features(),
                Family::Modern => self.model.features() | VERSION_1,
            };
        let all = (own | self.behaviour.offer) & !self.behaviour.withhold;
        match self.family {
            Family::Legacy => all & 0xffff_ffff,
            Family::Modern => all,
        }
    }

    /// Returns the features that hold now.
    pub(crate) const fn negotiated(&self) -> u64 {
        self.negotiated
    }

    pub(super) const fn ring_features(&self) -> RingFeatures {
        RingFeatures {
            indirect: self.negotiated & INDIRECT_DESC != 0,
            event_index: self.negotiated & EVENT_IDX != 0,
            packed: self.negotiated & RING_PACKED != 0,
            in_order: self.negotiated & IN_ORDER != 0,
        }
    }

    /// Begins to use a queue.
    pub(crate) fn enable_queue(&mut self, index: u16, size: u16, areas: Areas) {
        self.check_features_confirmed("a queue was set up");
        let (needed, rule) = match self.family {
            Family::Legacy => (DRIVER, "LMMIO-06"),
            Family::Modern => (FEATURES_OK, self.rules.queue_memory),
        };
        if self.status & needed == 0 && !self.is_refused {
            self.violations.add(
                "INIT-01",
                format!("queue {index} was set up with status {:#x}", self.status),
            );
        }
        let features = self.ring_features();
        if let Some(queue) = self.queues.get_mut(usize::from(index)) {
            queue.disable(&self.memory);
            queue.enable(
                size,
                areas,
                features,
                &self.memory,
                rule,
                &mut self.violations,
            );
        }
    }

    /// Stops using a queue.
    pub(crate) fn disable_queue(&mut self, index: u16) {
        self.drop_pending(Some(index));
        if let Some(queue) = self.queues.get_mut(usize::from(index)) {
            queue.disable(&self.memory);
        }
    }

    pub(crate) fn raise(&mut self, bits: u32) {
        if !self.behaviour.lose_interrupts {
            self.interrupt_status |= bits;
            self.interrupts_raised += 1;
        }
    }

    /// Notifies the driver.
    pub(crate) fn signal(&mut self, source: Source) {
        if let Some(signals) = &mut self.signals
            && !self.behaviour.lose_interrupts
        {
            signals.push(source);
        }
        self.raise(match source {
            Source::Queue(_) => USED_BUFFER,
            Source::Config => CONFIG_CHANGE,
        });
    }
}

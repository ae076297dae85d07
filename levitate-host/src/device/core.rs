//! Status, features and configuration of a device, the same on every transport: [`Core`].

use std::collections::VecDeque;

use super::{Behaviour, DeviceModel, Fault, Violations};
use crate::clock::VirtualClock;
use crate::dma::DeviceMemory;
use crate::queue::{Areas, DeviceQueue, RingError, RingFeatures};

use super::service::Pending;

pub(crate) const ACKNOWLEDGE: u8 = 1;
pub(crate) const DRIVER: u8 = 2;
pub(crate) const DRIVER_OK: u8 = 4;
pub(crate) const FEATURES_OK: u8 = 8;
pub(crate) const NEEDS_RESET: u8 = 0x40;
pub(crate) const FAILED: u8 = 0x80;

const INDIRECT_DESC: u64 = 1 << 28;
const EVENT_IDX: u64 = 1 << 29;
const UNUSED_30: u64 = 1 << 30;
pub(crate) const VERSION_1: u64 = 1 << 32;
const ADMIN_VQ: u64 = 1 << 41;

const USED_BUFFER: u32 = 1;
const CONFIG_CHANGE: u32 = 2;

/// Which interface the driver sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Legacy,
    Modern,
}

/// A change of configuration that waits for the driver to have read so many times.
pub(crate) type ConfigChange<M> = (u32, Box<dyn FnOnce(&mut M) + Send>);

/// A device behind its transport.
pub(crate) struct Core<M> {
    pub(crate) model: M,
    pub(crate) family: Family,
    pub(crate) memory: DeviceMemory,
    pub(crate) clock: VirtualClock,
    pub(crate) behaviour: Behaviour,
    pub(crate) violations: Violations,
    pub(crate) ring_errors: Vec<RingError>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) constant_fault: Option<Fault>,
    pub(crate) interrupt_status: u32,
    pub(crate) interrupts_raised: usize,
    pub(crate) queues: Vec<DeviceQueue>,
    pub(super) pending: Vec<Pending>,
    pub(super) forgotten: Vec<Pending>,
    pub(super) is_broken: bool,
    pub(crate) config_changes: Vec<ConfigChange<M>>,
    generation: u32,
    config_reads: u32,
    pub(crate) status: u8,
    pub(crate) driver_features: u64,
    pub(super) negotiated: u64,
    reset_reads_left: Option<u32>,
    was_reset: bool,
    is_reset_confirmed: bool,
    is_features_ok_confirmed: bool,
    is_refused: bool,
}

impl<M: DeviceModel> Core<M> {
    pub(crate) fn new(
        model: M,
        family: Family,
        memory: DeviceMemory,
        clock: VirtualClock,
        behaviour: Behaviour,
    ) -> Self {
        let queues = (0..model.queue_count())
            .map(|_| DeviceQueue::default())
            .collect();
        Self {
            model,
            family,
            memory,
            clock,
            behaviour,
            violations: Violations::default(),
            ring_errors: Vec::new(),
            faults: VecDeque::new(),
            constant_fault: None,
            interrupt_status: 0,
            interrupts_raised: 0,
            queues,
            pending: Vec::new(),
            forgotten: Vec::new(),
            is_broken: false,
            config_changes: Vec::new(),
            generation: 0,
            config_reads: 0,
            status: 0,
            driver_features: 0,
            negotiated: 0,
            reset_reads_left: None,
            was_reset: false,
            is_reset_confirmed: true,
            is_features_ok_confirmed: false,
            is_refused: false,
        }
    }

    /// Returns the features on offer.
    pub(crate) fn offered(&self) -> u64 {
        let own = match self.family {
            Family::Legacy => INDIRECT_DESC | EVENT_IDX,
            Family::Modern => INDIRECT_DESC | EVENT_IDX | VERSION_1,
        };
        let all = (self.model.features() | own | self.behaviour.offer) & !self.behaviour.withhold;
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
        }
    }

    /// Notes what a register write other than of the status says about the order of initialization.
    pub(crate) fn before_write(&mut self, what: &str) {
        if !self.is_reset_confirmed {
            self.violations.add(
                "RESET-01",
                format!("{what} was written before status read 0"),
            );
            // Once for each reset.
            self.is_reset_confirmed = true;
        }
    }

    /// Says that the device is busy with a reset and does not hear anything else.
    pub(crate) const fn is_resetting(&self) -> bool {
        self.reset_reads_left.is_some()
    }

    /// Reads the status.
    pub(crate) fn read_status(&mut self) -> u8 {
        match self.reset_reads_left {
            Some(u32::MAX) => return self.status,
            Some(left) if left > 1 => {
                self.reset_reads_left = Some(left - 1);
                return self.status;
            }
            Some(_) => {
                // The last read that still sees the old status; the reset is done behind it.
                let status = self.status;
                self.finish_reset();
                return status;
            }
            None => {}
        }
        if self.status == 0 {
            self.is_reset_confirmed = true;
        }
        if self.status & FEATURES_OK != 0 || self.is_refused {
            self.is_features_ok_confirmed = true;
        }
        self.status
    }

    /// Writes the status.
    pub(crate) fn write_status(&mut self, value: u8) {
        if value == 0 {
            self.reset();
            return;
        }
        self.before_write("Status");
        if self.is_resetting() {
            return;
        }
        self.check_status(value);
        let kept = self.status & NEEDS_RESET;
        let new = value & !self.status;
        self.status = value | kept;
        // A legacy device has no step of its own for it (§3.1.2).
        let agreeing = match self.family {
            Family::Legacy => DRIVER_OK,
            Family::Modern => FEATURES_OK,
        };
        if new & agreeing != 0 {
            self.negotiate();
        }
    }

    fn check_status(&mut self, value: u8) {
        let old = self.status & !NEEDS_RESET;
        let new = value & !old;
        if !self.was_reset {
            self.violations.add(
                "INIT-01",
                format!("status {value:#x} was written before the first reset"),
            );
            self.was_reset = true;
        }
        if old & !value != 0 {
            self.violations.add(
                "STATUS-02",
                format!("status went from {old:#x} to {value:#x}"),
            );
        }
        if new & FAILED != 0 {
            return;
        }
        if old & FAILED != 0 {
            self.violations.add(
                "STATUS-03",
                format!("status {value:#x} was written after FAILED without a reset"),
            );
        }
        if new.count_ones() > 1 {
            self.violations.add(
                "STATUS-01",
                format!("status went from {old:#x} to {value:#x} in one step"),
            );
        }
        let needed = match new {
            DRIVER => ACKNOWLEDGE,
            FEATURES_OK => ACKNOWLEDGE | DRIVER,
            DRIVER_OK if self.family == Family::Modern => ACKNOWLEDGE | DRIVER | FEATURES_OK,
            DRIVER_OK => ACKNOWLEDGE | DRIVER,
            _ => 0,
        };
        if old & needed != needed {
            self.violations.add(
                "INIT-01",
                format!("status went from {old:#x} to {value:#x}"),
            );
        }
        if new == FEATURES_OK && self.family == Family::Legacy {
            self.violations.add(
                "LEG-09",
                "FEATURES_OK was set on a legacy device".to_owned(),
            );
        }
        if new == DRIVER_OK {
            self.check_features_confirmed("DRIVER_OK was set");
        }
    }

    fn check_features_confirmed(&mut self, what: &str) {
        if self.family == Family::Legacy {
            return;
        }
        if self.is_refused {
            self.violations.add(
                "INIT-07",
                format!("{what} although the features were refused"),
            );
        } else if !self.is_features_ok_confirmed {
            self.violations.add(
                "INIT-05",
                format!("{what} without reading FEATURES_OK back"),
            );
        }
    }

    fn negotiate(&mut self) {
        let chosen = self.driver_features;
        let surplus = chosen & !self.offered();
        if surplus != 0 {
            self.violations.add(
                "FEAT-01",
                format!("features {surplus:#x} were accepted and not offered"),
            );
        }
        if chosen & UNUSED_30 != 0 {
            self.violations
                .add("LEG-16", "feature bit 30 was accepted".to_owned());
        }
        if chosen & ADMIN_VQ != 0 {
            self.violations
                .add("MMIO-33", "VIRTIO_F_ADMIN_VQ was accepted".to_owned());
        }
        self.model.check_features(chosen, &mut self.violations);
        if self.family == Family::Modern && (surplus != 0 || self.behaviour.refuse_features) {
            self.status &= !FEATURES_OK;
            self.is_refused = true;
            return;
        }
        self.negotiated = chosen;
    }

    /// Takes one word of the driver's features.
    pub(crate) fn write_features(&mut self, word: u32, value: u32) {
        self.before_write("DriverFeatures");
        if self.status & FEATURES_OK != 0 && self.family == Family::Modern {
            self.violations.add(
                "INIT-04",
                "features were written after FEATURES_OK".to_owned(),
            );
        }
        if self.status & DRIVER == 0 {
            self.violations
                .add("INIT-01", "features were written before DRIVER".to_owned());
        }
        let shift = 32 * (word & 1);
        self.driver_features &= !(0xffff_ffff << shift);
        self.driver_features |= u64::from(value) << shift;
    }

    /// Begins to use a queue.
    pub(crate) fn enable_queue(&mut self, index: u16, size: u16, areas: Areas) {
        self.check_features_confirmed("a queue was set up");
        let (needed, rule) = match self.family {
            Family::Legacy => (DRIVER, "LMMIO-06"),
            Family::Modern => (FEATURES_OK, "MMIO-31"),
        };
        if self.status & needed == 0 && !self.is_refused {
            self.violations.add(
                "INIT-01",
                format!("queue {index} was set up with status {:#x}", self.status),
            );
        }
        if let Some(queue) = self.queues.get_mut(usize::from(index)) {
            queue.disable(&self.memory);
            queue.enable(size, areas, &self.memory, rule, &mut self.violations);
        }
    }

    /// Stops using a queue.
    pub(crate) fn disable_queue(&mut self, index: u16) {
        self.drop_pending(Some(index));
        if let Some(queue) = self.queues.get_mut(usize::from(index)) {
            queue.disable(&self.memory);
        }
    }

    /// Begins a reset, which is done at once unless the behaviour says otherwise.
    pub(crate) fn reset(&mut self) {
        self.was_reset = true;
        self.is_reset_confirmed = false;
        if self.behaviour.reset_reads > 0 && self.status != 0 {
            self.reset_reads_left = Some(self.behaviour.reset_reads);
        } else {
            self.finish_reset();
        }
    }

    fn finish_reset(&mut self) {
        self.reset_reads_left = None;
        self.drop_pending(None);
        for queue in &mut self.queues {
            queue.disable(&self.memory);
        }
        self.status = 0;
        self.driver_features = 0;
        self.negotiated = 0;
        self.interrupt_status = 0;
        self.is_broken = false;
        self.is_features_ok_confirmed = false;
        self.is_refused = false;
        self.model.reset();
    }

    /// Sets DEVICE_NEEDS_RESET, and tells a live driver (§2.1.2).
    pub(crate) fn set_needs_reset(&mut self) {
        self.status |= NEEDS_RESET;
        if self.status & DRIVER_OK != 0 {
            self.raise(CONFIG_CHANGE);
        }
    }

    pub(crate) fn raise(&mut self, bits: u32) {
        self.interrupt_status |= bits;
        self.interrupts_raised += 1;
    }

    pub(super) fn raise_used_buffer(&mut self) {
        self.raise(USED_BUFFER);
    }

    /// Changes the configuration as the device does: with a new generation and a notification.
    pub(crate) fn change_config<R>(&mut self, change: impl FnOnce(&mut M) -> R) -> R {
        let result = change(&mut self.model);
        self.generation = self.generation.wrapping_add(1);
        if self.status & DRIVER_OK != 0 {
            self.raise(CONFIG_CHANGE);
        }
        result
    }

    /// Reads ConfigGeneration.
    pub(crate) const fn read_generation(&mut self) -> u32 {
        if self.behaviour.config_never_still {
            self.generation = self.generation.wrapping_add(1);
        }
        self.generation
    }

    /// Reads `bytes.len()` bytes of configuration; all ones beyond its end.
    pub(crate) fn read_config(&mut self, offset: usize, bytes: &mut [u8]) {
        self.check_config_access(offset, bytes.len(), false);
        let config = self.shown_config();
        let wanted = config.get(offset..offset.saturating_add(bytes.len()));
        match wanted {
            Some(found) => bytes.copy_from_slice(found),
            None => bytes.fill(0xff),
        }
        self.config_reads = self.config_reads.wrapping_add(1);
        if self.behaviour.config_never_still
            && self.family == Family::Legacy
            && let Some(first) = bytes.first_mut()
        {
            *first ^= self.config_reads as u8;
        }
        let mut due = Vec::new();
        for (reads, _) in &mut self.config_changes {
            *reads = reads.saturating_sub(1);
        }
        while let Some(index) = self
            .config_changes
            .iter()
            .position(|(reads, _)| *reads == 0)
        {
            due.push(self.config_changes.remove(index).1);
        }
        for change in due {
            self.change_config(change);
        }
    }

    /// Writes configuration.
    pub(crate) fn write_config(&mut self, offset: usize, bytes: &[u8]) {
        self.before_write("the configuration");
        self.check_config_access(offset, bytes.len(), true);
        if self.family == Family::Modern
            && self.status & DRIVER != 0
            && self.status & FEATURES_OK == 0
        {
            self.violations.add(
                "INIT-03",
                "the configuration was written before FEATURES_OK".to_owned(),
            );
        }
        let end = offset.saturating_add(bytes.len());
        if end <= self.shown_config().len() && end <= self.model.config_len() {
            self.model.write_config(offset, bytes, &mut self.violations);
        }
    }

    fn shown_config(&self) -> Vec<u8> {
        let mut config = self.model.config();
        if let Some(len_bytes) = self.behaviour.config_len_bytes {
            config.resize(len_bytes, 0);
        }
        for (offset, bytes) in &self.behaviour.config_override {
            let end = offset.saturating_add(bytes.len());
            if let Some(shown) = config.get_mut(*offset..end) {
                shown.copy_from_slice(bytes);
            }
        }
        config
    }

    fn check_config_access(&mut self, offset: usize, len_bytes: usize, is_write: bool) {
        let end = offset.saturating_add(len_bytes);
        let access = if is_write { "write" } else { "read" };
        let access =
            format!("{access} of {len_bytes} bytes at offset {offset} of the configuration");
        let field = self
            .model
            .config_fields()
            .iter()
            .find(|field| field.offset <= offset && end <= field.offset + field.len_bytes);
        let Some(field) = field else {
            let rule = if end > self.model.config_len() {
                "MMIO-01"
            } else {
                "MMIO-05"
            };
            self.violations
                .add(rule, format!("{access}, which is no field"));
            return;
        };
        let is_whole = field.offset == offset && field.len_bytes == len_bytes;
        let is_half =
            field.len_bytes == 8 && len_bytes == 4 && (offset - field.offset).is_multiple_of(4);
        let is_byte_of_many = len_bytes == 1 && ![2, 4, 8].contains(&field.len_bytes);
        if (len_bytes == 8 || !is_whole) && !is_half && !is_byte_of_many {
            self.violations.add(
                "MMIO-05",
                format!("{access}, a field of {} bytes", field.len_bytes),
            );
        }
        if let Some(bit) = field.feature
            && self.offered() & (1 << bit) == 0
        {
            self.violations
                .add("CFG-04", format!("{access}, which needs feature {bit}"));
        }
        if is_write && !field.is_writable {
            self.violations
                .add(field.write_rule, format!("{access}, which is read-only"));
        }
    }
}

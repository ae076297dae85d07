//! Device status and feature negotiation, and the order they have to go in (§2.1, §2.2, §3.1.1).

use super::*;

impl<M: DeviceModel> Core<M> {
    /// Notes what a register write other than of the status says about the order of initialization.
    pub(crate) fn before_write(&mut self, what: &str) {
        if !self.is_reset_confirmed {
            self.violations.add(
                self.rules.reset,
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
        self.note_wait();
        if self.status == 0 {
            self.is_reset_confirmed = true;
        }
        self.has_told_needs_reset |= self.status & NEEDS_RESET != 0;
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
        // FAILED is how a driver gives up on a reset that never ends (§3.1.1).
        if value & FAILED == 0 {
            self.before_write("Status");
        }
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
        // NEEDS_RESET is the device's: a driver that adds a bit to what it read writes it back.
        let old = self.status & !NEEDS_RESET;
        let new = value & !old & !NEEDS_RESET;
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

    pub(super) fn check_features_confirmed(&mut self, what: &str) {
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
        let surplus = self.check_choice(chosen);
        let is_agreed = self.model.agree(chosen);
        if self.family == Family::Modern
            && (surplus != 0 || !is_agreed || self.behaviour.refuse_features)
        {
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

    /// Begins a reset, which is done at once unless the behaviour says otherwise.
    pub(crate) fn reset(&mut self) {
        if self.is_refused && self.is_features_ok_confirmed && self.status & FAILED == 0 {
            self.violations.add(
                "INIT-06",
                "a reset without FAILED, though the features were refused".to_owned(),
            );
        }
        self.check_notified();
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
        self.notified.clear();
        self.status = 0;
        self.driver_features = 0;
        self.negotiated = 0;
        self.interrupt_status = 0;
        self.is_broken = false;
        self.is_features_ok_confirmed = false;
        self.is_refused = false;
        self.has_told_needs_reset = false;
        self.has_been_deaf = false;
        self.model.reset();
    }

    /// Sets DEVICE_NEEDS_RESET, and tells a live driver (§2.1.2).
    pub(crate) fn set_needs_reset(&mut self) {
        self.status |= NEEDS_RESET;
        if self.status & DRIVER_OK != 0 {
            self.signal(Source::Config);
        }
    }
}

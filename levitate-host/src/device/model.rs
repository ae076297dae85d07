//! What one type of device does: [`DeviceModel`].

use super::{Family, Violations};
use crate::queue::Request;

/// A field of a device's configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigField {
    /// Where it begins.
    pub offset: usize,
    /// Its length in bytes; one of 8 is read in two halves.
    pub len_bytes: usize,
    /// The feature it depends on, as a bit number.
    pub feature: Option<u32>,
    /// Whether the driver may write it.
    pub is_writable: bool,
    /// The rule that a write breaks, if it may not.
    pub write_rule: &'static str,
    /// The rule that a read before FEATURES_OK breaks, if there is one.
    pub early_read_rule: Option<&'static str>,
}

impl ConfigField {
    /// A field that is always there and only read.
    #[must_use]
    pub const fn read_only(offset: usize, len_bytes: usize) -> Self {
        Self {
            offset,
            len_bytes,
            feature: None,
            is_writable: false,
            write_rule: "MMIO-02",
            early_read_rule: None,
        }
    }

    /// The same field, there only if feature `bit` is offered.
    #[must_use]
    pub const fn with_feature(mut self, bit: u32) -> Self {
        self.feature = Some(bit);
        self
    }

    /// The same field, which the driver breaks `rule` by reading before FEATURES_OK.
    #[must_use]
    pub const fn not_before_features_ok(mut self, rule: &'static str) -> Self {
        self.early_read_rule = Some(rule);
        self
    }

    /// The same field, which the driver may write.
    #[must_use]
    pub const fn writable(mut self) -> Self {
        self.is_writable = true;
        self
    }
}

/// A type of device: its features, its configuration space and what it does with requests.
pub trait DeviceModel: Send + 'static {
    /// Learns by which interface drivers see it, once and before everything else; it may panic if no device may be like that.
    fn plug_in(&mut self, family: Family) {
        let _ = family;
    }

    /// Returns the device type (§5).
    fn device_id(&self) -> u32;

    /// Returns the features it offers: those of its device type only.
    fn features(&self) -> u64;

    /// Returns those of them that it offers through the legacy interface too.
    fn legacy_features(&self) -> u64 {
        self.features()
    }

    /// Returns how many virtqueues it has.
    fn queue_count(&self) -> u16;

    /// Returns the fields of its configuration space.
    fn config_fields(&self) -> &'static [ConfigField];

    /// Returns the length of its configuration space in bytes.
    fn config_len(&self) -> usize;

    /// Returns its configuration space, [`config_len`](Self::config_len) bytes.
    fn config(&self) -> Vec<u8>;

    /// Takes a write to its configuration space.
    fn write_config(&mut self, offset: usize, bytes: &[u8], violations: &mut Violations);

    /// Checks the features a driver has chosen beyond what holds for every device.
    fn check_features(&self, negotiated: u64, violations: &mut Violations) {
        let _ = (negotiated, violations);
    }

    /// Takes the features a driver has chosen; false if the device cannot work with these, and FEATURES_OK does not stick.
    fn agree(&mut self, negotiated: u64) -> bool {
        let _ = negotiated;
        true
    }

    /// Serves a request from `queue`.
    fn serve(&mut self, queue: u16, request: &mut Request<'_>);

    /// Forgets what a reset makes it forget.
    fn reset(&mut self);
}

//! What a rule that all transports have is called on each: [`Rules`].

use crate::device::ConfigField;

/// Identifiers of the rules that are the same in words on several transports and have a number on each.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Nothing is written between asking for a reset and seeing it done.
    pub(crate) reset: &'static str,
    /// The memory of a queue is there, and zeroed.
    pub(crate) queue_memory: &'static str,
    /// The configuration is not accessed past its end.
    pub(crate) config_bounds: &'static str,
    /// A field of the configuration is accessed at its width.
    pub(crate) config_width: &'static str,
    /// Fields of the configuration that are read-only are not written.
    config_write: Option<&'static str>,
    /// VIRTIO_F_ADMIN_VQ is not accepted.
    pub(crate) admin_queue: Option<&'static str>,
    /// Feature bits that mean something on this transport only (§6).
    pub(crate) features: u64,
    /// Whether the transport tells when a driver leaves the configuration, so that a reading can be judged.
    pub(crate) watches_config: bool,
}

impl Rules {
    /// Those of §4.2.
    pub(crate) const MMIO: Self = Self {
        reset: "RESET-01",
        queue_memory: "MMIO-31",
        config_bounds: "MMIO-01",
        config_width: "MMIO-05",
        config_write: Some("MMIO-02"),
        admin_queue: Some("MMIO-33"),
        features: 0,
        watches_config: true,
    };
    /// Those of §4.1, where nothing is said of read-only fields of a configuration.
    pub(crate) const PCI: Self = Self {
        reset: "PCI-19",
        queue_memory: "PCI-45",
        config_bounds: "PCI-05",
        config_width: "PCI-05",
        config_write: None,
        admin_queue: None,
        features: 1 << 39,
        watches_config: false,
    };

    /// Returns the rule that a write to `field` breaks if it is read-only.
    ///
    /// A field without a rule of its own carries that of MMIO, for which this transport may have another, or none.
    pub(crate) fn config_write(&self, field: &ConfigField) -> Option<&'static str> {
        if Self::MMIO.config_write == Some(field.write_rule) {
            self.config_write
        } else {
            Some(field.write_rule)
        }
    }
}

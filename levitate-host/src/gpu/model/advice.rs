//! What the specification only recommends to a driver (§5.7.4.2, §5.7.5): [`Advice`].

/// What the driver has asked since the start, or since the display changed.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// Whether a driver that does not follow it is reported.
    pub(super) is_watched: bool,
    has_changed: bool,
    is_acknowledged: bool,
    has_asked_modes: bool,
    has_asked_edid: bool,
}

impl Advice {
    /// Begins again with a reset.
    pub(super) fn restart(&mut self) {
        *self = Self {
            is_watched: self.is_watched,
            ..Self::default()
        };
    }

    /// The display has changed.
    pub(super) fn change(&mut self) {
        self.restart();
        self.has_changed = true;
    }

    /// The driver has cleared the event.
    pub(super) const fn acknowledge(&mut self) {
        self.is_acknowledged = true;
    }

    /// The driver has asked for the modes.
    pub(super) const fn ask_modes(&mut self) {
        self.has_asked_modes = true;
    }

    /// The driver has asked for an EDID.
    pub(super) const fn ask_edid(&mut self) {
        self.has_asked_edid = true;
    }

    /// Returns the rules that the driver leaves aside if it sets up a screen now.
    ///
    /// A change it has not acknowledged may be news to it.
    pub(super) fn ignored(&self, has_edid: bool) -> Vec<&'static str> {
        let is_known = !self.has_changed || self.is_acknowledged;
        let mut rules = Vec::new();
        if !self.is_watched || !is_known {
            return rules;
        }
        if self.has_changed && !self.has_asked_modes {
            rules.push("GPU-04");
        }
        if has_edid && !self.has_asked_edid {
            rules.push(if self.has_changed { "GPU-05" } else { "GPU-07" });
        }
        rules
    }
}

//! The configuration space, whatever the model has in it (§2.5).

use super::{Core, DRIVER, DRIVER_OK, DeviceModel, FEATURES_OK, Family, Source};

impl<M: DeviceModel> Core<M> {
    /// Changes the configuration as the device does: with a new generation and a notification.
    pub(crate) fn change_config<R>(&mut self, change: impl FnOnce(&mut M) -> R) -> R {
        let result = change(&mut self.model);
        self.generation = self.generation.wrapping_add(1);
        if self.status & DRIVER_OK != 0 {
            self.signal(Source::Config);
        }
        result
    }

    /// Reads ConfigGeneration.
    pub(crate) fn read_generation(&mut self) -> u32 {
        if self.behaviour.config_never_still {
            self.generation = self.generation.wrapping_add(1);
        }
        self.watch.read_generation(self.generation);
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
        if self.rules.watches_config && self.is_half(offset, bytes.len()) {
            self.watch_half(offset, bytes);
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

    /// Says whether this is one half of a field of 64 bits.
    fn is_half(&self, offset: usize, len_bytes: usize) -> bool {
        self.model.config_fields().iter().any(|field| {
            field.len_bytes == 8
                && len_bytes == 4
                && (field.offset == offset || field.offset + 4 == offset)
        })
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
                self.rules.config_bounds
            } else {
                self.rules.config_width
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
                self.rules.config_width,
                format!("{access}, a field of {} bytes", field.len_bytes),
            );
        }
        if let Some(bit) = field.feature
            && self.offered() & (1 << bit) == 0
        {
            self.violations
                .add("CFG-04", format!("{access}, which needs feature {bit}"));
        }
        if let Some(rule) = field.early_read_rule
            && !is_write
            && self.family == Family::Modern
            && self.status & FEATURES_OK == 0
        {
            self.violations
                .add(rule, format!("{access} before FEATURES_OK"));
        }
        if is_write
            && !field.is_writable
            && let Some(rule) = self.rules.config_write(field)
        {
            self.violations
                .add(rule, format!("{access}, which is read-only"));
        }
    }
}

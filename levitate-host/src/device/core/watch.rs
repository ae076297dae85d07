//! How a driver gets a field of 64 bits in one piece: [`ConfigWatch`] (§2.5.1, §2.5.4).

use std::collections::BTreeMap;

use super::{Core, DeviceModel, Family};

/// What a driver has read of the configuration since it last looked at another register.
#[derive(Debug, Default)]
pub(super) struct ConfigWatch {
    /// The generation as the driver last read it.
    generation: Option<u32>,
    /// Whether halves were read since then.
    is_open: bool,
    /// Whether the generation changed over what was read last.
    is_stale: bool,
    /// The readings of each half, by its offset.
    readings: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl ConfigWatch {
    /// Notes a look at the generation.
    pub(super) fn read_generation(&mut self, generation: u32) {
        self.is_stale = self.is_open && self.generation.is_some_and(|before| before != generation);
        self.generation = Some(generation);
        self.is_open = false;
    }
}

impl<M: DeviceModel> Core<M> {
    /// Notes that one half of a 64-bit field was read.
    pub(super) fn watch_half(&mut self, offset: usize, bytes: &[u8]) {
        if self.watch.generation.is_none() && self.family == Family::Modern {
            self.violations.add(
                "CFG-01",
                format!("half of a field was read at {offset}, with no generation before"),
            );
        }
        self.watch.is_open = true;
        self.watch.is_stale = false;
        let readings = self.watch.readings.entry(offset).or_default();
        readings.push(bytes.to_vec());
    }

    /// Notes an access to a register, by which a driver shows that it has done with the configuration.
    pub(crate) fn leave_config(&mut self) {
        let watch = std::mem::take(&mut self.watch);
        // A driver may give up on a configuration that never holds still.
        if self.behaviour.config_never_still {
            return;
        }
        match self.family {
            Family::Modern if watch.is_open => self.violations.add(
                "CFG-01",
                "halves of a field were read, with no generation after them".to_owned(),
            ),
            Family::Modern if watch.is_stale => self.violations.add(
                "CFG-03",
                "the generation changed, and the fields were not read again".to_owned(),
            ),
            Family::Modern => {}
            Family::Legacy => {
                let is_settled =
                    |readings: &Vec<Vec<u8>>| matches!(&readings[..], [.., a, b] if a == b);
                if !watch.readings.values().all(is_settled) {
                    self.violations.add(
                        "LEG-03",
                        "no two readings of a 64-bit field agreed".to_owned(),
                    );
                }
            }
        }
    }
}

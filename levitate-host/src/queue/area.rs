//! Where the parts of a virtqueue are, and whether a device can use them: [`Areas`].

use crate::device::Violations;
use crate::dma::{AccessKind, DeviceMemory, Exposure};

/// Where the three parts are, in device addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Descriptor table, or the ring of descriptors.
    pub descriptor: u64,
    /// Available ring, or the driver event suppression.
    pub driver: u64,
    /// Used ring, or the device event suppression.
    pub device: u64,
}

/// One of the parts, as it has to be.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) addr: u64,
    pub(super) align: u64,
    pub(super) len_bytes: u64,
    /// What the device does there.
    pub(super) uses: &'static [AccessKind],
}

/// Checks where the parts are, and notes that the device uses those that are there from now on.
pub(super) fn check(
    parts: &[Part; 3],
    align_rule: &'static str,
    memory: &DeviceMemory,
    memory_rule: &'static str,
    violations: &mut Violations,
) -> Vec<Exposure> {
    let mut exposures = Vec::new();
    for part in parts {
        let Part {
            name, addr, align, ..
        } = part;
        if addr % align != 0 {
            violations.add(
                align_rule,
                format!("{name} at {addr:#x} is not {align}-byte aligned"),
            );
        }
        let stray = part
            .uses
            .iter()
            .find_map(|kind| memory.check(*addr, part.len_bytes, *kind).err());
        match stray {
            Some(stray) => violations.add(memory_rule, format!("{name}: {stray}")),
            None => exposures.push(memory.expose(*addr, part.len_bytes)),
        }
    }
    exposures
}

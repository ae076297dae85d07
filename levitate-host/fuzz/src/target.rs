//! One function a target: an input against a driver, from probing to the reset, and then with a device that behaves.

pub(crate) mod block;
pub(crate) mod config;
pub(crate) mod display;
pub(crate) mod gpu;
pub(crate) mod pci;
pub(crate) mod probe;
pub(crate) mod queue;

use levitate_virtio::MmioTransport;

use crate::bench::{Bench, Registers};
use crate::sabotage::Sabotage;
use crate::spec;

/// Runs `bytes` against a virtqueue.
pub fn queue(bytes: &[u8]) {
    queue::run(bytes, Sabotage::None);
}

/// Runs `bytes` against the block driver.
pub fn block(bytes: &[u8]) {
    block::run(bytes, Sabotage::None);
}

/// Runs `bytes` against the GPU driver.
pub fn gpu(bytes: &[u8]) {
    gpu::run(bytes, Sabotage::None);
}

/// Runs `bytes` against probing and initialization.
pub fn probe(bytes: &[u8]) {
    probe::run(bytes, Sabotage::None);
}

/// Runs `bytes` against readers of the configuration space.
pub fn config(bytes: &[u8]) {
    config::run(bytes, Sabotage::None);
}

/// Runs `bytes` against readers of display information and EDID.
pub fn display(bytes: &[u8]) {
    display::run(bytes, Sabotage::None);
}

/// Runs `bytes` against the search for structures in configuration space of PCI.
pub fn pci(bytes: &[u8]) {
    pci::run(bytes, Sabotage::None);
}

/// How the device is set up before it begins to lie.
#[derive(Debug)]
struct Settings {
    features: u64,
    queue_size_max: u32,
}

/// Sets the device up as the first bytes say.
fn set_up(bench: &Bench, device_features: u64) -> Settings {
    let [shape, size, patience] = [bench.byte(), bench.byte(), bench.byte()];
    let is_legacy = shape & 1 != 0;
    let mut features = device_features;
    if shape & 2 != 0 {
        features |= spec::F_INDIRECT;
    }
    if shape & 4 != 0 {
        features |= spec::F_EVENT_IDX;
    }
    if !is_legacy {
        features |= spec::F_VERSION_1;
        if shape & 8 != 0 {
            features |= spec::F_RING_PACKED;
        }
        if shape & 32 != 0 {
            features |= spec::F_IN_ORDER;
        }
        if shape & 128 != 0 {
            features |= spec::F_RING_RESET;
        }
    }
    let queue_size_max = match size {
        0..=199 => 1 << (size % 6),
        other => u32::from(other),
    };
    bench.with(|device| {
        device.version = if is_legacy { 1 } else { 2 };
        device.offered = features;
        device.queue_size_max = queue_size_max;
        device.lacks_write_flag = shape & 16 != 0;
        device.has_batches = shape & 64 != 0;
        device.patience = match patience {
            0..=127 => 0,
            128..=239 => patience % 32,
            _ => u8::MAX,
        };
    });
    Settings {
        features,
        queue_size_max,
    }
}

/// Has the device behave, and be one that the driver can work with.
fn behave(bench: &Bench, settings: &Settings, config: &[(usize, u32)]) {
    bench.behave();
    bench.with(|device| {
        device.offered = settings.features;
        if device.version == 2 {
            // Without it no device of this version can be driven (§6.1).
            device.offered |= spec::F_VERSION_1;
        }
        device.queue_size_max = settings.queue_size_max.max(16);
        device.config.fill(0);
        for (at, value) in config {
            device.config[*at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    });
}

/// Looks for the device.
fn probe_transport(bench: &Bench) -> Option<MmioTransport<Registers>> {
    bench
        .call("probe", 0, || MmioTransport::probe(bench.registers()))
        .ok()
        .flatten()
}

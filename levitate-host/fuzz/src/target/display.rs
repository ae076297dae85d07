//! Readers of what a display says of itself: the parser of EDIDs over any bytes, and a driver that is told any.

use levitate_drivers_gpu::edid::preferred_timing;
use levitate_drivers_gpu::{Chunk, MAX_PIXELS_PER_SIDE};

use super::gpu::{SCREENS_WAITS, Storage, sane, start, works};
use super::set_up;
use crate::bench::Bench;
use crate::device::Kind;
use crate::sabotage::Sabotage;

/// Length of an EDID's base block.
const BLOCK_BYTES: usize = 128;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Gpu, sabotage);
    parse(&bench, bytes.get(1..).unwrap_or_default());
    let settings = set_up(&bench, 1 << 1);
    let count = usize::from(bench.byte());
    bench.with(|device| {
        device.queue_size_max = 16;
        device.config[8] = 16;
        device.patience = 0;
    });
    let mut storage = Storage::new();
    if let Some(mut driver) = start(&bench, &mut storage) {
        bench.with(|device| device.told_lies = bytes.to_vec());
        for scanout in 0..count as u32 % 4 {
            let mode = bench.call("preferred_mode", SCREENS_WAITS, || {
                driver.preferred_mode(scanout)
            });
            if let Ok(mode) = mode {
                possible(&bench, [mode.width, mode.height]);
            }
        }
        let _ = bench.call("events", 0, || driver.pending_events());
        sane(&bench, &settings);
        bench.with(|device| device.told_lies.clear());
        if bench.call("reset", 3, || driver.reset()).is_ok() {
            works(&bench, &mut driver, &mut [const { Chunk::new() }; 3]);
        } else {
            bench.fail("a device that behaves is not reset".to_owned());
        }
        bench.call("drop", 1, || drop(driver));
    }
    bench.settle(4);
    bench.finish();
}

/// Parses bytes as they are, and as a block that is sealed properly.
fn parse(bench: &Bench, bytes: &[u8]) {
    let _ = preferred_timing(bytes);
    let mut block = [0; BLOCK_BYTES];
    let len = bytes.len().min(BLOCK_BYTES - 9);
    block[1..7].fill(0xff);
    block[8..8 + len].copy_from_slice(&bytes[..len]);
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    block[BLOCK_BYTES - 1] = block[BLOCK_BYTES - 1].wrapping_sub(sum);
    if let Ok(timing) = preferred_timing(&block) {
        possible(bench, [timing.width, timing.height]);
    }
}

fn possible(bench: &Bench, mut sides: [u32; 2]) {
    if bench.is_sabotaged(Sabotage::HugePicture) {
        sides[0] = MAX_PIXELS_PER_SIDE + 1;
    }
    let is_possible = sides
        .iter()
        .all(|side| (1..=MAX_PIXELS_PER_SIDE).contains(side));
    bench.demand(is_possible, "a size that no picture can have");
}

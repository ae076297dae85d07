//! The GPU driver, with a program that uses all of it.

use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::pixelcolor::Rgb888;
use embedded_graphics_core::primitives::Rectangle;
use levitate_drivers_gpu::{Chunk, Framebuffer, Gpu, GpuStorage, Options, ResetError};
use levitate_virtio::{Features, MmioTransport};

use super::{Settings, behave, probe_transport, set_up};
use crate::bench::{Bench, Registers, TIMEOUT, Time};
use crate::device::Kind;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

mod program;

use program::Program;

pub(super) type Driver<'s> = Gpu<'s, MmioTransport<Registers>, (Memory, Time)>;
pub(super) type Storage = GpuStorage<Memory, SLOTS>;
type Chunks = [Chunk<Memory>; CHUNKS];
type Picture<'f> = Framebuffer<'f, Memory>;

const SLOTS: usize = 4;
const CHUNKS: usize = 3;

/// Calls a program makes at most.
const MAX_CALLS: usize = 24;

/// Waits to learn of all screens: one display info and 16 EDIDs, each of which waits for room and for its answer.
pub(super) const SCREENS_WAITS: u32 = 2 * (1 + 16);

/// Waits of the longest call that does not ask about screens: each resource that is undone takes a few.
const MOST_WAITS: u32 = 24;

const OPTIONS: Options = Options {
    timeout: TIMEOUT,
    common_features: Features::IMPLEMENTED,
};

/// EDID (§5.7.3).
const FEATURES: u64 = 1 << 1;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Gpu, sabotage);
    let settings = set_up(&bench, FEATURES);
    let [size, is_off] = [bench.byte(), bench.byte()];
    bench.with(|device| {
        if size < 200 {
            device.queue_size_max = 16;
        }
        device.config[8] = 2;
        device.config[16] = is_off % 2;
    });
    let mut storage = Storage::new();
    let mut chunks: [Chunks; 2] = [const { [const { Chunk::new() }; CHUNKS] }; 2];
    bench.let_an_allocation_fail();
    if let Some(driver) = start(&bench, &mut storage) {
        live(&bench, driver, &mut chunks, &settings);
    }
    // What is still in the chunks is the device's for good, or was never given back by a driver that failed.
    bench.settle(SLOTS + 2 * CHUNKS);
    sane(&bench, &settings);
    let mut storage = Storage::new();
    let mut chunks = [const { Chunk::new() }; CHUNKS];
    match start(&bench, &mut storage) {
        Some(mut driver) => {
            works(&bench, &mut driver, &mut chunks);
            stop(&bench, driver, &mut [&mut chunks]);
        }
        None => bench.fail("a device that behaves does not come up".to_owned()),
    }
    bench.settle(0);
    bench.finish();
}

/// Uses the driver, then has the device behave, and the driver reset it.
fn live(bench: &Bench, mut driver: Driver<'_>, chunks: &mut [Chunks; 2], settings: &Settings) {
    let [first, second] = chunks;
    let mut program = Program::new(bench, [&mut first[..], &mut second[..]]);
    for _ in 0..MAX_CALLS {
        if !bench.goes_on() {
            break;
        }
        program.call(&mut driver);
    }
    sane(bench, settings);
    match bench.call("reset", 3, || driver.reset()) {
        Ok(()) => {
            program.frames_after_reset(&mut driver);
            drop(program);
            let mut spare = [const { Chunk::new() }; CHUNKS];
            works(bench, &mut driver, &mut spare);
            stop(bench, driver, &mut [first, second, &mut spare]);
        }
        Err(ResetError::Gone) => {
            drop(program);
            // A reset that was confirmed before lets memory be reclaimed all the same.
            for chunks in [first, second] {
                let _ = driver.reclaim(chunks);
            }
        }
        Err(error) => bench.fail(format!("no reset of a device that behaves: {error}")),
    }
}

/// Has the device behave, with one scanout.
pub(super) fn sane(bench: &Bench, settings: &Settings) {
    behave(bench, settings, &[(8, 1)]);
}

pub(super) fn start<'s>(bench: &Bench, storage: &'s mut Storage) -> Option<Driver<'s>> {
    let transport = probe_transport(bench)?;
    let platform = (bench.memory.clone(), bench.clock());
    bench
        .call("start", 3, || {
            Gpu::with_options(transport, platform, storage, OPTIONS)
        })
        .ok()
}

/// Stops the device for good, after which all memory is free.
fn stop(bench: &Bench, driver: Driver<'_>, chunks: &mut [&mut Chunks]) {
    match bench.call("stop", 1, || driver.stop()) {
        Ok((_, stopped)) => {
            for chunk in chunks.iter_mut().flat_map(|chunks| chunks.iter_mut()) {
                bench.demand(
                    chunk.release(&stopped),
                    "a stopped device keeps a chunk's memory",
                );
            }
        }
        Err(error) => bench.fail(format!("a device that behaves is not stopped: {error}")),
    }
}

/// Checks that a frame is seen as it was drawn.
pub(super) fn works(bench: &Bench, driver: &mut Driver<'_>, chunks: &mut Chunks) {
    let created = bench.call("create", SCREENS_WAITS + MOST_WAITS, || {
        driver.create_framebuffer(0, 5, 4, chunks)
    });
    match created {
        Ok(mut picture) => {
            shows(bench, driver, &mut picture);
            let destroyed = bench.call("destroy", MOST_WAITS, || {
                driver.destroy_framebuffer(picture).map(drop)
            });
            bench.demand(destroyed.is_ok(), "a picture is not destroyed");
        }
        Err(error) => bench.fail(format!("a device that behaves does not work: {error}")),
    }
}

/// Draws all of a picture, and looks at what the device got.
fn shows(bench: &Bench, driver: &mut Driver<'_>, picture: &mut Picture<'_>) {
    let color = levitate_drivers_gpu::Bgrx8888::from(Rgb888::new(0x12, 0x34, 0x56));
    let mut rows = 0;
    while let Some(row) = picture.row_mut(rows) {
        row.fill(color);
        rows += 1;
    }
    picture.mark_damage(&Rectangle::new(
        Point::zero(),
        Size::new(u32::MAX >> 1, rows),
    ));
    let before = bench.with(|device| device.screen.flushes);
    let presented = bench.call("present", MOST_WAITS, || driver.present(picture));
    match presented {
        Ok(presented) => bench.with(|device| {
            let pixels = device.screen.transferred.chunks(4);
            let is_seen = presented.pixels != 0
                && pixels.len() as u64 == presented.pixels
                && device.screen.flushes > before
                && pixels
                    .into_iter()
                    .all(|pixel| pixel[..3] == [0x56, 0x34, 0x12]);
            if !is_seen {
                device
                    .failures
                    .push("a frame is not seen as it was drawn".to_owned());
            }
        }),
        Err(error) => bench.fail(format!("a device that behaves shows nothing: {error}")),
    }
}

//! The block driver, with a program that uses all of it.

use levitate_drivers_blk::{
    Blk, BlkStorage, CacheMode, Error, Options, RecoverError, Signal, Unmap,
};
use levitate_virtio::{Interrupt as _, MmioTransport, QueueIndex};

use super::{Settings, behave, probe_transport, set_up};
use crate::bench::{Bench, Registers, TIMEOUT, Time};
use crate::device::Kind;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

mod program;
mod tasks;

use program::Program;

type Driver<'s> = Blk<'s, MmioTransport<Registers>, (Memory, Time)>;
type Storage = BlkStorage<Memory, SLOTS>;

const SLOTS: usize = 4;

/// Calls a program makes at most.
const MAX_CALLS: usize = 24;

const OPTIONS: Options = Options {
    timeout: TIMEOUT,
    bounce_bytes: 1024,
    features: levitate_virtio::Features::IMPLEMENTED,
    max_segments: 3,
};

/// The feature of a disk that only reads (§5.2.3).
const READ_ONLY: u64 = 1 << 5;

/// SIZE_MAX, SEG_MAX, RO, BLK_SIZE and FLUSH, then CONFIG_WCE, MQ, DISCARD, WRITE_ZEROES, LIFETIME and SECURE_ERASE (§5.2.3).
const FEATURES: [u64; 11] = [
    1 << 1,
    1 << 2,
    READ_ONLY,
    1 << 6,
    1 << 9,
    1 << 11,
    1 << 12,
    1 << 13,
    1 << 14,
    1 << 15,
    1 << 16,
];

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Block, sabotage);
    let choice = u16::from_le_bytes([bench.byte(), bench.byte()]);
    let chosen = (0..)
        .zip(FEATURES)
        .filter(|(bit, _)| choice >> bit & 1 != 0);
    let features = chosen.fold(0, |all, (_, feature)| all | feature);
    let settings = set_up(&bench, features);
    bench.with(|device| {
        device.config[0] = 64;
        device.config[8..12].copy_from_slice(&1024_u32.to_le_bytes());
        device.config[12] = (choice >> 11) as u8;
        device.config[20..24].copy_from_slice(&512_u32.to_le_bytes());
        // Small limits, so that a range becomes several requests: sectors, segments and alignment of each kind.
        for (field, limit) in [
            (36, 8),
            (40, 1),
            (44, 1),
            (48, 8),
            (52, 1),
            (60, 8),
            (64, 1),
            (68, 1),
        ] {
            device.config[field] = limit;
        }
        device.config[34] = 1;
        device.config[56] = (choice >> 15) as u8;
    });
    let signal = Signal::new();
    let mut storage = Storage::new();
    bench.let_an_allocation_fail();
    if let Some(driver) = start(&bench, &mut storage) {
        live(&bench, driver, &settings, &signal);
    }
    bench.settle(SLOTS);
    sane(&bench, &settings);
    let mut storage = Storage::new();
    match start(&bench, &mut storage) {
        Some(mut driver) => works(&bench, &mut driver),
        None => bench.fail("a device that behaves does not come up".to_owned()),
    }
    bench.settle(0);
    bench.finish();
}

/// Uses the driver, then has the device behave, and the driver recover.
fn live<'s>(bench: &Bench, mut driver: Driver<'s>, settings: &Settings, signal: &'s Signal) {
    let mut program = Program::new(bench);
    for _ in 0..MAX_CALLS {
        if !bench.goes_on() {
            break;
        }
        let [sector, choice] = [bench.byte() % 72, bench.byte()];
        // Some of those that would only let time pass.
        if choice % 48 == 47 {
            driver = tasks::wait(bench, &mut program, driver, signal);
        } else {
            call(bench, &mut program, &mut driver, (sector.into(), choice));
        }
    }
    sane(bench, settings);
    let recovered = bench.call("recover", 4, || {
        driver.recover(|request| program.returned(request.buffer))
    });
    match recovered {
        Ok(()) => {
            program.expect_nothing_lent();
            works(bench, &mut driver);
        }
        Err(RecoverError::NotRunning) => {}
        Err(error) => bench.fail(format!("no recovery with a device that behaves: {error}")),
    }
    bench.call("drop", 2, || drop(driver));
}

/// Has the device behave, as a writable disk of 64 sectors.
fn sane(bench: &Bench, settings: &Settings) {
    let settings = Settings {
        features: settings.features & !READ_ONLY,
        queue_size_max: settings.queue_size_max,
    };
    behave(bench, &settings, &[(0, 64), (8, 1024), (12, 3), (20, 512)]);
}

fn start<'s>(bench: &Bench, storage: &'s mut Storage) -> Option<Driver<'s>> {
    let transport = probe_transport(bench)?;
    let platform = (bench.memory.clone(), bench.clock());
    bench
        .call("start", 3, || {
            Blk::with_options(transport, platform, storage, OPTIONS)
        })
        .ok()
}

/// Checks that what is written is what is read.
fn works(bench: &Bench, driver: &mut Driver<'_>) {
    let written: [u8; 1024] = std::array::from_fn(|index| (index / 3) as u8);
    let mut read = [0; 1024];
    let outcome = bench.call("write and read", 6, || {
        driver.write(2, &written)?;
        driver.read(2, &mut read)
    });
    match outcome {
        Ok(()) => bench.demand(read == written, "other bytes are read than were written"),
        Err(error) => bench.fail(format!("a device that behaves does not work: {error}")),
    }
}

/// Makes one call; how it ends is the device's choice, that it ends in time is not.
fn call(
    bench: &Bench,
    program: &mut Program<'_>,
    driver: &mut Driver<'_>,
    (sector, choice): (u64, u8),
) {
    match choice % 24 {
        0 | 1 => read(bench, program, driver, sector),
        2 => {
            let data = vec![7; program.length()];
            let _ = bench.call("write", 6, || driver.write(sector, &data));
        }
        3 => {
            let _ = bench.call("flush", 2, || driver.flush());
        }
        4 => {
            let _ = bench.call("id", 2, || driver.id());
        }
        5 | 6 => program.transfer(driver, sector),
        7..=9 => program.submit(driver, sector),
        10 => program.submit_flush(driver),
        11 => {
            let _ = driver.notify();
        }
        12 | 13 => {
            if let Ok(Some(completion)) = bench.call("poll", 0, || driver.poll()) {
                program.completed(completion);
            }
        }
        14 => {
            if let Some(token) = program.any_token()
                && let Ok(Some(completion)) = bench.call("take", 0, || driver.take(token))
            {
                program.completed(completion);
            }
        }
        15 => {
            if let Some(token) = program.any_token()
                && let Ok(Some(completion)) = bench.call("wait", 1, || driver.wait(token))
            {
                program.completed(completion);
            }
        }
        16 => {
            let _ = bench.call("change", 0, || driver.process_config_change());
        }
        17 => {
            if let Some(interrupt) = driver.interrupt() {
                interrupt.acknowledge();
            }
            driver.set_used_notifications(sector % 2 == 0);
        }
        18 if choice >= 128 => reset_queue(bench, program, driver),
        18 => {
            let recovered = bench.call("recover", 4, || {
                driver.recover(|request| program.returned(request.buffer))
            });
            if recovered.is_ok() {
                program.expect_nothing_lent();
            }
        }
        19..=21 => range(bench, driver, sector),
        22 => {
            let mode = match sector % 2 {
                0 => CacheMode::Writeback,
                _ => CacheMode::Writethrough,
            };
            let _ = bench.call("cache", 0, || driver.set_cache_mode(mode));
        }
        _ => bench.pass(),
    }
}

/// Takes back all that the device has, and uses the queue again, if it can be reset.
fn reset_queue(bench: &Bench, program: &mut Program<'_>, driver: &mut Driver<'_>) {
    let outcome = bench.call("reset of a queue", 1, || {
        driver.reset_queue(QueueIndex::new(0), |request| {
            program.returned(request.buffer);
        })
    });
    if outcome.is_ok() {
        program.expect_nothing_lent();
    }
}

/// Discards, zeroes or erases some sectors, or asks how worn the disk is.
fn range(bench: &Bench, driver: &mut Driver<'_>, sector: u64) {
    let count = u64::from(bench.byte() % 20);
    // Each of the requests it takes may take all its time.
    let waits = 2 + count as u32;
    let unmap = match count % 2 {
        0 => Unmap::Allowed,
        _ => Unmap::Forbidden,
    };
    let _ = match bench.byte() % 4 {
        0 => bench.call("discard", waits, || driver.discard(sector, count)),
        1 => bench.call("zero", waits, || driver.write_zeroes(sector, count, unmap)),
        2 => bench.call("erase", waits, || driver.secure_erase(sector, count)),
        _ => bench.call("lifetime", 2, || driver.lifetime().map(drop)),
    };
}

fn read(bench: &Bench, program: &Program<'_>, driver: &mut Driver<'_>, sector: u64) {
    let mut data = vec![0xee; program.length()];
    let outcome = bench.call("read", 6, || driver.read(sector, &mut data));
    if let Err(Error::Refused(_)) = outcome {
        // The queue may refuse a later part of a long read.
        let first = &data[..data.len().min(512)];
        let is_untouched = first.iter().all(|byte| *byte == 0xee);
        bench.demand(
            is_untouched || data.len() > 512,
            "a refused read wrote something",
        );
    }
}

//! Thousands of requests against a device that lies at random: what is reported as success is true, and nothing gets lost.

use std::time::Duration;

use crate::bench::{Bench, Driver, Storage, filled};
use levitate_drivers_blk::{Error, RequestKind};
use levitate_host::{BlockModel, Completion, Fault, Version};
use levitate_virtio::Features;

const SECTORS: u64 = 64;
const ROUNDS: u32 = 3000;

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A lie about how a request went; none of them forges data, which no driver could notice.
fn lie(random: &mut Random) -> Fault {
    match random.below(10) {
        0 => Fault::UsedIdOutOfRange,
        1 => Fault::UsedIdNotInFlight,
        2 => Fault::UsedTwice,
        3 => Fault::UsedIndexJump(random.below(u64::from(u16::MAX)) as u16),
        4 => Fault::UsedLen(random.below(2000) as u32),
        5 => Fault::UsedLen(u32::MAX),
        6 => Fault::AnswerTruncated {
            len_bytes: random.below(513) as u32,
        },
        7 => Fault::LastByte(1 + random.below(255) as u8),
        8 => Fault::NoUsedElement,
        _ => Fault::NeedsReset,
    }
}

fn content(bench: &Bench, sector: u64, len_bytes: usize) -> Vec<u8> {
    let start = sector as usize * 512;
    bench
        .disk
        .model(|disk| disk.content()[start..start + len_bytes].to_vec())
}

/// Makes one blocking call; says whether the device has to be recovered.
fn call(bench: &Bench, blk: &mut Driver<'_>, random: &mut Random) -> bool {
    let sectors = 1 + random.below(8);
    let sector = random.below(SECTORS - sectors + 1);
    let len_bytes = sectors as usize * 512;
    let outcome = match random.below(4) {
        0 => {
            let mut data = vec![0xee; len_bytes];
            let outcome = blk.read(sector, &mut data);
            if outcome.is_ok() {
                assert_eq!(data, content(bench, sector, len_bytes));
            }
            outcome
        }
        1 => {
            let data = vec![random.below(256) as u8; len_bytes];
            let outcome = blk.write(sector, &data);
            if outcome.is_ok() {
                assert_eq!(data, content(bench, sector, len_bytes));
            }
            outcome
        }
        2 => blk.flush(),
        _ => blk.id().map(|id| assert_eq!(id.as_bytes(), b"soak")),
    };
    needs_recovery(&outcome)
}

fn needs_recovery(outcome: &Result<(), Error>) -> bool {
    matches!(
        outcome,
        Err(Error::Timeout(_) | Error::NeedsReset { .. } | Error::Fault(_))
    )
}

/// Submits a batch and collects it; says whether the device has to be recovered.
fn batch(bench: &Bench, blk: &mut Driver<'_>, random: &mut Random, kept: &mut usize) -> bool {
    let count = 1 + random.below(8);
    let mut tokens = Vec::new();
    // A sector for each, so that what is there at the end does not depend on their order.
    let first = random.below(SECTORS);
    for index in 0..count {
        let buffer = filled(blk, 512, random.below(256) as u8);
        let sector = (first + 5 * index) % SECTORS;
        let submitted = match random.below(2) {
            0 => blk.submit_read(sector, buffer),
            _ => blk.submit_write(sector, buffer),
        };
        if let Ok(token) = submitted {
            tokens.push(token);
        }
    }
    blk.notify();
    bench.disk.set_completion(Completion::Inline);
    while !bench.disk.waiting().is_empty() {
        let position = random.below(bench.disk.waiting().len() as u64);
        bench.disk.release_at(position as usize);
    }
    *kept += tokens.len();
    loop {
        match blk.poll() {
            Ok(Some(done)) => {
                assert!(done.buffer.is_some());
                assert_ne!(done.kind, RequestKind::Flush);
                if let Some(index) = tokens.iter().position(|token| *token == done.token) {
                    tokens.swap_remove(index);
                    if done.result.is_ok() {
                        let buffer = done.buffer.as_ref().unwrap().as_slice();
                        assert_eq!(buffer, content(bench, done.sector, 512), "{:?}", done.kind);
                    }
                }
                *kept -= 1;
            }
            Ok(None) => return !tokens.is_empty(),
            Err(_) => return true,
        }
    }
}

#[test]
fn a_device_that_lies_at_random_is_driven_and_recovered() {
    let variants = [
        (Version::Two, Features::empty()),
        (Version::Two, Features::EVENT_IDX | Features::INDIRECT_DESC),
        (Version::One, Features::empty()),
        (Version::One, Features::EVENT_IDX | Features::INDIRECT_DESC),
    ];
    for (seed, (version, withheld)) in (1_u64..).zip(variants) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let model = BlockModel::patterned(SECTORS as usize)
            .id("soak")
            .size_max(1024)
            .seg_max(3);
        let mut bench = Bench::with(version, model, |behaviour| {
            behaviour.withhold = withheld.bits();
        });
        bench.clock.set_step(Duration::from_micros(100));
        bench.options.timeout = Duration::from_millis(50);
        bench.options.bounce_bytes = 2048;
        let mut storage = Storage::<8>::new();
        let mut blk = bench.drive(&mut storage);
        let live = bench.pool.live();
        let mut recoveries = 0;
        for _ in 0..ROUNDS {
            if random.below(8) == 0 {
                let lie = lie(&mut random);
                bench.disk.inject(lie);
            }
            let mut kept = 0;
            let is_lost = if random.below(3) == 0 {
                bench.disk.set_completion(Completion::Held);
                batch(&bench, &mut blk, &mut random, &mut kept)
            } else {
                call(&bench, &mut blk, &mut random)
            };
            if is_lost {
                recoveries += 1;
                let mut reclaimed = 0;
                blk.recover(|request| {
                    assert!(request.buffer.is_some());
                    reclaimed += 1;
                })
                .unwrap();
                assert_eq!(reclaimed, kept, "every buffer comes back once");
            }
            assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 8));
            assert_eq!(bench.pool.live(), live, "nothing is kept, nothing is lost");
        }
        assert!(
            recoveries > 50,
            "{recoveries} recoveries: the lies did not tell"
        );
    }
}

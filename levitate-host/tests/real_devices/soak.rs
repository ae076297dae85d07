//! Ten thousand random operations against a real disk, compared with a mirror of what it should hold.

use std::time::{SystemTime, UNIX_EPOCH};

use levitate_drivers_blk::{RequestKind, Unmap};

use crate::storage::{Driver, PLAIN, Slots, Storage, patterned, wait_for};

const OPERATIONS: u32 = 10_000;
const SECTORS: u64 = 4096;

/// A seed to repeat a run with.
const SEED: &str = "LEVITATE_SEED";

/// Numbers that look random and follow from a seed (xorshift).
struct Random(u64);

impl Random {
    /// Takes the seed of the environment, or a new one, and prints it for a run that fails.
    fn seeded() -> Self {
        let given = std::env::var(SEED).ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            time.as_nanos() as u64
        });
        println!("{SEED}={seed}");
        // Not 0, of which nothing but 0 follows.
        Self(seed | 1 << 63)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn bytes(&mut self, len_bytes: usize) -> Vec<u8> {
        let mut bytes = vec![0; len_bytes];
        for chunk in bytes.chunks_mut(7) {
            let word = self.below(u64::MAX).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        bytes
    }

    /// A place for `sectors` sectors.
    fn place(&mut self, sectors: u64) -> (u64, std::ops::Range<usize>) {
        let sector = self.below(SECTORS - sectors + 1);
        let start = sector as usize * 512;
        (sector, start..start + sectors as usize * 512)
    }
}

/// Has up to eight requests in flight at a time; none touches what another one does, so that their order does not matter.
fn batch(blk: &mut Driver<'_>, random: &mut Random, mirror: &mut [u8]) -> u32 {
    let count = 1 + random.below(8);
    let (first, _) = random.place(count * 4);
    for index in 0..count {
        let sector = first + index * 4;
        let len_bytes = 512 * (1 + random.below(4) as usize);
        let range = sector as usize * 512..sector as usize * 512 + len_bytes;
        let mut buffer = blk.allocate_buffer(len_bytes).unwrap();
        if random.below(2) == 0 {
            blk.submit_read(sector, buffer).unwrap();
        } else {
            let bytes = random.bytes(len_bytes);
            buffer.as_mut_slice().copy_from_slice(&bytes);
            mirror[range].copy_from_slice(&bytes);
            blk.submit_write(sector, buffer).unwrap();
        }
    }
    blk.notify();
    for number in 0..count {
        let what = format!("request {number} of a batch of {count}");
        let completion = wait_for(&what, || blk.poll().unwrap());
        completion.result.unwrap();
        let buffer = completion.buffer.unwrap();
        let start = completion.sector as usize * 512;
        let expected = &mirror[start..start + buffer.len_bytes()];
        assert_eq!(buffer.as_slice(), expected, "{:?}", completion.kind);
        assert_ne!(completion.kind, RequestKind::Flush);
    }
    assert_eq!(blk.in_flight(), 0);
    count as u32
}

#[test]
fn ten_thousand_random_operations_leave_what_the_mirror_has() {
    let mut mirror = patterned(SECTORS as usize * 512);
    let Some(storage) = Storage::serve(&mirror, PLAIN) else {
        return;
    };
    let mut random = Random::seeded();
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    let live = storage.pool.live();
    let mut operations = 0;
    while operations < OPERATIONS {
        operations += 1;
        match random.below(16) {
            0 => blk.flush().unwrap(),
            1 => assert_eq!(blk.id().unwrap().as_str(), Ok("vhost_user_blk")),
            2 => blk.recover(|_| panic!("nothing was in flight")).unwrap(),
            3..=6 => {
                let sectors = 1 + random.below(300);
                let (sector, range) = random.place(sectors);
                let mut data = vec![0xee; range.len()];
                blk.read(sector, &mut data).unwrap();
                assert!(data == mirror[range], "{sectors} sectors from {sector} on");
            }
            7..=11 => {
                let sectors = 1 + random.below(64);
                let (sector, range) = random.place(sectors);
                let data = random.bytes(range.len());
                blk.write(sector, &data).unwrap();
                mirror[range].copy_from_slice(&data);
            }
            12 => {
                let count = 1 + random.below(500);
                let (sector, range) = random.place(count);
                blk.write_zeroes(sector, count, Unmap::Allowed).unwrap();
                mirror[range].fill(0);
            }
            _ => operations += batch(&mut blk, &mut random, &mut mirror) - 1,
        }
        assert_eq!(storage.pool.live(), live);
    }
    blk.flush().unwrap();
    drop(blk);
    assert!(
        storage.image() == mirror,
        "the image has what the mirror has"
    );
    storage.pool.assert_no_leaks();
}

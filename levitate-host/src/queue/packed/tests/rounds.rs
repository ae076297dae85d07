//! Many rounds through rings of every size: in order and out of order, direct and indirect, one by one and in batches.

use std::collections::VecDeque;

use super::driver::{BUFFER_BYTES, Driver};
use crate::queue::{Chain, RingFeatures, Used};

const SIZES: [u16; 8] = [1, 2, 3, 5, 7, 256, 1000, 32768];

/// Returns how many lists go through a ring: in two of the sizes more than a 16-bit number counts, in the largest more than one lap.
const fn operations(size: u16) -> usize {
    match size {
        7 | 256 => 65_600,
        32768 => 20_000,
        _ => 4000,
    }
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u16) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ u64::from(seed))
    }

    /// Returns a number below `limit`.
    fn roll(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Makes up a list that fits into a ring of `size`: how many elements are readable, and how many writable.
    fn list(&mut self, size: u16) -> (u16, u16) {
        let count = 1 + self.roll(usize::from(size.min(4))) as u16;
        let writable = self.roll(usize::from(count) + 1) as u16;
        (count - writable, writable)
    }

    /// Makes up how much of a list is written.
    fn written(&mut self, chain: &Chain) -> u32 {
        match chain.writable_len_bytes() {
            0 => 0,
            _ => 1 + self.roll(BUFFER_BYTES as usize) as u32,
        }
    }
}

/// Which of the lists it has a device gives back next.
type Choose = fn(&mut Dice, usize) -> usize;

fn oldest(_: &mut Dice, _: usize) -> usize {
    0
}

fn any(dice: &mut Dice, count: usize) -> usize {
    dice.roll(count)
}

/// Offers lists as long as there is room, and has some of them given back, until there were enough.
fn run(size: u16, choose: Choose) {
    let mut driver = Driver::new(size, RingFeatures::default());
    let mut dice = Dice::new(size);
    let (mut flying, mut done) = (Vec::<Chain>::new(), 0);
    while done < operations(size) {
        for _ in 0..=dice.roll(4) {
            let (readable, writable) = dice.list(size);
            let Some(id) = driver.offer(readable, writable) else {
                break;
            };
            let chain = driver.pop().unwrap().expect("a list is available");
            assert_eq!(chain.head, id);
            let ways = chain.buffers.iter().map(|buffer| buffer.is_writable);
            let expected = (0..readable + writable).map(|index| index >= readable);
            assert!(ways.eq(expected));
            flying.push(chain);
        }
        assert_eq!(driver.pop(), Ok(None));
        for _ in 0..1 + dice.roll(4).min(flying.len()) {
            if flying.is_empty() {
                break;
            }
            let chain = flying.remove(choose(&mut dice, flying.len()));
            let written = dice.written(&chain);
            driver.finish(&chain, written);
            let told = (written > 0).then_some(written);
            assert_eq!(driver.take(), Some((chain.head, told)));
            done += 1;
        }
        assert_eq!(driver.take(), None);
    }
    assert_eq!(driver.broken(), [""; 0]);
}

#[test]
fn lists_are_used_in_order() {
    for size in SIZES {
        run(size, oldest);
    }
}

#[test]
fn lists_are_used_in_any_order() {
    for size in SIZES {
        run(size, any);
    }
}

#[test]
fn a_ring_may_be_full() {
    for size in SIZES {
        let mut driver = Driver::new(size, RingFeatures::default());
        for round in 0..2 {
            while driver.offer(1, 0).is_some() {}
            let chains: Vec<Chain> = std::iter::from_fn(|| driver.pop().unwrap()).collect();
            assert_eq!(chains.len(), usize::from(size), "round {round}");
            for chain in chains.iter().rev() {
                driver.finish(chain, 0);
            }
            for chain in chains.iter().rev() {
                assert_eq!(driver.take(), Some((chain.head, None)));
            }
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

#[test]
fn a_list_may_be_as_long_as_the_ring() {
    for size in SIZES {
        let mut driver = Driver::new(size, RingFeatures::default());
        for _ in 0..3 {
            let id = driver.offer(size - 1, 1);
            let chain = driver.pop().unwrap().expect("a list is available");
            assert_eq!(chain.buffers.len(), usize::from(size));
            driver.finish(&chain, 1);
            assert_eq!(driver.take(), id.map(|id| (id, Some(1))));
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

#[test]
fn a_buffer_in_an_indirect_table_takes_one_descriptor() {
    let features = RingFeatures {
        indirect: true,
        ..RingFeatures::default()
    };
    for size in SIZES.into_iter().filter(|size| *size >= 3) {
        let mut driver = Driver::new(size, features);
        for round in 0..operations(size) / 4 {
            let is_indirect = round % 3 != 0;
            let id = match is_indirect {
                true => driver.offer_indirect(1, 2),
                false => driver.offer(1, 2),
            };
            let chain = driver.pop().unwrap().expect("a list is available");
            assert_eq!(chain.descriptors, if is_indirect { 1 } else { 3 });
            assert_eq!(chain.buffers.len(), 3);
            assert_eq!(chain.indirect_table.is_some(), is_indirect);
            driver.finish(&chain, 2 * BUFFER_BYTES);
            assert_eq!(driver.take(), id.map(|id| (id, Some(2 * BUFFER_BYTES))));
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

#[test]
fn one_used_descriptor_may_stand_for_a_batch() {
    for size in SIZES {
        let mut driver = Driver::new(size, RingFeatures::default());
        let mut dice = Dice::new(size);
        let mut sent = VecDeque::new();
        for _ in 0..operations(size) / 4 {
            for _ in 0..=dice.roll(8) {
                let (readable, writable) = dice.list(size);
                sent.extend(driver.offer(readable, writable));
            }
            let chains: Vec<Chain> = std::iter::from_fn(|| driver.pop().unwrap()).collect();
            let last = chains.last().expect("there was room for one");
            let written = dice.written(last);
            for chain in &chains {
                driver.queue.land(chain.head);
            }
            driver.give_back(Used {
                chains: chains.len() as u16,
                descriptors: chains.iter().map(|chain| chain.descriptors).sum(),
                ..Used::new(last, written)
            });
            // The driver knows the order, and takes back whatever is before the one that is named.
            let (id, told) = driver.take_batch(&mut sent).expect("a batch was used");
            assert_eq!((id, told), (last.head, (written > 0).then_some(written)));
            assert!(sent.is_empty());
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

//! Drivers that break the rules of §2.8: each is named, and none makes the model panic or go on for ever.

use super::driver::{BUFFER_BYTES, Driver, INDIRECT, NEXT, WRITE};
use crate::queue::{Chain, RingError, RingFeatures, Used};

fn indirect() -> RingFeatures {
    RingFeatures {
        indirect: true,
        ..RingFeatures::default()
    }
}

/// Writes a descriptor over the shared buffer, and goes on.
fn put(driver: &mut Driver, id: u16, flags: u16) {
    driver.write(driver.next, driver.buffer(), BUFFER_BYTES, id);
    driver.write_flags(driver.next, flags | driver.marks());
    driver.step();
}

/// Has the device look at what `act` did in a fresh ring of four, and returns what came of it and which rules were broken.
fn look(
    features: RingFeatures,
    act: fn(&mut Driver),
) -> (Result<Option<Chain>, RingError>, Vec<&'static str>) {
    let mut driver = Driver::new(4, features);
    act(&mut driver);
    let found = driver.pop();
    let broken = driver.broken();
    drop(driver.pool.take_stray_accesses());
    (found, broken)
}

#[test]
fn what_a_list_must_not_be_is_named() {
    type Case = (fn(&mut Driver), RingError, &'static str);
    let cases: [Case; 8] = [
        (
            |driver| (0..4).for_each(|_| put(driver, 0, NEXT)),
            RingError::ChainTooLong { head: 0, size: 4 },
            "PACKED-07",
        ),
        (
            |driver| {
                put(driver, 0, WRITE | NEXT);
                put(driver, 0, 0);
            },
            RingError::ReadableAfterWritable { index: 1 },
            "PACKED-08",
        ),
        (
            |driver| put(driver, 0, NEXT),
            RingError::Flags { index: 1, flags: 0 },
            "PACKED-11",
        ),
        (
            |driver| {
                put(driver, 0, NEXT);
                driver.write_flags(1, 1 << 7 | 1 << 15);
            },
            RingError::Flags {
                index: 1,
                flags: 0x8080,
            },
            "PACKED-20",
        ),
        (
            |driver| put(driver, 0, INDIRECT | NEXT),
            RingError::Flags {
                index: 0,
                flags: INDIRECT | NEXT | 0x80,
            },
            "PACKED-15",
        ),
        (
            |driver| {
                put(driver, 0, NEXT);
                put(driver, 0, INDIRECT);
            },
            RingError::Flags {
                index: 1,
                flags: INDIRECT | 0x80,
            },
            "PACKED-15",
        ),
        (
            |driver| {
                driver.write(0, driver.buffer(), 16 * 5, 0);
                driver.write_flags(0, INDIRECT | 0x80);
            },
            RingError::ChainTooLong { head: 0, size: 4 },
            "PACKED-14",
        ),
        (
            |driver| {
                driver.write_entry(0, WRITE);
                driver.write_entry(1, 0);
                driver.write(0, driver.buffer() + u64::from(BUFFER_BYTES), 32, 0);
                driver.write_flags(0, INDIRECT | 0x80);
            },
            RingError::ReadableAfterWritable { index: 1 },
            "PACKED-08",
        ),
    ];
    for (act, error, rule) in cases {
        assert_eq!(look(indirect(), act), (Err(error), vec![rule]), "{rule}");
    }
    let (found, broken) = look(RingFeatures::default(), |driver| put(driver, 0, INDIRECT));
    assert!(matches!(found, Err(RingError::Flags { index: 0, .. })));
    assert_eq!(broken, ["PACKED-12"]);
}

#[test]
fn lengths_that_no_device_can_follow_are_errors() {
    for len_bytes in [0, 1, 15, 24] {
        let mut driver = Driver::new(4, indirect());
        driver.write(0, driver.buffer(), len_bytes, 0);
        driver.write_flags(0, INDIRECT | 0x80);
        assert_eq!(driver.pop(), Err(RingError::IndirectLength { len_bytes }));
    }
    let (found, broken) = look(indirect(), |driver| {
        driver.write(0, driver.buffer(), 0, 0);
        driver.write_flags(0, 0x80);
    });
    assert_eq!(found, Err(RingError::EmptyBuffer { index: 0 }));
    assert_eq!(broken, [""; 0]);
    let (found, _) = look(indirect(), |driver| {
        driver.write(0, driver.buffer(), u32::MAX, 0);
        driver.write_flags(0, NEXT | 0x80);
        driver.write(1, driver.buffer(), 2, 0);
        driver.write_flags(1, 0x80);
    });
    assert_eq!(found, Err(RingError::TooManyBytes { head: 0 }));
}

#[test]
fn what_is_out_of_reach_is_an_error() {
    for (addr, flags) in [
        (0, 0x80),
        (u64::MAX, 0x80),
        (u64::MAX - 8, INDIRECT | 0x80),
        (0x1000, INDIRECT | 0x80),
    ] {
        let mut driver = Driver::new(4, indirect());
        driver.write(0, addr, 32, 0);
        driver.write_flags(0, flags);
        assert!(matches!(driver.pop(), Err(RingError::Unreachable(_))));
        assert!(!driver.pool.take_stray_accesses().is_empty());
    }
}

#[test]
fn flags_in_an_indirect_table_are_named_and_not_followed() {
    let mut driver = Driver::new(4, indirect());
    driver.write_entry(0, NEXT | INDIRECT);
    driver.write_entry(1, WRITE | 0x8080);
    driver.write(0, driver.buffer() + u64::from(BUFFER_BYTES), 32, 9);
    driver.write_flags(0, INDIRECT | WRITE | 0x80);
    let chain = driver.pop().unwrap().expect("a list is available");
    assert_eq!(chain.head, 9);
    let ways = chain.buffers.iter().map(|buffer| buffer.is_writable);
    assert!(ways.eq([false, true]));
    assert_eq!(driver.broken(), ["PACKED-13"]);
}

#[test]
fn a_wrong_counter_and_wrong_flags_are_told_apart() {
    for (flags, rule) in [(1 << 15, "PACKED-18"), (0x8080, "PACKED-19")] {
        let mut driver = Driver::new(4, RingFeatures::default());
        driver.write(0, driver.buffer(), BUFFER_BYTES, 0);
        driver.write_flags(0, flags);
        for _ in 0..3 {
            assert_eq!(driver.pop(), Ok(None));
        }
        assert_eq!(driver.broken(), [rule], "said once");
    }
    // After a lap, by a driver that has not changed its counter.
    let mut driver = Driver::new(3, RingFeatures::default());
    for _ in 0..3 {
        driver.offer(1, 0);
        let chain = driver.pop().unwrap().expect("a list is available");
        driver.finish(&chain, 0);
        driver.take();
    }
    driver.wrap = true;
    driver.offer(1, 0);
    assert_eq!(driver.pop(), Ok(None));
    assert_eq!(driver.broken(), ["PACKED-18"]);
}

#[test]
fn a_ring_that_is_full_stays_as_it_is() {
    let mut driver = Driver::new(3, RingFeatures::default());
    while driver.offer(1, 0).is_some() {}
    while driver.pop().unwrap().is_some() {}
    put(&mut driver, 7, 0);
    assert_eq!(driver.pop(), Err(RingError::Overrun { slot: 0 }));
    assert_eq!(driver.broken(), ["PACKED-02"]);
}

#[test]
fn a_list_has_room_before_it_is_begun() {
    for (is_written, rule) in [(true, "PACKED-10"), (false, "PACKED-09")] {
        let mut driver = Driver::new(4, RingFeatures::default());
        driver.offer(1, 0);
        driver.offer(1, 0);
        while driver.pop().unwrap().is_some() {}
        put(&mut driver, 7, NEXT);
        put(&mut driver, 7, NEXT);
        if is_written {
            put(&mut driver, 7, 0);
        }
        assert_eq!(driver.pop(), Err(RingError::Overrun { slot: 0 }));
        assert_eq!(driver.broken(), [rule]);
    }
}

#[test]
fn an_id_is_free_before_it_is_used_again() {
    let mut driver = Driver::new(4, RingFeatures::default());
    put(&mut driver, 2, 0);
    put(&mut driver, 2, 0);
    assert!(driver.pop().is_ok());
    assert_eq!(driver.pop(), Err(RingError::HeadInFlight { head: 2 }));
    assert_eq!(driver.broken(), ["PACKED-20"]);
}

#[test]
fn a_descriptor_is_left_alone_until_it_is_used() {
    // Of a list that is given back itself, and of one that is skipped by another.
    for finished in [0, 1] {
        let mut driver = Driver::new(8, RingFeatures::default());
        driver.offer(2, 1);
        driver.offer(1, 1);
        let chains: Vec<Chain> = std::iter::from_fn(|| driver.pop().unwrap()).collect();
        driver.write_flags(1, NEXT | 0x80 | WRITE);
        driver.finish(&chains[finished], 0);
        assert_eq!(driver.broken(), ["PACKED-03"], "{finished}");
        driver.finish(&chains[1 - finished], 0);
        assert_eq!(driver.broken(), ["PACKED-03"], "said once");
    }
}

#[test]
fn a_descriptor_that_was_given_back_is_the_drivers() {
    let mut driver = Driver::new(4, RingFeatures::default());
    driver.offer(2, 0);
    driver.offer(1, 0);
    let chains: Vec<Chain> = std::iter::from_fn(|| driver.pop().unwrap()).collect();
    // The first descriptor of the list that is still in flight is written over.
    driver.finish(&chains[1], 0);
    driver.take();
    driver.offer(2, 0);
    driver.finish(&chains[0], 0);
    assert_eq!(driver.broken(), [""; 0]);
}

#[test]
fn an_indirect_table_is_left_alone_too() {
    let mut driver = Driver::new(4, indirect());
    driver.offer_indirect(1, 1);
    let chain = driver.pop().unwrap().unwrap();
    driver.write_entry(1, 0);
    driver.finish(&chain, 0);
    assert_eq!(driver.broken(), ["CLEAN-01"]);
}

#[test]
fn the_drivers_event_flags_are_judged() {
    for (event_index, flags, is_right) in [
        (false, 1, true),
        (false, 2, false),
        (true, 2, true),
        (true, 3, false),
        (true, 4, false),
        (false, 0x8000, false),
    ] {
        let mut driver = Driver::new(
            4,
            RingFeatures {
                event_index,
                ..RingFeatures::default()
            },
        );
        driver.set_event(0, true, flags);
        assert_eq!(driver.pop(), Ok(None));
        assert_eq!(driver.broken().is_empty(), is_right);
        assert!(driver.broken().iter().all(|rule| *rule == "PACKED-24"));
    }
}

#[test]
fn lies_leave_no_blame_with_the_driver() {
    type Lie = fn(&mut Driver, Used);
    let lies: [Lie; 4] = [
        |driver, used| {
            driver
                .queue
                .lie(used.naming(0xffff), &driver.device)
                .unwrap()
        },
        |driver, used| {
            driver.queue.lie(used, &driver.device).unwrap();
            driver.queue.lie(used, &driver.device).unwrap();
        },
        |driver, used| driver.queue.lie_elsewhere(used, &driver.device).unwrap(),
        |driver, used| {
            driver.queue.lie(used, &driver.device).unwrap();
            driver.queue.jump(u16::MAX, &driver.device).unwrap();
        },
    ];
    for size in [1, 2, 3, 8] {
        for lie in lies {
            let mut driver = Driver::new(size, RingFeatures::default());
            for _ in 0..3 * size {
                driver.offer(1, 0);
                if let Ok(Some(chain)) = driver.pop() {
                    driver.queue.land(chain.head);
                    lie(&mut driver, Used::new(&chain, 0));
                }
                let features = driver.features;
                let wants = driver
                    .queue
                    .wants_interrupt_for_lies(&driver.device, features);
                assert!(wants.is_ok());
            }
            assert_eq!(driver.broken(), [""; 0]);
        }
    }
}

#[test]
fn whatever_is_in_the_ring_the_model_comes_to_an_end() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut roll = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for size in [1, 2, 3, 7] {
        let mut driver = Driver::new(size, indirect());
        let buffer = driver.buffer();
        let mut taken = Vec::new();
        for _ in 0..10_000 {
            let slot = (roll() % u64::from(size)) as u16;
            let addr = match roll() % 4 {
                0 => roll(),
                _ => buffer + roll() % 128,
            };
            driver.write(slot, addr, (roll() % 100) as u32, roll() as u16 % 4);
            driver.write_flags(slot, roll() as u16 & 0x8087);
            driver.set_event(roll() as u16, roll() % 2 == 0, roll() as u16 % 4);
            taken.extend(driver.pop().ok().flatten());
            if roll() % 3 == 0
                && let Some(chain) = taken.pop()
            {
                driver.finish(&chain, roll() as u32);
            }
            assert!(driver.queue.unseen(&driver.device).is_ok());
            // It would stop at the first error; here it goes on, and has to bear that.
            driver.violations = Default::default();
        }
        drop(driver.pool.take_stray_accesses());
    }
}

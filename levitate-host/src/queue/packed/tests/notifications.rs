//! Who is to notify whom: both event suppression structures, with and without EVENT_IDX.

use super::driver::Driver;
use crate::queue::{RingFeatures, Used};

const ENABLE: u16 = 0;
const DISABLE: u16 = 1;
const DESC: u16 = 2;

fn plain() -> RingFeatures {
    RingFeatures::default()
}

fn event_index() -> RingFeatures {
    RingFeatures {
        event_index: true,
        ..RingFeatures::default()
    }
}

/// Sends one list of `count` descriptors and has it used; true if the device notifies.
fn use_one(driver: &mut Driver, count: u16) -> bool {
    driver.offer(count, 0).expect("there is room");
    let chain = driver.pop().unwrap().expect("a list is available");
    let is_notified = driver.finish(&chain, 0);
    assert!(driver.take().is_some());
    is_notified
}

#[test]
fn the_driver_is_notified_unless_it_says_otherwise() {
    for features in [plain(), event_index()] {
        let mut driver = Driver::new(5, features);
        for (flags, wanted) in [(ENABLE, true), (DISABLE, false), (ENABLE, true)] {
            driver.set_event(0x7abc, true, flags);
            for _ in 0..7 {
                assert_eq!(use_one(&mut driver, 1), wanted);
            }
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

#[test]
fn the_driver_is_notified_of_the_descriptor_it_named() {
    for size in [1, 2, 3, 5, 16] {
        let mut driver = Driver::new(size, event_index());
        let (mut slot, mut wrap) = (0, true);
        for event in 0..size {
            for event_wrap in [true, false] {
                driver.set_event(event, event_wrap, DESC);
                for _ in 0..2 * size {
                    let is_notified = use_one(&mut driver, 1);
                    assert_eq!(is_notified, (event, event_wrap) == (slot, wrap), "{size}");
                    slot += 1;
                    if slot == size {
                        (slot, wrap) = (0, !wrap);
                    }
                }
            }
        }
        assert_eq!(driver.broken(), [""; 0]);
    }
}

#[test]
fn a_descriptor_that_is_skipped_counts_as_used() {
    for event in 0..7 {
        let mut driver = Driver::new(7, event_index());
        driver.set_event(event, true, DESC);
        let notified = [3, 3, 1].map(|count| use_one(&mut driver, count));
        assert_eq!(notified, [event < 3, (3..6).contains(&event), event == 6]);
    }
}

#[test]
fn an_event_outside_of_the_ring_never_comes() {
    let mut driver = Driver::new(3, event_index());
    for offset in [3, 4, 0x7fff] {
        for wrap in [true, false] {
            driver.set_event(offset, wrap, DESC);
            assert!((0..12).all(|_| !use_one(&mut driver, 1)));
        }
    }
}

#[test]
fn one_descriptor_for_a_batch_passes_all_events_in_it() {
    let mut driver = Driver::new(5, event_index());
    for (event, wanted) in [(0, true), (2, true), (4, true), (1, false)] {
        // Where the next batch begins: five descriptors are a lap.
        driver.set_event(event, driver.wrap ^ (event == 1), DESC);
        let lists = [2, 2, 1].map(|count| driver.offer(count, 0).unwrap());
        let chains: Vec<_> = std::iter::from_fn(|| driver.pop().unwrap()).collect();
        for chain in &chains {
            driver.queue.land(chain.head);
        }
        let is_notified = driver.give_back(Used {
            chains: 3,
            descriptors: 5,
            ..Used::new(&chains[2], 0)
        });
        assert_eq!(is_notified, wanted, "{event}");
        driver.take_batch(&mut lists.into());
    }
}

#[test]
fn the_device_says_what_it_wants_to_hear_of() {
    let mut driver = Driver::new(3, plain());
    let device = driver.device.clone();
    let features = driver.features;
    driver.queue.be_quiet(&device, features).unwrap();
    assert_eq!(driver.device_event().2, DISABLE);
    assert_eq!(driver.queue.listen(&device, features), Ok(false));
    assert_eq!(driver.device_event().2, ENABLE);
    driver.offer(1, 0);
    assert_eq!(
        driver.queue.listen(&device, features),
        Ok(true),
        "it has come meanwhile"
    );

    let mut driver = Driver::new(3, event_index());
    let device = driver.device.clone();
    let features = driver.features;
    for round in 0..12 {
        driver.queue.be_quiet(&device, features).unwrap();
        assert_eq!(driver.device_event().2, DISABLE);
        assert_eq!(driver.queue.listen(&device, features), Ok(false));
        assert_eq!(
            driver.device_event(),
            (driver.next, driver.wrap, DESC),
            "{round}"
        );
        use_one(&mut driver, 1);
    }
}

#[test]
fn what_the_device_has_not_seen_is_counted() {
    let mut driver = Driver::new(7, plain());
    let device = driver.device.clone();
    for _ in 0..10 {
        assert_eq!(driver.queue.unseen(&device), Ok(0));
        driver.offer(2, 1);
        driver.offer(1, 0);
        driver.offer(0, 3);
        assert_eq!(driver.queue.unseen(&device), Ok(3));
        let data = driver.next | u16::from(driver.wrap) << 15;
        assert_eq!(driver.queue.notification_data(&device), Ok(data));
        assert_eq!(driver.queue.unheard(&device, driver.features), None);
        driver.queue.note_wait(&device);
        let unheard = driver.queue.unheard(&device, driver.features);
        assert_eq!(unheard, Some(("PACKED-17", 7)));
        let chain = driver.pop().unwrap().unwrap();
        assert_eq!(driver.queue.unseen(&device), Ok(2));
        assert_eq!(
            driver.queue.unheard(&device, driver.features),
            Some(("PACKED-17", 4))
        );
        driver.finish(&chain, 0);
        while let Some(chain) = driver.pop().unwrap() {
            driver.finish(&chain, 0);
        }
        assert_eq!(driver.queue.unheard(&device, driver.features), None);
        while driver.take().is_some() {}
    }
    assert_eq!(driver.broken(), [""; 0]);
}

//! Requests through a virtqueue of each kind, over every transport (§2.7, §2.8).

use levitate_hal::{Direction, DmaAddr, Mapped, Segment, Segments};
use levitate_host::{Completion, Plug, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{
    Data, Device, Features, QueueConfig, QueueError, QueueIndex, Slot, SubmitError, Wanted,
};

use crate::rig::{CONFIG, Rig, TIMEOUT, echo, out_of_order, ring_features, rings_behind, slots};

#[test]
fn header_data_and_footer_arrive_in_order_and_come_back() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<3>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let data = Data::Readable(rig.buffer(b"payload"));
        let token = queue.submit(b"head", data, &[0xee_u8; 16], 5).unwrap();
        assert!(queue.notify());
        assert!(rig.wait(&mut queue, token));
        let completed = queue.take::<[u8; 16]>(token).unwrap();
        assert_eq!(
            rig.device.model(|echo| echo.served.clone()),
            [b"headpayload"]
        );
        assert_eq!(&completed.footer, b"headpayloadheadp");
        assert_eq!((completed.footer_bytes, completed.data_bytes), (16, 0));
        assert_eq!(completed.context, 5);
        assert_eq!(completed.data.into_inner().unwrap().as_slice(), b"payload");
        rig.stop(device, queue);
    }
}

#[test]
fn writable_data_comes_before_the_footer() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let data = Data::Writable(rig.buffer(&[0; 6]));
        let token = queue.submit(b"abcd", data, &[0_u8; 3], 0).unwrap();
        queue.notify();
        assert!(rig.wait(&mut queue, token));
        let completed = queue.take::<[u8; 3]>(token).unwrap();
        assert_eq!((completed.data_bytes, completed.footer_bytes), (6, 3));
        assert_eq!(completed.data.into_inner().unwrap().as_slice(), b"abcdab");
        assert_eq!(&completed.footer, b"cda");
        rig.stop(device, queue);
    }
}

#[test]
fn data_is_split_where_a_segment_may_not_be_longer() {
    for features in ring_features(Version::Two) {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<2>();
        let config = QueueConfig {
            max_segment_bytes: 10,
            ..CONFIG
        };
        let (device, mut queue) = rig.start(&mut slots, features, config);
        assert_eq!((queue.max_segments(), queue.max_data_bytes()), (4, 40));
        let bytes: Vec<u8> = (0..40).collect();
        let token = queue
            .submit(&(), Data::Readable(rig.buffer(&bytes)), &[0_u8; 1], 0)
            .unwrap();
        queue.notify();
        assert!(rig.wait(&mut queue, token));
        assert!(queue.take::<[u8; 1]>(token).is_some());
        assert_eq!(rig.device.model(|echo| echo.served.clone()), [bytes]);
        let rejected = queue
            .submit(&(), Data::Readable(rig.buffer(&[7; 41])), &[0_u8; 1], 3)
            .unwrap_err();
        let too_many = SubmitError::TooManySegments {
            max_segments: 4,
            max_segment_bytes: 10,
        };
        assert_eq!((rejected.error, rejected.context), (too_many, 3));
        assert_eq!(
            rejected.data.into_inner().unwrap().as_slice(),
            [7; 41],
            "it comes back"
        );
        rig.stop(device, queue);
    }
}

#[test]
fn requests_complete_in_any_order() {
    for plug in Plug::ALL {
        for features in out_of_order(plug) {
            let rig = Rig::new(plug);
            rig.device.set_completion(Completion::Held);
            let mut slots = slots::<8>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            let tokens: Vec<_> = (0..8).map(|number| echo(&mut queue, number)).collect();
            queue.notify();
            assert_eq!((queue.in_flight(), queue.idle_slots()), (8, 0));
            for position in [7, 0, 3, 0] {
                assert!(rig.device.release_at(position));
            }
            assert_eq!(queue.process().unwrap(), 4);
            let mut done = Vec::new();
            while let Some(token) = queue.next_done() {
                done.push(queue.take::<[u8; 4]>(token).unwrap().context);
            }
            assert_eq!(done, [7, 0, 4, 1], "first used, first out");
            assert!(!queue.is_done(tokens[2]));
            rig.device.release_all();
            queue.process().unwrap();
            for number in [2, 3, 5, 6] {
                let completed = queue.take::<[u8; 4]>(tokens[number as usize]).unwrap();
                assert_eq!(completed.footer, (number as u32).to_le_bytes());
            }
            rig.stop(device, queue);
        }
    }
}

#[test]
fn a_full_queue_refuses_and_goes_on_after_one_is_taken() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let first = echo(&mut queue, 1);
    echo(&mut queue, 2);
    let full = SubmitError::Full {
        slots: 2,
        free: 0,
        needed: 1,
    };
    let rejected = queue
        .submit(&[0_u8; 4], Data::None, &[0_u8; 4], 3)
        .unwrap_err();
    assert_eq!(rejected.error, full);
    queue.notify();
    assert!(rig.wait(&mut queue, first));
    let rejected = queue
        .submit(&[0_u8; 4], Data::None, &[0_u8; 4], 3)
        .unwrap_err();
    // Done is not taken yet.
    assert_eq!(rejected.error, full);
    assert!(queue.take::<[u8; 4]>(first).is_some());
    echo(&mut queue, 3);
    queue.notify();
    rig.stop(device, queue);
}

#[test]
fn a_request_is_taken_once() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<1>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let first = echo(&mut queue, 1);
    assert!(
        queue.take::<[u8; 4]>(first).is_none(),
        "not before it is done"
    );
    assert_eq!(queue.context(first), Some(&1));
    queue.notify();
    assert!(rig.wait(&mut queue, first));
    assert!(queue.take::<[u8; 4]>(first).is_some());
    assert!(queue.take::<[u8; 4]>(first).is_none());
    let second = echo(&mut queue, 2);
    queue.notify();
    assert!(rig.wait(&mut queue, second));
    assert!(!queue.is_done(first), "the same slot, another request");
    assert!(queue.take::<[u8; 4]>(first).is_none());
    assert_eq!(queue.take::<[u8; 4]>(second).unwrap().context, 2);
    rig.stop(device, queue);
}

#[test]
fn what_cannot_be_described_is_refused_and_changes_nothing() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<1>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let error = queue.submit(&(), Data::None, &(), 0).unwrap_err().error;
    assert_eq!(error, SubmitError::Empty);
    let error = queue
        .submit(&[0_u8; 17], Data::None, &(), 0)
        .unwrap_err()
        .error;
    assert!(matches!(error, SubmitError::Oversized(_)), "{error}");
    let error = queue
        .submit(&(), Data::None, &[0_u8; 17], 0)
        .unwrap_err()
        .error;
    assert!(matches!(error, SubmitError::Oversized(_)), "{error}");
    assert!(!queue.notify(), "there is nothing to notify of");
    let token = echo(&mut queue, 9);
    queue.notify();
    assert!(rig.wait(&mut queue, token));
    rig.stop(device, queue);
}

#[test]
fn a_small_device_queue_means_fewer_slots_and_segments() {
    for (max, features, slots_left, segments) in [
        (16, Features::empty(), 2, 4),
        (8, Features::empty(), 1, 4),
        (4, Features::empty(), 1, 2),
        (4, Features::INDIRECT_DESC, 4, 2),
        (2, Features::INDIRECT_DESC, 2, 0),
    ] {
        let rig = Rig::with(|device| device.behave(|b| b.queue_size_max = max));
        let mut slots = slots::<8>();
        let (device, queue) = rig.start(&mut slots, features, CONFIG);
        assert_eq!(
            (queue.idle_slots(), queue.max_segments()),
            (slots_left, segments),
            "{max}"
        );
        rig.stop(device, queue);
    }
}

#[test]
fn memory_mapped_for_the_other_direction_is_refused() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<1>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    for (mapped_for, wanted) in [
        (Direction::ToDevice, Direction::FromDevice),
        (Direction::FromDevice, Direction::ToDevice),
    ] {
        let bytes: &'static mut [u8] = Box::leak(vec![0; 8].into());
        let mapped = Mapped::new(&rig.pool, bytes, mapped_for).unwrap();
        let data = match wanted {
            Direction::FromDevice => Data::Writable(mapped.into()),
            _ => Data::Readable(mapped.into()),
        };
        let rejected = queue.submit(&[0_u8; 4], data, &[0_u8; 4], 0).unwrap_err();
        assert_eq!(
            rejected.error,
            SubmitError::WrongDirection {
                wanted,
                direction: mapped_for
            }
        );
    }
    rig.stop(device, queue);
}

#[test]
fn a_token_of_an_earlier_life_names_nothing() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let old = echo(&mut queue, 1);
    queue.notify();
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    let slots = queue.release(&quiesced, |_, _| {}).unwrap();
    assert_eq!(slots.len(), 2, "all of them come back");
    let (device, mut queue) = rig.start(slots, Features::IMPLEMENTED, CONFIG);
    let new = echo(&mut queue, 2);
    queue.notify();
    assert!(rig.wait(&mut queue, new));
    assert!(queue.take::<[u8; 4]>(old).is_none());
    assert_eq!(queue.take::<[u8; 4]>(new).unwrap().context, 2);
    rig.stop(device, queue);
}

#[test]
fn slots_the_device_has_no_room_for_come_back_too() {
    let rig = Rig::with(|device| device.behave(|behaviour| behaviour.queue_size_max = 8));
    let mut slots = slots::<8>();
    let (device, queue) = rig.start(&mut slots, Features::empty(), CONFIG);
    assert_eq!(queue.idle_slots(), 1);
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    assert_eq!(queue.release(&quiesced, |_, _| {}).unwrap().len(), 8);
}

#[test]
fn a_queue_is_activated_by_its_own_device_only() {
    let (mine, other) = (Rig::new(Version::Two), Rig::new(Version::Two));
    let (mut first, mut second) = (slots::<1>(), slots::<1>());
    let device = Device::begin(mine.transport(), &mine.clock, TIMEOUT).unwrap();
    let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    let prepared = device
        .prepare_queue(&mine.pool, QueueIndex::new(0), CONFIG, &mut first)
        .unwrap();
    let (live, queue) = other.start(&mut second, Features::empty(), CONFIG);
    assert_eq!(
        prepared.activate(&live).unwrap_err(),
        QueueError::ForeignDevice
    );
    mine.pool.allow_leaks();
    other.stop(live, queue);
}

#[test]
fn the_oldest_request_in_flight_is_known() {
    let rig = Rig::new(Version::Two);
    rig.device.set_completion(Completion::Held);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    assert_eq!(queue.oldest_in_flight(), None);
    let tokens: Vec<_> = (0..3).map(|number| echo(&mut queue, number)).collect();
    queue.notify();
    assert_eq!(queue.oldest_in_flight(), Some(tokens[0]));
    rig.device.release_one();
    queue.process().unwrap();
    assert_eq!(queue.oldest_in_flight(), Some(tokens[1]));
    rig.stop(device, queue);
}

/// Two segments of 2 GiB each; nothing is ever sent of it.
#[derive(Debug)]
struct Huge;

// SAFETY: no device is handed the segments, for a request with them is refused.
unsafe impl Segments for Huge {
    fn segment(&self, index: usize) -> Option<Segment> {
        (index < 2).then(|| Segment {
            addr: DmaAddr::new(0x1000),
            len_bytes: 1 << 31,
        })
    }
}

#[test]
fn a_chain_of_4_gib_is_refused() {
    let rig = Rig::new(Version::Two);
    let mut slots = [Slot::<Huge, ()>::new()];
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    let config = QueueConfig {
        max_segment_bytes: u32::MAX,
        ..CONFIG
    };
    let queue = device
        .prepare_queue(&rig.pool, QueueIndex::new(0), config, &mut slots)
        .unwrap();
    let device = device.go_live();
    let mut queue = queue.activate(&device).unwrap();
    let rejected = queue
        .submit(&[0_u8; 4], Data::Readable(Huge), &[0_u8; 4], ())
        .unwrap_err();
    assert_eq!(rejected.error, SubmitError::TooLong);
    assert!(!queue.notify());
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, ()| {}).unwrap();
    rig.pool.assert_no_leaks();
}

#[test]
fn what_is_collected_is_polled_before_what_is_not() {
    for features in ring_features(Version::Two) {
        for taken in [0, 1] {
            let rig = Rig::new(Version::Two);
            rig.device.set_completion(Completion::Held);
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            let tokens = [0, 1, 2].map(|number| echo(&mut queue, number));
            queue.notify();
            rig.device.release_one();
            rig.device.release_one();
            assert_eq!(queue.process(), Ok(2), "{features:?}");
            rig.device.release_one();
            for token in tokens.into_iter().take(taken) {
                assert!(queue.take::<[u8; 4]>(token).is_some(), "{features:?}");
            }
            for number in (0..3).skip(taken) {
                let polled = queue.poll::<[u8; 4]>().unwrap();
                assert_eq!(polled.unwrap().context, number, "{features:?}");
            }
            rig.stop(device, queue);
        }
    }
}

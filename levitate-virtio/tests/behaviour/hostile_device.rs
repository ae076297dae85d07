//! Devices that lie about what they used: an error each, and everything back after a reset (§2.7.8).

use levitate_hal::DmaBuffer;
use levitate_host::{Completion, Fault, Plug, Pool, Version};
use levitate_virtio::{Data, DeviceFault, Features, QueueError, SubmitError, Token};
use levitate_virtio::{
    Device, QueueIndex, Wanted, features::NoFeatures, transport::EnableQueueError,
};

use crate::rig::{CONFIG, EchoQueue, Rig, TIMEOUT, echo, ring_features, rings_behind, slots};

/// Runs three requests, the first of which is answered with `fault`; returns what the queue says.
fn lie(plug: Plug, fault: Fault) -> Result<u16, DeviceFault> {
    let mut outcomes = ring_features(plug).map(|features| lie_with(plug, features, fault));
    let first = outcomes.next().unwrap();
    // The numbers in a fault differ with the layout of the chains, its kind does not.
    let kind = |outcome: &Result<u16, DeviceFault>| {
        outcome.map_err(|fault| core::mem::discriminant(&fault))
    };
    for outcome in outcomes {
        assert_eq!(kind(&outcome), kind(&first), "{outcome:?}");
    }
    first
}

/// As [`lie`], with these features; whoever takes requests one by one is told the same as whoever collects them.
fn lie_with(plug: Plug, features: Features, fault: Fault) -> Result<u16, DeviceFault> {
    let outcome = lie_to(plug, features, fault, |queue, _, _| queue.process());
    let taken_first = lie_to(plug, features, fault, |queue, tokens, taken| {
        let mut count = 0;
        for token in tokens {
            if let Some(done) = queue.take_next::<[u8; 4]>(*token) {
                taken.push((done.context, done.data.into_inner().unwrap()));
                count += 1;
            }
        }
        Ok(count + queue.process()?)
    });
    assert_eq!(taken_first, outcome, "{plug:?} with {features:?}");
    let polled = lie_to(plug, features, fault, |queue, _, taken| {
        let mut count = 0;
        while let Some(done) = queue.poll::<[u8; 4]>()? {
            taken.push((done.context, done.data.into_inner().unwrap()));
            count += 1;
        }
        Ok(count)
    });
    assert_eq!(polled, outcome, "{plug:?} with {features:?}");
    outcome
}

type Buffers = Vec<(u32, DmaBuffer<Pool>)>;

/// Has `look` look at a queue whose device lies; it is handed a place for what it takes.
fn lie_to(
    plug: Plug,
    features: Features,
    fault: Fault,
    look: impl FnOnce(&mut EchoQueue<'_>, &[Token], &mut Buffers) -> Result<u16, DeviceFault>,
) -> Result<u16, DeviceFault> {
    let rig = Rig::new(plug);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
    rig.device.set_completion(Completion::Held);
    let tokens = [0, 1, 2].map(|number| {
        let data = Data::Writable(rig.buffer(&[0; 8]));
        queue.submit(&[1_u8; 4], data, &[0_u8; 4], number).unwrap()
    });
    queue.notify();
    rig.device.inject(fault);
    rig.device.release_one();
    let mut back = Buffers::new();
    let outcome = look(&mut queue, &tokens, &mut back);
    if let Err(fault) = outcome {
        assert_eq!(queue.process(), Err(fault), "it stays broken");
        // Whatever the device says from now on.
        rig.device.release_all();
        for token in tokens {
            let is_done = queue.is_done(token);
            let taken = queue.take_next::<[u8; 4]>(token);
            assert!(taken.is_none() || is_done, "{fault} and then an answer");
            back.extend(taken.map(|done| (done.context, done.data.into_inner().unwrap())));
        }
        let rejected = queue
            .submit(&[1_u8; 4], Data::None, &[0_u8; 4], 9)
            .unwrap_err();
        assert_eq!(rejected.error, SubmitError::Broken(fault));
    }
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    queue
        .release(&quiesced, |data, number| {
            back.push((number, data.into_inner().unwrap()))
        })
        .unwrap();
    back.sort_by_key(|(number, _)| *number);
    let numbers: Vec<u32> = back.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2], "every buffer comes back once");
    drop(back);
    rig.pool.assert_no_leaks();
    outcome
}

#[test]
fn what_was_done_before_a_fault_comes_before_it() {
    for (plug, features) in rings_behind(Plug::ALL) {
        for is_notified in [false, true] {
            let rig = Rig::new(plug);
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            rig.device.set_completion(Completion::Held);
            for number in 0..3 {
                echo(&mut queue, number);
            }
            queue.notify();
            queue.set_used_notifications(is_notified);
            rig.device.release_one();
            rig.device.inject(Fault::UsedIdOutOfRange);
            rig.device.release_one();
            let first = queue.poll::<[u8; 4]>().unwrap().unwrap();
            assert_eq!(first.context, 0, "{plug:?} with {features:?}");
            for _ in 0..2 {
                let outcome = queue.poll::<[u8; 4]>();
                assert!(
                    matches!(outcome, Err(DeviceFault::UnknownId { .. })),
                    "{plug:?} with {features:?}: {outcome:?}"
                );
            }
            let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
            let mut left = 0;
            queue.release(&quiesced, |_, _| left += 1).unwrap();
            assert_eq!(left, 2);
            rig.pool.assert_no_leaks();
        }
    }
}

#[test]
fn an_id_beyond_the_table_is_a_fault() {
    for plug in Plug::ALL {
        let outcome = lie(plug, Fault::UsedIdOutOfRange);
        assert!(
            matches!(outcome, Err(DeviceFault::UnknownId { .. })),
            "{outcome:?}"
        );
    }
}

#[test]
fn an_id_that_is_not_in_flight_is_a_fault() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let outcome = lie_with(plug, features, Fault::UsedIdNotInFlight);
        // In a packed ring, or with tables, each number up to the queue's size could name a request; in a split ring without,
        // the id is in the middle of a chain.
        let is_named = match features.intersects(Features::INDIRECT_DESC | Features::RING_PACKED) {
            true => matches!(outcome, Err(DeviceFault::NotInFlight { .. })),
            false => matches!(outcome, Err(DeviceFault::UnknownId { .. })),
        };
        assert!(is_named, "{plug:?} {features:?} {outcome:?}");
    }
}

#[test]
fn a_chain_used_twice_is_a_fault_and_given_back_once() {
    for plug in Plug::ALL {
        let outcome = lie(plug, Fault::UsedTwice);
        assert!(
            matches!(outcome, Err(DeviceFault::NotInFlight { .. })),
            "{outcome:?}"
        );
    }
}

/// Of nothing that the device may write, the length of an answer is as good as any.
#[test]
fn a_chain_without_an_answer_is_not_done_twice() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        rig.device.set_completion(Completion::Held);
        for number in 0..2 {
            let data = Data::Readable(rig.buffer(&[7; 8]));
            queue.submit(&[1_u8; 4], data, &(), number).unwrap();
        }
        queue.notify();
        rig.device.inject(Fault::UsedTwice);
        rig.device.release_one();
        let first = queue.poll::<()>().unwrap().unwrap();
        assert_eq!((first.context, first.is_whole), (0, true));
        let second = queue.poll::<()>();
        assert!(
            matches!(second, Err(DeviceFault::NotInFlight { .. })),
            "{plug:?} with {features:?}: {second:?}"
        );
        let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
        let mut left = Vec::new();
        queue
            .release(&quiesced, |_, number| left.push(number))
            .unwrap();
        assert_eq!(left, [1]);
        drop(first);
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn more_bytes_than_there_was_room_for_are_a_fault() {
    let outcome = lie(Plug::Mmio(Version::Two), Fault::UsedLen(13));
    let expected = DeviceFault::UsedLengthTooLong {
        len_bytes: 13,
        capacity_bytes: 12,
    };
    assert_eq!(outcome, Err(expected));
    let outcome = lie(Plug::Mmio(Version::Two), Fault::UsedLen(12));
    assert_eq!(outcome, Ok(1), "all of them are not");
}

#[test]
fn the_length_means_nothing_on_a_legacy_device() {
    for len_bytes in [0, 13, u32::MAX] {
        let outcome = lie(Plug::Mmio(Version::One), Fault::UsedLen(len_bytes));
        assert_eq!(outcome, Ok(1));
    }
}

#[test]
fn more_used_chains_than_there_are_is_a_fault() {
    for (plug, features) in rings_behind(Plug::ALL) {
        // Descriptors of a packed ring are marked as used one by one, with the ids that are there: two requests more have three
        // each in the ring, or one each, and then comes an id that is not in flight.
        let is_packed = features.contains(Features::RING_PACKED);
        let jumps: &[u16] = match (is_packed, features.contains(Features::INDIRECT_DESC)) {
            (false, _) => &[3, 100, 0x8000, u16::MAX - 1],
            (true, true) => &[3, 4],
            (true, false) => &[7, 8, 20],
        };
        for jump in jumps {
            let outcome = lie_with(plug, features, Fault::UsedIndexJump(*jump));
            let is_named = match outcome {
                Err(DeviceFault::UsedIndexJumped { .. }) => !is_packed,
                // The length there is that of a table, or the id is one that is done.
                Err(DeviceFault::UsedLengthTooLong { len_bytes: 48, .. }) => is_packed,
                Err(DeviceFault::NotInFlight { .. }) => is_packed,
                _ => false,
            };
            assert!(is_named, "{plug:?} {features:?} {jump} {outcome:?}");
        }
    }
}

#[test]
fn bytes_beyond_the_reported_length_are_not_counted() {
    for features in ring_features(Version::Two) {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for (len_bytes, data, footer) in [(12, 8, 4), (8, 8, 0), (3, 3, 0), (0, 0, 0), (9, 8, 1)] {
            rig.device.inject(Fault::UsedLen(len_bytes));
            let buffer = Data::Writable(rig.buffer(&[0; 8]));
            let token = queue.submit(&[1_u8; 4], buffer, &[0_u8; 4], 0).unwrap();
            queue.notify();
            assert!(rig.wait(&mut queue, token));
            let completed = queue.take::<[u8; 4]>(token).unwrap();
            assert_eq!(
                (completed.data_bytes, completed.footer_bytes),
                (data, footer)
            );
        }
        rig.stop(device, queue);
    }
}

#[test]
fn a_queue_the_device_does_not_have_is_an_error() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let queue = QueueIndex::new(2);
        let error = device
            .prepare_queue(&rig.pool, queue, CONFIG, &mut slots)
            .unwrap_err();
        assert_eq!(
            error,
            QueueError::Enable(EnableQueueError::NoSuchQueue { queue })
        );
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn a_queue_is_not_set_up_twice() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        let (mut first, mut second) = (slots::<1>(), slots::<1>());
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let index = QueueIndex::new(1);
        let queue = device
            .prepare_queue(&rig.pool, index, CONFIG, &mut first)
            .unwrap();
        let live = rig.pool.live();
        let error = device
            .prepare_queue(&rig.pool, index, CONFIG, &mut second)
            .unwrap_err();
        assert_eq!(
            error,
            QueueError::Enable(EnableQueueError::InUse { queue: index })
        );
        assert_eq!(
            rig.pool.live(),
            live,
            "what the device was not told of is freed"
        );
        let device = device.go_live();
        let queue = queue.activate(&device).unwrap();
        rig.stop(device, queue);
    }
}

#[test]
fn a_device_with_queues_of_no_or_absurd_size_is_an_error_or_taken_at_its_most() {
    for (max, is_usable) in [(0, false), (1, false), (u32::MAX, true)] {
        let rig = Rig::with(|device| device.behave(|b| b.queue_size_max = max));
        let mut slots = slots::<1>();
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let outcome = device.prepare_queue(&rig.pool, QueueIndex::new(0), CONFIG, &mut slots);
        assert_eq!(outcome.is_ok(), is_usable, "{max}");
        rig.pool.allow_leaks();
    }
}

#[test]
fn memory_that_runs_out_at_any_point_is_an_error_without_a_leak() {
    for successes in 0..2 {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<4>();
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        rig.pool.fail_allocation_after(successes);
        let error = device
            .prepare_queue(&rig.pool, QueueIndex::new(0), CONFIG, &mut slots)
            .unwrap_err();
        assert!(matches!(error, QueueError::Dma(_)), "{error}");
        rig.pool.assert_no_leaks();
        assert!(rig.device.queue(0).is_none());
    }
}

#[test]
fn the_proof_of_another_reset_releases_nothing() {
    let (mine, other) = (Rig::new(Version::Two), Rig::new(Version::Two));
    let (mut first, mut second) = (slots::<1>(), slots::<1>());
    let (device, queue) = mine.start(&mut first, Features::empty(), CONFIG);
    let (other_device, other_queue) = other.start(&mut second, Features::empty(), CONFIG);
    let (_, foreign) = other_device.reset(&other.clock, TIMEOUT).unwrap();
    let queue = queue.release(&foreign, |_, _| {}).unwrap_err();
    other_queue.release(&foreign, |_, _| {}).unwrap();
    mine.stop(device, queue);
}

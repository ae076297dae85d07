//! A device that broke a rule and takes that back: a fault is for ever all the same, and nothing is read of the ring any more (§2.7.14,
//! §2.8.22).

use levitate_host::{Completion, Plug, Version};
use levitate_virtio::{Completed, Data, DeviceFault, Features};

use crate::rig::{CONFIG, EchoQueue, Live, Rig, TIMEOUT, rings_behind, slots};

const PLUGS: [Plug; 2] = [Plug::Mmio(Version::One), Plug::Mmio(Version::Two)];

/// What the device writes over its second answer, which is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// The id of no request.
    Id,
    /// More requests in the used ring than it has.
    Index,
}

/// Where the device says what it has used, and of that the place of the lie.
fn part_and_place(rig: &Rig, features: Features, lie: Lie) -> (u64, Vec<u8>, u64) {
    let (size, areas) = rig.device.queue(0).unwrap();
    let size = usize::from(size);
    // Header, data and footer are in the ring where there are no tables.
    let descriptors = match features.contains(Features::INDIRECT_DESC) {
        true => 1,
        false => 3,
    };
    match (features.contains(Features::RING_PACKED), lie) {
        (true, _) => (areas.descriptor, vec![0; 16 * size], 16 * descriptors + 12),
        (false, Lie::Id) => (areas.device, vec![0; 4 + 8 * size], 4 + 8),
        (false, Lie::Index) => (areas.device, vec![0; 4 + 8 * size], 2),
    }
}

#[test]
fn a_fault_that_the_device_takes_back_is_a_fault_all_the_same() {
    for lie in [Lie::Id, Lie::Index] {
        // Packed rings have no index.
        let has_place = |rings: &Features| lie == Lie::Id || !rings.contains(Features::RING_PACKED);
        for (plug, features) in rings_behind(PLUGS).filter(|(_, rings)| has_place(rings)) {
            for is_notified in [false, true] {
                take_back(plug, features, lie, is_notified);
            }
        }
    }
}

fn take_back(plug: Plug, features: Features, lie: Lie, is_notified: bool) {
    let case = format!("{plug:?} with {features:?}, {lie:?}");
    let rig = Rig::new(plug);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
    rig.device.set_completion(Completion::Held);
    queue.set_used_notifications(is_notified);
    let tokens = [0, 1, 2].map(|number| {
        let data = Data::Writable(rig.buffer(&[0; 8]));
        queue.submit(&[1_u8; 4], data, &[0_u8; 4], number).unwrap()
    });
    queue.notify();
    rig.device.release_one();
    assert_eq!(queue.process(), Ok(1), "{case}");
    rig.device.release_one();
    let memory = rig.pool.device_memory();
    let (addr, mut truth, place) = part_and_place(&rig, features, lie);
    memory.read(addr, &mut truth).unwrap();
    memory.store_u16(addr + place, 0x7ff0).unwrap();
    let fault = queue.process().unwrap_err();
    let is_named = match lie {
        Lie::Id => matches!(fault, DeviceFault::UnknownId { .. }),
        Lie::Index => matches!(fault, DeviceFault::UsedIndexJumped { .. }),
    };
    assert!(is_named, "{case}: {fault}");

    memory.write(addr, &truth).unwrap();
    let [first, ..] = tokens;
    let done = queue.take::<[u8; 4]>(first).unwrap();
    assert_eq!(done.context, 0, "{case}: what was done before");
    // Its slot has nothing new for it.
    let data = Data::Writable(rig.buffer(&[0; 8]));
    let rejected = queue.submit(&[1_u8; 4], data, &[0_u8; 4], 3).unwrap_err();
    assert_eq!(rejected.error, fault.into(), "{case}");
    drop(rejected);
    for token in tokens {
        let taken = queue.take_next::<[u8; 4]>(token);
        assert!(taken.is_none(), "{case}: taken ahead");
        assert!(queue.take::<[u8; 4]>(token).is_none(), "{case}: taken");
    }
    let polled = queue.poll::<[u8; 4]>().map(|done| done.is_some());
    assert_eq!(polled, Err(fault), "{case}");
    let polled = queue.poll_with(|done: Completed<[u8; 4], _, _>| done.context);
    assert_eq!(polled, Err(fault), "{case}");
    assert_eq!(queue.process(), Err(fault), "{case}");
    assert_eq!((queue.fault(), queue.in_flight()), (Some(fault), 2));
    assert_eq!(queue.next_done(), None, "{case}");

    let back = release(&rig, device, queue);
    assert_eq!(back, [1, 2], "{case}: every request comes back once");
    drop(done);
    rig.pool.assert_no_leaks();
}

/// Resets the device; returns which requests come back.
fn release(rig: &Rig, device: Live, queue: EchoQueue<'_>) -> Vec<u32> {
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    let mut back = Vec::new();
    let released = queue.release(&quiesced, |_, number| back.push(number));
    released.unwrap();
    back.sort_unstable();
    back
}

#[test]
fn a_fault_that_a_poll_has_found_is_for_ever_as_well() {
    for (plug, features) in rings_behind(PLUGS) {
        let case = format!("{plug:?} with {features:?}");
        let rig = Rig::new(plug);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        rig.device.set_completion(Completion::Held);
        for number in 0..3 {
            let data = Data::Writable(rig.buffer(&[0; 8]));
            queue.submit(&[1_u8; 4], data, &[0_u8; 4], number).unwrap();
        }
        queue.notify();
        rig.device.release_one();
        let polled = queue.poll::<[u8; 4]>().unwrap();
        assert_eq!(polled.map(|done| done.context), Some(0), "{case}");
        rig.device.release_one();
        let (addr, mut truth, place) = part_and_place(&rig, features, Lie::Id);
        let memory = rig.pool.device_memory();
        memory.read(addr, &mut truth).unwrap();
        memory.store_u16(addr + place, 0x7ff0).unwrap();
        let fault = queue.poll::<[u8; 4]>().unwrap_err();
        memory.write(addr, &truth).unwrap();
        let polled = queue.poll::<[u8; 4]>().map(|done| done.is_some());
        assert_eq!(polled, Err(fault), "{case}");
        // The slot of the first one was laid out, and idle.
        for data in [Data::Writable(rig.buffer(&[0; 8])), Data::None] {
            let rejected = queue.submit(&[1_u8; 4], data, &[0_u8; 4], 3).unwrap_err();
            assert_eq!(rejected.error, fault.into(), "{case}");
        }

        let back = release(&rig, device, queue);
        assert_eq!(back, [1, 2], "{case}: every request comes back once");
        rig.pool.assert_no_leaks();
    }
}

//! A virtqueue that is reset by itself, and used again: what comes back, what is forgotten, and what goes wrong (§2.6.1).

use levitate_host::{Completion, Fault, Plug, Version};
use levitate_virtio::transport::EnableQueueError;
use levitate_virtio::{
    Data, DeviceFault, Features, QueueIndex, QueueQuiesced, QueueResetError, RestartError,
    SubmitError,
};

use crate::rig::{CONFIG, EchoQueue, Live, Rig, TIMEOUT, echo, rings_behind, slots};

const QUEUE: QueueIndex = QueueIndex::new(0);
const MODERN: [Plug; 3] = [Plug::Mmio(Version::Two), Plug::PciLine, Plug::PciMsix];

/// A device that takes a few reads to reset a queue.
fn resettable(plug: Plug) -> Rig {
    Rig::plug(plug, |behaviour| {
        behaviour.offer = Features::RING_RESET.bits();
        behaviour.queue_reset_reads = Some(3);
    })
}

fn reset(rig: &Rig, device: &mut Live) -> QueueQuiesced {
    device.reset_queue(QUEUE, &rig.clock, TIMEOUT).unwrap()
}

/// Runs so many requests through the queue, one by one.
fn run(rig: &Rig, queue: &mut EchoQueue<'_>, count: u32) {
    for number in 0..count {
        let data = Data::Readable(rig.buffer(b"again"));
        let token = queue.submit(b"and ", data, &[0_u8; 9], number).unwrap();
        queue.notify();
        assert!(rig.wait(queue, token));
        let completed = queue.take::<[u8; 9]>(token).unwrap();
        assert_eq!(
            (&completed.footer, completed.context),
            (b"and again", number)
        );
    }
}

#[test]
fn what_was_in_flight_comes_back_once_and_the_queue_is_as_new() {
    for (plug, rings) in rings_behind(MODERN) {
        let rig = resettable(plug);
        let mut slots = slots::<4>();
        let features = rings | Features::RING_RESET;
        let (mut device, mut queue) = rig.start(&mut slots, features, CONFIG);
        // An odd number, so that nothing begins anew by chance.
        run(&rig, &mut queue, 7);
        for round in 0..3 {
            rig.device.set_completion(Completion::Held);
            let tokens = [0, 1, 2].map(|number| {
                let data = Data::Writable(rig.buffer(&[number; 8]));
                queue
                    .submit(b"head", data, &[0_u8; 4], number.into())
                    .unwrap()
            });
            queue.notify();
            rig.device.release_one();
            assert_eq!(queue.process(), Ok(1), "the first is done and not taken");

            let proof = reset(&rig, &mut device);
            let mut back = Vec::new();
            let restarted = queue.restart(&mut device, &proof, &rig.pool, |data, number| {
                back.push((number, data.into_inner().unwrap().as_slice().len()));
            });
            restarted.unwrap();
            back.sort_unstable();
            assert_eq!(
                back,
                [(0, 8), (1, 8), (2, 8)],
                "{plug:?} {features:?} {round}"
            );
            for token in tokens {
                assert!(!queue.is_done(token) && queue.context(token).is_none());
                assert!(queue.take::<[u8; 4]>(token).is_none());
            }
            assert_eq!((queue.in_flight(), queue.idle_slots()), (0, 4));
            assert_eq!(queue.process(), Ok(0));

            rig.device.set_completion(Completion::Inline);
            run(&rig, &mut queue, 7);
        }
        rig.stop(device, queue);
    }
}

#[test]
fn in_order_a_word_that_is_not_used_up_is_forgotten() {
    for (plug, rings) in
        rings_behind(MODERN).filter(|(_, rings)| rings.contains(Features::IN_ORDER))
    {
        let rig = resettable(plug);
        rig.device.behave(|behaviour| behaviour.batches = true);
        rig.device.set_completion(Completion::Held);
        let mut slots = slots::<4>();
        let features = rings | Features::RING_RESET;
        let (mut device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for number in 0..3 {
            echo(&mut queue, number);
        }
        queue.notify();
        assert!(rig.device.release_at(2), "one word for all three");
        let first = queue.poll::<[u8; 4]>().unwrap().unwrap();
        assert_eq!((first.context, queue.in_flight()), (0, 2));

        let proof = reset(&rig, &mut device);
        let mut back = Vec::new();
        let restarted = queue.restart(&mut device, &proof, &rig.pool, |_, number| {
            back.push(number)
        });
        restarted.unwrap();
        back.sort_unstable();
        assert_eq!(back, [1, 2], "{plug:?} {features:?}");
        let token = echo(&mut queue, 3);
        queue.notify();
        assert!(queue.take_next::<[u8; 4]>(token).is_none());
        let done = queue.poll::<[u8; 4]>().unwrap();
        assert!(done.is_none(), "{plug:?} {features:?}: the device has it");
        rig.device.release_all();
        let done = queue.poll::<[u8; 4]>().unwrap().unwrap();
        assert_eq!((done.token, done.context), (token, 3));
        rig.stop(device, queue);
    }
}

#[test]
fn a_proof_serves_once_and_for_its_queue_only() {
    for plug in MODERN {
        let rig = resettable(plug);
        let other = resettable(plug);
        let (mut first, mut second) = (slots::<2>(), slots::<2>());
        let features = Features::RING_RESET;
        let (mut device, mut queue) = rig.start(&mut first, features, CONFIG);
        let (mut other_device, other_queue) = other.start(&mut second, features, CONFIG);
        let foreign = reset(&other, &mut other_device);
        let proof = reset(&rig, &mut device);
        let not_reset = Err(RestartError::NotReset { queue: QUEUE });
        let live = rig.pool.live();

        let token = echo(&mut queue, 1);
        assert_eq!(
            queue.restart(&mut device, &foreign, &rig.pool, |_, _| {}),
            not_reset
        );
        assert_eq!(queue.context(token), Some(&1), "nothing was done");
        let restarted = queue.restart(&mut other_device, &proof, &rig.pool, |_, _| {});
        assert_eq!(restarted, not_reset, "nor by another device");
        queue
            .restart(&mut device, &proof, &rig.pool, |_, _| {})
            .unwrap();
        assert_eq!(
            queue.restart(&mut device, &proof, &rig.pool, |_, _| {}),
            not_reset
        );
        assert_eq!(queue.fault(), None);
        assert_eq!(rig.pool.live(), live, "the old rings are freed");
        run(&rig, &mut queue, 3);
        rig.stop(device, queue);
        other.stop(other_device, other_queue);
    }
}

#[test]
fn a_queue_that_the_device_has_broken_is_whole_again() {
    for (plug, rings) in rings_behind(MODERN) {
        let rig = resettable(plug);
        let mut slots = slots::<4>();
        let features = rings | Features::RING_RESET;
        let (mut device, mut queue) = rig.start(&mut slots, features, CONFIG);
        rig.device.inject(Fault::UsedIdOutOfRange);
        echo(&mut queue, 1);
        queue.notify();
        let fault = queue.process().unwrap_err();
        assert!(matches!(fault, DeviceFault::UnknownId { .. }), "{fault}");
        let proof = reset(&rig, &mut device);
        let mut back = Vec::new();
        queue
            .restart(&mut device, &proof, &rig.pool, |_, number| {
                back.push(number)
            })
            .unwrap();
        assert_eq!((back, queue.fault()), (vec![1], None));
        run(&rig, &mut queue, 5);
        rig.stop(device, queue);
    }
}

#[test]
fn without_memory_the_queue_is_out_of_use_until_it_is_restarted() {
    let rig = resettable(Plug::PciMsix);
    let mut slots = slots::<2>();
    let (mut device, mut queue) = rig.start(&mut slots, Features::RING_RESET, CONFIG);
    rig.device.set_completion(Completion::Held);
    echo(&mut queue, 5);
    queue.notify();
    let proof = reset(&rig, &mut device);
    rig.pool.fail_allocation_after(0);
    let mut back = Vec::new();
    let error = queue
        .restart(&mut device, &proof, &rig.pool, |_, number| {
            back.push(number)
        })
        .unwrap_err();
    assert!(matches!(error, RestartError::Dma(_)), "{error}");
    assert_eq!(queue.process(), Err(DeviceFault::NotEnabled));
    let rejected = queue
        .submit(&[0_u8; 4], Data::None, &[0_u8; 4], 9)
        .unwrap_err();
    assert_eq!(rejected.error, SubmitError::Broken(DeviceFault::NotEnabled));
    assert_eq!((back.len(), queue.in_flight()), (0, 1), "nothing is lost");

    queue
        .restart(&mut device, &proof, &rig.pool, |_, number| {
            back.push(number)
        })
        .unwrap();
    assert_eq!(back, [5]);
    rig.device.set_completion(Completion::Inline);
    run(&rig, &mut queue, 2);
    rig.stop(device, queue);
}

#[test]
fn rings_that_a_device_was_told_of_and_did_not_take_are_its_own_until_the_next_reset() {
    let rig = resettable(Plug::Mmio(Version::Two));
    let mut slots = slots::<2>();
    let (mut device, mut queue) = rig.start(&mut slots, Features::RING_RESET, CONFIG);
    rig.device.set_completion(Completion::Held);
    echo(&mut queue, 5);
    queue.notify();
    let proof = reset(&rig, &mut device);
    rig.device
        .behave(|behaviour| behaviour.ignore_queue_setup = true);
    let mut back = Vec::new();
    let error = queue
        .restart(&mut device, &proof, &rig.pool, |_, number| {
            back.push(number)
        })
        .unwrap_err();
    assert!(
        matches!(
            error,
            RestartError::Enable(EnableQueueError::Ignored { queue: QUEUE, .. })
        ),
        "{error}"
    );
    assert_eq!(
        back,
        [5],
        "the old rings are gone, and what was in them is back"
    );
    assert_eq!(queue.process(), Err(DeviceFault::NotEnabled));
    let live = rig.pool.live();
    let again = queue.restart(&mut device, &proof, &rig.pool, |_, _| {});
    assert_eq!(again, Err(RestartError::NotReset { queue: QUEUE }));
    assert_eq!(rig.pool.live(), live);

    rig.device.behave(|behaviour| {
        behaviour.ignore_queue_setup = false;
        behaviour.completion = Completion::Inline;
    });
    let proof = reset(&rig, &mut device);
    queue
        .restart(&mut device, &proof, &rig.pool, |_, _| {})
        .unwrap();
    run(&rig, &mut queue, 2);
    rig.stop(device, queue);
}

#[test]
fn a_device_that_ignores_the_reset_keeps_its_queue_and_goes_on() {
    // As QEMU's virtio-mmio: the bit is on offer, the register is not there.
    let rig = Rig::plug(Version::Two, |behaviour| {
        behaviour.offer = Features::RING_RESET.bits();
    });
    let mut slots = slots::<2>();
    let (mut device, mut queue) = rig.start(&mut slots, Features::RING_RESET, CONFIG);
    let error = device.reset_queue(QUEUE, &rig.clock, TIMEOUT).unwrap_err();
    assert_eq!(error, QueueResetError::Ignored { queue: QUEUE });
    assert!(!rig.device.take_complaints().is_empty());
    run(&rig, &mut queue, 3);
    rig.stop(device, queue);
}

#[test]
fn interrupts_that_were_wanted_are_wanted_still() {
    for (plug, rings) in rings_behind([Plug::Mmio(Version::Two), Plug::PciLine]) {
        let rig = resettable(plug);
        let mut slots = slots::<2>();
        let features = rings | Features::RING_RESET;
        let (mut device, mut queue) = rig.start(&mut slots, features, CONFIG);
        queue.set_used_notifications(true);
        queue.process().unwrap();
        run(&rig, &mut queue, 20);
        // So many that they would reach into the next life of the queue.
        queue.await_together(u16::MAX);
        let proof = reset(&rig, &mut device);
        queue
            .restart(&mut device, &proof, &rig.pool, |_, _| {})
            .unwrap();
        queue.process().unwrap();
        let before = rig.device.interrupts_raised();
        // Once for each, also for a driver that only polls.
        for number in 1..4_usize {
            echo(&mut queue, number as u32);
            queue.notify();
            assert_eq!(
                rig.device.interrupts_raised(),
                before + number,
                "{plug:?} {features:?}"
            );
            let done = queue.poll::<[u8; 4]>().unwrap().unwrap();
            assert_eq!(done.context as usize, number);
        }
        // What was waited for together before the reset is waited for no more.
        rig.device.set_completion(Completion::Held);
        for number in 4..6 {
            echo(&mut queue, number);
        }
        queue.notify();
        queue.process().unwrap();
        rig.device.release_one();
        let raised = rig.device.interrupts_raised();
        assert_eq!(raised, before + 4, "{plug:?} {features:?}");
        rig.stop(device, queue);
    }
}

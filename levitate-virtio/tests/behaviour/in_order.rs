//! Use in order (VIRTIO_F_IN_ORDER): what one word of the device is about, and what it must not say (§2.7.9, §2.8.8).

use levitate_host::{Completion, Fault, Version};
use levitate_virtio::{Data, DeviceFault, Features, TimeoutCause};

use crate::rig::{CONFIG, EchoQueue, Rig, TIMEOUT, echo, ring_features, slots};

/// Every kind of ring that is used in order.
fn rings() -> impl Iterator<Item = Features> {
    ring_features(Version::Two).filter(|features| features.contains(Features::IN_ORDER))
}

/// A device that answers when it is told to, and says of several answers at once that they are there.
fn rig_of_batches() -> Rig {
    Rig::plug(Version::Two, |behaviour| {
        behaviour.completion = Completion::Held;
        behaviour.batches = true;
    })
}

#[test]
fn one_word_of_the_device_is_true_of_all_before() {
    for features in rings() {
        let rig = rig_of_batches();
        let mut slots = slots::<8>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        // More than once round the ring, which begins anew in the middle of a batch.
        for round in 0..5 {
            let tokens: Vec<_> = (0..8).map(|number| echo(&mut queue, number)).collect();
            queue.notify();
            for (position, count) in [(2, 3), (0, 1), (3, 4)] {
                let before = queue.in_flight();
                assert!(rig.device.release_at(position));
                assert_eq!(queue.process(), Ok(count), "{features:?}, round {round}");
                assert_eq!(queue.in_flight(), before - count);
            }
            for (number, token) in (0_u32..).zip(tokens) {
                assert_eq!(queue.next_done(), Some(token), "the oldest first");
                let completed = queue.take::<[u8; 4]>(token).unwrap();
                assert_eq!(
                    completed.footer_bytes, 4,
                    "all of it, as nothing else is said"
                );
                assert_eq!(completed.footer, number.to_le_bytes());
            }
        }
        rig.stop(device, queue);
    }
}

#[test]
fn a_batch_is_polled_one_by_one() {
    for features in rings() {
        let rig = rig_of_batches();
        let mut slots = slots::<8>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let poll = |queue: &mut EchoQueue<'_>| {
            let completed = queue.poll::<[u8; 4]>().unwrap()?;
            assert_eq!(completed.footer_bytes, 4, "{features:?}");
            Some(completed.footer)
        };
        for _ in 0..5 {
            for number in 0..7_u32 {
                echo(&mut queue, number);
            }
            queue.notify();
            assert!(rig.device.release_at(3));
            assert_eq!(poll(&mut queue), Some(0_u32.to_le_bytes()));
            assert_eq!(queue.in_flight(), 6, "nobody has asked for the others");
            // The slot is idle, and the word that is not used up is not about this one.
            echo(&mut queue, 7);
            queue.notify();
            assert_eq!(poll(&mut queue), Some(1_u32.to_le_bytes()));
            assert_eq!(queue.process(), Ok(2), "{features:?}");
            for number in 2..4_u32 {
                assert_eq!(poll(&mut queue), Some(number.to_le_bytes()));
            }
            assert_eq!(poll(&mut queue), None, "{features:?}");
            rig.device.release_all();
            for number in 4..8_u32 {
                assert_eq!(poll(&mut queue), Some(number.to_le_bytes()));
            }
            assert_eq!(poll(&mut queue), None, "{features:?}");
        }
        rig.stop(device, queue);
    }
}

#[test]
fn a_later_chain_before_an_earlier_one_is_a_fault() {
    for (rings, is_polled) in [
        (Features::empty(), false),
        (Features::INDIRECT_DESC, false),
        (Features::empty(), true),
    ] {
        let rig = Rig::plug(Version::Two, |behaviour| {
            behaviour.completion = Completion::Held;
        });
        let mut slots = slots::<4>();
        let features = rings | Features::IN_ORDER;
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for number in 0..3 {
            echo(&mut queue, number);
        }
        queue.notify();
        // The device says that it used one chain, and names the third.
        let (_, head) = rig.device.waiting()[2];
        let used_ring = rig.device.queue(0).unwrap().1.device;
        let memory = rig.pool.device_memory();
        memory
            .write(used_ring + 4, &u32::from(head).to_le_bytes())
            .unwrap();
        memory.store_u16(used_ring + 2, 1).unwrap();
        let fault = DeviceFault::OutOfOrder { id: head.into() };
        if is_polled {
            assert_eq!(queue.poll::<[u8; 4]>().unwrap_err(), fault);
        }
        assert_eq!(queue.process(), Err(fault));
        assert_eq!((queue.in_flight(), queue.next_done()), (3, None));
        let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
        let mut back = 0;
        queue.release(&quiesced, |_, _| back += 1).unwrap();
        assert_eq!(back, 3);
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn an_answer_behind_another_may_be_held_back_for_the_sake_of_order() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<4>();
    let (mut device, mut queue) = rig.start(&mut slots, Features::IN_ORDER, CONFIG);
    rig.device.set_completion(Completion::Held);
    let tokens = [1, 2].map(|number| echo(&mut queue, number));
    queue.notify();
    // Both answers are written, and the used element for the two of them is not.
    rig.device.inject(Fault::NoUsedElement);
    rig.device.release_at(1);
    let causes = tokens.map(|token| device.diagnose(&mut queue, token, &[0_u8; 4]));
    let index = queue.index();
    let elsewhere = TimeoutCause::UsedRingElsewhere { queue: index };
    let held_back = TimeoutCause::HeldBack { queue: index };
    assert_eq!(causes, [elsewhere, held_back]);
    rig.stop(device, queue);
}

#[test]
fn of_a_batch_the_last_alone_may_be_answered_in_part() {
    for features in rings() {
        for is_polled in [true, false] {
            let rig = rig_of_batches();
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            // An answer in part ends a batch. At first each does, all round the ring, so that what a batch skips there is old.
            let rounds = [[1, 2, 3, 4]; 16].into_iter().chain([[12, 13, 5, 15]; 4]);
            for (round, lengths) in rounds.enumerate() {
                let case = format!("{features:?}, round {round}");
                for (number, len_bytes) in (0_u32..).zip(lengths) {
                    let room = vec![0; 8 + number as usize];
                    let data = Data::Writable(rig.buffer(&room));
                    queue.submit(&[1_u8; 4], data, &[0_u8; 4], number).unwrap();
                    rig.device.inject(Fault::AnswerTruncated { len_bytes });
                }
                queue.notify();
                rig.device.release_all();
                if !is_polled {
                    assert_eq!(queue.process(), Ok(4), "{case}");
                }
                for (number, len_bytes) in (0..).zip(lengths) {
                    let done = queue.poll::<[u8; 4]>().unwrap().unwrap();
                    assert_eq!(done.context, number, "{case}");
                    let written = done.data_bytes + done.footer_bytes;
                    assert_eq!(written, len_bytes as usize, "{case}, {number}");
                }
            }
            rig.stop(device, queue);
        }
    }
}

#[test]
fn nothing_is_taken_ahead_of_the_oldest() {
    for features in rings() {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let tokens = [0, 1, 2].map(|number| echo(&mut queue, number));
        queue.notify();
        // All are done, and nobody has looked.
        let [first, second, third] = tokens;
        for token in [third, second] {
            let taken = queue.take_next::<[u8; 4]>(token);
            assert!(taken.is_none(), "{features:?}: out of its turn");
        }
        assert_eq!(queue.in_flight(), 3, "{features:?}");
        for (number, token) in (0..).zip([first, second, third]) {
            let taken = queue.take_next::<[u8; 4]>(token).unwrap();
            assert_eq!(taken.context, number, "{features:?}");
        }
        rig.stop(device, queue);
    }
}

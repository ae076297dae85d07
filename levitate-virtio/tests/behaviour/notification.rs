//! When the device is notified, and when it notifies (§2.7.7, §2.7.10).

use levitate_host::device::Suppression;
use levitate_host::{Completion, Plug, Version};
use levitate_virtio::Features;
use levitate_virtio::transport::{Interrupt, InterruptStatus, Transport};

use crate::rig::{CONFIG, EchoQueue, Rig, echo, slots};

fn notifications(rig: &Rig) -> usize {
    rig.device.notifications().len()
}

#[test]
fn a_batch_is_one_notification() {
    for plug in Plug::ALL {
        for features in crate::rig::ring_features(plug) {
            let rig = Rig::new(plug);
            let mut slots = slots::<8>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            for number in 0..8 {
                echo(&mut queue, number);
            }
            assert_eq!(notifications(&rig), 0, "submitting does not notify");
            assert!(queue.notify());
            assert!(!queue.notify(), "there is nothing new");
            assert_eq!(notifications(&rig), 1);
            assert_eq!(queue.process().unwrap(), 8);
            rig.stop(device, queue);
        }
    }
}

#[test]
fn with_the_event_index_the_device_is_notified_exactly_when_it_is_in_the_batch() {
    for start in [0_u32, 65_520] {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<8>();
        let (device, mut queue) = rig.start(&mut slots, Features::EVENT_IDX, CONFIG);
        let send = |queue: &mut EchoQueue<'_>, count| {
            for number in 0..count {
                echo(queue, number);
            }
        };
        let collect = |queue: &mut EchoQueue<'_>| {
            queue.process().unwrap();
            while let Some(token) = queue.next_done() {
                queue.take::<[u8; 4]>(token).unwrap();
            }
        };
        for _ in 0..start {
            send(&mut queue, 1);
            queue.notify();
            collect(&mut queue);
        }
        rig.device
            .behave(|behaviour| behaviour.suppression = Suppression::Frozen);
        // Batches of four indices each, so that one of them goes over the end of the index.
        for (batch, event) in (0..8_u16).chain(0..8).enumerate() {
            let first = (start as u16).wrapping_add(4 * batch as u16);
            rig.device
                .set_available_event(0, first.wrapping_add(event).wrapping_sub(2));
            // With EVENT_IDX the flag means nothing.
            rig.device.set_used_flags(0, 1);
            send(&mut queue, 4);
            assert_eq!(
                queue.notify(),
                (2..6).contains(&event),
                "first {first}, event {event}"
            );
            rig.device.look_at(0);
            collect(&mut queue);
        }
        rig.stop(device, queue);
    }
}

#[test]
fn without_the_event_index_the_flag_decides_and_the_event_means_nothing() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        rig.device
            .behave(|behaviour| behaviour.suppression = Suppression::Frozen);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, Features::empty(), CONFIG);
        rig.device.set_available_event(0, 0x1234);
        rig.device.set_used_flags(0, 1);
        echo(&mut queue, 0);
        assert!(!queue.notify());
        rig.device.set_used_flags(0, 0);
        echo(&mut queue, 1);
        assert!(queue.notify());
        assert_eq!(queue.process().unwrap(), 2, "the device finds both");
        rig.stop(device, queue);
    }
}

#[test]
fn a_polling_driver_is_not_interrupted() {
    for plug in Plug::ALL {
        for features in crate::rig::ring_features(plug) {
            let rig = Rig::new(plug);
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            for number in 0..100 {
                let token = echo(&mut queue, number);
                queue.notify();
                queue.process().unwrap();
                queue.take::<[u8; 4]>(token).unwrap();
            }
            assert_eq!(rig.device.interrupts_raised(), 0, "{plug:?} {features:?}");
            rig.stop(device, queue);
        }
    }
}

#[test]
fn a_driver_that_wants_interrupts_gets_one_for_each_used_buffer_it_waits_for() {
    for plug in Plug::LINES {
        for features in crate::rig::ring_features(plug) {
            let rig = Rig::new(plug);
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            let interrupt = device.transport().interrupt();
            queue.set_used_notifications(true);
            queue.process().unwrap();
            for number in 0..5 {
                let token = echo(&mut queue, number);
                queue.notify();
                assert!(
                    rig.device.is_interrupting(),
                    "{plug:?} {features:?} {number}"
                );
                assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
                assert!(!rig.device.is_interrupting());
                assert_eq!(queue.process().unwrap(), 1);
                queue.take::<[u8; 4]>(token).unwrap();
            }
            queue.set_used_notifications(false);
            echo(&mut queue, 5);
            queue.notify();
            assert!(!rig.device.is_interrupting());
            rig.stop(device, queue);
        }
    }
}

#[test]
fn what_was_used_before_interrupts_were_wanted_is_not_lost() {
    let rig = Rig::new(Version::Two);
    rig.device.set_completion(Completion::Held);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::EVENT_IDX, CONFIG);
    echo(&mut queue, 0);
    queue.notify();
    rig.device.release_one();
    queue.set_used_notifications(true);
    assert_eq!(queue.process().unwrap(), 1);
    rig.stop(device, queue);
}

#[test]
fn an_interrupt_for_nothing_and_undefined_bits_do_no_harm() {
    for version in [Version::One, Version::Two] {
        let rig = Rig::new(version);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        let interrupt = device.transport().interrupt();
        assert_eq!(interrupt.acknowledge(), InterruptStatus::empty());
        assert!(
            rig.device.log().writes_to(0x64).is_empty(),
            "nothing to acknowledge"
        );
        rig.device.mmio().raise_interrupt(0xffff_ffff);
        assert_eq!(interrupt.acknowledge(), InterruptStatus::all());
        assert_eq!(
            rig.device.log().writes_to(0x64),
            [3],
            "undefined bits are not acknowledged"
        );
        assert_eq!(queue.process().unwrap(), 0);
        rig.stop(device, queue);
    }
}

#[test]
fn requests_that_are_awaited_together_interrupt_once() {
    for (features, each) in [(Features::EVENT_IDX, 0), (Features::empty(), 1)] {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<8>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let collect = |queue: &mut EchoQueue<'_>| {
            queue.process().unwrap();
            while let Some(token) = queue.next_done() {
                queue.take::<[u8; 4]>(token).unwrap();
            }
        };
        rig.device.set_completion(Completion::Held);
        queue.set_used_notifications(true);
        for number in 0..5 {
            echo(&mut queue, number);
        }
        queue.notify();
        queue.await_together(3);
        collect(&mut queue);
        let raised = || rig.device.interrupts_raised();
        rig.device.release_one();
        assert_eq!(raised(), each);
        // A look in between changes nothing about the third.
        collect(&mut queue);
        rig.device.release_one();
        assert_eq!(raised(), 2 * each);
        rig.device.release_one();
        assert_eq!(raised(), 1 + 2 * each);
        // From then on each.
        collect(&mut queue);
        rig.device.release_one();
        assert_eq!(raised(), 2 + 2 * each);

        // There are no more than are in flight.
        queue.await_together(u16::MAX);
        collect(&mut queue);
        rig.device.release_one();
        assert_eq!(raised(), 3 + 2 * each);
        collect(&mut queue);
        assert_eq!(queue.in_flight(), 0);
        rig.stop(device, queue);
    }
}

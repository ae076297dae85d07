//! Two sides that sleep until they are notified, and neither sleeps over work (§2.7.7, §2.7.10, §2.8.10).

use levitate_host::{Completion, Version};
use levitate_virtio::Features;
use levitate_virtio::transport::{Interrupt as _, Transport as _};

use crate::numbers::Numbers;
use crate::rig::{CONFIG, Rig, echo, ring_features, slots};

/// Runs `count` requests, in batches of all lengths; each side goes to sleep as soon as it has nothing to do.
fn run(features: Features, count: u32) {
    let rig = Rig::plug(Version::Two, |behaviour| {
        behaviour.completion = Completion::Held;
    });
    let mut slots = slots::<8>();
    let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
    let interrupt = device.transport().interrupt();
    queue.set_used_notifications(true);
    queue.process().unwrap();
    let mut numbers = Numbers::new(features.bits());
    let (mut sent, mut taken) = (0, 0);
    while taken < count {
        for _ in 0..numbers.below(usize::from(queue.idle_slots()) + 1) {
            echo(&mut queue, sent);
            sent += 1;
        }
        queue.notify();
        let unseen = rig.device.unseen(0);
        assert_eq!(unseen, 0, "{features:?}: the device sleeps after {sent}");
        let waiting = rig.device.waiting().len();
        if waiting == 0 {
            continue;
        }
        for _ in 0..=numbers.below(waiting) {
            assert!(rig.device.release_one());
        }
        let is_told = rig.device.is_interrupting();
        assert!(is_told, "{features:?}: the driver sleeps after {taken}");
        interrupt.acknowledge();
        queue.process().unwrap();
        while let Some(token) = queue.next_done() {
            let completed = queue.take::<[u8; 4]>(token).unwrap();
            assert_eq!(completed.footer, completed.context.to_le_bytes());
            taken += 1;
        }
        if taken % 512 < 8 {
            rig.device.clear_log();
            rig.device.model(|echo| echo.served.clear());
        }
    }
    rig.device.release_all();
    rig.stop(device, queue);
}

#[test]
fn no_notification_is_lost_with_any_ring() {
    for features in ring_features(Version::Two) {
        run(features, 2000);
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of requests")]
fn no_notification_is_lost_when_indices_go_round() {
    for features in ring_features(Version::Two) {
        run(features, 65_536 + 1000);
    }
}

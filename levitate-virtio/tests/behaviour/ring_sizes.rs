//! Rings of every size, gone round more often than they are long, and than their index counts (§2.7, §2.8.10.1).

use levitate_host::Version;
use levitate_virtio::{Data, Features, QueueConfig, Token};

use crate::numbers::Numbers;
use crate::rig::{CONFIG, EchoQueue, EchoSlot, Rig, echo, ring_features, slots};

/// Requests of a header, and no more.
const HEADERS: QueueConfig = QueueConfig {
    footer_bytes: 0,
    max_segments: 0,
    ..CONFIG
};

/// Requests of one, two or three descriptors.
const SHORT: QueueConfig = QueueConfig {
    max_segments: 1,
    ..CONFIG
};

fn many_slots(count: usize) -> Vec<EchoSlot> {
    (0..count).map(|_| EchoSlot::new()).collect()
}

/// Submits a request that the configuration has room for, of a length that differs with its number.
fn send(rig: &Rig, queue: &mut EchoQueue<'_>, config: &QueueConfig, number: u32) -> Token {
    let header = number.to_le_bytes();
    let sent = match (config.footer_bytes, number % 3) {
        (0, _) | (_, 0) => queue.submit(&header, Data::None, &(), number),
        (_, 1) => queue.submit(&header, Data::None, &[0_u8; 4], number),
        _ => {
            let data = Data::Writable(rig.buffer(&[0; 8]));
            queue.submit(&header, data, &[0_u8; 4], number)
        }
    };
    sent.unwrap_or_else(|rejected| panic!("{}", rejected.error))
}

fn take_all(queue: &mut EchoQueue<'_>) -> u32 {
    queue.process().unwrap();
    let mut taken = 0;
    while let Some(token) = queue.next_done() {
        let completed = queue.take::<[u8; 4]>(token).unwrap();
        if completed.footer_bytes != 0 {
            assert_eq!(completed.footer, completed.context.to_le_bytes());
        }
        taken += 1;
    }
    taken
}

#[test]
fn a_packed_ring_is_as_long_as_the_device_allows() {
    let packed =
        ring_features(Version::Two).filter(|features| features.contains(Features::RING_PACKED));
    for features in packed {
        for size in [1, 2, 3, 5, 100, 1000] {
            let rig = Rig::plug(Version::Two, |behaviour| behaviour.queue_size_max = size);
            let mut slots = many_slots(1000);
            let config = if size < 3 { HEADERS } else { SHORT };
            let (device, mut queue) = rig.start(&mut slots, features, config);
            let found = rig.device.queue(0).unwrap().0;
            assert_eq!(u32::from(found), size, "{features:?}");
            let mut numbers = Numbers::new(size.into());
            let (mut sent, mut taken) = (0, 0);
            while sent < 5 * size + 7 {
                let count = 1 + numbers.below(queue.idle_slots().into());
                for _ in 0..count {
                    send(&rig, &mut queue, &config, sent);
                    sent += 1;
                }
                queue.notify();
                taken += take_all(&mut queue);
            }
            assert_eq!(taken, sent, "{features:?}, {size}");
            rig.stop(device, queue);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "nearly a hundred thousand requests")]
fn a_queue_may_have_32768_requests_in_flight() {
    // Without tables, three descriptors of a request are in the ring.
    let has_tables = |features: &Features| features.contains(Features::INDIRECT_DESC);
    for features in ring_features(Version::Two).filter(has_tables) {
        let rig = Rig::plug(Version::Two, |behaviour| behaviour.queue_size_max = 32_768);
        let mut slots = many_slots(32_768);
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        assert_eq!(rig.device.queue(0).unwrap().0, 32_768);
        // The second time, indices and wrap counters are those of another round.
        for count in [32_767, 32_768] {
            for number in 0..count {
                echo(&mut queue, number);
            }
            assert_eq!(u32::from(queue.in_flight()), count);
            assert!(queue.notify());
            assert_eq!(take_all(&mut queue), count, "{features:?}");
        }
        rig.stop(device, queue);
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of requests")]
fn the_rings_go_round_more_often_than_their_index_counts() {
    for features in ring_features(Version::Two) {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for number in 0..70_000 {
            let token = echo(&mut queue, number);
            assert!(queue.notify(), "request {number}");
            assert_eq!(queue.process().unwrap(), 1, "request {number}");
            let completed = queue.take::<[u8; 4]>(token).unwrap();
            assert_eq!(completed.footer, number.to_le_bytes());
            if number % 4096 == 0 {
                rig.device.clear_log();
                rig.device.model(|echo| echo.served.clear());
            }
        }
        rig.stop(device, queue);
    }
}

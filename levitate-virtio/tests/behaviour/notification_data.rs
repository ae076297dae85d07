//! What a notification consists of with VIRTIO_F_NOTIFICATION_DATA and VIRTIO_F_NOTIF_CONFIG_DATA (§2.9, §4.1.5.2, §4.2.3.3).

use levitate_host::mmio::{Access, Operation};
use levitate_host::{Plug, Version};
use levitate_virtio::{Features, Notify, QueueIndex, Status, Transport};

use crate::rig::{CONFIG, Rig, echo, slots};

const MODERN: [Plug; 3] = [Plug::Mmio(Version::Two), Plug::PciLine, Plug::PciMsix];

/// Every choice a device has of what it wants to be notified with.
const OFFERS: [Features; 4] = [
    Features::empty(),
    Features::NOTIFICATION_DATA,
    Features::NOTIF_CONFIG_DATA,
    Features::NOTIFICATION_DATA.union(Features::NOTIF_CONFIG_DATA),
];

/// Where the modelled devices are notified of a queue.
fn place(plug: Plug, queue: u16) -> usize {
    match plug {
        Plug::Mmio(_) => 0x50,
        _ => 0x3000 + 4 * usize::from(queue),
    }
}

/// The one access that a notification of `queue` is, as the specification has it.
fn notification(plug: Plug, offered: Features, queue: u16, next: u16) -> Access {
    let is_pci = !matches!(plug, Plug::Mmio(_));
    // The modelled devices on PCI have numbers from 0x4000 on for their queues.
    let id = match is_pci && offered.contains(Features::NOTIF_CONFIG_DATA) {
        true => 0x4000 + u64::from(queue),
        false => u64::from(queue),
    };
    let (value, data_bytes) = match offered.contains(Features::NOTIFICATION_DATA) {
        true => (id + 0x1_0000 * u64::from(next), 2),
        false => (id, 0),
    };
    Access {
        operation: Operation::Write,
        offset: place(plug, queue),
        width_bytes: if is_pci { 2 + data_bytes } else { 4 },
        value,
    }
}

/// Both kinds of rings, everything else being on.
const RINGS: [Features; 2] = [
    Features::IMPLEMENTED,
    Features::IMPLEMENTED.difference(Features::RING_PACKED),
];

/// Where a ring goes on after so many requests of one descriptor each (§2.9).
fn next(features: Features, size: u16, requests: u32) -> u16 {
    if !features.contains(Features::RING_PACKED) {
        return requests as u16;
    }
    let (round, offset) = (requests / u32::from(size), requests % u32::from(size));
    offset as u16 | if round % 2 == 0 { 0x8000 } else { 0 }
}

#[test]
fn a_notification_is_one_access_and_says_where_the_ring_goes_on() {
    for (plug, offered, features) in MODERN
        .into_iter()
        .flat_map(|plug| OFFERS.map(|offered| (plug, offered)))
        .flat_map(|(plug, offered)| RINGS.map(|features| (plug, offered, features)))
    {
        let rig = Rig::plug(plug, |behaviour| behaviour.offer = offered.bits());
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let size = rig.device.queue(0).unwrap().0;
        let mut requests = 0;
        for batch in [1, 3, 2] {
            let tokens: Vec<_> = (0..batch).map(|number| echo(&mut queue, number)).collect();
            requests += batch;
            rig.device.clear_log();
            assert!(queue.notify());
            let expected = notification(plug, offered, 0, next(features, size, requests));
            assert_eq!(rig.device.log().all(), [expected], "{plug:?}, {offered:?}");
            for token in tokens {
                assert!(rig.wait(&mut queue, token));
                queue.take::<[u8; 4]>(token).unwrap();
            }
        }
        rig.stop(device, queue);
    }
}

#[test]
fn the_data_goes_round_with_the_index_of_the_ring() {
    for (plug, features) in [Plug::Mmio(Version::Two), Plug::PciMsix]
        .into_iter()
        .flat_map(|plug| RINGS.map(|features| (plug, features)))
    {
        let offer = Features::NOTIFICATION_DATA.bits();
        let rig = Rig::plug(plug, |behaviour| behaviour.offer = offer);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let size = rig.device.queue(0).unwrap().0;
        let rounds = match features.contains(Features::RING_PACKED) {
            true => 20,
            false => 16_400_u32,
        };
        for round in 0..rounds {
            let tokens = [(); 4].map(|()| echo(&mut queue, round));
            rig.device.clear_log();
            assert!(queue.notify());
            let next = next(features, size, 4 * (round + 1));
            let expected = notification(plug, Features::NOTIFICATION_DATA, 0, next);
            assert_eq!(rig.device.log().all(), [expected], "round {round}");
            assert_eq!(queue.process(), Ok(4));
            for token in tokens {
                assert_eq!(queue.take::<[u8; 4]>(token).unwrap().context, round);
            }
            rig.device.model(|echo| echo.served.clear());
        }
        rig.stop(device, queue);
    }
}

#[test]
fn both_halves_are_sent_as_they_are() {
    for (plug, offered) in MODERN
        .into_iter()
        .flat_map(|plug| OFFERS.map(|offered| (plug, offered)))
    {
        let rig = Rig::plug(plug, |behaviour| behaviour.offer = offered.bits());
        let index = QueueIndex::new(1);
        let accepted = offered & rig.transport().supported_features();
        let (mut transport, memory) = rig.enable(accepted, index);
        let notifier = transport.notifier(index);
        // The offset in a packed ring is in bits 0 to 14, its wrap counter in bit 15.
        for next in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            rig.device.clear_log();
            notifier.notify(next);
            let expected = notification(plug, offered, 1, next);
            assert_eq!(rig.device.log().all(), [expected], "{plug:?}, {offered:?}");
        }
        transport.write_status(Status::empty());
        drop(memory);
        for complaint in rig.device.take_complaints() {
            // That it is not live is meant, as is that its ring is empty.
            let id = complaint.split(':').next().unwrap();
            assert!(matches!(id, "INIT-08" | "DN-01"), "{complaint}");
        }
        rig.pool.assert_no_leaks();
    }
}

//! Packed virtqueues behind PCI, and notifications that say where the driver is in them (§2.9, §4.1.5.2).

use levitate_host::BlockModel;
use levitate_host::block::pattern;
use levitate_host::device::feature::{NOTIF_CONFIG_DATA, NOTIFICATION_DATA, RING_PACKED};

use crate::packed::{WHOLE, sector_request};
use crate::packed_ring::PackedRing;
use crate::pci_rig::*;

#[test]
fn pci_has_packed_rings_too() {
    for (size, wanted) in [
        (3, 0),
        (5, NOTIFICATION_DATA),
        (7, NOTIFICATION_DATA | NOTIF_CONFIG_DATA),
    ] {
        let offer = RING_PACKED | wanted;
        let rig = PciRig::agreed(BlockModel::patterned(8), offer, |builder| {
            builder.behave(|behaviour| behaviour.offer = offer)
        });
        rig.set16(QUEUE_SELECT, 0);
        assert!(rig.get16(QUEUE_SIZE) >= size);
        rig.set16(QUEUE_SIZE, size);
        let mut ring = PackedRing::new(&rig.pool, size);
        rig.write_areas(ring.areas());
        rig.set16(QUEUE_ENABLE, 1);
        rig.set_status(0xf);
        let doorbell = rig.doorbell(0);
        let low = match wanted & NOTIF_CONFIG_DATA {
            0 => 0,
            _ => u32::from(rig.get16(QUEUE_NOTIF_CONFIG_DATA)),
        };
        for _ in 0..10 {
            let (memory, elements) = sector_request(&rig.pool, 5);
            ring.write_list(&elements, 2);
            ring.publish();
            match wanted {
                0 => rig.notify(0),
                _ => {
                    let data = u32::from(ring.position()) << 16;
                    rig.write(rig.notify, doorbell, 4, data | low);
                }
            }
            assert_eq!(ring.take_used(), Some((2, WHOLE)));
            assert_eq!(memory[16], pattern(512 * 5));
        }
        rig.device.assert_clean();
        // Takes the queue from the device before the ring goes.
        drop(rig);
    }
}

#[test]
fn pci_names_a_notification_that_is_wrong_about_the_ring() {
    for (change, rule) in [(1 << 16, "PACKED-04"), (1 << 31, "DN-02")] {
        let offer = RING_PACKED | NOTIFICATION_DATA;
        let rig = PciRig::agreed(BlockModel::patterned(8), offer, |builder| {
            builder.behave(|behaviour| behaviour.offer = offer)
        });
        rig.set16(QUEUE_SELECT, 0);
        rig.get16(QUEUE_SIZE);
        rig.set16(QUEUE_SIZE, 3);
        let ring = PackedRing::new(&rig.pool, 3);
        rig.write_areas(ring.areas());
        rig.set16(QUEUE_ENABLE, 1);
        rig.set_status(0xf);
        let doorbell = rig.doorbell(0);
        rig.write(rig.notify, doorbell, 4, 1 << 31 ^ change);
        assert_eq!(rig.ids(), [rule]);
        drop(rig);
    }
}

#[test]
fn pci_has_no_packed_ring_of_more_than_32768() {
    let rig = PciRig::agreed(BlockModel::patterned(8), RING_PACKED, |builder| {
        builder.behave(|behaviour| {
            behaviour.offer = RING_PACKED;
            behaviour.queue_size_max = 65535;
        })
    });
    rig.set16(QUEUE_SELECT, 0);
    rig.set16(QUEUE_SIZE, 32768);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set16(QUEUE_SIZE, 32769);
    assert_eq!(rig.ids(), ["PACKED-26"]);
}

//! Devices behind PCI, brought up and asked for something each way there is.

use std::time::Duration;

use levitate_hal::{Clock, Mmio};
use levitate_host::pci::{Structure, StructureKind};
use levitate_host::{Completion, GpuModel};

use crate::pci_rig::*;

#[test]
fn a_sector_is_read_with_msix() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.read_sector(3);
    let messages = rig.device.take_messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].vector, 1);
    assert_eq!(messages[0].address, 0xfee0_0001);
    assert_eq!(messages[0].data, 0x101);
    assert!(!rig.device.is_interrupting(), "the line is out of use");
    rig.device.assert_clean();
}

#[test]
fn a_sector_is_read_with_the_interrupt_line() {
    let mut rig = PciRig::agreed(disk(), 0, |builder| builder.vectors(0));
    assert_eq!(rig.msix.at, 0, "there is no MSI-X");
    rig.set_up_queue(0, 8, None);
    rig.set_status(0xf);
    rig.read_sector(5);
    assert!(rig.device.is_interrupting());
    assert_eq!(rig.config.read16(6) & 8, 8, "interrupt status");
    assert_eq!(rig.read(rig.isr, 0, 1), 1);
    assert!(!rig.device.is_interrupting(), "read and gone");
    assert_eq!(rig.config.read16(6) & 8, 0);
    assert_eq!(rig.read(rig.isr, 0, 1), 0);
    rig.device.assert_clean();
}

#[test]
fn a_sector_is_read_through_the_window_of_a_function_that_does_not_decode() {
    let mut rig = PciRig::plug(disk(), |builder| builder);
    rig.command(BUS_MASTER);
    rig.discover();
    rig.via = Via::Window;
    rig.negotiate(1 << 32);
    rig.set_up_queue(0, 8, None);
    rig.set_status(0xf);
    rig.read_sector(6);
    assert!(rig.device.is_interrupting());
    assert_eq!(rig.read(rig.isr, 0, 1), 1);
    assert_eq!(rig.read(rig.specific, 0, 4), 8, "the capacity");
    let log = rig.device.bar_log(4);
    assert_eq!(log.writes_to(STATUS), [0, 1, 3, 0xb, 0xf]);
    assert_eq!(log.reads_of(0x2000), [8]);
    rig.device.assert_clean();
}

#[test]
fn each_queue_has_its_own_place_to_be_notified_at() {
    for (multiplier, offsets) in [(0, [0, 0]), (2, [0, 1]), (4, [1, 0]), (4096, [1, 0])] {
        let mut rig = PciRig::agreed(GpuModel::new(32, 20), 0, |builder| {
            builder
                .notify_off_multiplier(multiplier)
                .notify_offsets(&offsets)
        });
        rig.set_up_queue(0, 8, None);
        rig.set_up_queue(1, 8, None);
        rig.set_status(0xf);
        for queue in [1, 0] {
            let (_request, request_at) = rig.buffer(&request(0x0100));
            let (_response, response_at) = rig.buffer(&[0; 1024]);
            let parts = [(request_at, 24, false), (response_at, 1024, true)];
            rig.publish(queue, &parts);
            rig.notify(queue);
            assert_eq!(rig.rings[usize::from(queue)].used_index(), 1);
        }
        assert!(rig.ids().iter().all(|id| id.starts_with("GPU")));
        assert_eq!(rig.device.guest_errors(), [""; 0]);
    }
}

fn request(kind: u32) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes
}

#[test]
fn the_display_says_through_its_vector_that_it_changed() {
    let mut rig = PciRig::agreed(GpuModel::new(32, 20), 0, |builder| builder);
    rig.turn_msix_on();
    rig.set16(CONFIG_VECTOR, 2);
    assert_eq!(rig.get16(CONFIG_VECTOR), 2);
    rig.set_up_queue(0, 8, Some(0));
    rig.set_up_queue(1, 8, Some(1));
    rig.set_status(0xf);
    let before = rig.read(rig.common, GENERATION, 1);
    rig.device.change_config(|_| ());
    assert_ne!(rig.read(rig.common, GENERATION, 1), before);
    let vectors: Vec<u16> = rig
        .device
        .take_messages()
        .iter()
        .map(|message| message.vector)
        .collect();
    assert_eq!(vectors, [2]);
    assert_eq!(rig.read(rig.isr, 0, 1), 2, "which is said here as well");
    rig.device.assert_clean();
}

#[test]
fn answers_come_when_the_clock_says_so_and_with_a_message() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.device
        .set_completion(Completion::After(Duration::from_millis(5)));
    let (_header, header_at) = rig.buffer(&[0; 16]);
    let (_data, data_at) = rig.buffer(&[0; 513]);
    rig.publish(0, &[(header_at, 16, false), (data_at, 513, true)]);
    rig.notify(0);
    assert_eq!(rig.device.waiting(), [(0, 0)]);
    assert!(rig.device.take_messages().is_empty());
    rig.clock.advance(Duration::from_millis(6));
    rig.clock.now();
    assert_eq!(rig.device.take_messages().len(), 1);
    assert_eq!(rig.rings[0].used_index(), 1);
    rig.device.assert_clean();
}

#[test]
fn a_reset_takes_its_time_and_forgets_what_was_set_up() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.read_sector(1);
    rig.device.behave(|behaviour| behaviour.reset_reads = 2);
    rig.set_status(0);
    assert_eq!(rig.status(), 0xf);
    assert_eq!(rig.status(), 0xf);
    assert_eq!(rig.status(), 0);
    rig.rings.clear();
    assert!(rig.device.queue(0).is_none());
    assert_eq!(rig.get16(CONFIG_VECTOR), NO_VECTOR);
    rig.set16(QUEUE_SELECT, 0);
    assert_eq!(rig.get16(QUEUE_VECTOR), NO_VECTOR);
    assert_eq!(rig.get16(QUEUE_ENABLE), 0);
    assert_eq!(rig.get16(QUEUE_SIZE), 1024);
    assert_eq!(rig.get32(QUEUE_ADDRESSES), 0);
    rig.negotiate(1 << 32);
    rig.set16(CONFIG_VECTOR, 0);
    rig.get16(CONFIG_VECTOR);
    rig.set_up_queue(0, 4, Some(1));
    rig.set_status(0xf);
    rig.read_sector(2);
    assert_eq!(rig.device.take_messages().len(), 2, "MSI-X stayed on");
    rig.device.assert_clean();
}

#[test]
fn a_queue_is_reset_alone_and_set_up_anew() {
    const RING_RESET: u64 = 1 << 40;
    let mut rig = PciRig::agreed(disk(), RING_RESET, |builder| {
        builder
            .queue_reset_reads(2)
            .behave(|behaviour| behaviour.offer = RING_RESET)
    });
    rig.set_up_queue(0, 8, None);
    rig.set_status(0xf);
    rig.read_sector(1);
    rig.set16(QUEUE_SELECT, 0);
    rig.set16(QUEUE_RESET, 1);
    let seen = [0; 3].map(|_| rig.get16(QUEUE_RESET));
    assert_eq!(seen, [1, 1, 0]);
    assert_eq!(rig.get16(QUEUE_ENABLE), 0);
    assert!(rig.device.queue(0).is_none());
    rig.rings.clear();
    rig.set_up_queue(0, 4, None);
    rig.read_sector(7);
    rig.device.assert_clean();
}

#[test]
fn shared_memory_is_memory() {
    let rig = PciRig::probed(disk(), |builder| builder.shared_memory(0x2000));
    let memory = rig.device.bar(2);
    assert_eq!(memory.len_bytes(), 0x2000);
    memory.write64(0x1ff8, 0x1122_3344_5566_7788);
    memory.write8(0x1ffa, 0);
    assert_eq!(memory.read64(0x1ff8), 0x1122_3344_5500_7788);
    rig.device.assert_clean();
}

#[test]
fn notifications_carry_data_once_it_is_agreed_on() {
    const NOTIFICATION_DATA: u64 = 1 << 38;
    const NOTIF_CONFIG_DATA: u64 = 1 << 39;
    for features in [
        NOTIFICATION_DATA,
        NOTIF_CONFIG_DATA,
        NOTIFICATION_DATA | NOTIF_CONFIG_DATA,
    ] {
        let mut rig = PciRig::agreed(disk(), features, |builder| {
            builder.behave(|behaviour| behaviour.offer = features)
        });
        rig.set_up_queue(0, 8, None);
        rig.set_status(0xf);
        let (_header, header_at) = rig.buffer(&[0; 16]);
        let (_data, data_at) = rig.buffer(&[0; 513]);
        rig.publish(0, &[(header_at, 16, false), (data_at, 513, true)]);
        let doorbell = rig.doorbell(0);
        let low = if features & NOTIF_CONFIG_DATA == 0 {
            0
        } else {
            rig.get16(QUEUE_NOTIF_CONFIG_DATA)
        };
        let (width, high) = if features & NOTIFICATION_DATA == 0 {
            (2, 0)
        } else {
            (4, 1)
        };
        rig.write(rig.notify, doorbell, width, high << 16 | u32::from(low));
        assert_eq!(rig.rings[0].used_index(), 1);
        rig.device.assert_clean();
    }
}

#[test]
fn a_second_structure_of_a_kind_works_too() {
    let rig = PciRig::agreed(disk(), 0, |builder| {
        builder.structure(Structure {
            kind: StructureKind::Common,
            bar: 0,
            offset: 0x40,
            length: 0x40,
        })
    });
    rig.device.assert_clean();
    rig.config.write32(0x10, 0x7000_0000);
    assert_eq!(rig.device.bar(0).read8(0x40 + STATUS), 0xb);
    assert_eq!(rig.ids(), ["PCI-08"]);
}

#[test]
fn no_access_breaks_the_device() {
    let mut rig = PciRig::plug(disk(), |builder| {
        builder
            .shared_memory(0x1000)
            .behave(|behaviour| behaviour.offer = 1 << 38 | 1 << 40)
    });
    rig.assign();
    rig.discover();
    let regions: Vec<_> = (0..6)
        .map(|bar| rig.device.bar(bar))
        .chain([rig.config.clone()])
        .collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        seed >> 32
    };
    for turn in 0..40_000 {
        if turn % 64 == 0 {
            rig.assign();
            rig.command(MEMORY_ENABLE | BUS_MASTER);
        }
        let region = &regions[random() as usize % regions.len()];
        // Mostly where something is, and sometimes where nothing can be.
        let offset = match random() % 8 {
            0 => random() as usize,
            1 => 0x1000 * (random() % 4) as usize,
            _ => (random() % 0x100) as usize,
        };
        let value = (random() << 32) | (random() % 16);
        match random() % 8 {
            0 => drop(region.read8(offset)),
            1 => drop(region.read16(offset)),
            2 => drop(region.read32(offset)),
            3 => drop(region.read64(offset)),
            4 => region.write8(offset, value as u8),
            5 => region.write16(offset, value as u16),
            6 => region.write32(offset, value as u32),
            _ => region.write64(offset, value),
        }
    }
    assert!(!rig.ids().is_empty());
    rig.assign();
    rig.command(MEMORY_ENABLE | BUS_MASTER);
    rig.negotiate(1 << 32);
    rig.turn_msix_on();
    rig.set16(CONFIG_VECTOR, 0);
    rig.get16(CONFIG_VECTOR);
    rig.set_up_queue(0, 8, Some(1));
    rig.set_status(0xf);
    let _ = rig.device.take_messages();
    rig.read_sector(4);
    assert_eq!(rig.device.take_messages().len(), 1);
    assert_eq!(rig.ids(), [""; 0], "all of it is forgotten");
}

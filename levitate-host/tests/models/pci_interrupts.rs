//! Vectors, masks and pending bits of MSI-X, and the interrupt line.

use levitate_hal::Mmio;

use crate::pci_rig::*;

const VECTOR_1_CONTROL: usize = 16 + 12;
const PENDING: usize = 0x800;

fn vectors(rig: &PciRig<levitate_host::BlockModel>) -> Vec<u16> {
    let messages = rig.device.take_messages();
    messages.iter().map(|message| message.vector).collect()
}

#[test]
fn a_masked_vector_is_pending_until_it_is_unmasked() {
    let mut rig = PciRig::disk(|builder| builder);
    let bar = rig.device.bar(1);
    bar.write32(VECTOR_1_CONTROL, 1);
    rig.read_sector(1);
    rig.read_sector(2);
    assert_eq!(vectors(&rig), [0; 0]);
    assert_eq!(bar.read32(PENDING), 0b10);
    assert_eq!(bar.read64(PENDING), 0b10);
    bar.write64(VECTOR_1_CONTROL - 4, 0x77);
    assert_eq!(bar.read32(PENDING), 0);
    let messages = rig.device.take_messages();
    assert_eq!(messages.len(), 1, "two events are one bit");
    assert_eq!(messages[0].data, 0x77);
    rig.device.assert_clean();
}

#[test]
fn the_mask_of_the_function_is_one_for_all() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.config.write16(rig.msix.at + 2, 0xc000);
    rig.read_sector(1);
    rig.device.change_config(|_| ());
    assert_eq!(vectors(&rig), [0; 0]);
    assert_eq!(rig.device.bar(1).read32(PENDING), 0b11);
    rig.config.write16(rig.msix.at + 2, 0x8000);
    assert_eq!(vectors(&rig), [0, 1]);
    assert_eq!(rig.config.read16(rig.msix.at + 2), 0x8001, "size kept");
    rig.device.assert_clean();
}

#[test]
fn a_refused_vector_reads_back_as_none() {
    let mut rig = PciRig::agreed(disk(), 0, |builder| builder.refuse_vectors(&[1]));
    rig.turn_msix_on();
    rig.set16(CONFIG_VECTOR, 1);
    assert_eq!(rig.get16(CONFIG_VECTOR), NO_VECTOR);
    rig.set_up_queue(0, 8, Some(0));
    rig.set16(QUEUE_SELECT, 0);
    rig.set_status(0xf);
    rig.device.change_config(|_| ());
    assert_eq!(vectors(&rig), [0; 0], "nowhere to go");
    rig.read_sector(0);
    assert_eq!(vectors(&rig), [0]);
    rig.device.assert_clean();
}

#[test]
fn events_may_share_a_vector_or_have_none() {
    let mut rig = PciRig::agreed(disk(), 0, |builder| builder.vectors(1));
    rig.turn_msix_on();
    rig.set16(CONFIG_VECTOR, 0);
    rig.get16(CONFIG_VECTOR);
    rig.set_up_queue(0, 8, Some(0));
    rig.set_status(0xf);
    rig.read_sector(0);
    rig.device.change_config(|_| ());
    assert_eq!(vectors(&rig), [0, 0]);
    rig.set16(CONFIG_VECTOR, NO_VECTOR);
    assert_eq!(rig.get16(CONFIG_VECTOR), NO_VECTOR);
    rig.device.change_config(|_| ());
    assert_eq!(vectors(&rig), [0; 0]);
    rig.device.assert_clean();
}

#[test]
fn the_line_stays_down_while_it_is_disabled() {
    let mut rig = PciRig::agreed(disk(), 0, |builder| builder);
    rig.set_up_queue(0, 8, None);
    rig.set_status(0xf);
    rig.command(MEMORY_ENABLE | BUS_MASTER | INTX_DISABLE);
    rig.read_sector(0);
    assert!(!rig.device.is_interrupting());
    assert_eq!(rig.config.read16(6) & 8, 8, "it would be up");
    rig.command(MEMORY_ENABLE | BUS_MASTER);
    assert!(rig.device.is_interrupting());
    rig.device.change_config(|_| ());
    assert_eq!(rig.read(rig.isr, 0, 1), 3, "both at once");
    assert!(!rig.device.is_interrupting());
    rig.device.assert_clean();
}

#[test]
fn lost_interrupts_are_lost_both_ways() {
    for with_msix in [true, false] {
        let mut rig = PciRig::agreed(disk(), 0, |builder| {
            builder.behave(|behaviour| behaviour.lose_interrupts = true)
        });
        if with_msix {
            rig.turn_msix_on();
        }
        rig.set_up_queue(0, 8, Some(0));
        rig.set_status(0xf);
        rig.read_sector(0);
        assert_eq!(vectors(&rig), [0; 0]);
        assert!(!rig.device.is_interrupting());
        assert_eq!(rig.device.interrupts_raised(), 0);
    }
}

#[test]
fn neither_requests_nor_messages_get_out_without_bus_mastering() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.command(MEMORY_ENABLE);
    // QEMU does the same, and a driver does not get it back with bus mastering.
    assert_eq!(rig.status(), 0x0b, "DRIVER_OK is gone");
    rig.notify(0);
    rig.device.interrupt_for_config();
    assert_eq!(vectors(&rig), [0; 0]);
    assert_eq!(
        rig.device.guest_errors(),
        [
            "queue 0 was notified while bus mastering is off",
            "the message of vector 0 is lost: bus mastering is off",
        ]
    );
    rig.command(MEMORY_ENABLE | BUS_MASTER);
    assert_eq!(rig.status(), 0x0b);
    rig.set_status(0x0f);
    rig.read_sector(0);
    assert_eq!(vectors(&rig), [1]);
    assert_eq!(rig.ids(), [""; 0]);
}

#[test]
fn interrupts_can_come_for_no_reason() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.device.interrupt_for_queue(0);
    rig.device.interrupt_for_config();
    assert_eq!(vectors(&rig), [1, 0]);
    rig.config.write16(rig.msix.at + 2, 0);
    assert_eq!(rig.read(rig.isr, 0, 1), 2, "that of the configuration");
    rig.device.interrupt_for_queue(0);
    assert!(rig.device.is_interrupting());
    rig.read_sector(0);
    assert_eq!(rig.rings[0].used_index(), 1);
}

#[test]
fn a_device_that_wants_no_notification_is_left_alone() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.device.set_used_flags(0, 1);
    let (_header, header_at) = rig.buffer(&[0; 16]);
    let (_data, data_at) = rig.buffer(&[0; 513]);
    rig.publish(0, &[(header_at, 16, false), (data_at, 513, true)]);
    assert_eq!(rig.device.unseen(0), 1);
    rig.device.set_completion(levitate_host::Completion::Held);
    rig.notify(0);
    assert_eq!(rig.ids(), ["SPLIT-21"]);
    assert_eq!(rig.device.unseen(0), 0);
    assert_eq!(rig.device.release_all(), 1);
    assert_eq!(vectors(&rig), [1]);
}

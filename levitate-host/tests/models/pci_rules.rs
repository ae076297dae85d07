//! Each rule of PCI that a device watches, broken by one step and named.

use levitate_hal::Mmio;
use levitate_host::BlockModel;

use crate::pci_rig::*;

const RING_PACKED: u64 = 1 << 34;
const NOTIFICATION_DATA: u64 = 1 << 38;
const NOTIF_CONFIG_DATA: u64 = 1 << 39;
const RING_RESET: u64 = 1 << 40;

/// A device that has agreed on VERSION_1 and `features`, which it offers.
fn agreed(features: u64) -> PciRig<BlockModel> {
    PciRig::agreed(disk(), features, |builder| {
        builder.behave(|behaviour| behaviour.offer = features)
    })
}

/// A disk that is live after a start without a fault, with `features`.
fn live(features: u64) -> PciRig<BlockModel> {
    let mut rig = agreed(features);
    rig.set_up_queue(0, 8, None);
    rig.set_status(0xf);
    assert_eq!(rig.ids(), [""; 0]);
    rig
}

#[test]
fn a_proper_start_is_clean() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.read_sector(0);
    assert_eq!(rig.ids(), [""; 0]);
    assert_eq!(rig.device.bar_log(4).writes_to(STATUS), [0, 1, 3, 0xb, 0xf]);
}

#[test]
#[should_panic(expected = "PCI-15")]
fn a_broken_rule_fails_the_test() {
    let rig = agreed(0);
    rig.set16(NUM_QUEUES, 3);
    rig.device.assert_clean();
}

#[test]
fn fields_are_accessed_at_their_width() {
    let rig = agreed(0);
    let bar = rig.device.bar(4);
    bar.read32(STATUS);
    assert_eq!(rig.ids(), ["PCI-05"], "four fields at once");
    bar.read8(NUM_QUEUES);
    assert_eq!(rig.ids(), ["PCI-05"], "half of one");
    bar.write64(QUEUE_ADDRESSES, 0);
    assert_eq!(rig.ids(), ["PCI-05"], "an address at once");
    bar.read32(QUEUE_ADDRESSES + 2);
    assert_eq!(rig.ids(), ["PCI-05"], "not aligned");
    bar.read32(0x40);
    assert_eq!(rig.ids(), ["PCI-05"], "behind the last");
    bar.read64(0x2000);
    assert_eq!(rig.ids(), ["PCI-05"], "the capacity at once");
    bar.read32(0x2000 + 0x100);
    assert_eq!(rig.ids(), ["PCI-05"], "past the configuration");
    bar.read16(0x1000);
    assert_eq!(rig.ids(), ["PCI-05"], "two bytes of ISR status");
    rig.get32(QUEUE_ADDRESSES + 4);
    bar.read32(0x2004);
    bar.read32(0x2000);
    assert_eq!(rig.ids(), [""; 0], "halves, in either order");
}

#[test]
fn only_the_window_is_written_to_of_all_capabilities() {
    let rig = agreed(0);
    rig.config.write32(rig.common.at + 8, 0);
    assert_eq!(rig.ids(), ["PCI-14"]);
    rig.config.write8(rig.notify.at + 1, 0);
    assert_eq!(rig.ids(), ["PCI-14"]);
    let vendor = usize::from(rig.config.read8(rig.common.at + 1));
    rig.config.write32(vendor + 4, 0);
    assert_eq!(rig.ids(), ["PCI-28"], "of a vendor no one knows");
    rig.config.write8(rig.window.at + 4, 4);
    rig.config.write16(rig.msix.at + 2, 0);
    assert_eq!(rig.ids(), [""; 0]);
}

#[test]
fn read_only_fields_are_not_written() {
    let rig = agreed(NOTIF_CONFIG_DATA);
    rig.set32(DEVICE_FEATURE, 0);
    for field in [NUM_QUEUES, QUEUE_NOTIFY_OFF, QUEUE_NOTIF_CONFIG_DATA] {
        rig.set16(field, 0);
    }
    rig.write(rig.common, GENERATION, 1, 0);
    assert_eq!(rig.ids(), ["PCI-15"; 5]);
    assert_eq!(rig.device.guest_errors(), [""; 0]);
    rig.write(rig.specific, 0, 4, 0);
    assert_eq!(rig.ids(), [""; 0], "no rule is about that");
    let error = "write to read-only field 0 of the configuration";
    assert_eq!(rig.device.guest_errors(), [error]);
}

#[test]
fn queue_sizes_fit_the_ring() {
    let rig = agreed(0);
    for size in [0, 24] {
        rig.set16(QUEUE_SIZE, size);
        assert_eq!(rig.ids(), ["PCI-17"]);
    }
    rig.set16(QUEUE_SIZE, 2048);
    assert_eq!(rig.ids(), ["PCI-45"], "larger than the device has it");
    assert_eq!(rig.get16(QUEUE_SIZE), 1024, "unchanged");
    rig.set16(QUEUE_SIZE, 512);
    assert_eq!(rig.get16(QUEUE_SIZE), 512);
    assert_eq!(rig.ids(), [""; 0]);

    let rig = agreed(RING_PACKED);
    rig.set16(QUEUE_SIZE, 24);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set16(QUEUE_SIZE, 0);
    assert_eq!(rig.ids(), ["PCI-16"]);
}

#[test]
fn a_queue_is_described_before_it_is_enabled() {
    let mut rig = agreed(0);
    rig.set16(QUEUE_SELECT, 0);
    rig.get16(QUEUE_SIZE);
    rig.set32(QUEUE_ADDRESSES, 0x1000);
    rig.set16(QUEUE_ENABLE, 1);
    assert_eq!(rig.ids(), ["PCI-18"], "no addresses");
    assert_eq!(rig.get16(QUEUE_ENABLE), 0);
    rig.set_up_queue(0, 8, None);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set16(QUEUE_SIZE, 4);
    assert_eq!(rig.ids(), ["PCI-18"], "too late");
    rig.set32(QUEUE_ADDRESSES, 0);
    assert_eq!(rig.ids(), ["PCI-18"]);
    rig.set16(QUEUE_ENABLE, 0);
    assert_eq!(rig.ids(), ["PCI-20"]);
    assert_eq!(rig.get16(QUEUE_ENABLE), 1, "and stays enabled");
    rig.set16(QUEUE_ENABLE, 2);
    assert_eq!(
        rig.device.guest_errors(),
        ["wrong value for queue_enable 2"]
    );
}

#[test]
fn a_queue_is_looked_at_before_it_is_enabled() {
    let mut rig = agreed(0);
    let ring = crate::rig::Ring::new(&rig.pool, 1024);
    rig.set16(QUEUE_SELECT, 0);
    rig.write_areas(ring.areas());
    rig.set16(QUEUE_ENABLE, 1);
    assert_eq!(rig.ids(), ["PCI-45"], "it might not be there");
    rig.rings.push(ring);
    rig.set16(QUEUE_SELECT, 1);
    assert_eq!(rig.get16(QUEUE_SIZE), 0);
    assert_eq!(rig.ids(), [""; 0], "asking is right");
    rig.set16(QUEUE_VECTOR, NO_VECTOR);
    assert_eq!(rig.ids(), ["PCI-45"], "it is not there");
}

#[test]
fn the_memory_of_a_queue_is_there_and_zeroed() {
    let mut rig = agreed(0);
    let ring = rig.describe_queue(0, 8);
    let [descriptor, driver, device] = ring.areas();
    rig.write_areas([descriptor, driver, device + 0x1_0000_0000]);
    rig.set16(QUEUE_ENABLE, 1);
    assert_eq!(rig.ids(), ["PCI-45"], "nothing is there");
    rig.reset();
    rig.negotiate(1 << 32);
    let mut ring = rig.describe_queue(0, 8);
    ring.publish(0);
    rig.set16(QUEUE_ENABLE, 1);
    rig.rings.push(ring);
    assert_eq!(rig.ids(), ["PCI-45"], "the index does not start at 0");
}

#[test]
fn a_reset_is_waited_for() {
    let rig = agreed(0);
    rig.set_status(0);
    rig.set_status(1);
    assert_eq!(rig.ids(), ["PCI-19"]);
    rig.set_status(0);
    rig.set16(QUEUE_SELECT, 0);
    assert_eq!(rig.ids(), ["PCI-19"]);
}

#[test]
fn the_reset_of_a_queue_is_waited_for() {
    let mut rig = live(RING_RESET);
    rig.set16(QUEUE_SELECT, 0);
    rig.set16(QUEUE_RESET, 1);
    rig.set16(QUEUE_SIZE, 8);
    assert_eq!(rig.ids(), ["PCI-21"]);
    rig.set16(QUEUE_RESET, 1);
    assert_eq!(rig.get16(QUEUE_RESET), 0);
    rig.set16(QUEUE_ENABLE, 1);
    assert_eq!(rig.ids(), ["VQR-03"], "it has no addresses any more");
    rig.rings.clear();
    rig.set_up_queue(0, 8, None);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set16(QUEUE_RESET, 0);
    assert_eq!(rig.device.guest_errors(), ["wrong value for queue_reset 0"]);
}

#[test]
fn optional_fields_are_there_with_their_feature_only() {
    let rig = agreed(0);
    for field in [QUEUE_NOTIF_CONFIG_DATA, QUEUE_RESET, 60, 62] {
        assert_eq!(rig.get16(field), 0);
        assert_eq!(rig.ids(), ["CFG-04"], "offset {field}");
    }
    rig.set16(QUEUE_RESET, 1);
    assert_eq!(rig.ids(), ["CFG-04"]);
    let rig = agreed(NOTIF_CONFIG_DATA | RING_RESET);
    assert_eq!(rig.get16(QUEUE_NOTIF_CONFIG_DATA), 0x4000);
    assert_eq!(rig.get16(QUEUE_RESET), 0);
    assert_eq!(rig.ids(), [""; 0]);
}

#[test]
fn the_isr_status_is_left_alone_with_msix() {
    let mut rig = PciRig::disk(|builder| builder);
    rig.read_sector(0);
    rig.read(rig.isr, 0, 1);
    assert_eq!(rig.ids(), ["PCI-26"]);
    rig.device.change_config(|_| ());
    rig.read(rig.isr, 0, 1);
    assert_eq!(rig.ids(), [""; 0], "for the configuration it is fine");
}

#[test]
fn the_window_is_aligned_and_opens_on_a_structure() {
    let rig = agreed(0);
    let look = |bar, offset, width| {
        rig.open_window(bar, offset, width);
        rig.config.read32(rig.window.at + 16);
        rig.ids()
    };
    assert_eq!(look(4, 4, 4), [""; 0]);
    assert_eq!(look(4, 6, 4), ["PCI-29"]);
    assert_eq!(look(4, 0x8000, 4), ["PCI-30"], "past the BAR");
    assert_eq!(look(4, 0, 3), ["PCI-30"], "no width");
    assert_eq!(look(4, 0, 0), ["PCI-30"]);
    assert_eq!(look(1, 0, 4), ["PCI-30"], "the table of MSI-X");
    assert_eq!(look(6, 0, 4), ["PCI-30"], "no BAR");
    rig.config.write8(rig.window.at + 16, 0);
    assert_eq!(rig.ids(), ["PCI-30"]);
    assert_eq!(
        look(4, 20, 2),
        ["PCI-05"],
        "and it is held to what is there"
    );
}

#[test]
fn vectors_are_within_the_table_and_read_back() {
    let mut rig = agreed(0);
    rig.set16(CONFIG_VECTOR, 2);
    assert_eq!(rig.ids(), ["PCI-34"]);
    assert_eq!(rig.get16(CONFIG_VECTOR), NO_VECTOR);
    rig.set_up_queue(0, 8, Some(1));
    rig.set16(CONFIG_VECTOR, 0);
    rig.set_status(0xf);
    assert_eq!(rig.ids(), ["PCI-35"]);

    let rig = agreed(0);
    let ring = rig.describe_queue(0, 8);
    rig.set16(QUEUE_VECTOR, 0);
    rig.set16(QUEUE_ENABLE, 1);
    rig.set_status(0xf);
    assert_eq!(rig.ids(), ["PCI-35"]);
    rig.reset();
    drop(ring);
}

#[test]
fn a_notification_has_the_width_of_its_features() {
    let rig = live(0);
    rig.write(rig.notify, 0, 4, 0);
    assert_eq!(rig.ids(), ["PCI-37"]);
    let rig = live(NOTIFICATION_DATA);
    rig.write(rig.notify, 0, 2, 0);
    assert_eq!(rig.ids(), ["PCI-38"]);
}

#[test]
fn a_notification_says_what_its_features_ask_for() {
    for (features, width, wrong, rule) in [
        (0, 2, 1, "PCI-39"),
        (NOTIFICATION_DATA, 4, 1, "PCI-40"),
        (NOTIFICATION_DATA, 4, 1 << 16, "DN-01"),
        (NOTIF_CONFIG_DATA, 2, 0, "PCI-41"),
        (NOTIFICATION_DATA | NOTIF_CONFIG_DATA, 4, 0, "PCI-42"),
    ] {
        let rig = live(features);
        rig.write(rig.notify, 0, width, wrong);
        let found: Vec<_> = rig.ids();
        assert_eq!(found, [rule]);
    }
}

#[test]
fn a_notification_goes_where_its_queue_has_its_place() {
    let rig = live(0);
    rig.write(rig.notify, 4, 2, 0);
    assert_eq!(rig.ids(), ["PCI-46"]);
    let rig = agreed(0);
    rig.notify(0);
    assert_eq!(rig.ids(), ["INIT-08"], "before DRIVER_OK");
}

#[test]
fn features_are_those_of_two_words() {
    let rig = PciRig::probed(disk(), |builder| builder);
    rig.reset();
    rig.set_status(1);
    rig.set_status(3);
    rig.set32(DEVICE_FEATURE_SELECT, 2);
    assert_eq!(rig.get32(DEVICE_FEATURE), 0);
    rig.set32(DRIVER_FEATURE_SELECT, 1);
    rig.set32(DRIVER_FEATURE, 1);
    assert_eq!(rig.get32(DRIVER_FEATURE), 1);
    rig.set32(DRIVER_FEATURE_SELECT, 2);
    rig.set32(DRIVER_FEATURE, 0);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set32(DRIVER_FEATURE, 1);
    assert_eq!(rig.ids(), ["FEAT-01"]);
}

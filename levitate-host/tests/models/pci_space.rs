//! Configuration space: identity, BARs, decoding.

use levitate_hal::Mmio;
use levitate_host::GpuModel;

use crate::pci_rig::*;

#[test]
fn identity_and_class_are_those_of_the_type() {
    let config = PciRig::plug(disk(), |builder| builder).config.clone();
    assert_eq!(config.len_bytes(), 4096);
    assert_eq!(config.read32(0x00), 0x1042_1af4);
    assert_eq!(config.read32(0x08), 0x0100_0001, "class and revision");
    assert_eq!(config.read8(0x0e), 0, "header type");
    assert_eq!(config.read32(0x2c), 0x1100_1af4);
    assert_eq!(config.read16(0x06), 0x10, "a capability list");
    assert_eq!(config.read8(0x34), 0x40);
    assert_eq!(config.read8(0x3d), 1, "INTA#");
    assert_eq!(config.read32(0x100), 0, "no extended capabilities");
    let config = PciRig::plug(GpuModel::new(8, 8), |builder| builder)
        .config
        .clone();
    assert_eq!(config.read16(0x02), 0x1050);
    assert_eq!(config.read32(0x08), 0x0380_0001);
}

#[test]
fn the_header_is_what_the_builder_says() {
    let rig = PciRig::plug(disk(), |builder| {
        builder.header(0x08, &[0xff]).header(0x2e, &[0x34, 0x12])
    });
    assert_eq!(rig.config.read8(0x08), 0xff);
    assert_eq!(rig.config.read16(0x2e), 0x1234);
}

#[test]
fn a_bar_tells_its_size_when_ones_are_written_to_it() {
    let rig = PciRig::plug(disk(), |builder| builder.shared_memory(0x10_0000));
    let sized = |at: usize| {
        rig.config.write32(at, u32::MAX);
        rig.config.read32(at)
    };
    assert_eq!(sized(0x10), 0, "BAR 0 is not there");
    assert_eq!(sized(0x14), 0xffff_f000, "32 bits, a page");
    assert_eq!([sized(0x18), sized(0x1c)], [0xfff0_000c, u32::MAX]);
    assert_eq!(
        [sized(0x20), sized(0x24)],
        [0xffff_c00c, u32::MAX],
        "64 bits, prefetchable, four pages"
    );
    let lengths: Vec<usize> = (0..6).map(|bar| rig.device.bar(bar).len_bytes()).collect();
    assert_eq!(lengths, [0, 0x1000, 0x10_0000, 0, 0x4000, 0]);
    rig.config.write32(0x20, 0x1234_5678);
    assert_eq!(rig.config.read32(0x20), 0x1234_400c);
    rig.device.assert_clean();
}

#[test]
fn only_some_bits_of_the_command_can_be_written() {
    let rig = PciRig::plug(disk(), |builder| builder);
    rig.command(0xffff);
    assert_eq!(
        rig.config.read16(COMMAND),
        MEMORY_ENABLE | BUS_MASTER | INTX_DISABLE
    );
    rig.config.write32(0x00, 0);
    rig.config.write16(0x06, 0xffff);
    rig.config.write8(0x3c, 11);
    assert_eq!(rig.config.read32(0x00), 0x1042_1af4);
    assert_eq!(rig.config.read16(0x06), 0x10);
    assert_eq!(rig.config.read16(0x3c), 0x010b, "line and pin");
}

#[test]
fn a_bar_answers_once_it_has_an_address_and_memory_is_enabled() {
    let rig = PciRig::plug(disk(), |builder| builder);
    let bar = rig.device.bar(4);
    let errors = |count: usize| {
        let found = rig.device.guest_errors();
        assert_eq!(found.len(), count, "{found:?}");
    };
    rig.command(MEMORY_ENABLE);
    assert_eq!(bar.read16(NUM_QUEUES), 0xffff);
    errors(1);
    rig.config.write32(0x20, u32::MAX);
    rig.config.write32(0x24, u32::MAX);
    assert_eq!(bar.read16(NUM_QUEUES), 0xffff, "it is being sized");
    errors(2);
    rig.assign();
    assert_eq!(bar.read16(NUM_QUEUES), 1);
    errors(2);
    rig.command(0);
    assert_eq!(bar.read64(0), u64::MAX);
    bar.write32(DEVICE_FEATURE_SELECT, 1);
    errors(4);
    rig.command(MEMORY_ENABLE);
    assert_eq!(bar.read32(DEVICE_FEATURE_SELECT), 0, "was dropped");
    assert_eq!(rig.device.bar(5).read32(0), u32::MAX, "half of another");
    errors(5);
    assert_eq!(rig.ids(), [""; 0]);
}

#[test]
fn what_is_wrong_and_no_rule_of_virtio_is_a_guest_error() {
    let rig = PciRig::probed(disk(), |builder| builder);
    let bar = rig.device.bar(4);
    rig.config.read64(0);
    rig.config.read16(1);
    rig.config.write32(4096, 0);
    bar.read32(0x3ffc);
    bar.read8(0x1800);
    bar.write8(0x1000, 0);
    rig.device.bar(1).read16(0);
    rig.device.bar(1).write32(0x800, 0);
    let errors = rig.device.guest_errors();
    assert_eq!(errors[0], "Read of 8 bytes at 0x0 of configuration space");
    assert_eq!(errors[1], "Read of 2 bytes at 0x1 of configuration space");
    assert_eq!(
        errors[2],
        "Write of 4 bytes at 0x1000 of configuration space"
    );
    assert_eq!(errors[3], "read of the notification structure");
    assert_eq!(
        errors[4..],
        [
            "write to the ISR status",
            "2 bytes of the structures of MSI-X",
            "write to the pending bits of MSI-X",
        ]
    );
    assert_eq!(rig.ids(), ["PCI-05"], "a byte next to the ISR status");
    assert_eq!(rig.device.bar(1).read32(0xc00), u32::MAX);
    assert_eq!(
        rig.device.guest_errors()[7],
        "Read of 4 bytes at 0xc00 of BAR 1, where no structure is"
    );
}

#[test]
fn accesses_are_noted_by_region() {
    let rig = PciRig::probed(disk(), |builder| builder);
    assert_eq!(rig.device.config_log().writes_to(COMMAND), [6]);
    rig.device.clear_logs();
    assert!(rig.device.config_log().all().is_empty());
    rig.set32(DEVICE_FEATURE_SELECT, 1);
    rig.get16(NUM_QUEUES);
    assert_eq!(rig.device.bar_log(4).all().len(), 2);
    assert_eq!(rig.device.bar_log(4).reads_of(NUM_QUEUES), [1]);
    assert!(rig.device.bar_log(1).all().is_empty());
}

//! The capability list, byte for byte, and the ways a builder can spoil it.

use levitate_hal::Mmio;
use levitate_host::pci::{Capability, PciRegion};
use levitate_host::{BlockModel, PciDevice};

use crate::pci_rig::*;

fn bytes(config: &PciRegion<BlockModel>, at: usize, len: usize) -> Vec<u8> {
    (at..at + len).map(|at| config.read8(at)).collect()
}

/// Where the entries are, by their pointers; ends at a place it has been to.
fn places(config: &PciRegion<BlockModel>) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut next = config.read8(0x34);
    while next != 0 && !seen.contains(&next) {
        seen.push(next);
        next = config.read8(usize::from(next) + 1);
    }
    seen
}

fn with_list(change: impl FnOnce(&mut Vec<Capability>) + 'static) -> PciRegion<BlockModel> {
    PciRig::plug(disk(), |builder| builder.capabilities(change))
        .config
        .clone()
}

#[test]
#[rustfmt::skip]
fn the_list_is_as_the_specification_lays_it_out() {
    let rig = PciRig::plug(disk(), |builder| {
        builder.vectors(2).notify_off_multiplier(8).shared_memory(0x2000)
    });
    let config = &rig.config;
    assert_eq!(places(config), [0x40, 0x50, 0x60, 0x70, 0x80, 0x94, 0xac, 0xc0]);
    assert_eq!(bytes(config, 0x40, 16), [
        0x09, 0x50, 16, 1, 4, 0, 0, 0, 0x00, 0x00, 0, 0, 0x00, 0x10, 0, 0,
    ], "common");
    assert_eq!(bytes(config, 0x50, 16), [
        0x09, 0x60, 16, 9, 0xdc, 0x1e, b'l', b'e', b'v', b'i', b't', b'a', b't', b'e', 0, 0,
    ], "of a vendor");
    assert_eq!(bytes(config, 0x60, 16), [
        0x09, 0x70, 16, 3, 4, 0, 0, 0, 0x00, 0x10, 0, 0, 0x00, 0x10, 0, 0,
    ], "ISR");
    assert_eq!(bytes(config, 0x70, 16), [
        0x09, 0x80, 16, 4, 4, 0, 0, 0, 0x00, 0x20, 0, 0, 0x00, 0x10, 0, 0,
    ], "device");
    assert_eq!(bytes(config, 0x80, 20), [
        0x09, 0x94, 20, 2, 4, 0, 0, 0, 0x00, 0x30, 0, 0, 0x00, 0x10, 0, 0, 8, 0, 0, 0,
    ], "notify");
    assert_eq!(bytes(config, 0x94, 24), [
        0x09, 0xac, 24, 8, 2, 0, 0, 0, 0x00, 0x00, 0, 0, 0x00, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ], "shared memory");
    assert_eq!(bytes(config, 0xac, 20), [
        0x09, 0xc0, 20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ], "the window");
    assert_eq!(bytes(config, 0xc0, 12), [
        0x11, 0x00, 0x01, 0x00, 0x01, 0, 0, 0, 0x01, 0x08, 0, 0,
    ], "MSI-X");
}

#[test]
fn shared_memory_may_be_above_four_gigabytes() {
    let config = with_list(|list| {
        list[0] = Capability::shared_memory(7, 2, 0x1_2345_6000, 0x2_0000_1000);
    });
    assert_eq!(
        bytes(&config, 0x44, 20),
        [
            2, 7, 0, 0, 0, 0x60, 0x45, 0x23, 0, 0x10, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0
        ]
    );
}

#[test]
fn order_and_places_are_free() {
    let config = with_list(|list| {
        list.reverse();
        list[0] = list[0].clone().placed(0xf0);
        list[1] = list[1].clone().placed(0x40);
        list.insert(1, Capability::other(0x01, &[3, 0, 0, 0, 0, 0]).placed(0xe0));
    });
    assert_eq!(places(&config)[..4], [0xf0, 0xe0, 0x40, 0x54]);
    assert_eq!(config.read8(0xf0), 0x11);
    assert_eq!(config.read8(0xe0), 0x01);
    let config = with_list(|list| list[1] = list[1].clone().placed(0x52));
    assert_eq!(places(&config)[1], 0x52, "not aligned");
    let config = with_list(|list| list[1] = list[1].clone().placed(0x48));
    assert_eq!(bytes(&config, 0x48, 4), [0x09, 0x58, 16, 9], "overlapping");
}

#[test]
fn lists_can_loop_and_be_empty() {
    let config = with_list(|list| {
        let last = list.len() - 1;
        list[last] = list[last].clone().with_next(0x40);
    });
    assert_eq!(
        config.read8(usize::from(*places(&config).last().unwrap()) + 1),
        0x40
    );
    let config = with_list(|list| list[0] = list[0].clone().with_next(0x40));
    assert_eq!(places(&config), [0x40], "of one");
    let config = with_list(Vec::clear);
    assert_eq!(config.read16(6) & 0x10, 0, "no list");
    assert_eq!(config.read8(0x34), 0);
}

#[test]
fn entries_can_say_what_is_not_so() {
    let config = with_list(|list| {
        list[0] = list[0]
            .clone()
            .with_bar(6)
            .with_range(0xffff_fff0, 0x20)
            .with_len(8)
            .with_type(0xc8);
    });
    assert_eq!(
        bytes(&config, 0x42, 14),
        [8, 0xc8, 6, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 0x20, 0, 0, 0]
    );
}

#[test]
fn what_is_in_the_bars_does_not_follow_a_lie() {
    let mut rig = PciRig::plug(disk(), |builder| {
        builder.capabilities(|list| {
            let lie = list[0].clone().with_range(0x1800, 64);
            list.insert(0, lie);
        })
    });
    rig.assign();
    rig.command(MEMORY_ENABLE);
    rig.discover();
    assert_eq!(rig.common.offset, 0x1800);
    rig.get16(NUM_QUEUES);
    assert_eq!(rig.ids(), ["PCI-05"]);
    assert_eq!(rig.device.bar(4).read16(NUM_QUEUES), 1);
}

#[test]
fn tables_of_every_size_have_room() {
    for vectors in [1, 64, 65, 2048] {
        let rig = PciRig::probed(disk(), |builder| builder.vectors(vectors));
        assert_eq!(rig.config.read16(rig.msix.at + 2), vectors - 1);
        let pending = rig.config.read32(rig.msix.at + 8) & !7;
        let table = 16 * usize::from(vectors);
        assert!(pending as usize >= table);
        let bar = rig.device.bar(1);
        let last = pending as usize + 8 * usize::from(vectors.div_ceil(64)) - 8;
        assert!(bar.len_bytes() >= last + 8);
        assert_eq!(bar.read32(table - 4), 1, "masked");
        assert_eq!(bar.read64(last), 0);
        rig.device.assert_clean();
    }
    let clock = levitate_host::VirtualClock::new();
    let none = PciDevice::builder(disk())
        .vectors(0)
        .build(&levitate_host::Pool::new(), &clock);
    assert_eq!(none.bar(1).len_bytes(), 0);
}

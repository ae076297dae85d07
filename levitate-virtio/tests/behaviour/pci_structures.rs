//! The capability list: which structure is used, and why another is not (§4.1.4).

use std::cell::RefCell;

use levitate_host::any::ModelledPci;
use levitate_host::pci::{Capability, PciBuilder, Structure, StructureKind as Kind};
use levitate_host::{PciDevice, Pool, VirtualClock};
use levitate_virtio::transport::pci::{BarRange, InterruptLine, PciError, Refusal, StructureKind};
use levitate_virtio::{ConfigError, Device, DeviceType, PciTransport, Transport};

use crate::pci_fake::Bytes;
use crate::rig::{Echo, TIMEOUT};

pub(crate) fn plug(change: impl FnOnce(PciBuilder<Echo>) -> PciBuilder<Echo>) -> PciDevice<Echo> {
    change(PciDevice::builder(Echo::default())).build(&Pool::new(), &VirtualClock::new())
}

pub(crate) fn with_list(change: impl FnOnce(&mut Vec<Capability>) + 'static) -> PciDevice<Echo> {
    plug(|builder| builder.capabilities(change))
}

pub(crate) fn probe(device: &PciDevice<Echo>) -> Result<ModelledPci<Echo>, PciError> {
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    PciTransport::probe(function, &bars, |range| device.map(range))
}

/// Changes the entry of a type.
fn entry(list: &mut [Capability], cfg_type: u8, change: impl FnOnce(Capability) -> Capability) {
    let found = list
        .iter_mut()
        .find(|entry| entry.cfg_type() == Some(cfg_type))
        .unwrap();
    *found = change(found.clone());
}

#[test]
fn no_more_is_mapped_than_is_needed_and_nothing_is_written() {
    let device = plug(|builder| builder.notify_off_multiplier(2));
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    device.clear_logs();
    let ranges = RefCell::new(Vec::new());
    let transport = PciTransport::probe(function, &bars, |range| {
        ranges.borrow_mut().push((range.offset, range.len_bytes));
        device.map(range)
    })
    .unwrap();
    assert_eq!(transport.device_type(), DeviceType::new(42).unwrap());
    // Common configuration, notifications, ISR status, configuration of the device type.
    let expected = [
        (0x0000, 60),
        (0x3000, 0x1000),
        (0x1000, 1),
        (0x2000, 0x1000),
    ];
    assert_eq!(*ranges.borrow(), expected);
    assert_eq!(device.bar_log(4).all(), []);
    assert!(
        device
            .config_log()
            .all()
            .iter()
            .all(|access| access.operation == levitate_host::mmio::Operation::Read)
    );
    device.assert_clean();
}

#[test]
fn structures_of_several_mebibytes_are_mapped_in_part() {
    // In the BAR with 16 MiB of shared memory there is room for lies.
    let device = plug(|builder| {
        builder.shared_memory(0x100_0000).capabilities(|list| {
            entry(list, 2, |cap| cap.with_bar(2).with_range(0, 0x80_0000));
            entry(list, 4, |cap| cap.with_bar(2).with_range(0, 0x80_0000));
        })
    });
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    let ranges = RefCell::new(Vec::new());
    let transport = PciTransport::probe(function, &bars, |range| {
        ranges.borrow_mut().push(range.len_bytes);
        device.map(range)
    })
    .unwrap();
    // Of the notifications, as far as queue_notify_off can reach in steps of 4.
    assert_eq!(*ranges.borrow(), [60, 4 * 0xffff + 4, 1, 4096]);
    assert_eq!(transport.config_len_bytes(), 4096);
}

#[test]
fn the_first_of_each_kind_is_used_that_is_of_use() {
    let second = Structure {
        kind: Kind::Common,
        bar: 0,
        offset: 0x40,
        length: 0x40,
    };
    // Types that are reserved or about something else, and BARs that are reserved.
    for (cfg_type, bar) in [
        (0, 4),
        (6, 4),
        (7, 4),
        (9, 4),
        (10, 4),
        (255, 4),
        (1, 6),
        (1, 7),
        (1, 255),
    ] {
        let device = plug(|builder| {
            builder.structure(second).capabilities(move |list| {
                // It would be of use, were its type or its BAR another.
                list[1] = Capability::structure(cfg_type, bar, 0, 0x1000);
                list.swap(0, 1);
            })
        });
        let transport = probe(&device).unwrap();
        device.clear_logs();
        transport.read_status();
        assert_eq!(device.bar_log(4).all().len(), 1, "not the one in BAR 0");
        device.assert_clean();
    }
}

#[test]
fn a_capability_may_be_longer_than_is_known_and_ids_of_any_revision() {
    for revision in [0, 1, 255] {
        let device = plug(|builder| {
            builder
                .header(0x08, &[revision])
                .header(0x2c, &[0xef, 0xbe, 0xad, 0xde])
                .capabilities(|list| {
                    entry(list, 1, |cap| cap.with_len(200));
                    entry(list, 2, |cap| cap.with_len(255));
                })
        });
        assert_eq!(probe(&device).unwrap().read_queue_count(), 2);
    }
}

#[test]
fn a_transitional_device_is_driven_through_its_modern_interface() {
    let device = plug(|builder| builder.header(0x02, &[0x01, 0x10]));
    let transport = probe(&device).unwrap();
    assert_eq!(transport.device_type(), DeviceType::BLOCK);
    let legacy = plug(|builder| {
        let builder = builder.header(0x02, &[0x01, 0x10]);
        builder.capabilities(|list| list.retain(|entry| entry.cfg_type().is_none()))
    });
    assert_eq!(probe(&legacy).unwrap_err(), PciError::Legacy);
}

type Lie = fn(Capability) -> Capability;

#[test]
fn what_is_missing_is_named_with_the_reason_why_there_is_none() {
    let outside = |offset, len_bytes| Refusal::OutsideBar {
        bar: 4,
        offset,
        len_bytes,
        bar_len_bytes: 0x4000,
    };
    let misaligned = |what, value, align_bytes| Refusal::Misaligned {
        what,
        value,
        align_bytes,
    };
    let cases: [(u8, StructureKind, Lie, Refusal); 13] = [
        (
            4,
            StructureKind::Device,
            |cap| cap.with_range(0x2001, 0x100),
            misaligned("offset", 0x2001, 4),
        ),
        (
            1,
            StructureKind::Common,
            |cap| cap.with_bar(6),
            Refusal::NoBar { bar: 6 },
        ),
        (
            1,
            StructureKind::Common,
            // The upper half of BAR 4.
            |cap| cap.with_bar(5),
            Refusal::NoBar { bar: 5 },
        ),
        (
            3,
            StructureKind::Isr,
            |cap| cap.with_bar(0),
            Refusal::NoBar { bar: 0 },
        ),
        (
            1,
            StructureKind::Common,
            |cap| cap.with_len(15),
            Refusal::Truncated { needed_bytes: 16 },
        ),
        (
            2,
            StructureKind::Notify,
            |cap| cap.with_len(19),
            Refusal::Truncated { needed_bytes: 20 },
        ),
        (
            1,
            StructureKind::Common,
            |cap| cap.with_range(0, 55),
            Refusal::TooShort {
                len_bytes: 55,
                needed_bytes: 56,
            },
        ),
        (
            3,
            StructureKind::Isr,
            |cap| cap.with_range(0x1000, 0),
            Refusal::TooShort {
                len_bytes: 0,
                needed_bytes: 1,
            },
        ),
        (
            1,
            StructureKind::Common,
            |cap| cap.with_range(0x3ffc, 56),
            outside(0x3ffc, 56),
        ),
        (
            2,
            StructureKind::Notify,
            |cap| cap.with_range(u32::MAX, u32::MAX),
            outside(0xffff_ffff, 0xffff_ffff),
        ),
        (
            1,
            StructureKind::Common,
            |cap| cap.with_range(2, 0x100),
            misaligned("offset", 2, 4),
        ),
        (
            2,
            StructureKind::Notify,
            |cap| cap.with_range(0x3001, 0x100),
            misaligned("offset", 0x3001, 2),
        ),
        (
            2,
            StructureKind::Notify,
            |cap| cap.with_bytes(16, &[3, 0, 0, 0]),
            misaligned("notify_off_multiplier", 3, 2),
        ),
    ];
    for (cfg_type, kind, lie, reason) in cases {
        let device = with_list(move |list| entry(list, cfg_type, lie));
        let error = probe(&device).unwrap_err();
        let PciError::NoStructure { structure, refused } = error else {
            panic!("{error}");
        };
        assert_eq!((structure, refused.count), (kind, 1), "{error}");
        assert_eq!(refused.first.unwrap().1, reason, "{error}");
        let message = error.to_string();
        assert!(message.contains(&kind.to_string()), "{message}");
        assert!(message.contains(&reason.to_string()), "{message}");
    }
    let without = with_list(|list| list.retain(|entry| entry.cfg_type() != Some(2)));
    assert_eq!(
        probe(&without).unwrap_err().to_string(),
        "device has no notification structure that is of use: no capability tells of one"
    );
}

#[test]
fn a_structure_in_ports_is_passed_over_for_one_in_memory() {
    let function = Bytes::function(0x1af4, 0x1042);
    // BAR 0 has 32 ports, BAR 1 has 64 KiB of memory.
    function.put(0x10, &[0x01]);
    function.allow(0x10, &[0xe0, 0xff]);
    function.put(0x14, &[0, 0, 0, 0x40]);
    function.allow(0x14, &[0, 0, 0xff, 0xff]);
    function.put(0x06, &[0x10]);
    function.put(0x34, &[0x40]);
    for (at, next, cfg_type, bar, offset) in [
        (0x40, 0x54, 2, 0, 0),
        (0x54, 0x68, 1, 1, 0),
        (0x68, 0x7c, 2, 1, 0x10),
        (0x7c, 0, 3, 1, 0x20),
    ] {
        function.put(at, &[0x09, next, 20, cfg_type, bar, 0, 0, 0, 0, offset]);
        function.put(at + 12, &[64, 0, 0, 0, 4, 0, 0, 0]);
    }
    let function = function.as_function();
    let bars = function.measure_bars().unwrap();
    let ranges = RefCell::new(Vec::new());
    let found = PciTransport::probe(function, &bars, |range| {
        ranges.borrow_mut().push((range.bar, range.offset));
        Some(Bytes::new(vec![0; 64], Vec::new()))
    });
    assert!(found.is_ok(), "{found:?}");
    assert_eq!(*ranges.borrow(), [(1, 0), (1, 0x1000), (1, 0x2000)]);
}

#[test]
fn what_is_not_mapped_is_named() {
    let device = plug(|builder| builder);
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    let part_of_all = |range: BarRange| {
        let len_bytes = range.len_bytes - u64::from(range.offset == 0x3000);
        device.map(BarRange { len_bytes, ..range })
    };
    let error = PciTransport::probe(function, &bars, part_of_all).unwrap_err();
    let PciError::NotMapped { structure, range } = error else {
        panic!("{error}");
    };
    assert_eq!((structure, range.bar), (StructureKind::Notify, 4));
    assert_eq!(range.address, 0x80_0000_3000);
    assert_eq!(
        error.to_string(),
        "the notification structure, 0x1000 bytes from 0x3000 in BAR 4, is not mapped"
    );
}

#[test]
fn a_device_may_have_no_configuration_or_a_short_one() {
    let clock = VirtualClock::new();
    // One of no length is none, and not mapped.
    let empty = with_list(|list| entry(list, 4, |cap| cap.with_range(0x2000, 0)));
    let (function, bars) = empty.turn_on(InterruptLine::Enabled);
    let transport = PciTransport::probe(function, &bars, |range| {
        assert_ne!(range.len_bytes, 0);
        empty.map(range)
    });
    assert_eq!(transport.unwrap().config_len_bytes(), 0);
    let without = with_list(|list| list.retain(|entry| entry.cfg_type() != Some(4)));
    let mut transport = probe(&without).unwrap();
    assert_eq!(transport.config_len_bytes(), 0);
    assert_eq!(transport.read_config8(0), u8::MAX);
    assert_eq!(transport.read_config16(0), u16::MAX);
    assert_eq!(transport.read_config32(0), u32::MAX);
    transport.write_config8(0, 0);
    transport.write_config16(0, 0);
    transport.write_config32(0, 0);
    let device = Device::begin(transport, &clock, TIMEOUT).unwrap();
    let error = device.read_config(|config| config.read_u8(0)).unwrap_err();
    let (offset, width_bytes, len_bytes) = (0, 1, 0);
    let expected = ConfigError::TooShort {
        offset,
        width_bytes,
        len_bytes,
    };
    assert_eq!(error, expected);

    let short = with_list(|list| entry(list, 4, |cap| cap.with_range(0x2000, 10)));
    let device = Device::begin(probe(&short).unwrap(), &clock, TIMEOUT).unwrap();
    assert_eq!(device.read_config(|config| config.read_u64(0)), Ok(0));
    let error = device.read_config(|config| config.read_u32(8)).unwrap_err();
    assert!(matches!(error, ConfigError::TooShort { len_bytes: 10, .. }));
}

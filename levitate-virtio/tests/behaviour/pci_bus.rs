//! Finding functions on a bus, and telling by their IDs what they are (§4.1.2).

use levitate_virtio::DeviceType;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::transport::pci::{
    EcamAccess, InterruptLine, PciError, Refused, StructureKind,
};

use levitate_virtio::PciTransport;

use crate::pci_fake::{Bus, Bytes};

fn found(bus: &Bus, buses: std::ops::RangeInclusive<u8>) -> Vec<String> {
    EcamAccess::new(bus.clone(), 3, buses)
        .functions()
        .map(|function| function.address().to_string())
        .collect()
}

fn multifunction() -> Bytes {
    let function = Bytes::function(0x1234, 1);
    function.put(0x0e, &[0x80]);
    function
}

#[test]
fn functions_are_found_on_every_bus_in_the_order_of_their_addresses() {
    let plain = || Bytes::function(0x1234, 1);
    let bus = Bus::default()
        .with(0, 0, 0, plain())
        // Not there for who believes that the first has one function.
        .with(0, 0, 1, plain())
        .with(0, 2, 0, multifunction())
        .with(0, 2, 7, plain())
        // Without a first function there is none.
        .with(0, 3, 1, plain())
        .with(0, 31, 0, multifunction())
        .with(0, 31, 7, plain())
        .with(1, 5, 0, plain());
    let first = [
        "0003:00:00.0",
        "0003:00:02.0",
        "0003:00:02.7",
        "0003:00:1f.0",
        "0003:00:1f.7",
    ];
    assert_eq!(found(&bus, 0..=0), first);
    assert_eq!(found(&bus, 0..=255)[..5], first);
    assert_eq!(found(&bus, 0..=255)[5..], ["0003:01:05.0"]);
    // The first bus there is begins the region.
    assert_eq!(found(&bus, 255..=255)[0], "0003:ff:00.0");
}

#[test]
fn an_empty_bus_costs_one_look_at_each_device() {
    let bus = Bus::default();
    assert_eq!(found(&bus, 0..=255), [""; 0]);
    assert_eq!(bus.reads.get(), 256 * 32);
}

#[test]
fn a_function_elsewhere_reads_as_absent() {
    let bus = Bus::default().with(0, 0, 0, Bytes::function(0x1af4, 0x1042));
    let ecam = EcamAccess::new(bus, 3, 0..=0);
    let ids = |segment, bus| {
        ecam.function(PciAddress::new(segment, bus, 0, 0))
            .read_ids()
    };
    assert_eq!(ids(3, 0), Some((0x1af4, 0x1042)));
    assert_eq!(ids(0, 0), None, "another segment");
    assert_eq!(ids(3, 1), None, "another bus");
}

#[test]
fn ids_tell_the_device_type() {
    let with_subsystem = |device, subsystem: u16| {
        let function = Bytes::function(0x1af4, device);
        // The vendor of the subsystem is anybody.
        function.put(0x2c, &[0xcd, 0xab]);
        function.put(0x2e, &subsystem.to_le_bytes());
        function.as_function().read_device_type()
    };
    for (device, subsystem, expected) in [
        (0x1040, 0x1100, None),
        (0x1041, 0x1100, Some(1)),
        (0x1042, 0, Some(2)),
        (0x1050, 0xffff, Some(16)),
        (0x107f, 0, Some(63)),
        (0x1080, 2, None),
        (0x1000, 1, Some(1)),
        (0x1001, 2, Some(2)),
        (0x1002, 5, Some(5)),
        (0x1003, 3, Some(3)),
        (0x1004, 8, Some(8)),
        (0x1005, 4, Some(4)),
        (0x1009, 9, Some(9)),
        (0x1010, 16, Some(16)),
        (0x1010, 0, None),
        (0x0fff, 2, None),
    ] {
        let expected = expected.and_then(DeviceType::new);
        assert_eq!(with_subsystem(device, subsystem), expected, "{device:#x}");
    }
    let other = Bytes::function(0x8086, 0x1042).as_function();
    assert_eq!(other.read_device_type(), None);
    let bridge = Bytes::function(0x1af4, 0x1042);
    bridge.put(0x0e, &[1]);
    assert_eq!(bridge.as_function().read_device_type(), None);
}

#[test]
fn what_is_no_device_has_a_reason() {
    let probe = |function: &Bytes| {
        let function = function.as_function();
        let bars = function.measure_bars().unwrap();
        PciTransport::<Bytes, _>::probe(function, &bars, |_| None).unwrap_err()
    };
    assert_eq!(probe(&Bytes::function(0xffff, 0xffff)), PciError::Absent);
    let (vendor, device) = (0x8086, 0x1042);
    let other = PciError::NotVirtio { vendor, device };
    assert_eq!(probe(&Bytes::function(vendor, device)), other);
    // There is no list of capabilities, whatever its pointer says.
    let legacy = Bytes::function(0x1af4, 0x1001);
    legacy.put(0x34, &[0x40]);
    legacy.put(0x40, &[9, 0, 16, 1]);
    assert_eq!(probe(&legacy), PciError::Legacy);
    // There is one, and nothing of VirtIO in it.
    legacy.put(0x06, &[0x10]);
    legacy.put(0x40, &[5, 0, 0, 0]);
    assert_eq!(probe(&legacy), PciError::Legacy);
    // A modern device has no other interface.
    let (structure, refused) = (StructureKind::Notify, Refused::default());
    let lacking = PciError::NoStructure { structure, refused };
    for device in [0x1040 + 1, 0x107f] {
        assert_eq!(probe(&Bytes::function(0x1af4, device)), lacking);
    }
}

#[test]
fn the_command_register_is_written_and_the_status_register_left_alone() {
    let function = Bytes::function(0x1af4, 0x1042);
    // Errors of the bus, which are cleared by writing 1 to them.
    function.put(0x06, &[0x10, 0xf9]);
    function.put(0x04, &[0x01, 0x00]);
    function.as_function().turn_on(InterruptLine::Disabled);
    function.as_function().turn_on(InterruptLine::Enabled);
    let written = function.writes.borrow().clone();
    assert_eq!(written, [(4, 0x407), (4, 0x007)]);
}

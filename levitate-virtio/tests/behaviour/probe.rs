//! Finding out what is behind a register region (§4.2.2.2, §4.2.3.1.1).

use levitate_host::Version;
use levitate_virtio::transport::MmioError;
use levitate_virtio::{DeviceType, Interface, MmioTransport, Transport};

use crate::rig::{Registers, Rig};

fn probe(rig: &Rig) -> Result<Option<MmioTransport<Registers>>, MmioError> {
    MmioTransport::probe(rig.device.mmio().clone())
}

#[test]
fn each_version_has_its_interface() {
    for (version, interface) in [
        (Version::One, Interface::Legacy),
        (Version::Two, Interface::Modern),
    ] {
        let rig = Rig::new(version);
        let transport = probe(&rig).unwrap().unwrap();
        assert_eq!(transport.interface(), interface);
        assert_eq!(transport.device_type(), DeviceType::new(42).unwrap());
        let offsets: Vec<usize> = rig
            .device
            .log()
            .all()
            .iter()
            .map(|access| access.offset)
            .collect();
        assert_eq!(
            offsets,
            [0x000, 0x004, 0x008],
            "magic, version, device ID and nothing else"
        );
    }
}

#[test]
fn an_empty_transport_is_no_error() {
    let rig = Rig::with(|device| device.behave(|behaviour| behaviour.device_id = Some(0)));
    assert!(probe(&rig).unwrap().is_none());
    assert_eq!(
        rig.device.log().all().len(),
        3,
        "no register after the device ID"
    );
}

#[test]
fn something_else_is_told_by_its_magic_value() {
    let rig = Rig::with(|device| device.behave(|behaviour| behaviour.magic = 0x1234_5678));
    let error = probe(&rig).unwrap_err();
    assert_eq!(error, MmioError::BadMagic { found: 0x1234_5678 });
    assert_eq!(
        rig.device.log().all().len(),
        1,
        "no other register is touched"
    );
}

#[test]
fn a_version_from_the_future_is_refused() {
    for version in [0, 3, u32::MAX] {
        let rig = Rig::with(|device| device.behave(|behaviour| behaviour.version = Some(version)));
        assert_eq!(
            probe(&rig).unwrap_err(),
            MmioError::UnsupportedVersion { version }
        );
    }
}

#[test]
fn a_region_without_room_for_the_registers_is_not_touched() {
    let rig = Rig::with(|device| device.behave(|behaviour| behaviour.region_len_bytes = 0xff));
    let expected = MmioError::RegionTooShort {
        len_bytes: 0xff,
        needed_bytes: 0x100,
    };
    assert_eq!(probe(&rig).unwrap_err(), expected);
    assert!(rig.device.log().all().is_empty());
}

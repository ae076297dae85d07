//! What is agreed on with a back end that a test plays: features, and the device status.

use levitate_host::SystemClock;
use levitate_host::vhost_user::MessageError;
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::Transport as _;
use levitate_virtio::{Device, Status, Wanted};

use crate::fake::{self, Fake, Instead, Script};
use crate::impostors::{TIMEOUT, connect_to, drive};

/// A sound back end that has a device status.
fn with_status() -> Script {
    Script {
        protocol_features: fake::CONFIG | fake::REPLY_ACK | fake::STATUS,
        ..Script::sound()
    }
}

#[test]
fn of_everything_offered_only_what_the_front_end_does_is_accepted() {
    let script = Script {
        features: u64::MAX,
        protocol_features: u64::MAX,
        ..Script::sound()
    };
    let fake = Fake::start(script);
    let mut transport = connect_to(fake.socket()).unwrap();
    assert_eq!(
        fake.numbers(fake::SET_PROTOCOL_FEATURES),
        [fake::MQ | fake::REPLY_ACK | fake::CONFIG | fake::STATUS]
    );
    let offered = transport.read_device_features();
    for bit in 0..64 {
        // The bits of device types (§2.2); INDIRECT_DESC, EVENT_IDX, VERSION_1, ORDER_PLATFORM.
        let is_known = matches!(bit, 0..=23 | 50.. | 28 | 29 | 32 | 36);
        assert_eq!(offered >> bit & 1 == 1, is_known, "bit {bit}");
    }
    assert!(transport.supported_features().is_empty());
    transport.write_driver_features(1 << 32 | 1 << 9);
    transport.write_status(Status::FEATURES_OK);
    let accepted = 1 << 32 | 1 << 9 | fake::PROTOCOL_FEATURES;
    assert_eq!(fake.numbers(fake::SET_FEATURES), [accepted]);
}

#[test]
fn a_driver_accepts_no_ring_whose_end_the_front_end_cannot_prove() {
    let script = Script {
        features: u64::MAX,
        ..Script::sound()
    };
    let fake = Fake::start(script);
    let transport = connect_to(fake.socket()).unwrap();
    let device = Device::begin(transport, &SystemClock::new(), TIMEOUT).unwrap();
    // The driver wants whatever there is code for, packed rings too.
    let wanted = Wanted::<NoFeatures>::default();
    assert_eq!(wanted.common.bits() >> 34 & 3, 3);
    let (device, negotiated) = device.negotiate(&wanted).unwrap();
    // INDIRECT_DESC, EVENT_IDX, VERSION_1 and ORDER_PLATFORM: neither RING_PACKED nor IN_ORDER, which are 34 and 35.
    let accepted = 1 << 28 | 1 << 29 | 1 << 32 | 1 << 36;
    assert_eq!(negotiated.bits(), accepted);
    assert_eq!(
        fake.numbers(fake::SET_FEATURES),
        [accepted | fake::PROTOCOL_FEATURES]
    );
    drop(device);
}

#[test]
fn refused_features_are_an_error_of_the_negotiation() {
    let script = Script::sound().instead(fake::SET_FEATURES, Instead::number(1));
    drive(script, |_, outcome| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("refuses features"), "{error}");
    });
}

#[test]
fn a_status_without_features_ok_is_believed() {
    // ACKNOWLEDGE and DRIVER; it took the features and does not like them.
    let script = with_status().instead(fake::GET_STATUS, Instead::number(3));
    let fake = Fake::start(script);
    let mut transport = connect_to(fake.socket()).unwrap();
    transport.write_status(Status::FEATURES_OK | Status::DRIVER | Status::ACKNOWLEDGE);
    assert_eq!(
        transport.read_status(),
        Status::DRIVER | Status::ACKNOWLEDGE
    );
    assert_eq!(fake.numbers(fake::SET_STATUS), [0xb]);
}

#[test]
fn a_back_end_that_asks_for_a_reset_is_heard() {
    let script = with_status().instead(fake::GET_STATUS, Instead::number(0x4f));
    let fake = Fake::start(script);
    let mut transport = connect_to(fake.socket()).unwrap();
    transport.write_status(Status::FEATURES_OK);
    assert!(transport.read_status().contains(Status::DEVICE_NEEDS_RESET));
    transport.write_status(Status::empty());
    assert!(
        !transport.read_status().is_empty(),
        "it does not say that it is reset"
    );
    assert_eq!(fake.numbers(fake::SET_STATUS), [0x8, 0]);
}

#[test]
fn a_status_of_more_than_eight_bits_is_garbage() {
    let fake = Fake::start(with_status().instead(fake::GET_STATUS, Instead::number(0x100)));
    let transport = connect_to(fake.socket()).unwrap();
    assert_eq!(transport.read_status(), Status::all());
    let message = "GET_STATUS";
    assert_eq!(transport.loss(), Some(MessageError::Garbage { message }));
}

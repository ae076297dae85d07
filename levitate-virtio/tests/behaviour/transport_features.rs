//! Features that take a transport to do something of its own, and are accepted where it does (§4.1.4.3, §4.1.4.4.1, §6).

use levitate_host::pci::Capability;
use levitate_host::{AnyDevice, PciDevice, Plug, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::queue::{Format, Split, SplitOrPacked};
use levitate_virtio::transport::EnableQueueError;
use levitate_virtio::{Device, Features, Negotiated, QueueError, QueueIndex, Transport, Wanted};
use proptest::prelude::*;

use crate::pci_structures::{probe, with_list};
use crate::rig::{CONFIG, Echo, Rig, TIMEOUT, echo, slots};

/// What each transport does, as the specification lets it.
fn doable(plug: Plug) -> Features {
    match plug {
        // Bits from 32 on there are none.
        Plug::Mmio(Version::One) => Features::empty(),
        Plug::Mmio(Version::Two) => Features::NOTIFICATION_DATA | Features::RING_RESET,
        Plug::PciLine | Plug::PciMsix => {
            Features::NOTIFICATION_DATA | Features::NOTIF_CONFIG_DATA | Features::RING_RESET
        }
    }
}

/// What is agreed on with code for the rings of `R`.
fn negotiated<R: Format>(rig: &Rig, common: Features) -> Negotiated<NoFeatures> {
    let wanted = Wanted {
        common,
        ..Wanted::default()
    };
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let (device, negotiated) = device.negotiate_for::<_, R>(&wanted).unwrap();
    drop(device);
    negotiated
}

/// Checks what is agreed on of an offer with code for the rings of `R`, over every transport.
fn check_choice<R: Format>(offer: u64, wanted: u64) -> Result<(), TestCaseError> {
    let has_packed = R::FEATURES.contains(Features::RING_PACKED);
    for plug in Plug::ALL {
        let rig = Rig::plug(plug, |behaviour| behaviour.offer = offer);
        let accepted = negotiated::<R>(&rig, Features::from_bits_retain(wanted)).bits();
        // What the device offers by itself.
        let offered =
            offer | (Features::INDIRECT_DESC | Features::EVENT_IDX | Features::VERSION_1).bits();
        prop_assert_eq!(accepted & !offered, 0);
        prop_assert_eq!(accepted & !Features::IMPLEMENTED.bits(), 0);
        let up_to_transport = accepted & Features::UP_TO_TRANSPORT.bits();
        let possible = Features::IMPLEMENTED & doable(plug);
        prop_assert_eq!(rig.transport().supported_features(), doable(plug));
        prop_assert_eq!(
            up_to_transport,
            offer & wanted & possible.bits(),
            "{:?}",
            plug
        );
        let packed = match plug {
            Plug::Mmio(Version::One) => 0,
            _ if has_packed => offer & wanted & Features::RING_PACKED.bits(),
            _ => 0,
        };
        prop_assert_eq!(accepted & Features::RING_PACKED.bits(), packed);
        // Those two should be accepted, and may be unwanted, or without code.
        for complaint in rig.device.take_complaints() {
            let is_meant = match complaint.split(':').next() {
                Some("RSVD-06") => !has_packed || wanted & 1 << 34 == 0,
                Some("RSVD-07") => wanted & 1 << 36 == 0,
                _ => false,
            };
            prop_assert!(is_meant, "{}", complaint);
        }
    }
    Ok(())
}

/// Any features, of which nobody may offer bit 30.
fn offer() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), Just(u64::MAX)].prop_map(|bits| bits & !(1 << 30))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_offered_and_implemented_and_done_by_transport_and_code(
        offer in offer(),
        wanted in prop_oneof![any::<u64>(), Just(u64::MAX)],
    ) {
        check_choice::<Split>(offer, wanted)?;
        check_choice::<SplitOrPacked>(offer, wanted)?;
    }

    #[test]
    fn transport_and_code_decide_on_what_is_up_to_them_alone(offered: u64, supported: u64) {
        let wanted = Wanted::<NoFeatures>::default();
        let choose = |supported| Negotiated::choose(offered, &wanted, levitate_virtio::Interface::Modern, supported).common;
        let supported = Features::from_bits_truncate(supported);
        let (all, some) = (choose(Features::all()), choose(supported));
        let up_to_others = Features::UP_TO_TRANSPORT | Features::UP_TO_FORMAT;
        prop_assert_eq!(some, all - (up_to_others - supported));
    }
}

/// The capability of a type.
fn entry(list: &mut [Capability], cfg_type: u8) -> &mut Capability {
    list.iter_mut()
        .find(|entry| entry.cfg_type() == Some(cfg_type))
        .unwrap()
}

#[test]
fn a_device_on_pci_must_have_room_for_a_feature_in_its_structures() {
    let (config_data, data) = (Features::NOTIF_CONFIG_DATA, Features::NOTIFICATION_DATA);
    let reset = Features::RING_RESET;
    // Of the common configuration, its length.
    for (len, expected) in [
        (56, data),
        (57, data),
        (58, data | config_data),
        (59, data | config_data),
        (60, data | config_data | reset),
    ] {
        let device = with_list(move |list| {
            let common = entry(list, 1);
            *common = common.clone().with_range(0, len);
        });
        assert_eq!(
            probe(&device).unwrap().supported_features(),
            expected,
            "{len}"
        );
    }
    // Of the notifications, offset, length and multiplier.
    for (offset, len, multiplier, expected) in [
        (0x3000, 4, 0, data | config_data | reset),
        (0x3000, 0x1000, 0x100, data | config_data | reset),
        (0x3000, 3, 0, config_data | reset),
        (0x3002, 0x100, 0, config_data | reset),
        (0x3000, 0x100, 2, config_data | reset),
    ] {
        let device = with_list(move |list| {
            let notify = entry(list, 2);
            *notify = Capability::notify(4, offset, len, multiplier);
        });
        assert_eq!(
            probe(&device).unwrap().supported_features(),
            expected,
            "{offset:#x}, {len}, {multiplier}"
        );
    }
}

/// A device on PCI that offers everything, with places for notifications so far apart, and so long a structure for them.
fn notified(multiplier: u32, off: u16, len: u32, offer: Features) -> Rig {
    Rig::build(|pool, clock| {
        let builder = PciDevice::builder(Echo::default())
            .notify_off_multiplier(multiplier)
            .notify_offsets(&[off])
            .behave(|behaviour| behaviour.offer = offer.bits())
            .capabilities(move |list| {
                let notify = entry(list, 2);
                *notify = notify.clone().with_range(0x3000, len);
            });
        AnyDevice::Pci(builder.build(pool, clock), false)
    })
}

#[test]
fn a_device_without_room_for_data_is_notified_without() {
    let rig = notified(2, 1, 4, Features::NOTIFICATION_DATA);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    assert_eq!(rig.device.negotiated() & 1 << 38, 0);
    let token = echo(&mut queue, 7);
    assert!(queue.notify());
    assert_eq!(rig.device.notifications(), [0]);
    assert!(rig.wait(&mut queue, token));
    rig.stop(device, queue);
}

#[test]
fn a_queue_needs_room_for_its_notification_as_long_as_that_is() {
    for (offer, len, fits) in [
        (Features::empty(), 6, true),
        (Features::empty(), 5, false),
        (Features::NOTIF_CONFIG_DATA, 6, true),
        (Features::NOTIFICATION_DATA, 8, true),
        (Features::NOTIFICATION_DATA, 7, false),
    ] {
        let rig = notified(4, 1, len, offer);
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let queue = QueueIndex::new(0);
        let mut slots = slots::<2>();
        let outcome = device
            .prepare_queue(&rig.pool, queue, CONFIG, &mut slots)
            .map(drop);
        let expected = QueueError::Enable(EnableQueueError::NotifiedElsewhere {
            queue,
            offset: 4,
            len_bytes: len as usize,
        });
        assert_eq!(
            outcome,
            if fits { Ok(()) } else { Err(expected) },
            "{offer:?}, {len}"
        );
        rig.pool.allow_leaks();
    }
}

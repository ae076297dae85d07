//! Bringing a device up, and what is refused.

use levitate_drivers_gpu::{GpuStorage, InitError};
use levitate_host::{BlockModel, Plug, Version};
use levitate_virtio::{ConfigError, DeviceType, QueueError};

use crate::rig::{Rig, chunks, display};

#[test]
fn a_device_is_brought_up_in_order_and_reset_at_the_end() {
    for plug in Plug::ALL {
        let expected: &[u64] = match plug {
            Plug::Mmio(Version::One) => &[0, 1, 3, 7, 0],
            _ => &[0, 1, 3, 0xb, 0xf, 0],
        };
        let rig = Rig::new(plug, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let gpu = rig.gpu(&mut storage);
        assert_eq!(gpu.config().unwrap().num_scanouts, 1);
        assert_eq!(
            rig.device.notifications(),
            [0_u64; 0],
            "nothing is notified before a command"
        );
        drop(gpu);
        assert_eq!(rig.device.statuses(), expected);
    }
}

#[test]
fn another_kind_of_device_is_left_alone() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let error = rig.try_gpu(&mut storage).unwrap_err();
    assert_eq!(
        error,
        InitError::WrongDeviceType {
            found: DeviceType::BLOCK
        }
    );
    assert_eq!(rig.device.statuses(), [0_u64; 0]);
}

#[test]
fn a_number_of_scanouts_no_device_may_have_is_refused() {
    for plug in Plug::ALL {
        for found in [0_u32, 17, u32::MAX] {
            let rig = Rig::plug(display(64, 48), plug, |behaviour| {
                behaviour.config_override = vec![(8, found.to_le_bytes().to_vec())];
            });
            let mut storage = GpuStorage::<_>::new();
            let error = rig.try_gpu(&mut storage).unwrap_err();
            assert_eq!(error, InitError::ScanoutCount { found });
            assert_eq!(
                rig.device.status() & 0x80,
                0x80,
                "the device is marked FAILED"
            );
        }
    }
}

#[test]
fn a_configuration_that_never_holds_still_is_refused() {
    for plug in Plug::ALL {
        let rig = Rig::plug(display(64, 48), plug, |behaviour| {
            behaviour.config_never_still = true;
        });
        let mut storage = GpuStorage::<_>::new();
        let error = InitError::Config(ConfigError::NeverStable { attempts: 64 });
        assert_eq!(rig.try_gpu(&mut storage).map(drop), Err(error));
    }
}

#[test]
fn a_configuration_that_is_cut_short_is_refused() {
    for version in [Version::One, Version::Two] {
        let rig = Rig::plug(display(64, 48), version, |behaviour| {
            behaviour.region_len_bytes = 0x100 + 12;
        });
        let mut storage = GpuStorage::<_>::new();
        let error = InitError::Config(ConfigError::TooShort {
            offset: 12,
            width_bytes: 4,
            len_bytes: 12,
        });
        assert_eq!(rig.try_gpu(&mut storage).map(drop), Err(error));
    }
}

#[test]
fn a_queue_too_small_for_a_picture_is_refused() {
    for plug in Plug::ALL {
        for queue_size_max in [1, 2] {
            let rig = Rig::plug(display(64, 48), plug, |behaviour| {
                behaviour.queue_size_max = queue_size_max;
            });
            let mut storage = GpuStorage::<_>::new();
            let error = rig.try_gpu(&mut storage).unwrap_err();
            let is_expected = match error {
                InitError::Queue(QueueError::TooSmall { max, .. }) => max == queue_size_max,
                InitError::TooFewSlots { slots, needed } => slots < needed,
                _ => false,
            };
            assert!(is_expected, "{error:?}");
        }
    }
}

#[test]
fn too_few_slots_are_refused() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_, 3>::new();
    let error = rig.try_gpu(&mut storage).unwrap_err();
    assert_eq!(
        error,
        InitError::TooFewSlots {
            slots: 3,
            needed: 4
        }
    );
    rig.pool.assert_no_leaks();
    let mut storage = GpuStorage::<_, 0>::new();
    let error = rig.try_gpu(&mut storage).unwrap_err();
    assert_eq!(error, InitError::Queue(QueueError::Empty));
}

#[test]
fn a_device_that_refuses_its_own_features_is_not_used() {
    let rig = Rig::plug(display(64, 48), Version::Two, |behaviour| {
        behaviour.refuse_features = true;
    });
    let mut storage = GpuStorage::<_>::new();
    let error = rig.try_gpu(&mut storage).unwrap_err();
    let refused = matches!(
        error,
        InitError::Init(levitate_virtio::InitError::FeaturesRefused { .. })
    );
    assert!(refused, "{error:?}");
    assert_eq!(rig.device.statuses(), [0, 1, 3, 0xb, 0x83]);
}

#[test]
fn of_all_features_only_those_that_are_implemented_are_accepted() {
    for plug in Plug::ALL {
        let rig = Rig::plug(display(64, 48), plug, |behaviour| {
            behaviour.offer = 0x3d; // VIRGL, RESOURCE_UUID and the others besides EDID
        });
        let mut storage = GpuStorage::<_>::new();
        let _gpu = rig.gpu(&mut storage);
        assert_eq!(rig.device.negotiated() & 0xff_ffff, 2);
    }
}

#[test]
fn a_driver_and_its_picture_can_be_sent_to_another_thread() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
    let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gpu.present(&mut picture).unwrap();
            gpu.destroy_framebuffer(picture).unwrap();
            drop(gpu);
        });
    });
}

//! How large the picture should be: display info, EDID, or a guess.

use levitate_drivers_gpu::{
    CommandError, CommandType, EdidError, Error, GpuFeatures, GpuStorage, Mode, ModeSource,
    ResponseFault,
};
use levitate_host::gpu::{Command, edid};
use levitate_host::{Fault, Plug, Version};

use crate::picture::Random;
use crate::rig::{Rig, display};

fn mode(width: u32, height: u32, source: ModeSource) -> Mode {
    Mode {
        width,
        height,
        source,
    }
}

#[test]
fn the_size_of_an_enabled_scanout_comes_first() {
    for plug in Plug::ALL {
        let model = display(1280, 800).with_scanout(640, 480);
        let rig = Rig::plug(model, plug, |_| ());
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        assert_eq!(gpu.num_scanouts(), 2);
        assert_eq!(
            gpu.preferred_mode(0),
            Ok(mode(1280, 800, ModeSource::DisplayInfo))
        );
        assert_eq!(
            gpu.preferred_mode(1),
            Ok(mode(640, 480, ModeSource::DisplayInfo))
        );
        let info = gpu.display_info().unwrap();
        let displays = info.displays();
        assert_eq!(displays.len(), 2);
        assert!(displays[1].is_enabled);
        assert_eq!((displays[1].width, displays[1].height), (640, 480));
    }
}

#[test]
fn the_edid_comes_second() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 1280, 800);
        rig.device.change_config(|gpu| {
            gpu.set_mode(0, 1280, 800, false);
            gpu.set_edid(&edid(1920, 1080));
        });
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        assert_eq!(gpu.features().unwrap().device, GpuFeatures::EDID);
        assert_eq!(
            gpu.preferred_mode(0),
            Ok(mode(1920, 1080, ModeSource::Edid))
        );
        let edid_again = gpu.edid(0).unwrap();
        assert_eq!(edid_again.as_bytes(), edid(1920, 1080));
        assert_eq!(edid_again.preferred_timing().unwrap().width, 1920);
    }
}

#[test]
fn the_fallback_comes_last() {
    let model = display(1280, 800).without_edid();
    let rig = Rig::plug(model, Version::Two, |_| ());
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 1280, 800, false));
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    assert_eq!(
        gpu.preferred_mode(0),
        Ok(mode(1024, 768, ModeSource::Fallback))
    );
    assert_eq!(gpu.edid(0), Err(Error::NoEdid));
    // GET_EDID must not be sent where the feature was not negotiated (§5.7.6.8).
    let commands = rig.take_commands();
    assert!(
        commands
            .iter()
            .all(|command| *command == Command::GetDisplayInfo),
        "{commands:?}"
    );
}

#[test]
fn absurd_sizes_count_as_none() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 1280, 800);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        rig.device.model(|gpu| gpu.set_edid(&edid(800, 600)));
        for (width, height) in [
            (0, 0),
            (0, 800),
            (1280, 0),
            (16385, 10),
            (u32::MAX, u32::MAX),
        ] {
            rig.device
                .change_config(|gpu| gpu.set_mode(0, width, height, true));
            assert_eq!(gpu.preferred_mode(0), Ok(mode(800, 600, ModeSource::Edid)));
        }
        rig.device
            .change_config(|gpu| gpu.set_mode(0, 16384, 16384, true));
        assert_eq!(
            gpu.preferred_mode(0),
            Ok(mode(16384, 16384, ModeSource::DisplayInfo))
        );
    }
}

#[test]
fn a_bad_edid_counts_as_none() {
    let rig = Rig::new(Version::Two, 1280, 800);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.change_config(|gpu| gpu.set_mode(0, 0, 0, false));
    let mut wrong_sum = edid(800, 600);
    wrong_sum[127] ^= 1;
    let mut no_header = edid(800, 600);
    no_header[0] = 1;
    type Check = fn(EdidError) -> bool;
    let cases: [(&[u8], Check); 4] = [
        (&[], |error| {
            matches!(error, EdidError::TooShort { len_bytes: 0 })
        }),
        (&edid(800, 600)[..127], |error| {
            matches!(error, EdidError::TooShort { len_bytes: 127 })
        }),
        (&wrong_sum, |error| {
            matches!(error, EdidError::BadChecksum { sum: 1 | 255 })
        }),
        (&no_header, |error| {
            matches!(error, EdidError::BadHeader { .. })
        }),
    ];
    for (bytes, is_expected) in cases {
        rig.device.model(|gpu| gpu.set_edid(bytes));
        assert!(is_expected(
            gpu.edid(0).unwrap().preferred_timing().unwrap_err()
        ));
        assert_eq!(gpu.preferred_mode(0), Ok(Mode::FALLBACK));
    }
}

#[test]
fn garbage_for_an_edid_never_yields_an_impossible_size() {
    let rig = Rig::new(Version::Two, 1280, 800);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.change_config(|gpu| gpu.set_mode(0, 0, 0, false));
    let mut random = Random::new(7);
    for _ in 0..300 {
        let mut bytes: Vec<u8> = (0..random.within(0..1025))
            .map(|_| random.next() as u8)
            .collect();
        if bytes.len() >= 128 && random.next().is_multiple_of(2) {
            bytes[..8].copy_from_slice(&edid(1, 1)[..8]);
            bytes[127] = 0;
            let sum = bytes[..128]
                .iter()
                .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            bytes[127] = sum.wrapping_neg();
        }
        rig.device.model(|gpu| gpu.set_edid(&bytes));
        let found = gpu.preferred_mode(0).unwrap();
        assert!((1..=16384).contains(&found.width) && (1..=16384).contains(&found.height));
        assert_eq!(gpu.edid(0).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn a_device_that_refuses_its_edid_has_none() {
    let rig = Rig::new(Version::Two, 1280, 800);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.change_config(|gpu| gpu.set_mode(0, 0, 0, false));
    rig.device.inject(Fault::AnswerType(0x1205));
    let error = CommandError::InvalidParameter;
    let command = CommandType::GetEdid;
    assert_eq!(gpu.edid(0), Err(Error::Command { command, error }));
    for answer in [0x1205, 0x1100] {
        // The first answer is what it should be, the second is not.
        rig.device.inject(Fault::AnswerType(0x1101));
        rig.device.inject(Fault::AnswerType(answer));
        assert_eq!(gpu.preferred_mode(0), Ok(Mode::FALLBACK));
    }
    // Without display info there is nothing to go by.
    rig.device.inject(Fault::AnswerType(0x1205));
    let command = CommandType::GetDisplayInfo;
    assert_eq!(
        gpu.preferred_mode(0),
        Err(Error::Command { command, error })
    );
}

#[test]
fn an_edid_shorter_than_it_claims_is_refused() {
    let rig = Rig::new(Version::Two, 1280, 800);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.change_config(|gpu| gpu.set_mode(0, 0, 0, false));
    for (len_bytes, expected_bytes) in [(8, 24), (24, 32), (31, 32), (32, 160), (159, 160)] {
        rig.device.inject(Fault::AnswerTruncated { len_bytes });
        let written_bytes = len_bytes as usize;
        let fault = ResponseFault::TooShort {
            written_bytes,
            expected_bytes,
        };
        let command = CommandType::GetEdid;
        assert_eq!(gpu.edid(0), Err(Error::Response { command, fault }));
    }
    rig.device.inject(Fault::AnswerTruncated { len_bytes: 160 });
    assert_eq!(gpu.edid(0).unwrap().as_bytes().len(), 128);
}

#[test]
fn scanouts_the_device_does_not_have_are_refused_before_anything_is_sent() {
    let rig = Rig::new(Version::Two, 1280, 800);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    for scanout in [1, 16, u32::MAX] {
        let error = Error::NoSuchScanout { scanout, count: 1 };
        assert_eq!(gpu.edid(scanout), Err(error));
        assert_eq!(gpu.preferred_mode(scanout), Err(error));
        let refused = gpu.create_framebuffer(scanout, 64, 64, &mut []);
        assert_eq!(refused.map(drop), Err(error));
    }
    assert_eq!(rig.take_requests(), []);
}

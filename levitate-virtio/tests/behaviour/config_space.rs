//! Reading a configuration space that changes meanwhile, and writing to it (§2.5).

use levitate_host::{Plug, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{ConfigError, Device, Features, Wanted};

use crate::rig::{CONFIG, Rig, TIMEOUT, slots};

#[test]
fn fields_are_read_at_their_width() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        rig.device
            .model(|echo| echo.config = core::array::from_fn(|index| index as u8));
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let fields = device
            .read_config(|config| {
                Ok((
                    config.read_u64(0)?,
                    config.read_u32(8)?,
                    config.read_u16(12)?,
                    config.read_u8(14)?,
                ))
            })
            .unwrap();
        assert_eq!(fields, (0x0706_0504_0302_0100, 0x0b0a_0908, 0x0d0c, 0x0e));
        assert_eq!(rig.device.violations(), []);
    }
}

#[test]
fn a_value_that_changes_between_its_halves_is_read_again() {
    for plug in Plug::ALL {
        for reads in 1..=6 {
            let rig = Rig::new(plug);
            rig.device.model(|echo| echo.config = [0x11; 16]);
            rig.device
                .change_config_after_reads(reads, |echo| echo.config = [0x22; 16]);
            let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
            let value = device
                .read_config(|config| Ok((config.read_u64(0)?, config.read_u32(8)?)))
                .unwrap();
            let old = (0x1111_1111_1111_1111, 0x1111_1111);
            let new = (0x2222_2222_2222_2222, 0x2222_2222);
            assert!(
                value == old || value == new,
                "{plug:?}, after {reads} reads: {value:x?}"
            );
        }
    }
}

#[test]
fn a_generation_that_holds_still_costs_one_reading() {
    let rig = Rig::new(Version::Two);
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    device.read_config(|config| config.read_u32(8)).unwrap();
    assert_eq!(rig.device.log().reads_of(0xfc).len(), 2, "before and after");
    assert_eq!(rig.device.log().reads_of(0x108).len(), 1);
}

#[test]
fn a_configuration_that_never_holds_still_is_an_error() {
    for plug in Plug::ALL {
        let rig = Rig::plug(plug, |b| b.config_never_still = true);
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let error = device.read_config(|config| config.read_u64(0)).unwrap_err();
        assert_eq!(error, ConfigError::NeverStable { attempts: 64 }, "{plug:?}");
    }
}

#[test]
fn a_field_past_the_end_is_an_error_and_not_read() {
    let rig = Rig::with(|device| device.behave(|b| b.region_len_bytes = 0x10a));
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    rig.device.clear_log();
    let error = device.read_config(|config| config.read_u32(8)).unwrap_err();
    assert_eq!(
        error,
        ConfigError::TooShort {
            offset: 8,
            width_bytes: 4,
            len_bytes: 10
        }
    );
    assert!(
        device
            .read_config(|config| config.read_u8(usize::MAX))
            .is_err()
    );
    assert!(rig.device.log().reads_of(0x108).is_empty());
    assert_eq!(device.read_config(|config| config.read_u16(8)).unwrap(), 0);
    let complaints = rig.device.take_violations();
    assert_eq!(complaints.len(), 1, "that field is one of 4 bytes");
    assert_eq!(complaints[0].id, "MMIO-05");
}

#[test]
fn fields_are_written_at_their_width_before_the_device_is_live_and_after() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let mut writer = device.config_writer();
        writer.write_u32(8, 0x0b0a_0908).unwrap();
        writer.write_u16(12, 0x0d0c).unwrap();
        let mut device = device.go_live();
        device.config_writer().write_u8(14, 0x0e).unwrap();
        let config = rig.device.model(|echo| echo.config);
        assert_eq!(
            config[8..],
            [8, 9, 10, 11, 12, 13, 14, 0],
            "little-endian, {plug:?}"
        );
        assert_eq!(config[..8], [0; 8]);
        assert_eq!(rig.device.violations(), []);
    }
}

#[test]
fn a_field_past_the_end_is_an_error_and_not_written() {
    let rig = Rig::with(|device| device.behave(|b| b.region_len_bytes = 0x10a));
    let mut slots = slots::<1>();
    let (mut device, queue) = rig.start(&mut slots, Features::empty(), CONFIG);
    rig.device.clear_log();
    let mut writer = device.config_writer();
    let too_short = |offset, width_bytes| {
        Err(ConfigError::TooShort {
            offset,
            width_bytes,
            len_bytes: 10,
        })
    };
    assert_eq!(writer.write_u32(8, 0), too_short(8, 4));
    assert_eq!(writer.write_u16(9, 0), too_short(9, 2));
    assert_eq!(writer.write_u8(usize::MAX, 0), too_short(usize::MAX, 1));
    assert!(rig.device.log().all().is_empty());
    rig.stop(device, queue);
}

#[test]
fn a_field_that_is_not_aligned_is_an_error_and_not_touched() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let misaligned = |offset, align_bytes| ConfigError::Misaligned {
            offset,
            align_bytes,
        };
        rig.device.clear_log();
        for offset in [1, 2, 3, 5] {
            let read = device.read_config(|config| config.read_u32(offset));
            assert_eq!(read, Err(misaligned(offset, 4)));
            let read = device.read_config(|config| config.read_u64(offset));
            assert_eq!(read, Err(misaligned(offset, 4)));
            let written = device.config_writer().write_u32(offset, !0);
            assert_eq!(written, Err(misaligned(offset, 4)));
            assert!(rig.device.log().reads_of(0x100 + offset).is_empty());
            assert!(rig.device.log().writes_to(0x100 + offset).is_empty());
        }
        let read = device.read_config(|config| config.read_u16(1));
        assert_eq!(read, Err(misaligned(1, 2)));
        let written = device.config_writer().write_u16(1, !0);
        assert_eq!(written, Err(misaligned(1, 2)));
        assert_eq!(rig.device.model(|echo| echo.config), [0; 16]);
        assert_eq!(device.read_config(|config| config.read_u64(4)), Ok(0));
        assert_eq!(rig.device.violations(), []);
    }
}

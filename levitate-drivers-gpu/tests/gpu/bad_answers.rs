//! Answers that are wrong: each is an error that names what is wrong, and never more than that.

use levitate_drivers_gpu::{CommandError, CommandType, Error, GpuStorage, ResponseFault};
use levitate_host::device::{ConfigField, DeviceModel, Violations};
use levitate_host::queue::Request;
use levitate_host::{Completion, Fault, GpuModel, Version};
use levitate_virtio::DeviceFault;

use crate::picture::{Picture, Random, Stroke, card};
use crate::rig::{Rig, Variant, chunks, display, every_variant};

#[test]
fn error_codes_are_told_by_name() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let command = CommandType::GetDisplayInfo;
    for (code, error) in [
        (0x1200, CommandError::Unspecified),
        (0x1201, CommandError::OutOfMemory),
        (0x1202, CommandError::InvalidScanoutId),
        (0x1203, CommandError::InvalidResourceId),
        (0x1204, CommandError::InvalidContextId),
        (0x1205, CommandError::InvalidParameter),
        (0x12fe, CommandError::Undefined(0x12fe)),
    ] {
        rig.device.inject(Fault::AnswerType(code));
        assert_eq!(gpu.display_info(), Err(Error::Command { command, error }));
    }
    assert!(gpu.display_info().is_ok());
}

#[test]
fn an_answer_of_the_wrong_type_is_refused() {
    for rig in every_variant(64, 48) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let command = CommandType::GetDisplayInfo;
        for found in [0, 0x0100, 0x1100, 0x1102, 0x1300, u32::MAX] {
            rig.device.inject(Fault::AnswerType(found));
            let fault = ResponseFault::UnexpectedType {
                found,
                expected: 0x1101,
            };
            assert_eq!(gpu.display_info(), Err(Error::Response { command, fault }));
        }
        assert!(gpu.display_info().is_ok());
    }
}

#[test]
fn an_answer_that_is_too_short_is_refused() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let command = CommandType::GetDisplayInfo;
    for (len_bytes, expected_bytes) in [(0, 24), (4, 24), (23, 24), (24, 408), (407, 408)] {
        rig.device.inject(Fault::AnswerTruncated { len_bytes });
        let written_bytes = len_bytes as usize;
        let fault = ResponseFault::TooShort {
            written_bytes,
            expected_bytes,
        };
        assert_eq!(gpu.display_info(), Err(Error::Response { command, fault }));
    }
    // A legacy device's lengths mean nothing: there it is the missing type that tells.
    let rig = Rig::new(Version::One, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.inject(Fault::AnswerTruncated { len_bytes: 0 });
    let fault = ResponseFault::UnexpectedType {
        found: 0,
        expected: 0x1101,
    };
    assert_eq!(gpu.display_info(), Err(Error::Response { command, fault }));
}

#[test]
fn a_used_ring_that_lies_breaks_the_queue_until_the_reset() {
    for variant in Variant::ALL {
        for fault in [
            Fault::UsedIdOutOfRange,
            Fault::UsedIdNotInFlight,
            Fault::UsedTwice,
            Fault::UsedIndexJump(9),
        ] {
            let rig = Rig::new(variant, 64, 48);
            let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
            let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
            card(&mut picture).unwrap();
            rig.device.inject(fault);
            let error = gpu.present(&mut picture).unwrap_err();
            assert!(matches!(error, Error::Device(_)), "{fault:?}: {error:?}");
            assert_eq!(
                picture.damage().count(),
                1,
                "what was not shown is not forgotten"
            );
            assert_eq!(gpu.display_info(), Err(error));
            assert_eq!(gpu.present(&mut picture), Err(error));

            gpu.reset().unwrap();
            gpu.attach(&mut picture).unwrap();
            gpu.present(&mut picture).unwrap();
            rig.visible().assert_same(&Picture::card(64, 48));
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn a_length_beyond_the_answer_is_the_devices_fault() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.inject(Fault::UsedLen(409));
    let fault = DeviceFault::UsedLengthTooLong {
        len_bytes: 409,
        capacity_bytes: 408,
    };
    assert_eq!(gpu.display_info(), Err(Error::Device(fault)));
}

/// An adapter that changes bytes of its answers.
struct Altered {
    inner: GpuModel,
    /// Command, offset in the answer, what stands there instead.
    change: Option<(u32, usize, Vec<u8>)>,
}

impl DeviceModel for Altered {
    fn device_id(&self) -> u32 {
        self.inner.device_id()
    }
    fn features(&self) -> u64 {
        self.inner.features()
    }
    fn queue_count(&self) -> u16 {
        self.inner.queue_count()
    }
    fn config_fields(&self) -> &'static [ConfigField] {
        self.inner.config_fields()
    }
    fn config_len(&self) -> usize {
        self.inner.config_len()
    }
    fn config(&self) -> Vec<u8> {
        self.inner.config()
    }
    fn write_config(&mut self, offset: usize, bytes: &[u8], violations: &mut Violations) {
        self.inner.write_config(offset, bytes, violations);
    }
    fn serve(&mut self, queue: u16, request: &mut Request<'_>) {
        let kind = request.read_all().expect("readable");
        let kind = u32::from_le_bytes(kind[..4].try_into().expect("four bytes"));
        self.inner.serve(queue, request);
        if let Some((command, offset, bytes)) = &self.change
            && *command == kind
        {
            request.write(*offset, bytes);
        }
    }
    fn reset(&mut self) {
        self.inner.reset();
    }
}

fn altered(command: CommandType, offset: usize, bytes: &[u8]) -> Rig<Altered> {
    let change = Some((command.code(), offset, bytes.to_vec()));
    let inner = display(64, 48);
    Rig::plug(Altered { inner, change }, Version::Two, |_| ())
}

#[test]
fn a_flush_with_another_fence_or_none_is_refused_and_repeated() {
    let command = CommandType::ResourceFlush;
    for (offset, bytes, has_fence) in [(8, &[0xee; 8][..], true), (4, &[0; 4], false)] {
        let rig = altered(command, offset, bytes);
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(1));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        let error = gpu.present(&mut picture).unwrap_err();
        let Error::Response {
            command: found_command,
            fault,
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(found_command, command);
        let ResponseFault::UnexpectedFence { found, .. } = fault else {
            panic!("{fault:?}");
        };
        assert_eq!(found, has_fence.then_some(0xeeee_eeee_eeee_eeee));
        assert_eq!(picture.damage().count(), 1);
        rig.device.model(|model| model.change = None);
        assert_eq!(gpu.present(&mut picture).unwrap().commands, 2);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn an_edid_with_an_impossible_length_is_refused() {
    for size_bytes in [1025_u32, 4096, u32::MAX] {
        let rig = altered(CommandType::GetEdid, 24, &size_bytes.to_le_bytes());
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let fault = ResponseFault::EdidTooLong { size_bytes };
        let command = CommandType::GetEdid;
        assert_eq!(gpu.edid(0), Err(Error::Response { command, fault }));
    }
}

/// One of the many ways to lie.
fn random_fault(random: &mut Random) -> Fault {
    match random.within(0..9) {
        0 => Fault::UsedIdOutOfRange,
        1 => Fault::UsedIdNotInFlight,
        2 => Fault::UsedTwice,
        3 => Fault::UsedLen(random.next() >> random.within(0..32)),
        4 => Fault::UsedIndexJump(random.next() as u16),
        5 => Fault::AnswerTruncated {
            len_bytes: random.within(0..60) as u32,
        },
        6 => Fault::AnswerType(
            [0, 0x1100, 0x1101, 0x1104, 0x1203, 0x1205][random.within(0..6) as usize],
        ),
        7 => Fault::NoUsedElement,
        _ => Fault::NeedsReset,
    }
}

#[test]
fn whatever_a_device_answers_nothing_worse_than_an_error_comes_of_it() {
    for variant in Variant::ALL {
        for seed in 0..30 {
            let mut random = Random::new(seed);
            let rig = Rig::new(variant, 64, 48);
            let mut storage = GpuStorage::<_, 6>::new();
            let mut gpu = rig.gpu(&mut storage);
            let (mut chunks, mut spare) = (chunks(3), chunks(2));
            let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
            let mut expected = Picture::black(64, 48);
            let size = embedded_graphics::prelude::Size::new(64, 48);
            for _ in 0..40 {
                if random.next().is_multiple_of(3) {
                    rig.device.inject(random_fault(&mut random));
                }
                let stroke = Stroke::random(&mut random, size);
                stroke.draw(&mut picture).unwrap();
                stroke.draw(&mut expected).unwrap();
                let result = match random.within(0..7) {
                    0 => gpu.display_info().map(drop),
                    1 => gpu.edid(0).map(drop),
                    2 => gpu.preferred_mode(0).map(drop),
                    3 => gpu.submit_present(&mut picture).map(drop),
                    4 => gpu.show(&picture),
                    5 => match gpu.create_framebuffer(0, 33, 44, &mut spare) {
                        Ok(mut other) => gpu.present(&mut other).map(drop),
                        Err(error) => Err(error),
                    },
                    _ => gpu.present(&mut picture).map(drop),
                };
                if matches!(result, Err(Error::Timeout(_) | Error::Device(_))) {
                    gpu.reset().unwrap();
                    let _ = gpu.attach(&mut picture);
                }
            }
            // Honest again, it shows what was drawn all the while.
            rig.device.set_completion(Completion::Inline);
            while !rig.device.waiting().is_empty() {
                rig.device.release_all();
            }
            gpu.reset().unwrap();
            for _ in 0..50 {
                // Faults that nobody has met yet.
                let _ = gpu.display_info();
                if gpu.display_info().is_err() {
                    gpu.reset().unwrap();
                }
            }
            gpu.attach(&mut picture).unwrap();
            gpu.present(&mut picture).unwrap();
            rig.visible().assert_same(&expected);
            gpu.destroy_framebuffer(picture).unwrap();
            gpu.reclaim(&mut spare).unwrap();
        }
    }
}

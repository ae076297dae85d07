//! A device that leaves a question for an EDID unanswered: the picture does not suffer, and no more than one deadline passes.

use std::ops::Range;
use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Error, Gpu, GpuStorage, Mode, ModeSource};
use levitate_host::gpu::{Command, edid};
use levitate_host::{Completion, Fault, GpuModel, Pool, Version, VirtualClock};
use levitate_virtio::{MmioTransport, Timeout, TimeoutCause};

use crate::meddler::{Meddler, Touch};
use crate::picture::Picture;
use crate::rig::{Platform, Rig, chunks, display};

type MeddledGpu<'s> = Gpu<'s, MmioTransport<Meddler>, Platform>;

const TIMEOUT: Duration = Duration::from_secs(5);

fn meddled<'s, const N: usize>(
    rig: &Rig,
    storage: &'s mut GpuStorage<Pool, N>,
) -> (MeddledGpu<'s>, Meddler) {
    let meddler = Meddler::new(rig.device.mmio());
    let transport = MmioTransport::probe(meddler.clone()).unwrap().unwrap();
    let gpu = Gpu::new(transport, rig.platform(), storage).unwrap();
    (gpu, meddler)
}

/// Has the device answer everything from now on but the questions that come with these notifications, counted from 0.
fn keep_silent(rig: &Rig, meddler: &Meddler, about: Range<usize>) {
    rig.device.set_completion(Completion::Held);
    let (mut notified, mut kept) = (0, 0);
    meddler.meddle(move |device, touch| {
        if touch == Touch::Notified {
            if about.contains(&notified) {
                kept += 1;
            }
            notified += 1;
            while device.waiting().len() > kept {
                device.release_at(kept);
            }
        }
    });
}

/// Answers what is late, and everything from now on.
fn speak_again(rig: &Rig, meddler: &Meddler) {
    meddler.stop();
    rig.device.release_all();
    rig.device.set_completion(Completion::Inline);
}

fn screens(count: usize) -> GpuModel {
    (1..count).fold(display(64, 48), |model, _| model.with_scanout(64, 48))
}

/// Returns how long `act` takes, and what comes of it.
fn timed<R>(clock: &VirtualClock, act: impl FnOnce() -> R) -> (Duration, R) {
    let before = clock.present();
    let result = act();
    (clock.present().since(before), result)
}

fn edids_asked_for(rig: &Rig) -> Vec<u32> {
    let commands = rig.take_commands().into_iter();
    commands
        .filter_map(|command| match command {
            Command::GetEdid { scanout } => Some(scanout),
            _ => None,
        })
        .collect()
}

#[test]
fn sixteen_silent_monitors_take_one_deadline() {
    for version in [Version::One, Version::Two] {
        let rig = Rig::plug(screens(16), version, |_| ());
        let mut storage = GpuStorage::<_>::new();
        let (mut gpu, meddler) = meddled(&rig, &mut storage);
        // All but the display info, which is asked for first.
        keep_silent(&rig, &meddler, 1..17);
        let (waited, asked) = timed(&rig.clock, || gpu.screens());
        assert!((TIMEOUT..TIMEOUT * 2).contains(&waited), "{waited:?}");
        let asked = asked.unwrap();
        assert_eq!(asked.as_slice().len(), 16);
        for screen in asked.as_slice() {
            assert_eq!((screen.mode().width, screen.mode().height), (64, 48));
            assert_eq!(screen.edid_mode, None);
        }
        assert_eq!(rig.device.waiting().len(), 1, "one slot is taken");
        speak_again(&rig, &meddler);
    }
}

#[test]
fn slow_answers_about_screens_share_one_deadline() {
    let rig = Rig::plug(screens(16), Version::Two, |behaviour| {
        behaviour.completion = Completion::After(Duration::from_secs(1));
    });
    rig.device.model(|gpu| gpu.set_edid(&edid(800, 600)));
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let (waited, screens) = timed(&rig.clock, || gpu.screens());
    assert!((TIMEOUT..TIMEOUT * 2).contains(&waited), "{waited:?}");
    let screens = screens.unwrap();
    let told = screens
        .as_slice()
        .iter()
        .map(|screen| screen.edid_mode.is_some());
    // The display info takes a second, and each EDID: the last one in time is the third or fourth.
    let told = told.filter(|is_told| *is_told).count();
    assert!((3..=4).contains(&told), "{told}");
}

#[test]
fn a_silent_monitor_takes_no_picture_away_with_the_fewest_slots() {
    for version in [Version::One, Version::Two] {
        // The model learns of a question when it answers, so it would report that none was asked (GPU-07).
        let model = GpuModel::new(64, 48).with_scanout(64, 48);
        let rig = Rig::plug(model, version, |_| ());
        let mut storage = GpuStorage::<_, 4>::new();
        let (mut gpu, meddler) = meddled(&rig, &mut storage);
        keep_silent(&rig, &meddler, 1..2);
        let mut memory = chunks(2);
        let (waited, picture) = timed(&rig.clock, || {
            gpu.create_framebuffer(0, 64, 48, &mut memory).unwrap()
        });
        assert!((TIMEOUT..TIMEOUT * 2).contains(&waited), "{waited:?}");
        // The answer is still owed, and nothing of what comes now waits for it: not a question, a frame, or a picture of another size.
        let (waited, ()) = timed(&rig.clock, || {
            for _ in 0..3 {
                gpu.screens().unwrap();
            }
            let chunks = gpu.destroy_framebuffer(picture).unwrap();
            let mut picture = gpu.create_framebuffer(0, 64, 48, chunks).unwrap();
            gpu.present(&mut picture).unwrap();
            let mut expected = Picture::black(64, 48);
            for corner in [(0, 0), (60, 0), (0, 44), (60, 44)] {
                let area = Rectangle::new(corner.into(), Size::new(4, 4));
                picture.fill_solid(&area, Rgb888::GREEN).unwrap();
                expected.fill_solid(&area, Rgb888::GREEN).unwrap();
            }
            gpu.present(&mut picture).unwrap();
            rig.visible().assert_same(&expected);
            gpu.destroy_framebuffer(picture).unwrap();
        });
        assert!(waited < TIMEOUT, "{waited:?}");
        assert_eq!(rig.device.waiting().len(), 1);
        speak_again(&rig, &meddler);
    }
}

#[test]
fn a_monitor_that_answers_too_late_leaves_no_time_to_ask_the_next() {
    let rig = Rig::plug(screens(3), Version::Two, |behaviour| {
        behaviour.completion = Completion::Held;
    });
    let mut storage = GpuStorage::<_>::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    let mut notified = 0;
    meddler.meddle(move |device, touch| {
        // The first EDID is there when the driver looks for what is wrong; of the others it would not hear at all.
        match touch {
            Touch::Notified if notified == 0 => notified += device.release_all(),
            Touch::Notified => {
                device.set_completion(Completion::Deaf);
            }
            Touch::StatusRead => {
                device.release_all();
            }
        }
    });
    let (waited, asked) = timed(&rig.clock, || gpu.screens());
    assert!((TIMEOUT..TIMEOUT * 2).contains(&waited), "{waited:?}");
    assert_eq!(asked.unwrap().as_slice().len(), 3);
    assert_eq!(edids_asked_for(&rig), [0]);
    speak_again(&rig, &meddler);
}

#[test]
fn a_monitor_is_asked_again_once_its_late_answer_is_there() {
    let rig = Rig::new(Version::Two, 64, 48);
    rig.device.model(|gpu| gpu.set_edid(&edid(800, 600)));
    let mut storage = GpuStorage::<_>::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    keep_silent(&rig, &meddler, 1..2);
    for _ in 0..2 {
        assert_eq!(gpu.screens().unwrap().as_slice()[0].edid_mode, None);
    }
    // Whoever wants the EDID itself waits for the answer that is owed, and takes no slot more.
    for _ in 0..20 {
        let cause = TimeoutCause::NotCompleted;
        let timeout = TIMEOUT;
        let silent = gpu.edid(0);
        assert_eq!(silent, Err(Error::Timeout(Timeout { timeout, cause })));
        assert_eq!(rig.device.waiting().len(), 1);
    }
    speak_again(&rig, &meddler);
    let mode = Mode {
        width: 800,
        height: 600,
        source: ModeSource::Edid,
    };
    let screens = gpu.screens().unwrap();
    assert_eq!(screens.as_slice()[0].edid_mode, Some(mode));
    assert_eq!(gpu.edid(0).unwrap().as_bytes(), edid(800, 600));
}

#[test]
fn a_reset_ends_the_silence() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    keep_silent(&rig, &meddler, 1..2);
    gpu.screens().unwrap();
    assert_eq!(rig.device.waiting().len(), 1);
    gpu.reset().unwrap();
    meddler.stop();
    rig.device.set_completion(Completion::Inline);
    rig.take_commands();
    gpu.screens().unwrap();
    assert_eq!(edids_asked_for(&rig), [0]);
}

#[test]
fn a_device_that_does_not_even_fetch_the_question_is_an_error() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    // It falls silent as soon as it has answered the display info.
    meddler.meddle(|device, touch| {
        if touch == Touch::Notified {
            device.set_completion(Completion::Deaf);
        }
    });
    let silent = gpu.screens();
    assert!(
        matches!(
            silent,
            Err(Error::Timeout(Timeout {
                cause: TimeoutCause::NotFetched { .. },
                ..
            }))
        ),
        "{silent:?}"
    );
}

#[test]
fn the_size_of_a_picture_needs_no_other_monitor() {
    let rig = Rig::plug(screens(3), Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.change_config(|gpu| gpu.set_mode(1, 0, 0, false));
    assert_eq!(
        gpu.preferred_mode(0).unwrap().source,
        ModeSource::DisplayInfo
    );
    assert_eq!(edids_asked_for(&rig), [0; 0]);
    rig.device
        .model(|gpu| gpu.set_scanout_edid(1, &edid(800, 600)));
    assert_eq!(gpu.preferred_mode(1).unwrap().source, ModeSource::Edid);
    assert_eq!(edids_asked_for(&rig), [1]);
    // A garbled answer about one monitor costs the others nothing.
    rig.device.inject(Fault::AnswerType(0x1101));
    rig.device.inject(Fault::AnswerType(0xdead));
    let asked = gpu.screens().unwrap();
    let modes = asked.as_slice().iter().map(|screen| screen.mode().source);
    let told = ModeSource::DisplayInfo;
    assert_eq!(modes.collect::<Vec<_>>(), [told, ModeSource::Edid, told]);
}

//! What the driver asks about screens, at first and when one has changed.

use levitate_drivers_gpu::{
    CommandError, CommandType, Error, Events, GpuStorage, Mode, ModeSource,
};
use levitate_host::gpu::{Command, edid};
use levitate_host::{Completion, Fault, Version};
use levitate_virtio::{ConfigError, Interrupt, InterruptStatus};

use crate::rig::{Rig, Variant, chunks, display};

/// `events_clear`, in the configuration.
const EVENTS_CLEAR: usize = 4;

fn mode(width: u32, height: u32, source: ModeSource) -> Mode {
    Mode {
        width,
        height,
        source,
    }
}

fn two_screens(variant: impl Into<Variant>) -> Rig {
    let model = display(1280, 800).with_scanout(640, 480);
    Rig::plug(model, variant, |_| ())
}

fn questions(rig: &Rig) -> Vec<Command> {
    let mut commands = rig.take_commands();
    commands.retain(|command| matches!(command, Command::GetDisplayInfo | Command::GetEdid { .. }));
    commands
}

fn all_questions() -> Vec<Command> {
    vec![
        Command::GetDisplayInfo,
        Command::GetEdid { scanout: 0 },
        Command::GetEdid { scanout: 1 },
    ]
}

#[test]
fn all_screens_are_asked_about_before_the_first_picture() {
    for variant in Variant::ALL {
        let rig = two_screens(variant);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        assert_eq!(questions(&rig), []);
        let mut chunks = chunks(1);
        let picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
        assert_eq!(questions(&rig), all_questions());
        let chunks = gpu.destroy_framebuffer(picture).unwrap();
        let picture = gpu.create_framebuffer(1, 64, 48, chunks).unwrap();
        assert_eq!(questions(&rig), [], "it was told");
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn without_the_feature_no_edid_is_asked_for() {
    let model = display(1280, 800).without_edid();
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let screens = gpu.screens().unwrap();
    assert_eq!(screens.as_slice().len(), 1);
    assert_eq!(screens.as_slice()[0].edid_mode, None);
    assert_eq!(questions(&rig), [Command::GetDisplayInfo]);
}

#[test]
fn a_changed_screen_is_asked_about_and_its_event_cleared() {
    for variant in Variant::ALL {
        let rig = two_screens(variant);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(1);
        let picture = gpu.create_framebuffer(1, 64, 48, &mut chunks).unwrap();
        assert_eq!(gpu.process_events(), Ok(None));
        assert!(
            rig.device
                .log()
                .writes_to(rig.device.config_offset() + EVENTS_CLEAR)
                .is_empty()
        );
        rig.take_commands();

        rig.device
            .change_config(|gpu| gpu.set_mode(1, 1024, 600, true));
        let interrupt = gpu.interrupt().unwrap();
        assert!(
            interrupt
                .acknowledge()
                .contains(InterruptStatus::CONFIG_CHANGE)
        );
        let screens = gpu.process_events().unwrap().expect("a screen has changed");
        let [first, second] = screens.as_slice() else {
            panic!("{screens:?}");
        };
        assert_eq!(first.mode(), mode(1280, 800, ModeSource::DisplayInfo));
        assert_eq!(second.mode(), mode(1024, 600, ModeSource::DisplayInfo));
        assert_eq!(questions(&rig), all_questions());
        assert_eq!(
            rig.device
                .log()
                .writes_to(rig.device.config_offset() + EVENTS_CLEAR),
            [1]
        );
        assert_eq!(gpu.pending_events(), Ok(Events::empty()));
        assert_eq!(gpu.process_events(), Ok(None), "it was told");

        // The model reports who sets up a screen without having asked.
        let chunks = gpu.destroy_framebuffer(picture).unwrap();
        let picture = gpu.create_framebuffer(1, 1024, 600, chunks).unwrap();
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_screen_switched_off_is_of_the_size_its_monitor_prefers() {
    let rig = two_screens(Version::Two);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device.model(|gpu| gpu.set_edid(&edid(1920, 1080)));
    rig.device.change_config(|gpu| gpu.set_mode(1, 0, 0, false));
    let screens = gpu.process_events().unwrap().unwrap();
    let modes: Vec<_> = screens
        .as_slice()
        .iter()
        .map(|screen| screen.mode())
        .collect();
    let expected = [
        mode(1280, 800, ModeSource::DisplayInfo),
        mode(1920, 1080, ModeSource::Edid),
    ];
    assert_eq!(modes, expected);
}

#[test]
fn a_change_while_the_device_is_asked_is_not_lost() {
    let rig = two_screens(Version::Two);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
    rig.device
        .set_completion(Completion::After(core::time::Duration::from_secs(1)));
    let device = rig.device.clone();
    rig.clock
        .after(core::time::Duration::from_millis(1500), move || {
            device.change_config(|gpu| gpu.set_mode(0, 800, 600, true));
        });
    let first = gpu.process_events().unwrap().unwrap();
    assert_eq!(first.as_slice()[0].display.width, 1024);
    let second = gpu.process_events().unwrap().unwrap();
    assert_eq!(second.as_slice()[0].display.width, 800);
    assert_eq!(gpu.process_events(), Ok(None));
}

#[test]
fn a_question_that_fails_is_asked_again() {
    let rig = two_screens(Version::Two);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
    rig.device.inject(Fault::AnswerType(0x1200));
    let command = CommandType::GetDisplayInfo;
    let error = CommandError::Unspecified;
    assert_eq!(gpu.process_events(), Err(Error::Command { command, error }));
    assert_eq!(gpu.pending_events(), Ok(Events::empty()), "it is cleared");
    let screens = gpu.process_events().unwrap().expect("it is remembered");
    assert_eq!(screens.as_slice()[0].display.width, 1024);
    assert_eq!(gpu.process_events(), Ok(None));
}

#[test]
fn a_question_that_is_not_answered_is_asked_again_after_the_reset() {
    for variant in Variant::ALL {
        let rig = two_screens(variant);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        rig.device
            .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
        let interrupt = gpu.interrupt().unwrap();
        interrupt.acknowledge();
        rig.device.set_completion(Completion::Held);
        assert!(matches!(gpu.process_events(), Err(Error::Timeout(_))));
        assert_eq!(gpu.pending_events(), Ok(Events::empty()), "it is cleared");
        rig.device.set_completion(Completion::Inline);
        gpu.reset().unwrap();
        let screens = gpu.process_events().unwrap().expect("it is remembered");
        assert_eq!(screens.as_slice()[0].display.width, 1024);
        assert_eq!(gpu.process_events(), Ok(None), "it was told");
    }
}

#[test]
fn events_nobody_has_specified_are_left_alone() {
    let rig = Rig::plug(display(64, 48), Version::Two, |behaviour| {
        behaviour.config_override = vec![(0, 0xffff_fffe_u32.to_le_bytes().to_vec())];
    });
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    assert_eq!(gpu.process_events(), Ok(None));
    assert!(
        rig.device
            .log()
            .writes_to(rig.device.config_offset() + EVENTS_CLEAR)
            .is_empty()
    );
}

#[test]
fn an_event_that_cannot_be_cleared_costs_one_round_of_questions_a_call() {
    let rig = Rig::plug(display(64, 48), Version::Two, |behaviour| {
        behaviour.config_override = vec![(0, vec![1, 0, 0, 0])];
    });
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    for _ in 0..3 {
        assert!(gpu.process_events().unwrap().is_some());
        assert_eq!(questions(&rig).len(), 2);
    }
    rig.device
        .behave(|behaviour| behaviour.config_never_still = true);
    assert!(matches!(
        gpu.process_events(),
        Err(Error::Config(ConfigError::NeverStable { .. }))
    ));
}

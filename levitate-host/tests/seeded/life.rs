//! The life of a device under a driver, step by step: [`live`].

use levitate_host::device::DeviceModel;
use levitate_host::{Behaviour, BlockModel, GpuModel, Version};

use crate::driver::{Driver, EVENT_IDX, INDIRECT_DESC};
use crate::message::Message;
use crate::table::{Act, Seeded};

/// One step of the life, in the order of [`START`], [`QUEUE`] and [`REQUEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    ReadMagic,
    ReadVersion,
    ReadDeviceId,
    Reset,
    ConfirmReset,
    Acknowledge,
    Driver,
    ReadFeatures,
    WriteFeatures,
    FeaturesOk,
    ConfirmFeatures,
    ReadConfig,
    WritePageSize,
    SelectQueue,
    ReadInUse,
    ReadMaxSize,
    WriteSize,
    WriteAlign,
    WriteAddresses,
    EnableQueue,
    DriverOk,
    Compose,
    Build,
    WriteChain,
    Publish,
    Notify,
    TakeUsed,
    ReadInterrupt,
    AckInterrupt,
}

const START: [Step; 13] = [
    Step::ReadMagic,
    Step::ReadVersion,
    Step::ReadDeviceId,
    Step::Reset,
    Step::ConfirmReset,
    Step::Acknowledge,
    Step::Driver,
    Step::ReadFeatures,
    Step::WriteFeatures,
    Step::FeaturesOk,
    Step::ConfirmFeatures,
    Step::ReadConfig,
    Step::WritePageSize,
];

/// What is done for each queue.
pub(crate) const QUEUE: [Step; 7] = [
    Step::SelectQueue,
    Step::ReadInUse,
    Step::ReadMaxSize,
    Step::WriteSize,
    Step::WriteAlign,
    Step::WriteAddresses,
    Step::EnableQueue,
];

/// What is done for each message.
const REQUEST: [Step; 7] = [
    Step::Build,
    Step::WriteChain,
    Step::Publish,
    Step::Notify,
    Step::TakeUsed,
    Step::ReadInterrupt,
    Step::AckInterrupt,
];

/// A device the driver knows how to use.
pub(crate) trait Plays: DeviceModel + Sized {
    /// The features of its type that the driver accepts where they are offered.
    const FEATURES: u64;

    fn plug() -> Self;

    /// Reads what the driver needs of the configuration.
    fn read_config(driver: &mut Driver<Self>);

    /// The requests of one life, each of which succeeds.
    fn messages(driver: &mut Driver<Self>) -> Vec<Message>;
}

/// What became of a life.
pub(crate) struct Outcome {
    /// The rules the device named, in order.
    pub(crate) ids: Vec<&'static str>,
    /// How many messages there were to send, and how many were answered.
    messages: usize,
    answers: usize,
}

/// Lives once, with a fault or without.
pub(crate) fn live<M: Plays>(version: Version, seeded: Option<&Seeded<M>>) -> Outcome {
    let accepts = seeded.map_or(0, |seeded| seeded.accepts);
    let plug: fn() -> M = seeded.map_or(M::plug, |seeded| seeded.plug);
    let tune: fn(&mut Behaviour) = seeded.map_or(|_| (), |seeded| seeded.tune);
    live_with(Driver::plug(plug(), version, accepts, tune), seeded)
}

fn live_with<M: Plays>(mut driver: Driver<M>, mut seeded: Option<&Seeded<M>>) -> Outcome {
    let mut go = |driver: &mut Driver<M>, step: Step| {
        if driver.is_stopped {
            return;
        }
        match seeded.take_if(|seeded| seeded.at == step).map(|s| &s.act) {
            None => driver.act(step),
            Some(Act::Skip) => {}
            Some(Act::Instead(other)) => other(driver),
            Some(Act::Before(more)) => {
                more(driver);
                driver.act(step);
            }
            Some(Act::After(more)) => {
                driver.act(step);
                more(driver);
            }
        }
    };
    for step in START {
        go(&mut driver, step);
    }
    for queue in 0..driver.device.model(|model| model.queue_count()) {
        driver.queue = u32::from(queue);
        for step in QUEUE {
            go(&mut driver, step);
        }
    }
    go(&mut driver, Step::DriverOk);
    go(&mut driver, Step::Compose);
    let messages = driver.messages.len();
    for index in 0..messages {
        driver.message = index;
        for step in REQUEST {
            go(&mut driver, step);
        }
    }
    let (ids, answers) = driver.end();
    Outcome {
        ids,
        messages,
        answers,
    }
}

fn assert_unbroken<M: Plays>() {
    for version in [Version::One, Version::Two] {
        for accepts in [0, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX] {
            let driver = Driver::plug(M::plug(), version, accepts, |_| ());
            let outcome = live_with(driver, None);
            assert_eq!(outcome.ids, [""; 0], "{version:?}, features {accepts:#x}");
            assert_eq!(outcome.answers, outcome.messages);
            assert!(outcome.messages >= 4);
        }
    }
}

#[test]
fn with_no_step_broken_a_disk_has_nothing_to_report() {
    assert_unbroken::<BlockModel>();
}

#[test]
fn with_no_step_broken_a_display_has_nothing_to_report() {
    assert_unbroken::<GpuModel>();
}

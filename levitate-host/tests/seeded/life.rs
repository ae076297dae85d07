//! The life of a device under a driver, step by step: [`live`].

use levitate_host::device::DeviceModel;
use levitate_host::{BlockModel, GpuModel, Version};

use crate::driver::{Driver, EVENT_IDX, IN_ORDER, INDIRECT_DESC, NOTIFICATION_DATA, RING_PACKED};
use crate::message::Message;
use crate::table::{Run, Seeded};

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
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The rules the device named, in order.
    pub(crate) ids: Vec<&'static str>,
    /// What else device and memory had to complain of.
    pub(crate) others: Vec<String>,
    /// How many messages there were to send, and how many were answered.
    pub(crate) messages: usize,
    pub(crate) answers: usize,
    /// Whether the seeded step was come to.
    pub(crate) is_reached: bool,
    /// Whether the driver ended it before its time.
    pub(crate) is_stopped: bool,
}

impl Outcome {
    pub(crate) fn is_all_answered(&self) -> bool {
        self.answers == self.messages
    }
}

/// Lives once as an entry has it.
pub(crate) fn live<M: Plays>(version: Version, seeded: &Seeded<M>, run: Run) -> Outcome {
    let driver = Driver::plug((seeded.plug)(), version, seeded.accepts, seeded.tune);
    driver
        .device
        .behave(|behaviour| behaviour.offer |= seeded.offers);
    live_with(driver, Some((seeded, run)))
}

fn live_with<M: Plays>(mut driver: Driver<M>, mut seeded: Option<(&Seeded<M>, Run)>) -> Outcome {
    let mut go = |driver: &mut Driver<M>, step: Step| {
        if driver.is_stopped {
            return;
        }
        match seeded.take_if(|(seeded, _)| seeded.at == step) {
            None => driver.act(step),
            Some((seeded, run)) => seeded.act.perform(driver, step, run),
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
    while driver.message < driver.messages.len() {
        for step in REQUEST {
            go(&mut driver, step);
        }
        driver.message += 1;
    }
    driver.end(seeded.is_none())
}

fn assert_unbroken_with_options<M: Plays>() {
    let options = [
        INDIRECT_DESC,
        EVENT_IDX,
        RING_PACKED,
        IN_ORDER,
        NOTIFICATION_DATA,
    ];
    for set in 0..1 << options.len() {
        let chosen = (0..options.len()).filter(|bit| set >> bit & 1 != 0);
        let accepts = chosen.fold(0, |features, bit| features | options[bit]);
        let driver = Driver::plug(M::plug(), Version::Two, accepts, |behaviour| {
            behaviour.offer = IN_ORDER | NOTIFICATION_DATA;
            behaviour.batches = true;
            behaviour.noisy_used = true;
        });
        if accepts & RING_PACKED != 0 {
            driver
                .device
                .behave(|behaviour| behaviour.offer |= RING_PACKED);
        }
        let outcome = live_with(driver, None);
        assert_eq!(outcome.ids, [""; 0], "features {accepts:#x}");
        assert_eq!(outcome.others, [""; 0]);
        assert!(outcome.is_all_answered());
    }
}

fn assert_unbroken<M: Plays>() {
    for version in [Version::One, Version::Two] {
        for accepts in [0, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX] {
            let driver = Driver::plug(M::plug(), version, accepts, |_| ());
            let outcome = live_with(driver, None);
            assert_eq!(outcome.ids, [""; 0], "{version:?}, features {accepts:#x}");
            assert_eq!(outcome.others, [""; 0]);
            assert!(outcome.is_all_answered());
            assert!(outcome.messages >= 4);
        }
    }
}

#[test]
fn with_no_step_broken_there_is_nothing_to_report_whatever_was_agreed_on() {
    assert_unbroken_with_options::<BlockModel>();
    assert_unbroken_with_options::<GpuModel>();
}

#[test]
fn with_no_step_broken_a_disk_has_nothing_to_report() {
    assert_unbroken::<BlockModel>();
}

#[test]
fn with_no_step_broken_a_display_has_nothing_to_report() {
    assert_unbroken::<GpuModel>();
}

//! Tasks that come, are polled and go in any order, between answers, interrupts, ticks and resets: all of them end, and rightly.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use levitate_drivers_blk::{BufferError, Error, RequestError, Signal, SubmitError};
use levitate_host::{BlockModel, Completion, Plug, Version};
use levitate_virtio::Features;
use levitate_virtio::SubmitError::Full;
use proptest::prelude::*;

use crate::bench::{Bench, Storage, patterned};
use crate::tasks::{AsyncDriver, Tasks, deliver, drive};

/// Sectors that are only read; those behind them are only written.
const READ_ONLY: u64 = 32;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A new task, which is not polled yet.
    Read(u64),
    Write(u64),
    Flush,
    Id,
    /// A new task whose request is submitted at once, if there is room.
    SubmitRead(u64),
    /// A task is dropped.
    Cancel(usize),
    /// A task is polled that need not have been woken.
    Poll(usize),
    /// All tasks that were woken are polled.
    Run,
    /// The device answers.
    Answer(usize),
    /// The handler runs, if there is an interrupt.
    Interrupt,
    /// The device interrupts for nothing.
    Spurious,
    /// Time passes, and it is looked at.
    Tick(u64),
    /// The device is reset.
    Recover,
    /// The queue is reset.
    ResetQueue,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..READ_ONLY).prop_map(Step::Read),
        3 => (READ_ONLY..64).prop_map(Step::Write),
        1 => Just(Step::Flush),
        2 => Just(Step::Id),
        4 => (0..READ_ONLY).prop_map(Step::SubmitRead),
        3 => any::<usize>().prop_map(Step::Cancel),
        3 => any::<usize>().prop_map(Step::Poll),
        6 => Just(Step::Run),
        10 => any::<usize>().prop_map(Step::Answer),
        8 => Just(Step::Interrupt),
        1 => Just(Step::Spurious),
        2 => (0..60_u64).prop_map(Step::Tick),
    ]
}

/// What a task came to; the bytes were looked at.
type Outcome = Result<(), Error>;
type Work<'f> = Pin<Box<dyn Future<Output = Outcome> + 'f>>;

fn task<'f>(blk: &'f AsyncDriver<'_>, step: Step) -> Option<Work<'f>> {
    let without_buffer = |error: BufferError<_>| error.error;
    let buffer = || blk.allocate_buffer(512).unwrap();
    Some(match step {
        Step::Read(sector) => Box::pin(async move {
            let buffer = blk.read(sector, buffer()).await.map_err(without_buffer)?;
            assert_eq!(buffer.as_slice(), patterned(sector, 512));
            Ok(())
        }),
        Step::Write(sector) => Box::pin(async move {
            let mut buffer = buffer();
            buffer.as_mut_slice().fill(sector as u8);
            let buffer = blk.write(sector, buffer).await.map_err(without_buffer)?;
            assert_eq!(buffer.as_slice(), [sector as u8; 512]);
            Ok(())
        }),
        Step::Flush => Box::pin(blk.flush()),
        Step::Id => Box::pin(async move {
            assert_eq!(blk.id().await?.as_str(), Ok("disk-7"));
            Ok(())
        }),
        Step::SubmitRead(sector) => {
            let request = blk.submit_read(sector, buffer()).ok()?;
            Box::pin(async move {
                let completion = request.await?;
                completion.result?;
                let buffer = completion.buffer.unwrap();
                assert_eq!(buffer.as_slice(), patterned(sector, 512));
                Ok(())
            })
        }
        _ => return None,
    })
}

/// Checks what a task came to; only with a tick may it be a timeout, and only with a recovery nothing.
fn check(outcome: Outcome, has_waited: bool, has_recovered: bool) {
    match outcome {
        Ok(()) => {}
        Err(Error::Timeout(_)) if has_waited => {}
        // It has waited for room that the device made, and others did not take their answers or their turns meanwhile.
        Err(Error::Refused(
            SubmitError::Queue(Full {
                slots: 3,
                free: 0,
                needed: 1,
            })
            | SubmitError::OwnBufferInUse
            | SubmitError::SetAside { .. },
        )) if has_waited => {}
        Err(Error::Request(RequestError::Aborted)) if has_recovered => {}
        Err(error) => panic!("{error}"),
    }
}

fn play(plug: Plug, (offered, withheld): (Features, Features), steps: &[Step]) {
    let model = BlockModel::patterned(64).id("disk-7");
    let mut bench = Bench::with(plug, model, |behaviour| {
        behaviour.offer = offered.bits();
        behaviour.queue_reset_reads = Some(3);
        behaviour.withhold = withheld.bits();
        behaviour.completion = Completion::Held;
    });
    bench.options.features |= offered;
    // Bring-up takes no answer, so nothing holds it.
    let signal = Signal::new();
    let mut storage = Storage::<3>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let live = bench.pool.live();
    let (mut waited, mut has_recovered) = (Duration::ZERO, false);
    let mut tasks = Tasks::new();
    let mut started = 0;
    let end = |outcome, waited, has_recovered| {
        // The clock also moves a little each time it is read.
        let has_waited = waited + Duration::from_millis(10) >= bench.options.timeout;
        check(outcome, has_waited, has_recovered);
    };
    for step in steps {
        match *step {
            Step::Cancel(number) if started != 0 => tasks.cancel(number % started),
            Step::Poll(number) if started != 0 && tasks.is_alive(number % started) => {
                if let std::task::Poll::Ready(outcome) = tasks.poll(number % started) {
                    end(outcome, waited, has_recovered);
                }
            }
            Step::Run => {
                for (_, outcome) in tasks.run_once() {
                    end(outcome, waited, has_recovered);
                }
            }
            Step::Answer(position) => {
                let waiting = bench.disk.waiting().len();
                if waiting != 0 {
                    bench.disk.release_at(position % waiting);
                }
            }
            Step::Interrupt => {
                deliver(&bench.disk, &blk, &signal);
            }
            Step::Spurious => bench.disk.interrupt_for_queue(0),
            Step::Tick(milliseconds) => {
                let time = Duration::from_millis(milliseconds);
                bench.clock.advance(time);
                waited += time;
                signal.on_tick();
            }
            Step::Recover => {
                blk.recover(drop).unwrap();
                has_recovered = true;
            }
            Step::ResetQueue => {
                blk.reset_queue(drop).unwrap();
                has_recovered = true;
            }
            step => {
                if let Some(future) = task(&blk, step) {
                    tasks.spawn(future);
                    started += 1;
                }
            }
        }
    }
    // Answers and interrupts, and no poll that nobody woke: who is left has slept through one.
    for _ in 0..1000 {
        if tasks.alive() == 0 {
            break;
        }
        for (_, outcome) in tasks.run_once() {
            end(outcome, waited, has_recovered);
        }
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
    }
    assert_eq!(tasks.alive(), 0, "a wake-up is lost");
    drop(tasks);
    // What was dropped is cleared up by whoever looks next.
    let mut last = Tasks::new();
    last.spawn(task(&blk, Step::Flush).unwrap());
    for _ in 0..3 {
        for (_, outcome) in last.run() {
            check(outcome, false, false);
        }
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
    }
    assert_eq!(last.alive(), 0);
    drop(last);
    assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 3));
    assert_eq!(bench.pool.live(), live);
    let counts = blk.counts();
    assert!(counts.notifications <= counts.requests, "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_ends_whatever_comes_between(
        plug in prop::sample::select(&Plug::ALL[..]),
        has_event_index in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let withheld = if has_event_index { Features::empty() } else { Features::EVENT_IDX };
        play(plug, (Features::empty(), withheld), &steps);
    }

    #[test]
    fn recoveries_come_between_too(
        plug in prop::sample::select(&Plug::ALL[..]),
        steps in prop::collection::vec(prop_oneof![20 => step(), 1 => Just(Step::Recover)], 0..120),
    ) {
        play(plug, (Features::empty(), Features::empty()), &steps);
    }

    #[test]
    fn resets_of_the_queue_come_between_too(
        plug in prop::sample::select(&[Plug::Mmio(Version::Two), Plug::PciLine, Plug::PciMsix][..]),
        rings in prop::sample::select(vec![Features::empty(), Features::RING_PACKED]),
        steps in prop::collection::vec(prop_oneof![20 => step(), 1 => Just(Step::ResetQueue)], 0..120),
    ) {
        play(plug, (Features::RING_RESET | rings, Features::empty()), &steps);
    }
}

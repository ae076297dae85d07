//! A device that breaks the rules of the virtqueue gets an error, nothing of the caller's, and a reset.

use crate::bench::{Bench, Storage, assert_reads, filled, patterned, submit_read};
use levitate_drivers_blk::{Error, PollError, RequestError, SubmitError};
use levitate_host::{BlockModel, Completion, Fault, Plug};
use levitate_virtio::DeviceFault;

/// A way to lie, and whether a fault is the one it leads to.
type Lie = (Fault, fn(&DeviceFault) -> bool);

/// The lies of a used ring.
fn lies() -> [Lie; 5] {
    [
        (Fault::UsedIdOutOfRange, |fault| {
            matches!(fault, DeviceFault::UnknownId { .. })
        }),
        (Fault::UsedIdNotInFlight, |fault| {
            matches!(
                fault,
                DeviceFault::NotInFlight { .. } | DeviceFault::UnknownId { .. }
            )
        }),
        (Fault::UsedTwice, |fault| {
            matches!(
                fault,
                DeviceFault::UsedIndexJumped {
                    claimed: 2,
                    in_flight: 1
                }
            )
        }),
        (Fault::UsedIndexJump(7), |fault| {
            matches!(
                fault,
                DeviceFault::UsedIndexJumped {
                    claimed: 8,
                    in_flight: 1
                }
            )
        }),
        (Fault::UsedIndexJump(u16::MAX - 3), |fault| {
            matches!(fault, DeviceFault::UsedIndexJumped { .. })
        }),
    ]
}

#[test]
fn a_used_ring_that_lies_breaks_the_queue_until_recovery() {
    for plug in Plug::ALL {
        for (lie, is_expected) in lies() {
            let bench = Bench::with(plug, BlockModel::patterned(8), |_| {});
            let mut storage = Storage::<4>::new();
            let mut blk = bench.drive(&mut storage);
            bench.disk.inject(lie);
            let mut data = [0x77; 512];
            match blk.read(1, &mut data) {
                Err(Error::Fault(fault)) => assert!(is_expected(&fault), "{lie:?}: {fault}"),
                other => panic!("{lie:?}: {other:?}"),
            }
            assert_eq!(data, [0x77; 512], "nothing arrives");

            // It stays broken, says so, and makes the device no more trouble.
            let notifications = bench.notifications();
            assert!(matches!(
                blk.read(1, &mut data),
                Err(Error::Fault(_) | Error::Refused(SubmitError::Queue(_)))
            ));
            assert!(matches!(blk.poll(), Err(PollError::Fault(_))));
            assert!(blk.submit_flush().is_err());
            let buffer = filled(&blk, 512, 0);
            assert!(blk.submit_read(0, buffer).is_err());
            assert_eq!(bench.notifications(), notifications);

            blk.recover(|request| panic!("nothing was submitted: {request:?}"))
                .unwrap();
            assert_reads(&mut blk, 1);
        }
    }
}

/// No driver can tell it from the truth: what comes back is for its user to keep until the device is reset (TEAM_107).
#[test]
fn an_index_that_jumps_may_call_a_read_done_that_is_not() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    for sector in 0..2 {
        submit_read(&mut blk, sector);
    }
    blk.notify();
    // The one whose chain does not begin with descriptor 0, and then an element that was never written: it names descriptor 0.
    let heads = bench.disk.waiting();
    let answered = heads.iter().position(|(_, head)| *head != 0).unwrap();
    assert!(heads.contains(&(0, 0)), "{heads:?}");
    bench.disk.inject(Fault::UsedIndexJump(1));
    assert!(bench.disk.release_at(answered));
    let mut returned = Vec::new();
    while let Some(completion) = blk.poll().unwrap() {
        returned.push(completion);
    }
    assert_eq!(returned.len(), 2);
    assert_eq!(
        bench.disk.waiting(),
        [(0, 0)],
        "the device still has a read"
    );
    drop(blk);
    drop(returned);
}

#[test]
fn a_used_length_beyond_the_buffer_is_a_fault() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    for len_bytes in [514, u32::MAX] {
        bench.disk.inject(Fault::UsedLen(len_bytes));
        assert_eq!(
            blk.read(1, &mut [0; 512]),
            Err(Error::Fault(DeviceFault::UsedLengthTooLong {
                len_bytes,
                capacity_bytes: 513
            }))
        );
        blk.recover(|_| ()).unwrap();
    }
}

#[test]
fn what_was_done_before_a_fault_is_still_collected() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    let mut tokens = Vec::new();
    for sector in 0..3 {
        tokens.push(submit_read(&mut blk, sector));
    }
    blk.notify();
    bench.disk.release_one();
    bench.disk.inject(Fault::UsedIdOutOfRange);
    bench.disk.release_one();

    let done = blk.poll().unwrap().expect("the first was done properly");
    assert_eq!(done.token, tokens[0]);
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(0, 512));
    assert!(matches!(
        blk.poll(),
        Err(PollError::Fault(DeviceFault::UnknownId { .. }))
    ));
    assert!(matches!(blk.take(tokens[1]), Err(PollError::Fault(_))));

    let mut reclaimed = Vec::new();
    blk.recover(|request| reclaimed.push(request)).unwrap();
    assert_eq!(reclaimed.len(), 2);
    for request in &reclaimed {
        assert_eq!(request.result, Err(RequestError::Aborted));
        assert!(request.buffer.is_some());
    }
}

#[test]
fn a_fault_in_the_answer_to_another_request_does_not_take_the_answer_to_this_one() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    submit_read(&mut blk, 0);
    blk.notify();
    // The blocking read is answered first, then the other one wrongly.
    let disk = bench.disk.clone();
    bench
        .clock
        .after(core::time::Duration::from_micros(50), move || {
            disk.release_at(1);
            disk.inject(Fault::UsedIdOutOfRange);
            disk.release_at(0);
        });
    assert_reads(&mut blk, 5);
    assert!(matches!(blk.poll(), Err(PollError::Fault(_))));
}

#[test]
fn a_broken_driver_can_be_dropped() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.inject(Fault::UsedTwice);
    blk.write(0, &[0; 512]).unwrap_err();
    drop(blk);
    assert_eq!(bench.disk.status(), 0);
}

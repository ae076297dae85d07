//! A reset of one queue: what the device had in it comes back, and all else goes on (§2.6.1).

use levitate_drivers_blk::{Error, RequestError, RequestKind, ResetQueueError};
use levitate_host::{BlockModel, Completion, Fault, Plug, Version};
use levitate_virtio::{Features, QueueIndex, QueueResetError, RestartError};

use crate::bench::{Bench, Storage, assert_reads, filled, patterned, submit_read};

const FIRST: QueueIndex = QueueIndex::new(0);
const SECOND: QueueIndex = QueueIndex::new(1);
const MODERN: [Plug; 3] = [Plug::Mmio(Version::Two), Plug::PciLine, Plug::PciMsix];

/// Disks with two queues that take a few reads to reset one, with rings of each kind.
fn each_ring() -> impl Iterator<Item = Bench> {
    let rings = [
        Features::empty(),
        Features::RING_PACKED,
        Features::RING_PACKED | Features::IN_ORDER,
    ];
    let each = MODERN
        .into_iter()
        .flat_map(move |plug| rings.map(|rings| (plug, rings)));
    each.map(|(plug, rings)| {
        println!("{plug:?} with {rings:?}");
        let mut bench = Bench::with(plug, BlockModel::patterned(64).queues(2), |behaviour| {
            behaviour.offer = (Features::RING_RESET | rings).bits();
            behaviour.queue_reset_reads = Some(3);
        });
        want_queue_reset(&mut bench);
        bench
    })
}

/// Wants what is not wanted by default: it is for devices that are known to keep the rules of it.
fn want_queue_reset(bench: &mut Bench) {
    bench.options.features |= Features::RING_RESET;
}

#[test]
fn requests_of_one_queue_come_back_and_those_of_the_other_go_on() {
    for bench in each_ring() {
        let mut storage = Storage::<4, 1>::new();
        let mut blk = bench.drive(&mut storage);
        let live = bench.pool.live();
        for round in 0..3 {
            bench.disk.set_completion(Completion::Held);
            let [done, stuck, other] = [(); 3].map(|()| filled(&blk, 512, 0x42));
            let [mut first, mut second] = blk.queues().collect::<Vec<_>>().try_into().unwrap();
            let done = first.submit_read(1, done).unwrap();
            first.notify();
            bench.disk.release_one();
            let stuck = first.submit_write(2, stuck).unwrap();
            first.notify();
            let other = second.submit_read(3, other).unwrap();
            second.notify();
            // The driver's own, which nobody waits for any more.
            assert!(matches!(blk.flush(), Err(Error::Timeout(_))));
            assert!(matches!(
                blk.read(5, &mut [0; 512]),
                Err(Error::Timeout(_) | Error::Refused(_))
            ));

            let mut reclaimed = Vec::new();
            blk.reset_queue(FIRST, |request| reclaimed.push(request))
                .unwrap();
            let what: Vec<_> = reclaimed
                .iter()
                .map(|request| (request.kind, request.sector, request.result))
                .collect();
            let aborted = Err(RequestError::Aborted);
            let expected = [
                (RequestKind::Read, 1, Ok(())),
                (RequestKind::Write, 2, aborted),
            ];
            assert_eq!(what, expected, "round {round}");
            assert_eq!(
                reclaimed[0].buffer.as_ref().unwrap().as_slice(),
                patterned(1, 512)
            );
            for token in [done, stuck] {
                assert!(blk.take(token).unwrap().is_none());
            }
            assert_eq!(blk.in_flight(), 1, "the other queue's");
            bench.disk.release_all();
            let completion = blk.take(other).unwrap().unwrap();
            assert_eq!(completion.result, Ok(()));
            assert_eq!(completion.buffer.unwrap().as_slice(), patterned(3, 512));

            bench.disk.set_completion(Completion::Inline);
            assert_reads(&mut blk, 7);
            blk.flush().unwrap();
            drop(reclaimed);
            blk.reset_queue(SECOND, |_| panic!("there is nothing in it"))
                .unwrap();
            assert_eq!(bench.pool.live(), live, "it does not grow");
        }
    }
}

#[test]
fn a_queue_that_the_device_broke_is_mended() {
    for bench in each_ring() {
        let mut storage = Storage::<4, 1>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.inject(Fault::UsedIdOutOfRange);
        assert!(matches!(blk.read(1, &mut [0; 512]), Err(Error::Fault(_))));
        assert!(blk.read(1, &mut [0; 512]).is_err(), "it stays broken");
        blk.reset_queue(FIRST, |_| panic!("it was the driver's own"))
            .unwrap();
        assert_reads(&mut blk, 1);
        drop(blk);
        let _ = bench.disk.take_complaints();
    }
}

#[test]
fn without_memory_a_further_attempt_helps() {
    for bench in each_ring() {
        let mut storage = Storage::<4, 1>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Held);
        submit_read(&mut blk, 1);
        blk.notify();
        bench.pool.fail_allocation_after(0);
        let error = blk
            .reset_queue(FIRST, |_| panic!("it stays in the queue"))
            .unwrap_err();
        assert!(
            matches!(error, ResetQueueError::Restart(RestartError::Dma(_))),
            "{error}"
        );
        bench.disk.set_completion(Completion::Inline);
        assert!(blk.read(1, &mut [0; 512]).is_err());
        let mut reclaimed = 0;
        blk.reset_queue(FIRST, |_| reclaimed += 1).unwrap();
        assert_eq!(reclaimed, 1);
        blk.read(1, &mut [0; 512]).unwrap();
    }
}

#[test]
fn a_device_that_does_not_reset_its_queue_keeps_what_it_has() {
    // Without the feature; as QEMU's virtio-mmio, with the bit and without the register; and one that never finishes.
    let not_negotiated = QueueResetError::NotNegotiated { queue: FIRST };
    let ignored = QueueResetError::Ignored { queue: FIRST };
    for (offered, reads, expected) in [
        (Features::empty(), Some(0), Some(not_negotiated)),
        (Features::RING_RESET, None, Some(ignored)),
        (Features::RING_RESET, Some(u32::MAX), None),
    ] {
        let mut bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
            behaviour.offer = offered.bits();
            behaviour.queue_reset_reads = reads;
        });
        want_queue_reset(&mut bench);
        let mut storage = Storage::<2>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Held);
        let token = submit_read(&mut blk, 1);
        blk.notify();
        let refused = blk
            .reset_queue(FIRST, |_| panic!("the device has it"))
            .unwrap_err();
        let no_such_queue = ResetQueueError::NoSuchQueue { queue: SECOND };
        assert_eq!(blk.reset_queue(SECOND, |_| ()), Err(no_such_queue));
        let _ = bench.disk.take_complaints();
        match expected {
            Some(expected) => {
                assert_eq!(refused, ResetQueueError::Reset(expected));
                bench.disk.release_all();
                let completion = blk.take(token).unwrap().unwrap();
                assert_eq!(completion.buffer.unwrap().as_slice(), patterned(1, 512));
            }
            None => {
                assert!(
                    matches!(
                        refused,
                        ResetQueueError::Reset(QueueResetError::Timeout { .. })
                    ),
                    "{refused}"
                );
                // A reset of the device ends that too.
                let mut reclaimed = 0;
                blk.recover(|_| reclaimed += 1).unwrap();
                assert_eq!(reclaimed, 1);
            }
        }
    }
}

//! What is checked of a request that is like the one before it in its slot, and what is known of it: as much as of the first.

use levitate_hal::{Direction, DmaBuffer, Mapped};
use levitate_host::{AnyDevice, Completion, Plug, Policy, Pool, Version};
use levitate_virtio::{Data, Features, QueueConfig, SubmitError, TimeoutCause, Token};

use crate::rig::{CONFIG, Echo, EchoQueue, Rig, ring_features, rings_behind, slots};

const HEADER: [u8; 16] = *b"sixteen bytes of";
const FOOTER: u8 = 0xff;

/// Submits a request that has only its data to itself.
fn submit(
    queue: &mut EchoQueue<'_>,
    data: Data<DmaBuffer<Pool>>,
) -> Result<Token, (SubmitError, DmaBuffer<Pool>)> {
    queue
        .submit(&HEADER, data, &FOOTER, 0)
        .map_err(|rejected| (rejected.error, rejected.data.into_inner().unwrap()))
}

/// Runs such a request; returns its data.
fn run(queue: &mut EchoQueue<'_>, data: Data<DmaBuffer<Pool>>) -> DmaBuffer<Pool> {
    submit(queue, data).unwrap();
    queue.notify();
    let completed = queue.poll::<u8>().unwrap().unwrap();
    assert_ne!(completed.footer, FOOTER);
    completed.data.into_inner().unwrap()
}

#[test]
fn data_that_goes_the_wrong_way_is_refused() {
    for (plug, features) in rings_behind(Plug::ALL) {
        for (wanted, direction) in [
            (Direction::ToDevice, Direction::FromDevice),
            (Direction::FromDevice, Direction::ToDevice),
        ] {
            let rig = Rig::new(plug);
            let mut slots = slots::<1>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            let data = |direction| {
                let mapped = Mapped::new(&rig.pool, vec![7_u8; 8], direction).unwrap();
                match wanted {
                    Direction::FromDevice => Data::Writable(mapped.into()),
                    _ => Data::Readable(mapped.into()),
                }
            };
            run(&mut queue, data(wanted));
            let (error, _) = submit(&mut queue, data(direction)).unwrap_err();
            assert_eq!(error, SubmitError::WrongDirection { wanted, direction });
            run(&mut queue, data(wanted));
            assert_eq!(rig.device.model(|echo| echo.served.len()), 2);
            rig.stop(device, queue);
        }
    }
}

#[test]
fn data_that_is_too_long_for_one_descriptor_is_not_put_into_one() {
    let config = QueueConfig {
        max_segments: 1,
        max_segment_bytes: 8,
        ..CONFIG
    };
    let too_many = SubmitError::TooManySegments {
        max_segments: 1,
        max_segment_bytes: 8,
    };
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, config);
        for _ in 0..2 {
            // As long as it may be, then one byte more.
            run(&mut queue, Data::Readable(rig.buffer(&[7; 8])));
            let data = Data::Readable(rig.buffer(&[7; 9]));
            let (error, data) = submit(&mut queue, data).unwrap_err();
            assert_eq!(error, too_many);
            assert_eq!(data.as_slice(), [7; 9], "it comes back");
        }
        rig.stop(device, queue);
    }
}

#[test]
fn commands_without_data_that_take_turns_are_those_that_were_submitted() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<3>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for turn in 0..8_u8 {
            // Each of them finds its slot laid out from the second turn on, but for those after data was in between.
            let (short, long) = ([turn; 5], [turn | 0x80; 11]);
            queue.submit(&short, Data::None, &[0xff_u8; 4], 5).unwrap();
            queue.submit(&long, Data::None, &[0xff_u8; 7], 11).unwrap();
            if turn == 4 {
                let data = Data::Readable(rig.buffer(&[7; 4]));
                queue.submit(&short, data, &[0xff_u8; 4], 0).unwrap();
            }
            queue.notify();
            let first = queue.poll::<[u8; 4]>().unwrap().unwrap();
            assert_eq!((first.footer, first.context), ([turn; 4], 5));
            let second = queue.poll::<[u8; 7]>().unwrap().unwrap();
            assert_eq!((second.footer, second.context), ([turn | 0x80; 7], 11));
            assert!(first.is_whole && second.is_whole);
            let mut sent = vec![short.to_vec(), long.to_vec()];
            if turn == 4 {
                queue.poll::<[u8; 4]>().unwrap().unwrap();
                sent.push([&short[..], &[7; 4]].concat());
            }
            let served = rig.device.model(|echo| std::mem::take(&mut echo.served));
            assert_eq!(served, sent);
        }
        rig.stop(device, queue);
    }
}

#[test]
fn a_chain_without_the_bytes_of_its_data_is_none_for_some() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let mut data = rig.buffer(&[0; 4]);
        for window in [0..0, 0..4, 0..0, 1..4] {
            data.set_window(window.clone()).unwrap();
            data = run(&mut queue, Data::Writable(data));
            assert_eq!(data.as_slice(), &HEADER[..window.len()]);
        }
        drop(data);
        rig.stop(device, queue);
    }
}

#[test]
fn what_was_changed_since_reaches_a_device_that_has_a_copy() {
    let bounces = |(policy, _): &(Policy, Plug)| *policy == Policy::Bounce;
    for (policy, plug) in Plug::UNDER_POLICIES.into_iter().filter(bounces) {
        for features in ring_features(plug) {
            let pool = Pool::builder().policy(policy).exact_alignment().build();
            let rig = Rig::on(pool, |pool, clock| {
                AnyDevice::plug(plug, Echo::default(), pool, clock, |_| {})
            });
            let mut slots = slots::<1>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            let mapped = Mapped::new(&rig.pool, b"first".to_vec(), Direction::ToDevice).unwrap();
            let mut data: DmaBuffer<Pool> = mapped.into();
            for bytes in [b"first", b"again", b"third"] {
                // The copy is made when the request is submitted, and not before.
                data.as_mut_slice().copy_from_slice(bytes);
                data = run(&mut queue, Data::Readable(data));
                let served = rig.device.model(|echo| echo.served.pop()).unwrap();
                assert_eq!(served, [HEADER.as_slice(), bytes].concat());
            }
            drop(data);
            rig.stop(device, queue);
        }
    }
}

#[test]
fn whether_the_device_has_fetched_it_depends_on_where_it_is_now() {
    let tells = |features: &Features| features.contains(Features::EVENT_IDX);
    for features in ring_features(Version::Two).filter(tells) {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<4>();
        let (mut device, mut queue) = rig.start(&mut slots, features, CONFIG);
        run(&mut queue, Data::Readable(rig.buffer(&[7; 4])));
        rig.device.set_completion(Completion::Held);
        let token = submit(&mut queue, Data::Readable(rig.buffer(&[7; 4]))).unwrap();
        let not_fetched = TimeoutCause::NotFetched {
            queue: queue.index(),
        };
        assert_eq!(device.diagnose(&mut queue, token, &FOOTER), not_fetched);
        queue.notify();
        assert_eq!(
            device.diagnose(&mut queue, token, &FOOTER),
            TimeoutCause::NotCompleted
        );
        rig.device.release_all();
        rig.stop(device, queue);
    }
}

#[test]
fn a_command_without_data_begins_anew_with_its_first_footer() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        for is_silent in [false, true, false, true] {
            rig.device.model(|echo| echo.is_silent = is_silent);
            queue.submit(&[1_u8; 5], Data::None, &[7_u8; 4], 0).unwrap();
            queue.notify();
            let footer = queue.poll::<[u8; 4]>().unwrap().unwrap().footer;
            assert_eq!(footer, if is_silent { [7; 4] } else { [1; 4] });
        }
        for is_silent in [false, true, false, true] {
            rig.device.model(|echo| echo.is_silent = is_silent);
            queue.submit(&[1_u8; 5], Data::None, &7_u8, 0).unwrap();
            queue.notify();
            let footer = queue.poll::<u8>().unwrap().unwrap().footer;
            assert_eq!(footer, if is_silent { 7 } else { 1 });
        }
        rig.stop(device, queue);
    }
}

//! What a device leaves of a request's footer (§2.7.4, §2.8.4).

use levitate_host::{Plug, Version};
use levitate_virtio::{Data, Features, QueueConfig};
use zerocopy::{FromBytes, IntoBytes};

use crate::rig::{CONFIG, EchoQueue, Rig, rings_behind, slots};

#[test]
fn of_a_footer_only_what_was_submitted_is_read() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, mut queue) = rig.start(&mut slots, Features::INDIRECT_DESC, CONFIG);
    // A long footer first, whose bytes stay in the slot's memory, then a short one.
    let long = queue
        .submit(&[7_u8; 16], Data::None, &[0_u8; 16], 0)
        .unwrap();
    queue.notify();
    assert!(rig.wait(&mut queue, long));
    assert_eq!(queue.take::<[u8; 16]>(long).unwrap().footer, [7; 16]);
    for _ in 0..2 {
        let short = queue
            .submit(&[9_u8; 16], Data::None, &[0_u8; 2], 0)
            .unwrap();
        queue.notify();
        assert!(rig.wait(&mut queue, short));
        let completed = queue.take::<[u8; 64]>(short).unwrap();
        assert_eq!(completed.footer_bytes, 2);
        assert_eq!(completed.footer[..2], [9; 2]);
        assert_eq!(
            completed.footer[2..],
            [0; 62],
            "and neither old bytes nor the table behind"
        );
    }
    rig.stop(device, queue);
}

/// Takes back the next request that is done; returns its footer.
fn take_next<F: FromBytes + IntoBytes>(queue: &mut EchoQueue<'_>) -> F {
    queue.process().unwrap();
    let token = queue.next_done().unwrap();
    queue.take(token).unwrap().footer
}

/// What a device leaves alone is what was submitted with this request, whatever the ones before it in the same slot were like, and
/// however they were taken back.
#[test]
fn a_footer_of_one_byte_begins_anew_with_each_request() {
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let takers: [fn(&mut EchoQueue<'_>) -> u8; 4] = [
            |queue| queue.poll::<u8>().unwrap().unwrap().footer,
            |queue| queue.poll::<[u8; 2]>().unwrap().unwrap().footer[0],
            |queue| take_next::<u8>(queue),
            |queue| take_next::<[u8; 4]>(queue)[0],
        ];
        for take in takers {
            for (initial, is_silent) in [
                (0xff, false),
                (0xff, true),
                (7, true),
                (7, false),
                (7, true),
            ] {
                rig.device.model(|echo| echo.is_silent = is_silent);
                let data = Data::Writable(rig.buffer(&[0; 4]));
                queue.submit(&[1_u8; 16], data, &initial, 0).unwrap();
                queue.notify();
                let footer = take(&mut queue);
                assert_eq!(footer, if is_silent { initial } else { 1 });
                // One that nobody reads.
                rig.device.model(|echo| echo.is_silent = false);
                let data = Data::Writable(rig.buffer(&[0; 4]));
                queue.submit(&[1_u8; 16], data, &initial, 0).unwrap();
                queue.notify();
                take_next::<()>(&mut queue);
            }
        }
        rig.stop(device, queue);
    }
}

/// Who asks for a byte of a footer that there is not gets zero; where it would be there is an indirect table, or the header of another
/// slot, and that is left alone.
#[test]
fn where_there_is_no_footer_nothing_begins_anew() {
    let config = QueueConfig {
        footer_bytes: 0,
        ..CONFIG
    };
    for (plug, features) in rings_behind(Plug::ALL) {
        let rig = Rig::new(plug);
        let mut slots = slots::<2>();
        let (device, mut queue) = rig.start(&mut slots, features, config);
        let submit = |queue: &mut EchoQueue<'_>, number: u8| {
            let data = Data::Readable(rig.buffer(&[number; 4]));
            queue.submit(&[0x80 | number; 16], data, &(), 0).unwrap();
        };
        let takers: [fn(&mut EchoQueue<'_>) -> u8; 2] = [
            |queue| queue.poll::<u8>().unwrap().unwrap().footer,
            |queue| take_next::<u8>(queue),
        ];
        submit(&mut queue, 0);
        for (number, take) in (1..9).zip(takers.into_iter().cycle()) {
            queue.notify();
            // While one is taken back, the other slot's is still to be read.
            submit(&mut queue, number);
            assert_eq!(take(&mut queue), 0);
        }
        queue.notify();
        take_next::<()>(&mut queue);
        let sent = (0..9).map(|number| [[0x80 | number; 16].as_slice(), &[number; 4]].concat());
        let served = rig.device.model(|echo| echo.served.clone());
        assert_eq!(served, sent.collect::<Vec<_>>(), "{plug:?} {features:?}");
        rig.stop(device, queue);
    }
}

//! Several virtqueues of one device (§2.6): each has requests of its own.

use levitate_host::Plug;
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{Device, QueueIndex, Wanted};

use crate::rig::{CONFIG, Rig, TIMEOUT, echo, slots};

#[test]
fn a_token_names_nothing_in_another_queue() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug);
        let (mut first, mut second) = (slots::<2>(), slots::<2>());
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
        let [zero, one] = [QueueIndex::new(0), QueueIndex::new(1)];
        let first = device
            .prepare_queue(&rig.pool, zero, CONFIG, &mut first)
            .unwrap();
        let second = device
            .prepare_queue(&rig.pool, one, CONFIG, &mut second)
            .unwrap();
        let device = device.go_live();
        let (mut first, mut second) = (
            first.activate(&device).unwrap(),
            second.activate(&device).unwrap(),
        );

        let (in_first, in_second) = (echo(&mut first, 11), echo(&mut second, 22));
        assert_ne!(in_first, in_second);
        assert_eq!((in_first.queue(), in_second.queue()), (zero, one));
        for queue in [&mut first, &mut second] {
            queue.notify();
            assert_eq!(queue.process(), Ok(1));
        }
        assert_eq!(first.next_done(), Some(in_first));
        assert_eq!(second.oldest_in_flight(), None);
        assert!(!first.is_done(in_second) && first.context(in_second).is_none());
        assert!(first.take::<[u8; 4]>(in_second).is_none());
        assert!(second.take::<[u8; 4]>(in_first).is_none());
        assert_eq!(first.take::<[u8; 4]>(in_first).unwrap().context, 11);
        assert_eq!(second.take::<[u8; 4]>(in_second).unwrap().context, 22);

        let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
        first.release(&quiesced, |_, _| {}).unwrap();
        second.release(&quiesced, |_, _| {}).unwrap();
        rig.device.assert_clean();
        rig.pool.assert_no_leaks();
    }
}

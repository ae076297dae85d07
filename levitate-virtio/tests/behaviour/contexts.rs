//! What a driver remembers of its requests is there from submission until they are taken back.

use levitate_host::{Completion, Version};
use levitate_virtio::{Data, Features};

use crate::rig::{CONFIG, EchoQueue, Rig, echo, out_of_order, slots};

#[test]
fn requests_that_are_done_are_listed_in_the_order_they_were_done_in() {
    for features in out_of_order(Version::Two) {
        let rig = Rig::new(Version::Two);
        rig.device.set_completion(Completion::Held);
        let mut slots = slots::<5>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let tokens: Vec<_> = (0..5)
            .map(|context| {
                let footer = [0_u8; 2];
                queue.submit(b"ab", Data::None, &footer, context).unwrap()
            })
            .collect();
        queue.notify();
        let mut listed: Vec<_> = queue.contexts_mut().map(|(token, _)| token).collect();
        assert_eq!(listed.len(), 5);
        listed.retain(|token| !tokens.contains(token));
        assert_eq!(listed, []);
        assert_eq!(queue.next_done(), None);
        assert_eq!(queue.done_after(tokens[0]), None, "it is in flight");
        assert_eq!(queue.find_done(tokens[0], |_| true), None, "in flight");

        // The fourth, the first and the third.
        for position in [3, 0, 1] {
            assert!(rig.device.release_at(position));
        }
        assert_eq!(queue.process(), Ok(3));
        let listed: Vec<_> =
            std::iter::successors(queue.next_done(), |token| queue.done_after(*token)).collect();
        assert_eq!(listed, [tokens[3], tokens[0], tokens[2]]);
        let mut done = Vec::new();
        let found = queue.find_done(tokens[3], |context| {
            done.push(*context);
            false
        });
        assert_eq!((found, &done[..]), (None, &[3, 0, 2][..]));
        assert_eq!(queue.find_done(tokens[4], |_| true), None, "in flight");
        let found = queue.find_done(tokens[3], |context| *context == 0);
        assert_eq!(found, Some((tokens[0], Some(tokens[2]))));

        // One that is changed is another's no more than before, and one that is taken is forgotten.
        *queue.context_mut(tokens[0]).unwrap() = 77;
        for (_, context) in queue.contexts_mut() {
            *context += 100;
        }
        let taken = queue.take::<[u8; 2]>(tokens[0]).unwrap();
        assert_eq!((taken.context, taken.footer), (177, *b"ab"));
        assert_eq!(queue.context_mut(tokens[0]), None);
        assert_eq!(queue.done_after(tokens[0]), None);
        assert_eq!(queue.done_after(tokens[3]), Some(tokens[2]));
        assert_eq!(queue.done_after(tokens[2]), None);
        assert_eq!(queue.find_done(tokens[0], |_| true), None);
        let found = queue.find_done(tokens[3], |context| core::mem::replace(context, 104) == 102);
        assert_eq!(found, Some((tokens[2], None)));
        let mut contexts: Vec<_> = queue.contexts_mut().map(|(_, context)| *context).collect();
        contexts.sort_unstable();
        assert_eq!(contexts, [101, 104, 104, 104]);
        rig.device.release_all();
        rig.stop(device, queue);
    }
}

#[test]
fn a_request_that_is_waited_for_is_taken_if_it_is_next_and_nothing_else_is_collected() {
    for features in out_of_order(Version::Two) {
        let rig = Rig::new(Version::Two);
        rig.device.set_completion(Completion::Held);
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
        let submit = |queue: &mut EchoQueue<'_>, context| {
            let footer = [0_u8; 2];
            queue.submit(b"ab", Data::None, &footer, context).unwrap()
        };
        let tokens = [0, 1, 2, 3].map(|context| submit(&mut queue, context));
        queue.notify();
        let take = |queue: &mut EchoQueue<'_>, token| {
            let taken = queue.take_next::<[u8; 2]>(token)?;
            assert_eq!((taken.token, taken.footer), (token, *b"ab"));
            Some(taken.context)
        };
        assert_eq!(take(&mut queue, tokens[0]), None, "it is in flight");
        // The second, the first and the third.
        for position in [1, 0, 0] {
            assert!(rig.device.release_at(position));
        }
        assert_eq!(take(&mut queue, tokens[0]), None, "it is not next");
        assert_eq!((queue.next_done(), queue.in_flight()), (None, 4));
        assert_eq!(take(&mut queue, tokens[1]), Some(1));
        assert_eq!((queue.next_done(), queue.in_flight()), (None, 3));
        assert_eq!(queue.idle_slots(), 1);
        assert_eq!(take(&mut queue, tokens[1]), None, "it was taken");
        // Its slot is another's, who is not done.
        let late = submit(&mut queue, 4);
        queue.notify();
        assert_eq!(take(&mut queue, tokens[1]), None);
        // What is collected is taken too, and the order does not matter then.
        assert_eq!(queue.process(), Ok(2));
        assert_eq!(take(&mut queue, tokens[2]), Some(2));
        assert_eq!(take(&mut queue, tokens[3]), None);
        // One that is next is taken ahead of what was collected.
        assert!(rig.device.release_one());
        assert_eq!(take(&mut queue, tokens[3]), Some(3));
        assert_eq!(take(&mut queue, tokens[0]), Some(0));
        rig.device.release_all();
        assert_eq!(take(&mut queue, tokens[1]), None, "the other is next");
        assert_eq!(take(&mut queue, late), Some(4));
        assert_eq!(queue.idle_slots(), 4);
        rig.stop(device, queue);
    }
}

#[test]
fn every_slot_is_looked_at_wherever_in_the_list_it_is() {
    for features in out_of_order(Version::Two) {
        // The first one is done first, last, and in between.
        for positions in [[0, 0, 0, 0], [3, 2, 1, 0], [1, 2, 0, 0]] {
            let rig = Rig::new(Version::Two);
            rig.device.set_completion(Completion::Held);
            let mut slots = slots::<4>();
            let (device, mut queue) = rig.start(&mut slots, features, CONFIG);
            for context in 0..4 {
                let footer = [0_u8; 2];
                queue.submit(b"ab", Data::None, &footer, context).unwrap();
            }
            assert_eq!(queue.idle_slots(), 0, "all slots have a request");
            queue.notify();
            for position in positions {
                assert!(rig.device.release_at(position));
            }
            assert_eq!(queue.process(), Ok(4));
            let first = queue.next_done().unwrap();
            let listed: Vec<_> =
                std::iter::successors(Some(first), |token| queue.done_after(*token))
                    .map(|token| *queue.context(token).unwrap())
                    .collect();
            let mut looked_at = Vec::new();
            let found = queue.find_done(first, |context| {
                looked_at.push(*context);
                false
            });
            assert_eq!((found, looked_at.len()), (None, 4));
            assert_eq!(looked_at, listed);
            rig.stop(device, queue);
        }
    }
}

#[test]
fn a_token_names_nothing_in_any_later_queue_with_the_same_slots() {
    let rig = Rig::new(Version::Two);
    rig.device.set_completion(Completion::Held);
    let mut slots = slots::<2>();
    let mut earlier = Vec::new();
    // Queues without a request, and with more and with fewer than the one before, come between.
    for requests in [1, 0, 2, 0, 0, 1, 2] {
        let (device, mut queue) = rig.start(&mut slots, Features::empty(), CONFIG);
        let tokens: Vec<_> = (0..requests)
            .map(|number| echo(&mut queue, number))
            .collect();
        for token in &earlier {
            assert_eq!(queue.context(*token), None, "{earlier:?} {tokens:?}");
        }
        for (number, token) in (0..).zip(&tokens) {
            assert_eq!(queue.context(*token), Some(&number));
        }
        earlier.extend(tokens);
        rig.stop(device, queue);
    }
}

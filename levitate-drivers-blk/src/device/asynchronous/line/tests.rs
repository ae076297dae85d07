//! A line is the first come, first served, whoever leaves it.

use core::task::Waker;
use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use levitate_hal::{Deadline, Instant};
use proptest::prelude::*;

use super::*;

fn waiter() -> Waiter {
    Waiter {
        waker: Waker::noop().clone(),
        deadline: Deadline::from_instant(Instant::from_nanos(0), Duration::MAX),
    }
}

fn call(line: &mut Line, slots: u16, has_bounce: bool) {
    let supply = Supply { slots, has_bounce };
    while !line.call(supply, &mut Wakes::default()) {}
}

/// What a future has of the line.
struct Place {
    node: Pin<Box<Node>>,
    need: Need,
}

impl Place {
    fn join(line: &mut Line, need: Need) -> Self {
        let mut node = Box::pin(Node::new());
        line.join(node.as_mut(), 0, need);
        assert!(line.replace_waiter(&node, Some(waiter())).is_none());
        Self { node, need }
    }

    /// Leaves; a turn that it has had goes back.
    fn leave(mut self, line: &mut Line) {
        if line.is_called(&self.node) {
            line.release(self.need);
        }
        line.leave(self.node.as_mut());
    }
}

#[test]
fn the_first_are_called_as_far_as_the_slots_go() {
    let mut line = Line::new();
    let places: Vec<_> = (0..20)
        .map(|_| Place::join(&mut line, Need::Slot))
        .collect();
    call(&mut line, 11, true);
    let called = |line: &Line| {
        places
            .iter()
            .filter(|place| line.is_called(&place.node))
            .count()
    };
    assert_eq!(called(&line), 11);
    assert!(line.is_called(&places[10].node) && line.is_waiting(&places[11].node));
    call(&mut line, 11, true);
    assert_eq!(called(&line), 11, "they are set aside");
    for place in places {
        place.leave(&mut line);
    }
    assert!(line.is_empty());
}

#[test]
fn one_that_was_called_in_vain_is_the_first_again() {
    let mut line = Line::new();
    let mut first = Place::join(&mut line, Need::Slot);
    let second = Place::join(&mut line, Need::Slot);
    call(&mut line, 1, false);
    line.release(Need::Slot);
    line.leave(first.node.as_mut());
    line.join_again(first.node.as_mut(), 0, Need::Slot);
    call(&mut line, 1, false);
    assert!(line.is_called(&first.node) && line.is_waiting(&second.node));
    first.leave(&mut line);
    second.leave(&mut line);
}

#[derive(Clone, Debug)]
enum Step {
    Join(bool),
    Leave(usize),
    Call(u16, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Join),
        3 => any::<usize>().prop_map(Step::Leave),
        3 => (0..4_u16, any::<bool>()).prop_map(|(slots, has_bounce)| Step::Call(slots, has_bounce)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Against a list of who is called, made the plain way.
    #[test]
    fn whoever_comes_and_goes_the_order_is_kept(steps in prop::collection::vec(step(), 0..60)) {
        let mut line = Line::new();
        let mut places: Vec<(Place, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Join(needs_bounce) => {
                    let need = if needs_bounce { Need::Bounce } else { Need::Slot };
                    places.push((Place::join(&mut line, need), false));
                }
                Step::Leave(number) if !places.is_empty() => {
                    let (place, _) = places.remove(number % places.len());
                    place.leave(&mut line);
                }
                Step::Leave(_) => {}
                Step::Call(slots, has_bounce) => {
                    call(&mut line, slots, has_bounce);
                    let taken = |need| places.iter().filter(|(place, called)| *called && (need == Need::Slot || place.need == need)).count();
                    let mut slots = usize::from(slots).saturating_sub(taken(Need::Slot));
                    let mut has_bounce = has_bounce && taken(Need::Bounce) == 0;
                    for (place, is_called) in &mut places {
                        let has_its_needs = slots != 0 && (place.need == Need::Slot || has_bounce);
                        if !*is_called && has_its_needs {
                            *is_called = true;
                            slots -= 1;
                            has_bounce &= place.need == Need::Slot;
                        }
                    }
                }
            }
            for (place, is_called) in &places {
                prop_assert_eq!(line.is_called(&place.node), *is_called);
                prop_assert_eq!(line.is_waiting(&place.node), !*is_called);
            }
        }
        for (place, _) in places {
            place.leave(&mut line);
        }
        prop_assert!(line.is_empty());
        prop_assert_eq!((line.slots, line.bounces), (0, 0));
    }
}

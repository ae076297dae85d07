//! What one broken step is, and what its device must say: [`Seeded`].

use levitate_host::{Behaviour, Version};

use crate::driver::{Driver, RING_PACKED};
use crate::life::{Outcome, Plays, Step, live};

/// Which of the two lives of an entry is lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// With the fault.
    Broken,
    /// All the same, but for the fault: what is broken in the other is done right.
    Control,
}

impl Run {
    /// Returns what is different between the two.
    pub(crate) fn either<T>(self, broken: T, right: T) -> T {
        match self {
            Self::Broken => broken,
            Self::Control => right,
        }
    }

    pub(crate) fn is_broken(self) -> bool {
        self == Self::Broken
    }
}

/// What becomes of the step, and in the control what would have been right.
pub(crate) enum Act<M: Plays> {
    /// It is not done; in the control it is.
    Skip,
    /// Something else is done; in the control the step.
    Instead(fn(&mut Driver<M>)),
    /// Something is done in place of the step, in either run its own.
    Both(fn(&mut Driver<M>, Run)),
    /// Something is done before it, in either run its own.
    Before(fn(&mut Driver<M>, Run)),
    /// Something is done after it, in either run its own.
    After(fn(&mut Driver<M>, Run)),
    /// Something is done before it that is right after it.
    TooEarly(fn(&mut Driver<M>)),
    /// Something is done after it that is right before it.
    TooLate(fn(&mut Driver<M>)),
}

impl<M: Plays> Act<M> {
    /// Does the step as it is to be done in this run.
    pub(crate) fn perform(&self, driver: &mut Driver<M>, step: Step, run: Run) {
        match self {
            Self::Skip => {
                if run == Run::Control {
                    driver.act(step);
                }
            }
            Self::Instead(other) => match run {
                Run::Broken => other(driver),
                Run::Control => driver.act(step),
            },
            Self::Both(other) => other(driver, run),
            Self::Before(more) => {
                more(driver, run);
                if !driver.is_stopped {
                    driver.act(step);
                }
            }
            Self::After(more) => {
                driver.act(step);
                more(driver, run);
            }
            Self::TooEarly(more) | Self::TooLate(more) => {
                let is_first = matches!(self, Self::TooEarly(_)) == run.is_broken();
                if is_first {
                    more(driver);
                }
                driver.act(step);
                if !is_first {
                    more(driver);
                }
            }
        }
    }
}

/// A driver with one broken step.
pub(crate) struct Seeded<M: Plays> {
    /// The rule that the device must name, and no other.
    id: &'static str,
    what: &'static str,
    pub(crate) at: Step,
    pub(crate) act: Act<M>,
    versions: &'static [Version],
    /// Features the driver accepts besides those it always does.
    pub(crate) accepts: u64,
    pub(crate) plug: fn() -> M,
    /// Features the device offers besides those it always does.
    pub(crate) offers: u64,
    pub(crate) tune: fn(&mut Behaviour),
    /// Whether a driver that does it right ends its life there.
    ends: bool,
}

impl<M: Plays> Seeded<M> {
    /// Breaks what happens `at` a step.
    pub(crate) const fn new(id: &'static str, what: &'static str, at: Step, act: Act<M>) -> Self {
        Self {
            id,
            what,
            at,
            act,
            versions: &[Version::One, Version::Two],
            accepts: 0,
            plug: M::plug,
            offers: 0,
            tune: |_| (),
            ends: false,
        }
    }

    /// Only on a device of version 1.
    pub(crate) const fn legacy(mut self) -> Self {
        self.versions = &[Version::One];
        self
    }

    /// Only on a device of version 2.
    pub(crate) const fn modern(mut self) -> Self {
        self.versions = &[Version::Two];
        self
    }

    /// On a packed ring.
    pub(crate) const fn packed(mut self) -> Self {
        self.versions = &[Version::Two];
        self.offers = RING_PACKED;
        self
    }

    /// By a driver that accepts `features` too.
    pub(crate) const fn accepting(mut self, features: u64) -> Self {
        self.accepts = features;
        self
    }

    /// On another device than the usual one.
    pub(crate) const fn of(mut self, plug: fn() -> M) -> Self {
        self.plug = plug;
        self
    }

    /// Where a driver that does it right goes no further.
    pub(crate) const fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Says whether a control came to the step, broke nothing there, and went on to the end of its life.
    fn is_proper(&self, control: &Outcome) -> bool {
        let goes_on = !control.is_stopped && control.answers > 0 && control.is_all_answered();
        control.is_reached
            && control.ids.is_empty()
            && control.others.is_empty()
            && if self.ends {
                control.is_stopped
            } else {
                goes_on
            }
    }

    /// On a device that behaves so.
    pub(crate) const fn on(mut self, tune: fn(&mut Behaviour)) -> Self {
        self.tune = tune;
        self
    }
}

/// Lives each fault on each version, and compares what was reported with what was broken; and its control, of which nothing may be.
pub(crate) fn assert_each_is_named<M: Plays>(faults: &[Seeded<M>]) {
    let mut wrong = Vec::new();
    for seeded in faults {
        let (id, what) = (seeded.id, seeded.what);
        for version in seeded.versions {
            let mut found = live(*version, seeded, Run::Broken).ids;
            found.dedup();
            if found != [id] {
                wrong.push(format!("{id} ({what}) on {version:?}: reported {found:?}"));
            }
            let control = live(*version, seeded, Run::Control);
            if !seeded.is_proper(&control) {
                wrong.push(format!(
                    "control of {id} ({what}) on {version:?}: {control:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

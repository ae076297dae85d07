//! What one broken step is, and what its device must say: [`Seeded`].

use levitate_host::{Behaviour, Version};

use crate::driver::Driver;
use crate::life::{Plays, Step, live};

/// What becomes of the step.
pub(crate) enum Act<M: Plays> {
    Skip,
    Instead(fn(&mut Driver<M>)),
    Before(fn(&mut Driver<M>)),
    After(fn(&mut Driver<M>)),
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
    pub(crate) tune: fn(&mut Behaviour),
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
            tune: |_| (),
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

    /// On a device that behaves so.
    pub(crate) const fn on(mut self, tune: fn(&mut Behaviour)) -> Self {
        self.tune = tune;
        self
    }
}

/// Lives each fault on each version, and compares what was reported with what was broken.
pub(crate) fn assert_each_is_named<M: Plays>(faults: &[Seeded<M>]) {
    let mut wrong = Vec::new();
    for seeded in faults {
        for version in seeded.versions {
            let mut found: Vec<&str> = live::<M>(*version, Some(seeded)).ids;
            found.dedup();
            if found != [seeded.id] {
                let (id, what) = (seeded.id, seeded.what);
                wrong.push(format!(
                    "{id} ({what}) on version {version:?}: reported {found:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

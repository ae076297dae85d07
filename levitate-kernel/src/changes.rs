//! How persistently a change of a device is followed: [`FollowUp`], and what was last said of it: [`Told`].

/// How often a device is looked at before its change is given up.
pub const MAX_LOOKS: u8 = 3;

/// What to do about a look at a device that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look again the next time.
    LookAgain,
    /// Look no more, until it has changed again.
    GiveUp,
}

/// Whether a device has still to be looked at since it has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    looks_left: u8,
}

impl FollowUp {
    /// Says whether to look at the device now; `has_changed` if it has said that it changed since the last time.
    pub const fn is_due(&mut self, has_changed: bool) -> bool {
        if has_changed {
            self.looks_left = MAX_LOOKS;
        }
        self.looks_left != 0
    }

    /// Takes note that the look succeeded.
    pub const fn succeeded(&mut self) {
        self.looks_left = 0;
    }

    /// Takes note that the look failed.
    pub const fn failed(&mut self) -> Next {
        self.looks_left = self.looks_left.saturating_sub(1);
        match self.looks_left {
            0 => Next::GiveUp,
            _ => Next::LookAgain,
        }
    }
}

/// A value that somebody was told, to be told again when it is another one, however that was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<T>(T);

impl<T: Copy + PartialEq> Told<T> {
    /// Takes note that `value` was told.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes note that `now` is told; returns what was told before, if that is another value.
    pub fn update(&mut self, now: T) -> Option<T> {
        let before = core::mem::replace(&mut self.0, now);
        (before != now).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_has_not_changed_is_not_looked_at() {
        assert!(!FollowUp::default().is_due(false));
    }

    #[test]
    fn a_look_that_succeeds_is_the_last() {
        let mut follow_up = FollowUp::default();
        assert!(follow_up.is_due(true));
        follow_up.succeeded();
        assert!(!follow_up.is_due(false));
    }

    #[test]
    fn a_look_that_fails_is_repeated_but_not_for_ever() {
        let mut follow_up = FollowUp::default();
        let mut has_changed = true;
        for left in (0..MAX_LOOKS).rev() {
            assert!(follow_up.is_due(has_changed));
            has_changed = false;
            let expected = if left == 0 {
                Next::GiveUp
            } else {
                Next::LookAgain
            };
            assert_eq!(follow_up.failed(), expected);
        }
        assert!(!follow_up.is_due(false));
    }

    #[test]
    fn another_change_is_looked_at_as_often_as_the_first() {
        let mut follow_up = FollowUp::default();
        for _ in 0..2 {
            assert!(follow_up.is_due(true));
            for _ in 1..MAX_LOOKS {
                assert_eq!(follow_up.failed(), Next::LookAgain);
            }
            assert!(follow_up.is_due(false));
        }
    }

    #[test]
    fn what_is_another_value_is_told_once() {
        let mut told = Told::new(8);
        assert_eq!(told.update(8), None);
        assert_eq!(told.update(5), Some(8));
        assert_eq!(told.update(5), None);
    }
}

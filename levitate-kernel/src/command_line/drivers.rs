//! Who drives which device: `gpu=DRIVER` and `blk=DRIVER` for all of a kind, `blk.1=DRIVER` for the second one alone.

use super::{Allowed, value_of};

/// Devices of a kind that can be named: those with a lower number.
const NAMED: usize = 32;
/// What a number may be.
const NUMBERS: &str = "a number from 0 to 31, and =";

const CHOICES: &[(&str, Choice)] = &[
    ("levitate", Choice::Driver(Driver::Levitate)),
    ("virtio-drivers", Choice::Driver(Driver::VirtioDrivers)),
    ("off", Choice::Off),
];
const CHOICE_NAMES: &str = "levitate, virtio-drivers, off";

/// A kind of device that the kernel has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Displays.
    Gpu,
    /// Disks.
    Blk,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Gpu, Self::Blk];

    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Blk => "blk",
        }
    }

    /// Returns what a choice for all of the kind begins with, and one for a single device.
    const fn beginnings(self) -> (&'static str, &'static str) {
        match self {
            Self::Gpu => ("gpu=", "gpu."),
            Self::Blk => ("blk=", "blk."),
        }
    }
}

/// Whose driver it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// This workspace's.
    Levitate,
    /// That of the crate `virtio-drivers`, which a kernel may be built without.
    VirtioDrivers,
}

impl Driver {
    /// Returns the crate it comes from.
    #[must_use]
    pub const fn crate_name(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Levitate, Kind::Gpu) => "levitate-drivers-gpu",
            (Self::Levitate, Kind::Blk) => "levitate-drivers-blk",
            (Self::VirtioDrivers, _) => "virtio-drivers",
        }
    }
}

/// What is done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is given to a driver.
    Driver(Driver),
    /// It is listed, and left alone.
    Off,
}

/// What is done with each device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drivers {
    gpu: Choices,
    blk: Choices,
}

/// What is done with the devices of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choices {
    all: Choice,
    named: [Option<Choice>; NAMED],
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            all: Choice::Driver(Driver::Levitate),
            named: [None; NAMED],
        }
    }
}

impl Drivers {
    /// Returns what is done with the device of this kind and number, counted from 0 in the order they are found in.
    ///
    /// A word that names the device wins over one for its kind, whichever comes first.
    #[must_use]
    pub fn choice(&self, kind: Kind, number: usize) -> Choice {
        let choices = self.of(kind);
        let named = choices.named.get(number).copied().flatten();
        named.unwrap_or(choices.all)
    }

    /// Returns the numbers that were named of a kind of which there are `count` devices, and that none of them has.
    pub fn strangers(&self, kind: Kind, count: usize) -> impl Iterator<Item = usize> {
        let named = self.of(kind).named;
        (count..NAMED).filter(move |number| named.get(*number).is_some_and(Option::is_some))
    }

    const fn of(&self, kind: Kind) -> &Choices {
        match kind {
            Kind::Gpu => &self.gpu,
            Kind::Blk => &self.blk,
        }
    }

    /// Obeys `word`, or returns what should have been in it; `None` if it is not about drivers.
    pub(super) fn obey(&mut self, word: &[u8]) -> Option<Result<(), Allowed>> {
        Kind::ALL.into_iter().find_map(|kind| {
            let (of_all, of_one) = kind.beginnings();
            let choices = match kind {
                Kind::Gpu => &mut self.gpu,
                Kind::Blk => &mut self.blk,
            };
            if let Some(value) = word.strip_prefix(of_all.as_bytes()) {
                let choice = value_of(value, CHOICES).map(|choice| choices.all = choice);
                return Some(choice.ok_or((of_all, CHOICE_NAMES)));
            }
            let (number, value) = split(word.strip_prefix(of_one.as_bytes())?);
            let Some(named) = number.and_then(|number| choices.named.get_mut(number)) else {
                return Some(Err((of_one, NUMBERS)));
            };
            let choice = value_of(value, CHOICES).map(|choice| *named = Some(choice));
            Some(choice.ok_or((of_all, CHOICE_NAMES)))
        })
    }
}

/// Splits `NUMBER=VALUE`; the number is `None` if it is none, or if there is no `=`.
fn split(text: &[u8]) -> (Option<usize>, &[u8]) {
    let mut parts = text.splitn(2, |&byte| byte == b'=');
    let (number, value) = (parts.next().unwrap_or_default(), parts.next());
    // A sign would be accepted.
    let has_digits_only = number.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(number).ok().filter(|_| has_digits_only);
    let number = number.and_then(|number| number.parse().ok());
    (
        number.filter(|_| value.is_some()),
        value.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const LEVITATE: Choice = Choice::Driver(Driver::Levitate);
    const OTHER: Choice = Choice::Driver(Driver::VirtioDrivers);

    fn obeyed(words: &[&str]) -> Drivers {
        let mut drivers = Drivers::default();
        for word in words {
            assert_eq!(drivers.obey(word.as_bytes()), Some(Ok(())), "{word}");
        }
        drivers
    }

    #[test]
    fn a_word_for_a_kind_is_for_all_of_it_and_for_no_other() {
        let drivers = obeyed(&["blk=virtio-drivers"]);
        for number in [0, 1, 31, 32, usize::MAX] {
            assert_eq!(drivers.choice(Kind::Blk, number), OTHER);
            assert_eq!(drivers.choice(Kind::Gpu, number), LEVITATE);
        }
        assert_eq!(obeyed(&["gpu=off"]).choice(Kind::Gpu, 0), Choice::Off);
    }

    #[test]
    fn a_word_for_one_device_wins_wherever_it_is() {
        for words in [["blk.1=levitate", "blk=off"], ["blk=off", "blk.1=levitate"]] {
            let drivers = obeyed(&words);
            let choices = [0, 1, 2].map(|number| drivers.choice(Kind::Blk, number));
            assert_eq!(choices, [Choice::Off, LEVITATE, Choice::Off]);
        }
        let drivers = obeyed(&[
            "gpu.31=virtio-drivers",
            "gpu.31=off",
            "gpu.0=virtio-drivers",
        ]);
        assert_eq!(drivers.choice(Kind::Gpu, 31), Choice::Off);
        assert_eq!(drivers.choice(Kind::Gpu, 0), OTHER);
    }

    #[test]
    fn a_number_that_no_device_has_is_found() {
        let drivers = obeyed(&["blk.1=off", "blk.3=levitate", "gpu.0=off"]);
        let strangers = |kind, count| -> Vec<usize> { drivers.strangers(kind, count).collect() };
        assert_eq!(strangers(Kind::Blk, 1), [1, 3]);
        assert_eq!(strangers(Kind::Blk, 2), [3]);
        assert!(strangers(Kind::Blk, 4).is_empty());
        assert!(strangers(Kind::Blk, usize::MAX).is_empty());
        assert_eq!(strangers(Kind::Gpu, 0), [0]);
    }

    #[test]
    fn what_is_wrong_says_what_would_be_right_and_changes_nothing() {
        let mut drivers = Drivers::default();
        for (word, beginning) in [
            ("blk=", "blk="),
            ("blk=amiga", "blk="),
            ("blk.0=", "blk="),
            ("gpu.0=virtio", "gpu="),
            ("blk.", "blk."),
            ("blk.=off", "blk."),
            ("blk.0", "blk."),
            ("blk.+1=off", "blk."),
            ("blk.-1=off", "blk."),
            ("blk.x=off", "blk."),
            ("blk.32=off", "blk."),
            ("blk.99999999999999999999=off", "blk."),
        ] {
            let outcome = drivers.obey(word.as_bytes());
            let Some(Err((found, _))) = outcome else {
                panic!("{word}: {outcome:?}");
            };
            assert_eq!(found, beginning, "{word}");
        }
        for word in ["blk", "gpus=off", "blkoff", "log=off", ""] {
            assert_eq!(drivers.obey(word.as_bytes()), None, "{word}");
        }
        assert_eq!(drivers, Drivers::default());
    }

    #[test]
    fn messages_have_the_names_and_numbers_that_are_obeyed() {
        let names: Vec<&str> = CHOICES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.join(", "), CHOICE_NAMES);
        assert!(NUMBERS.contains(&std::format!(" {}, ", NAMED - 1)));
    }
}

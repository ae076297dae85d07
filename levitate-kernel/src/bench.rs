//! What a benchmark tells of each thing it measured: one line, written and read by [`Measurement`].

use core::fmt::{self, Display, Formatter};

/// How every such line begins.
const BEGINNING: &str = "bench ";

/// Rounds that a line has room for.
pub const MOST_ROUNDS: usize = 64;

/// A time for each round, in nanoseconds.
pub type Rounds = heapless::Vec<u64, MOST_ROUNDS>;

/// One driver doing one kind of thing on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement<'a> {
    /// The device: a disk's serial number, or `display`; without blanks, as the two that follow.
    pub device: &'a str,
    /// Who drives it, and by which of its calls.
    pub driver: &'a str,
    /// What was done.
    pub workload: &'a str,
    /// The requests that were in flight at a time.
    pub depth: u64,
    /// What was counted meanwhile.
    pub counts: Counts,
    /// How long one request took.
    pub times: Times,
    /// The median of each round: what others took in the same one can be compared with it, for what else the host did is in both.
    pub rounds_ns: Rounds,
}

/// What was counted while something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Requests; of a display, frames.
    pub requests: u64,
    /// Notifications of the device.
    pub notifications: u64,
    /// Accesses to the device's registers, its status aside; `None` where nobody is between the driver and them to count.
    pub register_accesses: Option<u64>,
    /// Interrupts by the device.
    pub interrupts: u64,
    /// Allocations from the heap.
    pub allocations: u64,
}

impl Counts {
    /// Nothing, of everything there is to count.
    pub const NONE: Self = Self {
        requests: 0,
        notifications: 0,
        register_accesses: Some(0),
        interrupts: 0,
        allocations: 0,
    };

    /// Adds what was counted at another time.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.notifications += other.notifications;
        self.register_accesses = self
            .register_accesses
            .zip(other.register_accesses)
            .map(|(a, b)| a + b);
        self.interrupts += other.interrupts;
        self.allocations += other.allocations;
    }
}

/// Of many times, the shortest, the longest, and the one in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The shortest, in nanoseconds.
    pub min_ns: u64,
    /// The one that as many are shorter than as are longer, in nanoseconds; of two in the middle, the shorter.
    pub median_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
}

impl Times {
    /// Sorts times and looks at them; `None` if there are none.
    pub fn of(times_ns: &mut [u64]) -> Option<Self> {
        times_ns.sort_unstable();
        let middle = times_ns.len().checked_sub(1)? / 2;
        Some(Self {
            min_ns: *times_ns.first()?,
            median_ns: *times_ns.get(middle)?,
            max_ns: *times_ns.last()?,
        })
    }
}

impl<'a> Measurement<'a> {
    /// Reads a line that was written by [`Display`]; `None` if it is another.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.strip_prefix(BEGINNING)?.split(' ');
        let mut text = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let [device, driver, workload] = [text("device")?, text("driver")?, text("workload")?];
        let depth = text("depth")?.parse().ok()?;
        let mut number = |name: &str| text(name)?.parse().ok();
        let [requests, notifications] = [number("requests")?, number("notifications")?];
        let register_accesses = match text("register-accesses")? {
            "-" => None,
            counted => Some(counted.parse().ok()?),
        };
        let mut number = |name: &str| text(name)?.parse().ok();
        let mut measurement = Self {
            device,
            driver,
            workload,
            depth,
            counts: Counts {
                requests,
                notifications,
                register_accesses,
                interrupts: number("interrupts")?,
                allocations: number("allocations")?,
            },
            times: Times {
                min_ns: number("min-ns")?,
                median_ns: number("median-ns")?,
                max_ns: number("max-ns")?,
            },
            rounds_ns: Rounds::new(),
        };
        for round in text("rounds-ns")?.split(',') {
            measurement.rounds_ns.push(round.parse().ok()?).ok()?;
        }
        words.next().is_none().then_some(measurement)
    }
}

impl Display for Measurement<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            driver,
            workload,
            depth,
            counts,
            times,
            rounds_ns,
        } = self;
        write!(
            f,
            "{BEGINNING}device={device} driver={driver} workload={workload} depth={depth}"
        )?;
        write!(
            f,
            " requests={} notifications={}",
            counts.requests, counts.notifications
        )?;
        match counts.register_accesses {
            Some(counted) => write!(f, " register-accesses={counted}")?,
            None => f.write_str(" register-accesses=-")?,
        }
        write!(
            f,
            " interrupts={} allocations={}",
            counts.interrupts, counts.allocations
        )?;
        let Times {
            min_ns,
            median_ns,
            max_ns,
        } = times;
        write!(f, " min-ns={min_ns} median-ns={median_ns} max-ns={max_ns}")?;
        f.write_str(" rounds-ns=")?;
        for (number, ns) in rounds_ns.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{ns}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const COUNTS: Counts = Counts {
        requests: 6400,
        notifications: 200,
        register_accesses: Some(201),
        interrupts: 3,
        allocations: 4,
    };

    fn measurement() -> Measurement<'static> {
        Measurement {
            device: "null-co",
            driver: "levitate",
            workload: "read-4k",
            depth: 32,
            counts: COUNTS,
            times: Times {
                min_ns: 900,
                median_ns: 1100,
                max_ns: 1_000_000_000_000,
            },
            rounds_ns: Rounds::from_slice(&[1090, 1230]).unwrap(),
        }
    }

    #[test]
    fn a_line_has_everything_and_is_read_again() {
        let line = measurement().to_string();
        assert_eq!(
            line,
            "bench device=null-co driver=levitate workload=read-4k depth=32 requests=6400 notifications=200 \
             register-accesses=201 interrupts=3 allocations=4 min-ns=900 median-ns=1100 max-ns=1000000000000 \
             rounds-ns=1090,1230"
        );
        assert_eq!(Measurement::parse(&line), Some(measurement()));
        let mut uncounted = measurement();
        uncounted.counts.register_accesses = None;
        assert_eq!(Measurement::parse(&uncounted.to_string()), Some(uncounted));
    }

    #[test]
    fn another_line_is_no_measurement() {
        let line = measurement().to_string();
        for end in 0..line.len() - "1090,1230".len() + 1 {
            assert_eq!(Measurement::parse(&line[..end]), None, "{}", &line[..end]);
        }
        for (from, to) in [
            ("bench ", "bench  "),
            ("depth=32", "depth=-1"),
            ("depth=32", "width=32"),
            ("requests=6400", "requests=many"),
            ("register-accesses=201", "register-accesses=?"),
            ("rounds-ns=1090,1230", "rounds-ns=1090,1230 more=1"),
            ("rounds-ns=1090,1230", "rounds-ns=1090,1230,"),
            (",1230", &",1230".repeat(MOST_ROUNDS)),
        ] {
            assert_eq!(Measurement::parse(&line.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn the_median_is_a_time_that_was_measured() {
        let of = |mut times: std::vec::Vec<u64>| {
            Times::of(&mut times).map(|times| (times.min_ns, times.median_ns, times.max_ns))
        };
        assert_eq!(of(std::vec![]), None);
        assert_eq!(of(std::vec![7]), Some((7, 7, 7)));
        assert_eq!(of(std::vec![9, 1]), Some((1, 1, 9)));
        assert_eq!(of(std::vec![9, 1, 5]), Some((1, 5, 9)));
        assert_eq!(of(std::vec![4, 3, 2, 100]), Some((2, 3, 100)));
    }

    #[test]
    fn counts_add_up_unless_one_was_not_taken() {
        let mut sum = Counts::NONE;
        sum.add(&COUNTS);
        assert_eq!(sum, COUNTS);
        sum.add(&COUNTS);
        assert_eq!(
            (sum.requests, sum.notifications, sum.register_accesses),
            (12_800, 400, Some(402))
        );
        assert_eq!((sum.interrupts, sum.allocations), (6, 8));
        sum.add(&Counts {
            register_accesses: None,
            ..Counts::NONE
        });
        assert_eq!(sum.register_accesses, None);
    }
}

//! What was measured, as it is kept: [`Outcome`], [`Measurement`].

use levitate_kernel::bench;
use serde::Serialize;

use super::demands::{self, Figure};

/// A round that is compared takes at most so many times as long as the shortest: the host's changes of speed are one and a half times.
const STEADY: u64 = 3;

/// One of so many rounds has to be like that, or nothing is compared.
const ONE_OF: usize = 4;

/// What one machine measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// The machine, as short as it can be told from the others.
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) demands: Vec<Figure>,
}

/// One line of the kernel's: see [`bench::Measurement`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Measurement {
    pub(crate) device: String,
    pub(crate) driver: String,
    pub(crate) workload: String,
    pub(crate) depth: u64,
    pub(crate) requests: u64,
    pub(crate) notifications: u64,
    pub(crate) register_accesses: Option<u64>,
    pub(crate) interrupts: u64,
    pub(crate) allocations: u64,
    pub(crate) min_ns: u64,
    pub(crate) median_ns: u64,
    pub(crate) max_ns: u64,
    /// The median of each round.
    pub(crate) rounds_ns: Vec<u64>,
}

/// Reads the lines of a serial log that are measurements.
pub(crate) fn read(log: &str) -> Vec<Measurement> {
    let lines = log.lines().filter_map(bench::Measurement::parse);
    lines.map(Measurement::from).collect()
}

impl From<bench::Measurement<'_>> for Measurement {
    fn from(measured: bench::Measurement<'_>) -> Self {
        let bench::Measurement {
            device,
            driver,
            workload,
            depth,
            counts,
            times,
            rounds_ns,
        } = measured;
        Self {
            device: device.to_owned(),
            driver: driver.to_owned(),
            workload: workload.to_owned(),
            depth,
            requests: counts.requests,
            notifications: counts.notifications,
            register_accesses: counts.register_accesses,
            interrupts: counts.interrupts,
            allocations: counts.allocations,
            min_ns: times.min_ns,
            median_ns: times.median_ns,
            max_ns: times.max_ns,
            rounds_ns: rounds_ns.to_vec(),
        }
    }
}

impl Outcome {
    /// Compares what was measured.
    pub(crate) fn new(name: &str, machine: &str, measurements: Vec<Measurement>) -> Self {
        Self {
            name: name.to_owned(),
            machine: machine.to_owned(),
            demands: demands::figures(&measurements),
            measurements,
        }
    }
}

/// Returns what a driver was measured to do.
pub(crate) fn find<'a>(
    all: &'a [Measurement],
    device: &str,
    driver: &str,
    workload: &str,
) -> Option<&'a Measurement> {
    all.iter()
        .find(|one| one.device == device && one.driver == driver && one.workload == workload)
}

impl Measurement {
    /// Returns how many times as long as the other this took in the same round: of the [steady](Self::is_steady) rounds the median, of
    /// two in the middle the smaller; `None` if they are too few, or the two had not the same rounds.
    ///
    /// What else the host does for a while is in both.
    pub(crate) fn relative_to(&self, other: &Self) -> Option<f64> {
        if self.rounds_ns.len() != other.rounds_ns.len() {
            return None;
        }
        let rounds = self.rounds_ns.iter().zip(&other.rounds_ns);
        let mut relative: Vec<f64> = rounds
            .filter(|(ns, other_ns)| self.is_steady(**ns) && other.is_steady(**other_ns))
            .map(|(ns, other_ns)| *ns as f64 / (*other_ns).max(1) as f64)
            .collect();
        if relative.len() * ONE_OF < self.rounds_ns.len() {
            return None;
        }
        relative.sort_by(f64::total_cmp);
        relative.get(relative.len().checked_sub(1)? / 2).copied()
    }

    /// Says whether a round took not much longer than the shortest.
    ///
    /// While another process has one of the host's two CPUs, QEMU's threads wait for the other one: a request alone takes 70 to 150 µs
    /// then, and not 2, by whoever drives the disk. How often that was is no property of a driver.
    fn is_steady(&self, ns: u64) -> bool {
        let shortest = self.rounds_ns.iter().min();
        shortest.is_some_and(|shortest| ns <= shortest.saturating_mul(STEADY))
    }

    /// Returns how many of something there were for each request.
    pub(crate) fn per_request(&self, count: u64) -> f64 {
        count as f64 / self.requests.max(1) as f64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A line as the kernel writes it, after one round.
    pub(crate) fn measurement(driver: &str, workload: &str, median_ns: u64) -> Measurement {
        let line = format!(
            "bench device=null-co driver={driver} workload={workload} depth=32 requests=320 notifications=10 \
             register-accesses=10 interrupts=0 allocations=0 min-ns=1 median-ns={median_ns} max-ns=9999999 \
             rounds-ns={median_ns}"
        );
        read(&line).remove(0)
    }

    /// The same, after rounds of so many nanoseconds.
    pub(crate) fn rounds(driver: &str, workload: &str, rounds_ns: &[u64]) -> Measurement {
        Measurement {
            rounds_ns: rounds_ns.to_vec(),
            ..measurement(driver, workload, 7)
        }
    }

    #[test]
    fn measurements_are_found_among_other_lines() {
        let one = measurement("floor", "read-4k-batch", 5);
        let log = "[ 0.1] info bench\nbench\nbench device=null-co driver=floor workload=read-4k-batch depth=32 \
                   requests=320 notifications=10 register-accesses=10 interrupts=0 allocations=0 min-ns=1 median-ns=5 \
                   max-ns=9999999 rounds-ns=5\n";
        assert_eq!(read(log), std::slice::from_ref(&one));
        assert!((one.per_request(one.notifications) - 1.0 / 32.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_round_shares_is_in_no_comparison() {
        let relative = |ours: &[u64], others: &[u64]| {
            rounds("a", "one", ours).relative_to(&rounds("b", "batch", others))
        };
        let is = |relative: Option<f64>, wanted: f64| {
            assert!((relative.unwrap() - wanted).abs() < 1e-9, "{relative:?}");
        };
        // The host was slower in the third round and the fourth; by the medians of all rounds it would be 1.18.
        is(
            relative(&[125, 121, 300, 300, 130], &[100, 110, 240, 240, 90]),
            1.25,
        );
        is(relative(&[20, 30], &[10, 10]), 2.0);
        is(relative(&[7], &[0]), 7.0);
        assert_eq!(relative(&[], &[]), None);
        assert_eq!(relative(&[1, 2], &[1]), None);
    }

    #[test]
    fn a_round_that_waited_for_a_cpu_is_not_compared() {
        let relative = |ours: &[u64], others: &[u64]| {
            rounds("a", "one", ours).relative_to(&rounds("b", "batch", others))
        };
        // Either of the two may have waited, or both.
        assert_eq!(
            relative(&[301, 300, 100, 200, 9000], &[10, 10, 10, 31, 30]),
            Some(10.0)
        );
        assert_eq!(relative(&[300, 100, 300], &[10, 10, 30]), Some(10.0));
        // One round of four is enough, of five it is not.
        assert_eq!(relative(&[40, 50, 900, 900], &[10, 90, 90, 90]), Some(4.0));
        assert_eq!(
            relative(&[40, 50, 900, 900, 900], &[10, 90, 90, 90, 90]),
            None
        );
    }
}

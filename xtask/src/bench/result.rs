//! What was measured, as it is kept: [`Outcome`], [`Measurement`].

use levitate_kernel::bench;
use serde::Serialize;

/// What one machine measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) machine: String,
    pub(crate) measurements: Vec<Measurement>,
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
    pub(crate) relative_permille: u64,
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
            relative_permille,
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
            relative_permille,
        }
    }
}

impl Measurement {
    /// Returns how many of something there were for each request.
    pub(crate) fn per_request(&self, count: u64) -> f64 {
        count as f64 / self.requests.max(1) as f64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A line as the kernel writes it.
    pub(crate) fn measurement(driver: &str, workload: &str, median_ns: u64) -> Measurement {
        let line = format!(
            "bench device=null-co driver={driver} workload={workload} depth=32 requests=320 notifications=10 \
             register-accesses=10 interrupts=0 allocations=0 min-ns=1 median-ns={median_ns} max-ns=9999999 \
             relative-permille={median_ns}"
        );
        read(&line).remove(0)
    }

    #[test]
    fn measurements_are_found_among_other_lines() {
        let one = measurement("floor", "read-4k-batch", 5);
        let log = "[ 0.1] info bench\nbench\nbench device=null-co driver=floor workload=read-4k-batch depth=32 \
                   requests=320 notifications=10 register-accesses=10 interrupts=0 allocations=0 min-ns=1 median-ns=5 \
                   max-ns=9999999 relative-permille=5\n";
        assert_eq!(read(log), std::slice::from_ref(&one));
        assert!((one.per_request(one.notifications) - 1.0 / 32.0).abs() < 1e-9);
    }
}

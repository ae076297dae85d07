//! What is measured of one device, collected over the rounds: [`Record`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use levitate_hal::Clock as _;
use levitate_kernel::bench::{Counts, Measurement, Rounds, Times};

use super::Result;
use crate::devices::Way;
use crate::interrupts::{self, Line};
use crate::memory::heap;
use crate::platform::KernelClock;

/// What is counted between a driver and its device, from its start on.
pub(super) trait Tally {
    /// Returns how often the device was notified.
    fn notifications(&self) -> u64;

    /// Returns how often its registers were accessed, its status aside; `None` where nobody is between them and the driver.
    fn register_accesses(&self) -> Option<u64>;
}

/// What is measured: the same things in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Who drives the device.
    pub(super) driver: &'static str,
    /// What is done.
    pub(super) workload: &'static str,
    /// Requests in flight at a time.
    pub(super) depth: u16,
}

/// One subject, in all rounds so far.
struct Series {
    subject: Subject,
    counts: Counts,
    times_ns: Vec<u64>,
    /// The median of each round.
    rounds_ns: Rounds,
}

/// Everything that is measured of one device.
pub(super) struct Record {
    device: String,
    lines: Vec<Line>,
    series: Vec<Series>,
}

impl Record {
    /// Begins a record of the device that `way` leads to, under a name that has no blanks in the end.
    pub(super) fn new(device: &str, way: &Way) -> Self {
        Self {
            device: device.split_whitespace().collect(),
            lines: way.lines(),
            series: Vec::new(),
        }
    }

    /// Has `run` make `requests` requests, `samples` times, each with the number of the sample; counts, and takes the times.
    ///
    /// # Errors
    ///
    /// That of `run`, which is not called again.
    pub(super) fn measure(
        &mut self,
        subject: Subject,
        tally: &dyn Tally,
        (samples, requests): (u32, u16),
        mut run: impl FnMut(u32) -> Result,
    ) -> Result {
        let known = self
            .series
            .iter()
            .position(|series| series.subject == subject);
        let index = known.unwrap_or(self.series.len());
        if known.is_none() {
            self.series.push(Series::new(subject));
        }
        let Self { lines, series, .. } = self;
        let Series {
            counts,
            times_ns,
            rounds_ns,
            ..
        } = &mut series[index];
        let first = times_ns.len();
        times_ns.reserve(samples as usize);
        let before = Reading::new(tally, lines);
        for sample in 0..samples {
            let begin = KernelClock.now();
            run(sample)?;
            let duration = KernelClock.now().since(begin);
            let duration_ns = u64::try_from(duration.as_nanos())?;
            times_ns.push(duration_ns / u64::from(requests));
        }
        let after = Reading::new(tally, lines);
        let round = Times::of(&mut times_ns[first..]).ok_or("a round has no samples")?;
        let pushed = rounds_ns.push(round.median_ns);
        pushed.map_err(|_| "there are more rounds than a line has room for")?;
        counts.add(&before.counts_until(&after, u64::from(samples) * u64::from(requests)));
        Ok(())
    }

    /// Writes a line for each subject, those with the same workload together.
    ///
    /// # Errors
    ///
    /// That of `out`.
    pub(super) fn write(mut self, out: &mut impl Write) -> fmt::Result {
        // A stable order: of each workload, drivers come as they were first measured.
        let mut workloads = Vec::new();
        for series in &self.series {
            if !workloads.contains(&series.subject.workload) {
                workloads.push(series.subject.workload);
            }
        }
        let place = |series: &Series| {
            workloads
                .iter()
                .position(|name| *name == series.subject.workload)
        };
        self.series.sort_by_key(place);
        for Series {
            subject,
            counts,
            mut times_ns,
            rounds_ns,
        } in self.series
        {
            let Some(times) = Times::of(&mut times_ns) else {
                continue;
            };
            let measurement = Measurement {
                device: &self.device,
                driver: subject.driver,
                workload: subject.workload,
                depth: subject.depth.into(),
                counts,
                times,
                rounds_ns,
            };
            writeln!(out, "{measurement}")?;
        }
        Ok(())
    }
}

impl Series {
    const fn new(subject: Subject) -> Self {
        Self {
            subject,
            counts: Counts::NONE,
            times_ns: Vec::new(),
            rounds_ns: Rounds::new(),
        }
    }
}

/// What all counters read.
struct Reading {
    notifications: u64,
    register_accesses: Option<u64>,
    interrupts: u64,
    allocations: u64,
}

impl Reading {
    fn new(tally: &dyn Tally, lines: &[Line]) -> Self {
        Self {
            notifications: tally.notifications(),
            register_accesses: tally.register_accesses(),
            interrupts: interrupts::count(lines),
            allocations: heap::allocations(),
        }
    }

    fn counts_until(&self, later: &Self, requests: u64) -> Counts {
        let accesses = later.register_accesses.zip(self.register_accesses);
        Counts {
            requests,
            notifications: later.notifications - self.notifications,
            register_accesses: accesses.map(|(later, earlier)| later - earlier),
            interrupts: later.interrupts - self.interrupts,
            allocations: later.allocations - self.allocations,
        }
    }
}

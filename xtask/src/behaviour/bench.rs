//! What the benchmarks count is exact, whatever the times are: how often a request notifies, interrupts and allocates.

use anyhow::{Context as _, Result, bail, ensure};

use super::case::{self, Case, Context};
use crate::bench;
use crate::bench::demands;
use crate::bench::machine::{Backing, Disks, Setting, setting};
use crate::bench::result::{self, Measurement};
use crate::platform::{Board, Transport};

/// Most requests of a batch, which cost one notification all together.
const BATCH: u64 = 32;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    use Board::{Microvm, Q35, Virt};
    use Transport::{Mmio, MmioLegacy, Pci};
    let machines = [
        ("bench-mmio", Virt, Mmio),
        ("bench-legacy", Virt, MmioLegacy),
        ("bench-pci", Virt, Pci),
        ("bench-x86-q35-pci", Q35, Pci),
        ("bench-x86-microvm-mmio", Microvm, Mmio),
    ];
    let cases = machines.map(|(name, board, transport)| Case {
        name,
        run: Box::new(move |context| {
            measure(context, setting(board, transport, Disks::InNotification))
        }),
    });
    cases.into()
}

/// A short benchmark on a machine where every count is the same each time.
fn measure(context: &Context, setting: Setting) -> Result<()> {
    let backing = Backing::create()?;
    let base = context.machine_of(setting.board);
    let mut vm = setting
        .machine(base, &backing, "bench=short")
        .start(&context.dir)?;
    let measurements = bench::collect(&mut vm)?;
    // `virtio-drivers` writes 64 feature bits to a legacy device, which has 32.
    if setting.transport != Transport::MmioLegacy {
        case::ensure_no_guest_errors(&vm)?;
    }
    for expected in [
        "levitate",
        "levitate-tables",
        "levitate-blocking",
        "levitate-async",
        "virtio-drivers",
        "virtio-drivers-blocking",
        "floor",
    ] {
        for device in ["null-co", "memory"] {
            find(&measurements, device, expected, "read-4k-one")?;
        }
    }
    for expected in ["levitate", "levitate-async", "virtio-drivers", "floor"] {
        for workload in ["present-all", "present-64x64"] {
            find(&measurements, "display", expected, workload)?;
        }
    }
    for (device, driver, workload) in demands::compared() {
        find(&measurements, device, driver, workload)?;
    }
    for measured in &measurements {
        check(measured).with_context(|| format!("{measured:?}"))?;
    }
    Ok(())
}

fn find(measurements: &[Measurement], device: &str, driver: &str, workload: &str) -> Result<()> {
    match result::find(measurements, device, driver, workload) {
        Some(_) => Ok(()),
        None => bail!("{driver} was not measured at {workload} on {device}"),
    }
}

/// Compares counts with what they have to be.
fn check(measured: &Measurement) -> Result<()> {
    let requests = measured.requests;
    if measured.driver.starts_with("virtio-drivers") {
        // What ours is compared with: it notifies of each request, and of the two commands of a frame one after the other.
        let each = if measured.device == "display" { 2 } else { 1 };
        ensure!(
            measured.notifications == each * requests,
            "these are the notifications of another version"
        );
        return Ok(());
    }
    // A batch is as many requests as are in flight.
    ensure!(
        measured.notifications * measured.depth == requests,
        "one request or batch is one notification"
    );
    if measured.depth >= BATCH {
        ensure!(
            measured.notifications <= requests / BATCH + 1,
            "a batch costs too much"
        );
    }
    ensure!(
        measured.register_accesses == Some(measured.notifications),
        "a notification is one access to a register"
    );
    ensure!(
        measured.interrupts <= requests,
        "a request interrupts once at most"
    );
    ensure!(measured.allocations == 0, "a request allocates nothing");
    // That device has done all of a batch when its notification returns, or soon after. What a slower one had done in time
    // is answered without an interrupt: that who sleeps is woken for each answer, `stats` proves.
    if measured.driver == "levitate-async" && measured.device == "null-co" {
        ensure!(
            measured.interrupts * measured.depth <= requests,
            "a wait is one interrupt at most"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(driver: &str, change: impl FnOnce(&mut Measurement)) -> Result<()> {
        let mut measured = Measurement {
            device: "null-co".to_owned(),
            driver: driver.to_owned(),
            workload: "read-4k-batch".to_owned(),
            depth: 32,
            requests: 64,
            notifications: 2,
            register_accesses: Some(2),
            interrupts: 0,
            allocations: 0,
            min_ns: 1,
            median_ns: 2,
            max_ns: 3,
            rounds_ns: vec![2],
        };
        change(&mut measured);
        check(&measured)
    }

    #[test]
    fn a_count_that_is_too_high_is_refused() {
        measured("levitate", |_| {}).unwrap();
        measured("virtio-drivers", |it| it.notifications = 64).unwrap();
        type Change = fn(&mut Measurement);
        let changes: [Change; 5] = [
            |it| it.notifications = 3,
            |it| it.register_accesses = Some(3),
            |it| it.register_accesses = None,
            |it| it.interrupts = 65,
            |it| it.allocations = 1,
        ];
        for change in changes {
            measured("levitate", change).unwrap_err();
        }
        measured("virtio-drivers", |_| {}).unwrap_err();
    }

    #[test]
    fn who_sleeps_is_woken_once_a_batch() {
        measured("levitate-async", |it| it.interrupts = 2).unwrap();
        measured("levitate-async", |_| {}).unwrap();
        measured("levitate-async", |it| it.interrupts = 3).unwrap_err();
        let slower = |it: &mut Measurement| (it.device, it.interrupts) = ("memory".to_owned(), 64);
        measured("levitate-async", slower).unwrap();
    }
}

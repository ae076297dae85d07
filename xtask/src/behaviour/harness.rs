//! The tools of the other cases against a machine that is known: QEMU with nothing to run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::case::{Case, Context};

const DEADLINE: Duration = Duration::from_secs(60);

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "harness-empty-machine",
            run: Box::new(empty_machine),
        },
        Case {
            name: "harness-stopped-kernel",
            run: Box::new(stopped_kernel),
        },
    ]
}

/// Without a kernel, the display shows QEMU's own message; screendump and VNC agree on it; the serial line is silent.
fn empty_machine(context: &Context) -> Result<()> {
    let mut machine = context.machine();
    machine.kernel = None;
    machine.gpu = Some((1280, 800));
    machine.vnc = true;
    let mut vm = machine.start(&context.dir)?;
    let status = vm.qmp()?.execute("query-status", json!({}), DEADLINE)?;
    ensure!(
        status["running"] == true,
        "QEMU says it does not run: {status}"
    );
    // Its event comes before the reply.
    vm.qmp()?.execute("stop", json!({}), DEADLINE)?;
    vm.qmp()?.execute("cont", json!({}), DEADLINE)?;
    let events = vm.qmp()?.events();
    for name in ["STOP", "RESUME"] {
        let came = events.iter().any(|event| event["event"] == name);
        ensure!(came, "no event {name} among {events:?}");
    }
    let screendump = vm.screendump()?;
    let text = screendump.count_other_than([0; 3]);
    ensure!(text > 100, "QEMU's message has {text} pixels");
    vm.vnc_frame()?
        .ensure_equals(&screendump, &context.dir, "placeholder")?;
    // A picture that is not there is not taken for one that is.
    let missing = json!({ "filename": context.dir.join("missing.png"), "device": "gpu7" });
    let error = vm.qmp()?.execute("screendump", missing, DEADLINE);
    let error = error
        .err()
        .context("a screendump of no device was answered")?;
    ensure!(error.to_string().contains("DeviceNotFound"), "{error}");
    ensure!(vm.serial_log().is_empty(), "the serial line is not silent");
    // QEMU ends as it is told, and that is told from a crash.
    vm.qmp()?.execute("quit", json!({}), DEADLINE)?;
    let status = vm.wait_exit(DEADLINE)?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

/// A boot that hangs is ended at its deadline.
fn stopped_kernel(context: &Context) -> Result<()> {
    let mut machine = context.machine();
    machine.extra = vec!["-S".into()];
    let mut vm = machine.start(&context.dir)?;
    let begin = Instant::now();
    let error = vm
        .wait_for_prompt(Duration::from_secs(1))
        .err()
        .context("a stopped machine showed a prompt")?;
    ensure!(begin.elapsed() < DEADLINE, "the deadline was not kept");
    ensure!(error.to_string().contains("did not show"), "{error}");
    ensure!(
        vm.wait_exit(Duration::from_millis(200)).is_err(),
        "a stopped machine ended"
    );
    let process = format!("/proc/{}", vm.pid());
    ensure!(std::fs::exists(&process)?, "QEMU does not run");
    drop(vm);
    ensure!(!std::fs::exists(&process)?, "QEMU outlived its machine");
    Ok(())
}

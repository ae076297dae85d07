//! `cargo xtask run` where something is wrong: one clear message, a non-zero exit, no QEMU left behind, the disk intact.

mod child;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::case::{BOOT_DEADLINE, Case, Context};
use super::disk_image::TestDisk;
use crate::vm::PROMPT;

use child::{
    REFUSAL_DEADLINE, Xtask, ensure_no_process_has, ensure_one_error, processes_that_have, text,
};

/// What a shell calls the status of a process ended by SIGINT.
const STATUS_INTERRUPTED: i32 = 130;

/// A program for the same machine that says two lines on the PL011 and then waits for ever, as a flat image.
const HANGING_KERNEL: [u32; 9] = [
    0xd2a1_2001, // mov  x1, #0x09000000
    0x1000_0102, // adr  x2, text
    0x3840_1443, // ldrb w3, [x2], #1
    0x3400_0063, // cbz  w3, +12
    0xb900_0023, // str  w3, [x1]
    0x17ff_fffd, // b    -12
    0xd503_207f, // wfi
    0x17ff_ffff, // b    -4
    0xd503_201f, // nop, so that the text below is 8 bytes aligned
];
const HANGING_TEXT: &[u8] = b"hanging kernel\nstuck here\n\0";

/// How long a boot may take that hangs, in seconds: before that it has to say its two lines, on a host that starts QEMU slowly, too.
const HANGING_TIMEOUT: &str = "10";

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "bad-input-refused",
            run: Box::new(refused),
        },
        Case {
            name: "bad-input-hanging-boot",
            run: Box::new(hanging_boot),
        },
        Case {
            name: "bad-input-stopped-cpu",
            run: Box::new(stopped_cpu),
        },
        Case {
            name: "bad-input-interrupted",
            run: Box::new(interrupted),
        },
    ]
}

/// What is wrong before QEMU can run is said at once.
fn refused(context: &Context) -> Result<()> {
    let dir = &context.dir;
    let disk = TestDisk::create(dir, "disk", 2_051)?;
    let good = disk.device().path;
    let good = text(&good)?;
    let odd = dir.join("odd.img");
    std::fs::write(&odd, [0; 1_000])?;
    let missing = dir.join("missing.img");
    // A socket that another machine might listen on.
    let sockets = tempfile::tempdir()?;
    let socket = sockets.path().join("qmp");
    let listener = UnixListener::bind(&socket)?;
    let text_file = dir.join("qemu-without-permission");
    std::fs::write(&text_file, "no program")?;

    for (arguments, part) in [
        (vec!["--frobnicate"], "--frobnicate"),
        (vec!["--disk", good, "--transport", "usb"], "usb"),
        (
            vec![
                "--disk",
                good,
                "--arch",
                "x86_64",
                "--machine",
                "microvm",
                "--transport",
                "pci",
            ],
            "--machine microvm has none, but mmio and mmio-legacy",
        ),
        (vec!["--disk", text(&missing)?], text(&missing)?),
        (vec!["--disk", text(&odd)?], "not a multiple of 512"),
        (vec!["--disk", text(dir)?], "directory"),
        (vec!["--disk", good, "--disk", good], "twice"),
        (
            vec!["--disk", good, "--qmp-socket", text(&socket)?],
            "occupied",
        ),
        (
            vec!["--disk", good, "--kernel", text(&missing)?],
            "no kernel",
        ),
        (
            vec!["--disk", good, "--qemu-args", "-device no-such-device"],
            "no-such-device",
        ),
        (vec!["--disk", good, "--memory", "lots"], "lots"),
        (vec!["--disk", good, "--smp", "0"], "0"),
    ] {
        let mut run = Xtask::run(context, &arguments)?;
        run.ensure_refused(part)
            .with_context(|| format!("cargo xtask run {}", arguments.join(" ")))?;
    }
    for qemu in [Path::new("/nonexistent/qemu"), &text_file] {
        let arguments = ["--disk", good, "--qemu", text(qemu)?];
        Xtask::run(context, &arguments)?
            .ensure_refused(text(qemu)?)
            .with_context(|| format!("cargo xtask run --qemu {}", qemu.display()))?;
    }
    // The other machine's socket is still there, and still its own.
    let _client = UnixStream::connect(&socket).context("the occupied socket was taken away")?;
    listener.accept()?;
    disk.ensure_as_expected()
}

/// A kernel that says something and then hangs: its last lines are shown, and QEMU is ended.
fn hanging_boot(context: &Context) -> Result<()> {
    let kernel = context.dir.join("hanging-kernel");
    let mut image: Vec<u8> = HANGING_KERNEL
        .iter()
        .flat_map(|word| (0..4).map(move |byte| (word >> (8 * byte)) as u8))
        .collect();
    image.extend(HANGING_TEXT);
    std::fs::write(&kernel, image)?;
    let disk = TestDisk::create(&context.dir, "disk", 2_051)?;
    let path = disk.device().path;
    let arguments = [
        "--disk",
        text(&path)?,
        "--kernel",
        text(&kernel)?,
        "--boot-timeout",
        HANGING_TIMEOUT,
    ];
    let mut run = Xtask::run(context, &arguments)?;
    let status = run.wait(REFUSAL_DEADLINE)?;
    let stderr = run.stderr();
    ensure!(!status.success(), "a hanging boot ended with {status}");
    ensure_one_error(&stderr)?;
    let within = format!("within {HANGING_TIMEOUT} s");
    for part in [within.as_str(), "hanging kernel", "stuck here"] {
        ensure!(
            stderr.contains(part),
            "the message lacks \"{part}\": {stderr}"
        );
    }
    ensure_no_process_has(&path)?;
    disk.ensure_as_expected()
}

/// A CPU that does not run says nothing, and that is said.
fn stopped_cpu(context: &Context) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "disk", 2_051)?;
    let path = disk.device().path;
    let arguments = [
        "--disk",
        text(&path)?,
        "--qemu-args",
        "-S",
        "--boot-timeout",
        "2",
    ];
    let mut run = Xtask::run(context, &arguments)?;
    let status = run.wait(REFUSAL_DEADLINE)?;
    let stderr = run.stderr();
    ensure!(!status.success(), "a stopped CPU ended with {status}");
    ensure_one_error(&stderr)?;
    for part in ["within 2 s", "nothing came"] {
        ensure!(
            stderr.contains(part),
            "the message lacks \"{part}\": {stderr}"
        );
    }
    ensure_no_process_has(&path)?;
    disk.ensure_as_expected()
}

/// SIGINT to the tool alone, as a supervisor sends it: QEMU is ended, and what was flushed is in the image.
fn interrupted(context: &Context) -> Result<()> {
    let mut disk = TestDisk::create(&context.dir, "disk", 2_051)?;
    let path = disk.device().path;
    let sockets = tempfile::tempdir()?;
    let socket = sockets.path().join("qmp");
    let arguments = ["--disk", text(&path)?, "--qmp-socket", text(&socket)?];
    let mut run = Xtask::run(context, &arguments)?;
    run.wait_for(PROMPT, BOOT_DEADLINE)?;
    run.send("blk write 1000 3 0x5a\n")?;
    disk.expect_fill(1_000, 3, 0x5a);
    run.wait_for(&format!("\n{PROMPT}"), BOOT_DEADLINE)?;
    ensure!(
        processes_that_have(&path)?
            .iter()
            .any(|name| name.contains("qemu")),
        "no QEMU has the disk, so its end would prove nothing"
    );
    run.interrupt()?;
    let status = run.wait(REFUSAL_DEADLINE)?;
    ensure!(
        status.code() == Some(STATUS_INTERRUPTED),
        "an interrupted run ended with {status} instead of status {STATUS_INTERRUPTED}"
    );
    ensure_one_error(&run.stderr())?;
    ensure_no_process_has(&path)?;
    ensure!(
        UnixStream::connect(&socket).is_err(),
        "QEMU still listens on its QMP socket"
    );
    disk.ensure_as_expected()
}

//! Machines that do not end by themselves: hangs, endless talk, interruptions.

use std::io::Write as _;

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, HANGING, SHELL};

#[test]
fn a_kernel_that_never_stops_talking_is_ended() {
    let babble = "while :; do echo talk; sleep 0.1; done";
    let shell = format!("printf 'booting\\nlevitate> '\nread -r line\n{babble}\n");
    let kernels = [
        (shell.as_str(), vec![]),
        (babble, vec!["--append", "selftest"]),
    ];
    // Each is listened to for ten times the time given, which is long enough for a busy machine to start a shell; so both at the same time.
    std::thread::scope(|scope| {
        for (script, append) in kernels {
            scope.spawn(move || {
                let bench = Bench::new(script);
                let run = bench.start(&[vec!["--boot-timeout", "3"], append].concat());
                let ended = run.end("help\n");
                assert_eq!(ended.status, Some(1));
                assert!(ended.error().contains("--boot-timeout"), "{}", ended.stderr);
                assert!(ended.stderr.contains("| talk"), "{}", ended.stderr);
                assert!(!bench.qemu_is_running());
            });
        }
    });
}

#[test]
fn a_boot_that_hangs_is_ended_and_its_last_lines_are_shown() {
    for append in [[].as_slice(), &["--append", "selftest"]] {
        let bench = Bench::new(HANGING);
        let ended = bench
            .start(&[&["--boot-timeout", "5"], append].concat())
            .wait();
        assert_eq!(ended.status, Some(1));
        assert!(ended.error().contains("5 s"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("0 s"), "{}", ended.stderr);
        assert!(ended.stderr.contains("last line"), "{}", ended.stderr);
        assert!(!bench.qemu_is_running());
    }
}

#[test]
fn a_command_that_hangs_is_ended_and_its_last_lines_are_shown() {
    let bench = Bench::new("printf 'levitate> '\nread -r line\necho hanging\nexec sleep 600\n");
    // What feeds it ends later than the run: a script waits for its answer.
    let mut run = bench.start(&["--boot-timeout", "5"]);
    let stdin = run.child.stdin.as_mut().unwrap();
    stdin.write_all(b"blk flush\n").unwrap();
    let ended = run.wait();
    assert_eq!(ended.status, Some(1));
    let error = ended.error();
    assert!(error.contains("\"blk flush\" did not end"), "{error}");
    assert!(error.contains("silent for 5 s"), "{error}");
    assert!(ended.stderr.contains("> hanging"), "{}", ended.stderr);
    assert!(!bench.qemu_is_running());
}

#[test]
fn an_interruption_ends_qemu() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        for script in [HANGING, SHELL] {
            let bench = Bench::new(script);
            let run = bench.start(&[]);
            bench.qemu_pid();
            kill_process(Pid::from_child(&run.child), signal).unwrap();
            let ended = run.wait();
            assert_eq!(ended.status, Some(status), "{}", ended.stderr);
            assert!(ended.error().contains("interrupted"), "{}", ended.stderr);
            assert!(ended.error().ends_with("images are intact"));
            assert!(!bench.qemu_is_running());
        }
    }
}

#[test]
fn a_qemu_that_ignores_the_request_to_end_is_made_to() {
    let bench = Bench::new("trap '' TERM\necho deaf\nwhile :; do sleep 1; done\n");
    let run = bench.start(&[]);
    bench.qemu_pid();
    kill_process(Pid::from_child(&run.child), Signal::INT).unwrap();
    assert_eq!(run.wait().status, Some(130));
    assert!(!bench.qemu_is_running());
}

//! What a run came to: [`exit_status`].

use std::process::ExitStatus;

use anyhow::{Result, bail};

/// What the kernel's exit statuses mean.
const MEANINGS: [(u8, &str); 5] = [
    (1, "a self-test failed"),
    (2, "it did not come up"),
    (3, "a disk was not flushed at shutdown"),
    (101, "it panicked"),
    (102, "an exception was not handled"),
];

/// How the lines start that a kernel says last, with the status it then asks for.
const LAST_WORDS: [(&str, u8); 2] = [("panic: ", 101), ("unhandled ", 102)];

/// Returns the kernel's exit status, and says what it means if it is not 0.
///
/// QEMU knows that status by semihosting. Where there is none, as with KVM, QEMU ends with 0 whatever happened, and
/// what the kernel said (`log`) tells; `is_self_test`: it was to test itself.
///
/// # Errors
///
/// QEMU was ended by a signal.
pub(super) fn exit_status(status: ExitStatus, log: &str, is_self_test: bool) -> Result<u8> {
    let Some(code) = status.code() else {
        bail!("QEMU was ended by something else: {status}");
    };
    // A status is a byte.
    let code = u8::try_from(code).unwrap_or(u8::MAX);
    if code != 0 {
        let meaning = MEANINGS.iter().find(|(known, _)| *known == code);
        let meaning = meaning.map_or("not one of its own", |(_, meaning)| meaning);
        eprintln!("error: the kernel ended with status {code}: {meaning}");
        return Ok(code);
    }
    let Some((code, why)) = hidden_failure(log, is_self_test) else {
        return Ok(0);
    };
    eprintln!("error: QEMU ended with status 0, but {why}");
    Ok(code)
}

/// Returns what went wrong by the kernel's own words, with the status it would have ended with.
fn hidden_failure(log: &str, is_self_test: bool) -> Option<(u8, String)> {
    for line in log.lines() {
        for (beginning, code) in LAST_WORDS {
            if line.starts_with(beginning) {
                return Some((code, format!("the kernel said \"{line}\"")));
            }
        }
    }
    let totals = log
        .lines()
        .rfind(|line| line.contains(" passed, ") && !line.starts_with("test "));
    match totals {
        _ if !is_self_test => None,
        Some(line) if line.contains(" passed, 0 failed") => None,
        Some(line) => Some((1, format!("of the self-tests, {line}"))),
        None => Some((1, "the self-tests did not come to their end".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn the_kernels_status_is_ours() {
        for code in [1, 2, 3, 101, 102, 255] {
            let status = ExitStatus::from_raw(code << 8);
            let ours = exit_status(status, "1 passed, 0 failed\n", true).unwrap();
            assert_eq!(i32::from(ours), code);
        }
    }

    #[test]
    fn an_end_by_a_signal_is_no_status() {
        let error = exit_status(ExitStatus::from_raw(9), "", false).unwrap_err();
        assert!(error.to_string().contains("signal: 9"), "{error}");
    }

    #[test]
    fn a_status_of_0_is_believed_only_if_the_kernel_says_nothing_else() {
        let good = "test a ... ok\n1 passed, 0 failed, 2 skipped\n";
        let status = |log: &str, is_self_test| {
            exit_status(ExitStatus::from_raw(0), log, is_self_test).unwrap()
        };
        assert_eq!(status(good, true), 0);
        assert_eq!(status("levitate> shutdown\n", false), 0);
        // In a session the user has seen what a self-test said.
        assert_eq!(status("1 passed, 1 failed\n", false), 0);
        assert_eq!(status("1 passed, 1 failed\n", true), 1);
        assert_eq!(status("1 passed, 10 failed\n", true), 1);
        assert_eq!(status("test a ... ok\n", true), 1);
        assert_eq!(status("", true), 1);
        for is_self_test in [false, true] {
            let panic = format!("{good}\npanic: no memory at a.rs:1\n");
            assert_eq!(status(&panic, is_self_test), 101);
            let unhandled = format!("{good}unhandled data abort\n  x0 0\n");
            assert_eq!(status(&unhandled, is_self_test), 102);
        }
        assert_eq!(status("[   0.1] info  x: no panic: good\n", false), 0);
    }
}

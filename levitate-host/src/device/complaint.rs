//! Everything a driver did wrong as far as its device could see, and the test that fails of it: [`refuse`].

use super::core::Core;

impl<M> Core<M> {
    /// Returns violations, the `guest_errors` of the transport and ring errors, a line each, and forgets them.
    pub(crate) fn take_complaints(&mut self, guest_errors: &mut Vec<String>) -> Vec<String> {
        let violations = self.violations.take();
        let ring_errors = std::mem::take(&mut self.ring_errors);
        let mut lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        lines.extend(
            std::mem::take(guest_errors)
                .iter()
                .map(|error| format!("guest error: {error}")),
        );
        lines.extend(
            ring_errors
                .iter()
                .map(|error| format!("ring error: {error}")),
        );
        lines
    }
}

/// Fails the test if there is something to complain of.
pub(crate) fn refuse(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "the driver broke rules:\n{}",
        complaints.join("\n")
    );
}

/// As [`refuse`], for the end of a device: a test that fails already says why by itself.
pub(crate) fn refuse_unless_panicking(complaints: &[String]) {
    if !std::thread::panicking() {
        refuse(complaints);
    }
}

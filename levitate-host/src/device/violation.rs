//! Rules a driver broke, by the identifier of the requirement: [`Violation`].

use std::fmt;

/// One breach of the specification by a driver, as its device saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The requirement, such as `SPLIT-02`.
    pub id: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.what)
    }
}

/// The breaches a device has noted.
#[derive(Clone, Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a breach of the rule `id`.
    pub fn add(&mut self, id: &'static str, what: String) {
        self.0.push(Violation { id, what });
    }

    pub(crate) fn as_slice(&self) -> &[Violation] {
        &self.0
    }

    pub(crate) fn take(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.0)
    }
}

//! What a driver does with the memory that it shares with its device, noted for tests: [`record`].

use core::cell::RefCell;
use std::thread_local;
use std::vec::Vec;

/// An access of the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// The CPU's address.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Load,
    /// Of something else than what is there.
    Change,
    /// Of what is there already.
    Rewrite,
}

thread_local! {
    static NOTED: RefCell<Option<Vec<Access>>> = const { RefCell::new(None) };
}

/// Returns every access of this thread while it does `work`.
pub(super) fn record(work: impl FnOnce()) -> Vec<Access> {
    NOTED.set(Some(Vec::new()));
    work();
    NOTED.take().unwrap_or_default()
}

/// Notes a load.
pub(super) fn load(at: usize) {
    note(at, Kind::Load);
}

/// Notes that what is there becomes something else, or what it is.
pub(super) fn store(at: usize, before: &[u8], after: &[u8]) {
    let kind = match before == after {
        true => Kind::Rewrite,
        false => Kind::Change,
    };
    note(at, kind);
}

fn note(at: usize, kind: Kind) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(noted) = noted {
            noted.push(Access { at, kind });
        }
    });
}

//! The lines entered before, for the arrow keys: [`Recall`].

use heapless::{String, Vec};

/// The last `HISTORY` lines, and which of them is shown.
#[derive(Debug)]
pub(super) struct Recall<const LENGTH: usize, const HISTORY: usize> {
    /// Oldest first.
    lines: Vec<String<LENGTH>, HISTORY>,
    /// Index of the line shown; `lines.len()` while none is.
    shown: usize,
}

impl<const LENGTH: usize, const HISTORY: usize> Recall<LENGTH, HISTORY> {
    pub(super) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            shown: 0,
        }
    }

    /// Appends a line, unless it is blank or the same as the one before, and forgets the oldest for it if need be.
    pub(super) fn remember(&mut self, line: &String<LENGTH>) {
        let is_blank = line.trim().is_empty();
        if !is_blank && self.lines.last() != Some(line) {
            if self.lines.is_full() && !self.lines.is_empty() {
                self.lines.remove(0);
            }
            // With room for no line at all, none is kept.
            let _ = self.lines.push(line.clone());
        }
        self.restart();
    }

    /// Shows no line, so that the next [`Self::earlier`] starts at the newest.
    pub(super) fn restart(&mut self) {
        self.shown = self.lines.len();
    }

    /// Returns the line before the one shown, if there is one.
    pub(super) fn earlier(&mut self) -> Option<&str> {
        let index = self.shown.checked_sub(1)?;
        self.shown = index;
        self.lines.get(index).map(String::as_str)
    }

    /// Returns the line after the one shown: an empty one after the newest, and nothing if none is shown.
    pub(super) fn later(&mut self) -> Option<&str> {
        if self.shown >= self.lines.len() {
            return None;
        }
        self.shown += 1;
        Some(self.lines.get(self.shown).map_or("", String::as_str))
    }
}

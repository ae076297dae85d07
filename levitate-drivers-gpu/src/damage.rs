//! What was drawn since the last frame: [`Damage`], a few rectangles.

use crate::area::Area;

/// Rectangles kept apart; each costs two commands a frame, so a few are enough.
pub(crate) const MAX_AREAS: usize = 4;

/// Pixels it is always worth to transfer needlessly to save two commands.
const CHEAP_PIXELS: u64 = 256;
/// One part in so many of a rectangle may be transferred needlessly to save two commands.
const CHEAP_PART: u64 = 8;

/// The pixels that were drawn, and not many others: at most [`MAX_AREAS`] rectangles, which rarely overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    /// The first `len` of these; one more than are kept, for [`add`](Self::add) to put a new one before two are merged.
    areas: [Area; MAX_AREAS + 1],
    len: usize,
}

impl Damage {
    /// Nothing was drawn.
    pub(crate) const NONE: Self = Self {
        areas: [Area::pixel(0, 0); MAX_AREAS + 1],
        len: 0,
    };

    /// Forgets all of it.
    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds an area, merging it with others where that wastes little or there is no room.
    pub(crate) fn add(&mut self, area: Area) {
        let mut area = area;
        // Each turn but the last takes a rectangle out of the list.
        for _ in 0..=MAX_AREAS {
            if self.areas().any(|other| other.contains(&area)) {
                return;
            }
            let partner = self
                .areas()
                .position(|other| is_cheap(&area.union(&other), area.pixels_together(&other)));
            match partner.and_then(|index| self.remove(index)) {
                Some(other) => area = area.union(&other),
                None => break,
            }
        }
        self.push(area);
        self.reduce_to(MAX_AREAS);
    }

    /// Puts a rectangle behind the others, where there is room.
    fn push(&mut self, area: Area) {
        if let Some(free) = self.areas.get_mut(self.len) {
            *free = area;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Takes a rectangle out; the last one comes in its place.
    fn remove(&mut self, index: usize) -> Option<Area> {
        let last = self.areas().last()?;
        let removed = self.areas.get_mut(index)?;
        self.len = self.len.saturating_sub(1);
        Some(core::mem::replace(removed, last))
    }

    /// Adds everything that `other` has.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for area in other.areas() {
            self.add(area);
        }
    }

    /// Returns the rectangles.
    pub(crate) fn areas(&self) -> impl Iterator<Item = Area> + '_ {
        self.areas.iter().take(self.len).copied()
    }

    /// Returns how many rectangles there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the pixels of all rectangles together.
    pub(crate) fn pixels(&self) -> u64 {
        self.areas()
            .fold(0, |sum, area| sum.saturating_add(area.pixels()))
    }

    /// Merges rectangles until there are at most `max`, or one.
    pub(crate) fn reduce_to(&mut self, max: usize) {
        // Each turn takes at least one rectangle out of the list.
        while self.len() > max.max(1) {
            let Some((first, second)) = self.cheapest_pair() else {
                return;
            };
            let merged = first.union(&second);
            // The two themselves are inside, and perhaps others.
            let inside = |areas: &Self| areas.areas().position(|area| merged.contains(&area));
            while let Some(index) = inside(self) {
                self.remove(index);
            }
            self.push(merged);
        }
    }

    /// Returns the two rectangles that waste the least when they are merged.
    fn cheapest_pair(&self) -> Option<(Area, Area)> {
        let pairs = self.areas().enumerate().flat_map(|(index, first)| {
            let others = self.areas().skip(index.saturating_add(1));
            others.map(move |second| (first, second))
        });
        pairs.min_by_key(|(first, second)| waste(first, second))
    }
}

/// Pixels that are transferred needlessly if two areas are transferred as one.
fn waste(a: &Area, b: &Area) -> u64 {
    a.union(b).pixels().saturating_sub(a.pixels_together(b))
}

/// Says whether it pays to transfer `union` for the sake of `needed` of its pixels.
fn is_cheap(union: &Area, needed: u64) -> bool {
    let wasted = union.pixels().saturating_sub(needed);
    wasted <= CHEAP_PIXELS || wasted <= union.pixels().wrapping_div(CHEAP_PART)
}

#[cfg(test)]
mod tests;

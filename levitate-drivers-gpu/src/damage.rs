//! What was drawn since the last frame: [`Damage`], a few rectangles.

use crate::area::Area;

/// Rectangles kept apart; each costs two commands a frame, so a few are enough.
pub(crate) const MAX_AREAS: usize = 4;

/// Pixels it is always worth to transfer needlessly to save two commands.
const CHEAP_PIXELS: u64 = 256;
/// One part in so many of a rectangle may be transferred needlessly to save two commands.
const CHEAP_PART: u64 = 8;

/// The pixels that were drawn, and not many others: at most [`MAX_AREAS`] rectangles, which rarely overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Damage {
    /// One more than are kept, for [`add`](Self::add) to put a new one before two are merged.
    areas: [Option<Area>; MAX_AREAS + 1],
}

impl Damage {
    /// Nothing was drawn.
    pub(crate) const NONE: Self = Self {
        areas: [None; MAX_AREAS + 1],
    };

    /// Adds an area, merging it with others where that wastes little or there is no room.
    pub(crate) fn add(&mut self, area: Area) {
        let mut area = area;
        // Each turn but the last takes a rectangle out of the list.
        for _ in 0..=MAX_AREAS {
            if self.areas().any(|other| other.contains(&area)) {
                return;
            }
            let partner = self.areas.iter_mut().find(|slot| {
                slot.is_some_and(|other| {
                    is_cheap(&area.union(&other), area.pixels_together(&other))
                })
            });
            match partner.and_then(Option::take) {
                Some(other) => area = area.union(&other),
                None => break,
            }
        }
        if let Some(free) = self.areas.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(area);
        }
        self.reduce_to(MAX_AREAS);
    }

    /// Adds everything that `other` has.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for area in other.areas() {
            self.add(area);
        }
    }

    /// Returns the rectangles.
    pub(crate) fn areas(&self) -> impl Iterator<Item = Area> + '_ {
        self.areas.iter().filter_map(|slot| *slot)
    }

    /// Returns how many rectangles there are.
    pub(crate) fn len(&self) -> usize {
        self.areas().count()
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
            for slot in &mut self.areas {
                // The two themselves are inside, and perhaps others.
                if slot.is_some_and(|area| merged.contains(&area)) {
                    *slot = None;
                }
            }
            if let Some(free) = self.areas.iter_mut().find(|slot| slot.is_none()) {
                *free = Some(merged);
            }
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

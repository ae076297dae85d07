//! Damage compared with a bitmap of what was damaged.

use std::vec;
use std::vec::Vec;

use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::primitives::Rectangle;

use super::*;

const WIDTH: u32 = 200;
const HEIGHT: u32 = 150;

fn area(x: i32, y: i32, width: u32, height: u32) -> Area {
    Area::clip(
        &Rectangle::new(Point::new(x, y), Size::new(width, height)),
        WIDTH,
        HEIGHT,
    )
    .unwrap()
}

fn damage(areas: &[Area]) -> Damage {
    let mut damage = Damage::NONE;
    areas.iter().for_each(|area| damage.add(*area));
    damage
}

fn sorted(damage: &Damage) -> Vec<(u32, u32, u32, u32)> {
    let mut all: Vec<_> = damage
        .areas()
        .map(|a| (a.left(), a.top(), a.width(), a.height()))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn nothing_drawn_is_nothing_damaged() {
    assert_eq!(Damage::NONE.len(), 0);
    assert_eq!(Damage::NONE.pixels(), 0);
}

#[test]
fn up_to_four_areas_far_apart_are_kept_as_they_are() {
    let corners = [
        area(0, 0, 20, 20),
        area(180, 0, 20, 20),
        area(0, 130, 20, 20),
        area(180, 130, 20, 20),
    ];
    for count in 1..=4 {
        let damage = damage(&corners[..count]);
        assert_eq!(damage.len(), count);
        assert_eq!(damage.pixels(), 400 * count as u64);
    }
}

#[test]
fn a_fifth_area_is_merged_where_it_wastes_the_least() {
    let mut areas = vec![
        area(0, 0, 20, 20),
        area(180, 0, 20, 20),
        area(0, 130, 20, 20),
        area(180, 130, 20, 20),
    ];
    // Near the first one, and not so near that it would have been merged anyway.
    areas.push(area(50, 0, 20, 20));
    let expected = [
        (0, 0, 70, 20),
        (0, 130, 20, 20),
        (180, 0, 20, 20),
        (180, 130, 20, 20),
    ];
    // Whichever of them comes last.
    for turn in 0..5 {
        let mut order = areas.clone();
        order.rotate_left(turn);
        assert_eq!(sorted(&damage(&order)), expected, "turned by {turn}");
    }
}

#[test]
fn neighbours_are_merged() {
    // Glyphs of a line of text, one pixel apart.
    let glyphs: Vec<Area> = (0..20).map(|n| area(n * 9, 40, 8, 13)).collect();
    assert_eq!(sorted(&damage(&glyphs)), [(0, 40, 179, 13)]);
}

#[test]
fn what_is_covered_already_adds_nothing() {
    let big = area(10, 10, 100, 100);
    let small = area(20, 20, 5, 5);
    assert_eq!(sorted(&damage(&[big, small])), [(10, 10, 100, 100)]);
    assert_eq!(sorted(&damage(&[small, big])), [(10, 10, 100, 100)]);
    assert_eq!(sorted(&damage(&[big, big])), [(10, 10, 100, 100)]);
}

#[test]
fn an_area_over_everything_replaces_everything() {
    let mut damage = damage(&[
        area(0, 0, 20, 20),
        area(180, 0, 20, 20),
        area(0, 130, 20, 20),
        area(180, 130, 20, 20),
    ]);
    damage.add(Area::of_size(WIDTH, HEIGHT));
    assert_eq!(sorted(&damage), [(0, 0, WIDTH, HEIGHT)]);
}

#[test]
fn reducing_merges_what_lies_together() {
    let mut damage = damage(&[
        area(0, 0, 20, 20),
        area(180, 130, 20, 20),
        area(0, 60, 20, 20),
    ]);
    damage.reduce_to(2);
    assert_eq!(damage.len(), 2);
    damage.reduce_to(1);
    assert_eq!(sorted(&damage), [(0, 0, WIDTH, HEIGHT)]);
    damage.reduce_to(0);
    assert_eq!(damage.len(), 1, "there is no less than one rectangle");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32 % limit
    }

    fn area(&mut self, max_side: u32) -> Area {
        let (x, y) = (self.below(WIDTH), self.below(HEIGHT));
        area(
            x as i32,
            y as i32,
            1 + self.below(max_side),
            1 + self.below(max_side),
        )
    }
}

/// The model: one flag a pixel.
fn mark(bitmap: &mut [bool], area: &Area) {
    for y in area.top()..area.top() + area.height() {
        let row = (y * WIDTH) as usize;
        bitmap[row + area.left() as usize..row + area.right() as usize].fill(true);
    }
}

#[test]
fn every_damaged_pixel_is_covered_and_nothing_outside_the_hull() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..1_000 {
        let mut damage = Damage::NONE;
        let mut drawn = vec![false; (WIDTH * HEIGHT) as usize];
        let mut hull: Option<Area> = None;
        let max_side = [3, 20, 80][round % 3];
        for _ in 0..=random.below(20) {
            let area = random.area(max_side);
            mark(&mut drawn, &area);
            hull = Some(hull.map_or(area, |hull| hull.union(&area)));
            damage.add(area);
            if random.below(10) == 0 {
                damage.reduce_to(1 + random.below(4) as usize);
            }
            assert!((1..=MAX_AREAS).contains(&damage.len()));
        }
        let hull = hull.unwrap();
        let mut covered = vec![false; (WIDTH * HEIGHT) as usize];
        for area in damage.areas() {
            assert!(hull.contains(&area), "{area:?} is outside {hull:?}");
            mark(&mut covered, &area);
        }
        let missed = drawn
            .iter()
            .zip(&covered)
            .position(|(drawn, covered)| *drawn && !covered);
        assert_eq!(missed, None, "round {round}: {damage:?}");
        for (index, a) in damage.areas().enumerate() {
            for (other, b) in damage.areas().enumerate() {
                assert!(
                    index == other || !a.contains(&b),
                    "{a:?} makes {b:?} needless"
                );
            }
        }
    }
}

#[test]
fn two_areas_never_cost_much_more_than_their_pixels() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let (a, b) = (random.area(60), random.area(60));
        let damage = damage(&[a, b]);
        let needed = a.pixels_together(&b);
        let apart = a.pixels() + b.pixels();
        // Kept apart, they cost the sum; merged, a little more than what is needed.
        let merged_limit = needed + CHEAP_PIXELS.max(a.union(&b).pixels() / CHEAP_PART);
        let limit = if damage.len() == 2 {
            apart
        } else {
            merged_limit
        };
        assert!(damage.pixels() <= limit, "{a:?} {b:?} {damage:?}");
    }
}

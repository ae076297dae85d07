//! A program with up to two pictures on a display: [`Program`].

use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::primitives::Rectangle;
use levitate_drivers_gpu::{Chunk, FrameToken, MAX_PIXELS_PER_SIDE};
use levitate_virtio::Interrupt as _;

use super::{Driver, MOST_WAITS, Picture, SCREENS_WAITS, shows};
use crate::bench::Bench;
use crate::memory::Memory;

/// Room for one picture, and the picture that is in it.
#[expect(
    clippy::large_enum_variant,
    reason = "there are two of them, for the length of an input"
)]
enum Place<'f> {
    Empty(&'f mut [Chunk<Memory>]),
    Picture(Picture<'f>),
    /// The driver kept it: the device did not answer.
    Lost,
}

pub(super) struct Program<'b, 'f> {
    bench: &'b Bench,
    places: [Place<'f>; 2],
    frames: Vec<FrameToken>,
}

impl<'b, 'f> Program<'b, 'f> {
    pub(super) fn new(bench: &'b Bench, chunks: [&'f mut [Chunk<Memory>]; 2]) -> Self {
        Self {
            bench,
            places: chunks.map(Place::Empty),
            frames: Vec::new(),
        }
    }

    /// Makes one call; how it ends is the device's choice, that it ends in time is not.
    pub(super) fn call(&mut self, driver: &mut Driver<'_>) {
        let bench = self.bench;
        let choice = bench.byte();
        let which = usize::from(choice >> 7);
        match choice % 20 {
            0..=3 => self.create(driver, which),
            4..=6 => self.present(driver, which),
            7 | 8 => self.submit(driver, which),
            9 | 10 => self.poll(driver, which),
            11 => {
                if let Ok(info) = bench.call("display_info", 2, || driver.display_info()) {
                    bench.demand(info.displays().len() <= 16, "too many displays");
                }
            }
            12 => {
                if let Ok(edid) = bench.call("edid", 2, || driver.edid(u32::from(choice >> 7))) {
                    bench.demand(edid.as_bytes().len() <= 1024, "an EDID is too long");
                }
            }
            13 => {
                let mode = bench.call("preferred_mode", SCREENS_WAITS, || driver.preferred_mode(0));
                if let Ok(mode) = mode {
                    let sides = [mode.width, mode.height];
                    let is_possible = sides
                        .iter()
                        .all(|side| (1..=MAX_PIXELS_PER_SIDE).contains(side));
                    bench.demand(is_possible, "a mode that no picture can have");
                }
            }
            14 => {
                if let Place::Picture(picture) = &self.places[which] {
                    let _ = bench.call("show", 2, || driver.show(picture));
                }
            }
            15 => self.destroy(driver, which),
            16 => {
                let reset = bench.call("reset", 3, || driver.reset());
                for place in &mut self.places {
                    if let (Place::Picture(picture), Ok(())) = (place, &reset) {
                        let _ = bench.call("attach", SCREENS_WAITS + MOST_WAITS, || {
                            driver.attach(picture)
                        });
                    }
                }
            }
            17 => {
                if let Some(interrupt) = driver.interrupt() {
                    interrupt.acknowledge();
                }
                let _ = driver.enable_interrupts();
            }
            18 => {
                let _ = bench.call("events", 0, || driver.pending_events());
                let _ = bench.call("screens", SCREENS_WAITS, || driver.process_events());
            }
            _ => bench.pass(),
        }
    }

    fn create(&mut self, driver: &mut Driver<'_>, which: usize) {
        let [width, height] = [self.side(), self.side()];
        let place = std::mem::replace(&mut self.places[which], Place::Lost);
        let Place::Empty(chunks) = place else {
            self.places[which] = place;
            return;
        };
        let created = self.bench.call("create", SCREENS_WAITS + MOST_WAITS, || {
            driver.create_framebuffer(which as u32, width, height, chunks)
        });
        if let Ok(picture) = created {
            self.places[which] = Place::Picture(picture);
        }
    }

    fn destroy(&mut self, driver: &mut Driver<'_>, which: usize) {
        let place = std::mem::replace(&mut self.places[which], Place::Lost);
        let Place::Picture(picture) = place else {
            self.places[which] = place;
            return;
        };
        let destroyed = self.bench.call("destroy", MOST_WAITS, || {
            driver.destroy_framebuffer(picture)
        });
        if let Ok(chunks) = destroyed {
            let in_use = chunks.iter().any(Chunk::is_in_use);
            self.bench
                .demand(!in_use, "a destroyed picture is still in use");
            self.places[which] = Place::Empty(chunks);
        }
    }

    fn present(&mut self, driver: &mut Driver<'_>, which: usize) {
        if let Place::Picture(picture) = &mut self.places[which] {
            draw(self.bench, picture);
            let bench = self.bench;
            let presented = bench.call("present", MOST_WAITS, || driver.present(picture));
            if presented.is_ok() {
                bench.demand(
                    picture.damage().next().is_none(),
                    "what was presented is still damaged",
                );
            }
        }
    }

    fn submit(&mut self, driver: &mut Driver<'_>, which: usize) {
        if let Place::Picture(picture) = &mut self.places[which] {
            draw(self.bench, picture);
            let submitted = self
                .bench
                .call("submit", 1, || driver.submit_present(picture));
            self.frames.extend(submitted.ok());
            self.bench.with(crate::device::Device::fetch);
        }
    }

    fn poll(&mut self, driver: &mut Driver<'_>, which: usize) {
        let choice = usize::from(self.bench.byte());
        if let Place::Picture(picture) = &mut self.places[which]
            && let Some(position) = choice.checked_rem(self.frames.len())
        {
            let frame = self.frames[position];
            let polled = self
                .bench
                .call("poll", 0, || driver.poll_present(picture, frame));
            if let Ok(Some(_)) = polled {
                let _ = self.frames.swap_remove(position);
            }
        }
    }

    /// After a reset, with a device that behaves, every picture there is can be shown again.
    pub(super) fn frames_after_reset(&mut self, driver: &mut Driver<'_>) {
        // The first scanout is all that such a device has.
        let Place::Picture(picture) = &mut self.places[0] else {
            return;
        };
        match self
            .bench
            .call("attach", MOST_WAITS, || driver.attach(picture))
        {
            Ok(()) => shows(self.bench, driver, picture),
            Err(error) => self
                .bench
                .fail(format!("a picture is not known again: {error}")),
        }
    }

    /// Chooses the length of a side; most are good.
    fn side(&self) -> u32 {
        match self.bench.byte() {
            255 => u32::MAX,
            254 => 0,
            253 => 200,
            other => 1 + u32::from(other % 12),
        }
    }
}

/// Draws a rectangle somewhere.
fn draw(bench: &Bench, picture: &mut Picture<'_>) {
    let [x, y] = [bench.byte(), bench.byte()];
    let at = Point::new(i32::from(x % 16) - 2, i32::from(y % 16) - 2);
    let size = Size::new(u32::from(x >> 4), u32::from(y >> 4));
    picture.mark_damage(&Rectangle::new(at, size));
}

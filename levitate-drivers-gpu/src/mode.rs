//! How large the picture on a scanout shall be: [`Mode`], [`Display`] (§5.7.5).

use crate::protocol::MAX_SCANOUTS;
use crate::protocol::display::RespDisplayInfo;

/// The longest side of a picture this driver believes in; devices ask for less, unless something is wrong with them.
pub const MAX_PIXELS_PER_SIDE: u32 = 16384;

/// Says whether a picture can have this size.
pub(crate) const fn is_possible(width: u32, height: u32) -> bool {
    1 <= width && width <= MAX_PIXELS_PER_SIDE && 1 <= height && height <= MAX_PIXELS_PER_SIDE
}

/// The size of a picture, and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Width in pixels, 1 to [`MAX_PIXELS_PER_SIDE`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_PIXELS_PER_SIDE`].
    pub height: u32,
    /// Where it comes from.
    pub source: ModeSource,
}

/// Where the size of a picture comes from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeSource {
    /// The scanout is enabled and has this size.
    DisplayInfo,
    /// It is the preferred timing in the EDID.
    Edid,
    /// Nothing better is known.
    Fallback,
}

impl Mode {
    /// What to show where nothing is known of the scanout (§5.7.5).
    pub const FALLBACK: Self = Self {
        width: 1024,
        height: 768,
        source: ModeSource::Fallback,
    };
}

/// What the device says of one scanout; unchecked.
#[doc(alias = "virtio_gpu_display_one")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Where it is among the scanouts, from the left, in pixels.
    pub x: u32,
    /// Where it is among the scanouts, from the top, in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether somebody looks at it.
    pub is_enabled: bool,
}

impl Display {
    /// Returns the display's size, if it is enabled and of a size that can be.
    #[must_use]
    pub const fn mode(&self) -> Option<Mode> {
        if self.is_enabled && is_possible(self.width, self.height) {
            Some(Mode {
                width: self.width,
                height: self.height,
                source: ModeSource::DisplayInfo,
            })
        } else {
            None
        }
    }
}

/// What the device says of its scanouts.
#[doc(alias = "virtio_gpu_resp_display_info")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplayInfo {
    displays: [Display; MAX_SCANOUTS],
    count: usize,
}

impl DisplayInfo {
    /// Takes the first `count` displays of a response.
    pub(crate) fn new(response: &RespDisplayInfo, count: u32) -> Self {
        let displays = response.pmodes.map(|one| Display {
            x: one.rect.x.get(),
            y: one.rect.y.get(),
            width: one.rect.width.get(),
            height: one.rect.height.get(),
            is_enabled: one.enabled.get() != 0,
        });
        Self {
            displays,
            count: usize::try_from(count).unwrap_or(MAX_SCANOUTS),
        }
    }

    /// Returns the device's scanouts in their order.
    #[must_use]
    pub fn displays(&self) -> &[Display] {
        self.displays.get(..self.count).unwrap_or(&self.displays)
    }
}

/// What is known of one scanout and its monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// What the device says of the scanout; unchecked.
    pub display: Display,
    /// The size that the monitor prefers, if its EDID tells.
    pub edid_mode: Option<Mode>,
}

impl Screen {
    /// Returns how large the picture should be (§5.7.5).
    ///
    /// That is the size of the scanout if it is enabled, else what its monitor prefers, else [`Mode::FALLBACK`].
    /// A size no picture can have counts as none.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.display
            .mode()
            .or(self.edid_mode)
            .unwrap_or(Mode::FALLBACK)
    }
}

/// What is known of all scanouts and their monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screens {
    screens: [Screen; MAX_SCANOUTS],
    count: usize,
}

impl Screens {
    /// Takes the scanouts as they are, without a word of their monitors.
    pub(crate) fn new(info: &DisplayInfo) -> Self {
        let displays = info.displays();
        let mut screens = [Screen::default(); MAX_SCANOUTS];
        for (screen, display) in screens.iter_mut().zip(displays) {
            screen.display = *display;
        }
        Self {
            screens,
            count: displays.len(),
        }
    }

    /// Returns one for each of the device's scanouts, in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Screen] {
        self.screens.get(..self.count).unwrap_or(&self.screens)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Screen] {
        let count = self.count.min(MAX_SCANOUTS);
        self.screens.split_at_mut(count).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(width: u32, height: u32) -> Display {
        Display {
            width,
            height,
            is_enabled: true,
            ..Display::default()
        }
    }

    #[test]
    fn an_enabled_display_of_a_possible_size_has_a_mode() {
        for (width, height) in [(1, 1), (1280, 800), (16384, 16384)] {
            let mode = display(width, height).mode().unwrap();
            assert_eq!((mode.width, mode.height), (width, height));
            assert_eq!(mode.source, ModeSource::DisplayInfo);
        }
    }

    #[test]
    fn absurd_and_disabled_displays_have_none() {
        for (width, height) in [(0, 0), (0, 800), (1280, 0), (16385, 1), (1, u32::MAX)] {
            assert_eq!(display(width, height).mode(), None);
        }
        let off = Display {
            is_enabled: false,
            ..display(1280, 800)
        };
        assert_eq!(off.mode(), None);
    }
}

//! A screen: its mode, what it is to show, and what it shows: [`Scanout`].

use super::command::Rect;
use super::cursor::Cursor;
use super::edid::edid;
use super::image::Image;
use super::resource::Resource;

/// One screen of the adapter.
#[derive(Debug)]
pub(super) struct Scanout {
    /// Its mode, and where it is among the others.
    pub(super) place: Rect,
    pub(super) is_enabled: bool,
    pub(super) edid_override: Option<Vec<u8>>,
    pub(super) cursor: Cursor,
    pub(super) source: Option<(u32, Rect)>,
    pub(super) visible: Option<Image>,
}

impl Scanout {
    pub(super) fn new(place: Rect) -> Self {
        Self {
            place,
            is_enabled: true,
            edid_override: None,
            cursor: Cursor::default(),
            source: None,
            visible: None,
        }
    }

    /// Returns its identification: that of its mode, if the test has set no other.
    pub(super) fn edid(&self) -> Vec<u8> {
        let own = || edid(self.place.width, self.place.height).to_vec();
        self.edid_override.clone().unwrap_or_else(own)
    }

    /// Returns what a viewer sees: the picture with the pointer over it.
    pub(super) fn composed(&self) -> Option<Image> {
        let mut image = self.visible.clone()?;
        self.cursor.draw(&mut image);
        Some(image)
    }

    /// Shows `rect` of a resource from now on, and at first what it holds.
    pub(super) fn attach(&mut self, id: u32, rect: Rect, resource: &Resource) {
        let mut image = Image::black(rect.width, rect.height);
        resource.draw(rect, (rect.x, rect.y), &mut image);
        self.source = Some((id, rect));
        self.visible = Some(image);
    }

    pub(super) fn detach(&mut self) {
        self.source = None;
        self.visible = None;
    }

    /// Brings what changed in `rect` of the resource to the screen, if it shows that resource.
    pub(super) fn flush(&mut self, id: u32, rect: Rect, resource: &Resource) {
        if let (Some((source, shown)), Some(image)) = (self.source, &mut self.visible)
            && source == id
        {
            resource.draw(rect, (shown.x, shown.y), image);
        }
    }
}

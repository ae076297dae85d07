//! A screen: its mode, what it is to show, and what it shows: [`Scanout`].

use super::command::Rect;
use super::image::Image;
use super::resource::Resource;

/// One screen of the adapter.
#[derive(Debug)]
pub(super) struct Scanout {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_enabled: bool,
    pub(super) source: Option<(u32, Rect)>,
    pub(super) visible: Option<Image>,
}

impl Scanout {
    pub(super) const fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            is_enabled: true,
            source: None,
            visible: None,
        }
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

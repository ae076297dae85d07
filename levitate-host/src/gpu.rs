//! A display adapter that draws into memory (§5.7): [`GpuModel`].

mod command;
mod cursor;
mod edid;
mod image;
mod model;
mod png;
mod resource;
mod scanout;

pub use command::{Command, GpuRequest, Rect};
pub use cursor::Cursor;
pub use edid::edid;
pub use image::Image;
pub use model::GpuModel;

//! A display adapter that draws into memory (§5.7): [`GpuModel`].

mod command;
mod edid;
mod image;
mod model;
mod resource;
mod scanout;

pub use command::{Command, GpuRequest, Rect};
pub use edid::edid;
pub use image::Image;
pub use model::GpuModel;

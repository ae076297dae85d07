//! The device's side of a packed ring, driven through bare memory.

mod driver;
mod hostile;
mod notifications;
mod rounds;

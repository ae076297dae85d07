//! The name of a submitted request: [`Token`].

/// Names one request from its submission until it is collected, or ends with a reset of the device.
///
/// A token of a time before [`recover`](crate::Blk::recover) names nothing afterwards, not even a request in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) request: levitate_virtio::Token,
    /// Which life of the device, counted by its driver.
    pub(crate) life: u32,
}

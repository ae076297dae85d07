//! Which kind of device a transport leads to: [`DeviceType`] (§5).

use core::fmt;

/// A VirtIO device ID (§5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceType(u32);

impl DeviceType {
    /// Network device (§5.1).
    pub const NETWORK: Self = Self(1);
    /// Block device (§5.2).
    pub const BLOCK: Self = Self(2);
    /// Console (§5.3).
    pub const CONSOLE: Self = Self(3);
    /// Entropy source (§5.4).
    pub const ENTROPY: Self = Self(4);
    /// GPU (§5.7).
    pub const GPU: Self = Self(16);
    /// Input device (§5.8).
    pub const INPUT: Self = Self(18);
    /// Socket device (§5.10).
    pub const SOCKET: Self = Self(19);
    /// Sound device (§5.14).
    pub const SOUND: Self = Self(25);

    /// Names the device ID `id`; `None` for 0, which says that there is no device.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// Returns the number of the device ID.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.0
    }

    /// Returns the specification's name, if this crate knows it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NETWORK => "network",
            Self::BLOCK => "block",
            Self::CONSOLE => "console",
            Self::ENTROPY => "entropy",
            Self::GPU => "gpu",
            Self::INPUT => "input",
            Self::SOCKET => "socket",
            Self::SOUND => "sound",
            _ => return None,
        })
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "device type {}", self.0),
        }
    }
}

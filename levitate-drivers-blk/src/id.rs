//! The name a device gives itself: [`DeviceId`] (§5.2.6, `VIRTIO_BLK_T_GET_ID`).

use core::fmt;
use core::str::Utf8Error;

/// Length of an ID in bytes.
pub(crate) const ID_BYTES: usize = 20;

/// What the device answered to `GET_ID`: up to 20 bytes, often a serial number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId {
    bytes: [u8; ID_BYTES],
}

impl DeviceId {
    /// Takes the bytes of an answer, which is padded with NUL and has none if it is full.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self { bytes }
    }

    /// Returns the bytes before the first NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default()
    }

    /// Returns the text before the first NUL.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if it is none: the specification says ASCII, but a device may say anything.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.as_bytes())
    }
}

impl fmt::Display for DeviceId {
    /// Writes the ID with everything but printable ASCII escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId(\"{self}\")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_id_ends_at_the_first_nul_or_is_full() {
        let mut bytes = [0; 20];
        bytes[..5].copy_from_slice(b"disk0");
        bytes[6] = b'x';
        assert_eq!(DeviceId::new(bytes).as_str(), Ok("disk0"));
        assert_eq!(DeviceId::new([b'a'; 20]).as_bytes().len(), 20);
        assert_eq!(DeviceId::new([0; 20]).as_str(), Ok(""));
    }

    #[test]
    fn an_id_that_is_no_text_is_shown_escaped() {
        let mut bytes = [0; 20];
        bytes[..3].copy_from_slice(&[0xff, b'"', 0x1b]);
        let id = DeviceId::new(bytes);
        assert!(id.as_str().is_err());
        assert_eq!(id.to_string(), r#"\xff\"\x1b"#);
    }
}

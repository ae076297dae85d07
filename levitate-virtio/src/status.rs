//! The device status field: [`Status`] (§2.1).

use core::fmt;

bitflags::bitflags! {
    /// How far driver and device have come with each other (§2.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u8 {
        /// The driver has noticed the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready; the device is live.
        const DRIVER_OK = 4;
        /// Feature negotiation is complete.
        const FEATURES_OK = 8;
        /// The device is suspended.
        const SUSPEND = 16;
        /// The device met an error it cannot recover from.
        const DEVICE_NEEDS_RESET = 64;
        /// The driver has given up on the device.
        const FAILED = 128;
        // A device may show bits this crate does not know; they are kept, so that none is turned off by a write.
        const _ = !0;
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} (", self.bits())?;
        bitflags::parser::to_writer(self, &mut *f)?;
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_bits_are_the_ones_of_the_specification() {
        assert_eq!(Status::all().bits(), 0xff);
        let live = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK | Status::DRIVER_OK;
        assert_eq!(live.bits(), 0xf);
        assert_eq!(Status::DEVICE_NEEDS_RESET.bits(), 0x40);
        assert_eq!(Status::FAILED.bits(), 0x80);
    }

    #[test]
    fn it_reads_as_names() {
        assert_eq!(
            (Status::ACKNOWLEDGE | Status::FAILED).to_string(),
            "0x81 (ACKNOWLEDGE | FAILED)"
        );
    }
}

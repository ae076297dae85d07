//! How devices interrupt: what the kernel says of it, and for messages what QEMU saw of it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::platform::Transport;
use crate::vm::log;

/// The trace event of a change to a function's message control; after each reset, and each time a driver has set it up.
pub(crate) const MSIX_EVENT: &str = "msix_write_config";

/// What it says once messages are on.
const MESSAGES_ON: &str = " enabled 1 masked 0";

/// Checks that each device interrupts as its transport has it, and has done so.
///
/// `boot_log` is what the kernel said before its prompt, `listed` what `devices` lists, and `qemu_log` has [`MSIX_EVENT`].
pub(crate) fn check(
    transport: Transport,
    boot_log: &str,
    listed: &[String],
    qemu_log: &str,
) -> Result<()> {
    ensure_said(transport, boot_log, listed)?;
    for line in listed {
        let count = line.rsplit_once("; interrupts: ");
        let count = count.and_then(|(_, count)| count.parse::<u64>().ok());
        ensure!(count > Some(0), "the device has not interrupted: {line}");
    }
    // Devices of one type have one name in QEMU's log.
    let types = listed.iter().map(|line| line.split_whitespace().nth(2));
    let types: BTreeSet<_> = types.collect();
    let switched_on: BTreeSet<_> = qemu_log
        .lines()
        .filter(|line| log::is_trace_line(line) && line.contains(MSIX_EVENT))
        .filter(|line| line.ends_with(MESSAGES_ON))
        .collect();
    let expected = if transport == Transport::Pci {
        types.len()
    } else {
        0
    };
    ensure!(
        switched_on.len() == expected,
        "QEMU saw messages switched on for {switched_on:?}, and not for {expected} types of devices"
    );
    Ok(())
}

/// Checks that the boot log says of each device that `devices` lists that it interrupts as its transport has it.
pub(crate) fn ensure_said(transport: Transport, boot_log: &str, listed: &[String]) -> Result<()> {
    for line in listed {
        let location = line.split_whitespace().next().unwrap_or_default();
        let marker = format!(": {location}: ");
        let found = boot_log.lines().find_map(|line| line.split_once(&marker));
        let (_, said) = found.unwrap_or_default();
        let (_, interrupts) = said.split_once(", interrupt").unwrap_or_default();
        ensure!(
            !interrupts.is_empty()
                && interrupts.ends_with(" (MSI-X)") == (transport == Transport::Pci),
            "{location} was to interrupt by {}, and the kernel says {said:?}",
            if transport == Transport::Pci {
                "messages"
            } else {
                "a line"
            }
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[   0.1] info  devices::discovery: 0000:00:01.0: gpu, PCI, interrupt 36\n";
    const MESSAGES: &str =
        "[   0.1] info  devices::discovery: 0000:00:01.0: gpu, PCI, interrupts 80 to 82 (MSI-X)\n";
    const EVENT: &str = "msix_write_config dev virtio-gpu-pci enabled 1 masked 0\n";

    fn listed(count: u32) -> Vec<String> {
        vec![format!(
            "0000:00:01.0  PCI  gpu  driver: display; interrupts: {count}"
        )]
    }

    #[test]
    fn what_the_kernel_says_must_fit_the_transport() {
        check(Transport::PciIntx, LINE, &listed(1), "").unwrap();
        check(Transport::Pci, MESSAGES, &listed(1), EVENT).unwrap();
        for (transport, log, event) in [
            (Transport::PciIntx, MESSAGES, ""),
            (Transport::Pci, LINE, EVENT),
            (Transport::Pci, "", EVENT),
            (Transport::Pci, MESSAGES, ""),
            (
                Transport::Pci,
                MESSAGES,
                "msix_write_config dev a enabled 0 masked 0\n",
            ),
            (Transport::PciIntx, LINE, EVENT),
        ] {
            assert!(
                check(transport, log, &listed(1), event).is_err(),
                "{log}{event}"
            );
        }
    }

    #[test]
    fn a_device_that_never_interrupted_is_noticed() {
        assert!(check(Transport::Pci, MESSAGES, &listed(0), EVENT).is_err());
        let no_count = ["0000:00:01.0  PCI  gpu  driver: display".to_owned()];
        assert!(check(Transport::Pci, MESSAGES, &no_count, EVENT).is_err());
    }
}

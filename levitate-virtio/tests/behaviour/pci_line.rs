//! Interrupts of a device on PCI by its line, with the ISR status as the cause (§4.1.4.5).

use levitate_hal::Mmio;
use levitate_virtio::transport::pci::InterruptLine;
use levitate_virtio::{Interrupt, InterruptStatus, Transport};

use crate::pci_interrupts::{msix_at, rig};

#[test]
fn the_line_is_acknowledged_by_reading_the_isr_status() {
    // Without MSI-X there is nothing else.
    for size in [0, 2] {
        let (rig, pci) = rig(|builder| builder.vectors(size));
        let (function, bars) = pci.turn_on(InterruptLine::Enabled);
        let msix = function.msix(&bars, |range| pci.map(range)).unwrap();
        assert_eq!(
            msix.map(|table| table.vectors()),
            Some(size).filter(|size| *size > 0)
        );
        let interrupt = pci.transport(false).interrupt();
        assert_eq!(interrupt.acknowledge(), InterruptStatus::empty());
        pci.interrupt_for_queue(1);
        pci.interrupt_for_config();
        assert!(pci.is_interrupting());
        pci.clear_logs();
        assert_eq!(
            interrupt.acknowledge(),
            InterruptStatus::all(),
            "both at once"
        );
        assert_eq!(rig.device.log().all().len(), 1, "reading clears it");
        assert!(!pci.is_interrupting());
        pci.interrupt_for_config();
        // There are no vectors, so that the ISR status counts.
        let causes = interrupt.acknowledge_vector(7);
        assert_eq!(causes, InterruptStatus::CONFIG_CHANGE);
    }
}

#[test]
fn msix_that_was_left_on_is_turned_off_for_the_line() {
    let (_rig, pci) = rig(|builder| builder.vectors(2));
    drop(pci.turn_on(InterruptLine::Disabled));
    let control = || pci.config_space().read16(msix_at(&pci) + 2);
    pci.config_space().write16(msix_at(&pci) + 2, 0xc000);
    // Who has no use for the line has one for messages.
    drop(pci.turn_on(InterruptLine::Disabled));
    assert_eq!(control(), 0xc001);
    drop(pci.turn_on(InterruptLine::Enabled));
    assert_eq!(control(), 0x4001);
    pci.interrupt_for_config();
    assert!(pci.is_interrupting());
}

#[test]
fn a_device_that_is_gone_has_no_cause() {
    let (_rig, pci) = rig(|builder| builder);
    let interrupt = pci.transport(false).interrupt();
    pci.interrupt_for_config();
    // Decoding is off, and the ISR status reads as all ones.
    pci.config_space().write16(4, 0);
    assert_eq!(interrupt.acknowledge(), InterruptStatus::empty());
    let complaints = pci.take_complaints();
    assert!(
        matches!(&complaints[..], [one] if one.contains("decoding is off")),
        "{complaints:?}"
    );
    pci.config_space().write16(4, 6);
    assert_eq!(interrupt.acknowledge(), InterruptStatus::CONFIG_CHANGE);
}

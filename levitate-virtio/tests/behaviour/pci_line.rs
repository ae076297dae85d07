//! Interrupts of a device on PCI by its line, with the ISR status as the cause (§4.1.4.5).

use levitate_hal::Mmio;
use levitate_host::AnyDevice;
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::pci::InterruptLine;
use levitate_virtio::{Device, Features, InitError, Interrupt, InterruptStatus, Transport, Wanted};

use crate::pci_interrupts::{msix_at, rig};
use crate::rig::{CONFIG, TIMEOUT, echo, slots};

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
fn a_device_that_refuses_its_vectors_is_driven_by_its_line() {
    let (mut rig, pci) = rig(|builder| builder.refuse_vectors(&[0, 1, 2]));
    let device = Device::begin(pci.transport(true), &rig.clock, TIMEOUT).unwrap();
    let refused = device.negotiate(&Wanted::<NoFeatures>::default());
    assert!(matches!(refused, Err(InitError::ConfigVector(_))));
    // As a platform does that gives its messages up: MSI-X is off, and the line is its own again.
    rig.device = AnyDevice::Pci(pci.clone(), false);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let interrupt = device.transport().interrupt();
    queue.set_used_notifications(true);
    queue.process().unwrap();
    let token = echo(&mut queue, 7);
    queue.notify();
    assert!(pci.is_interrupting());
    assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
    assert!(!pci.is_interrupting());
    assert!(rig.wait(&mut queue, token));
    assert!(pci.take_messages().is_empty());
    rig.stop(device, queue);
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

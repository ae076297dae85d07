//! Interrupts of a device on PCI by MSI-X: messages, one a vector (§4.1.5.1.2).

use levitate_hal::Mmio;
use levitate_host::any::ModelledPci;
use levitate_host::mmio::Operation;
use levitate_host::pci::{Capability, PciBuilder};
use levitate_host::{AnyDevice, PciDevice};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::pci::pci_types::{ConfigRegionAccess, PciAddress};
use levitate_virtio::transport::pci::{
    Function, InterruptLine, Message, MsixError, PlanError, QueueVectors, Refusal, VectorPlan,
};
use levitate_virtio::transport::{EnableQueueError, VectorRefused};
use levitate_virtio::{
    Device, Features, InitError, Interrupt, InterruptStatus, QueueError, QueueIndex, Transport,
    Wanted,
};

use crate::pci_fake::Bytes;
use crate::rig::{CONFIG, Echo, Rig, TIMEOUT, echo, slots};

pub(crate) fn rig(
    change: impl FnOnce(PciBuilder<Echo>) -> PciBuilder<Echo>,
) -> (Rig, PciDevice<Echo>) {
    let mut device = None;
    let rig = Rig::build(|pool, clock| {
        let pci = change(PciDevice::builder(Echo::default())).build(pool, clock);
        device = Some(pci.clone());
        AnyDevice::Pci(pci, true)
    });
    (rig, device.unwrap())
}

fn vectors(device: &PciDevice<Echo>) -> Vec<u16> {
    let messages = device.take_messages();
    messages.iter().map(|message| message.vector).collect()
}

/// Brings the device up until its first queue is set up, and returns what is in the way.
fn set_up(rig: &Rig, transport: ModelledPci<Echo>) -> Result<(), QueueError> {
    let device = Device::begin(transport, &rig.clock, TIMEOUT).unwrap();
    let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    let mut slots = slots::<2>();
    let queue = device.prepare_queue(&rig.pool, QueueIndex::new(0), CONFIG, &mut slots)?;
    drop(queue);
    rig.pool.allow_leaks();
    Ok(())
}

#[test]
fn each_event_has_a_vector_and_no_register_is_read_for_it() {
    let (rig, pci) = rig(|builder| builder);
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    let interrupt = device.transport().interrupt();
    queue.set_used_notifications(true);
    queue.process().unwrap();
    echo(&mut queue, 7);
    pci.clear_logs();
    queue.notify();
    rig.device.change_config(|echo| echo.config[0] = 1);
    let messages = pci.take_messages();
    let sent: Vec<_> = messages
        .iter()
        .map(|message| (message.vector, message.address, message.data))
        .collect();
    assert_eq!(sent, [(1, 0xfee0_0000, 1), (0, 0xfee0_0000, 0)]);
    assert_eq!(
        interrupt.acknowledge_vector(1),
        InterruptStatus::USED_BUFFER
    );
    assert_eq!(
        interrupt.acknowledge_vector(0),
        InterruptStatus::CONFIG_CHANGE
    );
    // Vector 2 is that of queue 1; nothing has a vector 3.
    assert_eq!(
        interrupt.acknowledge_vector(2),
        InterruptStatus::USED_BUFFER
    );
    assert_eq!(interrupt.acknowledge_vector(3), InterruptStatus::empty());
    assert_eq!(interrupt.acknowledge(), InterruptStatus::all());
    assert_eq!(rig.device.log().all().len(), 1, "the notification alone");
    rig.stop(device, queue);
}

#[test]
fn a_single_vector_is_for_everything() {
    let (rig, pci) = rig(|builder| builder.vectors(1));
    let mut slots = slots::<4>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    queue.set_used_notifications(true);
    queue.process().unwrap();
    echo(&mut queue, 7);
    queue.notify();
    rig.device.change_config(|echo| echo.config[0] = 1);
    assert_eq!(vectors(&pci), [0, 0]);
    let interrupt = device.transport().interrupt();
    assert_eq!(interrupt.acknowledge_vector(0), InterruptStatus::all());
    rig.stop(device, queue);
}

#[test]
fn tables_of_every_size_are_taken() {
    for size in [1, 2, 3, 2048] {
        let (rig, pci) = rig(|builder| builder.vectors(size));
        let mut slots = slots::<2>();
        let (device, queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        pci.interrupt_for_queue(0);
        assert_eq!(vectors(&pci), [u16::from(size > 1)]);
        rig.stop(device, queue);
    }
}

#[test]
fn a_refused_vector_is_an_error_that_names_queue_and_vector() {
    let (rig, pci) = rig(|builder| builder.refuse_vectors(&[1]));
    let error = set_up(&rig, pci.transport(true)).unwrap_err();
    let refused = EnableQueueError::VectorRefused {
        queue: QueueIndex::new(0),
        vector: 1,
        found: 0xffff,
    };
    assert_eq!(error, QueueError::Enable(refused));
    assert_eq!(
        error.to_string(),
        "device refuses MSI-X vector 1 for queue 0: queue_msix_vector reads 0xffff"
    );
    rig.pool.assert_no_leaks();
    pci.assert_clean();
    // The same device, without a vector for its queues, and then without any.
    for config in [Some(0), None] {
        let mut transport = pci.transport(false);
        let (function, bars) = pci.turn_on(InterruptLine::Disabled);
        let msix = function.msix(&bars, |range| pci.map(range));
        let queues = None;
        let plan = VectorPlan { config, queues };
        let msix = msix.unwrap().unwrap();
        msix.turn_on();
        transport.use_msix(&msix, plan).unwrap();
        set_up(&rig, transport).unwrap();
    }
    assert_eq!(pci.take_complaints(), [""; 0]);
}

#[test]
fn a_refused_vector_of_the_configuration_is_an_error_and_marks_the_device_failed() {
    let (rig, pci) = rig(|builder| builder.refuse_vectors(&[0]));
    let device = Device::begin(pci.transport(true), &rig.clock, TIMEOUT).unwrap();
    let error = device
        .negotiate(&Wanted::<NoFeatures>::default())
        .unwrap_err();
    let (vector, found) = (0, 0xffff);
    assert_eq!(
        error,
        InitError::ConfigVector(VectorRefused { vector, found })
    );
    assert_eq!(pci.status() & 0x80, 0x80, "FAILED");
    pci.assert_clean();
}

#[test]
fn a_plan_has_to_fit_the_table_and_the_table_the_function() {
    let (_rig, pci) = rig(|builder| builder.vectors(3));
    let (function, bars) = pci.turn_on(InterruptLine::Disabled);
    let vectors = function.read_msix_vectors(&bars).unwrap();
    let table = function.msix(&bars, |range| pci.map(range));
    assert_eq!(
        vectors,
        table
            .as_ref()
            .unwrap()
            .as_ref()
            .map(|table| table.vectors()),
        "as many as are counted without the table"
    );
    let table = table.unwrap().unwrap();
    let mut transport = pci.transport(false);
    let count = 2.try_into().unwrap();
    for (config, first, last) in [(Some(3), 0, 3), (Some(0), 2, 3), (None, u16::MAX, 0x1_0000)] {
        let queues = Some(QueueVectors { first, count });
        let plan = VectorPlan { config, queues };
        let vectors = 3;
        let expected = PlanError::NoSuchVector { last, vectors };
        assert_eq!(transport.use_msix(&table, plan), Err(expected));
    }
    let queues = Some(QueueVectors { first: 1, count });
    let config = Some(2);
    let plan = VectorPlan { config, queues };
    let off = Err(PlanError::TableOff);
    assert_eq!(transport.use_msix(&table, plan), off);
    table.turn_on();
    assert_eq!(transport.use_msix(&table, plan), Ok(()));
    // On, and all vectors masked.
    pci.config_space().write16(msix_at(&pci) + 2, 0xc000);
    assert_eq!(transport.use_msix(&table, plan), off);
    // It is a shared one, by which vector 2 can be about either.
    assert_eq!(plan.causes(2), InterruptStatus::all());

    let (_other_rig, other) = self::rig(|builder| builder);
    let (_, bars) = other.turn_on(InterruptLine::Disabled);
    let next = PciAddress::new(0, 0, 1, 0);
    // SAFETY: the access is that of a function which answers, whatever the address.
    let function = unsafe { Function::new(Elsewhere(other.clone()), next) };
    let table = function.msix(&bars, |range| other.map(range));
    let table = table.unwrap().unwrap();
    table.turn_on();
    let foreign = Err(PlanError::ForeignTable);
    assert_eq!(transport.use_msix(&table, plan), foreign);
}

/// Configuration space of a function, at all addresses.
#[derive(Clone)]
struct Elsewhere(PciDevice<Echo>);

impl ConfigRegionAccess for Elsewhere {
    unsafe fn read(&self, _address: PciAddress, offset: u16) -> u32 {
        self.0.config_space().read32(offset.into())
    }

    unsafe fn write(&self, _address: PciAddress, offset: u16, value: u32) {
        self.0.config_space().write32(offset.into(), value);
    }
}

#[test]
fn a_plan_spreads_what_there_is() {
    assert_eq!(VectorPlan::spread(0, 4), None);
    let plan = |vectors, queues| VectorPlan::spread(vectors, queues).unwrap();
    let of = |plan: VectorPlan, queue| plan.queues.unwrap().of(QueueIndex::new(queue));
    for queue in 0..8 {
        assert_eq!(of(plan(1, 8), queue), 0);
        assert_eq!(of(plan(2, 8), queue), 1);
        assert_eq!(of(plan(4, 8), queue), 1 + queue % 3);
        assert_eq!(of(plan(9, 8), queue), 1 + queue);
        assert_eq!(of(plan(2048, 8), queue), 1 + queue);
    }
    assert_eq!(of(plan(2, 0), 0), 1);
    assert_eq!(plan(9, 8).config, Some(0));
}

#[test]
fn a_vector_is_masked_until_it_is_let_go() {
    let (_rig, pci) = rig(|builder| builder.vectors(2));
    let (function, bars) = pci.turn_on(InterruptLine::Disabled);
    let table = function.msix(&bars, |range| pci.map(range));
    let table = table.unwrap().unwrap();
    // SAFETY: a modelled device's messages are noted, and written nowhere.
    let message = unsafe { Message::new(0x12_3456_7890, 0xdead_beef) };
    // Reserved bits of the control are kept.
    pci.bar(1).write32(16 + 12, 0xffff_fffe);
    pci.clear_logs();
    table.enable(1, message).unwrap();
    let log = pci.bar_log(1);
    let written = log
        .all()
        .iter()
        .filter(|access| access.operation == Operation::Write)
        .map(|access| (access.offset - 16, access.value));
    // It is masked while its message is not whole.
    let expected = [
        (12, 0xffff_ffff),
        (0, 0x3456_7890),
        (4, 0x12),
        (8, 0xdead_beef),
        (12, 0xffff_fffe),
    ];
    assert!(written.eq(expected), "{log:?}");
    // Nothing that was written is still on its way.
    let last = log.all().last().unwrap();
    assert_eq!(last.operation, Operation::Read);
    let words = || [0, 4, 8, 12].map(|at| pci.bar(1).read32(16 + at));
    assert_eq!(words(), [0x3456_7890, 0x12, 0xdead_beef, 0xffff_fffe]);
    table.mask(1).unwrap();
    assert_eq!(words()[3], 0xffff_ffff);
    let (vector, vectors) = (2, 2);
    let no_such = Err(MsixError::NoSuchVector { vector, vectors });
    assert_eq!(table.enable(2, message), no_such);
    assert_eq!(table.mask(2), no_such);

    let control = || pci.config_space().read16(msix_at(&pci) + 2);
    pci.config_space().write16(msix_at(&pci) + 2, 0x4000);
    table.turn_on();
    assert_eq!(control(), 0x8001, "on, and nothing masked as a whole");
    table.turn_off();
    assert_eq!(control(), 0x0001);
}

pub(crate) fn msix_at(device: &PciDevice<Echo>) -> usize {
    let config = device.config_space();
    let mut at = usize::from(config.read8(0x34));
    while config.read8(at) != 0x11 {
        at = usize::from(config.read8(at + 1));
    }
    at
}

#[test]
fn a_table_that_is_not_as_it_was_written_is_an_error() {
    let (_rig, pci) = rig(|builder| builder.vectors(2));
    let (function, bars) = pci.turn_on(InterruptLine::Disabled);
    // One that does not answer, one that keeps nothing, and one whose vectors stay masked.
    for (bytes, writable) in [
        ([0xff; 16], [0; 16]),
        ([0; 16], [0; 16]),
        (
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
            [
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
            ],
        ),
    ] {
        let content = Bytes::new(bytes.repeat(2), writable.repeat(2));
        let table = function.msix(&bars, |_| Some(content.clone()));
        let table = table.unwrap().unwrap();
        // SAFETY: nothing sends the message.
        let message = unsafe { Message::new(0xfee0_0000, 7) };
        let not_taken = MsixError::NotTaken { vector: 1 };
        assert_eq!(table.enable(1, message), Err(not_taken));
    }
}

#[test]
fn a_table_that_is_nowhere_is_an_error() {
    let cases: [(Capability, Refusal); 4] = [
        (
            Capability::msix(3, (7, 0), (1, 0x800)),
            Refusal::NoBar { bar: 7 },
        ),
        (
            Capability::msix(3, (1, 0), (5, 0x800)),
            Refusal::NoBar { bar: 5 },
        ),
        (
            Capability::msix(2048, (1, 0), (1, 0x800)),
            Refusal::OutsideBar {
                bar: 1,
                offset: 0,
                len_bytes: 0x8000,
                bar_len_bytes: 0x1000,
            },
        ),
        (
            Capability::msix(3, (1, 0), (1, 0x1000)),
            Refusal::OutsideBar {
                bar: 1,
                offset: 0x1000,
                len_bytes: 8,
                bar_len_bytes: 0x1000,
            },
        ),
    ];
    for (capability, refusal) in cases {
        let (_rig, pci) = rig(|builder| {
            builder.capabilities(|list| {
                list.retain(|entry| entry.id() != 0x11);
                list.push(capability);
            })
        });
        let (function, bars) = pci.turn_on(InterruptLine::Enabled);
        let error = function.msix(&bars, |range| pci.map(range)).unwrap_err();
        assert_eq!(function.read_msix_vectors(&bars), Err(error));
        assert!(
            matches!(error, MsixError::Capability { refusal: found, .. } if found == refusal),
            "{error}"
        );
    }
    let (_rig, pci) = rig(|builder| builder);
    let (function, bars) = pci.turn_on(InterruptLine::Enabled);
    let error = function
        .msix(&bars, |_| pci.map(bars_nothing()))
        .unwrap_err();
    assert!(matches!(error, MsixError::NotMapped { .. }), "{error}");
}

/// A range that is shorter than any table.
fn bars_nothing() -> levitate_virtio::transport::pci::BarRange {
    levitate_virtio::transport::pci::BarRange {
        bar: 1,
        offset: 0,
        len_bytes: 8,
        address: 0,
    }
}

//! Faults in setting up a packed virtqueue, in its flags and in notifications (§2.8, §2.9).

use levitate_host::{BlockModel, Completion};

use crate::driver::{Driver, EVENT_IDX, INDIRECT_DESC, NOTIFICATION_DATA};
use crate::life::Step;
use crate::message::INDIRECT;
use crate::table::Act::{After, Before, Both, Instead};
use crate::table::{Run, Seeded, assert_each_is_named};

const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

type Life = Driver<BlockModel>;

/// Sends the message once more under each of the IDs, although the first is still in flight.
fn send_again(driver: &mut Life, ids: &[u16]) {
    for &id in ids {
        let elements = driver.elements();
        let ring = driver.packed_ring();
        ring.write_list(&elements, id);
        ring.publish();
        let position = ring.position();
        driver.notify_with(position);
    }
}

/// Takes as much as was sent by [`send_again`].
fn take_more(driver: &mut Life, ids: &[u16]) {
    driver.device.release_all();
    for _ in ids {
        driver.packed_ring().take_used();
    }
}

/// Notifies with a position that was changed so in the broken run.
fn notify_wrongly(driver: &mut Life, run: Run, change: fn(u16) -> u16) {
    let position = driver.notification_data();
    driver.notify_with(run.either(change(position), position));
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "PACKED-01",
        "a ring at an odd multiple of 8",
        Step::WriteAddresses,
        Before(|driver, run| driver.packed[0].descriptors += run.either(8, 16)),
    )
    .packed()
    .on(|behaviour| behaviour.queue_size_max = 8),
    Seeded::new(
        "PACKED-01",
        "the driver's structure at an odd multiple of 2",
        Step::WriteAddresses,
        Before(|driver, run| driver.packed[0].driver += run.either(2, 4)),
    )
    .packed(),
    Seeded::new(
        "PACKED-01",
        "the device's structure at an odd multiple of 2",
        Step::WriteAddresses,
        Before(|driver, run| driver.packed[0].device += run.either(2, 4)),
    )
    .packed(),
    Seeded::new(
        "MMIO-31",
        "a device area that is not zeroed",
        Step::EnableQueue,
        Before(|driver, run| driver.packed[0].put(driver.packed[0].device, run.either(1, 0))),
    )
    .packed(),
    Seeded::new(
        "PACKED-25",
        "a ring that is not zeroed",
        Step::EnableQueue,
        Before(|driver, run| driver.packed[0].put(24, run.either(1, 0))),
    )
    .packed(),
    Seeded::new(
        "PACKED-26",
        "more than 32768 descriptors",
        Step::WriteSize,
        Before(|driver, run| driver.write(0x038, run.either(32769, 32768))),
    )
    .packed()
    .on(|behaviour| behaviour.queue_size_max = 65536),
    Seeded::new(
        "PACKED-02",
        "more lists than there is room for",
        Step::Notify,
        After(|driver, run| {
            let ids = run.either(&[1, 2, 3, 4][..], &[1, 2, 3]);
            send_again(driver, ids);
            take_more(driver, ids);
        }),
    )
    .packed()
    .accepting(INDIRECT_DESC)
    .on(|behaviour| {
        behaviour.queue_size_max = 4;
        behaviour.completion = Completion::Held;
    }),
    Seeded::new(
        "PACKED-03",
        "a length changed while the list is in flight",
        Step::Notify,
        After(|driver, run| {
            let len: u32 = run.either(15, 16);
            driver.packed[0]
                .memory
                .write(8, &len.to_le_bytes())
                .unwrap();
        }),
    )
    .packed()
    .on(|behaviour| behaviour.completion = Completion::Held),
    Seeded::new(
        "PACKED-04",
        "a notification that names another descriptor",
        Step::Notify,
        Both(|driver, run| notify_wrongly(driver, run, |position| position + 1)),
    )
    .packed()
    .accepting(NOTIFICATION_DATA)
    .on(|behaviour| behaviour.offer = NOTIFICATION_DATA),
    Seeded::new(
        "DN-02",
        "a notification with the wrong counter",
        Step::Notify,
        Both(|driver, run| notify_wrongly(driver, run, |position| position ^ 1 << 15)),
    )
    .packed()
    .accepting(NOTIFICATION_DATA)
    .on(|behaviour| behaviour.offer = NOTIFICATION_DATA),
    Seeded::new(
        "DN-01",
        "a notification with another index",
        Step::Notify,
        Both(|driver, run| notify_wrongly(driver, run, |index| index - 1)),
    )
    .modern()
    .accepting(NOTIFICATION_DATA)
    .on(|behaviour| behaviour.offer = NOTIFICATION_DATA),
    Seeded::new(
        "PACKED-17",
        "a wait without a notification",
        Step::Notify,
        Instead(|driver| {
            driver.read(0x070);
            driver.stop();
        }),
    )
    .packed(),
    Seeded::new(
        "PACKED-17",
        "a wait without a notification, with EVENT_IDX",
        Step::Notify,
        Instead(|driver| {
            driver.read(0x070);
            driver.stop();
        }),
    )
    .packed()
    .accepting(EVENT_IDX),
    Seeded::new(
        "PACKED-18",
        "a counter that begins with 0",
        Step::WriteChain,
        Before(|driver, run| driver.packed[0].wrap = run.either(false, true)),
    )
    .packed(),
    Seeded::new(
        "PACKED-19",
        "a descriptor that is marked used",
        Step::Publish,
        Both(|driver, run| {
            let marks = run.either(AVAIL | USED, AVAIL);
            driver.packed[0].write_flags(0, marks | INDIRECT);
        }),
    )
    .packed()
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "PACKED-24",
        "an event for one descriptor without EVENT_IDX",
        Step::Publish,
        Before(|driver, run| driver.packed[0].set_driver_event(0, run.either(2, 1))),
    )
    .packed(),
    Seeded::new(
        "PACKED-24",
        "the reserved value",
        Step::Publish,
        Before(|driver, run| driver.packed[0].set_driver_event(0, run.either(3, 2))),
    )
    .packed()
    .accepting(EVENT_IDX),
    Seeded::new(
        "PACKED-24",
        "a reserved bit",
        Step::Publish,
        Before(|driver, run| driver.packed[0].set_driver_event(0, run.either(4, 0))),
    )
    .packed()
    .accepting(EVENT_IDX),
];

#[test]
fn each_wrong_use_of_a_packed_ring_is_named() {
    assert_each_is_named(FAULTS);
}

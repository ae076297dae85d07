//! Faults in the lists of a packed virtqueue (§2.8.6, §2.8.7, §2.8.17, §2.8.19).

use levitate_host::{BlockModel, Completion};

use crate::block::{IN, first, request};
use crate::driver::{Driver, INDIRECT_DESC};
use crate::life::Step;
use crate::message::{Descriptor, INDIRECT, NEXT, WRITE};
use crate::table::Act::{After, Before, Both, Instead};
use crate::table::{Run, Seeded, assert_each_is_named};

type Life = Driver<BlockModel>;

/// In the broken run a list of five in a ring of eight, four of which are in use.
fn overfill(driver: &mut Life, run: Run, unwritten: usize) {
    let mut elements = driver.elements();
    let mut count = elements.len();
    if run.is_broken() {
        driver.packed_ring().write_list(&elements, 1);
        driver.packed_ring().publish();
        let position = driver.notification_data();
        driver.notify_with(position);
        elements.push(elements[count - 1]);
        count = elements.len() - unwritten;
    }
    driver.packed_ring().write_part(&elements, count, 0);
}

/// Three data segments, where the device allows for two.
fn more_segments(driver: &mut Life, run: Run) {
    first(
        driver,
        request(IN, 3, run.either(&[256, 128, 128], &[256, 256])),
    );
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "PACKED-06",
        "more segments than allowed",
        Step::Compose,
        After(more_segments),
    )
    .packed(),
    Seeded::new(
        "PACKED-14",
        "more segments than allowed in a table",
        Step::Compose,
        After(more_segments),
    )
    .packed()
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "PACKED-07",
        "a list without an end",
        Step::WriteChain,
        After(|driver, run| {
            driver.packed[0].write_flags(3, 1 << 7 | WRITE | run.either(NEXT, 0));
        }),
    )
    .packed()
    .on(|behaviour| behaviour.queue_size_max = 4),
    Seeded::new(
        "PACKED-08",
        "the header after the room for the data",
        Step::Build,
        After(|driver, run| {
            if run.is_broken() {
                driver.chain.swap(0, 1);
            }
        }),
    )
    .packed(),
    Seeded::new(
        "PACKED-09",
        "a list that waits for a descriptor in use",
        Step::WriteChain,
        Both(|driver, run| overfill(driver, run, 1)),
    )
    .packed()
    .on(|behaviour| {
        behaviour.queue_size_max = 8;
        behaviour.completion = Completion::Held;
    }),
    Seeded::new(
        "PACKED-10",
        "a list that writes over a descriptor in use",
        Step::WriteChain,
        Both(|driver, run| overfill(driver, run, 0)),
    )
    .packed()
    .on(|behaviour| {
        behaviour.queue_size_max = 8;
        behaviour.completion = Completion::Held;
    }),
    Seeded::new(
        "PACKED-11",
        "a head before the rest",
        Step::WriteChain,
        Both(|driver, run| {
            let elements = driver.elements();
            let count = run.either(1, elements.len());
            driver.packed_ring().write_part(&elements, count, 0);
        }),
    )
    .packed(),
    Seeded::new(
        "PACKED-12",
        "an indirect table without INDIRECT_DESC",
        Step::WriteChain,
        Instead(|driver| {
            let head = driver.indirect_head();
            let element = (head.addr, head.len, head.flags);
            driver.packed_ring().write_list(&[element], 0);
        }),
    )
    .packed(),
    Seeded::new(
        "PACKED-13",
        "NEXT in an indirect table",
        Step::WriteChain,
        Both(|driver, run| {
            let table: Vec<u8> = driver
                .chain
                .iter()
                .flat_map(|one| one.to_packed_bytes(run.either(NEXT | WRITE, WRITE)))
                .collect();
            let element = (driver.buffer(&table), table.len() as u32, INDIRECT);
            driver.packed_ring().write_list(&[element], 0);
        }),
    )
    .packed()
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "PACKED-14",
        "a table longer than the queue",
        Step::Build,
        After(|driver, run| {
            // A sector in many bytes besides a longer part, so that only the length of the table is wrong.
            let bytes = run.either(2, 1);
            let last = driver.chain.pop().unwrap();
            driver.chain[2].len -= bytes;
            for _ in 0..bytes {
                driver.chain.push(Descriptor { len: 1, ..last });
            }
            driver.chain.push(last);
        }),
    )
    .packed()
    .accepting(INDIRECT_DESC)
    .on(|behaviour| {
        behaviour.queue_size_max = 5;
        behaviour.withhold = 1 << 2;
    }),
    Seeded::new(
        "PACKED-15",
        "a table in a list",
        Step::WriteChain,
        Both(|driver, run| {
            let mut elements = driver.elements();
            if run.is_broken() {
                elements.push(elements[0]);
            }
            driver.packed_ring().write_list(&elements, 0);
        }),
    )
    .packed()
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "PACKED-20",
        "the second descriptor is not marked available",
        Step::Publish,
        Before(|driver, run| {
            let marks = run.either(1 << 7 | 1 << 15, 1 << 7);
            driver.packed[0].write_flags(1, marks | WRITE | NEXT);
        }),
    )
    .packed(),
    Seeded::new(
        "PACKED-20",
        "the ID in the first descriptor only",
        Step::Notify,
        After(|driver, run| {
            let elements = driver.elements();
            let ring = driver.packed_ring();
            let last = usize::from(ring.next) + elements.len() - 1;
            ring.write_list(&elements, 1);
            ring.put(16 * last + 12, run.either(0, 1));
            ring.publish();
            let position = ring.position();
            driver.notify_with(position);
            driver.device.release_all();
            driver.packed_ring().take_used();
        }),
    )
    .packed()
    .on(|behaviour| behaviour.completion = Completion::Held),
];

#[test]
fn each_wrong_list_is_named() {
    assert_each_is_named(FAULTS);
}

//! Faults in the chains of a split virtqueue (§2.7.4, §2.7.5).

use levitate_host::BlockModel;

use crate::block::{SEG_MAX, SIZE_MAX};
use crate::driver::{IN_ORDER, INDIRECT_DESC};
use crate::life::Step;
use crate::message::{Descriptor, INDIRECT, NEXT, WRITE};
use crate::table::Act::{After, Instead};
use crate::table::{Seeded, assert_each_is_named};

const ACCESS_PLATFORM: u64 = 1 << 33;
const MIB: usize = 1 << 20;

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "RSVD-05",
        "an address of the CPU in place of the device's",
        Step::Build,
        After(|driver, run| {
            let of_the_cpu = driver.buffers[0].as_ptr().addr() as u64;
            driver.chain[0].addr = run.either(of_the_cpu, driver.chain[0].addr);
        }),
    ),
    Seeded::new(
        "RSVD-04",
        "an address that the platform did not map",
        Step::Build,
        After(|driver, run| {
            let of_the_cpu = driver.buffers[0].as_ptr().addr() as u64;
            driver.chain[0].addr = run.either(of_the_cpu, driver.chain[0].addr);
        }),
    )
    .modern()
    .accepting(ACCESS_PLATFORM)
    .on(|behaviour| behaviour.offer = ACCESS_PLATFORM),
    Seeded::new(
        "SPLIT-02",
        "the header after the room for the data",
        Step::Build,
        After(|driver, run| {
            let [first, second] = run.either([1, 0], [0, 1]).map(|index| driver.chain[index]);
            driver.chain[0] = Descriptor { next: 1, ..first };
            driver.chain[1] = Descriptor { next: 2, ..second };
        }),
    ),
    Seeded::new(
        "SPLIT-04",
        "more than 2^32 bytes",
        Step::Build,
        After(|driver, run| {
            // A type that no disk knows, so that only the length is wrong.
            let mut header = [0; 16];
            header[0] = 99;
            driver.chain[0].addr = driver.buffer(&header);
            driver.chain.truncate(1);
            let addr = driver.buffer(&vec![0; 16 * MIB]);
            for index in 1..=run.either(256, 255) {
                driver.chain.push(Descriptor {
                    addr,
                    len: 16 * MIB as u32,
                    flags: WRITE | NEXT,
                    next: index + 1,
                });
            }
            driver.chain.push(Descriptor {
                addr,
                len: 1,
                flags: WRITE,
                next: 0,
            });
        }),
    )
    .on(|behaviour| behaviour.withhold = SIZE_MAX | SEG_MAX),
    Seeded::new(
        "SPLIT-05",
        "a descriptor that does not follow the one before it, with IN_ORDER",
        Step::WriteChain,
        After(|driver, run| {
            let [mut first, mut second] = [0, 1].map(|index| driver.chain[index]);
            if run.is_broken() {
                (first.next, second.next) = (7, 2);
                driver.ring().write_descriptor(7, second);
            }
            driver.ring().write_descriptor(0, first);
        }),
    )
    .modern()
    .accepting(IN_ORDER)
    .on(|behaviour| behaviour.offer = IN_ORDER),
    Seeded::new(
        "SPLIT-10",
        "an indirect table out of sequence, with IN_ORDER",
        Step::Build,
        After(|driver, run| {
            if run.is_broken() {
                driver.chain.swap(1, 2);
                for (index, next) in [2, 3, 1].into_iter().enumerate() {
                    driver.chain[index].next = next;
                }
            }
        }),
    )
    .modern()
    .accepting(INDIRECT_DESC | IN_ORDER)
    .on(|behaviour| behaviour.offer = IN_ORDER),
    Seeded::new(
        "SPLIT-06",
        "an indirect table without INDIRECT_DESC",
        Step::WriteChain,
        Instead(|driver| {
            let head = driver.indirect_head();
            driver.ring().write_descriptor(0, head);
        }),
    ),
    Seeded::new(
        "SPLIT-07",
        "an indirect descriptor in an indirect table",
        Step::Build,
        After(|driver, run| driver.chain[0].flags = run.either(INDIRECT, NEXT)),
    )
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "SPLIT-08",
        "a chain that ends in a loop",
        Step::Build,
        After(|driver, run| {
            let index = driver.chain.len() as u16 - 1;
            let last = driver.chain.last_mut().unwrap();
            (last.flags, last.next) = (run.either(WRITE | NEXT, WRITE), index);
        }),
    ),
    Seeded::new(
        "SPLIT-08",
        "an indirect table longer than the queue",
        Step::Build,
        After(|driver, run| {
            // A sector in many bytes besides two longer parts, so that only the length of the table is wrong.
            let bytes = run.either(510, 508);
            let last = driver.chain.pop().unwrap();
            for part in &mut driver.chain[1..] {
                part.len = (512 - u32::from(bytes)) / 2;
            }
            for index in 3..3 + bytes {
                driver.chain.push(Descriptor {
                    flags: WRITE | NEXT,
                    next: index + 1,
                    ..last
                });
            }
            driver.chain.push(last);
        }),
    )
    .accepting(INDIRECT_DESC)
    .on(|behaviour| behaviour.withhold = SEG_MAX),
    Seeded::new(
        "SPLIT-09",
        "INDIRECT and NEXT together",
        Step::WriteChain,
        Instead(|driver| {
            let head = driver.indirect_head();
            let flags = INDIRECT | NEXT;
            let head = Descriptor {
                flags,
                next: 1,
                ..head
            };
            driver.ring().write_descriptor(0, head);
        }),
    )
    .accepting(INDIRECT_DESC),
];

#[test]
fn each_wrong_chain_is_named() {
    assert_each_is_named(FAULTS);
}

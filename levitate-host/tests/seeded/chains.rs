//! Faults in the chains of a split virtqueue (§2.7.4, §2.7.5).

use levitate_host::BlockModel;

use crate::block::{SEG_MAX, SIZE_MAX};
use crate::driver::INDIRECT_DESC;
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
        After(|driver| driver.chain[0].addr = driver.buffers[0].as_ptr().addr() as u64),
    ),
    Seeded::new(
        "RSVD-04",
        "an address that the platform did not map",
        Step::Build,
        After(|driver| driver.chain[0].addr = driver.buffers[0].as_ptr().addr() as u64),
    )
    .modern()
    .accepting(ACCESS_PLATFORM)
    .on(|behaviour| behaviour.offer = ACCESS_PLATFORM),
    Seeded::new(
        "SPLIT-02",
        "the header after the room for the data",
        Step::Build,
        After(|driver| {
            let (header, data) = (driver.chain[0], driver.chain[1]);
            driver.chain[0] = Descriptor { next: 1, ..data };
            driver.chain[1] = Descriptor { next: 2, ..header };
        }),
    ),
    Seeded::new(
        "SPLIT-04",
        "more than 2^32 bytes",
        Step::Build,
        After(|driver| {
            // A type that no disk knows, so that only the length is wrong.
            let mut header = [0; 16];
            header[0] = 99;
            driver.chain[0].addr = driver.buffer(&header);
            driver.chain.truncate(1);
            let addr = driver.buffer(&vec![0; 16 * MIB]);
            for index in 1..=256 {
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
        After(|driver| driver.chain[0].flags = INDIRECT),
    )
    .accepting(INDIRECT_DESC),
    Seeded::new(
        "SPLIT-08",
        "a chain that ends in a loop",
        Step::Build,
        After(|driver| {
            let index = driver.chain.len() as u16 - 1;
            let last = driver.chain.last_mut().unwrap();
            (last.flags, last.next) = (WRITE | NEXT, index);
        }),
    ),
    Seeded::new(
        "SPLIT-08",
        "an indirect table longer than the queue",
        Step::Build,
        After(|driver| {
            let last = driver.chain.pop().unwrap();
            for index in driver.chain.len() as u16..=512 {
                driver.chain.push(Descriptor {
                    flags: WRITE | NEXT,
                    next: index + 1,
                    ..last
                });
            }
            driver.chain.push(last);
        }),
    )
    .accepting(INDIRECT_DESC),
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

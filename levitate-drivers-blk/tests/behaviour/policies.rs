//! The driver on every kind of platform: by CPU addresses, over a bounce area, behind an IOMMU, and where memory runs out.

use levitate_drivers_blk::{Completion, Token};
use levitate_hal::{Direction, DmaBuffer, Mapped};
use levitate_host::{BlockModel, Plug, Policy, Pool, Version};

use crate::bench::{Bench, Driver, Storage, patterned};

const SECTORS: usize = 64;

fn bench(policy: Policy, plug: Plug) -> Bench {
    let pool = Pool::builder().policy(policy).exact_alignment().build();
    Bench::on(pool, plug, BlockModel::patterned(SECTORS), |_| {})
}

/// A buffer of the program's own, where it lies.
fn mapped(bench: &Bench, bytes: Vec<u8>) -> DmaBuffer<Pool> {
    Mapped::new(&bench.pool, bytes, Direction::Both)
        .expect("mapped")
        .into()
}

fn finish(blk: &mut Driver<'_>, token: Token) -> Completion<Pool> {
    let done = blk.wait(token).expect("answered").expect("not taken yet");
    assert_eq!(done.result, Ok(()));
    done
}

/// Copied and mapped, written, read back and made durable.
fn scenario(bench: &Bench, blk: &mut Driver<'_>) {
    let mut copied = vec![0; 1536];
    blk.read(3, &mut copied).expect("read");
    assert_eq!(copied, patterned(3, 1536));
    blk.write(8, &[0x5a; 1024]).expect("written");

    let token = blk
        .submit_write(20, mapped(bench, vec![0xc3; 2048]))
        .expect("submitted");
    blk.notify();
    finish(blk, token);
    let token = blk
        .submit_read(19, mapped(bench, vec![0; 2048]))
        .expect("submitted");
    blk.notify();
    let read = finish(blk, token).buffer.expect("the buffer").into_vec();
    let mut expected = patterned(19, 512);
    expected.resize(2048, 0xc3);
    assert_eq!(read.expect("what was mapped"), expected);

    blk.flush().expect("flushed");
    bench.disk.model(|disk| {
        assert_eq!(disk.durable()[8 * 512..][..1024], [0x5a; 1024]);
        assert_eq!(disk.durable()[20 * 512..][..2048], [0xc3; 2048]);
    });
}

#[test]
fn a_disk_works_the_same_on_every_platform() {
    for (policy, plug) in Plug::UNDER_POLICIES {
        println!("{policy:?}, {plug:?}");
        let bench = bench(policy, plug);
        let mut storage = Storage::<8>::new();
        let mut blk = bench.drive(&mut storage);
        scenario(&bench, &mut blk);
    }
}

/// Fails one allocation after the other, until the driver needs no more.
fn fail_each_allocation(plug: Plug) {
    for successes in 0.. {
        let policy = Policy::FaultInjecting {
            allocations: Some(successes),
            mappings: None,
        };
        let bench = bench(policy, plug);
        let mut storage = Storage::<8>::new();
        let was_refused = match bench.try_drive(&mut storage) {
            Err(error) => {
                assert!(error.to_string().contains("out of DMA memory"), "{error}");
                true
            }
            Ok(mut blk) => {
                scenario(&bench, &mut blk);
                false
            }
        };
        if !was_refused {
            assert!(successes > 1, "the driver allocates");
            return;
        }
    }
}

#[test]
fn whichever_allocation_fails_is_an_error_and_leaves_nothing_behind() {
    for plug in Plug::ALL {
        fail_each_allocation(plug);
    }
}

#[test]
fn a_buffer_that_cannot_be_mapped_stays_with_the_program() {
    let policy = Policy::FaultInjecting {
        allocations: None,
        mappings: Some(1),
    };
    let bench = bench(policy, Version::Two.into());
    let mut storage = Storage::<8>::new();
    let mut blk = bench.drive(&mut storage);
    let first = mapped(&bench, vec![7; 512]);
    let (error, buffer) =
        Mapped::new(&bench.pool, vec![9_u8; 512], Direction::Both).expect_err("the second fails");
    assert!(error.to_string().contains("out of DMA memory"), "{error}");
    assert_eq!(buffer, [9; 512]);
    for (sector, buffer) in [(0, first), (1, mapped(&bench, buffer))] {
        let token = blk.submit_write(sector, buffer).expect("submitted");
        blk.notify();
        finish(&mut blk, token);
    }
    bench.disk.model(|disk| {
        assert_eq!(disk.content()[..512], [7; 512]);
        assert_eq!(disk.content()[512..1024], [9; 512]);
    });
}

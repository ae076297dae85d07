//! Coherent memory through its owners, against a pool that gives no more than it is asked for.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use levitate_hal::{Dma, DmaBox, DmaError, DmaRegion, DmaSlice};
use levitate_host::dma::Pool;

#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

#[test]
fn a_region_is_zeroed_and_aligned_under_both_addresses() {
    let pool = Pool::builder().exact_alignment().build();
    for align in [1, 2, 16, 4096] {
        let region = DmaRegion::new(&pool, 100, align).unwrap();
        assert!(
            region.device_addr().is_aligned_to(align as u64),
            "device, {align}"
        );
        assert!(
            region.as_ptr().addr().get().is_multiple_of(align),
            "cpu, {align}"
        );
        assert_eq!(region.read::<[u8; 100]>(0).unwrap(), [0; 100]);
    }
    pool.assert_no_leaks();
}

#[test]
fn the_device_sees_what_the_cpu_wrote_and_the_other_way_round() {
    let pool = Pool::new();
    let region = DmaRegion::new(&pool, 16, 4).unwrap();
    region.write(4, &[1_u8, 2, 3, 4]).unwrap();
    let mut seen = [0; 4];
    pool.device_memory()
        .read(region.device_addr().get() + 4, &mut seen)
        .unwrap();
    assert_eq!(seen, [1, 2, 3, 4]);
    pool.device_memory()
        .write(region.device_addr().get() + 8, &[9, 8])
        .unwrap();
    assert_eq!(region.read::<[u8; 2]>(8).unwrap(), [9, 8]);
}

#[test]
fn an_access_past_the_end_is_an_error_and_writes_nothing() {
    let pool = Pool::new();
    let region = DmaRegion::new(&pool, 8, 1).unwrap();
    let error = region.write(5, &[1_u8; 4]).unwrap_err();
    assert_eq!(
        (error.offset, error.len_bytes, error.region_bytes),
        (5, 4, 8)
    );
    assert!(region.read::<[u8; 1]>(8).is_err());
    assert!(region.read::<[u8; 1]>(usize::MAX).is_err());
    assert!(region.device_addr_at(8).is_err());
    assert_eq!(region.read::<[u8; 8]>(0).unwrap(), [0; 8]);
}

#[test]
fn no_bytes_too_many_and_no_power_of_two_are_refused() {
    let pool = Pool::new();
    assert!(matches!(
        DmaRegion::new(&pool, 0, 8),
        Err(DmaError::InvalidLayout { .. })
    ));
    assert!(matches!(
        DmaRegion::new(&pool, 1 << 32, 8),
        Err(DmaError::InvalidLayout { .. })
    ));
    assert!(matches!(
        DmaRegion::new(&pool, 8, 3),
        Err(DmaError::InvalidLayout { .. })
    ));
    assert!(matches!(
        DmaSlice::<u64, _>::new_zeroed(&pool, usize::MAX),
        Err(DmaError::InvalidLayout { .. })
    ));
}

#[test]
fn an_exhausted_pool_is_an_error() {
    let pool = Pool::new();
    pool.fail_allocation_after(1);
    let first = DmaBox::<u32, _>::new_zeroed(&pool).unwrap();
    assert!(matches!(
        DmaBox::<u32, _>::new_zeroed(&pool),
        Err(DmaError::OutOfMemory { .. })
    ));
    drop(first);
    pool.assert_no_leaks();
}

#[test]
fn typed_owners_are_aligned_for_their_type_and_freed_by_the_instance_that_made_them() {
    let pool = Pool::builder().exact_alignment().build();
    let other = Pool::new();
    let mut lines = DmaSlice::<CacheLine, _>::new_zeroed(&pool, 3).unwrap();
    assert!(lines.device_addr().is_aligned_to(64));
    assert_eq!(lines.len_bytes(), 192);
    lines[1].0[5] = 7;
    let mut seen = [0];
    pool.device_memory()
        .read(lines.device_addr().get() + 64 + 5, &mut seen)
        .unwrap();
    assert_eq!(seen, [7]);
    let number = DmaBox::<u64, _>::new_zeroed(&other).unwrap();
    assert_eq!(*number, 0);
    drop((lines, number));
    pool.assert_no_leaks();
    other.assert_no_leaks();
}

#[test]
fn an_owner_outlives_the_instance_it_came_from() {
    fn make<D: Dma>(dma: D) -> DmaSlice<u8, D> {
        DmaSlice::new_zeroed(&dma, 4).unwrap()
    }
    let pool = Pool::new();
    let mut slice = make(pool.clone());
    slice[3] = 1;
    assert_eq!(*slice, [0, 0, 0, 1]);
    drop(slice);
    pool.assert_no_leaks();
}

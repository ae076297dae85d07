//! A program's own buffers lent to a device, also through a bounce pool that really copies.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::sync::Mutex;
use std::sync::atomic::AtomicPtr;

use levitate_hal::{Direction, DmaBuffer, DmaError, DmaSlice, Mapped, Segments};
use levitate_host::dma::{Policy, Pool};

/// Returns a slice that is lent for ever.
fn lent(len_bytes: usize) -> &'static mut [u8] {
    // It stays known to somebody, or it would be a leak.
    static LENT: Mutex<Vec<AtomicPtr<u8>>> = Mutex::new(Vec::new());
    let slice: &'static mut [u8] = Box::leak(vec![0; len_bytes].into());
    let place = AtomicPtr::new(slice.as_mut_ptr());
    LENT.lock().unwrap().push(place);
    slice
}

/// Returns a buffer of each kind that is mapped, for `direction`.
fn mapped(pool: &Pool, len_bytes: usize, direction: Direction) -> [DmaBuffer<Pool>; 3] {
    let vector = vec![0; len_bytes];
    let boxed: Box<[u8]> = vector.clone().into();
    [
        Mapped::new(pool, lent(len_bytes), direction)
            .unwrap()
            .into(),
        Mapped::new(pool, boxed, direction).unwrap().into(),
        Mapped::new(pool, vector, direction).unwrap().into(),
    ]
}

fn coherent(pool: &Pool, len_bytes: usize) -> DmaBuffer<Pool> {
    DmaSlice::new_zeroed(pool, len_bytes).unwrap().into()
}

#[test]
fn a_mapped_vector_comes_back_with_what_the_device_wrote() {
    for pool in [Pool::new(), Pool::builder().policy(Policy::Bounce).build()] {
        let mut mapped = Mapped::new(&pool, vec![1_u8; 64], Direction::FromDevice).unwrap();
        mapped.sync_for_device();
        pool.device_memory()
            .write(mapped.device_addr().get() + 60, &[5, 6, 7, 8])
            .unwrap();
        mapped.sync_for_cpu();
        assert_eq!(mapped.as_slice()[60..], [5, 6, 7, 8]);
        assert_eq!(mapped.into_inner()[60..], [5, 6, 7, 8]);
        pool.assert_no_leaks();
    }
}

#[test]
fn what_the_cpu_writes_reaches_the_device_when_it_is_handed_over() {
    let pool = Pool::builder().policy(Policy::Bounce).build();
    let bytes: Box<[u8]> = vec![0; 16].into();
    let mut mapped = Mapped::new(&pool, bytes, Direction::ToDevice).unwrap();
    mapped.as_mut_slice()[3] = 9;
    mapped.sync_for_device();
    let mut seen = [0; 16];
    pool.device_memory()
        .read(mapped.device_addr().get(), &mut seen)
        .unwrap();
    assert_eq!(seen[3], 9);
    drop(mapped);
    pool.assert_no_leaks();
}

#[test]
fn a_buffer_that_cannot_be_mapped_comes_back() {
    let pool = Pool::new();
    let (error, buffer) = Mapped::new(&pool, Vec::new(), Direction::Both).unwrap_err();
    assert!(matches!(error, DmaError::InvalidLayout { .. }));
    assert!(buffer.is_empty());
    pool.fail_mapping_after(0);
    let (_, buffer) = Mapped::new(&pool, vec![1, 2, 3], Direction::Both).unwrap_err();
    assert_eq!(buffer, [1, 2, 3]);
    pool.assert_no_leaks();
}

#[test]
fn a_buffer_of_any_kind_shows_the_device_its_window() {
    let pool = Pool::new();
    let buffers = mapped(&pool, 100, Direction::Both);
    for mut buffer in buffers.into_iter().chain([coherent(&pool, 100)]) {
        let whole = buffer.segment(0).unwrap();
        assert_eq!((whole.len_bytes, buffer.segment(1)), (100, None));
        buffer.set_window(10..30).unwrap();
        let part = buffer.segment(0).unwrap();
        assert_eq!(part.addr.get(), whole.addr.get() + 10);
        assert_eq!((part.len_bytes, buffer.len_bytes()), (20, 20));
        buffer.as_mut_slice()[0] = 7;
        buffer.set_window(0..100).unwrap();
        assert_eq!(buffer.as_slice()[10], 7);
        buffer.set_window(50..50).unwrap();
        let nothing = buffer.segment(0).unwrap();
        assert_eq!(nothing.len_bytes, 0, "which is left out");
    }
    pool.assert_no_leaks();
}

#[test]
fn what_is_mapped_is_synchronised_and_goes_its_direction() {
    let pool = Pool::builder().policy(Policy::Bounce).build();
    let mut cases = vec![(coherent(&pool, 8), Direction::Both)];
    for direction in [Direction::ToDevice, Direction::FromDevice, Direction::Both] {
        cases.extend(mapped(&pool, 8, direction).map(|buffer| (buffer, direction)));
    }
    for (mut buffer, direction) in cases {
        assert_eq!(buffer.direction(), direction);
        let at = buffer.segment(0).unwrap().addr.get();
        buffer.as_mut_slice()[1] = 5;
        buffer.sync_for_device();
        if direction != Direction::FromDevice {
            let mut seen = [0; 8];
            pool.device_memory().read(at, &mut seen).unwrap();
            assert_eq!(seen[1], 5, "{buffer:?}");
        }
        if direction != Direction::ToDevice {
            pool.device_memory().write(at + 1, &[6]).unwrap();
            buffer.sync_for_cpu();
            assert_eq!(buffer.as_slice()[1], 6, "{buffer:?}");
        }
    }
    pool.assert_no_leaks();
}

#[test]
fn a_window_outside_the_memory_is_refused() {
    let pool = Pool::new();
    let mut buffer = coherent(&pool, 8);
    buffer.set_window(2..6).unwrap();
    assert!(buffer.set_window(0..9).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is tried")]
    let reversed = 5..4;
    assert!(buffer.set_window(reversed).is_err());
    assert_eq!(buffer.window(), 2..6, "unchanged");
    assert_eq!(buffer.capacity_bytes(), 8);
}

#[test]
fn a_vector_can_be_taken_out_again_and_nothing_else_can() {
    let pool = Pool::new();
    let buffer: DmaBuffer<Pool> = Mapped::new(&pool, vec![1, 2, 3], Direction::Both)
        .unwrap()
        .into();
    assert_eq!(buffer.into_vec().unwrap(), [1, 2, 3]);
    assert!(coherent(&pool, 8).into_vec().is_err());
    pool.assert_no_leaks();
}

#[test]
fn a_vector_comes_back_with_its_spare_capacity() {
    let pool = Pool::new();
    let mut vector = Vec::with_capacity(4096);
    vector.resize(512, 1_u8);
    let mapped = Mapped::new(&pool, vector, Direction::Both).unwrap();
    assert_eq!(mapped.len_bytes(), 512);
    let mut vector = mapped.into_inner();
    assert_eq!(vector.capacity(), 4096);
    vector.extend([2; 3000]);
    assert_eq!((vector.len(), vector[511], vector[512]), (3512, 1, 2));
    pool.assert_no_leaks();
}

#[test]
fn coherent_memory_is_given_back_with_the_alignment_it_was_asked_for() {
    let pool = Pool::new();
    for align_bytes in [1, 64, 4096] {
        let slice = DmaSlice::<u8, _>::new_zeroed_aligned(&pool, 100, align_bytes).unwrap();
        // The pool compares the layouts.
        drop(DmaBuffer::from(slice));
    }
    pool.assert_no_leaks();
}

#[test]
fn a_window_may_be_anywhere_in_a_long_buffer() {
    let pool = Pool::new();
    let mut buffer = coherent(&pool, 3 << 16);
    let start = buffer.segment(0).unwrap().addr.get();
    buffer.set_window((1 << 16) + 5..(3 << 16) - 1).unwrap();
    let segment = buffer.segment(0).unwrap();
    assert_eq!(segment.addr.get(), start + (1 << 16) + 5);
    assert_eq!(segment.len_bytes, (2 << 16) - 6);
    assert_eq!(buffer.window(), (1 << 16) + 5..(3 << 16) - 1);
}

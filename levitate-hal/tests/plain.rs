//! Every owner over an implementation of [`Dma`] that has what the trait demands and no more: plain memory of the heap.
//!
//! It shares nothing with the test platform, so an interpreter that knows no system calls can run it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::AtomicPtr;

use levitate_hal::{
    Direction, Dma, DmaAddr, DmaAllocation, DmaBox, DmaBuffer, DmaError, DmaRegion, DmaSlice,
    Mapped, Segments,
};

/// Memory, by the address that the device knows it by.
type Reachable = (DmaAddr, NonNull<[u8]>);

/// What a device can reach now, and what was handed over since that was asked last.
#[derive(Clone, Default)]
struct Plain {
    reachable: Rc<RefCell<Vec<Reachable>>>,
    synced: Rc<RefCell<Vec<(Side, Reachable, Direction)>>>,
}

/// To whom memory is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Device,
    Cpu,
}

impl Plain {
    fn reach(&self, bytes: NonNull<[u8]>) -> DmaAddr {
        let device = DmaAddr::new(bytes.cast::<u8>().addr().get() as u64 + 0x1000);
        self.reachable.borrow_mut().push((device, bytes));
        device
    }

    fn forget(&self, device: DmaAddr) {
        let mut all = self.reachable.borrow_mut();
        let index = all.iter().position(|(addr, _)| *addr == device).unwrap();
        all.swap_remove(index);
    }

    /// Does what a device does: changes a byte it can reach, and returns what was there.
    fn swap(&self, device: DmaAddr, offset: usize, value: u8) -> u8 {
        let (_, bytes) = self.find(device);
        assert!(offset < bytes.len());
        // SAFETY: the offset is inside, as was just checked, of memory that is valid until it is forgotten.
        let place = unsafe { bytes.cast::<u8>().add(offset) };
        // SAFETY: as above; the owners lend it to the device while this is called.
        let old = unsafe { place.read_volatile() };
        // SAFETY: as above.
        unsafe { place.write_volatile(value) };
        old
    }

    /// Returns what a device can reach at `device`.
    fn find(&self, device: DmaAddr) -> Reachable {
        let all = self.reachable.borrow();
        *all.iter().find(|(addr, _)| *addr == device).unwrap()
    }

    fn is_unreachable(&self) -> bool {
        self.reachable.borrow().is_empty()
    }
}

// SAFETY: what is allocated is the heap's, zeroed, aligned under both addresses, which are 4096 bytes apart, and coherent, for the
// device is this process; what is mapped is reached where it is; nothing panics but where an owner gives back twice.
unsafe impl Dma for Plain {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        let (size_bytes, align_bytes) = (layout.size(), layout.align());
        if size_bytes == 0 {
            return Err(DmaError::InvalidLayout {
                size_bytes,
                align_bytes,
            });
        }
        // SAFETY: the size is not 0.
        let cpu = unsafe { alloc_zeroed(layout) };
        let cpu = NonNull::new(cpu).ok_or(DmaError::OutOfMemory {
            size_bytes,
            align_bytes,
        })?;
        let device = self.reach(NonNull::slice_from_raw_parts(cpu, size_bytes));
        Ok(DmaAllocation { cpu, device })
    }

    unsafe fn release(&self, allocation: DmaAllocation, layout: Layout) {
        self.forget(allocation.device);
        // SAFETY: the caller has both from one `allocate`, and gives it back once: it was still reachable.
        unsafe { dealloc(allocation.cpu.as_ptr(), layout) };
    }

    unsafe fn map(&self, buffer: NonNull<[u8]>, _: Direction) -> Result<DmaAddr, DmaError> {
        Ok(self.reach(buffer))
    }

    unsafe fn unmap(&self, _: NonNull<[u8]>, device: DmaAddr, _: Direction) {
        self.forget(device);
    }

    unsafe fn sync_for_device(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let sync = (Side::Device, (device, buffer), direction);
        self.synced.borrow_mut().push(sync);
    }

    unsafe fn sync_for_cpu(&self, buffer: NonNull<[u8]>, device: DmaAddr, direction: Direction) {
        let sync = (Side::Cpu, (device, buffer), direction);
        self.synced.borrow_mut().push(sync);
    }
}

/// Returns a buffer of each kind that is mapped, for `direction`: eight bytes.
fn mapped(dma: &Plain, direction: Direction) -> [DmaBuffer<Plain>; 3] {
    // What is lent for ever stays known to somebody, or it would be a leak.
    static LENT: Mutex<Vec<AtomicPtr<u8>>> = Mutex::new(Vec::new());
    let lent: &'static mut [u8] = Box::leak(vec![1; 8].into());
    let place = AtomicPtr::new(lent.as_mut_ptr());
    LENT.lock().unwrap().push(place);
    let boxed: Box<[u8]> = vec![1; 8].into();
    [
        Mapped::new(dma, lent, direction).unwrap().into(),
        Mapped::new(dma, boxed, direction).unwrap().into(),
        Mapped::new(dma, vec![1; 8], direction).unwrap().into(),
    ]
}

#[test]
fn a_region_and_its_device_see_each_others_bytes() {
    let dma = Plain::default();
    let region = DmaRegion::new(&dma, 64, 32).unwrap();
    assert!(region.device_addr().is_aligned_to(32));
    region.write(60, &[1_u8, 2, 3, 4]).unwrap();
    assert_eq!(dma.swap(region.device_addr(), 62, 9), 3);
    assert_eq!(region.read::<[u8; 4]>(60).unwrap(), [1, 2, 9, 4]);
    assert!(region.write(61, &0_u32).is_err());
    assert!(region.device_addr_at(64).is_err());
    drop(region);
    assert!(dma.is_unreachable());
}

#[test]
fn typed_owners_lend_what_they_hold() {
    let dma = Plain::default();
    let mut number = DmaBox::<u64, _>::new_zeroed(&dma).unwrap();
    assert_eq!(*number, 0);
    *number = u64::from_le_bytes(*b"levitate");
    assert_eq!(dma.swap(number.device_addr(), 0, b'L'), b'l');
    assert_eq!(number.to_le_bytes(), *b"Levitate");
    let shown = format!("{number:?}");
    assert_eq!(shown, format!("DmaBox({})", number.device_addr()));

    let mut numbers = DmaSlice::<u32, _>::new_zeroed_aligned(&dma, 3, 256).unwrap();
    assert!(numbers.device_addr().is_aligned_to(256));
    numbers[2] = 7;
    assert_eq!(*numbers, [0, 0, 7]);
    let shown = format!("{numbers:?}");
    let addr = numbers.device_addr();
    assert_eq!(shown, format!("DmaSlice(3 x 4 bytes at {addr})"));
    drop((number, numbers));
    assert!(dma.is_unreachable());
}

#[test]
fn a_buffer_that_is_lent_comes_back_whole() {
    let dma = Plain::default();
    let mut vector = Vec::with_capacity(32);
    vector.extend([1_u8, 2, 3]);
    let mut mapped = Mapped::new(&dma, vector, Direction::Both).unwrap();
    mapped.as_mut_slice()[1] = 5;
    mapped.sync_for_device();
    assert_eq!(dma.swap(mapped.device_addr(), 1, 6), 5);
    mapped.sync_for_cpu();
    assert_eq!(mapped.as_slice(), [1, 6, 3]);
    let mut vector = mapped.into_inner();
    assert!(dma.is_unreachable(), "unmapped before it came back");
    // The spare capacity is the vector's, too.
    assert_eq!(vector.capacity(), 32);
    vector.extend([4; 29]);
    assert_eq!(vector[..4], [1, 6, 3, 4]);
}

#[test]
fn every_kind_of_buffer_is_a_dma_buffer() {
    let dma = Plain::default();
    let mut slice = DmaSlice::new_zeroed(&dma, 8).unwrap();
    slice.fill(1);
    let buffers = mapped(&dma, Direction::Both);
    for mut buffer in buffers.into_iter().chain([slice.into()]) {
        let segment = buffer.segment(0).unwrap();
        buffer.sync_for_device();
        assert_eq!(dma.swap(segment.addr, 7, 2), 1);
        buffer.sync_for_cpu();
        buffer.set_window(6..8).unwrap();
        assert_eq!(buffer.as_slice(), [1, 2]);
        buffer.as_mut_slice()[0] = 3;
        assert_eq!(dma.swap(segment.addr, 6, 0), 3);
    }
    assert!(dma.is_unreachable());
}

#[test]
fn what_is_mapped_is_handed_over_and_back_whole_whatever_its_direction() {
    let dma = Plain::default();
    for direction in [Direction::ToDevice, Direction::FromDevice, Direction::Both] {
        for mut buffer in mapped(&dma, direction) {
            let whole = dma.find(buffer.segment(0).unwrap().addr);
            buffer.set_window(2..5).unwrap();
            buffer.sync_for_device();
            buffer.sync_for_cpu();
            let expected = [Side::Device, Side::Cpu].map(|side| (side, whole, direction));
            assert_eq!(dma.synced.take(), expected, "{buffer:?}");
        }
    }
    let mut coherent: DmaBuffer<Plain> = DmaSlice::new_zeroed(&dma, 8).unwrap().into();
    coherent.sync_for_device();
    coherent.sync_for_cpu();
    assert_eq!(
        dma.synced.take(),
        [],
        "both sides see what it has at any time"
    );
}

#[test]
fn a_buffer_that_is_no_vector_is_handed_back_as_it_was() {
    let dma = Plain::default();
    let boxed: Box<[u8]> = vec![1; 8].into();
    let buffers: [DmaBuffer<Plain>; 2] = [
        DmaSlice::new_zeroed_aligned(&dma, 8, 64).unwrap().into(),
        Mapped::new(&dma, boxed, Direction::ToDevice)
            .unwrap()
            .into(),
    ];
    for mut buffer in buffers {
        buffer.set_window(2..5).unwrap();
        let (shown, segment) = (format!("{buffer:?}"), buffer.segment(0));
        let buffer = buffer.into_vec().unwrap_err();
        assert_eq!(buffer.segment(0), segment);
        assert_eq!((buffer.window(), buffer.capacity_bytes()), (2..5, 8));
        assert_eq!(format!("{buffer:?}"), shown);
    }
    assert!(dma.is_unreachable());
}

#[test]
fn a_vector_that_was_a_buffer_keeps_its_spare_capacity() {
    let dma = Plain::default();
    let mut vector = Vec::with_capacity(32);
    vector.extend([1_u8, 2, 3]);
    let mut buffer: DmaBuffer<Plain> = Mapped::new(&dma, vector, Direction::Both).unwrap().into();
    buffer.as_mut_slice()[2] = 9;
    let mut vector = buffer.into_vec().unwrap();
    assert!(dma.is_unreachable(), "unmapped before it came back");
    assert_eq!(vector.capacity(), 32);
    vector.extend([4; 29]);
    assert_eq!(vector[..4], [1, 2, 9, 4]);
}

#[test]
#[cfg_attr(miri, ignore = "it would be all of the interpreter's memory")]
fn a_vector_with_far_too_much_to_spare_keeps_its_bytes() {
    let dma = Plain::default();
    let mut vector = Vec::with_capacity((256 << 20) + 3 + 5);
    vector.extend([1_u8, 2, 3]);
    let buffer: DmaBuffer<Plain> = Mapped::new(&dma, vector, Direction::Both).unwrap().into();
    let vector = buffer.into_vec().unwrap();
    assert_eq!((&vector[..], vector.capacity()), (&[1, 2, 3][..], 3));
}

#[test]
fn a_region_takes_values_at_any_offset_and_touches_no_byte_beside_them() {
    const VALUE: [u8; 21] = *b"any value of 21 bytes";
    let plain = Plain::default();
    for offset in 0..=19 {
        let region = DmaRegion::new(&plain, 40, 8).unwrap();
        region.write(0, &[0xaa_u8; 40]).unwrap();
        region.write(offset, &VALUE).unwrap();
        let mut expected = [0xaa; 40];
        expected[offset..][..21].copy_from_slice(&VALUE);
        assert_eq!(region.read::<[u8; 40]>(0), Ok(expected), "{offset}");
        assert_eq!(region.read::<[u8; 21]>(offset), Ok(VALUE), "{offset}");
    }
}

#[test]
fn a_vector_with_as_much_to_spare_as_may_be_keeps_it() {
    let dma = Plain::default();
    for spare_bytes in [1 << 20, (256 << 20) - 1] {
        let mut vector = Vec::with_capacity(3 + spare_bytes);
        vector.extend([1_u8, 2, 3]);
        let capacity = vector.capacity();
        let buffer: DmaBuffer<Plain> = Mapped::new(&dma, vector, Direction::Both).unwrap().into();
        assert_eq!(buffer.into_vec().unwrap().capacity(), capacity);
    }
}

//! Memory that driver and device share: [`Table`], entries of one type at addresses that both use.
//!
//! The device is in this process: an address for it is a pointer's. What is allocated here is never freed, so that no device,
//! whatever it still reads, reads what is gone; a run of the program needs a megabyte or two.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU16;

use zerocopy::FromBytes;

/// What all shared memory is aligned to.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Allocates `bytes` zeroed bytes, not zero of them, from a page boundary on, for good.
pub(crate) fn pages(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes.max(1), PAGE_BYTES).expect("some pages of memory");
    // SAFETY: the layout is of at least one byte.
    let memory = unsafe { alloc_zeroed(layout) };
    let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
    // From here on the device may make a pointer of the address.
    memory.expose_provenance();
    memory
}

/// Entries in shared memory, one after the other; copies name the same ones.
#[derive(Debug)]
pub(crate) struct Table<T>(NonNull<T>);

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<T> {}

impl<T: FromBytes + Copy> Table<T> {
    /// Allocates `len` zeroed entries.
    pub(crate) fn new(len: usize) -> Self {
        Self(pages(len * size_of::<T>()).cast())
    }

    /// Names the entries from `address` on, which a driver told its device.
    ///
    /// # Panics
    ///
    /// The address is zero or not aligned.
    pub(crate) fn at(address: u64) -> Self {
        let pointer = ptr::with_exposed_provenance_mut::<T>(address as usize);
        assert!(pointer.is_aligned(), "{address:#x} is not aligned");
        Self(NonNull::new(pointer).expect("an address"))
    }

    /// Names the same memory as entries of another type, which needs no more alignment.
    pub(crate) fn cast<U: FromBytes + Copy>(self) -> Table<U> {
        const { assert!(align_of::<U>() <= align_of::<T>(), "more alignment") };
        Table(self.0.cast())
    }

    /// Returns where the first entry is.
    pub(crate) const fn as_ptr(self) -> *mut T {
        self.0.as_ptr()
    }

    /// Returns the first `len` entries, for a crate that wants a reference.
    ///
    /// # Safety
    ///
    /// There are so many, and nobody else looks at them as long as the reference is used.
    pub(crate) unsafe fn slice<'a>(self, len: usize) -> &'a mut [T] {
        // SAFETY: as the caller says; the memory is never freed, and was zeroed at first.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), len) }
    }

    /// Returns the address that the device has for the entry at `index`.
    pub(crate) fn address_of(self, index: usize) -> u64 {
        self.0.as_ptr().wrapping_add(index).expose_provenance() as u64
    }

    /// Returns where the entry at `index` is.
    ///
    /// # Safety
    ///
    /// The table has such an entry.
    pub(crate) unsafe fn entry(self, index: usize) -> NonNull<T> {
        // SAFETY: the entry is in the table, says the caller, and a table is one allocation.
        unsafe { self.0.add(index) }
    }

    /// Returns a copy of the entry at `index`.
    ///
    /// # Safety
    ///
    /// The table has such an entry.
    pub(crate) unsafe fn read(self, index: usize) -> T {
        // SAFETY: as the caller says.
        let entry = unsafe { self.entry(index) };
        // SAFETY: the memory is never freed, and any bytes are a `T`; driver and device take turns on one thread.
        unsafe { entry.read() }
    }

    /// Writes the entry at `index`.
    ///
    /// # Safety
    ///
    /// The table has such an entry.
    pub(crate) unsafe fn write(self, index: usize, value: T) {
        // SAFETY: as the caller says.
        let entry = unsafe { self.entry(index) };
        // SAFETY: the memory is never freed; driver and device take turns on one thread.
        unsafe { entry.write(value) }
    }
}

impl Table<u16> {
    /// Returns the entry at `index`, to be accessed in order with others.
    ///
    /// # Safety
    ///
    /// The table has such an entry.
    pub(crate) unsafe fn atomic<'a>(self, index: usize) -> &'a AtomicU16 {
        // SAFETY: as the caller says.
        let entry = unsafe { self.entry(index) };
        // SAFETY: the memory is never freed; driver and device take turns on one thread.
        unsafe { AtomicU16::from_ptr(entry.as_ptr()) }
    }
}

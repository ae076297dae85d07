//! Configuration space that is nothing but bytes, of which some bits can be written: [`Bytes`], and a bus of them: [`Bus`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use levitate_hal::Mmio;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::transport::pci::{EcamAccess, Function};

/// Registers that hold what is written to them, where that is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    bytes: Rc<RefCell<Vec<u8>>>,
    writable: Rc<RefCell<Vec<u8>>>,
    pub(crate) reads: Rc<Cell<usize>>,
    pub(crate) writes: Rc<RefCell<Vec<(usize, u32)>>>,
}

impl Bytes {
    pub(crate) fn new(bytes: Vec<u8>, writable: Vec<u8>) -> Self {
        Self {
            bytes: Rc::new(RefCell::new(bytes)),
            writable: Rc::new(RefCell::new(writable)),
            reads: Rc::default(),
            writes: Rc::default(),
        }
    }

    /// Configuration space of a function with these IDs and nothing else; the command register can be written.
    pub(crate) fn function(vendor: u16, device: u16) -> Self {
        let this = Self::new(vec![0; 256], vec![0; 256]);
        this.put(0, &vendor.to_le_bytes());
        this.put(2, &device.to_le_bytes());
        this.allow(4, &[0x07, 0x04]);
        this
    }

    pub(crate) fn put(&self, offset: usize, bytes: &[u8]) {
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn allow(&self, offset: usize, mask: &[u8]) {
        self.writable.borrow_mut()[offset..offset + mask.len()].copy_from_slice(mask);
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    /// The function of which this is the configuration space.
    pub(crate) fn as_function(&self) -> Function<EcamAccess<Self>> {
        EcamAccess::new(self.clone(), 0, 0..=0).function(PciAddress::new(0, 0, 0, 0))
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        self.reads.set(self.reads.get() + 1);
        let bytes = self.bytes.borrow();
        let mut read = [0xff; 8];
        if let Some(found) = bytes.get(offset..offset.saturating_add(width_bytes)) {
            read[..width_bytes].copy_from_slice(found);
        }
        u64::from_le_bytes(read)
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        self.writes.borrow_mut().push((offset, value as u32));
        let value = &value.to_le_bytes()[..width_bytes];
        let mut bytes = self.bytes.borrow_mut();
        let places = bytes.get_mut(offset..).unwrap_or_default();
        let writable = self.writable.borrow();
        let masks = writable.get(offset..).unwrap_or_default();
        for ((place, mask), byte) in places.iter_mut().zip(masks).zip(value) {
            *place = *place & !mask | byte & mask;
        }
    }
}

impl Mmio for Bytes {
    fn len_bytes(&self) -> usize {
        self.bytes.borrow().len()
    }

    levitate_hal::accesses_by_width!();
}

/// ECAM with some functions, by where they begin in it; the others read as all ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bus {
    functions: BTreeMap<usize, Bytes>,
    pub(crate) reads: Rc<Cell<usize>>,
}

impl Bus {
    pub(crate) fn with(mut self, bus: usize, device: usize, function: usize, it: Bytes) -> Self {
        self.functions
            .insert(bus << 20 | device << 15 | function << 12, it);
        self
    }

    fn find(&self, offset: usize) -> Option<(&Bytes, usize)> {
        self.reads.set(self.reads.get() + 1);
        let function = self.functions.get(&(offset & !0xfff))?;
        Some((function, offset & 0xfff))
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        let found = self.find(offset);
        found.map_or(u64::MAX, |(function, at)| function.read(at, width_bytes))
    }

    fn write(&self, _offset: usize, _width_bytes: usize, _value: u64) {}
}

impl Mmio for Bus {
    fn len_bytes(&self) -> usize {
        256 << 20
    }

    levitate_hal::accesses_by_width!();
}

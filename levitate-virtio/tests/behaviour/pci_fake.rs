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

    fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.reads.set(self.reads.get() + 1);
        let bytes = self.bytes.borrow();
        let found = bytes.get(offset..).and_then(<[u8]>::first_chunk);
        found.copied().unwrap_or([0xff; N])
    }

    fn write<const N: usize>(&self, offset: usize, value: [u8; N]) {
        let mut word = [0; 4];
        word[..N.min(4)].copy_from_slice(&value[..N.min(4)]);
        self.writes
            .borrow_mut()
            .push((offset, u32::from_le_bytes(word)));
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

    fn read8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.read(offset))
    }

    fn read16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.read(offset))
    }

    fn read32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.read(offset))
    }

    fn read64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.read(offset))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value.to_le_bytes());
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, value.to_le_bytes());
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value.to_le_bytes());
    }

    fn write64(&self, offset: usize, value: u64) {
        self.write(offset, value.to_le_bytes());
    }
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
}

impl Mmio for Bus {
    fn len_bytes(&self) -> usize {
        256 << 20
    }

    fn read8(&self, offset: usize) -> u8 {
        self.find(offset).map_or(!0, |(it, at)| it.read8(at))
    }

    fn read16(&self, offset: usize) -> u16 {
        self.find(offset).map_or(!0, |(it, at)| it.read16(at))
    }

    fn read32(&self, offset: usize) -> u32 {
        self.find(offset).map_or(!0, |(it, at)| it.read32(at))
    }

    fn read64(&self, offset: usize) -> u64 {
        self.find(offset).map_or(!0, |(it, at)| it.read64(at))
    }

    fn write8(&self, _offset: usize, _value: u8) {}

    fn write16(&self, _offset: usize, _value: u16) {}

    fn write32(&self, _offset: usize, _value: u32) {}

    fn write64(&self, _offset: usize, _value: u64) {}
}

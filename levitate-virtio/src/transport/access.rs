//! Which way a register may be accessed, as types: [`ReadOnly`], [`WriteOnly`], [`ReadWrite`].

/// Marks a register the driver only reads.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly;

/// Marks a register the driver only writes.
#[derive(Clone, Copy, Debug)]
pub struct WriteOnly;

/// Marks a register the driver reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite;

/// An access that includes reading.
pub trait Readable {}
impl Readable for ReadOnly {}
impl Readable for ReadWrite {}

/// An access that includes writing.
pub trait Writable {}
impl Writable for WriteOnly {}
impl Writable for ReadWrite {}

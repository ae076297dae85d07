//! Every access to a device's registers, in order: [`AccessLog`].

/// What a driver did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It read.
    Read,
    /// It wrote.
    Write,
}

/// One access to a register or to the configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Read or write.
    pub operation: Operation,
    /// Bytes from the start of the region.
    pub offset: usize,
    /// 1, 2, 4 or 8.
    pub width_bytes: usize,
    /// What was written, or what the read returned.
    pub value: u64,
}

/// The accesses so far.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(Vec<Access>);

impl AccessLog {
    pub(crate) fn push(&mut self, access: Access) {
        self.0.push(access);
    }

    /// Returns all accesses.
    #[must_use]
    pub fn all(&self) -> &[Access] {
        &self.0
    }

    /// Returns the values written to the register at `offset`.
    #[must_use]
    pub fn writes_to(&self, offset: usize) -> Vec<u64> {
        self.values(Operation::Write, offset)
    }

    /// Returns the values read from the register at `offset`.
    #[must_use]
    pub fn reads_of(&self, offset: usize) -> Vec<u64> {
        self.values(Operation::Read, offset)
    }

    /// Returns the position of the first write of `value` to `offset`, for comparing orders.
    #[must_use]
    pub fn position_of_write(&self, offset: usize, value: u64) -> Option<usize> {
        self.0.iter().position(|access| {
            access.operation == Operation::Write && access.offset == offset && access.value == value
        })
    }

    fn values(&self, operation: Operation, offset: usize) -> Vec<u64> {
        self.0
            .iter()
            .filter(|access| access.operation == operation && access.offset == offset)
            .map(|access| access.value)
            .collect()
    }
}

//! A request as the device is told of it: header, data and footer, piece by piece ([`Chain`], §2.7.13.1, §2.8.6).

use core::marker::PhantomData;

use levitate_hal::{DmaAddr, Segments};

use super::layout::DescriptorFlags;
use super::slot_memory::Place;
use super::{Data, SubmitError};

/// Most bytes of a chain, so that one more can be counted, too; 4 GiB may not be reached anyway (§2.7.5.2).
pub(super) const MAX_CHAIN_BYTES: u32 = u32::MAX - 1;

/// One descriptor to be: a buffer, and which side writes it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub(super) addr: DmaAddr,
    pub(super) len_bytes: u32,
    pub(super) is_writable: bool,
}

impl Part {
    /// Returns the flags of its descriptor, which are the same in both formats but for those that link and publish.
    #[inline]
    pub(super) fn flags(&self) -> DescriptorFlags {
        match self.is_writable {
            true => DescriptorFlags::WRITE,
            false => DescriptorFlags::empty(),
        }
    }
}

/// What the device is told of one request.
pub trait Parts: Copy {
    /// Returns where the parts of the slot are.
    #[doc(hidden)]
    fn place(&self) -> Place<'_>;

    /// Returns how many parts there are.
    #[doc(hidden)]
    fn len(self) -> u16;

    /// Returns the length of the footer, zero if there is none.
    #[doc(hidden)]
    fn footer_bytes(self) -> u32;

    /// Returns the data and its position, if it is just one part.
    #[doc(hidden)]
    fn single(self) -> Option<(Part, u16)>;

    /// Calls `visit` with each part, its position and whether it is the last; returns how many parts there are.
    #[doc(hidden)]
    fn for_each(self, visit: impl FnMut(Part, u16, bool)) -> u16;
}

/// A request whose data is one part: nearly all of them.
#[derive(Debug)]
pub(super) struct Simple<'a, H, F> {
    pub(super) place: Place<'a>,
    pub(super) data: Part,
    fixed: PhantomData<(H, F)>,
}

impl<H, F> Copy for Simple<'_, H, F> {}

impl<H, F> Clone for Simple<'_, H, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, H, F> Simple<'a, H, F> {
    pub(super) const fn new(place: Place<'a>, data: Part) -> Self {
        Self {
            place,
            data,
            fixed: PhantomData,
        }
    }

    /// As [`new`](Self::new), with the data in pieces.
    #[inline]
    pub(super) const fn of(
        place: Place<'a>,
        (addr, len_bytes): (DmaAddr, u32),
        is_writable: bool,
    ) -> Self {
        let data = Part {
            addr,
            len_bytes,
            is_writable,
        };
        Self::new(place, data)
    }

    const HEADER_BYTES: u32 = bytes_of::<H>();
    const FOOTER_BYTES: u32 = bytes_of::<F>();
    /// Position of the data.
    pub(super) const POSITION: u16 = (Self::HEADER_BYTES != 0) as u16;
    /// How many parts there are.
    pub(super) const LEN: u16 = 1 + Self::POSITION + (Self::FOOTER_BYTES != 0) as u16;
}

/// Returns the length of a header or a footer as a descriptor has it; what is longer than a chain may be is not admitted.
#[expect(
    clippy::cast_possible_truncation,
    reason = "cut short it is not, but refused"
)]
pub(super) const fn bytes_of<T>() -> u32 {
    size_of::<T>() as u32
}

impl<H, F> Parts for Simple<'_, H, F> {
    #[inline]
    fn place(&self) -> Place<'_> {
        self.place
    }

    #[inline]
    fn len(self) -> u16 {
        const { Self::LEN }
    }

    #[inline]
    fn footer_bytes(self) -> u32 {
        Self::FOOTER_BYTES
    }

    #[inline]
    fn single(self) -> Option<(Part, u16)> {
        Some((self.data, Self::POSITION))
    }

    #[inline]
    fn for_each(self, mut visit: impl FnMut(Part, u16, bool)) -> u16 {
        if Self::HEADER_BYTES != 0 {
            visit(self.place.header(Self::HEADER_BYTES), 0, false);
        }
        visit(self.data, Self::POSITION, Self::FOOTER_BYTES == 0);
        if Self::FOOTER_BYTES != 0 {
            let footer = self.place.footer(Self::FOOTER_BYTES);
            visit(footer, const { Self::POSITION + 1 }, true);
        }
        self.len()
    }
}

/// Any request; its data was measured by [`Survey::of`].
#[derive(Debug)]
pub(super) struct Chain<'a, B> {
    pub(super) place: Place<'a>,
    /// Zero if there is none.
    pub(super) header_bytes: u32,
    pub(super) data: &'a Data<B>,
    pub(super) survey: Survey,
    /// Zero if there is none.
    pub(super) footer_bytes: u32,
    pub(super) max_segment_bytes: u32,
}

impl<B> Copy for Chain<'_, B> {}

impl<B> Clone for Chain<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Segments> Parts for Chain<'_, B> {
    #[inline]
    fn place(&self) -> Place<'_> {
        self.place
    }

    fn len(self) -> u16 {
        let fixed = u16::from(self.header_bytes != 0).wrapping_add((self.footer_bytes != 0).into());
        self.survey.pieces.saturating_add(fixed)
    }

    fn footer_bytes(self) -> u32 {
        self.footer_bytes
    }

    #[inline]
    fn single(self) -> Option<(Part, u16)> {
        Some((self.survey.single?, (self.header_bytes != 0).into()))
    }

    fn for_each(self, mut visit: impl FnMut(Part, u16, bool)) -> u16 {
        let count = self.len();
        let last = count.wrapping_sub(1);
        let mut position = 0_u16;
        if self.header_bytes != 0 {
            visit(self.place.header(self.header_bytes), 0, last == 0);
            position = 1;
        }
        let pieces = Pieces::of(self.data, self.max_segment_bytes);
        for (number, part) in (position..).zip(pieces) {
            visit(part, number, number == last);
        }
        if self.footer_bytes != 0 {
            visit(self.place.footer(self.footer_bytes), last, true);
        }
        count
    }
}

/// What the data of a request needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survey {
    /// Length of all of it.
    pub(super) len_bytes: u32,
    /// How many descriptors it takes.
    pub(super) pieces: u16,
    /// The only one, if there is just one.
    single: Option<Part>,
}

impl Survey {
    /// That of no data.
    pub(super) const NOTHING: Self = Self {
        len_bytes: 0,
        pieces: 0,
        single: None,
    };

    /// Counts what the data needs, before anything is written.
    ///
    /// # Errors
    ///
    /// [`SubmitError::WrongDirection`], [`SubmitError::TooLong`] or [`SubmitError::TooManySegments`].
    pub(super) fn of<B: Segments>(
        data: &Data<B>,
        max_segments: u16,
        max_segment_bytes: u32,
    ) -> Result<Self, SubmitError> {
        data.check_direction()?;
        let mut len_bytes = 0_u32;
        let mut index = 0_usize;
        while let Some(segment) = data.segment(index) {
            let len = u32::try_from(segment.len_bytes).map_err(|_| SubmitError::TooLong)?;
            len_bytes = len_bytes.checked_add(len).ok_or(SubmitError::TooLong)?;
            index = index.saturating_add(1);
        }
        let limit = usize::from(max_segments).saturating_add(1);
        let mut pieces = Pieces::of(data, max_segment_bytes);
        let first = pieces.next();
        let more = pieces.take(limit).count();
        match u16::try_from(more.saturating_add(first.is_some().into())) {
            Ok(pieces) if pieces <= max_segments => Ok(Self {
                len_bytes,
                pieces,
                single: first.filter(|_| pieces == 1),
            }),
            _ => Err(SubmitError::TooManySegments {
                max_segments,
                max_segment_bytes,
            }),
        }
    }
}

/// The data cut into descriptors: segments that follow one another in memory are one, and what is too long for one is several.
struct Pieces<'a, B> {
    data: &'a Data<B>,
    /// Of the next segment.
    index: usize,
    max_bytes: u32,
    addr: DmaAddr,
    /// What is left of the piece of memory at `addr`.
    left_bytes: u64,
}

impl<'a, B: Segments> Pieces<'a, B> {
    fn of(data: &'a Data<B>, max_bytes: u32) -> Self {
        Self {
            data,
            index: 0,
            // An endless number of empty pieces helps nobody.
            max_bytes: max_bytes.max(1),
            addr: DmaAddr::new(0),
            left_bytes: 0,
        }
    }

    /// Goes on with the next segment, and those that follow it in memory.
    fn refill(&mut self) {
        while let Some(next) = self.data.segment(self.index) {
            let end = self.addr.checked_add(self.left_bytes);
            if self.left_bytes == 0 {
                self.addr = next.addr;
            } else if end != Some(next.addr) {
                return;
            }
            self.left_bytes = self.left_bytes.saturating_add(next.len_bytes as u64);
            self.index = self.index.saturating_add(1);
        }
    }
}

impl<B: Segments> Iterator for Pieces<'_, B> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if self.left_bytes == 0 {
            self.refill();
        }
        // The lengths were checked to sum up to a `u32` by `Survey`.
        let left_bytes = u32::try_from(self.left_bytes).unwrap_or(u32::MAX);
        let len_bytes = left_bytes.min(self.max_bytes);
        if len_bytes == 0 {
            return None;
        }
        let part = Part {
            addr: self.addr,
            len_bytes,
            is_writable: self.data.is_writable(),
        };
        self.left_bytes = self.left_bytes.saturating_sub(u64::from(len_bytes));
        // Memory that a device reaches does not wrap round the address space (`Segments`).
        self.addr = DmaAddr::new(self.addr.get().wrapping_add(u64::from(len_bytes)));
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levitate_hal::Segment;
    use std::vec::Vec;

    struct Scattered(Vec<(u64, usize)>);

    // SAFETY: no queue is given this; the addresses are only looked at.
    unsafe impl Segments for Scattered {
        fn segment(&self, index: usize) -> Option<Segment> {
            let &(addr, len_bytes) = self.0.get(index)?;
            Some(Segment {
                addr: DmaAddr::new(addr),
                len_bytes,
            })
        }
    }

    fn pieces(segments: &[(u64, usize)], max_bytes: u32) -> Vec<(u64, u32)> {
        let data = Data::Readable(Scattered(segments.to_vec()));
        Pieces::of(&data, max_bytes)
            .map(|part| (part.addr.get(), part.len_bytes))
            .collect()
    }

    #[test]
    fn segments_that_follow_one_another_are_one_piece() {
        assert_eq!(pieces(&[(100, 10), (110, 5), (115, 1)], 512), [(100, 16)]);
        assert_eq!(
            pieces(&[(100, 10), (111, 5), (116, 4)], 512),
            [(100, 10), (111, 9)]
        );
    }

    #[test]
    fn what_is_too_long_for_a_piece_is_several() {
        assert_eq!(
            pieces(&[(100, 6), (106, 6), (0, 2)], 5),
            [(100, 5), (105, 5), (110, 2), (0, 2)]
        );
    }

    #[test]
    fn as_many_pieces_are_counted_as_there_are() {
        let data = Data::Writable(Scattered([(0, 8), (8, 8), (32, 8)].to_vec()));
        let survey = Survey::of(&data, 2, 512).unwrap();
        assert_eq!((survey.len_bytes, survey.pieces), (24, 2));
        let too_many = SubmitError::TooManySegments {
            max_segments: 1,
            max_segment_bytes: 512,
        };
        assert_eq!(Survey::of(&data, 1, 512).unwrap_err(), too_many);
    }
}

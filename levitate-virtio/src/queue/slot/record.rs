//! What the queue itself knows of a request: [`Record`], [`Form`], [`State`].

use static_assertions::const_assert;
use zerocopy::{Immutable, IntoBytes};

use super::{Data, NONE};
use crate::queue::chain::bytes_of;
use crate::queue::slot_memory::SlotOffset;

/// Who has a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// Nobody: the slot is idle.
    Idle,
    /// The device.
    InFlight,
    /// The driver again; it has not been taken yet.
    Done,
}

/// How a chain is made available: one choice in place of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// By one descriptor, of a table of its own.
    Table,
    /// By all of its descriptors, in the ring.
    Direct,
}

/// What is left of a number in which there is a [`Way`].
const WAYS: u32 = 0b1;

impl Way {
    pub(in super::super) const fn of(is_direct: bool) -> Self {
        match is_direct {
            false => Self::Table,
            true => Self::Direct,
        }
    }

    /// Says whether the chain is in the ring, and not in a table of its own.
    #[inline]
    pub(in super::super) const fn is_direct(self) -> bool {
        matches!(self, Self::Direct)
    }
}

/// Which [`Data`](super::Data) a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Readable,
    Writable,
}

impl Kind {
    #[inline]
    pub(super) const fn of<B>(data: &Data<B>) -> Self {
        match data {
            Data::None => Self::None,
            Data::Readable(_) => Self::Readable,
            Data::Writable(_) => Self::Writable,
        }
    }
}

/// What the queue itself has to know of a slot.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// What the device finds laid out.
    pub(in super::super) form: Form,
    /// Which request it has or had last, counted from the first one that any queue submitted from this slot.
    pub(in super::super) sequence: u32,
    /// While the device has the request, the lowest number of bytes it cannot have written; else 0.
    ///
    /// So one comparison refuses a length that is too long and a request that the device does not have.
    limit_bytes: u32,
    /// Where the slot is in the memory of the slots.
    pub(in super::super) offset: SlotOffset,
    /// Device-writable bytes of the footer.
    pub(in super::super) footer_bytes: u32,
    /// What the device says it wrote, if it is known to be done.
    done_bytes: u32,
    /// As `limit_bytes`, once the request is known to be done; else 0.
    done_limit_bytes: u32,
    /// The neighbours in the list that the slot is in; only of what is done is it known what comes before.
    pub(super) next: u16,
    pub(super) previous: u16,
    /// Where the first descriptor of its chain is, in bytes: in a split ring the slot's own one in the table, in a packed one where in the
    /// ring it was made available.
    pub(in super::super) head: u32,
    /// In a split ring the index of that descriptor; in a packed one what the last word of a table's descriptor says, but for the flags of
    /// its lap, and of a direct chain the id alone.
    pub(in super::super) word: u32,
    /// How many descriptors its chain has in a packed ring.
    pub(in super::super) descriptors: u16,
    /// How the chain is made available.
    pub(in super::super) way: Way,
    /// What the request carries, or the last one did.
    pub(super) kind: Kind,
}

// With what the queue itself has, 12 KiB for 256 slots, beside what requests carry and what the driver remembers of them.
const_assert!(size_of::<Record>() <= 44);

/// How much a device wrote, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// At most `capacity_bytes`.
    pub(in super::super) len_bytes: u32,
    /// All it might have.
    pub(in super::super) capacity_bytes: u32,
}

impl Record {
    pub(in super::super) const IDLE: Self = Self {
        form: Form::NONE,
        sequence: 0,
        limit_bytes: 0,
        offset: SlotOffset::FIRST,
        footer_bytes: 0,
        done_bytes: 0,
        done_limit_bytes: 0,
        next: NONE,
        previous: NONE,
        head: 0,
        descriptors: 0,
        way: Way::Table,
        word: 0,
        kind: Kind::None,
    };

    /// Returns the slot behind this one, or the number of none; there is none from then on.
    #[inline]
    pub(in super::super) const fn cut_off(&mut self) -> u32 {
        core::mem::replace(&mut self.next, NONE) as u32
    }

    /// Puts a slot behind this one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
    pub(in super::super) const fn set_next(&mut self, next: u32) {
        self.next = next as u16;
    }

    /// Returns the slot behind this one, or the number of none.
    #[inline]
    pub(in super::super) const fn next_or_none(&self) -> u32 {
        self.next as u32
    }

    /// Returns the slot behind this one in the list that it is in.
    pub(in super::super) const fn next(&self) -> Option<u16> {
        match self.next {
            NONE => None,
            next => Some(next),
        }
    }

    #[inline]
    pub(in super::super) const fn state(&self) -> State {
        match (self.limit_bytes, self.done_limit_bytes) {
            (0, 0) => State::Idle,
            (0, _) => State::Done,
            _ => State::InFlight,
        }
    }

    /// Notes that the device gets an idle slot's request, whose payload is there, and of which it may write so many bytes.
    #[inline]
    pub(super) const fn begin(&mut self, sequence: u32, writable_bytes: u32) {
        self.sequence = sequence;
        // No chain is as long as a `u32` can say (`MAX_CHAIN_BYTES`).
        self.limit_bytes = writable_bytes.wrapping_add(1);
    }

    /// Notes that the device is done with the request, which it has.
    pub(in super::super) const fn note_done(&mut self, len_bytes: u32) {
        debug_assert!(self.limit_bytes != 0, "a request that is in flight");
        self.done_bytes = len_bytes;
        self.done_limit_bytes = self.limit_bytes;
        self.limit_bytes = 0;
    }

    /// Returns what the device wrote, if the request is known to be done.
    pub(super) const fn done(&self) -> Option<Written> {
        match self.done_limit_bytes {
            0 => None,
            limit_bytes => Some(Written {
                len_bytes: self.done_bytes,
                capacity_bytes: limit_bytes.wrapping_sub(1),
            }),
        }
    }

    /// Has the request no more known to be done.
    pub(super) const fn forget_done(&mut self) {
        self.done_limit_bytes = 0;
    }

    /// Notes that the device does not have the request any more.
    #[inline]
    pub(super) const fn end(&mut self) {
        self.limit_bytes = 0;
    }

    /// Returns how much the device wrote, as it says, if it has the request and that is possible.
    #[inline]
    pub(in super::super) const fn written(&self, len_bytes: u32) -> Option<Written> {
        if len_bytes < self.limit_bytes {
            Some(Written {
                len_bytes,
                capacity_bytes: self.capacity_bytes(),
            })
        } else {
            None
        }
    }

    /// Returns how many bytes the device may write, which has the request.
    #[inline]
    pub(in super::super) const fn capacity_bytes(&self) -> u32 {
        self.limit_bytes.wrapping_sub(1)
    }
}

/// What the requests of a slot with one piece of data, or none, have in common from one to the next, so that it need not be laid out
/// anew.
///
/// A number, for it is compared for each request: lengths of header and footer, whether there is data and the device writes it, what a
/// [footer of one byte](is_kept) is at first, and how the chain is made available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Form(u32);

/// Says whether such a footer is written when a request is taken back, for the next one of its form: the first value of a status.
///
/// Written when the next one is submitted, it would still be under way when the driver reads what the device wrote over it, where
/// driver and device share a CPU: which of the two stores a load is of, a CPU has to guess as long as it does not know where the later
/// one goes.
#[inline]
pub(in super::super) const fn is_kept<F>() -> bool {
    size_of::<F>() == 1
}

impl Form {
    /// That of no chain, and of none that is the same the next time.
    pub(in super::super) const NONE: Self = Self(0);

    /// Says whether it is this one, and one at all.
    #[inline]
    pub(in super::super) const fn is(self, other: Self) -> bool {
        other.0 != 0 && self.0 == other.0
    }

    /// Returns what a [kept](is_kept) footer is at first.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is the lowest byte")]
    pub(in super::super) const fn kept_footer(self) -> u8 {
        self.0 as u8
    }

    /// Says whether it is this one but for the way, and one at all.
    #[inline]
    pub(in super::super) const fn is_by_any_way(self, other: Self) -> bool {
        other.0 != 0 && (self.0 ^ other.0) & !(WAYS << Self::WAY) == 0
    }

    /// Returns the form of such a chain that is made available this way, in place of a table; `NONE` stays what it is.
    #[inline]
    pub(in super::super) const fn by(self, way: Way) -> Self {
        match self.0 {
            0 => Self::NONE,
            form => Self(form | (way as u32) << Self::WAY),
        }
    }

    const KEPT_BITS: u32 = u8::BITS;
    const HEADER_LEN_BITS: u32 = 9;
    const FOOTER_LEN_BITS: u32 = 11;
    const WAY: u32 = Self::KEPT_BITS + Self::HEADER_LEN_BITS + Self::FOOTER_LEN_BITS;
    const DATA: u32 = Self::WAY + WAYS.count_ones();

    /// Returns the form of a chain that is made available by a table; [`NONE`](Self::NONE) if it is too long to be told from others.
    #[inline]
    pub(in super::super) fn of<H, F: IntoBytes + Immutable, B>(data: &Data<B>, footer: &F) -> Self {
        let [bare, readable, writable] = const {
            // Compared as they are: cut down to fewer bits, a length could be taken for another.
            if size_of::<H>() < 1 << Self::HEADER_LEN_BITS
                && size_of::<F>() < 1 << Self::FOOTER_LEN_BITS
            {
                let lengths = bytes_of::<H>() | bytes_of::<F>() << Self::HEADER_LEN_BITS;
                let lengths = lengths << Self::KEPT_BITS;
                // None of these is 0, which is no form.
                [
                    lengths | 1 << Self::DATA,
                    lengths | 2 << Self::DATA,
                    lengths | 3 << Self::DATA,
                ]
            } else {
                [0; 3]
            }
        };
        let fixed = match data {
            Data::None => bare,
            Data::Readable(_) => readable,
            Data::Writable(_) => writable,
        };
        match footer.as_bytes() {
            [only] if fixed != 0 => Self(fixed | u32::from(*only)),
            _ => Self(fixed),
        }
    }
}

#[cfg(test)]
#[cfg(target_pointer_width = "64")]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    fn form<H, F: FromZeros + IntoBytes + Immutable>(data: Data<()>) -> Form {
        Form::of::<H, F, _>(&data, &FromZeros::new_zeroed())
    }

    const READABLE: Data<()> = Data::Readable(());
    const WRITABLE: Data<()> = Data::Writable(());

    #[test]
    fn requests_of_one_form_have_all_in_common_that_is_not_written_anew() {
        for data in [|| WRITABLE, || READABLE, || Data::None] {
            let short = form::<[u8; 16], [u8; 1]>(data());
            assert!(short.is(form::<[u8; 16], [u8; 1]>(data())));
            let others = [
                form::<[u8; 17], [u8; 1]>(data()),
                form::<[u8; 16], [u8; 2]>(data()),
                Form::of::<[u8; 16], u8, _>(&data(), &0xff),
            ];
            for other in others {
                assert!(!short.is(other), "{other:?}");
            }
        }
        let [written, read, none] = [WRITABLE, READABLE, Data::None].map(form::<[u8; 16], [u8; 1]>);
        assert!(!written.is(read) && !read.is(none) && !none.is(written));
        let kept = Form::of::<[u8; 16], u8, _>(&WRITABLE, &0xfe);
        assert_eq!(kept.kept_footer(), 0xfe);
    }

    fn by_all_ways(form: Form) -> [Form; 2] {
        let ways = [Way::Table, Way::Direct];
        ways.map(|way| form.by(way))
    }

    #[test]
    fn a_form_is_one_way_and_no_other_requests_by_any_way() {
        let forms = by_all_ways(form::<[u8; 511], [u8; 2047]>(WRITABLE));
        let others = by_all_ways(form::<[u8; 511], [u8; 2047]>(READABLE));
        for (number, form) in forms.iter().enumerate() {
            for (other_number, other) in forms.iter().enumerate() {
                assert_eq!(form.is(*other), number == other_number);
                assert!(form.is_by_any_way(*other));
            }
            for other in &others {
                assert!(!form.is(*other) && !form.is_by_any_way(*other));
            }
            assert!(!form.is_by_any_way(Form::NONE) && !Form::NONE.is_by_any_way(*form));
        }
    }

    #[test]
    fn what_is_too_long_has_no_form_and_so_none_of_another() {
        let short = form::<[u8; 16], [u8; 1]>(WRITABLE);
        let long = [
            form::<[u8; (1 << 32) + 16], [u8; 1]>(WRITABLE),
            form::<[u8; 16], [u8; 2048]>(WRITABLE),
            form::<[u8; 512], [u8; 1]>(Data::None),
        ];
        for form in long.into_iter().flat_map(by_all_ways) {
            assert_eq!(form, Form::NONE);
            assert!(!form.is(form));
            assert!(!form.is(short));
        }
    }
}

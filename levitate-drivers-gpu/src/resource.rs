//! Framebuffers as the device knows them: resources with backing memory, shown on scanouts (§5.7.6.1 to §5.7.6.4).

use levitate_hal::{Dma, DmaBuffer, DmaError, DmaSlice, Platform};
use levitate_virtio::{Data, Transport};
use zerocopy::little_endian::U32;

use crate::chunk::{Chunk, Owner};
use crate::device::Gpu;
use crate::error::{CommandError, Error};
use crate::framebuffer::Framebuffer;
use crate::life::CREATE_SLOTS;
use crate::mode::is_possible;
use crate::protocol::Header;
use crate::protocol::display::{Rect, SetScanout};
use crate::protocol::resource::{MemEntry, ResourceAttachBacking, ResourceCreate2d, ResourceUnref};

impl<T: Transport, P: Platform> Gpu<'_, T, P> {
    /// Creates a black picture of `width` times `height` pixels and shows it on a scanout; present it to be seen.
    ///
    /// Its memory is allocated in as many pieces as there are `chunks`, each of whole rows: one chunk asks for contiguous memory,
    /// as many as there are rows for the smallest pieces. Chunks that are not needed stay empty.
    /// What the chunks had before is reclaimed first, as by [`reclaim`](Self::reclaim).
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchScanout`], [`Error::InvalidSize`], [`Error::NoChunks`]: nothing was sent.
    /// - [`Error::Dma`]: there is no memory for a chunk; all is given back, nothing was sent. Try again with more chunks.
    /// - [`Error::Command`], [`Error::Response`]: what the device knew is undone, the memory is given back.
    /// - [`Error::Timeout`], [`Error::Device`], or if the device did not undo it: the memory stays in the chunks
    ///   until [`reset`](Self::reset) and [`reclaim`](Self::reclaim).
    pub fn create_framebuffer<'f>(
        &mut self,
        scanout: u32,
        width: u32,
        height: u32,
        chunks: &'f mut [Chunk<P::Dma>],
    ) -> Result<Framebuffer<'f, P::Dma>, Error> {
        self.check_scanout(scanout)?;
        if !is_possible(width, height) {
            return Err(Error::InvalidSize { width, height });
        }
        let size = (width, height);
        let (owner, rows_per_chunk) = self.back(chunks, size, scanout)?;
        Ok(Framebuffer::new(
            chunks,
            rows_per_chunk,
            size,
            scanout,
            owner,
        ))
    }

    /// Lets the device know a framebuffer again that it has forgotten in a [`reset`](Self::reset), and shows it on its scanout.
    ///
    /// The picture is kept, and transferred whole by the next frame. A framebuffer the device knows is left as it is,
    /// and one that has no picture since a [`resize_framebuffer`](Self::resize_framebuffer) failed gets a black one.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignFramebuffer`], else as [`create_framebuffer`](Self::create_framebuffer); the framebuffer can be attached again
    /// after the next reset, or at once after [`Error::Command`].
    pub fn attach(&mut self, framebuffer: &mut Framebuffer<'_, P::Dma>) -> Result<(), Error> {
        match self.check_framebuffer(framebuffer) {
            Ok(()) => return Ok(()),
            Err(Error::FramebufferLost) => {}
            Err(error) => return Err(error),
        }
        self.check_scanout(framebuffer.scanout())?;
        if !framebuffer.has_picture() {
            return self.renew(framebuffer, framebuffer.dimensions());
        }
        // An attempt that was not undone left a resource behind, with this memory.
        let left_behind = framebuffer
            .chunks_mut()
            .iter()
            .find_map(Chunk::owner)
            .filter(|owner| owner.life == self.life);
        if let Some(owner) = left_behind {
            self.unref(owner.resource_id)?;
        }
        let size = framebuffer.dimensions();
        let scanout = framebuffer.scanout();
        let owner = self.attach_chunks(framebuffer.chunks_mut(), size, scanout)?;
        framebuffer.attached(owner);
        Ok(())
    }

    /// Shows a framebuffer on its scanout, in place of another one created for it later (SET_SCANOUT, §5.7.6.8).
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn show(&mut self, framebuffer: &Framebuffer<'_, P::Dma>) -> Result<(), Error> {
        self.check_framebuffer(framebuffer)?;
        let (width, height) = framebuffer.dimensions();
        let (scanout, resource_id) = (framebuffer.scanout(), framebuffer.owner().resource_id);
        let command = SetScanout::new(scanout, resource_id, Rect::of_size(width, height));
        let _: Header = self.control()?.run(command)?;
        self.note_scanout(scanout, resource_id);
        Ok(())
    }

    /// Takes a framebuffer from its scanout and from the device, and gives the chunks it used back, without memory.
    ///
    /// # Errors
    ///
    /// [`Error`]; the memory stays in the chunks until [`reclaim`](Self::reclaim).
    pub fn destroy_framebuffer<'f>(
        &mut self,
        mut framebuffer: Framebuffer<'f, P::Dma>,
    ) -> Result<&'f mut [Chunk<P::Dma>], Error> {
        if framebuffer.owner().gpu != self.id {
            return Err(Error::ForeignFramebuffer);
        }
        // A frame that failed does not matter any more; a device that does not answer will not do so below.
        if let Err(error) = self.finish_frame(&mut framebuffer)
            && error.needs_reset()
        {
            return Err(error);
        }
        let chunks = framebuffer.into_chunks();
        self.reclaim(chunks)?;
        Ok(chunks)
    }

    /// Frees the memory chunks still have: has the device give up what it knows of it, unless it was reset since.
    ///
    /// # Errors
    ///
    /// [`Error::ChunkInUse`] if the memory belongs to another device; else [`Error`], if the device does not answer.
    /// What could not be freed stays in the chunks.
    pub fn reclaim(&mut self, chunks: &mut [Chunk<P::Dma>]) -> Result<(), Error> {
        // Each turn frees at least one chunk.
        for _ in 0..chunks.len() {
            let Some(owner) = chunks.iter().find_map(Chunk::owner) else {
                break;
            };
            if owner.gpu != self.id {
                return Err(Error::ChunkInUse);
            }
            if owner.life == self.life {
                self.unref(owner.resource_id)?;
            }
            chunks
                .iter_mut()
                .filter(|chunk| chunk.owner() == Some(owner))
                .for_each(Chunk::free);
        }
        Ok(())
    }

    /// Says whether the device knows the framebuffer.
    pub(crate) fn check_framebuffer(
        &self,
        framebuffer: &Framebuffer<'_, P::Dma>,
    ) -> Result<(), Error> {
        let owner = framebuffer.owner();
        if owner.gpu != self.id {
            Err(Error::ForeignFramebuffer)
        } else if self.control.is_none() {
            Err(Error::Gone)
        } else if owner.life != self.life || !framebuffer.has_picture() {
            Err(Error::FramebufferLost)
        } else {
            Ok(())
        }
    }

    /// Allocates memory in the chunks, for a resource that is shown; returns it, and how many rows each chunk has.
    pub(crate) fn back(
        &mut self,
        chunks: &mut [Chunk<P::Dma>],
        (width, height): (u32, u32),
        scanout: u32,
    ) -> Result<(Owner, usize), Error> {
        self.reclaim(chunks)?;
        let rows_per_chunk = allocate(self.platform.dma(), width, height, chunks)?;
        match self.attach_chunks(chunks, (width, height), scanout) {
            Ok(owner) => Ok((owner, rows_per_chunk)),
            Err(error) => {
                free_unowned(chunks);
                Err(error)
            }
        }
    }

    /// Creates a resource, puts the chunks' memory behind it and shows it; undoes it all if one of that fails.
    ///
    /// On an error, chunks the device cannot reach have the owner they had before.
    fn attach_chunks(
        &mut self,
        chunks: &mut [Chunk<P::Dma>],
        (width, height): (u32, u32),
        scanout: u32,
    ) -> Result<Owner, Error> {
        if !self.control()?.knows_screens {
            self.screens()?;
        }
        let resource_id = self.next_resource_id;
        let owner = Owner {
            gpu: self.id,
            life: self.life,
            resource_id,
        };
        let (chunks, _) = chunks.split_at_mut(chunks.partition_point(Chunk::has_memory));
        let following = resource_id.checked_add(1).ok_or(Error::ResourceIdsUsedUp)?;
        let (entries, nr_entries) = entries(self.platform.dma(), chunks)?;
        let control = self.control()?;
        control.reserve(CREATE_SLOTS)?;

        let previous = chunks.first().and_then(Chunk::owner);
        chunks
            .iter_mut()
            .for_each(|chunk| chunk.set_owner(Some(owner)));
        let deadline = control.deadline();
        let create = ResourceCreate2d::new(resource_id, width, height);
        let attach = ResourceAttachBacking::new(resource_id, nr_entries);
        let show = SetScanout::new(scanout, resource_id, Rect::of_size(width, height));
        let tokens = [
            control.submit::<_, Header>(&create, Data::None),
            control.submit::<_, Header>(&attach, Data::Readable(entries)),
            control.submit::<_, Header>(&show, Data::None),
        ];
        control.queue.notify();
        // All of them are waited for, whatever the first one's outcome: what is late is not undone under the device.
        let mut outcome = Ok(());
        for token in tokens {
            let answer = token.and_then(|token| control.wait::<Header>(token, &deadline));
            outcome = outcome.and(answer.map(drop));
        }
        self.next_resource_id = following;
        let Err(error) = outcome else {
            self.note_scanout(scanout, resource_id);
            return Ok(owner);
        };
        if !error.needs_reset() && self.unref(resource_id).is_ok() {
            chunks
                .iter_mut()
                .for_each(|chunk| chunk.set_owner(previous));
        }
        Err(error)
    }

    /// Destroys a resource; when that is answered, the device has no use for its memory any more.
    ///
    /// Commands that name it are answered before that, for a device may answer in any order.
    fn unref(&mut self, resource_id: u32) -> Result<(), Error> {
        self.control()?.drain()?;
        for (scanout, shown) in (0_u32..).zip(self.scanouts) {
            if shown == resource_id {
                let _: Header = self.control()?.run(SetScanout::disable(scanout))?;
                self.note_scanout(scanout, 0);
            }
        }
        let control = self.control()?;
        let command = control.fenced(ResourceUnref::new(resource_id));
        match control.run::<_, Header>(command) {
            // The device knows no such resource, as it shall.
            Ok(_)
            | Err(Error::Command {
                error: CommandError::InvalidResourceId,
                ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn note_scanout(&mut self, scanout: u32, resource_id: u32) {
        let shown = usize::try_from(scanout)
            .ok()
            .and_then(|index| self.scanouts.get_mut(index));
        if let Some(shown) = shown {
            *shown = resource_id;
        }
    }
}

/// Allocates rows in as many of the chunks as it takes, from the first on; returns how many rows each has.
fn allocate<D: Dma>(
    dma: &D,
    width: u32,
    height: u32,
    chunks: &mut [Chunk<D>],
) -> Result<usize, Error> {
    let too_large = |_| Error::InvalidSize { width, height };
    let row_pixels = usize::try_from(width).map_err(too_large)?;
    let rows = usize::try_from(height).map_err(too_large)?;
    if chunks.is_empty() {
        return Err(Error::NoChunks);
    }
    let rows_per_chunk = rows.div_ceil(chunks.len());
    let used = rows.div_ceil(rows_per_chunk).min(chunks.len());
    let (chunks, _) = chunks.split_at_mut(used);
    let mut rows_left = rows;
    for chunk in chunks.iter_mut() {
        let rows_here = rows_left.min(rows_per_chunk);
        rows_left = rows_left.saturating_sub(rows_here);
        let allocated = match rows_here.checked_mul(row_pixels) {
            Some(pixels) => chunk.allocate(dma, pixels),
            None => Err(DmaError::InvalidLayout {
                size_bytes: usize::MAX,
                align_bytes: 1,
            }),
        };
        if let Err(error) = allocated {
            free_unowned(chunks);
            return Err(error.into());
        }
    }
    Ok(rows_per_chunk)
}

/// Frees the memory no device was told of.
fn free_unowned<D: Dma>(chunks: &mut [Chunk<D>]) {
    chunks
        .iter_mut()
        .filter(|chunk| chunk.owner().is_none())
        .for_each(Chunk::free);
}

/// Writes down where the chunks are, in memory the device can read; returns how many entries that are.
fn entries<D: Dma>(dma: &D, chunks: &[Chunk<D>]) -> Result<(DmaBuffer<D>, u32), Error> {
    let invalid = |size_bytes| DmaError::InvalidLayout {
        size_bytes,
        align_bytes: align_of::<MemEntry>(),
    };
    let nr_entries = u32::try_from(chunks.len()).map_err(|_| invalid(usize::MAX))?;
    let len_bytes = chunks
        .len()
        .checked_mul(size_of::<MemEntry>())
        .ok_or(invalid(usize::MAX))?;
    let mut list = DmaSlice::<u8, D>::new_zeroed_aligned(dma, len_bytes, align_of::<MemEntry>())?;
    let (places, _) = list.as_chunks_mut::<{ size_of::<MemEntry>() }>();
    for (chunk, place) in chunks.iter().zip(places) {
        let segment = chunk.segment().ok_or(Error::NoChunks)?;
        let entry = MemEntry {
            addr: segment.addr.get().into(),
            length: u32::try_from(segment.len_bytes)
                .map_err(|_| invalid(segment.len_bytes))?
                .into(),
            padding: U32::ZERO,
        };
        *place = zerocopy::transmute!(entry);
    }
    Ok((list.into(), nr_entries))
}

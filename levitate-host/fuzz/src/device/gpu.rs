//! The display: commands and their responses, and which memory is behind which resource ([`Screen`], §5.7.6).

use levitate_host::dma::{AccessKind, DeviceMemory, Exposure};

use super::Device;
use super::ring::Chain;
use crate::spec::gpu;

/// What a device knows of pictures.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    resources: Vec<Resource>,
    /// Pixels of the last transfer.
    pub(crate) transferred: Vec<u8>,
    /// Flushes so far.
    pub(crate) flushes: usize,
}

#[derive(Debug)]
struct Resource {
    id: u32,
    width: u32,
    backing: Vec<(u64, u32)>,
    exposures: Vec<Exposure>,
    /// The driver does not need it any more, and the device has said that it knows.
    is_gone: bool,
}

impl Screen {
    /// Ends all the device may reach behind resources.
    pub(super) fn forget(self, memory: &DeviceMemory) {
        let exposures = self.resources.into_iter().flat_map(|one| one.exposures);
        exposures.for_each(|exposure| memory.conceal(exposure));
    }

    fn resource(&mut self, id: u32) -> &mut Resource {
        let position = self.resources.iter().position(|one| one.id == id);
        let position = position.unwrap_or_else(|| {
            self.resources.push(Resource {
                id,
                width: 0,
                backing: Vec::new(),
                exposures: Vec::new(),
                is_gone: false,
            });
            self.resources.len() - 1
        });
        &mut self.resources[position]
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |bytes| {
        u32::from_le_bytes(std::array::from_fn(|i| bytes[i]))
    })
}

fn address(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32
}

/// Returns the resource that a command is about, 0 if it is about none.
fn resource_of(command: &[u8]) -> u32 {
    match number(command, 0) {
        gpu::CREATE_2D | gpu::UNREF | gpu::ATTACH_BACKING => number(command, 24),
        gpu::SET_SCANOUT => number(command, 44),
        gpu::FLUSH => number(command, 40),
        gpu::TRANSFER => number(command, 48),
        _ => 0,
    }
}

impl Device {
    /// Notes what the last `count` commands give it, the moment it may see them.
    pub(super) fn note_commands(&mut self, count: usize) {
        let Some(mut ring) = self.ring.take() else {
            return;
        };
        let first = ring.chains.len() - count;
        for chain in &mut ring.chains[first..] {
            let command = self.read_parts(&chain.parts);
            chain.command = number(&command, 0);
            chain.resource = resource_of(&command);
            match chain.command {
                gpu::CREATE_2D => {
                    self.screen.resource(chain.resource).width = number(&command, 32);
                }
                gpu::ATTACH_BACKING => self.attach(chain.resource, &command),
                _ => {}
            }
        }
        self.ring = Some(ring);
    }

    fn attach(&mut self, id: u32, command: &[u8]) {
        let count = number(command, 28) as usize;
        let resource = self.screen.resource(id);
        for entry in 0..count {
            let (addr, len) = (
                address(command, 32 + 16 * entry),
                number(command, 40 + 16 * entry),
            );
            if let Err(stray) = self.memory.check(addr, u64::from(len), AccessKind::Read) {
                self.failures
                    .push(format!("a picture is not in memory: {stray}"));
                return;
            }
            resource
                .exposures
                .push(self.memory.expose(addr, u64::from(len)));
            resource.backing.push((addr, len));
        }
    }

    /// Gives up the memory of resources that are gone, once no command that names them is in flight.
    pub(super) fn note_answers(&mut self, chains: &[Chain]) {
        for chain in chains {
            if chain.command == gpu::UNREF {
                self.screen.resource(chain.resource).is_gone = true;
            }
        }
        let in_flight: Vec<u32> = self
            .ring
            .iter()
            .flat_map(|ring| &ring.chains)
            .map(|chain| chain.resource)
            .collect();
        let memory = &self.memory;
        self.screen.resources.retain_mut(|resource| {
            let is_over = resource.is_gone && !in_flight.contains(&resource.id);
            if is_over {
                let exposures = resource.exposures.drain(..);
                exposures.for_each(|exposure| memory.conceal(exposure));
            }
            !is_over
        });
    }

    /// Returns the response that the specification wants.
    pub(super) fn respond(&mut self, command: &[u8]) -> Vec<u8> {
        let (kind, len) = match number(command, 0) {
            gpu::GET_DISPLAY_INFO => (gpu::OK_DISPLAY_INFO, 408),
            gpu::GET_EDID => (gpu::OK_EDID, 1056),
            _ => (gpu::OK_NODATA, 24),
        };
        let mut response = vec![0; len];
        if command.len() >= 16 {
            // Flags and fence are copied.
            response[4..16].copy_from_slice(&command[4..16]);
        }
        response[..4].copy_from_slice(&kind.to_le_bytes());
        match kind {
            gpu::OK_DISPLAY_INFO | gpu::OK_EDID if !self.told_lies.is_empty() => {
                // Over and over, so that a short input reaches every field; a length that is possible now and then.
                let lies = self.told_lies.iter().cycle();
                for (place, lie) in response[24..].iter_mut().zip(lies) {
                    *place = *lie;
                }
                if !self.told_lies[0].is_multiple_of(4) && kind == gpu::OK_EDID {
                    response[26..28].fill(0);
                }
            }
            gpu::OK_DISPLAY_INFO => {
                response[32] = 8;
                response[36] = 4;
                response[40] = u8::from(self.config[16] == 0);
            }
            gpu::OK_EDID => {
                response[25] = 1;
                response[32..32 + 128].copy_from_slice(&edid());
            }
            _ if number(command, 0) == gpu::TRANSFER && self.behaves => self.transfer(command),
            _ if number(command, 0) == gpu::FLUSH => self.screen.flushes += 1,
            _ => {}
        }
        response
    }

    /// Takes the pixels of a rectangle out of the memory behind a resource.
    fn transfer(&mut self, command: &[u8]) {
        let resource = self.screen.resource(resource_of(command));
        let stride = 4 * resource.width as usize;
        let backing = resource.backing.clone();
        let mut memory = Vec::new();
        for (addr, len) in backing {
            let kind = AccessKind::Read;
            // A command that was scribbled on may be about memory that is gone; whoever waits for pixels misses them.
            if self.memory.check(addr, u64::from(len), kind).is_ok() {
                let start = memory.len();
                memory.resize(start + len as usize, 0);
                let _ = self.memory.read(addr, &mut memory[start..]);
            }
        }
        let [width, height] = [32, 36].map(|at| number(command, at) as usize);
        let offset = usize::try_from(address(command, 40)).unwrap_or(usize::MAX);
        self.screen.transferred.clear();
        for row in 0..height {
            let start = offset.saturating_add(row * stride);
            let end = start.saturating_add(4 * width);
            let Some(pixels) = memory.get(start..end) else {
                break;
            };
            self.screen.transferred.extend_from_slice(pixels);
        }
    }
}

/// Returns an EDID that prefers 16 by 8 pixels.
fn edid() -> [u8; 128] {
    let mut edid = [0; 128];
    edid[1..7].fill(0xff);
    edid[54] = 1;
    edid[56] = 16;
    edid[59] = 8;
    let sum = edid.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    edid[127] = sum.wrapping_neg();
    edid
}

//! Answers as the specification wants them, so that the driver gets on to where lies hurt.

use super::ring::Part;
use super::{ANSWER, Device, Kind};
use crate::script::Script;
use crate::spec;

impl Device {
    /// Answers every request there is, oldest first.
    pub(super) fn answer_all(&mut self, script: &mut Script) {
        // What a request leads to can take others away, so there are at most as many turns as there were requests.
        while self
            .ring
            .as_ref()
            .is_some_and(|ring| !ring.chains.is_empty())
        {
            self.answer(self.end_of_batch(), script);
        }
    }

    /// Returns the last request of what it uses next.
    fn end_of_batch(&self) -> usize {
        match &self.ring {
            Some(ring) if self.has_batches && ring.is_in_order => ring.chains.len() - 1,
            _ => 0,
        }
    }

    /// Answers the request at `position`, and those that are to be used before it.
    pub(super) fn answer(&mut self, position: usize, script: &mut Script) {
        let is_in_order = self.ring.as_ref().is_some_and(|ring| ring.is_in_order);
        let first = if is_in_order { 0 } else { position };
        let mut written = None;
        for each in first..=position {
            written = self.fill(each, script);
        }
        if let Some(written) = written {
            self.publish(position, written);
        }
    }

    /// Does what the request at `position` asks for; returns how many bytes it wrote.
    fn fill(&mut self, position: usize, script: &mut Script) -> Option<u32> {
        let chain = self.ring.as_ref()?.chains.get(position)?;
        let sent = self.read_parts(&chain.parts);
        let writable: Vec<Part> = chain
            .parts
            .iter()
            .copied()
            .filter(|p| p.is_writable)
            .collect();
        Some(match self.kind {
            Kind::Bare => {
                let written = self.answer_bare(&writable, script);
                let chains = self.ring.iter_mut().flat_map(|ring| &mut ring.chains);
                chains
                    .skip(position)
                    .take(1)
                    .for_each(|chain| chain.sure = written);
                written
            }
            Kind::Block => self.answer_block(&sent, &writable),
            Kind::Gpu => {
                let response = self.respond(&sent);
                self.write_parts(&writable, &response)
            }
        })
    }

    /// Gives the request at `position` back, with a length, and those that are to be used before it.
    pub(super) fn publish(&mut self, position: usize, len: u32) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let given_up = ring.publish(&self.memory, position, len);
        self.given_up(given_up);
        self.interrupt |= 1;
    }

    /// Any bytes, as many as there is room for; a hostile device stops early now and then.
    fn answer_bare(&mut self, writable: &[Part], script: &mut Script) -> u32 {
        let room: u32 = writable.iter().map(|part| part.len).sum();
        let len = match self.behaves {
            true => room,
            false => room.saturating_sub(u32::from(script.byte() % 4)),
        };
        let bytes = vec![ANSWER; len as usize];
        self.write_parts(writable, &bytes)
    }

    fn answer_block(&mut self, sent: &[u8], writable: &[Part]) -> u32 {
        let number = |at: usize| {
            sent.get(at..at + 4).map_or(0, |bytes| {
                u32::from_le_bytes(std::array::from_fn(|i| bytes[i]))
            })
        };
        let sector = u64::from(number(8)) | u64::from(number(12)) << 32;
        // By its own hand, it may be the last there could be.
        let blocks = || (0..).map(|block| sector.wrapping_add(block));
        let room: u32 = writable.iter().map(|part| part.len).sum();
        let data_len = room.saturating_sub(1) as usize;
        let mut answer = vec![0; room as usize];
        match number(0) {
            spec::BLK_IN => {
                for (block, place) in blocks().zip(answer[..data_len].chunks_mut(512)) {
                    let content = self.block(block);
                    place.copy_from_slice(&content[..place.len()]);
                }
            }
            spec::BLK_OUT if self.behaves => {
                let (contents, _) = sent[16..].as_chunks::<512>();
                for (block, content) in blocks().zip(contents) {
                    self.disk.retain(|(other, _)| *other != block);
                    self.disk.push((block, *content));
                }
            }
            spec::BLK_GET_ID => {
                answer[..data_len.min(4)].copy_from_slice(&b"disk"[..data_len.min(4)])
            }
            _ => {}
        }
        self.write_parts(writable, &answer)
    }

    /// Returns what is on the disk.
    fn block(&self, number: u64) -> [u8; 512] {
        let found = self.disk.iter().find(|(other, _)| *other == number);
        found.map_or([number as u8; 512], |(_, content)| *content)
    }

    /// Reads what the driver sent; nothing from where there is no memory.
    pub(super) fn read_parts(&self, parts: &[Part]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts.iter().filter(|part| !part.is_writable) {
            let start = bytes.len();
            bytes.resize(start + part.len as usize, 0);
            if self.memory.read(part.addr, &mut bytes[start..]).is_err() {
                bytes.truncate(start);
            }
        }
        bytes
    }

    /// Writes an answer into the parts; returns how long it was in the end.
    pub(super) fn write_parts(&self, parts: &[Part], bytes: &[u8]) -> u32 {
        let mut rest = bytes;
        for part in parts.iter().filter(|part| part.is_writable) {
            let (here, after) = rest.split_at(rest.len().min(part.len as usize));
            // That the part is in memory was checked when the request was fetched.
            let _ = self.memory.write(part.addr, here);
            rest = after;
        }
        (bytes.len() - rest.len()) as u32
    }
}

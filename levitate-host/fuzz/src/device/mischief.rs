//! What the device does when it does not behave: one action at a time, as the bytes say.

mod rings;

use super::{CONFIG_BYTES, Device, Lie};
use crate::script::Script;
use crate::spec::{self, gpu, register};

/// Which actions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Menu {
    /// All of them.
    All,
    /// Those that concern the configuration space.
    Config,
}

/// An action.
type Act = fn(&mut Device, &mut Script);

/// The menu; actions that end everything are rare.
const ALL: [Act; 20] = [
    Device::answer_one,
    Device::answer_one,
    Device::answer_wrongly,
    Device::answer_wrongly,
    Device::write_used_index,
    Device::write_used_element,
    Device::write_used_ring,
    Device::write_suppression,
    Device::write_request,
    Device::write_lasting,
    Device::write_driver_part,
    Device::change_status,
    Device::change_interrupt,
    Device::change_config,
    Device::lie,
    Device::lie,
    Device::be_mute,
    Device::be_stubborn,
    Device::change_queue,
    Device::change_features,
];

/// What is chosen by these bytes is about virtqueues, by others it is from the menu.
const OF_RINGS: std::ops::RangeInclusive<u8> = 206..=237;

const RINGS: [Act; 6] = [
    Device::answer_some,
    Device::use_wrongly,
    Device::use_wrongly,
    Device::go_on_wrongly,
    Device::mark_wrongly,
    Device::forge_descriptor,
];

const CONFIG: [Act; 5] = [
    Device::change_config,
    Device::change_config,
    Device::change_config,
    Device::lie,
    Device::cheat,
];

impl Device {
    /// Does the next thing.
    pub(super) fn act(&mut self, script: &mut Script) {
        let choice = script.byte();
        let menu: &[Act] = match self.menu {
            Menu::All if OF_RINGS.contains(&choice) => &RINGS,
            Menu::All => &ALL,
            Menu::Config => &CONFIG,
        };
        menu[usize::from(choice) % menu.len()](self, script);
        self.quiet = match script.byte() {
            short @ 0..=127 => short % 8,
            long => long % 64,
        };
    }

    /// Answers one request properly, whichever.
    fn answer_one(&mut self, script: &mut Script) {
        let position = self.pick(script);
        self.answer(position, script);
    }

    /// Answers one request with a wrong status, type, content or length.
    fn answer_wrongly(&mut self, script: &mut Script) {
        let position = self.pick(script);
        let Some(chain) = self
            .ring
            .as_ref()
            .and_then(|ring| ring.chains.get(position))
        else {
            return;
        };
        let (parts, capacity) = (chain.parts.clone(), chain.capacity());
        self.has_scribbled = true;
        let mut response = self.respond(&self.read_parts(&parts));
        for _ in 0..script.byte() % 4 {
            let at = script.choice(response.len().min(48));
            response[at] = script.byte();
        }
        match script.byte() {
            0..=99 => {}
            kind @ 100..=199 => {
                let error = 0x1200 + u32::from(kind % 8);
                response[..4].copy_from_slice(&error.to_le_bytes());
            }
            _ => response[..4].copy_from_slice(&gpu::OK_NODATA.to_le_bytes()),
        }
        self.write_parts(&parts, &response);
        if let Some(last) = parts
            .last()
            .filter(|part| part.is_writable && part.len == 1)
        {
            // The status of a block request.
            let _ = self.memory.write(last.addr, &[script.byte() % 5]);
        }
        let len = match script.byte() % 4 {
            0 | 1 => capacity,
            2 => capacity.saturating_add(script.number()),
            _ => script.number(),
        };
        self.publish(position, len);
    }

    /// Writes into any part of a request in flight, also one that it is to read.
    fn write_request(&mut self, script: &mut Script) {
        let position = self.pick(script);
        let chain = self
            .ring
            .as_ref()
            .and_then(|ring| ring.chains.get(position));
        if let Some(chain) = chain {
            let part = chain.parts[script.choice(chain.parts.len())];
            self.scribble(part.addr, part.len, script);
        }
    }

    /// Writes into headers, footers and tables, also of requests that are done.
    fn write_lasting(&mut self, script: &mut Script) {
        if let Some(ring) = self.ring.as_ref().filter(|ring| !ring.lasting.is_empty()) {
            let (addr, len) = ring.lasting[script.choice(ring.lasting.len())];
            self.scribble(addr, len, script);
        }
    }

    fn scribble(&mut self, addr: u64, len: u32, script: &mut Script) {
        let start = u32::from(script.byte()).min(len);
        let mut bytes = [0; 16];
        let count = (len - start).min(1 + u32::from(script.byte() % 16)) as usize;
        script.fill(&mut bytes[..count]);
        let addr = addr + u64::from(start);
        let kind = levitate_host::dma::AccessKind::Write;
        // A mapping may be for reading only.
        if self.memory.check(addr, count as u64, kind).is_ok() {
            self.has_scribbled = true;
            let _ = self.memory.write(addr, &bytes[..count]);
        }
    }

    fn change_status(&mut self, script: &mut Script) {
        match script.byte() {
            0..=99 => self.status |= spec::NEEDS_RESET,
            _ => self.status = u32::from(script.byte()),
        }
    }

    fn change_interrupt(&mut self, script: &mut Script) {
        self.interrupt = script.number();
    }

    /// Changes some bytes of the configuration, and its generation.
    fn change_config(&mut self, script: &mut Script) {
        self.generation = self.generation.wrapping_add(1);
        self.scribble_config(script);
        self.is_restless = self.menu == Menu::All && script.byte() > 250;
    }

    /// Changes some bytes of the configuration without a word.
    fn cheat(&mut self, script: &mut Script) {
        self.is_config_false = true;
        self.scribble_config(script);
    }

    fn scribble_config(&mut self, script: &mut Script) {
        let at = script.choice(CONFIG_BYTES);
        let value = script.number().to_le_bytes();
        let count = value.len().min(CONFIG_BYTES - at);
        self.config[at..at + count].copy_from_slice(&value[..count]);
        if self.menu == Menu::Config {
            self.history.push(self.config);
        }
    }

    /// Has a register read something else for a while.
    fn lie(&mut self, script: &mut Script) {
        let offset = match self.menu {
            Menu::All => usize::from(script.byte()) & !3,
            Menu::Config => register::GENERATION,
        };
        self.is_config_false |= offset == register::GENERATION;
        self.lies.push(Lie {
            offset,
            value: script.number(),
            reads: 1 + script.byte() % 64,
        });
    }

    fn be_mute(&mut self, script: &mut Script) {
        self.mute = script.byte();
    }

    fn be_stubborn(&mut self, script: &mut Script) {
        self.stubborn = script.byte();
    }

    fn change_queue(&mut self, script: &mut Script) {
        match script.byte() % 2 {
            0 => self.ready = script.number(),
            _ => self.queue_size_max = script.number(),
        }
    }

    fn change_features(&mut self, script: &mut Script) {
        self.offered ^= 1 << (script.byte() % 64);
    }

    fn pick(&self, script: &mut Script) -> usize {
        let count = self.ring.as_ref().map_or(0, |ring| ring.chains.len());
        script.choice(count)
    }
}

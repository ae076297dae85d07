//! What a device that does not behave writes into rings and descriptors.

use super::super::Device;
use super::super::ring::Step;
use crate::script::Script;

impl Device {
    pub(super) fn write_used_index(&mut self, script: &mut Script) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let index = match script.byte() {
            near @ 0..=15 => ring.published.wrapping_add(u16::from(near % 4)),
            near @ 16..=31 => ring.published.wrapping_sub(u16::from(near % 4)),
            _ => script.word(),
        };
        // In a packed ring it makes a descriptor used, whatever that holds.
        let (at, value) = ring.next_used_flags().unwrap_or((2, index));
        let given_up = ring.write_used(&self.memory, at, &value.to_le_bytes(), true);
        self.given_up(given_up);
    }

    pub(super) fn write_used_element(&mut self, script: &mut Script) {
        let position = self.pick(script);
        let Some(ring) = &mut self.ring else {
            return;
        };
        let step = Step {
            chains: 1,
            descriptors: ring
                .chains
                .get(position)
                .map_or(1, |chain| chain.descriptors),
        };
        let id = match (ring.chains.get(position), script.byte()) {
            (Some(chain), 0..=127) => u32::from(chain.head),
            _ => script.number(),
        };
        ring.used_is_dirty = true;
        let given_up = ring.write_element(&self.memory, id, script.number(), step);
        self.given_up(given_up);
    }

    /// Answers some requests as it should: one after the other, or in order all at once.
    pub(super) fn answer_some(&mut self, script: &mut Script) {
        let last = self.pick(script);
        if self.ring.as_ref().is_some_and(|ring| ring.is_in_order) {
            self.answer(last, script);
            return;
        }
        for _ in 0..=last {
            self.answer(0, script);
        }
    }

    /// Uses what it should not, or goes on further or less than what it uses.
    pub(super) fn use_wrongly(&mut self, script: &mut Script) {
        let position = self.pick(script);
        let [choice, go_on] = [script.byte(), script.byte()];
        let len = match choice / 8 % 4 {
            0 => script.number(),
            _ => 0,
        };
        let Some(ring) = &mut self.ring else {
            return;
        };
        let id = match (choice % 8, ring.chains.get(position)) {
            // Also one in the middle, which in order stands for all before it.
            (0..=3, Some(chain)) => u32::from(chain.head),
            // The one it used last.
            (4 | 5, _) => ring.honest.back().map_or(0, |used| u32::from(used.head)),
            // One that there is not, or one of another slot.
            _ => script.number(),
        };
        let mut step = ring.step_to(position);
        let all = ring.chains.len() as u16;
        match go_on % 8 {
            0 | 1 => {
                step = Step {
                    chains: 1,
                    descriptors: 1,
                }
            }
            2 => step.chains = step.chains.wrapping_add(1),
            3 => step.chains = step.chains.wrapping_sub(1),
            4 => {
                step = Step {
                    chains: all,
                    descriptors: ring.size,
                }
            }
            5 => step.chains = all + 1 + u16::from(go_on / 8),
            6 => step.descriptors += 1 + u16::from(go_on / 8),
            _ => step.descriptors = step.descriptors.saturating_sub(1 + u16::from(go_on / 8)),
        }
        ring.used_is_dirty = true;
        let given_up = ring.write_element(&self.memory, id, len, step);
        self.given_up(given_up);
    }

    /// Goes on in the ring and uses nothing, or goes back.
    pub(super) fn go_on_wrongly(&mut self, script: &mut Script) {
        let by = match script.byte() {
            near @ 0..=127 => u16::from(near % 8),
            _ => script.word(),
        };
        if let Some(ring) = &mut self.ring {
            let given_up = ring.lose_place(&self.memory, by);
            self.given_up(given_up);
        }
    }

    /// Marks the next descriptor, or another, as half used, as available, or as whatever the flags say.
    pub(super) fn mark_wrongly(&mut self, script: &mut Script) {
        let flags = script.word();
        let further = script.byte() % 4;
        let Some(ring) = &mut self.ring else {
            return;
        };
        if let Some((at, _)) = ring.next_used_flags() {
            let at = (at + 16 * usize::from(further)) % (16 * usize::from(ring.size));
            let given_up = ring.write_used(&self.memory, at, &flags.to_le_bytes(), true);
            self.given_up(given_up);
        }
    }

    /// Writes into a descriptor or a table that stays laid out.
    pub(super) fn forge_descriptor(&mut self, script: &mut Script) {
        let [table, word] = [script.byte(), script.byte()].map(usize::from);
        let mut noise = [0; 4];
        let first = script.choice(4);
        let end = 4.min(first + 1 + script.choice(4));
        script.fill(&mut noise[first..end]);
        if let Some(ring) = &mut self.ring {
            ring.forge(&self.memory, table, word, u32::from_le_bytes(noise));
        }
    }

    pub(super) fn write_used_ring(&mut self, script: &mut Script) {
        let mut bytes = [0; 8];
        let len = 1 + script.choice(8);
        script.fill(&mut bytes[..len]);
        let Some(ring) = &mut self.ring else {
            return;
        };
        let at = script.choice(ring.used_len());
        let given_up = ring.write_used(&self.memory, at, &bytes[..len], true);
        self.given_up(given_up);
    }

    /// Writes the flags and the event index, by which notifications are suppressed.
    pub(super) fn write_suppression(&mut self, script: &mut Script) {
        let value = script.word().to_le_bytes();
        let is_flags = script.byte().is_multiple_of(2);
        let Some(ring) = &mut self.ring else {
            return;
        };
        let at = match (is_flags, &ring.packed) {
            (true, None) => 0,
            (true, Some(_)) => ring.used_len() - 4,
            (false, _) => ring.used_len() - 2,
        };
        let given_up = ring.write_used(&self.memory, at, &value, false);
        self.given_up(given_up);
    }

    pub(super) fn write_driver_part(&mut self, script: &mut Script) {
        let mut bytes = [0; 4];
        script.fill(&mut bytes);
        let at = usize::from(script.word());
        if let Some(ring) = &mut self.ring {
            ring.write_driver_part(&self.memory, at, &bytes);
        }
    }
}

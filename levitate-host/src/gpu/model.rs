//! What the adapter does with each command, and with which error it refuses one: [`GpuModel`].

mod act;
mod advice;
mod cursor;

use std::collections::BTreeMap;

use super::command::{Command, FLAG_FENCE, FLAG_INFO_RING_IDX, GpuRequest, Header, Rect};
use super::cursor::Cursor;
use super::image::Image;
use super::resource::{Fill, Resource};
use super::scanout::Scanout;
use crate::device::{ConfigField, DeviceModel, Violations};
use crate::queue::Request;
use advice::Advice;

const CONTROL_QUEUE: u16 = 0;
const FEATURE_VIRGL: u32 = 0;
const FEATURE_EDID: u32 = 1;
const FEATURE_RESOURCE_UUID: u32 = 2;
const FEATURE_RESOURCE_BLOB: u32 = 3;
const FEATURE_CONTEXT_INIT: u32 = 4;
const FEATURE_BLOB_ALIGNMENT: u32 = 5;
const EVENT_DISPLAY: u32 = 1;
const MAX_SCANOUTS: usize = 16;
const MAX_RING_INDEX: u8 = 63;
const FIELDS: &[ConfigField] = &[
    ConfigField {
        write_rule: "GPU-03",
        ..ConfigField::read_only(0, 4)
    },
    ConfigField::read_only(4, 4).writable(),
    ConfigField::read_only(8, 4),
    ConfigField::read_only(12, 4),
];

/// A 2D display adapter with QEMU's behaviour.
///
/// A transfer changes a resource only; what a screen shows changes with a flush, and with SET_SCANOUT.
/// A command with too few bytes is refused with `ERR_UNSPEC`, and cursor commands are answered with a used length of 0, unless it [`answers them`](Self::answering_cursor_commands).
/// Memory attached to a resource counts as in the device's use until it is detached.
#[derive(Debug)]
pub struct GpuModel {
    scanouts: Vec<Scanout>,
    has_edid: bool,
    answers_cursor: bool,
    host_memory_bytes: u64,
    events: u32,
    resources: BTreeMap<u32, Resource>,
    has_told_modes: bool,
    advice: Advice,
    requests: Vec<GpuRequest>,
}

impl GpuModel {
    /// Makes an adapter with one screen, whose mode is `width` x `height`; it offers EDID.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            scanouts: vec![Scanout::new(Rect::new(0, 0, width, height))],
            has_edid: true,
            answers_cursor: false,
            host_memory_bytes: 256 << 20,
            events: 0,
            resources: BTreeMap::new(),
            has_told_modes: false,
            advice: Advice::default(),
            requests: Vec::new(),
        }
    }

    /// Adds a screen at the top left, as if it were the only one.
    ///
    /// # Panics
    ///
    /// If it would be the 17th.
    #[must_use]
    pub fn with_scanout(self, width: u32, height: u32) -> Self {
        self.with_scanout_at(Rect::new(0, 0, width, height))
    }

    /// Adds a screen whose mode is as large as `place`, which is where it is among the others.
    ///
    /// # Panics
    ///
    /// If it would be the 17th.
    #[must_use]
    pub fn with_scanout_at(mut self, place: Rect) -> Self {
        assert!(
            self.scanouts.len() < MAX_SCANOUTS,
            "no adapter has more than 16 screens"
        );
        self.scanouts.push(Scanout::new(place));
        self
    }

    /// Does not offer EDID.
    #[must_use]
    pub const fn without_edid(mut self) -> Self {
        self.has_edid = false;
        self
    }

    /// Limits the memory for resources; it is 256 MiB otherwise, as in QEMU.
    #[must_use]
    pub const fn host_memory(mut self, bytes: u64) -> Self {
        self.host_memory_bytes = bytes;
        self
    }

    /// Answers cursor commands with a response, as the specification has it and QEMU does not.
    #[must_use]
    pub const fn answering_cursor_commands(mut self) -> Self {
        self.answers_cursor = true;
        self
    }

    /// Reports a driver that does not do what is only recommended: to ask for modes and EDIDs at the start, and again when they have changed.
    #[must_use]
    pub const fn watching_recommendations(mut self) -> Self {
        self.advice.is_watched = true;
        self
    }

    /// Answers GET_EDID for any screen with `bytes`, at most 1024 of them, whatever they mean.
    pub fn set_edid(&mut self, bytes: &[u8]) {
        for scanout in 0..self.scanouts.len() {
            self.set_scanout_edid(scanout, bytes);
        }
    }

    /// Answers GET_EDID for one screen with `bytes`, at most 1024 of them, whatever they mean.
    ///
    /// # Panics
    ///
    /// If there is no such screen.
    pub fn set_scanout_edid(&mut self, scanout: usize, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(1024)];
        self.scanouts[scanout].edid_override = Some(bytes.to_vec());
    }

    /// Changes the mode of a screen and sets EVENT_DISPLAY; to be called in `MmioDevice::change_config`.
    ///
    /// # Panics
    ///
    /// If there is no such screen.
    pub fn set_mode(&mut self, scanout: usize, width: u32, height: u32, is_enabled: bool) {
        let scanout = &mut self.scanouts[scanout];
        (scanout.place.width, scanout.place.height) = (width, height);
        scanout.is_enabled = is_enabled;
        self.change_display();
    }

    /// Moves a screen among the others and sets EVENT_DISPLAY; to be called in `MmioDevice::change_config`.
    ///
    /// # Panics
    ///
    /// If there is no such screen.
    pub fn set_position(&mut self, scanout: usize, x: u32, y: u32) {
        let scanout = &mut self.scanouts[scanout];
        (scanout.place.x, scanout.place.y) = (x, y);
        self.change_display();
    }

    fn change_display(&mut self) {
        self.events |= EVENT_DISPLAY;
        self.advice.change();
    }

    /// Returns what a resource holds, or `None` if there is none of that number.
    #[must_use]
    pub fn resource_image(&self, resource: u32) -> Option<Image> {
        self.resources.get(&resource).map(Resource::image)
    }

    /// Returns the numbers of all resources.
    #[must_use]
    pub fn resources(&self) -> Vec<u32> {
        self.resources.keys().copied().collect()
    }

    /// Returns what a screen shows, or `None` if it is off.
    #[must_use]
    pub fn visible(&self, scanout: usize) -> Option<Image> {
        self.scanouts.get(scanout)?.visible.clone()
    }

    /// Returns what a viewer of the screen sees: [`visible`](Self::visible), with the pointer over it.
    #[must_use]
    pub fn composed(&self, scanout: usize) -> Option<Image> {
        self.scanouts.get(scanout)?.composed()
    }

    /// Returns the pointer of a screen, or `None` if there is no such screen.
    #[must_use]
    pub fn cursor(&self, scanout: usize) -> Option<&Cursor> {
        self.scanouts.get(scanout).map(|scanout| &scanout.cursor)
    }

    /// Returns the commands so far, in the order they were served.
    #[must_use]
    pub fn requests(&self) -> &[GpuRequest] {
        &self.requests
    }

    /// Returns the commands so far and forgets them.
    #[must_use]
    pub fn take_requests(&mut self) -> Vec<GpuRequest> {
        std::mem::take(&mut self.requests)
    }
}

impl GpuModel {
    /// The answer to a fence is on its way: what was transferred up to now is certain.
    fn complete_fence(&mut self) {
        for resource in self.resources.values_mut() {
            if resource.fill == Fill::Unfenced {
                resource.fill = Fill::Certain;
            }
        }
    }
}

impl DeviceModel for GpuModel {
    fn device_id(&self) -> u32 {
        16
    }

    fn features(&self) -> u64 {
        u64::from(self.has_edid) << FEATURE_EDID
    }

    fn queue_count(&self) -> u16 {
        2
    }

    fn config_fields(&self) -> &'static [ConfigField] {
        FIELDS
    }

    fn config_len(&self) -> usize {
        16
    }

    fn config(&self) -> Vec<u8> {
        let scanouts = self.scanouts.len() as u32;
        [self.events, 0, scanouts, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    fn write_config(&mut self, offset: usize, bytes: &[u8], violations: &mut Violations) {
        if let (4, Ok(word)) = (offset, bytes.try_into()) {
            let cleared = u32::from_le_bytes(word);
            if cleared & !EVENT_DISPLAY != 0 {
                violations.add("GPU-18", format!("events {cleared:#x} were cleared"));
            }
            if cleared & EVENT_DISPLAY != 0 {
                self.advice.acknowledge();
            }
            self.events &= !cleared;
        }
    }

    fn check_features(&self, negotiated: u64, violations: &mut Violations) {
        for (feature, needed) in [
            (FEATURE_CONTEXT_INIT, FEATURE_VIRGL),
            (FEATURE_BLOB_ALIGNMENT, FEATURE_RESOURCE_BLOB),
        ] {
            if negotiated & (1 << feature) != 0 && negotiated & (1 << needed) == 0 {
                violations.add(
                    "GPU-19",
                    format!("feature {feature} without feature {needed}"),
                );
            }
        }
    }

    fn serve(&mut self, queue: u16, request: &mut Request<'_>) {
        let header = request
            .read_all()
            .ok()
            .and_then(|bytes| Some((Header::parse(&bytes)?, bytes)));
        let Some((header, bytes)) = header else {
            request.violation(
                "GPU-24",
                format!("{} bytes are no command", request.readable_len()),
            );
            return;
        };
        let command = Command::parse(header.kind, &bytes);
        check_ring_index(header, request);
        let answer = if queue == CONTROL_QUEUE {
            let answer = self.act(&command, request);
            if header.flags & FLAG_FENCE != 0 {
                self.complete_fence();
            }
            Some(answer)
        } else {
            let answer = self.act_on_cursor(&command, request);
            self.answers_cursor
                .then(|| answer.map(|()| (act::OK_NODATA, Vec::new())))
        };
        let response = answer.map(|answer| {
            let (kind, body) = answer.unwrap_or_else(|error| (error, Vec::new()));
            let mut answer = header.response(kind);
            answer.extend(body);
            request.write(0, &answer);
            kind
        });
        self.requests.push(GpuRequest {
            queue,
            command,
            fence: (header.flags & FLAG_FENCE != 0).then_some(header.fence),
            response,
        });
    }

    fn reset(&mut self) {
        self.resources.clear();
        for scanout in &mut self.scanouts {
            scanout.detach();
            scanout.cursor = Cursor::default();
        }
        self.has_told_modes = false;
        self.advice.restart();
    }
}

/// Checks the timeline a command names (§5.7.6.7).
fn check_ring_index(header: Header, request: &mut Request<'_>) {
    if header.flags & FLAG_INFO_RING_IDX == 0 {
        return;
    }
    if request.features() & (1 << FEATURE_CONTEXT_INIT) == 0 {
        request.violation("GPU-11", "a ring index without CONTEXT_INIT".to_owned());
    } else if header.ring_index > MAX_RING_INDEX {
        request.violation("GPU-11", format!("ring index {}", header.ring_index));
    }
}

//! What the adapter does with each command, and with which error it refuses one: [`GpuModel`].

mod act;

use std::collections::BTreeMap;

use super::command::{Command, FLAG_FENCE, GpuRequest, Header};
use super::image::Image;
use super::resource::Resource;
use super::scanout::Scanout;
use crate::device::{ConfigField, DeviceModel, Violations};
use crate::queue::Request;

const CONTROL_QUEUE: u16 = 0;
const FEATURE_EDID: u32 = 1;
const EVENT_DISPLAY: u32 = 1;
const MAX_SCANOUTS: usize = 16;
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
/// A command with too few bytes is refused with `ERR_UNSPEC`, and cursor commands are answered with a used length of 0.
/// Memory attached to a resource counts as in the device's use until it is detached.
#[derive(Debug)]
pub struct GpuModel {
    scanouts: Vec<Scanout>,
    has_edid: bool,
    edid_override: Option<Vec<u8>>,
    host_memory_bytes: u64,
    events: u32,
    resources: BTreeMap<u32, Resource>,
    has_told_modes: bool,
    requests: Vec<GpuRequest>,
}

impl GpuModel {
    /// Makes an adapter with one screen, whose mode is `width` x `height`; it offers EDID.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            scanouts: vec![Scanout::new(width, height)],
            has_edid: true,
            edid_override: None,
            host_memory_bytes: 256 << 20,
            events: 0,
            resources: BTreeMap::new(),
            has_told_modes: false,
            requests: Vec::new(),
        }
    }

    /// Adds a screen.
    ///
    /// # Panics
    ///
    /// If it would be the 17th.
    #[must_use]
    pub fn with_scanout(mut self, width: u32, height: u32) -> Self {
        assert!(
            self.scanouts.len() < MAX_SCANOUTS,
            "no adapter has more than 16 screens"
        );
        self.scanouts.push(Scanout::new(width, height));
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

    /// Answers GET_EDID with `bytes`, at most 1024 of them, whatever they mean.
    pub fn set_edid(&mut self, bytes: &[u8]) {
        self.edid_override = Some(bytes[..bytes.len().min(1024)].to_vec());
    }

    /// Changes the mode of a screen and sets EVENT_DISPLAY; to be called in `MmioDevice::change_config`.
    ///
    /// # Panics
    ///
    /// If there is no such screen.
    pub fn set_mode(&mut self, scanout: usize, width: u32, height: u32, is_enabled: bool) {
        let scanout = &mut self.scanouts[scanout];
        (scanout.width, scanout.height) = (width, height);
        scanout.is_enabled = is_enabled;
        self.events |= EVENT_DISPLAY;
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

    fn write_config(&mut self, offset: usize, bytes: &[u8], _violations: &mut Violations) {
        if let (4, Ok(word)) = (offset, bytes.try_into()) {
            self.events &= !u32::from_le_bytes(word);
        }
    }

    fn check_features(&self, negotiated: u64, violations: &mut Violations) {
        for (feature, needed) in [(4, 0), (5, 3)] {
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
        let response = if queue == CONTROL_QUEUE {
            let (kind, body) = self
                .act(&command, request)
                .unwrap_or_else(|error| (error, Vec::new()));
            let mut answer = header.response(kind);
            answer.extend(body);
            request.write(0, &answer);
            Some(kind)
        } else {
            if !matches!(
                command,
                Command::UpdateCursor { .. } | Command::MoveCursor { .. }
            ) {
                request.violation("GPU-20", format!("{command:?} on the cursor queue"));
            }
            None
        };
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
        }
        self.has_told_modes = false;
    }
}

//! One disk of a machine, as QEMU's command line: [`Disk`].

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::machine::attached;
use crate::platform::Transport;

/// One block device.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// The raw image.
    pub(crate) path: PathBuf,
    /// The device offers `VIRTIO_BLK_F_RO`, and QEMU opens the image for reading only.
    pub(crate) read_only: bool,
    /// What GET_ID answers; at most 20 bytes.
    pub(crate) serial: Option<String>,
    /// Further properties of the device, such as `queue-size=16`.
    pub(crate) properties: Vec<String>,
    /// Rules of QEMU's blkdebug driver (`inject-error`), put between the device and the image.
    pub(crate) inject_errors: Vec<Value>,
    /// How many requests a second QEMU works on, if not as many as it can.
    pub(crate) requests_per_second: Option<u32>,
    /// How long an answer takes at least, however long the disk had nothing to do before, if that matters. Such a disk is as long as the
    /// image, reads as zeroes, and forgets what is written.
    pub(crate) latency: Option<Duration>,
}

impl Disk {
    /// A writable disk with no special property.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_only: false,
            serial: None,
            properties: Vec::new(),
            inject_errors: Vec::new(),
            requests_per_second: None,
            latency: None,
        }
    }

    /// The same disk with `serial` as its GET_ID answer.
    pub(crate) fn serial(mut self, serial: &str) -> Self {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Returns the argument of `-object` for what slows the disk down, if something does.
    pub(super) fn throttle(&self, node: &str) -> Option<String> {
        let rate = self.requests_per_second?;
        Some(format!("throttle-group,id={node}-rate,x-iops-total={rate}"))
    }

    /// Returns `-blockdev`'s argument. As JSON, because a path with a comma needs no quoting there.
    pub(super) fn blockdev(&self, node: &str) -> Result<String> {
        let path = std::path::absolute(&self.path)?;
        let path = path
            .to_str()
            .with_context(|| format!("the disk's path {} is not UTF-8", path.display()))?;
        let mut file = json!({ "driver": "file", "filename": path });
        if let Some(latency) = self.latency {
            let size = std::fs::metadata(path)
                .with_context(|| format!("no image {path}"))?
                .len();
            let latency = u64::try_from(latency.as_nanos())?;
            file = json!({ "driver": "null-co", "size": size, "latency-ns": latency, "read-zeroes": true });
        }
        if !self.inject_errors.is_empty() {
            file =
                json!({ "driver": "blkdebug", "image": file, "inject-error": self.inject_errors });
        }
        if self.requests_per_second.is_some() {
            let group = format!("{node}-rate");
            file = json!({ "driver": "throttle", "throttle-group": group, "file": file });
        }
        let node = json!({
            "driver": "raw", "node-name": node, "read-only": self.read_only, "file": file,
            // Discarded sectors are holes in the image, not only accepted.
            "discard": "unmap",
        });
        Ok(node.to_string())
    }

    /// Returns `-device`'s argument; the device's id is the node's.
    pub(super) fn device(&self, node: &str, transport: Transport) -> String {
        let mut device = attached("virtio-blk", transport);
        // QEMU's default for a full disk is to stop the machine; an error is to reach the guest.
        device.push_str(&format!(
            ",id={node},drive={node},werror=report,rerror=report"
        ));
        if let Some(serial) = &self.serial {
            device.push_str(&format!(",serial={serial}"));
        }
        for property in &self.properties {
            device.push_str(&format!(",{property}"));
        }
        device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_its_time_is_as_long_as_its_image() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        std::fs::write(&path, [1; 1024]).unwrap();
        let mut disk = Disk::new(&path);
        disk.latency = Some(Duration::from_millis(3));
        let node: Value = serde_json::from_str(&disk.blockdev("disk0").unwrap()).unwrap();
        let expected = json!({
            "driver": "null-co", "size": 1024, "latency-ns": 3_000_000, "read-zeroes": true,
        });
        assert_eq!(node["file"], expected);
        std::fs::remove_file(&path).unwrap();
        assert!(disk.blockdev("disk0").is_err());
    }
}

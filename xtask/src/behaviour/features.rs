//! What a driver has accepted, by the word of its device: [`has_accepted`].

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::vm::Vm;

/// How long QEMU may take to answer.
const QMP_DEADLINE: Duration = Duration::from_secs(30);

/// Returns whether QEMU says that the driver of the device `id` has accepted the feature it describes by a text that starts with `name`.
pub(crate) fn has_accepted(vm: &mut Vm, id: &str, name: &str) -> Result<bool> {
    let arguments = json!({ "path": format!("/machine/peripheral/{id}/virtio-backend") });
    // A device on virtio-mmio is its own.
    let own = json!({ "path": format!("/machine/peripheral/{id}") });
    let qmp = vm.qmp()?;
    let status = qmp
        .execute("x-query-virtio-status", arguments, QMP_DEADLINE)
        .or_else(|_| qmp.execute("x-query-virtio-status", own, QMP_DEADLINE))?;
    let features = status["guest-features"]["transports"].as_array();
    let mut features = features.context("QEMU knows no features")?.iter();
    Ok(features.any(|feature| feature.as_str().is_some_and(|text| text.starts_with(name))))
}

//! QEMU's log, which has its trace events and what it says about wrong accesses of the guest: [`is_trace_line`].

/// How the trace events start that a machine may ask for; they share a file with the guest's errors.
const TRACE_PREFIXES: [&str; 3] = ["virtio_blk_handle_", "virtio_gpu_cmd_", "msix_write_config"];

/// Returns whether a line of QEMU's log is a trace event that was asked for.
pub(crate) fn is_trace_line(line: &str) -> bool {
    // Depending on its version, QEMU puts `PID@SECONDS.MICROSECONDS:` before the event.
    let event = match line.split_once(':') {
        Some((stamp, event))
            if stamp
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'@' | b'.')) =>
        {
            event
        }
        _ => line,
    };
    TRACE_PREFIXES
        .iter()
        .any(|prefix| event.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_lines_are_told_from_guest_errors() {
        assert!(is_trace_line(
            "virtio_blk_handle_read vdev 0x1 req 0x2 sector 0 nsectors 1"
        ));
        assert!(is_trace_line(
            "123@1700000000.123456:virtio_blk_handle_write vdev 0x1"
        ));
        assert!(is_trace_line(
            "msix_write_config dev virtio-gpu-pci enabled 1 masked 0"
        ));
        assert!(!is_trace_line("pl011: virtio_blk_handle_read"));
        assert!(!is_trace_line(
            "virtio_mmio_write: write to non-legacy register (0x80) in legacy mode"
        ));
    }
}

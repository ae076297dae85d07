//! Setting up a machine that lacks things, with scripts in the place of `apt-get`, `rustup` and their like.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod bench;
mod packages;
mod parts;
mod toolchain;

use bench::{APT_CACHE, APT_GET, Bench};

#[test]
fn the_doctor_lists_what_is_missing_and_fails() {
    let bench = Bench::new(&[("apt-get", APT_GET), ("apt-cache", APT_CACHE)]);
    let output = bench.xtask(&["doctor", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    for part in [
        "missing  QEMU for aarch64: no qemu-system-aarch64 in PATH",
        "missing  a linker for the host: no cc in PATH",
        "missing  a compiler for aarch64-unknown-none",
        "optional a C++ compiler: no c++ in PATH",
        "--no-install-recommends g++\n",
        "optional cargo fuzz: no ",
        "to get it: cargo install cargo-fuzz --version ",
        "to get it: rustup target add riscv64gc-unknown-none-elf",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(bench.calls().is_empty(), "the doctor only looks");
}

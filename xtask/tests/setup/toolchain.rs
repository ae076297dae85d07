//! What rustup has, and how little of it is fetched.

use crate::bench::{Bench, stderr};

/// A toolchain with one target's directory, which is empty at first.
const RUSTC: &str = r#"
case "$*" in *target-libdir*) echo "$BENCH/libdir";; esac
"#;
const RUSTUP: &str = r#"
echo "rustup $* (RUSTUP_AUTO_INSTALL=$RUSTUP_AUTO_INSTALL)" >> "$BENCH/calls"
[ "$1" = run ] && exit 1
if [ -e "$BENCH/offline" ]; then echo 'error: could not download' >&2; exit 1; fi
: > "$BENCH/libdir/libcore-1.rlib"
"#;
const CARGO: &str = r#"
echo "cargo $*" >> "$BENCH/calls"
out="$CARGO_TARGET_DIR/aarch64-unknown-none/release"
PATH=/usr/bin:/bin mkdir -p "$out"
: > "$out/levitate-kernel"
"#;

#[test]
fn the_toolchain_file_asks_for_nothing_that_must_be_fetched() {
    // Without a network rustup would fail before this tool can look for another way.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../rust-toolchain.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let settings: Vec<&str> = text.lines().filter(|line| line.contains('=')).collect();
    assert_eq!(settings, ["channel = \"stable\""]);
}

#[test]
fn a_target_is_added_by_rustup_and_the_toolchain_is_not_updated() {
    let bench = Bench::new(&[("rustc", RUSTC), ("rustup", RUSTUP), ("cargo", CARGO)]);
    let output = bench.xtask(&["build", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = String::from_utf8(output.stdout).unwrap();
    assert!(path.ends_with("bare-rustup/aarch64-unknown-none/release/levitate-kernel\n"));
    let calls = bench.calls();
    let add = "rustup target add aarch64-unknown-none (RUSTUP_AUTO_INSTALL=0)".to_owned();
    assert!(calls.contains(&add), "{calls:?}");
    assert!(
        calls
            .iter()
            .filter(|call| call.starts_with("rustup"))
            .all(|call| call.ends_with("(RUSTUP_AUTO_INSTALL=0)")),
        "{calls:?}"
    );
    let build = "cargo build --target aarch64-unknown-none --release --package levitate-kernel \
                 --features virtio-drivers";
    assert_eq!(calls.last().unwrap(), build);
}

#[test]
fn a_target_that_cannot_be_had_stops_the_build_with_the_command_that_helps() {
    let bench = Bench::new(&[("rustc", RUSTC), ("rustup", RUSTUP), ("cargo", CARGO)]);
    std::fs::write(bench.path("offline"), "").unwrap();
    let output = bench.xtask(&["build", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    let error = stderr.lines().last().unwrap();
    assert!(
        error.starts_with("error: a compiler for aarch64-unknown-none is missing"),
        "{stderr}"
    );
    assert!(error.contains("could not download"), "{stderr}");
    assert!(
        error.ends_with("to get it: rustup target add aarch64-unknown-none"),
        "{stderr}"
    );
    assert!(bench.calls().iter().all(|call| !call.starts_with("cargo")));
}

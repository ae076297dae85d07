//! What the system's packages have: installed, replaced, refused.

use crate::bench::{APT_CACHE, APT_GET, Bench, SUDO, stderr};

#[test]
fn qemu_is_installed_from_the_systems_packages() {
    let bench = Bench::new(&[
        ("apt-get", APT_GET),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let arguments = ["run", "--no-gpu", "--kernel", kernel.to_str().unwrap()];
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let install = "apt-get install -y --no-install-recommends --no-remove qemu-system-arm";
    assert_eq!(bench.calls(), ["apt-get update", install]);
    // What is there is not installed again.
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.calls().len(), 2);
}

#[test]
fn a_package_in_the_way_is_replaced_and_not_removed() {
    let apt_cache = r#"
if [ "$2" = qemu-utils ]; then
  printf 'qemu-utils:\n  Version table:\n *** 10.0 100\n        100 installed\n     7.2 500\n        500 offered\n'
else
  printf 'qemu-system-arm:\n  Candidate: 7.2\n'
fi
"#;
    let apt_get = r#"
echo "apt-get $*" >> "$BENCH/calls"
case "$*" in
  update) ;;
  *--simulate*) echo 'Remv qemu-utils [10.0]';;
  *qemu-utils=7.2) PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/qemu-system-aarch64";;
  *) echo 'E: Packages need to be removed but remove is disabled.' >&2; exit 100;;
esac
"#;
    let bench = Bench::new(&[
        ("apt-get", apt_get),
        ("apt-cache", apt_cache),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let output = bench.xtask(&["run", "--no-gpu", "--kernel", kernel.to_str().unwrap()]);
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("to be replaced: qemu-utils 10.0 by 7.2"),
        "{stderr}"
    );
    assert_eq!(
        bench.calls().last().unwrap(),
        "apt-get install -y --no-install-recommends --no-remove --allow-downgrades qemu-system-arm qemu-utils=7.2"
    );
}

#[test]
fn a_window_is_installed_where_there_is_a_screen_and_its_lack_ends_nothing() {
    const REFUSES: &str = r#"
echo "apt-get $*" >> "$BENCH/calls"
[ "$*" = update ] && exit
echo 'E: no such package' >&2; exit 100
"#;
    let qemu = "[ \"$1\" = --version ] && echo 'QEMU emulator version 9.9.9'\nexit 0\n";
    let programs = [
        ("qemu-system-aarch64", qemu),
        ("apt-get", REFUSES),
        ("sudo", SUDO),
    ];
    for (display, is_wanted) in [(":0", true), ("", false)] {
        let bench = Bench::new(&programs);
        let kernel = bench.path("kernel");
        let mut command = bench.command(&["run", "--kernel", kernel.to_str().unwrap()]);
        let output = command.env("DISPLAY", display).output().unwrap();
        let stderr = stderr(&output);
        // The machine boots all the same.
        assert!(
            stderr.contains("before the kernel said anything"),
            "{stderr}"
        );
        let calls = bench.calls();
        let is_installed = |call: &String| call.ends_with(" qemu-system-gui");
        assert_eq!(calls.iter().any(is_installed), is_wanted, "{calls:?}");
    }
}

#[test]
fn nothing_is_installed_against_the_users_will() {
    let bench = Bench::new(&[
        ("apt-get", APT_GET),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let arguments = ["run", "--no-install", "--kernel", kernel.to_str().unwrap()];
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.starts_with("error: QEMU for aarch64 is missing"),
        "{stderr}"
    );
    assert!(
        stderr.contains("install -y --no-install-recommends qemu-system-arm"),
        "{stderr}"
    );
    assert!(bench.calls().is_empty());
}

#[test]
fn a_package_system_that_fails_is_quoted() {
    let broken = "echo 'E: Unable to fetch some archives' >&2\nexit 100\n";
    let bench = Bench::new(&[
        ("apt-get", broken),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let output = bench.xtask(&["run", "--kernel", kernel.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains("Unable to fetch some archives"), "{stderr}");
    assert!(stderr.contains("to get it: "), "{stderr}");
}

//! The runner: it must be able to fail.

use super::*;
use crate::platform::Arch;

fn options() -> Options {
    Options {
        programs: vec![Programs {
            arch: Arch::Aarch64,
            kernel: "/nonexistent/kernel".into(),
            minimal_kernel: "/nonexistent/minimal-kernel".into(),
            qemu: "/nonexistent/qemu".into(),
        }],
        filter: None,
        list: false,
        keep: None,
        bless: false,
    }
}

fn passes(_: &Context) -> Result<()> {
    Ok(())
}

fn fails(_: &Context) -> Result<()> {
    bail!("broken")
}

fn is_skipped(_: &Context) -> Result<()> {
    Err(Skipped("nothing to run it with".to_owned()).into())
}

#[test]
fn cases_are_counted_by_how_they_end() {
    let case = |name, run| Case {
        name,
        run: Box::new(run),
    };
    let cases = vec![
        case("a", passes as fn(&Context) -> Result<()>),
        case("b", fails),
        case("c", passes),
        case("d", fails),
        case("e", fails),
        case("f", is_skipped),
    ];
    let dir = tempfile::tempdir().unwrap();
    let tally = run_all(&cases, |case| run_one(case, &options(), dir.path()));
    assert_eq!(
        tally,
        Tally {
            passed: 2,
            failed: 3,
            skipped: 1
        }
    );
}

#[test]
fn images_are_kept_of_what_fails_and_of_everything_on_demand() {
    let writes = |context: &Context, ok: bool| {
        for name in ["disk.img", "qemu.log"] {
            std::fs::write(context.dir.join(name), "").unwrap();
        }
        ensure!(ok, "broken");
        Ok(())
    };
    let dir = tempfile::tempdir().unwrap();
    let files = |name, ok, options: &Options| {
        let case = Case {
            name,
            run: Box::new(move |context| writes(context, ok)),
        };
        assert_eq!(run_one(&case, options, dir.path()).is_ok(), ok);
        let entries = std::fs::read_dir(dir.path().join(name)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(files("passes", true, &options()), ["qemu.log"]);
    let both = ["disk.img", "qemu.log"];
    assert_eq!(files("fails", false, &options()), both);
    let keeping = Options {
        keep: Some(dir.path().to_owned()),
        ..options()
    };
    assert_eq!(files("kept", true, &keeping), both);
}

#[test]
fn a_case_starts_in_an_empty_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/old.png"), "old").unwrap();
    let case = Case {
        name: "a",
        run: Box::new(|context| {
            ensure!(
                std::fs::read_dir(&context.dir)?.next().is_none(),
                "not empty"
            );
            Ok(())
        }),
    };
    run_one(&case, &options(), dir.path()).unwrap();
}

#[test]
fn a_failure_says_where_its_logs_are() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case {
        name: "a",
        run: Box::new(fails),
    };
    let error = run_one(&case, &options(), dir.path())
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("broken\n  logs: {}/a", dir.path().display()));
}

#[test]
fn names_are_unique_and_fit_a_file_name() {
    let cases = all();
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    for name in &names {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(name.bytes().all(fits), "{name}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn a_filter_that_fits_nothing_runs_nothing() {
    let mut options = options();
    options.filter = Some("no such case".to_owned());
    options.programs[0].kernel = std::env::current_exe().unwrap();
    assert_eq!(run(&options).unwrap(), Tally::default());
}

#[test]
fn a_missing_kernel_is_an_error() {
    let error = run(&options()).unwrap_err().to_string();
    assert_eq!(error, "there is no kernel at /nonexistent/kernel");
}

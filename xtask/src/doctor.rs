//! `cargo xtask doctor`: every prerequisite, found or missing, and how to get it.

use anyhow::Result;

use crate::setup::{Prerequisite, Setup};
use crate::toolchain::host::HostProbe;

/// Prints the list; returns 0 if everything that is needed is there, else 1.
pub(crate) fn run(setup: &Setup) -> Result<u8> {
    let probe = HostProbe::default();
    let mut complete = true;
    for what in Prerequisite::all() {
        match setup.look_for(what, &probe) {
            Ok(found) => println!("found    {}: {found}", what.name()),
            Err(why) => {
                let state = if what.is_optional() {
                    "optional"
                } else {
                    complete = false;
                    "missing "
                };
                println!("{state} {}: {why}", what.name());
                println!("         needed by: {}", what.needed_by());
                println!(
                    "         to get it: {}",
                    what.remedy(setup.global().toolchain)
                );
            }
        }
    }
    if complete {
        println!("everything that is needed is there");
    } else {
        println!("`cargo xtask run` and `cargo xtask test` install what they need themselves");
    }
    Ok(u8::from(!complete))
}

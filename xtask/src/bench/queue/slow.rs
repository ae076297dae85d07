//! Instructions that take long by themselves, which a count of instructions does not tell: [`Slow`].

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::program::{Program, succeed};

/// How long a disassembly may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Why one takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    /// It waits until all stores before it are seen by everybody: a barrier, or what is one besides.
    FullBarrier,
    /// It divides.
    Division,
}

impl Slow {
    /// Returns what an instruction is, as objdump writes it for x86-64 or aarch64.
    fn of(instruction: &str) -> Option<Self> {
        let mut words = instruction.split_whitespace();
        match (words.next()?, words.next()) {
            ("lock" | "mfence", _) | ("dmb", Some("ish" | "osh" | "sy")) | ("dsb", _) => {
                Some(Self::FullBarrier)
            }
            // With memory, it is locked without saying so.
            ("xchg", Some(operands)) if operands.contains('(') => Some(Self::FullBarrier),
            ("udiv" | "sdiv", _) => Some(Self::Division),
            (name, _) if name.starts_with("div") || name.starts_with("idiv") => {
                Some(Self::Division)
            }
            _ => None,
        }
    }

    /// Finds those of a program, by the address in its file.
    ///
    /// # Errors
    ///
    /// objdump, which comes with the linker, cannot be run, or prints something else.
    pub(super) fn find(program: &Program) -> Result<HashMap<u64, Self>> {
        let mut command = Command::new("objdump");
        command.args(["--disassemble", "--no-show-raw-insn"]);
        let text = succeed(command.arg(program.path()), DEADLINE)?;
        let all: HashMap<u64, Self> = text.lines().filter_map(parse).collect();
        let has = |slow| all.values().any(|one| *one == slow);
        // Every program of std's has both.
        ensure!(
            has(Self::FullBarrier) && has(Self::Division),
            "objdump shows no full barrier or no division in {}",
            program.path().display()
        );
        Ok(all)
    }
}

/// Returns where an instruction is and what, if that is a slow one.
fn parse(line: &str) -> Option<(u64, Slow)> {
    let (address, instruction) = line.split_once(":\t")?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    Some((address, Slow::of(instruction)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_instructions_are_known_by_their_names() {
        for (line, slow) in [
            (
                "   1d3f0:\tlock orl $0x0,-0x40(%rsp)",
                Some(Slow::FullBarrier),
            ),
            ("   1d3f0:\tmfence", Some(Slow::FullBarrier)),
            ("   1d3f0:\txchg   %eax,(%rbx)", Some(Slow::FullBarrier)),
            ("   1d3f0:\txchg   %ax,%ax", None),
            ("   1d3f0:\tdiv    %r12", Some(Slow::Division)),
            ("   1d3f0:\tidivl  0x8(%rsp)", Some(Slow::Division)),
            ("   1d3f0:\tdmb\tish", Some(Slow::FullBarrier)),
            ("   1d3f0:\tdmb\tishld", None),
            ("   1d3f0:\tudiv\tx0, x1, x2", Some(Slow::Division)),
            ("   1d3f0:\tmov    %eax,(%rbx)", None),
        ] {
            assert_eq!(parse(line), slow.map(|slow| (0x1d3f0, slow)), "{line}");
        }
        assert_eq!(parse("000000000001d3f0 <lock>:"), None);
    }
}

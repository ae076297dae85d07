//! A client of QEMU's qtest server: accesses to the machine's memory and registers that none of its CPUs makes ([`Qtest`]).
//!
//! It is how a test plays the part of something beside the kernel that is wrong, or of another kernel.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::deadline::Deadline;
use super::qmp::{connect, read};

/// How long QEMU may take for an access.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest answer that is accepted.
const ANSWER_LIMIT_BYTES: usize = 256;

/// A connection to the server.
pub(crate) struct Qtest(UnixStream);

impl Qtest {
    /// Connects to the socket at `path`, which QEMU may still be about to open.
    pub(super) fn connect(path: &Path, deadline: Duration) -> Result<Self> {
        connect(path, Deadline::after(deadline)).map(Self)
    }

    /// Reads the byte at a physical address.
    ///
    /// # Errors
    ///
    /// QEMU did not answer as it should, here and in all the other accesses.
    pub(crate) fn read_u8(&mut self, address: u64) -> Result<u8> {
        Ok(self.number(&format!("readb {address:#x}"))?.try_into()?)
    }

    /// Writes the byte at a physical address.
    pub(crate) fn write_u8(&mut self, address: u64, value: u8) -> Result<()> {
        self.done(&format!("writeb {address:#x} {value:#x}"))
    }

    /// Reads the four bytes at a physical address.
    pub(crate) fn read_u32(&mut self, address: u64) -> Result<u32> {
        Ok(self.number(&format!("readl {address:#x}"))?.try_into()?)
    }

    /// Writes the four bytes at a physical address.
    pub(crate) fn write_u32(&mut self, address: u64, value: u32) -> Result<()> {
        self.done(&format!("writel {address:#x} {value:#x}"))
    }

    /// Has QEMU do what has no result.
    fn done(&mut self, command: &str) -> Result<()> {
        let answer = self.execute(command)?;
        ensure!(answer == "OK", "qtest answered `{command}` by {answer:?}");
        Ok(())
    }

    /// Has QEMU do what has a number for its result.
    fn number(&mut self, command: &str) -> Result<u64> {
        let answer = self.execute(command)?;
        let digits = answer.strip_prefix("OK 0x");
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.with_context(|| format!("qtest answered `{command}` by {answer:?}"))
    }

    /// Sends a line; returns the line that answers it.
    fn execute(&mut self, command: &str) -> Result<String> {
        let deadline = Deadline::after(DEADLINE);
        self.0
            .write_all(format!("{command}\n").as_bytes())
            .with_context(|| format!("sending `{command}` to qtest"))?;
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            let mut chunk = [0; ANSWER_LIMIT_BYTES];
            let count = read(&mut self.0, &mut chunk, deadline, "qtest")
                .with_context(|| format!("waiting for the answer to `{command}`"))?;
            answer.extend_from_slice(&chunk[..count]);
            if answer.len() > ANSWER_LIMIT_BYTES {
                bail!("qtest answered `{command}` by more than {ANSWER_LIMIT_BYTES} bytes");
            }
        }
        let answer = String::from_utf8(answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    /// Has a server answer one access by `answer`; returns what it was asked, and what the client made of the answer.
    fn asked<T>(answer: &str, access: impl FnOnce(&mut Qtest) -> Result<T>) -> (String, Result<T>) {
        let (client, mut server) = UnixStream::pair().unwrap();
        server.write_all(answer.as_bytes()).unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        let result = access(&mut Qtest(client));
        let mut line = String::new();
        BufReader::new(server).read_line(&mut line).unwrap();
        (line, result)
    }

    #[test]
    fn accesses_are_lines() {
        let (line, read) = asked("OK 0x000000000000000f\n", |qtest| qtest.read_u8(0xa00_0070));
        assert_eq!((line.as_str(), read.unwrap()), ("readb 0xa000070\n", 15));
        let (line, written) = asked("OK\n", |qtest| qtest.write_u8(0xa00_0070, 0));
        assert_eq!(line, "writeb 0xa000070 0x0\n");
        written.unwrap();
        let (line, read) = asked("OK 0x00000000ffffffff\n", |qtest| qtest.read_u32(16));
        assert_eq!((line.as_str(), read.unwrap()), ("readl 0x10\n", u32::MAX));
        let (line, written) = asked("OK\n", |qtest| qtest.write_u32(16, 1));
        assert_eq!(line, "writel 0x10 0x1\n");
        written.unwrap();
    }

    #[test]
    fn anything_else_is_an_error() {
        for answer in [
            "FAIL Unknown command 'readb'\n",
            "OK\n",
            "OK 0x100\n",
            "OK 12\n",
            "",
        ] {
            let (_, read) = asked(answer, |qtest| qtest.read_u8(0));
            assert!(read.is_err(), "{answer:?}");
        }
        let (_, written) = asked("OK 0x0\n", |qtest| qtest.write_u8(0, 0));
        assert!(written.is_err());
    }
}

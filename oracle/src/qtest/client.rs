//! A QEMU without a guest: its process, and the qtest protocol (docs/devel/testing/qtest of QEMU)
//! over its standard input and output.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::base64;
use crate::failure::{At, Failure, Result, fail};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A QEMU that does what it is told line by line. It ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Qtest {
    child: Child,
    stream: UnixStream,
    errors: File,
    received: Vec<u8>,
    /// Lines that were not sent yet.
    pending: String,
    /// How many answers are still owed for lines before the next one that is read.
    owed: usize,
}

impl Qtest {
    /// Starts `program` with these arguments, and `errors` (open for reading too) for its messages.
    pub(crate) fn start(program: &Path, arguments: &[String], errors: File) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        ours.set_write_timeout(Some(PATIENCE))?;
        // The kernel kills it when the thread that starts it has gone.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["-machine", "q35,accel=qtest", "-m", "64", "-nodefaults"])
            .args(["-display", "none", "-qtest", "stdio", "-qtest-log", "none"])
            .args(arguments)
            .stdin(OwnedFd::from(theirs.try_clone()?))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::from(errors.try_clone()?))
            .spawn()
            .at("setpriv")?;
        Ok(Self {
            child,
            stream: ours,
            errors,
            received: Vec::new(),
            pending: String::new(),
            owed: 0,
        })
    }

    /// Port output of 32 bits.
    pub(crate) fn outl(&mut self, port: u16, value: u32) -> Result {
        self.tell(format_args!("outl {port:#x} {value:#x}"))
    }

    /// Port input of 32 bits.
    pub(crate) fn inl(&mut self, port: u16) -> Result<u32> {
        self.ask_number(format_args!("inl {port:#x}"))
    }

    /// Reads so many bits (8, 16 or 32) of the address space.
    pub(crate) fn read(&mut self, bits: u32, address: u64) -> Result<u32> {
        let letter = letter(bits);
        self.ask_number(format_args!("read{letter} {address:#x}"))
    }

    /// Writes so many bits (8, 16 or 32) of the address space.
    pub(crate) fn write(&mut self, bits: u32, address: u64, value: u32) -> Result {
        let letter = letter(bits);
        self.tell(format_args!("write{letter} {address:#x} {value:#x}"))
    }

    /// Reads memory. There must be one byte at least.
    pub(crate) fn read_bytes(&mut self, address: u64, count: usize) -> Result<Vec<u8>> {
        let text = self.ask(format_args!("b64read {address:#x} {count:#x}"))?;
        let bytes = base64::decode(&text).filter(|bytes| bytes.len() == count);
        bytes.ok_or_else(|| Failure::new("qtest: memory that is not base64"))
    }

    /// Writes memory. There must be one byte at least.
    pub(crate) fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result {
        let mut text = format!("b64write {address:#x} {:#x} ", bytes.len());
        base64::encode(bytes, &mut text);
        self.tell(format_args!("{text}"))
    }

    /// Notes a line whose answer says nothing; it goes out with the next question.
    fn tell(&mut self, line: std::fmt::Arguments<'_>) -> Result {
        writeln!(self.pending, "{line}").at("qtest")?;
        self.owed += 1;
        Ok(())
    }

    fn ask_number(&mut self, line: std::fmt::Arguments<'_>) -> Result<u32> {
        let text = self.ask(line)?;
        let digits = text.trim_start_matches("0x");
        let number = u64::from_str_radix(digits, 16).at(format_args!("qtest: {text}"))?;
        Ok(number as u32)
    }

    /// Sends what is pending and this line in one go, and gives what its answer says behind `OK`.
    fn ask(&mut self, line: std::fmt::Arguments<'_>) -> Result<String> {
        self.tell(line)?;
        let lines = std::mem::take(&mut self.pending);
        if let Err(error) = self.stream.write_all(lines.as_bytes()) {
            return fail(self.why(&error.to_string()));
        }
        loop {
            let answer = self.line()?;
            self.owed -= 1;
            let Some(rest) = answer.strip_prefix("OK") else {
                return fail(self.why(&answer));
            };
            if self.owed == 0 {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    /// The next line that is an answer.
    fn line(&mut self) -> Result<String> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.received[searched..].iter().position(|&b| b == b'\n') {
                let rest = self.received.split_off(searched + end + 1);
                let line = std::mem::replace(&mut self.received, rest);
                return String::from_utf8(line)
                    .map(|line| line.trim_end().to_owned())
                    .at("qtest");
            }
            searched = self.received.len();
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return fail(self.why("it has ended")),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) => return fail(self.why(&error.to_string())),
            }
        }
    }

    /// What went wrong, with what QEMU said of it.
    fn why(&mut self, what: &str) -> String {
        use std::io::{Seek, SeekFrom};
        // What has ended has said all.
        std::thread::sleep(Duration::from_millis(50));
        let mut said = String::new();
        let _ = self.errors.seek(SeekFrom::Start(0));
        let _ = self.errors.read_to_string(&mut said);
        format!("QEMU: {what}; {}", said.trim())
    }
}

impl Drop for Qtest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn letter(bits: u32) -> char {
    match bits {
        8 => 'b',
        16 => 'w',
        _ => 'l',
    }
}

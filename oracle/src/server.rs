//! virtfs as its users run it: `virtfs serve` with one connection over standard input and output.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use virtfs_proto::{HEADER_LEN, Header};

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::peer::{Answer, Peer};

const PATIENCE: Duration = Duration::from_secs(120);

/// A server of one directory. It ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Virtfs {
    program: PathBuf,
    model: Model,
    share: PathBuf,
    log: PathBuf,
    running: Running,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stream: UnixStream,
}

impl Virtfs {
    /// Starts `program` on `share`; its messages go to `log`.
    pub(crate) fn start(program: &Path, model: Model, share: &Path, log: &Path) -> Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            model,
            share: share.to_owned(),
            log: log.to_owned(),
            running: run(program, model, share, log)?,
        })
    }

    fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let stream = &mut self.running.stream;
        let mut frame = vec![0; HEADER_LEN];
        stream.read_exact(&mut frame)?;
        let header = Header::decode(&frame).map_err(std::io::Error::other)?;
        frame.resize(header.size as usize, 0);
        stream.read_exact(&mut frame[HEADER_LEN..])?;
        Ok(frame)
    }
}

fn run(program: &Path, model: Model, share: &Path, log: &Path) -> Result<Running> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let log = File::options().append(true).create(true).open(log)?;
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .args(["serve", "--listen", "stdio", "--log-level", "error"])
        // What QEMU's device grants at most.
        .args(["--msize", "4186112"])
        // QEMU runs as root here, with all that root can.
        .args(["--modcaps", "+dac_override:+fowner"])
        .args(["--security-model", model.name(), "--shared-dir"])
        .arg(share)
        .stdin(OwnedFd::from(theirs.try_clone()?))
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::from(log))
        .spawn()
        .at("setpriv")?;
    Ok(Running {
        child,
        stream: ours,
    })
}

impl Peer for Virtfs {
    fn call(&mut self, frame: &[u8]) -> Result<Answer> {
        let sent = self.running.stream.write_all(frame);
        match sent.and_then(|()| self.receive()) {
            Ok(frame) => Ok(Answer::Frame(frame)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                Ok(Answer::Broken)
            }
            Err(error) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                fail(format!("virtfs: {error}; {}", log.trim()))
            }
        }
    }

    fn negotiated(&mut self, _msize: u32) {}

    fn renew(&mut self) -> Result {
        self.running = run(&self.program, self.model, &self.share, &self.log)?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

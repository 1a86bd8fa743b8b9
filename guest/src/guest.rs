//! A guest: which kernel, which server, how long; and one run of it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::{self, last_lines};
use crate::prepared;
use crate::run_dir::RunDir;
use crate::{Item, Mount, Output, Server};

/// How often a guest is booted whose kernel stands still.
const BOOTS: u32 = 3;

/// A kernel that says nothing for so long stands still: its init says that it is alive every five
/// seconds. A busy machine must not look like one.
const SILENCE: Duration = Duration::from_secs(120);

/// The time for telling where it stands.
const REPORT: Duration = Duration::from_secs(30);

/// What a guest in emulation is given of the prepared data.
const TCG_DATA: [&str; 2] = ["small.tar", "small.sums"];

#[derive(Debug, Clone)]
enum Machine {
    /// User-Mode Linux on the host's own tree.
    Uml { kernel: PathBuf },
    /// Debian's kernel in QEMU without KVM, with a busybox initramfs.
    Tcg { kernel: PathBuf, initrd: PathBuf },
    /// None: the host and its own file system.
    Local,
}

/// A guest ready to boot.
#[derive(Debug, Clone)]
pub struct Guest {
    machine: Machine,
    server: Server,
    data: PathBuf,
    helpers: PathBuf,
    limit: Duration,
    memory: String,
    label: String,
}

impl Guest {
    /// A User-Mode Linux guest: native speed, the host's programs, and the host in sight.
    /// `NotFound` if nothing is prepared.
    pub fn uml(server: Server) -> io::Result<Self> {
        let kernel = prepared::find("VIRTFS_GUEST_UML", "uml/current/linux")?;
        Self::new(Machine::Uml { kernel }, server, "uml", "1024M")
    }

    /// A guest in QEMU's emulation with Debian's own kernel: slow, busybox only, `on_host` absent.
    /// `NotFound` if nothing is prepared.
    pub fn tcg(server: Server) -> io::Result<Self> {
        let folder = prepared::find("VIRTFS_GUEST_TCG", "tcg/current")?;
        let (kernel, initrd) = (folder.join("vmlinuz"), folder.join("initrd"));
        Self::new(Machine::Tcg { kernel, initrd }, server, "tcg", "512M")
    }

    /// No guest: the items run on the host's own file system, which proves the items themselves.
    pub fn local() -> io::Result<Self> {
        let server = Server {
            command: "sleep infinity".to_owned(),
            mount_options: String::new(),
            ends_cleanly: false,
        };
        Self::new(Machine::Local, server, "local", "")
    }

    fn new(machine: Machine, server: Server, label: &str, memory: &str) -> io::Result<Self> {
        Ok(Self {
            machine,
            server,
            data: prepared::find("VIRTFS_GUEST_DATA", "data/current")?,
            helpers: prepared::find("VIRTFS_GUEST_HELPERS", "helpers/current")?,
            limit: Duration::from_secs(600),
            memory: memory.to_owned(),
            label: label.to_owned(),
        })
    }

    /// The time after which everything is killed, boot included (ten minutes if not set).
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What stands before the result lines on standard output.
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// Starts a server on an empty folder, boots, runs the items one after the other, each on a
    /// fresh mount, and stops everything. Prints a line for each item as it ends. A failed item is
    /// no error: see [`Output::complaint`].
    ///
    /// No answer that a server owes keeps a kernel from running its other programs. One that does
    /// not even run a program that only sleeps and prints stands still by itself: where is
    /// printed, and what has no result yet runs again in a new guest, three boots in all.
    pub fn run(&self, items: &[Item], mount: &Mount) -> io::Result<Output> {
        let mut output = self.boot(items, mount)?;
        for _ in 1..BOOTS {
            if !output.stood_still {
                break;
            }
            let tail = last_lines(&output.console, 150);
            println!(
                "{:10} THE KERNEL STOOD STILL: booted again\n{tail}",
                self.label
            );
            let rest = items.iter().filter(|item| !output.has(item.name()));
            let rest: Vec<_> = rest.cloned().collect();
            let again = self.boot(&rest, mount)?;
            output.continue_with(again);
        }
        Ok(output)
    }

    fn boot(&self, items: &[Item], mount: &Mount) -> io::Result<Output> {
        let run = RunDir::new(items, mount, &self.server, &self.data, &self.helpers)?;
        if matches!(self.machine, Machine::Tcg { .. }) {
            run.copy_in(&self.data, &TCG_DATA)?;
        }
        let mut output = Output {
            wanted: items.iter().map(|item| item.name().to_owned()).collect(),
            must_end_cleanly: self.server.ends_cleanly,
            ..Output::default()
        };
        let mut child = Killed(self.launcher(&run).spawn()?);
        self.follow(&mut child.0, &run, &mut output)?;
        drop(child);
        output.server_log = run.server_log();
        Ok(output)
    }

    /// Reads the console to its end, to the end of the time, or until the kernel stands still.
    fn follow(&self, child: &mut Child, run: &RunDir, output: &mut Output) -> io::Result<()> {
        let mut end = Instant::now() + self.limit;
        let mut alive = None;
        let Some(stdout) = child.stdout.take() else {
            return Ok(());
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        loop {
            let next = alive.map_or(end, |alive: Instant| end.min(alive + SILENCE));
            match lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(line) if output::is_alive(&line) => {
                    if !output.stood_still {
                        alive = Some(Instant::now());
                    }
                }
                Ok(line) => {
                    if let Some(item) = output.take_line(&line) {
                        let how = if item.failure.is_none() {
                            "ok  "
                        } else {
                            "FAIL"
                        };
                        println!(
                            "{:10} {how} {} {:.1} s",
                            self.label, item.name, item.seconds
                        );
                    }
                }
                Err(RecvTimeoutError::Timeout) if alive.is_some() && Instant::now() < end => {
                    output.stood_still = true;
                    alive = None;
                    run.ask_for_report()?;
                    end = Instant::now() + REPORT;
                }
                Err(RecvTimeoutError::Timeout) => {
                    output.timed_out = !output.stood_still;
                    return Ok(());
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// The launcher is the first process of its own namespaces and is killed when we end, however
    /// we end; with it goes everything that it started.
    fn launcher(&self, run: &RunDir) -> Command {
        let (kind, kernel, initrd) = match &self.machine {
            Machine::Uml { kernel } => ("uml", kernel.as_path(), Path::new("")),
            Machine::Tcg { kernel, initrd } => ("tcg", kernel.as_path(), initrd.as_path()),
            Machine::Local => ("local", Path::new(""), Path::new("")),
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("host/launch.sh");
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount-proc",
                "--pid",
                "--fork",
            ])
            .args(["--kill-child=KILL", "bash"])
            .arg(script)
            .env("KIND", kind)
            .env("RUN", run.path())
            .env("SHARE", run.share())
            .env("DATA", &self.data)
            .env("BIN", &self.helpers)
            .env("SERVER_COMMAND", &self.server.command)
            .env("KERNEL", kernel)
            .env("INITRD", initrd)
            .env("MEMORY", &self.memory)
            .env("LIMIT", self.limit.as_secs().max(10).to_string())
            .env("TURN", turn().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

/// A number that differs between guests that run at once, to spread them over the CPUs.
fn turn() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    process::id().wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Kills the process when dropped, and waits for it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! A guest: which kernel, which server, how long; and one run of it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::output::{self, last_lines};
use crate::prepared;
use crate::run_dir::{Place, RunDir};
use crate::{Bus, Item, Mount, Output, Root, Server, Transport};

/// How often a guest is booted whose kernel stands still.
const BOOTS: u32 = 3;

/// A kernel that says nothing for so long stands still: its init says that it is alive every five
/// seconds. A busy machine must not look like one.
const SILENCE: Duration = Duration::from_secs(120);

/// The time for telling where it stands.
const REPORT: Duration = Duration::from_secs(30);

/// What a guest that cannot see the host is given of the prepared data.
const COPIED_DATA: [&str; 2] = ["small.tar", "small.sums"];

/// A guest ready to boot.
#[derive(Debug, Clone)]
pub struct Guest {
    machine: Machine,
    transport: Transport,
    root: Root,
    peer: bool,
    may_reboot: bool,
    share: Option<PathBuf>,
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

    /// A guest in the emulation of QEMU 11 with Debian's own kernel, which reaches the server over
    /// virtio on this bus. `NotFound` if nothing is prepared.
    pub fn qemu(server: Server, bus: Bus) -> io::Result<Self> {
        let program = prepared::find("VIRTFS_GUEST_QEMU", "qemu11/current")?.join("qemu");
        let folder = prepared::find("VIRTFS_GUEST_TCG", "tcg/current")?;
        let (kernel, initrd) = (folder.join("vmlinuz"), folder.join("initrd"));
        let machine = Machine::Qemu {
            program,
            kernel,
            initrd,
            bus,
        };
        Ok(Self::new(machine, server, "qemu", "512M")?.transport(Transport::Virtio))
    }

    /// No guest: the items run on the host's own file system, which proves the items themselves.
    pub fn local() -> io::Result<Self> {
        Self::new(Machine::Local, Server::none(), "local", "")
    }

    fn new(machine: Machine, server: Server, label: &str, memory: &str) -> io::Result<Self> {
        Ok(Self {
            machine,
            transport: Transport::Tcp,
            root: Root::Native,
            peer: false,
            may_reboot: false,
            share: None,
            server,
            data: prepared::find("VIRTFS_GUEST_DATA", "data/current")?,
            helpers: prepared::find("VIRTFS_GUEST_HELPERS", "helpers/current")?,
            limit: Duration::from_secs(600),
            memory: memory.to_owned(),
            label: label.to_owned(),
        })
    }

    /// How the guest reaches the server (TCP if not set, virtio for [`Guest::qemu`]).
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// What the guest has as its root; all but [`Root::Native`] take virtio.
    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.root = root;
        if root == Root::Host {
            "1024M".clone_into(&mut self.memory);
        }
        self
    }

    /// What is shared, and outlives the run (an empty folder that does not, if not set). Every user must be
    /// able to get there, and the one of the server's model is made its owner.
    #[must_use]
    pub fn share(mut self, folder: &Path) -> Self {
        self.share = Some(folder.to_owned());
        self
    }

    /// Lets the items boot a second guest of the same kind on the same export (`boot_peer`, `on_peer`).
    #[must_use]
    pub fn with_peer(mut self) -> Self {
        self.peer = true;
        self
    }

    /// Lets an emulated guest boot again; else a reset or a panic ends it.
    #[must_use]
    pub fn may_reboot(mut self) -> Self {
        self.may_reboot = true;
        self
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
        let run = RunDir::new(
            items,
            mount,
            &Place {
                server: &self.server,
                transport: self.transport,
                data: &self.data,
                helpers: &self.helpers,
                slower: self.machine.slower(),
                share: self.share.as_deref(),
            },
        )?;
        if self.machine.is_blind(self.root) {
            run.copy_in(&self.data, &COPIED_DATA)?;
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
        let root = match self.root {
            Root::Native => "",
            Root::Host => "host",
            Root::Own => "own",
        };
        let user = self.server.model.user();
        let user = user.map(|user| user.to_string()).unwrap_or_default();
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
            .env("TRANSPORT", self.transport.name())
            .env("ROOT", root)
            .env("PEER", if self.peer { "1" } else { "" })
            .env("NO_REBOOT", if self.may_reboot { "" } else { "1" })
            .env("RUN", run.path())
            .env("SHARE", run.share())
            .env("DATA", &self.data)
            .env("BIN", &self.helpers)
            .env("SERVER_COMMAND", self.server.command(self.transport))
            .env("VIRTFS", &self.server.program)
            .env("MODEL", self.server.model.name())
            .env("SERVER_USER", user)
            .env("SLOWER", self.machine.slower().to_string())
            .env("MEMORY", &self.memory)
            .env("LIMIT", self.limit.as_secs().max(10).to_string())
            .env("TURN", turn().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        self.machine.describe(&mut command);
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

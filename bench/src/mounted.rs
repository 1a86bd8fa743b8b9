//! Through `virtfs mount`, beside the same system calls on the folder that is served.
//!
//! There is no rival to measure here: the kernel of the machine that this is for has no 9p.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::files::{DIRECT, Files, WORKS};
use crate::report::{self, Row, Sample};
use crate::server::{Server, cpu_of};
use crate::workload::Tree;
use crate::{ROUNDS, TURN};

/// Options of `mount -o`, with a name.
const MANNERS: [(&str, &str); 2] = [
    ("default", "rw"),
    ("cached", "attr_timeout=1,entry_timeout=1"),
];

pub(crate) fn measure(
    binary: &Path,
    more: Option<&str>,
    tree: &Tree,
    server: &Server,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    for (name, work) in WORKS.iter().filter(|(name, _)| wanted(name)) {
        for (manner, options) in MANNERS {
            let options = match more {
                Some(more) => format!("{options},{more}"),
                None => options.to_owned(),
            };
            let mount = Mount::start(binary, server.socket(), &options)?;
            let mut through = Files::new(mount.path(), "served")?;
            let mut direct = Files::new(tree.path(), DIRECT)?;
            // The first turn fills caches and counts for nothing.
            through.run(*work)?;
            direct.run(*work)?;
            let mut samples = Vec::new();
            for _ in 0..ROUNDS {
                let cpu = [server.cpu()?, mount.cpu()?];
                let (served, count) = speed(|| through.run(*work))?;
                // The time of a thread that ended is gone.
                let [cpu, own] = [
                    server.cpu()?.saturating_sub(cpu[0]),
                    mount.cpu()?.saturating_sub(cpu[1]),
                ];
                tree.clear_created()?;
                let (direct, _) = speed(|| direct.run(*work))?;
                tree.clear_created()?;
                samples.push(Sample {
                    served,
                    direct,
                    cpu: cpu.as_secs_f64() * 1e6 / count as f64,
                    client_cpu: own.as_secs_f64() * 1e6 / count as f64,
                });
            }
            drop(through);
            report::row(&Row::of(name, manner, 0, &samples));
        }
    }
    Ok(())
}

/// How much is done in a second, and how much was done.
pub(crate) fn speed(
    mut work: impl FnMut() -> Result<usize, Box<dyn Error>>,
) -> Result<(f64, usize), Box<dyn Error>> {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        done += work()?;
    }
    Ok((done as f64 / began.elapsed().as_secs_f64(), done))
}

/// A running `virtfs mount`.
struct Mount {
    child: Child,
    point: tempfile::TempDir,
}

impl Mount {
    fn start(binary: &Path, socket: &Path, options: &str) -> Result<Self, Box<dyn Error>> {
        let point = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .arg("mount")
            .args(["-o", options])
            .arg(format!("unix:{}", socket.display()))
            .arg(point.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mount = Self { child, point };
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line)? == 0 {
            return Err("virtfs mount does not come up".into());
        }
        Ok(mount)
    }

    fn path(&self) -> &Path {
        self.point.path()
    }

    fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        cpu_of(self.child.id())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Unmounts, and ends the process; there is nothing to be done if it does not.
        let _ = rustix::mount::unmount(self.point.path(), rustix::mount::UnmountFlags::DETACH);
        let _ = self.child.wait();
    }
}

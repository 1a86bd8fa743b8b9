//! `virtfs put` and `virtfs get`: a tree of 10,000 files and a file of 4 GiB that is mostly holes go
//! to the server and come back the same.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{At, Result};
use crate::model::Model;
use crate::place::{Server, new_share};
use crate::rng::Rng;
use crate::running::Running;
use crate::tree::{Compared, Snapshot, make, same_as, snapshot};
use crate::{Run, Where};

const FILES: u64 = 10_000;
const SPARSE: u64 = 4 << 30;
const LIMIT: Duration = Duration::from_secs(900);

/// Each goes there and back, and what arrives is compared with what was sent, three ways.
pub(crate) fn run(run: &Run) -> Result {
    let share = new_share(&run.dir, "share")?;
    let copier = match run.place {
        Where::Host => Copier::Host(share.clone()),
        Where::Mount => {
            let socket = run.dir.join("copies.sock");
            let server = Server::start(&run.virtfs, Model::Passthrough, &share, &socket)?;
            Copier::Virtfs(run, server)
        }
    };
    for (name, make) in [("tree", tree as Make), ("sparse", sparse)] {
        let (source, back) = (run.dir.join(name), run.dir.join("back"));
        fs::create_dir(&back).at(back.display())?;
        make(&source, run.seed)?;
        settle(&run.dir)?;
        let sent = snapshot(&source)?;
        let began = Instant::now();
        copier.put(&source)?;
        let put = began.elapsed().as_secs_f64();
        let there = share.join(name);
        settle(&there)?;
        let arrived = compare(&sent, &there, "put")?;
        let began = Instant::now();
        copier.get(name, &back)?;
        let get = began.elapsed().as_secs_f64();
        settle(&back)?;
        compare(&sent, &back.join(name), "get")?;
        println!("copies: {name}: {arrived}; put {put:.1} s, get {get:.1} s");
        fs::remove_dir_all(&back).at(back.display())?;
    }
    match copier {
        Copier::Host(_) => Ok(()),
        Copier::Virtfs(_, server) => server.end(),
    }
}

type Make = fn(&Path, u64) -> Result;

fn tree(path: &Path, seed: u64) -> Result {
    make(path, FILES, seed)
}

/// Data at the start, on both sides of what 32 bits hold, and here and there; the end is a hole, and
/// no whole block.
fn sparse(path: &Path, seed: u64) -> Result {
    let file = File::create_new(path).at(path.display())?;
    file.set_len(SPARSE + 12_345)?;
    let mut rng = Rng::new(seed);
    let mut places = vec![0, (1 << 31) - 4096, SPARSE - 2048, SPARSE + 12_000];
    places.extend((0..8).map(|_| rng.below(SPARSE - (2 << 20))));
    for place in places {
        let most = (SPARSE + 12_288 - place).min(1 << 20);
        let length = 1 + rng.below(most) as usize;
        file.write_all_at(&rng.bytes(length), place)?;
    }
    Ok(())
}

enum Copier<'a> {
    Virtfs(&'a Run, Server),
    /// cp, which is known to be right, into this folder.
    Host(std::path::PathBuf),
}

impl Copier<'_> {
    fn put(&self, source: &Path) -> Result {
        match self {
            Self::Virtfs(run, server) => {
                let mut put = Command::new(&run.virtfs);
                put.args(["put", "-r", "-q", &server.address()]);
                Running::run(put.arg(source).arg("/"), LIMIT).map(drop)
            }
            Self::Host(share) => copy(source, share),
        }
    }

    fn get(&self, name: &str, back: &Path) -> Result {
        match self {
            Self::Virtfs(run, server) => {
                let mut get = Command::new(&run.virtfs);
                get.args(["get", "-r", "-q", &server.address(), name]);
                Running::run(get.arg(back), LIMIT).map(drop)
            }
            Self::Host(share) => copy(&share.join(name), back),
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--sparse=always"]).arg(from).arg(to);
    Running::run(&mut cp, LIMIT).map(drop)
}

fn compare(sent: &Snapshot, arrived: &Path, step: &str) -> Result<String> {
    let blocks = |snapshot: &Snapshot| snapshot.values().map(|entry| entry.blocks).sum::<u64>();
    let found = same_as(sent, arrived, Compared::Copy).at(step)?;
    Ok(format!(
        "{} entries, {} MiB of blocks, copy {} MiB",
        found.len(),
        blocks(sent) >> 11,
        blocks(&found) >> 11
    ))
}

/// Blocks are counted when they are given, which may be when they are written back.
fn settle(path: &Path) -> Result {
    let file = File::open(path).at(path.display())?;
    rustix::fs::syncfs(file).at("syncfs")
}

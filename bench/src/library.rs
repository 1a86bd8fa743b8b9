//! Through the client library, by one thread, beside the same work by plain system calls.

use std::error::Error;
use std::fs::{self, File as Plain};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use virtfs_client::{Address, Attach, Client, Fid, File, LopenFlags, Options};

use crate::ROUNDS;
use crate::files::Buffer;
use crate::mounted::speed;
use crate::report::{self, Row, Sample};
use crate::server::{Server, cpu_of};
use crate::workload::{LONG, LONG_SIZE, MADE, SMALL_FILES, Tree, small};

/// One kind of work.
#[derive(Clone, Copy)]
enum Work {
    GetAttr,
    Read,
    Put,
    Get,
}

const WORKS: [(&str, Work); 4] = [
    ("getattr", Work::GetAttr),
    ("read-1m MiB", Work::Read),
    ("put-4k", Work::Put),
    ("get", Work::Get),
];

const SMALL: usize = 4096;

pub(crate) fn measure(
    tree: &Tree,
    server: &Server,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(
        &Address::Unix(server.socket().to_owned()),
        &Options::default(),
    )?;
    let root = client.attach(&Attach::default())?;
    let mut through = Through {
        file: root.walk(&[LONG])?.into_open(LopenFlags::RDONLY)?,
        made: root.walk(&[MADE])?,
        root,
        buffer: Buffer::new(),
        count: 0,
    };
    let mut direct = Direct {
        file: Plain::open(tree.join(LONG))?,
        root: tree.path().to_owned(),
        buffer: Buffer::new(),
        count: 0,
    };
    for (name, work) in WORKS.iter().filter(|(name, _)| wanted(name)) {
        let mut samples = Vec::new();
        for _ in 0..ROUNDS {
            tree.clear_created()?;
            let cpu = [server.cpu()?, cpu_of(std::process::id())?];
            let (served, count) = speed(|| through.run(*work))?;
            let now = [server.cpu()?, cpu_of(std::process::id())?];
            tree.clear_created()?;
            let (direct, _) = speed(|| direct.run(*work))?;
            let each =
                |at: usize| now[at].saturating_sub(cpu[at]).as_secs_f64() * 1e6 / count as f64;
            samples.push(Sample {
                served,
                direct,
                cpu: each(0),
                client_cpu: each(1),
            });
        }
        report::row(&Row::of(name, "library", 0, &samples));
    }
    Ok(())
}

struct Through {
    root: Fid,
    made: Fid,
    file: File,
    buffer: Box<Buffer>,
    count: usize,
}

impl Through {
    fn run(&mut self, work: Work) -> Result<usize, Box<dyn Error>> {
        match work {
            Work::GetAttr => {
                for _ in 0..64 {
                    self.file.attributes()?;
                }
                Ok(64)
            }
            Work::Read => {
                let mut offset = 0;
                while offset < LONG_SIZE {
                    offset += self.file.read_at(&mut self.buffer.0, offset)? as u64;
                }
                Ok((LONG_SIZE >> 20) as usize)
            }
            Work::Put => {
                for _ in 0..SMALL_FILES {
                    self.count += 1;
                    let flags = LopenFlags::WRONLY | LopenFlags::EXCL;
                    let name = format!("served-{}", self.count);
                    let file = self.made.create(name.as_bytes(), flags, 0o644, 0)?;
                    file.write_all_at(&self.buffer.0[..SMALL], 0)?;
                }
                Ok(SMALL_FILES)
            }
            Work::Get => {
                for number in 0..SMALL_FILES {
                    let fid = self.root.walk(&[small(number)])?;
                    let file = fid.into_open(LopenFlags::RDONLY)?;
                    file.read_at(&mut self.buffer.0[..SMALL], 0)?;
                }
                Ok(SMALL_FILES)
            }
        }
    }
}

struct Direct {
    root: PathBuf,
    file: Plain,
    buffer: Box<Buffer>,
    count: usize,
}

impl Direct {
    fn run(&mut self, work: Work) -> Result<usize, Box<dyn Error>> {
        match work {
            Work::GetAttr => {
                for _ in 0..64 {
                    self.file.metadata()?;
                }
                Ok(64)
            }
            Work::Read => {
                let mut offset = 0;
                while offset < LONG_SIZE {
                    offset += self.file.read_at(&mut self.buffer.0, offset)? as u64;
                }
                Ok((LONG_SIZE >> 20) as usize)
            }
            Work::Put => {
                for _ in 0..SMALL_FILES {
                    self.count += 1;
                    let name = format!("{MADE}/direct-{}", self.count);
                    fs::write(self.root.join(name), &self.buffer.0[..SMALL])?;
                }
                Ok(SMALL_FILES)
            }
            Work::Get => {
                for number in 0..SMALL_FILES {
                    let file = Plain::open(self.root.join(small(number)))?;
                    file.read_at(&mut self.buffer.0[..SMALL], 0)?;
                }
                Ok(SMALL_FILES)
            }
        }
    }
}

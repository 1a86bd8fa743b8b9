//! diod, another 9P2000.L server with clients of its own: our commands read from it, and its
//! commands from our server.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{At, Result, fail};
use crate::place::new_share;
use crate::running::Running;
use crate::tree::{Compared, make, same_as, snapshot};
use crate::{Run, Where};

const STEP: Duration = Duration::from_secs(60);
/// A process that is dying is dead after so long.
const DYING: Duration = Duration::from_secs(2);
const END: Duration = Duration::from_secs(30);

/// Both directions.
pub(crate) fn run(run: &Run) -> Result {
    if run.place == Where::Host {
        println!("interop: nothing of it concerns the host's file system");
        return Ok(());
    }
    let share = new_share(&run.dir, "share")?;
    make(&share.join("tree"), 300, run.seed)?;
    fs::write(share.join("text"), TEXT)?;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(share.join("big"), big)?;
    from_diod(run, &share).at("our commands, diod's server")?;
    from_us(run, &share).at("diod's commands, our server")
}

const TEXT: &str = "read by one program, served by another\n";

fn from_diod(run: &Run, share: &Path) -> Result {
    let virtfs = |port: u16, command: &str, rest: &[&str]| {
        let mut program = Command::new(&run.virtfs);
        program
            .args([command, "--aname", &share.to_string_lossy()])
            .arg(format!("tcp:127.0.0.1:{port}"))
            .args(rest);
        program
    };
    let listed = with_diod(share, |port| text(&mut virtfs(port, "ls", &[])))?;
    equal("ls", &listed, "big\ntext\ntree")?;
    let shown = with_diod(share, |port| text(&mut virtfs(port, "cat", &["text"])))?;
    equal("cat", &shown, TEXT.trim_end())?;
    let tree = share.join("tree");
    let sent = snapshot(&tree)?;
    let back = run.dir.join("back");
    fs::create_dir(&back).at(back.display())?;
    for name in ["big", "text"] {
        with_diod(share, |port| {
            Running::run(virtfs(port, "get", &["-q", name]).arg(&back), STEP)
        })?;
        equal_files(&share.join(name), &back.join(name))?;
    }
    with_diod(share, |port| {
        Running::run(virtfs(port, "get", &["-r", "-q", "tree"]).arg(&back), STEP)
    })?;
    same_as(&sent, &back.join("tree"), Compared::Copy)?;
    println!(
        "interop: ls, cat and get of {} entries from diod",
        sent.len()
    );
    Ok(())
}

/// Does something with a diod of its own. diod 1.0.24 dies now and then (SIGSEGV, SIGPIPE) when a
/// client hangs up, be it only the one that looks whether it listens: then again with another.
fn with_diod<T>(share: &Path, work: impl Fn(u16) -> Result<T>) -> Result<T> {
    let mut deaths = 0;
    loop {
        let port = free_port()?;
        let mut diod = Command::new("/usr/sbin/diod");
        diod.args(["-f", "-n", "-N", "-c", "/dev/null", "-L", "stderr"])
            .args(["-l", &format!("127.0.0.1:{port}")])
            .arg("-e")
            .arg(share);
        let mut diod = Running::start(&mut diod)?;
        let done = listens(&mut diod, port).and_then(|()| work(port));
        if done.is_ok() {
            return done;
        }
        match diod.wait(DYING)? {
            Some(status) if status.signal().is_some() && deaths < 5 => {
                deaths += 1;
                println!("interop: diod ended by itself ({status}): once more");
            }
            _ => return done,
        }
    }
}

fn from_us(run: &Run, share: &Path) -> Result {
    let port = free_port()?;
    let mut serve = Command::new(&run.virtfs);
    serve
        .args(["serve", "--security-model", "passthrough", "--shared-dir"])
        .arg(share)
        .args(["--listen", &format!("tcp:127.0.0.1:{port}")]);
    let mut server = Running::start(&mut serve)?;
    listens(&mut server, port)?;

    let client = |program: &str, rest: &[&str]| {
        let mut command = Command::new(PathBuf::from("/usr/sbin").join(program));
        command
            .args(["-s", &format!("127.0.0.1:{port}"), "-a", ""])
            .args(rest);
        command
    };
    let listed = text(&mut client("diodls", &["/"]))?;
    let mut names: Vec<_> = listed.split_whitespace().collect();
    names.sort_unstable();
    names.retain(|name| !matches!(*name, "." | ".."));
    equal("diodls", &names.join(" "), "big text tree")?;
    equal(
        "diodcat",
        &text(&mut client("diodcat", &["text"]))?,
        TEXT.trim_end(),
    )?;
    let copy = run.dir.join("copy");
    let file = fs::File::create(&copy)?;
    let status = client("diodcat", &["big"])
        .stdout(file)
        .status()
        .at("diodcat")?;
    if !status.success() {
        return fail(format!("diodcat: {status}"));
    }
    equal_files(&share.join("big"), &copy)?;
    println!("interop: diodls and diodcat of our server");
    server.end(END)
}

/// What a command prints, without the last line's end.
fn text(command: &mut Command) -> Result<String> {
    Running::run(command, STEP)
}

fn equal(what: &str, found: &str, expected: &str) -> Result {
    if found == expected {
        return Ok(());
    }
    fail(format!("{what}: {found:?} instead of {expected:?}"))
}

fn equal_files(a: &Path, b: &Path) -> Result {
    if fs::read(a).at(a.display())? == fs::read(b).at(b.display())? {
        return Ok(());
    }
    fail(format!("{} and {} differ", a.display(), b.display()))
}

/// The namespace is ours alone, so what is free now stays free.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).at("loopback")?;
    Ok(listener.local_addr()?.port())
}

fn listens(server: &mut Running, port: u16) -> Result {
    let end = Instant::now() + STEP;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end || server.wait(Duration::ZERO)?.is_some() {
            return fail(format!("does not listen\n{}", server.log()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

//! Many processes wait for one lock, far more than the mount has threads: all are served in the
//! end, the mount goes on meanwhile, and a waiter that is killed ends at once.

mod waiter;

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::process::Signal;

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::place::{Place, new_share};
use crate::running::Running;
use crate::{Run, Where};

pub(crate) use waiter::run as waiter;

const WAITERS: usize = 64;
/// Until all are served, one after the other, on a busy machine.
const SERVED: Duration = Duration::from_secs(180);
/// What the issue asks of a waiter that is killed.
const KILLED: Duration = Duration::from_secs(1);

/// Which of the two kinds of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// fcntl(2), of a process.
    Posix,
    /// flock(2), of an open file.
    Flock,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Posix => "fcntl",
            Self::Flock => "flock",
        }
    }

    fn call(self, file: &File, operation: FlockOperation) -> rustix::io::Result<()> {
        match self {
            Self::Posix => fcntl_lock(file, operation),
            Self::Flock => flock(file, operation),
        }
    }
}

/// Both kinds of lock, each served and each killed.
pub(crate) fn run(run: &Run) -> Result {
    let share = new_share(&run.dir, "locks")?;
    // Waiters keep a thread of the mount no longer than it takes to note them.
    let options = run.options_with("threads=4");
    let place = match run.place {
        Where::Host => Place::host(&share),
        Where::Mount => Place::mounted(&run.virtfs, Model::Passthrough, &share, &options)?,
    };
    for kind in [Kind::Posix, Kind::Flock] {
        for (what, step) in [("served", served as Step), ("killed", killed)] {
            let began = Instant::now();
            let said = step(place.path(), kind).or_else(|failure| {
                fail(format!(
                    "{} {what}: {failure}\n{}",
                    kind.name(),
                    place.log()
                ))
            })?;
            let took = began.elapsed().as_secs_f64();
            println!("locks: {}: {said}, {took:.1} s", kind.name());
        }
    }
    place.end()
}

type Step = fn(&Path, Kind) -> Result<String>;

/// Every waiter gets the lock when it is let go of, one at a time, and nothing else waits for it.
fn served(root: &Path, kind: Kind) -> Result<String> {
    let path = root.join(format!("served-{}", kind.name()));
    let file = File::create_new(&path).at(path.display())?;
    fs::write(path.with_extension("count"), "0")?;
    kind.call(&file, FlockOperation::LockExclusive).at("lock")?;
    let mut waiters = start(&path, kind)?;
    goes_on(root)?;
    if let Some(waiter) = waiters
        .iter()
        .find(|waiter| waiter.log().contains("locked"))
    {
        return fail(format!("{} has the lock that we hold", waiter.pid()));
    }
    kind.call(&file, FlockOperation::Unlock).at("unlock")?;
    let end = Instant::now() + SERVED;
    for waiter in &mut waiters {
        match waiter.wait(end.saturating_duration_since(Instant::now()))? {
            Some(status) if status.success() => {}
            how => return fail(format!("a waiter: {how:?}\n{}", waiter.log())),
        }
    }
    let count = fs::read_to_string(path.with_extension("count"))?;
    if count != WAITERS.to_string() {
        return fail(format!(
            "{WAITERS} had the lock, but counted to {count}: some at one time"
        ));
    }
    Ok(format!("{WAITERS} waiters served one after the other"))
}

/// Every other waiter is killed while it waits and ends within the time; those that stay are
/// served, and after them the lock is free.
fn killed(root: &Path, kind: Kind) -> Result<String> {
    let path = root.join(format!("killed-{}", kind.name()));
    let file = File::create_new(&path).at(path.display())?;
    fs::write(path.with_extension("count"), "0")?;
    kind.call(&file, FlockOperation::LockExclusive).at("lock")?;
    let mut waiters = start(&path, kind)?;
    let mut longest = Duration::ZERO;
    for waiter in waiters.iter_mut().step_by(2) {
        let began = Instant::now();
        waiter.signal(Signal::KILL)?;
        if waiter.wait(KILLED)?.is_none() {
            return fail(format!(
                "a waiter does not end within {KILLED:?} of its SIGKILL"
            ));
        }
        longest = longest.max(began.elapsed());
    }
    kind.call(&file, FlockOperation::Unlock).at("unlock")?;
    let end = Instant::now() + SERVED;
    for waiter in waiters.iter_mut().skip(1).step_by(2) {
        match waiter.wait(end.saturating_duration_since(Instant::now()))? {
            Some(status) if status.success() => {}
            how => return fail(format!("a waiter that stayed: {how:?}\n{}", waiter.log())),
        }
    }
    // Nothing of the dead holds it.
    kind.call(&file, FlockOperation::NonBlockingLockExclusive)
        .at("lock after all")?;
    Ok(format!(
        "half of {WAITERS} waiters killed, the slowest ended in {} ms; the others served",
        longest.as_millis()
    ))
}

/// Starts them and waits until each is in the call that waits.
fn start(path: &Path, kind: Kind) -> Result<Vec<Running>> {
    let program = env::current_exe().at("this program")?;
    let mut waiters = Vec::new();
    for _ in 0..WAITERS {
        let mut command = Command::new(&program);
        command.arg("lock-waiter").arg(path).arg(kind.name());
        waiters.push(Running::start(&mut command)?);
    }
    let end = Instant::now() + SERVED;
    for waiter in &mut waiters {
        waiter.wait_for("waits", end.saturating_duration_since(Instant::now()))?;
        while !sleeps(waiter.pid())? {
            if Instant::now() > end {
                return fail("a waiter does not wait");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(waiters)
}

/// Whether a process of which the last words are said sleeps in the kernel.
fn sleeps(pid: u32) -> Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).at("a waiter")?;
    let state = stat.rsplit(") ").next().unwrap_or_default();
    Ok(state.starts_with(['S', 'D']))
}

/// The mount still answers: a waiter does not keep a thread.
fn goes_on(root: &Path) -> Result {
    let path = root.join("meanwhile");
    for number in 0..20 {
        fs::write(&path, number.to_string()).at("write while others wait")?;
        if fs::read_to_string(&path).at("read while others wait")? != number.to_string() {
            return fail("something else was read while others wait");
        }
        fs::remove_file(&path).at("remove while others wait")?;
    }
    Ok(())
}

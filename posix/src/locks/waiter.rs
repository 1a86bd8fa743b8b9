//! A process that waits for the lock, then counts.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::Kind;
use crate::failure::{At, Result, fail};

/// `FILE fcntl|flock`. Under the lock it adds one to the number in `FILE.count`, in two steps that
/// another waiter would spoil.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let [path, kind] = arguments else {
        return fail("lock-waiter FILE KIND");
    };
    let kind = if *kind == Kind::Posix.name() {
        Kind::Posix
    } else {
        Kind::Flock
    };
    let file = File::options().read(true).write(true).open(path).at(path)?;
    println!("waits");
    std::io::stdout().flush()?;
    kind.call(&file, FlockOperation::LockExclusive).at("lock")?;
    println!("locked");
    let counter = Path::new(path).with_extension("count");
    let count: u64 = fs::read_to_string(&counter)?.parse().at("count")?;
    fs::write(&counter, (count + 1).to_string())?;
    kind.call(&file, FlockOperation::Unlock).at("unlock")
}

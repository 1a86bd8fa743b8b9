//! `virtfs mount`.

use std::ffi::c_int;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Level;
use virtfs_client::Client;
use virtfs_mount::{Mount, MountOptions, Unmounter};

use super::connect::connect;
use crate::cli::client::MountArgs;
use crate::failure::{Doing, Failure, reason};
use crate::log;
use crate::signals::Signals;

pub(crate) fn run(mut args: MountArgs) -> Result<(), Failure> {
    let options = options(&mut args)?;
    log::start(Level::WARN);
    let signals = Signals::block().doing(|| "signals cannot be set up")?;
    let stage = Arc::new(Mutex::new(Stage::Connecting));
    let ending = stage.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || end_on(&signals, &ending))
        .doing(|| "threads cannot be started")?;

    let on = args.mountpoint.display();
    let client = connect(&args.remote, None)?;
    *lock(&stage) = Stage::Starting(client.clone());
    let mounted = Mount::start(client, &args.mountpoint, &options);
    let mounted = {
        let mut stage = lock(&stage);
        if let Stage::Ended(signal) = *stage {
            // If it is mounted, its drop unmounts it.
            drop(mounted);
            std::process::exit(128 + signal);
        }
        let mounted = mounted.doing(|| format!("cannot mount {} on {on}", args.remote.address))?;
        *stage = Stage::Mounted(mounted.unmounter());
        mounted
    };
    // Programs wait for this line. With nobody to tell, the mount is still right.
    let mut stdout = io::stdout().lock();
    let _ = writeln!(
        stdout,
        "mounted {} on {on}; Ctrl-C unmounts",
        args.remote.address
    )
    .and_then(|()| stdout.flush());
    drop(stdout);
    mounted.wait().doing(|| format!("the mount on {on} ended"))
}

/// How far it has come: what a signal must do to end it.
enum Stage {
    Connecting,
    /// The server may never answer, and it may be mounted already.
    Starting(Client),
    Mounted(Unmounter),
    /// A signal came before it was mounted.
    Ended(c_int),
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was typed behind -o, and the flags that say the same.
fn options(args: &mut MountArgs) -> Result<MountOptions, Failure> {
    let remote = &mut args.remote;
    let mut options = MountOptions::parse("").map_err(|error| Failure::usage(error.to_string()))?;
    options.fsname = remote.address.to_string();
    for list in &args.options {
        let added = options.add(list);
        added.map_err(|error| Failure::usage(error.to_string()))?;
    }
    if remote.uid.is_some() {
        let why = "a mount acts as whoever uses it: --uid is for the other commands";
        return Err(Failure::usage(why));
    }
    if !remote.aname.is_empty() {
        options.aname.clone_from(&remote.aname);
    }
    if !remote.uname.is_empty() {
        options.uname = Some(remote.uname.clone());
    }
    if let Some(msize) = options.msize {
        remote.msize = msize;
    }
    if let (None, Some(timeout)) = (remote.timeout, options.timeout) {
        remote.timeout = Some(timeout);
    }
    // For a mount, none is for ever.
    remote.timeout = remote.timeout.filter(|timeout| *timeout > Duration::ZERO);
    Ok(options)
}

/// The first signal unmounts, or ends what comes before; the next ends the process at once.
fn end_on(signals: &Signals, stage: &Mutex<Stage>) {
    let Ok(signal) = signals.wait() else {
        return;
    };
    let mut stage = lock(stage);
    match &*stage {
        Stage::Connecting => std::process::exit(128 + signal),
        Stage::Starting(client) => {
            client.close();
            *stage = Stage::Ended(signal);
        }
        Stage::Mounted(unmounter) => unmount(unmounter.clone()),
        Stage::Ended(_) => {}
    }
    drop(stage);
    if let Ok(signal) = signals.wait() {
        std::process::exit(128 + signal);
    }
}

/// In a thread of its own, because it may take its time.
fn unmount(unmounter: Unmounter) {
    let unmount = move || {
        if let Err(error) = unmounter.unmount() {
            let _ = writeln!(
                io::stderr(),
                "virtfs: cannot unmount: {}; a second signal ends it at once",
                reason(&error)
            );
        }
    };
    if thread::Builder::new().spawn(unmount).is_err() {
        std::process::exit(1);
    }
}

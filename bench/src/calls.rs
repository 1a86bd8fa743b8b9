//! How many system calls other processes make, counted by strace.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// How many system calls these processes make while `work` is done; `None` where there is no
/// strace.
pub(crate) fn of(
    processes: &[u32],
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Option<u64>, Box<dyn Error>> {
    let mut command = Command::new("strace");
    command.args(["-f", "-c"]);
    for process in processes {
        command.args(["-p", &process.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(mut strace) = command.stderr(Stdio::piped()).spawn() else {
        return Ok(None);
    };
    let lines = strace.stderr.take().ok_or("no stderr")?;
    let counted = count(&strace, lines, processes.len(), work);
    // It ends with its input, or has ended.
    strace.wait()?;
    counted
}

fn count(
    strace: &Child,
    lines: ChildStderr,
    processes: usize,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Option<u64>, Box<dyn Error>> {
    let mut lines = BufReader::new(lines).lines();
    for _ in 0..processes {
        match lines.next().transpose()? {
            Some(line) if line.contains("attached") => {}
            // It may not.
            _ => return Ok(None),
        }
    }
    let worked = work();
    let pid = Pid::from_raw(strace.id().cast_signed()).ok_or("no process")?;
    kill_process(pid, Signal::INT)?;
    worked?;
    // % time, seconds, usecs/call, calls, errors if any, name.
    for line in lines {
        let line = line?;
        let fields: Vec<_> = line.split_whitespace().collect();
        if fields.last() == Some(&"total") {
            return Ok(fields.get(3).and_then(|calls| calls.parse().ok()));
        }
    }
    Ok(None)
}

//! Waits that end before the reply comes: cancelled, timed out, dropped, closed.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, Served, options, serve};
use virtfs_client::{Cancel, Error, LopenFlags, Options, Result};
use virtfs_vfs::synth::{File as SynthFile, Gate, Synth, Wait};

/// A server with a file `gate` whose reads block, one `deaf` whose reads block and cannot be
/// interrupted, and one `motd` that says hello.
struct Gated {
    served: Served,
    gate: Gate,
    deaf: Gate,
}

fn gated(options: &Options) -> Gated {
    let (gate, deaf) = (Gate::new(), Gate::new());
    let synth = Synth::new()
        .file("gate", gate.file())
        .file("deaf", deaf.file_with(Wait::STUBBORN))
        .file("motd", SynthFile::bytes("hello"));
    Gated {
        served: serve(synth, options),
        gate,
        deaf,
    }
}

impl Gated {
    fn read(&self, name: &[u8]) -> Result<Vec<u8>> {
        let file = self
            .served
            .root
            .walk(&[name])?
            .into_open(LopenFlags::RDONLY)?;
        file.read_chunk(100, 0).map(|chunk| chunk.to_vec())
    }

    /// Reads on another thread inside a scope, and waits until the read is blocked.
    fn read_in<'s>(
        &'s self,
        scope: &'s thread::Scope<'s, '_>,
        cancel: &Cancel,
    ) -> thread::ScopedJoinHandle<'s, Result<Vec<u8>>> {
        let cancel = cancel.clone();
        let blocked = self.gate.blocked();
        let reader = scope.spawn(move || cancel.scope(|| self.read(b"gate")));
        assert!(self.gate.wait_for_blocked(blocked + 1, PATIENCE));
        reader
    }
}

#[test]
fn a_cancelled_read_is_flushed_and_the_connection_goes_on() {
    let gated = gated(&options());
    thread::scope(|scope| {
        let cancel = Cancel::new();
        let reader = gated.read_in(scope, &cancel);
        cancel.cancel();
        let error = reader.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error:?}");
        assert!(
            gated.gate.wait_for_blocked(0, PATIENCE),
            "the server gave up too"
        );
    });
    assert_eq!(gated.read(b"motd").unwrap(), b"hello");
}

#[test]
fn a_thread_that_waits_behind_the_reading_one_is_cancelled_too() {
    let gated = gated(&options());
    thread::scope(|scope| {
        let cancels: Vec<Cancel> = (0..8).map(|_| Cancel::new()).collect();
        let readers: Vec<_> = cancels.iter().map(|c| gated.read_in(scope, c)).collect();
        // The first one reads for all: the last ones end before it.
        for (cancel, reader) in cancels.into_iter().zip(readers).rev() {
            cancel.cancel();
            assert!(matches!(reader.join().unwrap(), Err(Error::Interrupted)));
        }
    });
    assert_eq!(gated.read(b"motd").unwrap(), b"hello");
}

#[test]
fn the_thread_that_reads_for_all_can_leave_first() {
    let gated = gated(&options());
    thread::scope(|scope| {
        let cancels: Vec<Cancel> = (0..4).map(|_| Cancel::new()).collect();
        let mut readers: Vec<_> = cancels.iter().map(|c| gated.read_in(scope, c)).collect();
        cancels[0].cancel();
        assert!(readers.remove(0).join().unwrap().is_err());
        gated.gate.open();
        for reader in readers {
            assert_eq!(reader.join().unwrap().unwrap(), Gate::TEXT);
        }
    });
}

#[test]
fn in_a_cancelled_scope_nothing_is_sent() {
    let gated = gated(&options());
    let cancel = Cancel::new();
    cancel.cancel();
    let error = cancel.scope(|| gated.read(b"motd")).unwrap_err();
    assert!(matches!(error, Error::Interrupted) && cancel.is_cancelled());
    let inner = Cancel::new();
    let nested = cancel.scope(|| inner.scope(|| gated.read(b"motd")));
    assert!(nested.is_err());
    assert_eq!(inner.scope(|| gated.read(b"motd")).unwrap(), b"hello");
}

#[test]
fn a_server_that_does_not_let_go_holds_nobody() {
    let gated = gated(&options());
    thread::scope(|scope| {
        let cancel = Cancel::new();
        let (inner, gated_ref) = (cancel.clone(), &gated);
        let reader = scope.spawn(move || inner.scope(|| gated_ref.read(b"deaf")));
        assert!(gated.deaf.wait_for_blocked(1, PATIENCE));
        cancel.cancel();
        let error = reader.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error:?}");
        assert_eq!(gated.deaf.blocked(), 1, "the server still runs it");
        assert_eq!(gated.read(b"motd").unwrap(), b"hello");
        // Now its reply comes, to nobody.
        gated.deaf.open();
        assert!(gated.deaf.wait_for_blocked(0, PATIENCE));
        for _ in 0..100 {
            assert_eq!(gated.read(b"motd").unwrap(), b"hello");
        }
    });
    assert!(gated.served.client.lost().is_none());
}

#[test]
fn a_wait_ends_after_the_timeout() {
    let timeout = Some(Duration::from_millis(100));
    let gated = gated(&Options {
        timeout,
        ..options()
    });
    for _ in 0..3 {
        let error = gated.read(b"gate").unwrap_err();
        assert!(matches!(error, Error::TimedOut), "{error:?}");
        assert_eq!(error.errno(), 110);
    }
    assert!(gated.gate.wait_for_blocked(0, PATIENCE), "flushed");
    assert_eq!(gated.read(b"motd").unwrap(), b"hello");
}

#[test]
fn a_reply_that_came_before_the_flush_counts() {
    let gated = gated(&options());
    thread::scope(|scope| {
        for _ in 0..50 {
            let cancel = Cancel::new();
            let reader = gated.read_in(scope, &cancel);
            gated.gate.admit(1);
            cancel.cancel();
            match reader.join().unwrap() {
                Ok(text) => assert_eq!(text, Gate::TEXT),
                Err(error) => assert!(matches!(error, Error::Interrupted), "{error:?}"),
            }
            // What was admitted and interrupted at once leaves the admission.
            gated.gate.close();
        }
    });
    assert_eq!(gated.read(b"motd").unwrap(), b"hello");
}

#[test]
fn closing_ends_every_wait_at_once() {
    let gated = gated(&Options {
        timeout: None,
        ..options()
    });
    thread::scope(|scope| {
        let cancel = Cancel::new();
        let readers: Vec<_> = (0..5).map(|_| gated.read_in(scope, &cancel)).collect();
        gated.served.client.close();
        for reader in readers {
            assert!(matches!(reader.join().unwrap(), Err(Error::Lost(_))));
        }
    });
    assert!(gated.served.client.lost().is_some());
    assert!(matches!(gated.read(b"motd"), Err(Error::Lost(_))));
}

#[test]
fn a_server_that_hangs_up_ends_every_wait_at_once() {
    let gated = gated(&Options {
        timeout: None,
        ..options()
    });
    thread::scope(|scope| {
        let cancel = Cancel::new();
        let readers: Vec<_> = (0..5).map(|_| gated.read_in(scope, &cancel)).collect();
        gated.served.session.abort();
        for reader in readers {
            let error = reader.join().unwrap().unwrap_err();
            assert_eq!(
                error.errno(),
                if matches!(error, Error::Lost(_)) {
                    5
                } else {
                    4
                }
            );
        }
    });
    assert!(matches!(gated.read(b"motd"), Err(Error::Lost(_))));
}

#[test]
fn a_thousand_abandoned_waits_leave_nothing_behind() {
    let gated = gated(&Options {
        timeout: Some(Duration::from_millis(1)),
        ..options()
    });
    let root = &gated.served.root;
    let file = loop {
        match root
            .walk(&[b"gate"])
            .and_then(|fid| fid.into_open(LopenFlags::RDONLY))
        {
            Ok(file) => break file,
            Err(error) => assert!(matches!(error, Error::TimedOut), "{error:?}"),
        }
    };
    for _ in 0..1500 {
        let error = file.read_chunk(100, 0).unwrap_err();
        assert!(matches!(error, Error::TimedOut), "{error:?}");
    }
    drop(file);
    assert!(gated.gate.wait_for_blocked(0, PATIENCE));
    let start = Instant::now();
    while gated.read(b"motd").is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    let fid = loop {
        match gated.served.root.walk(&[b"motd"]) {
            Ok(fid) => break fid,
            Err(_) => assert!(start.elapsed() < PATIENCE),
        }
    };
    assert!(fid.number() < 64, "fids leak: {}", fid.number());
}

#[test]
fn a_cancel_can_be_used_on_many_threads_at_once() {
    let gated = gated(&options());
    let cancel = Cancel::new();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6).map(|_| gated.read_in(scope, &cancel)).collect();
        cancel.cancel();
        for reader in readers {
            sender.send(reader.join().unwrap()).unwrap();
        }
    });
    drop(sender);
    assert!(
        receiver
            .iter()
            .all(|read| matches!(read, Err(Error::Interrupted)))
    );
}

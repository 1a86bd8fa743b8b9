//! Requests that block: others go on meanwhile, and waits can be given up.

use std::thread;
use std::time::Duration;

use virtfs_client::{Cancel, Error, File, LopenFlags as O, Options};
use virtfs_vfs::synth::Gate;

use super::errno::{EINTR, EIO, ETIMEDOUT};
use super::{ANY, content, fails};
use crate::PATIENCE;
use crate::protocol::site::{hurried, options};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        a_wait_that_was_cancelled_before_does_not_begin
        a_cancel_that_comes_late_changes_nothing;
    Has::GATE =>
        a_blocked_read_holds_up_nobody
        many_blocked_reads_end_one_by_one
        a_blocked_write_ends
        the_requests_of_a_long_read_are_in_flight_together
        a_cancelled_read_is_interrupted_at_the_server
        of_two_waits_the_first_is_cancelled
        of_two_waits_the_second_is_cancelled
        a_wait_that_takes_too_long_is_given_up
        a_closed_connection_ends_every_wait
        a_blocked_client_holds_up_no_other;
}

/// Opens the gate in the end, however a case ends: nobody waits for ever.
struct Opens<'a>(&'a Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

fn gate(root: &virtfs_client::Fid) -> File {
    root.walk(&["gate"]).unwrap().open(O::RDWR).unwrap()
}

fn through(file: &File) -> Result<Vec<u8>, Error> {
    let mut bytes = [0; 100];
    let count = file.read_at(&mut bytes, 0)?;
    Ok(bytes[..count].to_vec())
}

#[track_caller]
fn wait_for_blocked(gate: &Gate, calls: usize) {
    assert!(gate.wait_for_blocked(calls, PATIENCE), "{gate:?}");
}

fn a_wait_that_was_cancelled_before_does_not_begin(site: &Site) {
    let hello = site.hello();
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(cancel.is_cancelled());
    cancel.scope(|| {
        fails(hello.attributes(), &[EINTR]);
        fails(site.root().walk(&["hello"]), &[EINTR]);
    });
    // Outside it is as if nothing had been.
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_cancel_that_comes_late_changes_nothing(site: &Site) {
    let hello = site.hello();
    let cancel = Cancel::new();
    let bytes = cancel.scope(|| content(&hello));
    assert!(!cancel.is_cancelled());
    cancel.cancel();
    assert_eq!(bytes, sample::HELLO);
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_blocked_read_holds_up_nobody(site: &Site) {
    let (file, hello) = (gate(site.root()), site.hello());
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let reader = scope.spawn(|| through(&file));
        wait_for_blocked(gate.0, 1);
        assert_eq!(content(&hello), sample::HELLO);
        file.attributes().unwrap();
        assert_eq!(site.root().lookup_all(&["hello", "many"]).len(), 2);
        assert_eq!(gate.0.blocked(), 1);
        gate.0.open();
        assert_eq!(reader.join().unwrap().unwrap(), Gate::TEXT);
    });
}

fn many_blocked_reads_end_one_by_one(site: &Site) {
    const READERS: usize = 20;
    let file = gate(site.root());
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| through(&file)))
            .collect();
        wait_for_blocked(gate.0, READERS);
        for passed in 1..=5 {
            gate.0.admit(1);
            assert!(gate.0.wait_for_passed(passed, PATIENCE));
            assert_eq!(content(&site.hello()), sample::HELLO);
        }
        wait_for_blocked(gate.0, READERS - 5);
        gate.0.open();
        for reader in readers {
            assert_eq!(reader.join().unwrap().unwrap(), Gate::TEXT);
        }
    });
}

fn a_blocked_write_ends(site: &Site) {
    let file = gate(site.root());
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let writer = scope.spawn(|| file.write_at(b"0123456789", 0));
        wait_for_blocked(gate.0, 1);
        assert_eq!(content(&site.hello()), sample::HELLO);
        gate.0.admit(1);
        assert_eq!(writer.join().unwrap().unwrap(), 10);
    });
}

fn the_requests_of_a_long_read_are_in_flight_together(site: &Site) {
    for depth in [1, 3] {
        let options = Options { depth, ..options() };
        let file = gate(&site.with(&options));
        thread::scope(|scope| {
            let gate = Opens(site.gate());
            gate.0.close();
            let mut bytes = vec![0; 3 << 15];
            let reader = scope.spawn(move || file.read_at(&mut bytes, 0));
            wait_for_blocked(gate.0, depth);
            assert_eq!(content(&site.hello()), sample::HELLO);
            gate.0.open();
            assert_eq!(reader.join().unwrap().unwrap(), Gate::TEXT.len());
        });
    }
}

fn a_cancelled_read_is_interrupted_at_the_server(site: &Site) {
    let file = gate(site.root());
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let cancel = Cancel::new();
        let (in_thread, file) = (cancel.clone(), &file);
        let reader = scope.spawn(move || in_thread.scope(|| through(file)));
        wait_for_blocked(gate.0, 1);
        cancel.cancel();
        let answer = reader.join().unwrap();
        assert!(matches!(answer, Err(Error::Interrupted)), "{answer:?}");
        wait_for_blocked(gate.0, 0);
        assert_eq!(gate.0.interrupted(), 1);
        // The connection and the file are as good as before.
        gate.0.admit(1);
        assert_eq!(through(file).unwrap(), Gate::TEXT);
        assert!(site.client().lost().is_none());
    });
}

fn of_two_waits_the_first_is_cancelled(site: &Site) {
    of_two_waits_one_is_cancelled(site, 0);
}

fn of_two_waits_the_second_is_cancelled(site: &Site) {
    of_two_waits_one_is_cancelled(site, 1);
}

/// One of the two reads the socket, the other waits behind it.
fn of_two_waits_one_is_cancelled(site: &Site, victim: usize) {
    let file = gate(site.root());
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let cancels = [Cancel::new(), Cancel::new()];
        let mut readers = Vec::new();
        for (before, cancel) in cancels.iter().enumerate() {
            let (cancel, file) = (cancel.clone(), &file);
            readers.push(Some(scope.spawn(move || cancel.scope(|| through(file)))));
            wait_for_blocked(gate.0, before + 1);
        }
        cancels[victim].cancel();
        let victim = readers[victim].take().unwrap().join().unwrap();
        assert!(matches!(victim, Err(Error::Interrupted)), "{victim:?}");
        wait_for_blocked(gate.0, 1);
        assert_eq!(content(&site.hello()), sample::HELLO);
        gate.0.open();
        let other = readers.into_iter().flatten().next().unwrap();
        assert_eq!(other.join().unwrap().unwrap(), Gate::TEXT);
    });
}

fn a_wait_that_takes_too_long_is_given_up(site: &Site) {
    let root = site.with(&hurried(Duration::from_secs(2)));
    let file = gate(&root);
    let _gate = Opens(site.gate());
    let answer = through(&file);
    assert!(matches!(answer, Err(Error::TimedOut)), "{answer:?}");
    fails(answer, &[ETIMEDOUT]);
    wait_for_blocked(site.gate(), 0);
    assert_eq!(site.gate().interrupted(), 1);
    // The connection goes on.
    root.attributes().unwrap();
    site.gate().admit(1);
    assert_eq!(through(&file).unwrap(), Gate::TEXT);
}

fn a_closed_connection_ends_every_wait(site: &Site) {
    let root = site.second();
    let file = gate(&root);
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| through(&file))).collect();
        wait_for_blocked(gate.0, 3);
        root.client().close();
        for reader in readers {
            let answer = reader.join().unwrap();
            assert!(matches!(answer, Err(Error::Lost(_))), "{answer:?}");
            fails(answer, &[EIO]);
        }
        // The server gives up what nobody waits for.
        wait_for_blocked(gate.0, 0);
        assert_eq!(gate.0.passed(), 0);
    });
}

fn a_blocked_client_holds_up_no_other(site: &Site) {
    let file = gate(site.root());
    let other = site.second();
    thread::scope(|scope| {
        let gate = Opens(site.gate());
        let reader = scope.spawn(|| through(&file));
        wait_for_blocked(gate.0, 1);
        site.hello();
        assert_eq!(content(&other.walk(&["hello"]).unwrap()), sample::HELLO);
        site.second().attributes().unwrap();
        gate.0.admit(1);
        assert_eq!(reader.join().unwrap().unwrap(), Gate::TEXT);
    });
}

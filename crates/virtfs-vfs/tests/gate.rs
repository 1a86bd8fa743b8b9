//! Calls that wait at a gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use virtfs_vfs::conformance::{SliceRequest, VecReply};
use virtfs_vfs::synth::{Gate, Synth, Wait};
use virtfs_vfs::{Call, Cx, Errno, FileSystem, Name, OpenFlags, Qids, User};

/// Long enough for the slowest machine; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);
/// Long enough to see that nothing happens, as far as that can be seen.
const SHORT: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Request {
    interrupted: AtomicBool,
    announced: AtomicUsize,
}

impl Call for Request {
    fn interrupted(&self) -> bool {
        self.interrupted.load(SeqCst)
    }

    fn about_to_block(&self) {
        self.announced.fetch_add(1, SeqCst);
    }
}

/// Reads from a gate's file on a thread of its own.
fn read(gate: &Gate, wait: Wait) -> (Arc<Request>, JoinHandle<Result<Vec<u8>, Errno>>) {
    let fs = Synth::new().file("gate", gate.file_with(wait));
    let request = Arc::new(Request::default());
    let call = Arc::clone(&request);
    let thread = std::thread::spawn(move || {
        let cx = Cx::new(User::NOBODY, &*call);
        let (root, _) = fs.attach(&cx)?;
        let node = fs.walk(&cx, &root, &[Name::new(b"gate")?], &mut Qids::new())?;
        let opened = fs.open(&cx, &node, OpenFlags::READ | OpenFlags::WRITE)?;
        let mut reply = VecReply::new(99);
        fs.read(&cx, &opened.open, 0, &mut reply)?;
        let written = fs.write(&cx, &opened.open, 0, &mut SliceRequest::new(b"xyz"))?;
        assert_eq!(written, 3);
        Ok(reply.into_bytes())
    });
    (request, thread)
}

#[test]
fn a_call_waits_until_the_gate_is_opened() {
    let gate = Gate::new();
    let (request, thread) = read(&gate, Wait::PROPER);
    assert!(gate.wait_for_blocked(1, LONG));
    assert_eq!(request.announced.load(SeqCst), 1);
    assert!(!gate.wait_for_passed(1, SHORT));
    gate.open();
    assert_eq!(thread.join().unwrap().unwrap(), Gate::TEXT);
    assert_eq!(
        (gate.blocked(), gate.passed(), gate.interrupted()),
        (0, 2, 0)
    );
}

#[test]
fn an_interrupted_call_ends_with_eintr() {
    let gate = Gate::new();
    let (request, thread) = read(&gate, Wait::PROPER);
    assert!(gate.wait_for_blocked(1, LONG));
    request.interrupted.store(true, SeqCst);
    assert_eq!(thread.join().unwrap(), Err(Errno::EINTR));
    assert_eq!(
        (gate.blocked(), gate.passed(), gate.interrupted()),
        (0, 0, 1)
    );
}

#[test]
fn a_silent_call_announces_nothing() {
    let gate = Gate::new();
    let (request, thread) = read(&gate, Wait::SILENT);
    assert!(gate.wait_for_blocked(1, LONG));
    assert_eq!(request.announced.load(SeqCst), 0);
    gate.open();
    thread.join().unwrap().unwrap();
    assert_eq!(request.announced.load(SeqCst), 0);
}

#[test]
fn a_stubborn_call_is_not_interrupted() {
    let gate = Gate::new();
    let (request, thread) = read(&gate, Wait::STUBBORN);
    assert!(gate.wait_for_blocked(1, LONG));
    request.interrupted.store(true, SeqCst);
    assert!(!gate.wait_for_blocked(0, SHORT));
    gate.open();
    assert_eq!(thread.join().unwrap().unwrap(), Gate::TEXT);
    assert_eq!(gate.interrupted(), 0);
}

#[test]
fn as_many_pass_as_are_admitted() {
    let gate = Gate::new();
    let threads: Vec<_> = (0..3).map(|_| read(&gate, Wait::PROPER).1).collect();
    assert!(gate.wait_for_blocked(3, LONG));
    // One call goes, and its thread is back with the next.
    gate.admit(1);
    assert!(gate.wait_for_passed(1, LONG));
    assert!(gate.wait_for_blocked(3, LONG));
    assert_eq!(gate.passed(), 1);
    gate.open();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(gate.passed(), 6);
}

#[test]
fn an_open_gate_announces_nothing() {
    let gate = Gate::new();
    gate.open();
    let (request, thread) = read(&gate, Wait::PROPER);
    thread.join().unwrap().unwrap();
    assert_eq!(request.announced.load(SeqCst), 0);
    gate.close();
    let (_, thread) = read(&gate, Wait::PROPER);
    assert!(gate.wait_for_blocked(1, LONG));
    gate.open();
    thread.join().unwrap().unwrap();
}

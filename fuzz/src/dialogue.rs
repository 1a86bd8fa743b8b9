//! Clients at a server of this process, who say what an input says, and wait after each batch until
//! the server sleeps: so what happens depends on the input alone, but for calls that take long.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virtfs_server::{Connection, Server, SessionHandle};

use crate::frames::{CONTROL, frames};
use crate::gate::Gate;
use crate::replies;

/// How long a server may be busy with one batch.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same while calls hang: what waits for them need not be received.
const SHORT: Duration = Duration::from_millis(4);

/// How many clients there are. The tag of a [`CONTROL`] frame says, in this order of bits, who
/// speaks from then on (one bit); that this client hangs up first; that it is thrown out first;
/// that what it says arrives in small pieces; that some calls hang from then on; that they go on.
const CLIENTS: usize = 2;

const HANG_UP: u16 = 0x2;
const THROW_OUT: u16 = 0x4;
const PIECES: u16 = 0x8;
const HANG: u16 = 0x10;
const GO_ON: u16 = 0x20;

/// Lets clients say to a server what the frames of an input say, and checks what it answers.
pub(crate) fn run(server: &Server, gate: &Gate, input: &[u8], msize: u32) {
    let mut clients: [Option<Client>; CLIENTS] = [const { None }; CLIENTS];
    let (mut speaker, mut piece) = (0, usize::MAX);
    let mut batch = Vec::new();
    for frame in frames(input) {
        if frame.kind() != Some(CONTROL) {
            batch.extend(frame.bytes);
            continue;
        }
        say(server, gate, &mut clients[speaker], &mut batch, piece);
        let tag = frame.tag();
        speaker = usize::from(tag) % CLIENTS;
        piece = if tag & PIECES == 0 { usize::MAX } else { 5 };
        if tag & (HANG_UP | THROW_OUT) != 0
            && let Some(client) = clients[speaker].take()
        {
            if tag & THROW_OUT != 0 {
                client.handle.abort();
            }
            client.end(gate, msize);
        }
        if tag & HANG != 0 {
            gate.close();
        }
        if tag & GO_ON != 0 {
            gate.open();
        }
    }
    say(server, gate, &mut clients[speaker], &mut batch, piece);
    for client in clients.into_iter().flatten() {
        client.end(gate, msize);
    }
}

fn say(
    server: &Server,
    gate: &Gate,
    client: &mut Option<Client>,
    batch: &mut Vec<u8>,
    piece: usize,
) {
    if !batch.is_empty() {
        let client = client.get_or_insert_with(|| Client::new(server));
        client.say(batch, piece, gate);
        batch.clear();
    }
}

struct Client {
    line: Arc<Line>,
    handle: SessionHandle,
    said: Vec<u8>,
}

impl Client {
    fn new(server: &Server) -> Self {
        let line = Arc::<Line>::default();
        let handle = server.serve(Far(line.clone()));
        Self {
            line,
            handle: handle.expect("a session is begun"),
            said: Vec::new(),
        }
    }

    /// Sends bytes, and waits until the server waits for more.
    fn say(&mut self, bytes: &[u8], piece: usize, gate: &Gate) {
        self.said.extend(bytes);
        let mut state = self.line.lock();
        state.piece = piece;
        state.incoming.extend(bytes);
        state.waits = false;
        self.line.bell.notify_all();
        let busy = |state: &mut State| !state.waits && !state.over;
        let patience = if gate.is_closed() { SHORT } else { PATIENCE };
        let waited = self.line.bell.wait_timeout_while(state, patience, busy);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        assert!(
            !timeout.timed_out() || gate.is_closed(),
            "a session neither receives nor ends"
        );
    }

    /// Hangs up; only then do calls go on that hang.
    fn end(self, gate: &Gate, msize: u32) {
        self.line.close();
        gate.open();
        assert!(self.handle.wait_for(PATIENCE), "a session does not end");
        let state = self.line.lock();
        replies::check(&self.said, &state.sent, msize);
    }
}

/// What lies between a client and the server.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    incoming: VecDeque<u8>,
    /// How much a receive gets at most.
    piece: usize,
    /// Whether the server sleeps because nothing comes.
    waits: bool,
    /// Whether the client has hung up.
    closed: bool,
    /// Whether the session has ended.
    over: bool,
    sent: Vec<u8>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }
}

/// The server's end of a line.
struct Far(Arc<Line>);

impl Connection for Far {
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        while state.incoming.is_empty() && !state.closed {
            state.waits = true;
            self.0.bell.notify_all();
            let slept = self.0.bell.wait(state);
            state = slept.unwrap_or_else(PoisonError::into_inner);
        }
        let count = state.incoming.len().min(into.len()).min(state.piece);
        for (to, from) in into.iter_mut().zip(state.incoming.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn send(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let before = state.sent.len();
        from.iter()
            .for_each(|slice| state.sent.extend_from_slice(slice));
        Ok(state.sent.len() - before)
    }

    fn stop_receiving(&self) {
        self.0.close();
    }

    fn abort(&self) {
        let mut state = self.0.lock();
        (state.closed, state.over) = (true, true);
        state.incoming.clear();
        self.0.bell.notify_all();
    }
}

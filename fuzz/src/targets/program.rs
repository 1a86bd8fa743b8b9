//! The program's own modules, which no library has; of theirs that they name only as much.
#![allow(dead_code, reason = "the program uses the rest of it")]

use std::ffi::OsString;

#[path = "../../../crates/virtfs/src/cli/qemu/pairs.rs"]
mod pairs;
#[path = "../../../crates/virtfs/src/cli/qemu/throttle.rs"]
mod throttle;
#[path = "../../../crates/virtfs/src/serve/users/wire.rs"]
mod wire;

mod policy {
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum Who<'a> {
        Uid(u32),
        Name(&'a [u8]),
    }
}

/// QEMU's option strings: whatever is asked about them has an answer.
pub(super) fn options(text: OsString) {
    let Ok(pairs) = pairs::Pairs::parse(&text, "driver") else {
        return;
    };
    for key in pairs.keys() {
        let _ = (pairs.bytes(key), pairs.text(key), pairs.number(key));
        let _ = (pairs.switch(key), pairs.denies(key, "readonly"));
        let _ = (pairs::is_identifier(key), throttle::is_known(key));
    }
    let _ = throttle::check(&pairs);
}

/// A question to the process that looks users up: what is one was asked so.
pub(super) fn question(bytes: &[u8]) {
    if let Some(who) = policy::Who::decode(bytes) {
        assert_eq!(who.encode().as_deref(), Some(bytes));
    }
}

/// Its answer.
pub(super) fn answer(bytes: &[u8]) {
    let answer = wire::Answer::decode(bytes);
    assert_eq!(wire::Answer::decode(&answer.encode()), answer);
}

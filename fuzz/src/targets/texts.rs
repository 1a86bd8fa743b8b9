//! Small forms that are read whole: addresses, QEMU's option strings, and what the process that
//! looks users up is asked and answers. The first byte of an input says which it is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use virtfs_client::Address;
use virtfs_tests::Rng;

use super::{Target, program};
use crate::mutate;

pub(super) const TARGET: Target = Target {
    name: "texts",
    run,
    mutate,
};

fn run(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else {
        return;
    };
    let text = || OsString::from_vec(bytes.to_vec());
    match which % 4 {
        0 => {
            if let Ok(address) = Address::parse(text()) {
                assert!(!address.to_string().is_empty());
            }
        }
        1 => program::options(text()),
        2 => program::question(bytes),
        _ => program::answer(bytes),
    }
}

/// What texts are made of.
const WORDS: [&str; 16] = [
    "unix:",
    "tcp!",
    "vsock:",
    "[::1]",
    ":564",
    "!65535",
    "local,",
    "path=/x,",
    "security_model=",
    "readonly=on",
    "noreadonly",
    ",,",
    "=0x7f",
    "throttling.bps-total=",
    "4294967295",
    "18446744073709551616",
];

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    for _ in 0..=random.below(3) {
        if random.below(2) == 0 {
            let at = random.index(input.len() + 1);
            input.splice(at..at, random.pick(&WORDS).bytes());
        } else {
            mutate::bytes(input, random);
        }
    }
    input.truncate(limit);
}

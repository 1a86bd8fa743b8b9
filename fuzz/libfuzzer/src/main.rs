//! libFuzzer over one target, which `VIRTFS_FUZZ_TARGET` names. Half of the changes to inputs are
//! libFuzzer's own, half the target's.
#![no_main]

use std::env;
use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use virtfs_fuzz::{Target, target};
use virtfs_tests::Rng;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn chosen() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = env::var("VIRTFS_FUZZ_TARGET").expect("VIRTFS_FUZZ_TARGET is set");
        target(&name).expect("VIRTFS_FUZZ_TARGET names a target")
    })
}

fuzz_target!(|input: &[u8]| {
    (chosen().run)(input);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Rng::new(seed.into());
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut input = data.get(..size).unwrap_or_default().to_vec();
    (chosen().mutate)(&mut input, &mut random, max_size);
    let length = input.len().min(data.len());
    data[..length].copy_from_slice(&input[..length]);
    length
});

//! Every target on its kept corpus and on what was once a finding, and for a moment on inputs that
//! are changed from those: what `cargo test` can do of fuzzing.
//!
//! `VIRTFS_FUZZ_SECONDS` makes the moment longer and its seed new; `VIRTFS_FUZZ_SEED` repeats a run.
//! `VIRTFS_FUZZ_INPUT` names a file to run alone.

use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use virtfs_fuzz::{TARGETS, Target, target};
use virtfs_tests::Rng;

/// The fixed seed, chosen without a thought.
const SEED: u64 = 0x9b20_00d0_4c75_0075;

/// The longest input that is made.
const LIMIT: usize = 4096;

/// Panics in any thread: some are caught where they happen.
static PANICS: AtomicUsize = AtomicUsize::new(0);

macro_rules! targets {
    ($($name:ident $target:literal)*) => {
        $(#[test] fn $name() { fuzz(target($target).unwrap()) })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($target),*]);
        }
    };
}

targets! {
    messages_of_every_dialect "messages"
    clients_of_a_file_system_in_memory "session"
    clients_of_a_directory_of_the_host "local"
    metadata_that_somebody_else_wrote "metadata"
    drivers_of_a_virtqueue "virtqueue"
    vmms_on_a_vhost_user_socket "vhost-user"
    servers_of_our_client "client"
    texts_that_are_read_whole "texts"
}

fn fuzz(target: &Target) {
    count_panics();
    if let Some(path) = env::var_os("VIRTFS_FUZZ_INPUT") {
        return run(target, &fs::read(path).unwrap(), "VIRTFS_FUZZ_INPUT");
    }
    let mut corpus = Vec::new();
    for folder in ["corpus", "regressions"] {
        for path in inputs(folder, target.name) {
            let input = fs::read(&path).unwrap();
            run(target, &input, &path.display().to_string());
            corpus.push(input);
        }
    }
    assert!(!corpus.is_empty(), "{} has no corpus", target.name);

    let seconds = number("VIRTFS_FUZZ_SECONDS");
    let seed = number("VIRTFS_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(SEED, |now| now.as_nanos() as u64),
        None => SEED,
    });
    let mut random = Rng::new(seed);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    let mut runs = 0;
    while Instant::now() < end {
        let mut input = corpus[random.index(corpus.len())].clone();
        (target.mutate)(&mut input, &mut random, LIMIT);
        run(
            target,
            &input,
            &format!("VIRTFS_FUZZ_SEED={seed}, run {runs}"),
        );
        runs += 1;
    }
    println!(
        "{}: {} of the corpus, {runs} changed",
        target.name,
        corpus.len()
    );
}

fn run(target: &Target, input: &[u8], what: &str) {
    let before = PANICS.load(Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if outcome.is_err() || PANICS.load(Ordering::SeqCst) != before {
        let path = env::temp_dir().join(format!("virtfs-fuzz-{}", target.name));
        fs::write(&path, input).unwrap();
        panic!(
            "{}: {what}: the input is in {}",
            target.name,
            path.display()
        );
    }
}

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(target);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
    });
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

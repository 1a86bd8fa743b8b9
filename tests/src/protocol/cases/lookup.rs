//! Walks with attributes: one by one and many at once.

use std::collections::HashSet;

use virtfs_client::{Attributes, Error, Fid};

use super::errno::{ENAMETOOLONG, ENOENT, ENOTDIR};
use super::{ANY, content, fails};
use crate::protocol::Site;
use crate::protocol::sample::{self, many_name};

cases! {
    ANY =>
        order_is_used_if_the_server_promises_it
        a_lookup_gives_file_and_attributes
        a_lookup_that_fails_says_why
        lookups_of_hundreds_of_names_come_in_order
        a_stat_needs_no_fid
        stats_of_hundreds_of_names_come_in_order
        one_bad_name_among_many_fails_alone
        nothing_is_looked_up_in_a_file;
}

fn order_is_used_if_the_server_promises_it(site: &Site) {
    let promise = site.root().xattr(b"user.virtfs.server");
    let promised = promise.is_ok_and(|value| {
        let text = String::from_utf8(value).expect("the promise is text");
        text.split([' ', '\n', ',']).any(|word| word == "order=fid")
    });
    assert_eq!(site.client().ordered(), promised);
}

fn a_lookup_gives_file_and_attributes(site: &Site) {
    site.hello();
    let (hello, attributes) = site.root().lookup(b"hello").unwrap();
    assert_eq!(attributes.size, sample::HELLO.len() as u64);
    assert_eq!(attributes.qid.path, hello.qid().path);
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_lookup_that_fails_says_why(site: &Site) {
    let root = site.root();
    for _ in 0..3 {
        fails(root.lookup(b"missing"), &[ENOENT]);
        fails(root.lookup(&[b'x'; 256]), &[ENAMETOOLONG]);
        fails(root.stat_at(&["missing"]), &[ENOENT]);
        root.attributes().unwrap();
    }
}

/// More names than may be asked for at once, of which every seventh is missing and many are there several times.
fn hundreds() -> Vec<String> {
    let name = |number: usize| match number % 7 {
        0 => format!("missing{number}"),
        _ => many_name(number * 11 % sample::MANY),
    };
    (0..400).map(name).collect()
}

fn is_as_asked<T: std::fmt::Debug>(
    names: &[String],
    answers: Vec<Result<T, Error>>,
    attributes: fn(&T) -> &Attributes,
) {
    assert_eq!(answers.len(), names.len());
    let mut paths = std::collections::HashMap::new();
    for (name, answer) in names.iter().zip(answers) {
        if name.starts_with("missing") {
            fails(answer, &[ENOENT]);
            continue;
        }
        let answer = answer.unwrap();
        let attributes = attributes(&answer);
        assert_eq!(attributes.size, sample::NAME as u64, "{name}");
        let path = *paths.entry(name).or_insert(attributes.qid.path);
        assert_eq!(path, attributes.qid.path, "{name}");
    }
    let different: HashSet<_> = paths.values().collect();
    assert_eq!(different.len(), paths.len());
}

fn lookups_of_hundreds_of_names_come_in_order(site: &Site) {
    let (many, names) = (site.many(), hundreds());
    let answers = many.lookup_all(&names);
    // Each fid is the file of its name, by content.
    for at in [1, 2, 200, 398] {
        let (fid, _) = answers[at].as_ref().unwrap();
        assert_eq!(content(fid), names[at].as_bytes());
    }
    let numbers: HashSet<_> = answers.iter().flatten().map(|(f, _)| f.number()).collect();
    assert_eq!(numbers.len(), answers.iter().flatten().count());
    is_as_asked(&names, answers, |(_, attributes): &(Fid, _)| attributes);
}

fn a_stat_needs_no_fid(site: &Site) {
    site.hello();
    let (root, deep) = (site.root(), site.deep());
    let hello = root.stat_at(&["hello"]).unwrap();
    assert_eq!(hello.size, sample::HELLO.len() as u64);
    for length in [1, 16, 17, sample::DEEP] {
        let there = root.walk(&deep[..length]).unwrap();
        let attributes = root.stat_at(&deep[..length]).unwrap();
        assert_eq!(attributes.qid.path, there.qid().path);
    }
    let itself = root.stat_at::<&str>(&[]).unwrap();
    assert_eq!(itself.qid.path, root.qid().path);
}

fn stats_of_hundreds_of_names_come_in_order(site: &Site) {
    let (many, names) = (site.many(), hundreds());
    is_as_asked(&names, many.stat_all(&names), |attributes| attributes);
    assert!(many.stat_all::<&str>(&[]).is_empty());
    assert!(many.lookup_all::<&str>(&[]).is_empty());
}

fn one_bad_name_among_many_fails_alone(site: &Site) {
    let (many, good, long) = (site.many(), many_name(1), "x".repeat(256));
    let names = [&good, "", &good, "a/b", &long, &good];
    let expected = [0, ENOENT, 0, ENOENT, ENAMETOOLONG, 0];
    let lookups = many.lookup_all(&names);
    let stats = many.stat_all(&names);
    for ((lookup, stat), expected) in lookups.into_iter().zip(stats).zip(expected) {
        if expected == 0 {
            assert_eq!(lookup.unwrap().1.size, sample::NAME as u64);
            assert_eq!(stat.unwrap().size, sample::NAME as u64);
        } else {
            fails(lookup, &[expected]);
            fails(stat, &[expected]);
        }
    }
}

fn nothing_is_looked_up_in_a_file(site: &Site) {
    let hello = site.hello();
    fails(hello.lookup(b"x"), &[ENOTDIR]);
    for answer in hello.lookup_all(&["x", "y", "z"]) {
        fails(answer, &[ENOTDIR]);
    }
    for answer in hello.stat_all(&["x", "y", "z"]) {
        fails(answer, &[ENOTDIR]);
    }
}

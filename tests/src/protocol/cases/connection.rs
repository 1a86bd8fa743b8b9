//! What a connection carries: many fids, many threads, several clients, and its end.

use std::collections::HashSet;
use std::thread;

use virtfs_client::{Error, Fid, LopenFlags as O};

use super::errno::{EIO, EISDIR, EMFILE, ENOENT, ENOTDIR};
use super::{ANY, content, create, fails, mkdir, names, pattern, put, read};
use crate::protocol::transports::FIDS;
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        a_thousand_fids_are_a_thousand_files
        many_threads_read_over_one_connection
        a_clunk_frees_the_fid
        a_closed_connection_fails_everything
        a_client_that_has_gone_disturbs_no_other
        a_connection_lasts_as_long_as_its_last_fid
        errors_do_not_end_a_connection;
    Has::WRITE =>
        many_threads_change_over_one_connection
        many_connections_change_one_directory
        hundreds_of_open_files_are_apart;
}

fn a_thousand_fids_are_a_thousand_files(site: &Site) {
    let (many, names) = (site.many(), some_names(1000));
    let fids: Vec<_> = looked_up(&many, &names).collect();
    let numbers: HashSet<_> = fids.iter().map(Fid::number).collect();
    assert_eq!(numbers.len(), 1000);
    for at in (0..1000).step_by(99) {
        assert_eq!(content(&fids[at]), names[at].as_bytes());
    }
    // Few can be had beyond them: whatever takes one and keeps it runs out.
    nothing_keeps_a_fid(site);
    if site.has(Has::FEW_FIDS) {
        let more: Vec<_> = looked_up(&many, &some_names(FIDS - 1000 - 10)).collect();
        let too_many = many.lookup_all(&some_names(20)).pop().unwrap();
        fails(too_many, &[EMFILE]);
        drop(more);
    }
    drop(fids);
    assert_eq!(looked_up(&many, &some_names(200)).count(), 200);
}

fn some_names(count: usize) -> Vec<String> {
    let number = |at| at % sample::MANY;
    (0..count).map(|at| sample::many_name(number(at))).collect()
}

fn looked_up(many: &Fid, names: &[String]) -> impl Iterator<Item = Fid> {
    let answers = many.lookup_all(names).into_iter();
    answers.map(|answer| answer.unwrap().0)
}

fn nothing_keeps_a_fid(site: &Site) {
    let (root, many, deep) = (site.root(), site.many(), site.deep());
    let missing = [&deep[..], &["missing".to_owned()]].concat();
    let (mut names, name) = (some_names(60), sample::many_name(1));
    names[20..40].fill("missing".to_owned());
    for _ in 0..4 {
        assert_eq!(many.lookup_all(&names).iter().flatten().count(), 40);
        assert_eq!(many.stat_all(&names).iter().flatten().count(), 40);
    }
    for _ in 0..40 {
        drop(many.walk(&[&name]).unwrap().open(O::RDONLY).unwrap());
        drop(many.walk(&[&name]).unwrap().into_open(O::RDONLY).unwrap());
        drop(many.lookup(name.as_bytes()).unwrap());
        drop(root.walk(&deep).unwrap());
        drop(many.read_dir().unwrap());
        let _ = many.xattr(b"user.missing");
        fails(many.lookup(b"missing"), &[ENOENT]);
        fails(many.open(O::WRONLY), &[EISDIR]);
        fails(many.walk(&[&name, "x"]), &[ENOENT, ENOTDIR]);
        fails(many.stat_at(&["missing"]), &[ENOENT]);
        fails(root.walk(&missing), &[ENOENT]);
    }
}

fn many_threads_read_over_one_connection(site: &Site) {
    let (numbers, many) = (site.numbers(), site.many());
    let all = pattern(sample::NUMBERS);
    thread::scope(|scope| {
        for number in 0..8 {
            let (numbers, many, all) = (&numbers, &many, &all);
            scope.spawn(move || {
                let file = numbers.open(O::RDONLY).unwrap();
                for round in 0..8 {
                    let offset = (number * 7919 + round * 4999) % 150_000;
                    let bytes = read(&file, offset as u64, 40_000);
                    assert!(bytes == all[offset..offset + 40_000]);
                    let name = sample::many_name((number * 37 + round) % sample::MANY);
                    assert_eq!(content(&many.walk(&[&name]).unwrap()), name.as_bytes());
                    fails(many.walk(&["missing"]), &[ENOENT]);
                }
            });
        }
    });
}

fn a_clunk_frees_the_fid(site: &Site) {
    let hello = site.hello();
    for _ in 0..100 {
        hello.walk::<&str>(&[]).unwrap().clunk().unwrap();
        hello.open(O::RDONLY).unwrap().clunk().unwrap();
    }
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_closed_connection_fails_everything(site: &Site) {
    site.hello();
    let root = site.second();
    let file = root.walk(&["hello"]).unwrap().open(O::RDONLY).unwrap();
    assert!(root.client().lost().is_none());
    root.client().close();
    assert!(matches!(root.client().lost(), Some(Error::Lost(_))));
    fails(root.attributes(), &[EIO]);
    fails(root.walk(&["hello"]), &[EIO]);
    fails(root.lookup(b"hello"), &[EIO]);
    fails(file.read_at(&mut [0; 5], 0), &[EIO]);
    for answer in root.stat_all(&["hello", "hello"]) {
        assert!(matches!(answer, Err(Error::Lost(_))), "{answer:?}");
    }
    assert!(matches!(file.clunk(), Err(Error::Lost(_))));
    root.client().close();
}

fn a_client_that_has_gone_disturbs_no_other(site: &Site) {
    let hello = site.hello();
    for _ in 0..5 {
        let root = site.second();
        let file = root.walk(&["hello"]).unwrap().open(O::RDONLY).unwrap();
        assert_eq!(read(&file, 0, 5), b"hello");
        root.client().close();
    }
    assert_eq!(content(&hello), sample::HELLO);
}

fn a_connection_lasts_as_long_as_its_last_fid(site: &Site) {
    site.hello();
    let hello = site.second().walk(&["hello"]).unwrap();
    let file = hello.open(O::RDONLY).unwrap();
    drop(hello);
    assert_eq!(read(&file, 0, 100), sample::HELLO);
    assert!(file.client().lost().is_none());
}

fn errors_do_not_end_a_connection(site: &Site) {
    for round in 0..60 {
        let missing = format!("missing{round}");
        fails(site.root().walk(&[&missing]), &[ENOENT]);
        fails(site.root().stat_at(&[&missing, "x"]), &[ENOENT]);
    }
    assert!(site.client().lost().is_none());
    assert_eq!(content(&site.hello()), sample::HELLO);
}

fn many_threads_change_over_one_connection(site: &Site) {
    let root = site.root();
    thread::scope(|scope| {
        for number in 0..5 {
            scope.spawn(move || {
                let dir = mkdir(root, &format!("d{number}"));
                for round in 0..9 {
                    let (old, new) = (format!("f{round}"), format!("g{round}"));
                    let text = format!("{number} {round}");
                    let file = put(&dir, old.as_bytes(), text.as_bytes());
                    dir.rename_at(old.as_bytes(), &dir, new.as_bytes()).unwrap();
                    assert_eq!(content(&file), text.as_bytes());
                    if round % 2 == 0 {
                        file.remove().unwrap();
                    }
                }
                assert_eq!(names(&dir).len(), 4);
            });
        }
    });
    assert_eq!(names(root).len(), 5);
}

fn many_connections_change_one_directory(site: &Site) {
    let roots: Vec<_> = (0..6).map(|_| site.second()).collect();
    thread::scope(|scope| {
        for (number, root) in roots.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..15 {
                    put(root, format!("{number}-{round}").as_bytes(), b"x");
                }
            });
        }
    });
    for root in &roots {
        assert_eq!(names(root).len(), 6 * 15);
    }
}

fn hundreds_of_open_files_are_apart(site: &Site) {
    let files: Vec<_> = (0..150_u32)
        .map(|number| {
            let file = create(site.root(), number.to_string().as_bytes());
            file.write_all_at(&number.to_le_bytes(), 0).unwrap();
            file
        })
        .collect();
    for (number, file) in files.iter().enumerate() {
        assert_eq!(read(file, 0, 10), (number as u32).to_le_bytes());
    }
}

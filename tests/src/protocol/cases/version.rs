//! How long messages may be.

use virtfs_client::{LopenFlags, XattrFlags};

use super::{ANY, content, names, pattern, put, read};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        an_msize_that_the_server_can_do_is_granted
        an_msize_that_the_server_cannot_do_is_cut
        an_msize_below_4096_is_not_asked_for
        the_smallest_messages_read_everything;
    Has::WRITE =>
        the_smallest_messages_write_everything;
    Has::XATTRS =>
        the_smallest_messages_carry_long_values;
}

/// No message is shorter.
const SMALLEST: u32 = 4096;

fn an_msize_that_the_server_can_do_is_granted(site: &Site) {
    for msize in [SMALLEST, 5001, 8192, 65_536, 1 << 20] {
        let root = site.with_msize(msize);
        assert_eq!(root.client().msize(), msize);
    }
}

fn an_msize_that_the_server_cannot_do_is_cut(site: &Site) {
    let root = site.with_msize(64 << 20);
    assert_eq!(root.client().msize(), 1 << 20);
    assert!(content(&site.numbers()) == pattern(sample::NUMBERS));
}

/// The server would refuse them, and the client knows.
fn an_msize_below_4096_is_not_asked_for(site: &Site) {
    site.hello();
    for msize in [0, 24, SMALLEST - 1] {
        let root = site.with_msize(msize);
        assert_eq!(root.client().msize(), SMALLEST);
        assert_eq!(content(&root.walk(&["hello"]).unwrap()), sample::HELLO);
    }
}

fn the_smallest_messages_read_everything(site: &Site) {
    site.numbers();
    site.many();
    let root = site.with_msize(SMALLEST);
    let numbers = root.walk(&["numbers"]).unwrap();
    assert!(content(&numbers) == pattern(sample::NUMBERS));
    let many = root.walk(&["many"]).unwrap();
    assert_eq!(names(&many).len(), sample::MANY);
    root.walk(&site.deep()).unwrap();
}

fn the_smallest_messages_write_everything(site: &Site) {
    let root = site.with_msize(SMALLEST);
    let bytes = pattern(3 * SMALLEST as usize + 1);
    assert!(content(&put(&root, b"f", &bytes)) == bytes);
    let (name, target) = ([b'n'; 255], [b't'; 3000]);
    root.symlink(&name, &target, 0).unwrap();
    assert_eq!(root.walk(&[name]).unwrap().readlink().unwrap(), target);
    assert_eq!(names(&root), [&b"f"[..], &name]);
    let file = root.walk(&["f"]).unwrap();
    let file = file.open(LopenFlags::WRONLY | LopenFlags::APPEND).unwrap();
    assert_eq!(file.write_at(&bytes, 0).unwrap(), bytes.len());
    drop(file);
    let both = root.walk(&["f"]).unwrap().open(LopenFlags::RDONLY).unwrap();
    assert!(read(&both, bytes.len() as u64, 1 << 20) == bytes);
}

fn the_smallest_messages_carry_long_values(site: &Site) {
    let root = site.with_msize(SMALLEST);
    let file = put(&root, b"f", b"");
    // ext4 has little room.
    let length = if site.has(Has::LARGE_XATTRS) {
        60_000
    } else {
        3_500
    };
    let value = pattern(length);
    file.set_xattr(b"user.long", &value, XattrFlags::empty())
        .unwrap();
    assert!(file.xattr(b"user.long").unwrap() == value);
    assert_eq!(file.xattr_size(b"user.long").unwrap(), length as u64);
}

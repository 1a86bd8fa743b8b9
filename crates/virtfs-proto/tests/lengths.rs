//! The length of every message's body with empty strings and lists, added up by hand from the
//! protocol's tables.

mod common;

use virtfs_proto::kind::*;
use virtfs_proto::{Dialect, HEADER_LEN, name_of};

#[rustfmt::skip]
const BODIES: [(u8, usize); 66] = [
    (RLERROR, 4),
    (TSTATFS, 4), (RSTATFS, 60),
    (TLOPEN, 8), (RLOPEN, 17),
    (TLCREATE, 18), (RLCREATE, 17),
    (TSYMLINK, 12), (RSYMLINK, 13),
    (TMKNOD, 22), (RMKNOD, 13),
    (TRENAME, 10), (RRENAME, 0),
    (TREADLINK, 4), (RREADLINK, 2),
    (TGETATTR, 12), (RGETATTR, 153),
    (TSETATTR, 60), (RSETATTR, 0),
    (TXATTRWALK, 10), (RXATTRWALK, 8),
    (TXATTRCREATE, 18), (RXATTRCREATE, 0),
    (TREADDIR, 16), (RREADDIR, 4),
    (TFSYNC, 8), (RFSYNC, 0),
    (TLOCK, 31), (RLOCK, 1),
    (TGETLOCK, 27), (RGETLOCK, 23),
    (TLINK, 10), (RLINK, 0),
    (TMKDIR, 14), (RMKDIR, 13),
    (TRENAMEAT, 12), (RRENAMEAT, 0),
    (TUNLINKAT, 10), (RUNLINKAT, 0),
    (TVERSION, 6), (RVERSION, 6),
    (TAUTH, 12), (RAUTH, 13),
    (TATTACH, 16), (RATTACH, 13),
    (RERROR, 6),
    (TFLUSH, 2), (RFLUSH, 0),
    (TWALK, 10), (RWALK, 2),
    (TOPEN, 5), (ROPEN, 17),
    (TCREATE, 13), (RCREATE, 17),
    (TREAD, 16), (RREAD, 4),
    (TWRITE, 16), (RWRITE, 4),
    (TCLUNK, 4), (RCLUNK, 0),
    (TREMOVE, 4), (RREMOVE, 0),
    (TSTAT, 4), (RSTAT, 65),
    (TWSTAT, 69), (RWSTAT, 0),
];

/// What plain 9P2000 has less.
const LESS_IN_PLAIN: [(u8, usize); 6] = [
    (TAUTH, 4),
    (TATTACH, 4),
    (TCREATE, 2),
    (RERROR, 4),
    (RSTAT, 14),
    (TWSTAT, 14),
];

#[test]
fn every_body_has_the_length_that_the_protocol_says() {
    assert_eq!(BODIES.len(), (0..=u8::MAX).filter_map(name_of).count());
    for (kind, body) in BODIES {
        for dialect in Dialect::ALL {
            let less = LESS_IN_PLAIN
                .iter()
                .find(|less| less.0 == kind && dialect == Dialect::Plain);
            let head = common::head(kind, dialect, 0, &[]).unwrap();
            let expected = HEADER_LEN + body - less.map_or(0, |less| less.1);
            assert_eq!(head.len(), expected, "{dialect:?} {:?}", name_of(kind));
        }
    }
}

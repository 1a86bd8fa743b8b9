//! The protocol suite, over every transport and every backend in this process. The program's own
//! standard streams are in `crates/virtfs/tests/protocol.rs`.

use virtfs_tests::protocol::{Backend, Has, left_out, transports, virtqueue};

virtfs_tests::protocol_suite! {
    transports {
        unix => transports::unix,
        tcp => transports::tcp,
        socketpair => transports::socketpair,
        pipes => transports::pipes,
        unordered => transports::unordered,
        virtqueue_split => virtqueue::split,
        virtqueue_indirect => virtqueue::indirect,
    }
    backends {
        memory => Backend::memory,
        passthrough => Backend::passthrough,
        synth => Backend::synth,
    }
}

/// What the ownership models do is the same whichever way a request came; only payloads go other
/// ways in a stream and in a guest's memory.
mod models {
    use super::*;

    virtfs_tests::protocol_suite! {
        transports {
            socketpair => transports::socketpair,
            virtqueue_indirect => virtqueue::indirect,
        }
        backends {
            none => Backend::none,
            mapped_xattr => Backend::mapped_xattr,
            mapped_file => Backend::mapped_file,
        }
    }
}

/// What is about the way alone needs no other backend.
mod more_ways {
    use super::*;

    virtfs_tests::protocol_suite! {
        transports {
            virtqueue_bytes => virtqueue::bytes,
            vhost_user => virtqueue::vhost_user,
        }
        backends {
            memory => Backend::memory,
            synth => Backend::synth,
        }
    }
}

/// A case that needs what nobody has would never run, and nobody would know.
#[test]
fn every_case_is_run_and_what_a_backend_leaves_out_is_known() {
    let offered = Has::ONE_SERVER | Has::FEW_FIDS;
    let missing = |backend: Backend| -> Vec<_> {
        let left_out = left_out(backend.has() | offered);
        left_out.into_iter().map(|(_, missing)| missing).collect()
    };
    let blocks_or_is_fixed = |missing: Has| Has::FIXED.union(Has::GATE).contains(missing);
    assert!(
        missing(Backend::memory())
            .into_iter()
            .all(blocks_or_is_fixed)
    );
    for backend in [
        Backend::passthrough(),
        Backend::none(),
        Backend::mapped_xattr(),
        Backend::mapped_file(),
    ] {
        for missing in missing(backend) {
            assert!(blocks_or_is_fixed(missing) || missing == Has::LARGE_XATTRS);
        }
    }
    // A tree made by code runs what the others leave out, and leaves out what changes something.
    let unchanging = Has::FILES | Has::LARGE_XATTRS;
    for missing in missing(Backend::synth()) {
        assert!(unchanging.contains(missing));
    }
}

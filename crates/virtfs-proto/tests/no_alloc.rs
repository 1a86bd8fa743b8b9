//! Neither decoding nor encoding nor printing an error allocates, so a hostile message cannot cost
//! more memory than it takes itself.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

use virtfs_proto::{DirEntries, Rmessage, Stats, Tmessage};

/// The system's allocator, which counts the calls of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` with the caller's own arguments, so `System`'s promises are
// this allocator's. Counting touches a constant-initialised thread-local without a destructor,
// which neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, and `ptr` is from `System.alloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Takes what is printed and keeps nothing.
struct Sink;

impl Write for Sink {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}

#[test]
fn no_message_allocates() {
    let mut buf = [0; 4096];
    for (dialect, mut head) in common::heads() {
        let len = head.len();
        let count = allocations(|| {
            for at in 0..len {
                for flip in [0x00, 0x01, 0x80, 0xff] {
                    head[at] ^= flip;
                    match Tmessage::decode(dialect, &head) {
                        Ok((tag, message)) => {
                            message.encode(dialect, tag, &mut buf).unwrap();
                            write!(Sink, "{message:?}").unwrap();
                        }
                        Err(error) => write!(Sink, "{error}").unwrap(),
                    }
                    match Rmessage::decode(dialect, &head) {
                        Ok((tag, message)) => {
                            message.encode(dialect, tag, &mut buf).unwrap();
                            write!(Sink, "{message:?}").unwrap();
                        }
                        Err(error) => write!(Sink, "{error}").unwrap(),
                    }
                    DirEntries::new(&head).for_each(drop);
                    Stats::new(dialect, &head).for_each(drop);
                    head[at] ^= flip;
                }
            }
        });
        assert_eq!(count, 0, "{dialect:?} {head:?}");
    }
}

//! Threads that work on a tree together, so that round trips overlap, in bounded memory: a task
//! that makes tasks gives them to whoever is free, and does them itself when nobody is.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// How many tasks run at once.
const THREADS: usize = 8;
/// How many tasks may wait.
const WAITING: usize = 64;
/// A task that nobody takes runs on the stack of the one that made it, once for each level of a
/// tree. Only what is used takes memory.
const STACK: usize = 64 << 20;

/// A piece of work.
pub(super) trait Task: Send + Sized {
    /// What all tasks know.
    type Shared: Sync;

    /// Does it. `scratch` is the thread's own memory, for use until another task is given away.
    fn run(self, pool: &Pool<'_, Self>, scratch: &mut Vec<u8>);
}

/// Tasks and those who do them.
pub(super) struct Pool<'s, T: Task> {
    pub(super) shared: &'s T::Shared,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    running: usize,
    stopped: bool,
}

impl<T: Task> Pool<'_, T> {
    /// Does these tasks and all that they give; returns when nothing is left or it was stopped.
    pub(super) fn run(shared: &T::Shared, first: impl IntoIterator<Item = T>) -> io::Result<()> {
        let pool = Pool {
            shared,
            state: Mutex::new(State {
                waiting: first.into_iter().collect(),
                running: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
        };
        std::thread::scope(|scope| {
            for number in 0..THREADS {
                let thread = Builder::new().stack_size(STACK);
                match thread.spawn_scoped(scope, || pool.work()) {
                    Err(error) if number == 0 => return Err(error),
                    // With fewer threads it takes longer.
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Has a task done: by another thread, or here if they have enough to do.
    pub(super) fn give(&self, task: T, scratch: &mut Vec<u8>) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        if state.waiting.len() < WAITING {
            state.waiting.push_back(task);
            self.changed.notify_one();
            return;
        }
        drop(state);
        task.run(self, scratch);
    }

    /// Forgets what has not begun.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let forgotten = std::mem::take(&mut state.waiting);
        self.changed.notify_all();
        drop(state);
        drop(forgotten);
    }

    /// Whether to stop making tasks.
    pub(super) fn stopped(&self) -> bool {
        self.lock().stopped
    }

    fn work(&self) {
        let mut scratch = Vec::new();
        while let Some(task) = self.take() {
            let _running = Running(self);
            task.run(self, &mut scratch);
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.waiting.pop_front() {
                state.running += 1;
                return Some(task);
            }
            if state.running == 0 || state.stopped {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that runs; others wait for it even if it panics.
struct Running<'a, 's, T: Task>(&'a Pool<'s, T>);

impl<T: Task> Drop for Running<'_, '_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        if state.running == 0 {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Counts itself, and makes two tasks of the level below.
    struct Level(u32);

    impl Task for Level {
        type Shared = AtomicU64;

        fn run(self, pool: &Pool<'_, Self>, scratch: &mut Vec<u8>) {
            pool.shared.fetch_add(1, Ordering::Relaxed);
            if self.0 == 100 {
                pool.stop();
            } else if self.0 > 0 {
                pool.give(Self(self.0 - 1), scratch);
                pool.give(Self(self.0 - 1), scratch);
            }
        }
    }

    #[test]
    fn every_task_is_done_once_however_many_there_are() {
        let count = AtomicU64::new(0);
        Pool::run(&count, [Level(14)]).unwrap();
        assert_eq!(count.into_inner(), (1 << 15) - 1);
    }

    #[test]
    fn a_pool_that_is_stopped_ends() {
        let count = AtomicU64::new(0);
        Pool::run(&count, [Level(100), Level(3)]).unwrap();
        assert!(count.into_inner() >= 1);
    }
}

//! A table of what lives elsewhere: nine bytes for each, for the hash of a thing is asked of the
//! thing itself, and what is dead is not counted.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use hashbrown::HashTable;

use crate::sync::lock;

/// Things that are found by a hash and taken away by their drop ([`WeakTable::forget_dead`]).
pub(crate) struct WeakTable<T>(Mutex<Table<T>>);

struct Table<T> {
    slots: HashTable<Weak<T>>,
}

/// Things that lost their last owner but us while the table was locked. Their drop may lock it.
type Grave<T> = Vec<T>;

impl<T> Default for WeakTable<T> {
    fn default() -> Self {
        Self(Mutex::new(Table {
            slots: HashTable::new(),
        }))
    }
}

impl<T> fmt::Debug for WeakTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakTable")
    }
}

impl<T> WeakTable<T> {
    /// The living thing of this hash that is wanted.
    pub(crate) fn find(&self, hash: u64, wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let grave = RefCell::default();
        lock(&self.0).find(hash, wanted, &grave)
    }

    /// Enters what is made of the parts, unless a living thing of this hash is wanted: then it is
    /// the error, with the parts. See [`WeakTable::insert`].
    pub(crate) fn find_or_insert<P>(
        &self,
        hash: u64,
        wanted: impl Fn(&T) -> bool,
        parts: P,
        make: impl FnOnce(P) -> Arc<T>,
        hash_of: impl Fn(&T) -> Option<u64>,
    ) -> Result<Arc<T>, (Arc<T>, P)> {
        let grave = RefCell::default();
        let mut table = lock(&self.0);
        if let Some(known) = table.find(hash, wanted, &grave) {
            return Err((known, parts));
        }
        let made = make(parts);
        table.insert(hash, &made, hash_of, &grave);
        Ok(made)
    }

    /// Enters a thing. `hash_of` tells the hash of others that are in the table; `None` of one that
    /// is about to be taken out.
    pub(crate) fn insert(&self, hash: u64, thing: &Arc<T>, hash_of: impl Fn(&T) -> Option<u64>) {
        let grave = RefCell::default();
        lock(&self.0).insert(hash, thing, hash_of, &grave);
    }

    /// Takes a living thing out.
    pub(crate) fn remove(&self, hash: u64, thing: *const T) {
        lock(&self.0).remove(hash, |weak| weak.as_ptr() == thing);
    }

    /// To be called by the drop of a thing of this hash: takes the dead out.
    pub(crate) fn forget_dead(&self, hash: u64, hash_of: impl Fn(&T) -> Option<u64>) {
        let grave = RefCell::default();
        let mut table = lock(&self.0);
        while table.remove(hash, |weak| weak.strong_count() == 0) {}
        let (length, capacity) = (table.slots.len(), table.slots.capacity());
        if capacity > 64.max(8 * length) {
            table.rebuild(2 * length, hash_of, &grave);
        }
    }

    /// Shows all living things.
    pub(crate) fn each(&self, mut show: impl FnMut(&T)) {
        let grave = RefCell::default();
        for weak in &lock(&self.0).slots {
            look(weak, &grave, &mut show);
        }
    }
}

impl<T> Table<T> {
    fn find(
        &self,
        hash: u64,
        wanted: impl Fn(&T) -> bool,
        grave: &RefCell<Grave<T>>,
    ) -> Option<Arc<T>> {
        let found = Cell::new(None);
        self.slots.find(hash, |weak| {
            let Some(thing) = weak.upgrade() else {
                return false;
            };
            let is = wanted(&thing);
            match is {
                true => found.set(Some(thing)),
                false => bury(thing, grave),
            }
            is
        });
        found.into_inner()
    }

    fn insert(
        &mut self,
        hash: u64,
        thing: &Arc<T>,
        hash_of: impl Fn(&T) -> Option<u64>,
        grave: &RefCell<Grave<T>>,
    ) {
        if self.slots.len() == self.slots.capacity() {
            // Room for so many more that who comes and goes does not rebuild it each time.
            let length = self.slots.len();
            self.rebuild(length + length / 8 + 1, hash_of, grave);
        }
        // There is room: nobody is asked for a hash.
        self.slots.insert_unique(hash, Arc::downgrade(thing), |_| 0);
    }

    /// Whether one was there.
    fn remove(&mut self, hash: u64, is: impl Fn(&Weak<T>) -> bool) -> bool {
        let found = self.slots.find_entry(hash, is);
        found.map(|found| found.remove()).is_ok()
    }

    /// Leaves out what is dead or about to be taken out.
    fn rebuild(
        &mut self,
        capacity: usize,
        hash_of: impl Fn(&T) -> Option<u64>,
        grave: &RefCell<Grave<T>>,
    ) {
        let old = std::mem::replace(&mut self.slots, HashTable::with_capacity(capacity));
        for weak in old {
            if let Some(hash) = look(&weak, grave, &hash_of).flatten() {
                self.slots.insert_unique(hash, weak, |_| 0);
            }
        }
    }
}

fn look<T, R>(weak: &Weak<T>, grave: &RefCell<Grave<T>>, f: impl FnOnce(&T) -> R) -> Option<R> {
    let thing = weak.upgrade()?;
    let result = f(&thing);
    bury(thing, grave);
    Some(result)
}

fn bury<T>(thing: Arc<T>, grave: &RefCell<Grave<T>>) {
    if let Some(last) = Arc::into_inner(thing) {
        grave.borrow_mut().push(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        number: u64,
        table: Arc<WeakTable<Thing>>,
    }

    /// So that some collide.
    fn hash(number: u64) -> u64 {
        (number / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn hash_of(thing: &Thing) -> Option<u64> {
        Some(hash(thing.number))
    }

    impl Drop for Thing {
        fn drop(&mut self) {
            self.table.forget_dead(hash(self.number), hash_of);
        }
    }

    impl WeakTable<Thing> {
        fn of(&self, number: u64) -> Option<Arc<Thing>> {
            self.find(hash(number), |thing| thing.number == number)
        }

        fn len(&self) -> usize {
            lock(&self.0).slots.len()
        }
    }

    fn enter(table: &Arc<WeakTable<Thing>>, number: u64) -> Arc<Thing> {
        let thing = Arc::new(Thing {
            number,
            table: table.clone(),
        });
        table.insert(hash(number), &thing, hash_of);
        thing
    }

    #[test]
    fn what_lives_is_found_and_what_died_takes_no_place() {
        let table = Arc::<WeakTable<Thing>>::default();
        let mut things: Vec<_> = (0..5000).map(|number| enter(&table, number)).collect();
        things.retain(|thing| thing.number % 7 != 0);
        for number in 0..5001 {
            let is = number < 5000 && number % 7 != 0;
            assert_eq!(table.of(number).is_some(), is, "{number}");
        }
        assert_eq!(table.len(), things.len());
        let mut seen = 0;
        table.each(|_| seen += 1);
        assert_eq!(seen, things.len());
        things.clear();
        assert_eq!(table.len(), 0);
        assert!(lock(&table.0).slots.capacity() <= 64);
    }

    #[test]
    fn what_is_wanted_is_made_once() {
        let table = Arc::<WeakTable<Thing>>::default();
        let wanted = |thing: &Thing| thing.number == 1;
        let make = |number| {
            Arc::new(Thing {
                number,
                table: table.clone(),
            })
        };
        let one = table.find_or_insert(hash(1), wanted, 1, make, hash_of).ok();
        let (other, parts) = table
            .find_or_insert(hash(1), wanted, 1, make, hash_of)
            .err()
            .unwrap();
        assert!(Arc::ptr_eq(&one.unwrap(), &other));
        assert_eq!(parts, 1);
    }

    #[test]
    fn one_that_cannot_be_asked_for_its_hash_is_left_out_when_the_table_grows() {
        let table = Arc::<WeakTable<Thing>>::default();
        let mute = enter(&table, 100);
        let hash_of = |thing: &Thing| hash_of(thing).filter(|_| thing.number != 100);
        let others: Vec<_> = (0..50)
            .map(|number| {
                let thing = Arc::new(Thing {
                    number,
                    table: table.clone(),
                });
                table.insert(hash(number), &thing, hash_of);
                thing
            })
            .collect();
        table.remove(hash(100), &*mute);
        assert_eq!(table.len(), others.len());
        drop(mute);
        assert_eq!(table.len(), others.len());
    }

    #[test]
    fn threads_that_drop_and_look_at_once_do_not_wait_for_each_other_for_ever() {
        let table = Arc::<WeakTable<Thing>>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..20_000 {
                        let number = round % 16;
                        let wanted = |thing: &Thing| thing.number == number;
                        let make = |number| {
                            Arc::new(Thing {
                                number,
                                table: table.clone(),
                            })
                        };
                        let hash = hash(number);
                        let found = table.find_or_insert(hash, wanted, number, make, hash_of);
                        let (Ok(found) | Err((found, _))) = found;
                        assert_eq!(found.number, number);
                    }
                });
            }
        });
        assert_eq!(table.len(), 0);
    }
}

//! Gate and [`Arc`] under loom: each test runs in every order that two or three threads allow.
//!
//! What the gate holds is a cell of loom's, which notices if somebody changes it while another
//! thread may look. Whoever owns a gate looks until it is shut, as a host does after `notify`.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::{Arc, Gate};

/// What stands for a table: it notices looks and changes that are not in order.
struct Table(UnsafeCell<usize>);

// SAFETY: that nobody looks while another changes it is what the gate promises and loom checks.
unsafe impl Sync for Table {}

impl Table {
    fn new(n: usize) -> Table {
        Table(UnsafeCell::new(n))
    }

    fn look(&self) -> usize {
        // SAFETY: loom panics if anybody changes it meanwhile.
        self.0.with(|n| unsafe { *n })
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: loom panics if anybody looks meanwhile.
        self.0.with_mut(|n| unsafe { *n = usize::MAX });
    }
}

/// A gate of that many slots, open on table 1, and how often it was shut.
fn open_gate(slots: usize) -> (loom::sync::Arc<Gate<Table>>, loom::sync::Arc<AtomicUsize>) {
    let shuts = loom::sync::Arc::new(AtomicUsize::new(0));
    let seen = shuts.clone();
    let count = move || {
        seen.fetch_add(1, Ordering::AcqRel);
    };
    let gate = Gate::new(slots, count).unwrap();
    assert!(gate.open(Table::new(1)).is_ok());
    (loom::sync::Arc::new(gate), shuts)
}

/// Closes the gate and swaps the table, once it is shut.
fn swap(gate: &Gate<Table>, next: usize) {
    assert!(gate.close());
    while !gate.is_shut() {
        thread::yield_now();
    }
    let before = gate.take().expect("a shut gate gives its table");
    assert!(before.look() < next);
    drop(before);
    assert!(gate.open(Table::new(next)).is_ok());
}

fn look(gate: &Gate<Table>, hint: usize) {
    if let Some(table) = gate.enter(hint) {
        let seen = table.look();
        assert!(seen == 1 || seen == 2);
    }
}

#[test]
fn a_table_is_swapped_under_requests_through_one_slot() {
    loom::model(|| {
        let (gate, shuts) = open_gate(1);
        let other = gate.clone();
        let requests = thread::spawn(move || look(&other, 0));
        swap(&gate, 2);
        requests.join().unwrap();
        assert_eq!(shuts.load(Ordering::Acquire), 1);
        assert_eq!(gate.enter(0).unwrap().look(), 2);
    });
}

#[test]
fn a_table_is_swapped_under_requests_through_two_slots() {
    loom::model(|| {
        let (gate, shuts) = open_gate(2);
        let other = gate.clone();
        let requests = thread::spawn(move || {
            look(&other, 0);
            look(&other, 1);
        });
        swap(&gate, 2);
        requests.join().unwrap();
        assert_eq!(shuts.load(Ordering::Acquire), 1);
    });
}

#[test]
fn the_last_of_several_passes_shuts_it_once() {
    loom::model(|| {
        let (gate, shuts) = open_gate(1);
        let passes = [gate.enter(0).unwrap(), gate.enter(0).unwrap()].map(|e| e.into_pass());
        let threads: Vec<_> = passes
            .into_iter()
            .map(|pass| {
                thread::spawn(move || {
                    let twin = pass.clone();
                    drop(pass);
                    drop(twin);
                })
            })
            .collect();
        assert!(gate.close());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(gate.is_shut());
        assert_eq!(shuts.load(Ordering::Acquire), 1);
        assert_eq!(gate.take().unwrap().look(), 1);
    });
}

#[test]
fn only_one_of_two_that_close_it_does() {
    loom::model(|| {
        let (gate, shuts) = open_gate(2);
        let other = gate.clone();
        let closing = thread::spawn(move || other.close());
        let mine = gate.close();
        assert!(mine != closing.join().unwrap());
        assert!(gate.is_shut());
        assert_eq!(shuts.load(Ordering::Acquire), 1);
    });
}

#[test]
fn the_gate_is_dropped_while_a_request_is_on_its_way() {
    loom::model(|| {
        let (gate, shuts) = open_gate(1);
        let gate = loom::sync::Arc::try_unwrap(gate).ok().unwrap();
        let pass = gate.enter(0).unwrap().into_pass();
        let request = thread::spawn(move || drop(pass));
        drop(gate);
        request.join().unwrap();
        assert_eq!(shuts.load(Ordering::Acquire), 1);
    });
}

#[test]
fn the_last_owner_of_an_arc_drops_what_others_have_used() {
    loom::model(|| {
        let first = Arc::try_new(Table::new(1)).unwrap();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let mine = first.clone();
                thread::spawn(move || assert_eq!(mine.look(), 1))
            })
            .collect();
        drop(first);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn who_owns_an_arc_alone_may_change_what_others_have_used() {
    loom::model(|| {
        let mut first = Arc::try_new(Table::new(1)).unwrap();
        let second = first.clone();
        let other = thread::spawn(move || assert_eq!(second.look(), 1));
        if let Some(table) = Arc::get_mut(&mut first) {
            // SAFETY: loom panics if anybody looks meanwhile.
            table.0.with_mut(|n| unsafe { *n = 2 });
        }
        other.join().unwrap();
    });
}

use super::*;
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

fn counting_gate<T>(slots: usize) -> (Gate<T>, Arc<AtomicUsize>) {
    let shuts = Arc::new(AtomicUsize::new(0));
    let seen = shuts.clone();
    let gate = Gate::new(slots, move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    (gate.unwrap(), shuts)
}

#[test]
fn says_once_that_it_is_shut() {
    let (gate, shuts) = counting_gate(3);
    for round in 1..=5 {
        assert!(gate.open(round).is_ok());
        let passes: Vec<_> = (0..7).map(|hint| gate.enter(hint).unwrap().into_pass()).collect();
        assert!(gate.close());
        assert!(!gate.close(), "closing twice is no second drain");
        assert!(gate.enter(0).is_none());
        assert!(!gate.is_shut());
        assert!(gate.take().is_none(), "the value stays while passes are out");
        drop(passes);
        assert!(gate.is_shut());
        assert_eq!(shuts.load(Ordering::SeqCst), round);
        assert_eq!(gate.take(), Some(round));
    }
}

#[test]
fn a_full_gate_is_not_overwritten() {
    let (gate, _) = counting_gate(1);
    assert_eq!(gate.open(1), Ok(()));
    assert_eq!(gate.open(2), Err(2));
    gate.close();
    assert_eq!(gate.open(3), Err(3), "shut, but the value is still in");
    assert_eq!(gate.take(), Some(1));
}

#[test]
fn a_clone_keeps_it_unshut_as_its_original_did() {
    let (gate, shuts) = counting_gate(1);
    gate.open(()).unwrap();
    let entered = gate.enter(9).unwrap();
    let twin = entered.pass();
    drop(entered);
    gate.close();
    assert!(!gate.is_shut());
    drop(twin);
    assert!(gate.is_shut());
    assert_eq!(shuts.load(Ordering::SeqCst), 1);
}

#[test]
fn passes_may_outlive_the_gate_and_keep_the_value() {
    let (gate, shuts) = counting_gate(2);
    let value = Arc::new(String::from("table"));
    gate.open(value.clone()).unwrap();
    let pass = gate.enter(1).unwrap().into_pass();
    drop(gate);
    assert_eq!((shuts.load(Ordering::SeqCst), Arc::strong_count(&value)), (0, 2));
    drop(pass);
    assert_eq!((shuts.load(Ordering::SeqCst), Arc::strong_count(&value)), (1, 1));
}

/// Threads pass while the value is changed under them: each sees one whole value, none is used
/// after it was taken out, and every closing drains.
#[test]
fn the_value_never_changes_under_those_who_entered() {
    const ROUNDS: u64 = 2_000;
    let (gate, shuts) = counting_gate(2);
    let stop = AtomicBool::new(false);
    let entered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for hint in 0..3 {
            let (gate, stop, entered) = (&gate, &stop, &entered);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(value) = gate.enter(hint) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let (a, b): &(Box<u64>, Box<u64>) = &value;
                    assert_eq!(**a, **b);
                    let pass = value.into_pass();
                    entered.fetch_add(1, Ordering::Relaxed);
                    drop(pass);
                }
            });
        }
        for round in 0..ROUNDS {
            assert!(gate.open((Box::new(round), Box::new(round))).is_ok());
            if round % 16 == 0 {
                std::thread::yield_now();
            }
            gate.close();
            while !gate.is_shut() {
                std::thread::yield_now();
            }
            assert_eq!(*gate.take().unwrap().0, round);
        }
        stop.store(true, Ordering::Relaxed);
    });
    // The last subtraction may still be on its way to `on_shut` when `is_shut` says yes.
    assert_eq!(shuts.load(Ordering::SeqCst) as u64, ROUNDS);
    assert!(entered.load(Ordering::Relaxed) > 0);
}

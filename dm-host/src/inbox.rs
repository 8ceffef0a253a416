//! Where the requests of a thread leave word that they have completed.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::doorbell::Doorbell;
use crate::{Complete, Done};

/// A thread's completed requests. What completes on that thread takes no lock on its way here.
pub(crate) struct Inbox {
    far: Arc<Far>,
}

/// What other threads have completed.
struct Far {
    done: Mutex<Vec<Done>>,
    any: AtomicBool,
    doorbell: Doorbell,
}

thread_local! {
    /// The address of this thread's inbox, and what was completed here.
    static OWN: Cell<usize> = const { Cell::new(0) };
    static NEAR: RefCell<Vec<Done>> = const { RefCell::new(Vec::new()) };
}

impl Inbox {
    /// This thread's; it must stay here, and there may be one at a time.
    pub(crate) fn new() -> io::Result<Inbox> {
        let doorbell = Doorbell::new()?;
        let far = Arc::new(Far { done: Mutex::default(), any: AtomicBool::new(false), doorbell });
        OWN.set(far.address());
        Ok(Inbox { far })
    }

    /// What a request is to be given, to complete here.
    pub(crate) fn address(&self) -> Arc<dyn Complete> {
        self.far.clone()
    }

    /// Rings where another thread has completed something.
    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.far.doorbell
    }

    /// Whether something was completed that [`take`](Self::take) would find.
    pub(crate) fn is_empty(&self) -> bool {
        NEAR.with_borrow(Vec::is_empty) && !self.far.any.load(Ordering::SeqCst)
    }

    /// Moves all that was completed to the empty `into`.
    pub(crate) fn take(&self, into: &mut Vec<Done>) {
        NEAR.with_borrow_mut(|near| std::mem::swap(near, into));
        if self.far.any.swap(false, Ordering::SeqCst) {
            into.append(&mut self.far.done.lock());
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        OWN.set(0);
        // A thread that ends may have dropped them already.
        let left = NEAR.try_with(|near| std::mem::take(&mut *near.borrow_mut()));
        drop(left);
    }
}

impl Far {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Complete for Far {
    fn complete(&self, done: Done) {
        if OWN.get() == self.address() {
            // A thread that ends has nobody left to tell.
            let _ = NEAR.try_with(|near| near.borrow_mut().push(done));
            return;
        }
        self.done.lock().push(done);
        self.any.store(true, Ordering::SeqCst);
        self.doorbell.ring();
    }
}

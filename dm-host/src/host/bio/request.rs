//! What the parts of a request have in common, and where it lies until it is used again.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use dm_core::{BioFlags, BioOp, Ended, IoError};
use parking_lot::Mutex;

use super::{Buffer, Complete, Done, Zeroing};
use crate::UserHost;
use crate::host::figures::Counted;

pub(super) struct Request {
    pub(super) op: BioOp,
    pub(super) flags: BioFlags,
    pub(super) zeroing: Zeroing,
    /// Not looked at while there are parts: they may be writing to theirs of it.
    pub(super) buffer: Buffer,
    /// The first error. Its lock also keeps two parts from filling the same bytes at once.
    pub(super) error: Mutex<Option<IoError>>,
    pub(super) tag: u64,
    pub(super) then: Then,
    /// What to count its end with.
    pub(super) counted: Option<Counted>,
}

/// What happens when a request has completed.
pub(super) enum Then {
    /// Somebody is told.
    Tell(Arc<dyn Complete>),
    /// It was a job, in the memory of another request.
    End(Ended<UserHost>, Share),
    /// It was memory for jobs, and is gone; or it has completed.
    Nothing,
}

/// A part's share in its request. The last to be dropped completes it.
///
/// The memory of requests that end on a thread is for the next that begin there: one that submits
/// requests and completes them allocates none.
pub(super) struct Share {
    request: ManuallyDrop<Arc<Request>>,
}

thread_local! {
    static SPARE: RefCell<Vec<Arc<Request>>> = const { RefCell::new(Vec::new()) };
}

/// How many a thread keeps.
const MAX_SPARE: usize = 256;

impl Share {
    /// The only one in this request.
    pub(super) fn new(request: Request) -> Share {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let request = match spare.ok().flatten() {
            Some(mut spare) => match Arc::get_mut(&mut spare) {
                Some(place) => {
                    *place = request;
                    spare
                }
                None => Arc::new(request),
            },
            None => Arc::new(request),
        };
        Share { request: ManuallyDrop::new(request) }
    }

    /// The request, if there is no other share.
    pub(super) fn get_mut(&mut self) -> Option<&mut Request> {
        Arc::get_mut(&mut self.request)
    }
}

impl Clone for Share {
    fn clone(&self) -> Share {
        Share { request: self.request.clone() }
    }
}

impl Deref for Share {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // SAFETY: `self` is gone after this, and nobody takes it twice.
        let mut request = unsafe { ManuallyDrop::take(&mut self.request) };
        // Of two that go at once each may see the other: then the request is dropped, not kept.
        let Some(last) = Arc::get_mut(&mut request) else {
            return;
        };
        last.complete();
        // A thread that ends has nowhere to keep it.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(request);
            }
        });
    }
}

impl Request {
    /// Where its memory begins.
    pub(super) fn start(&self) -> NonNull<u8> {
        match &self.then {
            Then::End(_, parent) => parent.start(),
            _ => self.buffer.start(),
        }
    }

    fn complete(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.error.get_mut().take().map_or(Ok(()), Err);
        if let Some(counted) = self.counted.take() {
            counted.end(result.is_err());
        }
        match std::mem::replace(&mut self.then, Then::Nothing) {
            Then::Tell(then) => then.complete(Done { tag: self.tag, result, buffer }),
            Then::End(ended, parent) => {
                // The job has let go of the memory when its end is told.
                drop(parent);
                ended.tell(result);
            }
            Then::Nothing => {}
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.complete();
    }
}

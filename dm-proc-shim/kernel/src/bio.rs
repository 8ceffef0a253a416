//! The kernel's bios, as the core sees them.

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use dm_core::{
    Bio, BioFlags, BioOp, Ended, IoError, Op, OutOfMemory, Pass, Queue, Sector, Sectors,
};

use crate::device::BlockDevice;
use crate::glue::{self, Req};
use crate::host::Kernel;

/// A bio, and what is remembered for it until it completes.
pub(crate) struct KernelBio(NonNull<Req>);

// SAFETY: a bio may be completed on any CPU, in any context.
unsafe impl Send for KernelBio {}

impl KernelBio {
    /// Takes a bio over from C.
    ///
    /// # Safety
    /// `req` must be one that C has just made, and forgets.
    pub(crate) unsafe fn from_raw(req: NonNull<Req>) -> KernelBio {
        KernelBio(req)
    }

    /// Lets go of it without completing it.
    fn into_raw(self) -> *mut Req {
        let req = self.0.as_ptr();
        core::mem::forget(self);
        req
    }

    /// Sends it to the device that it was aimed at.
    pub(crate) fn submit(self) {
        let req = self.into_raw();
        // SAFETY: it is ours, and now the lower device's.
        unsafe {
            if (*req).bdev.is_null() {
                return glue::dmrs_complete(req, Status::Failed as u32);
            }
            glue::dmrs_submit(req);
        }
    }

    fn req(&self) -> &Req {
        // SAFETY: it is there until the bio completes, which takes `self`.
        unsafe { self.0.as_ref() }
    }

    fn req_mut(&mut self) -> &mut Req {
        // SAFETY: as above, and nobody else knows of it until it is passed on.
        unsafe { self.0.as_mut() }
    }

    fn take_over(&self, part: *mut Req) -> Result<KernelBio, OutOfMemory> {
        let mut part = KernelBio(NonNull::new(part).ok_or(OutOfMemory)?);
        let n_passes = self.req().n_passes as usize;
        for pass in self.req().passes.iter().take(n_passes) {
            // SAFETY: the first `n_passes` are there.
            part.carry(unsafe { pass.assume_init_ref() }.clone());
        }
        Ok(part)
    }
}

/// How a bio ended, in the order of `statuses` in c/request.c.
enum Status {
    Good,
    Failed,
    NotSupported,
    NoSpace,
    OutOfMemory,
}

impl Bio for KernelBio {
    type Host = Kernel;

    #[inline]
    fn op(&self) -> BioOp {
        match self.req().op {
            glue::OP_READ => BioOp::Data(Op::Read),
            glue::OP_WRITE => BioOp::Data(Op::Write),
            glue::OP_DISCARD => BioOp::Data(Op::Discard),
            glue::OP_WRITE_ZEROES => BioOp::Data(Op::WriteZeroes),
            _ => BioOp::Flush,
        }
    }

    fn flags(&self) -> BioFlags {
        if self.req().flags & glue::FUA != 0 { BioFlags::FUA } else { BioFlags::empty() }
    }

    #[inline]
    fn sector(&self) -> Sector {
        Sector::new(self.req().sector)
    }

    #[inline]
    fn sectors(&self) -> Sectors {
        Sectors::new(self.req().sectors)
    }

    fn split(&mut self, front: Sectors) -> Result<KernelBio, OutOfMemory> {
        // A bio is shorter than 4 GiB, so this always fits; where it did not, C would refuse.
        let front = u32::try_from(front.get()).map_err(|_| OutOfMemory)?;
        // SAFETY: it is ours; C makes a part of it that is ours too, or returns null.
        let part = unsafe { glue::dmrs_split(self.0.as_ptr(), front) };
        self.take_over(part)
    }

    fn duplicate(&self) -> Result<KernelBio, OutOfMemory> {
        // SAFETY: as above.
        let twin = unsafe { glue::dmrs_duplicate(self.0.as_ptr()) };
        self.take_over(twin)
    }

    fn child(
        &self,
        op: BioOp,
        flags: BioFlags,
        sectors: Sectors,
        ended: Ended<Kernel>,
    ) -> Result<KernelBio, Ended<Kernel>> {
        let op = match op {
            BioOp::Data(Op::Read) => glue::OP_READ,
            BioOp::Data(Op::Write) => glue::OP_WRITE,
            BioOp::Data(Op::Discard) => glue::OP_DISCARD,
            BioOp::Data(Op::WriteZeroes) => glue::OP_WRITE_ZEROES,
            BioOp::Flush => glue::OP_FLUSH,
        };
        let fua = flags.contains(BioFlags::FUA).into();
        // Jobs are not longer than what they are of, and that is shorter than 4 GiB.
        let Ok(sectors) = u32::try_from(sectors.get()) else {
            return Err(ended);
        };
        // SAFETY: it is ours; C makes one over its memory that is ours too, or returns null.
        let child = unsafe { glue::dmrs_child(self.0.as_ptr(), op, fua, sectors) };
        let Some(child) = NonNull::new(child) else {
            return Err(ended);
        };
        let mut child = KernelBio(child);
        child.req_mut().ended = MaybeUninit::new(ended);
        Ok(child)
    }

    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let req = self.req();
        if req.flags & glue::BUFFER == 0 || req.children.load(Ordering::Acquire) != 0 {
            return None;
        }
        let length = usize::try_from(Sectors::new(req.sectors).bytes()?).ok()?;
        // SAFETY: a buffer has that much memory, and no child that uses it; `self` is borrowed.
        Some(work(unsafe { core::slice::from_raw_parts_mut(req.memory, length) }))
    }

    #[inline]
    fn set_sector(&mut self, sector: Sector) {
        self.req_mut().sector = sector.get();
    }

    #[inline]
    fn set_device(&mut self, device: &BlockDevice) {
        self.req_mut().bdev = device.as_ptr();
    }

    #[inline]
    fn carry(&mut self, pass: Pass) {
        let req = self.req_mut();
        match req.passes.get_mut(req.n_passes as usize) {
            Some(place) => {
                *place = MaybeUninit::new(pass);
                req.n_passes = req.n_passes.wrapping_add(1);
            }
            // The core promises that this does not happen. If it did, what the pass keeps alive
            // would have to stay for ever.
            None => core::mem::forget(pass),
        }
    }

    fn fill_zeros(&mut self) {
        // SAFETY: it is ours, and it is a read.
        unsafe { glue::dmrs_fill_zeros(self.0.as_ptr()) }
    }

    fn complete(self, result: Result<(), IoError>) {
        let status = match result {
            Ok(()) => Status::Good,
            Err(IoError::NotSupported) => Status::NotSupported,
            Err(IoError::NoSpace) => Status::NoSpace,
            Err(IoError::OutOfMemory) => Status::OutOfMemory,
            Err(_) => Status::Failed,
        };
        // SAFETY: it is ours, and from here on C's.
        unsafe { glue::dmrs_complete(self.into_raw(), status as u32) }
    }
}

/// A bio that is lost has failed; a buffer is freed.
impl Drop for KernelBio {
    fn drop(&mut self) {
        let req = self.0.as_ptr();
        // SAFETY: it is ours, and from here on C's. No child of a buffer is left.
        unsafe {
            if (*req).flags & glue::BUFFER != 0 {
                glue::dmrs_buffer_free(req);
            } else {
                glue::dmrs_complete(req, Status::Failed as u32);
            }
        }
    }
}

/// A bio has completed: tells of a child's end, and drops its passes.
///
/// # Safety
/// C calls it once for each bio, in whatever context it completes.
#[unsafe(no_mangle)]
unsafe extern "C" fn dmrs_rs_done(req: *mut Req, status: u32) {
    // SAFETY: what `ended` holds is there for a child, the first `n_passes` are there, and nobody
    // looks at them after this; a buffer outlives its children's telling.
    unsafe {
        if (*req).flags & glue::CHILD != 0 {
            let ended = (*req).ended.assume_init_read();
            if let Some(buffer) = (*req).buffer.as_ref() {
                buffer.children.fetch_sub(1, Ordering::AcqRel);
            }
            ended.tell(result(status));
        }
        for pass in (*req).passes.iter_mut().take((*req).n_passes as usize) {
            pass.assume_init_drop();
        }
    }
}

fn result(status: u32) -> Result<(), IoError> {
    match status {
        0 => Ok(()),
        2 => Err(IoError::NotSupported),
        3 => Err(IoError::NoSpace),
        4 => Err(IoError::OutOfMemory),
        _ => Err(IoError::Failed),
    }
}

/// Bios that wait, linked through what is remembered of each.
pub(crate) struct BioQueue {
    first: *mut Req,
    /// Means something while `first` is not null.
    last: *mut Req,
}

// SAFETY: the queue owns its bios, which are `Send`.
unsafe impl Send for BioQueue {}

impl Default for BioQueue {
    fn default() -> BioQueue {
        BioQueue { first: core::ptr::null_mut(), last: core::ptr::null_mut() }
    }
}

impl Queue<KernelBio> for BioQueue {
    fn push(&mut self, bio: KernelBio) -> Result<(), KernelBio> {
        let req = bio.into_raw();
        // SAFETY: `req` is ours, and so are those in the queue.
        unsafe {
            (*req).next = core::ptr::null_mut();
            if self.first.is_null() {
                self.first = req;
            } else {
                (*self.last).next = req;
            }
        }
        self.last = req;
        Ok(())
    }

    fn pop(&mut self) -> Option<KernelBio> {
        let first = NonNull::new(self.first)?;
        // SAFETY: those in the queue are ours.
        self.first = unsafe { first.as_ref() }.next;
        Some(KernelBio(first))
    }
}

impl Drop for BioQueue {
    fn drop(&mut self) {
        while let Some(bio) = self.pop() {
            drop(bio);
        }
    }
}

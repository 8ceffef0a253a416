//! Drives the machine of a target with state: requests and results go in, jobs come out.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dm_sync::{Arc, OutOfMemory, Pass, try_push};
use dm_targets::{Action, BioOp, IoError, Job, JobData, JobId, Machine, Slot, Taken, Time};
use lock_api::{Mutex, MutexGuard};

use crate::{Bio, BioFlags, Ended, Host, Minor, Queue, Table};

/// A machine, the requests that it has in hand, and the memory of its jobs.
///
/// The machine is behind the lock. The bios are not: whoever *pumps* takes them out, carries out with
/// no lock held what the machine asks for, and puts them back. Nobody else pumps meanwhile, but
/// leaves word that there is more to do.
pub(crate) struct Pump<H: Host> {
    inner: Mutex<H::Lock, Inner<H>>,
}

struct Inner<H: Host> {
    machine: Box<dyn Machine>,
    /// Requests that the machine has no slot for yet.
    incoming: H::Queue,
    /// `None` while somebody pumps.
    hands: Option<Hands<H>>,
    /// Something came in while somebody pumped.
    again: bool,
    /// While the table is live: from `resume` until it is quiet after `suspend`.
    run: Option<Run<H>>,
    /// From then on, until the gate is shut.
    ended: Option<(Arc<H>, Minor)>,
    suspending: bool,
    /// The machine has told of an event that nobody was told of.
    event: bool,
    /// When the host was last asked to come back.
    asked: Option<Time>,
}

/// The bios that a machine works with.
struct Hands<H: Host> {
    /// The line that the machine is behind.
    line: u32,
    taken: Vec<Option<H::Bio>>,
    free: Vec<Slot>,
    buffers: Vec<Option<H::Bio>>,
}

/// What a live machine runs on. The pass keeps the gate from being shut before it is quiet.
struct Run<H: Host> {
    host: Arc<H>,
    minor: Minor,
    pass: Pass,
}

/// How many actions are carried out for each time that the lock is taken.
const BATCH: usize = 8;

/// How often one pumps before the rest is left to the next [`Host::notify`]; where devices complete
/// at once there could be no end to it.
const ROUNDS: usize = 64;

impl<H: Host> Pump<H> {
    /// One for the machine of the table's `line`.
    pub(crate) fn new(
        host: &H,
        line: u32,
        machine: Box<dyn Machine>,
    ) -> Result<Pump<H>, OutOfMemory> {
        let capacity = machine.capacity();
        let (taken, free, buffers) = (Vec::new(), Vec::new(), Vec::new());
        let mut hands = Hands { line, taken, free, buffers };
        hands.taken.try_reserve_exact(capacity.into())?;
        hands.taken.resize_with(capacity.into(), || None);
        hands.free.try_reserve_exact(capacity.into())?;
        hands.free.extend((0..capacity).rev());
        for n in 0..u16::MAX {
            let Some(sectors) = machine.buffer(n) else {
                break;
            };
            try_push(&mut hands.buffers, Some(host.buffer(sectors)?))?;
        }
        let inner = Inner {
            machine,
            incoming: H::Queue::default(),
            hands: Some(hands),
            again: false,
            run: None,
            ended: None,
            suspending: false,
            event: false,
            asked: None,
        };
        Ok(Pump { inner: Mutex::new(inner) })
    }

    /// The table has become live; `pass` is of its gate.
    pub(crate) fn resume(&self, table: &Arc<Table<H>>, host: &Arc<H>, minor: Minor, pass: Pass) {
        let taken = {
            let mut inner = self.lock();
            inner.machine.resume(host.now());
            inner.suspending = false;
            inner.asked = None;
            inner.run = Some(Run { host: host.clone(), minor, pass });
            inner.take_hands()
        };
        self.pump(table, taken);
    }

    /// Brings the machine's work to an end; the pass is dropped once it has.
    pub(crate) fn suspend(&self, table: &Arc<Table<H>>) {
        let taken = {
            let mut inner = self.lock();
            let inner = &mut *inner;
            let Some(run) = &inner.run else {
                return;
            };
            if !inner.suspending {
                inner.suspending = true;
                inner.machine.suspend(run.host.now());
            }
            inner.take_hands()
        };
        self.pump(table, taken);
    }

    /// Looks at the clock, and does what there is to do. Returns whether there was an event.
    pub(crate) fn settle(&self, table: &Arc<Table<H>>) -> bool {
        let (event, taken) = {
            let mut inner = self.lock();
            let inner = &mut *inner;
            if let Some(run) = &inner.run {
                inner.machine.handle_time(run.host.now());
            }
            (core::mem::take(&mut inner.event), inner.take_hands())
        };
        self.pump(table, taken);
        event
    }

    /// The gate is shut: nothing more can come that has entered it.
    pub(crate) fn forget_end(&self) {
        let ended = self.lock().ended.take();
        drop(ended);
    }

    /// Takes a request, whose sector counts from the beginning of the line; `pass` is its own.
    pub(crate) fn take(&self, table: &Arc<Table<H>>, mut bio: H::Bio, pass: Pass) {
        let (refused, taken) = {
            let mut inner = self.lock();
            inner.begin_again(&pass);
            bio.carry(pass);
            (inner.incoming.push(bio), inner.take_hands())
        };
        if let Err(bio) = refused {
            bio.complete(Err(IoError::OutOfMemory));
        }
        self.pump(table, taken);
    }

    /// A job has ended.
    pub(crate) fn ended(&self, table: &Arc<Table<H>>, job: JobId, result: Result<(), IoError>) {
        let taken = {
            let mut inner = self.lock();
            let inner = &mut *inner;
            // Jobs are started by a machine that runs, and keep it from being quiet.
            let Some(run) = &inner.run else {
                return;
            };
            inner.machine.handle_done(job, result, run.host.now());
            if !H::COMPLETIONS_SUBMIT {
                match inner.hands {
                    Some(_) => run.host.notify(run.minor),
                    None => inner.again = true,
                }
                return;
            }
            inner.take_hands()
        };
        self.pump(table, taken);
    }

    /// Carries out what the machine wants done, until it wants nothing more; whoever has not
    /// [taken](Inner::take_hands) the hands leaves that to the one who has.
    fn pump(&self, table: &Arc<Table<H>>, taken: Option<(Hands<H>, Run<H>)>) {
        let Some((mut hands, run)) = taken else {
            return;
        };
        for _ in 0..ROUNDS {
            let actions = self.lock().next_actions(&mut hands, run.host.now());
            if actions.is_empty() {
                match self.put_back(&run, hands) {
                    Some(again) => hands = again,
                    None => return,
                }
            }
            for action in actions {
                carry_out(table, &run, &mut hands, action);
            }
        }
        self.lock().hands = Some(hands);
        run.host.notify(run.minor);
    }

    /// Puts the bios back, unless there is more to do: then they are returned.
    fn put_back(&self, run: &Run<H>, hands: Hands<H>) -> Option<Hands<H>> {
        let (wake, finished) = {
            let mut inner = self.lock();
            if core::mem::take(&mut inner.again) {
                return Some(hands);
            }
            let idle = hands.free.len() == hands.taken.len();
            inner.hands = Some(hands);
            let over = inner.suspending && idle && inner.machine.is_quiet();
            (inner.next_wake(run.host.now()), if over { inner.end() } else { None })
        };
        if let Some(at) = wake {
            run.host.wake(run.minor, at);
        }
        // Its pass may be the last, which calls the host.
        drop(finished);
        None
    }

    fn lock(&self) -> MutexGuard<'_, H::Lock, Inner<H>> {
        self.inner.lock()
    }
}

impl<H: Host> Inner<H> {
    /// What it takes to pump, unless somebody does. In the same turn of the lock as what there is to do
    /// was left in: so it is seen, by one of them, before the machine comes to its end.
    fn take_hands(&mut self) -> Option<(Hands<H>, Run<H>)> {
        let run = self.run.clone()?;
        let hands = self.hands.take();
        if hands.is_none() {
            self.again = true;
        }
        Some((hands?, run))
    }

    fn end(&mut self) -> Option<Run<H>> {
        let finished = self.run.take();
        self.ended = finished.as_ref().map(|run| (run.host.clone(), run.minor));
        finished
    }

    /// A request that has entered the gate before it was closed may be here only after the machine has
    /// come to its end: it runs once more for that one, and to its end again.
    fn begin_again(&mut self, pass: &Pass) {
        if let Some((host, minor)) = self.ended.take() {
            let now = host.now();
            self.machine.resume(now);
            self.machine.suspend(now);
            self.asked = None;
            self.run = Some(Run { host, minor, pass: pass.clone() });
        }
    }

    /// Hands in requests, as far as there are slots, and asks for the next few actions.
    fn next_actions(&mut self, hands: &mut Hands<H>, now: Time) -> heapless::Vec<Action, BATCH> {
        while let Some(&slot) = hands.free.last() {
            let (Some(place), Some(bio)) =
                (hands.taken.get_mut(usize::from(slot)), self.incoming.pop())
            else {
                break;
            };
            let taken = Taken {
                op: bio.op(),
                fua: bio.flags().contains(BioFlags::FUA),
                at: bio.sector(),
                sectors: bio.sectors(),
            };
            *place = Some(bio);
            hands.free.pop();
            self.machine.handle_request(slot, &taken, now);
        }
        let mut actions = heapless::Vec::new();
        while !actions.is_full()
            && let Some(action) = self.machine.poll(now)
        {
            match action {
                Action::Fill { buffer } => {
                    let machine = &mut self.machine;
                    if hands.with_bytes(buffer, |bytes| machine.fill(buffer, bytes)).is_none() {
                        // A host that does not keep its word. Better no job than one with
                        // something else in its memory.
                        hands.buffers.get_mut(usize::from(buffer)).map(Option::take);
                    }
                }
                Action::Look { buffer } => {
                    let machine = &mut self.machine;
                    if hands.with_bytes(buffer, |bytes| machine.look(buffer, bytes)).is_none() {
                        self.machine.look(buffer, &[]);
                    }
                }
                Action::Event => {
                    self.event = true;
                    // There is room for it: see the condition of the loop.
                    let _ = actions.push(action);
                }
                _ => {
                    let _ = actions.push(action);
                }
            }
        }
        actions
    }

    /// When the host is to come back, unless it was asked to already.
    fn next_wake(&mut self, now: Time) -> Option<Time> {
        let at = self.machine.timeout()?;
        if self.asked.is_some_and(|asked| now < asked && asked <= at) {
            return None;
        }
        self.asked = Some(at);
        Some(at)
    }
}

impl<H: Host> Hands<H> {
    fn with_bytes(&mut self, buffer: u16, work: impl FnOnce(&mut [u8])) -> Option<()> {
        self.buffers.get_mut(usize::from(buffer))?.as_mut()?.with_bytes(work)
    }

    fn memory(&self, of: JobData) -> Option<&H::Bio> {
        match of {
            JobData::Request(slot) => self.taken.get(usize::from(slot))?.as_ref(),
            JobData::Buffer(n) => self.buffers.get(usize::from(n))?.as_ref(),
        }
    }
}

impl<H: Host> Clone for Run<H> {
    fn clone(&self) -> Run<H> {
        Run { host: self.host.clone(), minor: self.minor, pass: self.pass.clone() }
    }
}

/// Carries out an action; no lock is held.
fn carry_out<H: Host>(table: &Arc<Table<H>>, run: &Run<H>, hands: &mut Hands<H>, action: Action) {
    match action {
        Action::Start(job) => start(table, run, hands, &job),
        Action::Complete { slot, result } => {
            let place = hands.taken.get_mut(usize::from(slot));
            if let Some(bio) = place.and_then(Option::take) {
                // There was room for it when the slot was taken.
                let _ = try_push(&mut hands.free, slot);
                bio.complete(result);
            }
        }
        Action::Zero { slot } => {
            if let Some(Some(bio)) = hands.taken.get_mut(usize::from(slot)) {
                bio.fill_zeros();
            }
        }
        Action::Event => run.host.notify(run.minor),
        Action::Fill { .. } | Action::Look { .. } => {}
    }
}

fn start<H: Host>(table: &Arc<Table<H>>, run: &Run<H>, hands: &Hands<H>, job: &Job) {
    let ended = Ended::new(table.clone(), hands.line, job.id);
    let device = table.devices.get(job.device.0 as usize);
    let (Some(memory), Some(device)) = (hands.memory(job.data), device) else {
        return ended.tell(Err(IoError::Failed));
    };
    let flags = if job.fua { BioFlags::FUA } else { BioFlags::empty() };
    let mut bio = match memory.child(job.op, flags, job.sectors, ended) {
        Ok(bio) => bio,
        Err(ended) => return ended.tell(Err(IoError::OutOfMemory)),
    };
    bio.set_sector(job.sector);
    if let BioOp::Data(op) = job.op {
        let longest = device.limits.max(op);
        if longest.is_zero() {
            return bio.complete(Err(IoError::NotSupported));
        }
        while bio.sectors() > longest {
            match bio.split(longest) {
                Ok(front) => device.backing.submit(&run.host, front, run.pass.clone()),
                Err(_) => return bio.complete(Err(IoError::OutOfMemory)),
            }
        }
    }
    device.backing.submit(&run.host, bio, run.pass.clone());
}

//! A disk, as the vhost-user protocol sees it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use dm_core::Open;
use parking_lot::Mutex;
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringEpollHandler, VringMutex};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{
    EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier,
};

use super::config::{Config, bits};
use super::worker::Worker;
use crate::{Mapper, UserHost};

pub(super) type GuestMemory = GuestMemoryAtomic<GuestMemoryMmap>;
type Epoll = VringEpollHandler<Arc<Disk>>;

/// A mapped device that a monitor uses.
pub(super) struct Disk {
    mapper: Arc<Mapper>,
    open: Arc<Open<UserHost>>,
    config: Config,
    memory: GuestMemory,
    /// How many requests of each queue are not answered.
    in_flight: Vec<AtomicUsize>,
    /// Where the thread of each queue waits.
    waits: OnceLock<Vec<Weak<Epoll>>>,
    /// What wakes these threads for the last time.
    exits: Mutex<Vec<RawFd>>,
}

thread_local! {
    /// What the thread of a queue works with, from its first event on.
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// How long a queue may be.
const QUEUE_SIZE: usize = 256;

impl Disk {
    pub(super) fn new(mapper: Arc<Mapper>, open: Arc<Open<UserHost>>, queues: u16) -> Disk {
        Disk {
            mapper,
            config: Config::of(&open, queues),
            open,
            memory: GuestMemoryAtomic::new(GuestMemoryMmap::new()),
            in_flight: (0..queues).map(|_| AtomicUsize::new(0)).collect(),
            waits: OnceLock::new(),
            exits: Mutex::default(),
        }
    }

    pub(super) fn mapper(&self) -> &Mapper {
        &self.mapper
    }

    pub(super) fn open(&self) -> &Open<UserHost> {
        &self.open
    }

    pub(super) fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Tells where the thread of each queue waits; to be called before the first event.
    pub(super) fn set_waits(&self, waits: &[Arc<Epoll>]) {
        // A second call would change nothing, and there is none.
        let _ = self.waits.set(waits.iter().map(Arc::downgrade).collect());
    }

    /// What `queue`, whose thread this is, works with.
    fn worker(&self, queue: usize) -> io::Result<Worker> {
        let worker = Worker::new(self)?;
        let wait = self.waits.get().and_then(|waits| waits.get(queue)).and_then(Weak::upgrade);
        let wait = wait.ok_or(io::ErrorKind::NotConnected)?;
        // The numbers up to that of the queues are taken.
        let mut number = self.in_flight.len() as u64;
        for fd in worker.descriptors() {
            number += 1;
            wait.register_listener(fd, EventSet::IN, number)?;
        }
        Ok(worker)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for exit in self.exits.get_mut().drain(..) {
            // SAFETY: vhost-user-backend turns the consumer that it gets into a plain number, which it
            // has its threads wait for and never closes. These threads hold this disk, and so are gone.
            drop(unsafe { OwnedFd::from_raw_fd(exit) });
        }
    }
}

impl VhostUserBackend for Disk {
    type Bitmap = ();
    type Vring = VringMutex<GuestMemory>;

    fn num_queues(&self) -> usize {
        self.in_flight.len()
    }

    fn max_queue_size(&self) -> usize {
        QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        self.config.features
            | bits(&[VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC])
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG
            | VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS
    }

    fn set_event_idx(&self, _enabled: bool) {}

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        self.config.read(offset, size)
    }

    fn update_memory(&self, _memory: GuestMemory) -> io::Result<()> {
        // It is in `memory` already.
        Ok(())
    }

    fn queues_per_thread(&self) -> Vec<u64> {
        (0..self.in_flight.len()).map(|queue| 1 << queue).collect()
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        let pair = new_event_consumer_and_notifier(EventFlag::CLOEXEC | EventFlag::NONBLOCK);
        pair.inspect(|(consumer, _)| self.exits.lock().push(consumer.as_raw_fd())).ok()
    }

    /// Waits for the requests of a queue that has been stopped.
    fn stop_vring(&self, queue: u32) -> io::Result<()> {
        while self.in_flight.get(queue as usize).is_some_and(|n| n.load(Ordering::SeqCst) > 0) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn handle_event(
        &self,
        event: u16,
        _events: EventSet,
        vrings: &[VringMutex<GuestMemory>],
        thread: usize,
    ) -> io::Result<()> {
        let (Some(vring), Some(in_flight)) = (vrings.first(), self.in_flight.get(thread)) else {
            return Ok(());
        };
        WORKER.with_borrow_mut(|worker| {
            if worker.is_none() {
                *worker = Some(self.worker(thread)?);
            }
            match worker {
                Some(worker) => {
                    if usize::from(event) == self.in_flight.len() + 1 {
                        worker.silence();
                    }
                    worker.run(self, vring, in_flight)
                }
                None => Ok(()),
            }
        })
    }
}

//! Work for which the thread that talks to the kernel has no time.

/// Does something on a thread of its own, which may wait as long as it takes, and then replies.
pub(super) fn in_background<R: Send + 'static>(reply: R, run: impl FnOnce(R) + Send + 'static) {
    let thread = std::thread::Builder::new().name("dm-fuse-job".into());
    // If no thread can be had, the reply is dropped, which fails the request with an I/O error.
    let _ = thread.spawn(move || run(reply));
}

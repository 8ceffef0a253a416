//! Linux's algorithm as REFERENCE.md describes it: in C, and in Rust.

use std::ffi::c_void;
use std::ptr::NonNull;

use crate::contender::Contender;

unsafe extern "C" {
    fn linux_model_new(keys: *const u64, count: usize) -> *mut c_void;
    fn linux_model_free(model: *mut c_void);
    fn linux_model_find(model: *const c_void, sector: u64) -> usize;
    fn linux_model_independent(model: *const c_void, sectors: *const u64, count: usize) -> u64;
    fn linux_model_dependent(
        model: *const c_void,
        sectors: *const u64,
        count: usize,
        mask: u64,
    ) -> u64;
}

/// The model in C; its loops over queries are in C as well, so that no call is in its way.
#[derive(Debug)]
pub struct LinuxC(NonNull<c_void>);

impl LinuxC {
    /// The model of `keys`, of which there must be at least one.
    pub fn new(keys: &[u64]) -> LinuxC {
        assert!(!keys.is_empty(), "the model of an empty table");
        // SAFETY: the pointer and the length are of one slice, which the function only reads.
        let model = unsafe { linux_model_new(keys.as_ptr(), keys.len()) };
        LinuxC(NonNull::new(model).expect("memory for the model"))
    }
}

impl Drop for LinuxC {
    fn drop(&mut self) {
        // SAFETY: it came from `linux_model_new`, and is freed once.
        unsafe { linux_model_free(self.0.as_ptr()) }
    }
}

impl Contender for LinuxC {
    fn find(&self, sector: u64) -> usize {
        // SAFETY: the model is whole until dropped; a search stays within it for any sector.
        unsafe { linux_model_find(self.0.as_ptr(), sector) }
    }

    fn independent(&self, sectors: &[u64]) -> u64 {
        // SAFETY: as for `find`; the pointer and the length are of one slice.
        unsafe { linux_model_independent(self.0.as_ptr(), sectors.as_ptr(), sectors.len()) }
    }

    fn dependent(&self, sectors: &[u64], mask: u64) -> u64 {
        // SAFETY: as for `find`; the pointer and the length are of one slice.
        unsafe { linux_model_dependent(self.0.as_ptr(), sectors.as_ptr(), sectors.len(), mask) }
    }
}

/// The model in Rust.
#[derive(Debug)]
pub struct LinuxRust {
    /// The root first.
    levels: Vec<Vec<[u64; 8]>>,
}

impl LinuxRust {
    /// The model of `keys`.
    pub fn new(keys: &[u64]) -> LinuxRust {
        let mut leaves = vec![[u64::MAX; 8]; keys.len().div_ceil(8)];
        for (n, key) in keys.iter().enumerate() {
            leaves[n / 8][n % 8] = *key;
        }
        let mut levels = vec![leaves];
        let mut span = 8;
        while levels[0].len() > 1 {
            let mut level = vec![[u64::MAX; 8]; levels[0].len().div_ceil(9)];
            for (n, node) in level.iter_mut().enumerate() {
                for (k, key) in node.iter_mut().enumerate() {
                    let behind = (9 * n + k + 1) * span;
                    if behind < keys.len() {
                        *key = keys[behind - 1];
                    }
                }
            }
            levels.insert(0, level);
            span *= 9;
        }
        LinuxRust { levels }
    }

    /// The number of the first key that is not below `sector`.
    #[inline]
    pub fn find(&self, sector: u64) -> usize {
        let (mut node, mut key) = (0, 0);
        for level in &self.levels {
            node = 9 * node + key;
            key = level[node].iter().position(|key| *key >= sector).unwrap_or(8);
        }
        8 * node + key
    }
}

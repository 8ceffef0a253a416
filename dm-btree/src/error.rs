//! Why an index could not be built.

/// Why an index could not be built.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A key is not above the one before it.
    #[error("key {at} is not above the one before it")]
    NotIncreasing {
        /// The number of the key, from 0.
        at: usize,
    },
    /// A key does not fit the width of this form's keys.
    #[error("key {at} does not fit 32 bits")]
    TooWide {
        /// The number of the key, from 0.
        at: usize,
    },
    /// More than 2^32 nodes would be needed.
    #[error("{keys} keys are more than an index holds")]
    TooMany {
        /// How many keys there were.
        keys: usize,
    },
    /// The storage does not hold enough.
    #[error("the storage has room for fewer than the {needed} elements needed")]
    NoRoom {
        /// How many elements (nodes or groups) are needed.
        needed: usize,
    },
    /// The allocator refused.
    #[error("out of memory")]
    OutOfMemory,
}

//! Benchmarks of the device mapper: the field, the workloads, and how they are measured.

pub mod contender;
pub mod field;
pub mod linux;
pub mod measure;
pub mod workload;

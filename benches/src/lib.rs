//! Benchmarks of the device mapper: the field, the workloads, and how they are measured.

pub mod contender;
pub mod field;
pub mod goals;
pub mod idle;
pub mod linux;
pub mod measure;
pub mod parse;
mod peers;
pub mod report;
pub mod svg;
pub mod trace;
pub mod workload;

//! NBD exports as backing devices, on servers that nobody here wrote.

#[path = "../certificates/mod.rs"]
mod certificates;
mod gone;
mod servers;
mod support;
mod tls;

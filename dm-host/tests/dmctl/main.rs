//! `dmctl` as its users meet it: the program, its control socket, and its control filesystem.

#[path = "../certificates/mod.rs"]
mod certificates;
mod check;
mod control;
mod deaths;
mod draw;
mod files;
mod hostile;
mod mirrors;
mod mounted;
mod moves;
mod nbd_client;
mod quickstart;
mod record;
mod serve;
mod support;
mod tls;
mod verbs;
mod workload;

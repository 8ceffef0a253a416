//! `dmctl` as its users meet it: the program, its control socket, and its control filesystem.

mod check;
mod control;
mod draw;
mod files;
mod mounted;
mod quickstart;
mod record;
mod serve;
mod support;
mod verbs;

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod case;
mod clock;
mod compare;
mod differences;
mod errno;
mod failure;
mod generator;
mod host;
mod model;
mod pair;
mod peer;
mod qtest;
mod reply;
mod request;
mod rng;
mod run;
mod server;
mod shown;
mod shrink;
mod tracker;
mod tree;
mod witnesses;

pub use failure::{At, Failure, Result, fail};
pub use model::Model;
pub use pair::Programs;
pub use run::{Plan, Report, run};

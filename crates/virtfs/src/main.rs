//! `virtfs`: shares directories of the host over 9P.
//!
//! [`cli`] says what can be typed; each subcommand has a module that turns what was typed into
//! what it means (its `config`), and does it.
#![deny(unsafe_code)]

mod cli;
mod failure;
mod serve;
mod sys;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

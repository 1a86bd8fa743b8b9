//! `virtfs`: shares directories of the host over 9P.
//!
//! [`cli`] says what can be typed; each subcommand has a module that turns what was typed into
//! what it means (its `config`), and does it. [`client`] has those that talk to a server.
#![deny(unsafe_code)]

mod check;
mod cli;
mod client;
mod elevated;
mod failure;
mod log;
mod serve;
mod signals;
mod sys;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    if let Err(failure) = elevated::refuse() {
        return failure.report();
    }
    let done = match Cli::read().command {
        Command::Serve(args) => serve::run(*args),
        Command::Check(args) => check::run(args),
        Command::Mount(args) => client::mount(args),
        Command::Ls(args) => client::ls(args),
        Command::Cat(args) => client::cat(args),
        Command::Stat(args) => client::stat(args),
        Command::Get(args) => client::get(args),
        Command::Put(args) => client::put(args),
        Command::Mv(args) => client::mv(args),
        Command::Rm(args) => client::rm(args),
        Command::Mkdir(args) => client::mkdir(args),
        Command::Ln(args) => client::ln(args),
        Command::Chmod(args) => client::chmod(args),
        Command::Df(args) => client::df(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

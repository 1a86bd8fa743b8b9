//! The commands that are clients of a server. One file per command; what they share:
//! [`connect`], [`path`] (paths within an export), [`report`] (what failed), [`output`].

mod cat;
mod chmod;
mod connect;
mod copy;
mod df;
mod get;
mod listing;
mod ln;
mod ls;
mod mkdir;
mod mode;
mod mount;
mod mv;
mod output;
mod path;
mod pool;
mod put;
mod report;
mod rm;
pub(crate) mod shown;
mod stat;
mod sweep;
mod time;

pub(crate) use self::cat::run as cat;
pub(crate) use self::chmod::run as chmod;
pub(crate) use self::df::run as df;
pub(crate) use self::get::run as get;
pub(crate) use self::ln::run as ln;
pub(crate) use self::ls::run as ls;
pub(crate) use self::mkdir::run as mkdir;
pub(crate) use self::mount::run as mount;
pub(crate) use self::mv::run as mv;
pub(crate) use self::put::run as put;
pub(crate) use self::rm::run as rm;
pub(crate) use self::stat::run as stat;

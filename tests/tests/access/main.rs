//! Requests with the rights of their users: what each may do, and whose what they make is.
//!
//! The tests want root, for they act as several users.

mod choice;
mod compared;
mod deed;
mod deeds;
mod demoted;
mod elsewhere;
mod locks;
mod parallel;
mod people;
mod refused;

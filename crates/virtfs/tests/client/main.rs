//! The commands that are clients of a server, as their users see them: the real program talks to
//! the real program.

mod changing;
mod colliding;
mod copying;
mod dialling;
mod harm;
mod hostile;
mod interrupting;
mod looking;
mod lying;
mod mounting;
#[expect(
    dead_code,
    reason = "shared with the tests of serve, which use all of it"
)]
#[path = "../serve/running.rs"]
mod running;
mod site;

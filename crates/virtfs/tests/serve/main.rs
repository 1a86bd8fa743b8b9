//! `virtfs serve` as its users see it: the real program, from outside.

mod addresses;
mod devices;
mod ending;
mod hints;
mod inherited;
mod limits;
mod processes;
mod refusals;
mod running;
mod sandbox;

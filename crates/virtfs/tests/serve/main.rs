//! `virtfs serve` as its users see it: the real program, from outside.

mod addresses;
mod ending;
mod hints;
mod inherited;
mod limits;
mod refusals;
mod running;
mod sandbox;

//! `virtfs serve` as its users see it: the real program, from outside.

mod addresses;
mod devices;
mod ending;
mod hanging;
mod hints;
mod hung_host;
mod inherited;
mod limits;
mod pressure;
mod processes;
mod refusals;
mod running;
mod sandbox;

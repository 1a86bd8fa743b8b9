//! `virtfs serve` as its users see it: the real program, from outside.

mod addresses;
mod devices;
mod ending;
mod hanging;
mod hints;
mod hung_host;
mod ids;
mod inherited;
mod limits;
mod ordinary;
mod pressure;
mod processes;
mod qemu_spelling;
mod refusals;
mod running;
mod sandbox;
mod surroundings;
mod unprivileged;
mod user_namespace;
mod work;

//! `virtfs check` as its users see it: the real program, over trees made by plain calls.

mod attributes;
mod clean;
mod ending;
mod files;
mod hostile;
mod site;

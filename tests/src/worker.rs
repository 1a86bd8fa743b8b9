//! The process of a server that serves: in namespaces it is not the one that was started.

/// The name that the program gives it.
const NAME: &str = "virtfs-worker";

/// The process that serves, of a server that was started as this one and has said that it listens.
pub fn worker(started: u32) -> u32 {
    let below = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let children = below(&format!("/proc/{started}/task/{started}/children"));
    let mut children = children.split_whitespace().filter_map(|id| id.parse().ok());
    let is_worker = |id: &u32| below(&format!("/proc/{id}/comm")).trim_end() == NAME;
    children.find(is_worker).unwrap_or(started)
}

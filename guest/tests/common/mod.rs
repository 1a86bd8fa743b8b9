//! Which items a test runs.

#![allow(dead_code, reason = "no test uses all of it")]

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use virtfs_guest::{Cache, Item, Model};

/// Whether everything is wanted, not only what a continuous run has the time for.
pub(crate) fn long() -> bool {
    env::var_os("VIRTFS_GUEST_LONG").is_some_and(|long| !long.is_empty())
}

/// The time for one guest: `VIRTFS_GUEST_LIMIT` in seconds, else what the form of the run allows.
pub(crate) fn limit() -> Duration {
    let asked = env::var("VIRTFS_GUEST_LIMIT")
        .ok()
        .and_then(|limit| limit.parse().ok());
    Duration::from_secs(asked.unwrap_or(if long() { 1800 } else { 900 }))
}

/// The items of a folder of `scripts/`.
pub(crate) fn folder(name: &str) -> Vec<Item> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name);
    Item::folder(&folder).expect("the scripts are there")
}

/// The items of `scripts/` (or of `VIRTFS_GUEST_SCRIPTS`) for a cache mode. The words of
/// `VIRTFS_GUEST_ONLY` choose by the beginning of the name; without them the short form leaves out
/// an item whose header `short` does not name the mode.
pub(crate) fn items(cache: Cache) -> Vec<Item> {
    let folder = env::var_os("VIRTFS_GUEST_SCRIPTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"),
        PathBuf::from,
    );
    let mut items = Item::folder(&folder).expect("the scripts are there");
    items.retain(|item| {
        item.is_for(cache) && is_chosen(item) && (chosen() || long() || item.is_short_for(cache))
    });
    items
}

/// Those of them that can hold under an ownership model; in the short form of a run, if none were
/// asked for, those that have to do with owners, special files, ACLs and attributes.
pub(crate) fn items_under(model: Model, cache: Cache) -> Vec<Item> {
    const OF_MODELS: [&str; 4] = ["10-", "11-", "13-", "14-"];
    let mut items = items(cache);
    let is_of_models = |item: &Item| OF_MODELS.iter().any(|begin| item.name().starts_with(begin));
    items.retain(|item| item.is_under(model, cache) && (long() || chosen() || is_of_models(item)));
    items
}

/// The words of `VIRTFS_GUEST_ONLY`.
fn words() -> Vec<String> {
    let only = env::var("VIRTFS_GUEST_ONLY").unwrap_or_default();
    only.split_whitespace().map(str::to_owned).collect()
}

/// Whether only some items were asked for.
pub(crate) fn chosen() -> bool {
    !words().is_empty()
}

/// Whether the item was asked for, if only some were.
pub(crate) fn is_chosen(item: &Item) -> bool {
    !chosen() || words().iter().any(|word| item.name().starts_with(word))
}

//! The items themselves are right: they all hold on the host's own file system.
//!
//! Ignored by default, for it takes root and packages: `guest/run local`.

mod common;

use virtfs_guest::{Cache, Guest, Mount};

#[test]
#[ignore = "takes root and prepared data: guest/run local"]
fn every_item_holds_on_a_local_file_system() {
    let guest = Guest::local().expect("prepared data");
    for cache in [Cache::None, Cache::Loose] {
        guest
            .clone()
            .label(&format!("local {cache}"))
            .limit(common::limit())
            .run(
                &common::items(cache),
                &Mount {
                    cache,
                    ..Mount::default()
                },
            )
            .expect("the items can be started")
            .check();
    }
}

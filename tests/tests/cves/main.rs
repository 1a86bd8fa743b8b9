//! Each CVE of QEMU's 9p server, and of its peers, has a test here that is named after it and shows
//! what the defect would show. `docs/cves.md` says what each of them was.

#[path = "../site/mod.rs"]
mod site;

mod alone;
mod disclosed;
mod exhausted;
mod leaks;
mod names;
mod peers;
mod races;
mod readonly;
mod special;
mod table;
mod teardown;

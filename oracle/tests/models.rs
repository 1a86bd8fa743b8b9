//! What QEMU answers to requests, virtfs answers: one test for each security model.
//!
//! Ignored by default: `oracle/run` prepares what they need and runs them.

use std::env;

use virtfs_oracle::{Model, Plan, Programs, run};

#[test]
#[ignore = "runs QEMU: oracle/run passthrough"]
fn passthrough() {
    same(Model::Passthrough);
}

#[test]
#[ignore = "runs QEMU: oracle/run none"]
fn none() {
    same(Model::None);
}

#[test]
#[ignore = "runs QEMU: oracle/run mapped-xattr"]
fn mapped_xattr() {
    same(Model::MappedXattr);
}

#[test]
#[ignore = "runs QEMU: oracle/run mapped-file"]
fn mapped_file() {
    same(Model::MappedFile);
}

fn same(model: Model) {
    let program = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("{name} is not set"));
    let number = |name: &str, default| match env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name}: {text}")),
        _ => default,
    };
    let programs = Programs {
        qemu: program("VIRTFS_ORACLE_QEMU").into(),
        virtfs: program("VIRTFS_BIN").into(),
    };
    let plan = Plan {
        seed: number("VIRTFS_ORACLE_SEED", 1),
        requests: number("VIRTFS_ORACLE_REQUESTS", 10_000),
        findings: number("VIRTFS_ORACLE_FINDINGS", 10) as usize,
    };
    let list = include_str!("../differences.txt");
    let report = run(&programs, model, plan, list).unwrap_or_else(|error| panic!("{error}"));
    println!("{}", report.text);
    assert!(report.good, "{} is not as QEMU's", model.name());
}

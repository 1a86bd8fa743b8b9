//! `virtfs df`.

use std::io::{self, Write};

use virtfs_client::Statfs;

use super::connect::{PATIENCE, attach};
use super::output::{Output, written};
use super::path::RemotePath;
use super::report::Report;
use super::stat::human;
use crate::cli::client::DfArgs;
use crate::failure::Failure;

pub(crate) fn run(args: DfArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    let mut rows = Vec::new();
    for path in RemotePath::all(&args.paths) {
        let statfs = path.walk(&root).and_then(|fid| Ok(fid.statfs()?));
        if let Some(statfs) = report.attempt(path.typed(), statfs) {
            rows.push((path, row(&statfs, args.human_readable)));
        }
    }
    written(table(&rows, args.human_readable))?;
    report.end()
}

type Row = [String; 4];

fn row(fs: &Statfs, readable: bool) -> Row {
    let bytes = |blocks: u64| blocks.saturating_mul(fs.bsize.into());
    let shown = |blocks: u64| match readable {
        true => human(bytes(blocks)),
        false => bytes(blocks).div_ceil(1024).to_string(),
    };
    let used = fs.blocks.saturating_sub(fs.bfree);
    let usable = u128::from(used) + u128::from(fs.bavail);
    let percent = match usable {
        0 => "-".into(),
        usable => format!("{}%", (u128::from(used) * 100).div_ceil(usable)),
    };
    [shown(fs.blocks), shown(used), shown(fs.bavail), percent]
}

fn table(rows: &[(RemotePath, Row)], readable: bool) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let size = if readable { "Size" } else { "1K-blocks" };
    let head = [size, "Used", "Available", "Use%"].map(String::from);
    let mut out = Output::new();
    let all = || rows.iter().map(|(_, row)| row).chain([&head]);
    let widths: [usize; 4] = std::array::from_fn(|column| {
        let lengths = all().map(|row| row.get(column).map_or(0, String::len));
        lengths.max().unwrap_or(0)
    });
    let line = |out: &mut Output, cells: &Row, path: &[u8]| {
        for (cell, width) in cells.iter().zip(widths) {
            write!(out, "{cell:>width$} ")?;
        }
        out.write_all(path)?;
        out.write_all(b"\n")
    };
    line(&mut out, &head, b"Path")?;
    for (path, cells) in rows {
        let name = out.name(path.typed()).into_owned();
        line(&mut out, cells, &name)?;
    }
    out.flush()
}

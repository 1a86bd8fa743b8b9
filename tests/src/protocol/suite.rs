//! The matrix: groups of cases, and what runs them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cases::{self, Case};
use super::{Backend, Has, Site, Transport};

/// Makes a `#[test]` of each group of cases over each transport and each backend, called
/// `transport::backend::group`. Takes the tables of transports and backends:
///
/// ```
/// use virtfs_tests::protocol::{Backend, transports};
///
/// virtfs_tests::protocol_suite! {
///     transports {
///         tcp => transports::tcp,
///         pipes => transports::pipes,
///     }
///     backends {
///         memory => Backend::memory,
///     }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! protocol_suite {
    (transports { $($transport:ident => $serve:expr,)* } backends $backends:tt) => {
        $(
            mod $transport {
                use super::*;
                $crate::protocol_suite! { @backends $serve, $backends }
            }
        )*
    };
    (@backends $serve:expr, { $($backend:ident => $fresh:expr,)* }) => {
        $(
            mod $backend {
                use super::*;
                $crate::protocol_suite! { @groups tests $serve, $fresh }
            }
        )*
    };
    (@tests [$serve:expr, $fresh:expr] $($group:ident)*) => {
        $(
            #[test]
            fn $group() {
                $crate::protocol::check($serve, $fresh, stringify!($group));
            }
        )*
    };
    (@table [] $($group:ident)*) => {
        &[$((stringify!($group), cases::$group::CASES),)*]
    };
    (@groups $then:ident $($context:tt)*) => {
        $crate::protocol_suite! { @$then [$($context)*]
            version
            attach
            walk
            lookup
            open
            create
            io
            transfer
            attributes
            times
            list
            names
            make
            link
            rename
            remove
            unlinked
            xattrs
            locks
            connection
            blocking
        }
    };
}

const GROUPS: &[(&str, &[Case])] = protocol_suite! { @groups table };

/// Runs the cases of a group, each on a site of its own, and tells which of them failed and which
/// were left out.
///
/// # Panics
///
/// If a case fails, or the group does not exist.
pub fn check(serve: Transport, fresh: fn() -> Backend, group: &str) {
    let (_, cases) = GROUPS
        .iter()
        .find(|(name, _)| *name == group)
        .unwrap_or_else(|| panic!("no group is called {group}"));
    let (mut passed, mut left_out, mut failed) = (0, Vec::new(), Vec::new());
    for case in *cases {
        let backend = fresh();
        let endpoint = serve(&backend);
        let missing = case.needs.difference(endpoint.has(&backend));
        if !missing.is_empty() {
            left_out.push(format!("{} (needs {missing:?})", case.name));
            continue;
        }
        let run = || (case.run)(&Site::new(backend, endpoint));
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => passed += 1,
            Err(panic) => failed.push(format!("{}: {}", case.name, words(&*panic))),
        }
    }
    println!("{passed} passed, {} left out:", left_out.len());
    for case in &left_out {
        println!("  {case}");
    }
    let count = cases.len();
    assert!(
        failed.is_empty(),
        "{} of {count} cases failed:\n  {}",
        failed.len(),
        failed.join("\n  ")
    );
}

/// The cases that a site with this leaves out, with what they would need beyond it.
pub fn left_out(has: Has) -> Vec<(&'static str, Has)> {
    let cases = GROUPS.iter().flat_map(|(_, cases)| *cases);
    cases
        .map(|case| (case.name, case.needs.difference(has)))
        .filter(|(_, missing)| !missing.is_empty())
        .collect()
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}

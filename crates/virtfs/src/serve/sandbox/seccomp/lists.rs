//! What each process may do.

use super::rules::Calls;
use super::{Needs, Role, groups};

/// The calls of a process that do not end it.
pub(super) fn of(role: Role, needs: Needs) -> Calls {
    let mut calls = Calls::default();
    groups::basics(&mut calls);
    match role {
        Role::Server => {
            serving(&mut calls, needs);
            groups::listeners(&mut calls);
            groups::children(&mut calls);
            groups::own_signals(&mut calls);
            if needs.devices {
                groups::signals(&mut calls);
            }
        }
        Role::Vmm => {
            // No socket of a VMM is one of TCP.
            serving(
                &mut calls,
                Needs {
                    tcp: false,
                    ..needs
                },
            );
            groups::vmm(&mut calls);
            groups::own_signals(&mut calls);
        }
        // All that the processes which it starts do.
        Role::Acceptor => {
            serving(
                &mut calls,
                Needs {
                    tcp: false,
                    ..needs
                },
            );
            groups::vmm(&mut calls);
            groups::listeners(&mut calls);
            groups::children(&mut calls);
            groups::signals(&mut calls);
            groups::forks(&mut calls);
        }
        Role::Supervisor => {
            groups::children(&mut calls);
            groups::signals(&mut calls);
            groups::own_signals(&mut calls);
        }
        Role::Keeper => {
            groups::removal(&mut calls);
            groups::own_signals(&mut calls);
        }
    }
    calls
}

fn serving(calls: &mut Calls, needs: Needs) {
    groups::threads(calls);
    groups::files(calls);
    groups::connections(calls, needs.tcp);
    if needs.as_users {
        groups::credentials(calls);
    }
    if needs.handles {
        groups::handles(calls);
    }
}

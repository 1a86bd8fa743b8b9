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

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel remembers that it allows them, and runs no filter.
    #[test]
    fn what_each_request_calls_is_allowed_whatever_its_arguments_are() {
        let mut hot = vec![
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_statx,
            libc::SYS_preadv2,
            libc::SYS_pwrite64,
            libc::SYS_close,
            libc::SYS_futex,
            libc::SYS_recvfrom,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_read,
            libc::SYS_write,
        ];
        #[cfg(target_arch = "x86_64")]
        hot.extend([libc::SYS_poll, libc::SYS_epoll_wait]);
        hot.push(libc::SYS_epoll_pwait);
        for role in [Role::Server, Role::Vmm, Role::Acceptor] {
            let calls = of(role, Needs::default());
            for call in &hot {
                let cases = calls.cases(*call);
                assert!(cases.is_some_and(<[_]>::is_empty), "{role:?}: {call}");
            }
        }
    }
}

//! From rules to what the kernel runs.

use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::rules::{Calls, Condition};
use super::{Needs, Role, lists, refusals};

/// A filter, ready to be loaded.
#[derive(Debug)]
pub(super) struct Program(BpfProgram);

impl Program {
    /// Those of a process, in the order in which they are to be loaded. With `log`, nothing is
    /// refused.
    pub(super) fn all(role: Role, needs: Needs, log: bool) -> Result<Vec<Self>, String> {
        let arch = TargetArch::try_from(ARCH)
            .map_err(|_| format!("virtfs has no list of system calls for {ARCH}"))?;
        Self::for_arch(role, needs, log, arch).map_err(|error| error.to_string())
    }

    fn for_arch(
        role: Role,
        needs: Needs,
        log: bool,
        arch: TargetArch,
    ) -> Result<Vec<Self>, BackendError> {
        let mut list = lists::of(role, needs);
        if log {
            return Ok(vec![Self::new(
                list,
                SeccompAction::Allow,
                SeccompAction::Log,
                arch,
            )?]);
        }
        // One filter has one answer to what it matches. The strictest answer of all filters holds, so
        // what is refused by an errno is on the list of those that do not kill.
        let mut programs = Vec::new();
        for (errno, calls) in refusals::of(needs, &mut list) {
            let refuse = SeccompAction::Errno(errno.cast_unsigned());
            programs.push(Self::new(calls, refuse, SeccompAction::Allow, arch)?);
        }
        let (allow, kill) = (SeccompAction::Allow, SeccompAction::KillProcess);
        programs.push(Self::new(list, allow, kill, arch)?);
        Ok(programs)
    }

    fn new(
        calls: Calls,
        matches: SeccompAction,
        else_: SeccompAction,
        arch: TargetArch,
    ) -> Result<Self, BackendError> {
        let rules = calls.into_cases().map(|(call, cases)| {
            Ok((
                call,
                cases
                    .iter()
                    .map(|case| rule(case))
                    .collect::<Result<_, _>>()?,
            ))
        });
        let rules = rules.collect::<Result<_, BackendError>>()?;
        SeccompFilter::new(rules, else_, matches, arch)?
            .try_into()
            .map(Self)
    }

    /// Puts this process under it.
    pub(super) fn load(&self) -> Result<(), String> {
        apply_filter(&self.0).map_err(|error| error.to_string())
    }
}

fn rule(conditions: &[Condition]) -> Result<SeccompRule, BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    let each = conditions.iter().map(|condition| match *condition {
        Condition::Is(at, value) => {
            SeccompCondition::new(at, Dword, SeccompCmpOp::Eq, value.into())
        }
        Condition::Not(at, value) => {
            SeccompCondition::new(at, Dword, SeccompCmpOp::Ne, value.into())
        }
        Condition::AtMost(at, value) => {
            SeccompCondition::new(at, Dword, SeccompCmpOp::Le, value.into())
        }
        Condition::Whole(at, value) => SeccompCondition::new(at, Qword, SeccompCmpOp::Eq, value),
        Condition::NotWhole(at, value) => SeccompCondition::new(at, Qword, SeccompCmpOp::Ne, value),
        Condition::Bits(at, mask, value) => {
            SeccompCondition::new(at, Qword, SeccompCmpOp::MaskedEq(mask), value)
        }
    });
    SeccompRule::new(each.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 5] = [
        Role::Server,
        Role::Acceptor,
        Role::Vmm,
        Role::Supervisor,
        Role::Keeper,
    ];

    fn all_needs() -> impl Iterator<Item = Needs> {
        (0..32).map(|bits| Needs {
            as_users: bits & 1 != 0,
            handles: bits & 2 != 0,
            device_nodes: bits & 4 != 0,
            tcp: bits & 8 != 0,
            devices: bits & 16 != 0,
        })
    }

    /// The numbers of the calls are those of the processor that the test runs on.
    #[test]
    fn every_list_compiles_for_every_architecture() {
        for arch in [TargetArch::x86_64, TargetArch::aarch64, TargetArch::riscv64] {
            for role in ROLES {
                for needs in all_needs() {
                    for log in [false, true] {
                        let programs = Program::for_arch(role, needs, log, arch).unwrap();
                        assert_eq!(programs.len(), if log { 1 } else { 3 });
                        for program in programs {
                            assert!(program.0.len() < 4096, "{role:?}");
                        }
                    }
                }
            }
        }
    }
}

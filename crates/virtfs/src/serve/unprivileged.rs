//! What does not work, and why, when the server has not all the privileges that its model can use.

use rustix::fs::fstat;
use rustix::thread::CapabilitySet;
use tracing::{info, warn};
use virtfs_local::{OVERFLOW_ID, SecurityModel, Xattrs};

use super::export::OpenExport;
use super::standing::Standing;

/// Tells it, once for each model.
pub(super) fn tell(standing: &Standing, exports: &[OpenExport]) {
    let mut told = Vec::new();
    for export in exports {
        let ownership = &export.ownership;
        if let Some(text) = of_another(standing, export) {
            warn!("{text}");
        }
        let kind = (ownership.model, ownership.xattr);
        if told.contains(&kind) {
            continue;
        }
        told.push(kind);
        let (model, xattr) = kind;
        match explanation(standing, model, xattr) {
            // It was chosen, or is the default of root: it is likely to disappoint.
            Some(text) if model == SecurityModel::Passthrough => warn!("{text}"),
            Some(text) => info!("{text}"),
            None => {}
        }
    }
}

/// What root cannot do in a mapped export that is not root's: it is told, because root can do anything
/// elsewhere.
fn of_another(standing: &Standing, export: &OpenExport) -> Option<String> {
    let ownership = &export.ownership;
    if standing.user != 0 || !ownership.model.is_mapped() || is_free(standing) {
        return None;
    }
    let owner = fstat(&export.dir).ok()?.st_uid;
    (owner != 0).then(|| {
        let name = String::from_utf8_lossy(&export.name);
        format!(
            "{name} belongs to user {owner}: --security-model {} takes root's privileges away, so that \
             clients can do there what root may without them. Run the server as that user, or add \
             --modcaps +dac_override:+fowner",
            ownership.model.name()
        )
    })
}

/// Whether it may do anything with files of others, but give them away.
fn is_free(standing: &Standing) -> bool {
    let needed = CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER;
    standing.capabilities.contains(needed)
}

/// `None` if the model lacks nothing.
fn explanation(standing: &Standing, model: SecurityModel, xattr: Xattrs) -> Option<String> {
    let own = format!("user {}", standing.user);
    let own = own.as_str();
    let cannot = match model.is_mapped() {
        true => limits_of_mapped(standing, own),
        false => limits_of_real(standing, own, model, xattr),
    };
    let foreign = standing.namespace.as_ref().filter(|_| !model.is_mapped());
    if cannot.is_empty() && foreign.is_none() {
        return None;
    }
    let mut text = match (cannot.as_slice(), standing.user) {
        ([], _) => format!("--security-model {} in a user namespace", model.name()),
        (_, 0) => format!(
            "--security-model {} without all of root's privileges",
            model.name()
        ),
        _ => format!("--security-model {} without privileges", model.name()),
    };
    if let [first @ .., last] = cannot.as_slice() {
        text += ": clients cannot ";
        text += &first.join(", ");
        text += if first.is_empty() { "" } else { ", nor " };
        text += last;
    }
    if let Some(namespace) = foreign {
        text += &format!(
            ". The server's user namespace has the users {} and the groups {}: files of others show as \
             {OVERFLOW_ID}, only their own permissions allow anything with them, and nothing can \
             be given to others",
            namespace.users, namespace.groups
        );
    }
    let gives = standing.capabilities.contains(CapabilitySet::CHOWN);
    text += match model {
        SecurityModel::None if !gives => ". All else works, owned by that user",
        SecurityModel::Passthrough | SecurityModel::None => ". All else works",
        _ => ". All else works, owners, modes, device nodes and symbolic links too",
    };
    if !model.is_mapped() && !gives {
        text += "; --security-model mapped-xattr gives clients owners and device nodes without \
                 privileges";
    }
    Some(text)
}

fn limits_of_real(
    standing: &Standing,
    own: &str,
    model: SecurityModel,
    xattr: Xattrs,
) -> Vec<String> {
    let lacks = |capability| !standing.capabilities.contains(capability);
    let inside = standing.namespace.is_some();
    let mut cannot = Vec::new();
    if lacks(CapabilitySet::CHOWN) {
        cannot.push(match model {
            SecurityModel::None => format!("make files of others than {own} (no CAP_CHOWN)"),
            _ => format!("make files for or give them to others than {own} (no CAP_CHOWN)"),
        });
    }
    if lacks(CapabilitySet::FOWNER) {
        cannot.push("change modes and times of files of others (no CAP_FOWNER)".into());
    }
    if lacks(CapabilitySet::DAC_OVERRIDE) {
        cannot.push(format!("reach what {own} may not (no CAP_DAC_OVERRIDE)"));
    }
    if inside {
        cannot.push("make device nodes (the kernel refuses them in a user namespace)".into());
    } else if lacks(CapabilitySet::MKNOD) {
        cannot.push("make device nodes (no CAP_MKNOD)".into());
    }
    if xattr != Xattrs::User && lacks(CapabilitySet::SETFCAP) {
        cannot.push("set file capabilities (no CAP_SETFCAP)".into());
    }
    if xattr == Xattrs::All && inside {
        cannot
            .push("have trusted.* attributes (the kernel refuses them in a user namespace)".into());
    } else if xattr == Xattrs::All && lacks(CapabilitySet::SYS_ADMIN) {
        cannot.push("have trusted.* attributes (no CAP_SYS_ADMIN)".into());
    }
    cannot
}

fn limits_of_mapped(standing: &Standing, own: &str) -> Vec<String> {
    match is_free(standing) || standing.user == 0 {
        true => Vec::new(),
        false => vec![format!(
            "do more than {own} may with what others made on the host"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::standing::{Namespace, Ranges};

    fn standing(user: u32, capabilities: CapabilitySet) -> Standing {
        Standing {
            user,
            capabilities,
            namespace: None,
        }
    }

    fn inside() -> Namespace {
        Namespace {
            users: Ranges::of(&[(0, 65536)]),
            groups: Ranges::of(&[(0, 1), (100, 2)]),
        }
    }

    const MODELS: [SecurityModel; 4] = [
        SecurityModel::Passthrough,
        SecurityModel::None,
        SecurityModel::MappedXattr,
        SecurityModel::MappedFile,
    ];

    #[test]
    fn root_lacks_nothing() {
        let root = standing(0, CapabilitySet::all());
        for model in MODELS {
            assert_eq!(explanation(&root, model, Xattrs::All), None, "{model:?}");
        }
    }

    #[test]
    fn an_ordinary_user_is_told_what_and_why() {
        let user = standing(1000, CapabilitySet::empty());
        let text = |model, xattr| explanation(&user, model, xattr).unwrap();
        let passthrough = text(SecurityModel::Passthrough, Xattrs::User);
        for part in [
            "passthrough without privileges: clients cannot make files for",
            "others than user 1000 (no CAP_CHOWN)",
            "CAP_FOWNER",
            "CAP_DAC_OVERRIDE",
            ", nor make device nodes (no CAP_MKNOD). All else works; --security-model mapped-xattr",
        ] {
            assert!(passthrough.contains(part), "{part}: {passthrough}");
        }
        assert!(!passthrough.contains("trusted"), "{passthrough}");
        let all = text(SecurityModel::None, Xattrs::All);
        assert!(all.contains("file capabilities (no CAP_SETFCAP)"), "{all}");
        assert!(
            all.contains("trusted.* attributes (no CAP_SYS_ADMIN)"),
            "{all}"
        );
        for model in [SecurityModel::MappedXattr, SecurityModel::MappedFile] {
            let text = text(model, Xattrs::All);
            assert!(
                text.contains("device nodes and symbolic links too"),
                "{text}"
            );
            assert!(!text.contains("CAP_"), "{text}");
        }
    }

    #[test]
    fn in_a_user_namespace_it_is_told_who_exists() {
        let mut root = standing(0, CapabilitySet::all());
        root.namespace = Some(inside());
        let text = explanation(&root, SecurityModel::Passthrough, Xattrs::User).unwrap();
        for part in [
            "clients cannot make device nodes (the kernel refuses them in a user namespace)",
            "users 0-65535 and the groups 0, 100-101",
            "show as 65534",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("CAP_"), "{text}");
        assert_eq!(
            explanation(&root, SecurityModel::MappedFile, Xattrs::User),
            None
        );
    }
}

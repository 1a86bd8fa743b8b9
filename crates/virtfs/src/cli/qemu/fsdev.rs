//! `-fsdev local,id=ID,path=DIR,...` and `-virtfs local,path=DIR,mount_tag=TAG,...`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use super::pairs::{Pairs, is_identifier};
use super::throttle;
use crate::cli::ownership::{Devices, Model, When, permission_bits};

/// A directory to serve. What was not typed is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FsdevSpec {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) security_model: Option<Model>,
    pub(crate) readonly: Option<bool>,
    pub(crate) fmode: Option<u32>,
    pub(crate) dmode: Option<u32>,
    pub(crate) multidevs: Option<Devices>,
    pub(crate) writeout: Option<When>,
    /// How many extended attributes may be in use at once. The server bounds their bytes instead.
    pub(crate) max_xattr: Option<u32>,
}

/// A directory to serve, with its mount tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VirtfsSpec {
    pub(crate) tag: String,
    pub(crate) share: FsdevSpec,
}

const DRIVER: &str = "fsdriver";

/// What the driver `local` knows, beside its limits of rates.
const LOCAL: [&str; 10] = [
    DRIVER,
    "id",
    "path",
    "security_model",
    "writeout",
    "readonly",
    "fmode",
    "dmode",
    "multidevs",
    "max_xattr",
];

/// What there is to choose from.
pub(crate) const SECURITY_MODELS: &str =
    "Valid options are: security_model=[passthrough|mapped-xattr|mapped-file|none]";

/// What drivers that are gone knew.
const HISTORIC: [&str; 2] = ["socket", "sock_fd"];

impl FsdevSpec {
    /// Reads the value of `--fsdev`.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        let pairs = Pairs::parse(&text, DRIVER)?;
        keys(&pairs, throttle::is_known)?;
        let Some(id) = pairs.text("id")? else {
            return Err("fsdev: No id specified: give it one, as in id=fs0".into());
        };
        if !is_identifier(&id) {
            return Err(format!(
                "Parameter 'id' expects an identifier: letters, digits, '-', '.' and '_', of \
                 which the first is a letter; '{id}' is none"
            ));
        }
        driver(&pairs)?;
        Self::local(&pairs, id)
    }

    fn local(pairs: &Pairs, id: String) -> Result<Self, String> {
        let model = pairs.text("security_model")?;
        let model = model.as_deref().map(security_model).transpose()?;
        let Some(path) = pairs.bytes("path")?.filter(|path| !path.is_empty()) else {
            return Err("path property not set: name the directory to serve".into());
        };
        let mode = |key| -> Result<Option<u32>, String> {
            let Some(text) = pairs.text(key)? else {
                return Ok(None);
            };
            if model.is_some_and(|model| !model.is_mapped()) {
                return Err(format!("{key} is only valid for mapped security modes"));
            }
            let bits = permission_bits(&text)
                .map_err(|why| format!("Parameter '{key}' expects a number: {why}"))?;
            Ok(Some(bits))
        };
        let (fmode, dmode) = (mode("fmode")?, mode("dmode")?);
        let writeout = match pairs.text("writeout")?.as_deref() {
            None => None,
            Some("immediate") => Some(When::Immediate),
            Some(other) => {
                return Err(format!(
                    "invalid writeout property '{other}': there is 'immediate'"
                ));
            }
        };
        throttle::check(pairs)?;
        let multidevs = pairs.text("multidevs")?;
        let multidevs = multidevs.as_deref().map(devices).transpose()?;
        let max_xattr = pairs.number("max_xattr")?.map(|count| {
            u32::try_from(count).map_err(|_| format!("max_xattr value '{count}' too large"))
        });
        Ok(Self {
            id,
            path: path.into(),
            security_model: model,
            readonly: pairs.switch("readonly")?,
            fmode,
            dmode,
            multidevs,
            writeout,
            max_xattr: max_xattr.transpose()?,
        })
    }
}

impl VirtfsSpec {
    /// Reads the value of `--virtfs`.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        let pairs = Pairs::parse(&text, DRIVER)?;
        let (typed, tag) = (pairs.text(DRIVER)?, pairs.text("mount_tag")?);
        let (Some(_), Some(tag)) = (typed, tag) else {
            return Err("Usage: -virtfs fsdriver,mount_tag=tag, as in \
                        local,path=DIR,mount_tag=TAG,security_model=mapped-xattr"
                .into());
        };
        keys(&pairs, |key| key == "mount_tag")?;
        let id = pairs.text("id")?;
        let has_id = id.is_some();
        let id = id.unwrap_or_else(|| tag.clone());
        if !is_identifier(&id) {
            let hint = match has_id {
                true => "",
                false => " (the mount tag is the id of what has none; add id=)",
            };
            return Err(format!("duplicate or invalid fsdev id: {id}{hint}"));
        }
        driver(&pairs)?;
        let share = FsdevSpec::local(&pairs, id)?;
        Ok(Self { tag, share })
    }
}

/// The driver must be `local`, and have no keys of the others.
fn driver(pairs: &Pairs) -> Result<(), String> {
    let driver = pairs.text(DRIVER)?.unwrap_or_default();
    let instead = match driver.as_str() {
        "local" => {
            return match pairs.keys().find(|key| HISTORIC.contains(key)) {
                Some(key) => Err(format!("'{key}' is invalid for fsdriver 'local'")),
                None => Ok(()),
            };
        }
        "" => return Err("fsdev: No fsdriver specified: there is 'local'".into()),
        "proxy" => {
            "it ran with privileges that the virtual machine has not, as virtfs itself does: write \
             'local' and path=DIR, and run virtfs as root"
        }
        "handle" => "QEMU has it no more; write 'local', whose files keep handles by themselves",
        "synth" => "it is for QEMU's own tests and serves no directory; write 'local' and path=DIR",
        _ => "there is 'local'",
    };
    Err(format!("fsdev: fsdriver {driver} not found: {instead}"))
}

/// Refuses keys that are not known.
fn keys(pairs: &Pairs, more: impl Fn(&str) -> bool) -> Result<(), String> {
    for key in pairs.keys() {
        let known = LOCAL.contains(&key) || HISTORIC.contains(&key) || more(key);
        if !known && !pairs.denies(key, "readonly") {
            return Err(format!("Invalid parameter '{key}'"));
        }
    }
    Ok(())
}

fn security_model(text: &str) -> Result<Model, String> {
    <Model as ValueEnum>::from_str(text, false)
        .map_err(|_| format!("invalid security_model property '{text}'\n{SECURITY_MODELS}"))
}

fn devices(text: &str) -> Result<Devices, String> {
    <Devices as ValueEnum>::from_str(text, false).map_err(|_| {
        format!(
            "invalid multidevs property '{text}'\nValid options are: \
             multidevs=[remap|forbid|warn]"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fsdev(text: &str) -> Result<FsdevSpec, String> {
        FsdevSpec::parse(text.into())
    }

    fn virtfs(text: &str) -> Result<VirtfsSpec, String> {
        VirtfsSpec::parse(text.into())
    }

    #[test]
    fn every_key_has_its_meaning() {
        let text = "local,id=fs0,path=/a,,b=c,security_model=mapped,readonly=on,fmode=0644,\
                    dmode=755,multidevs=forbid,writeout=immediate,max_xattr=100";
        let expected = FsdevSpec {
            id: "fs0".into(),
            path: "/a,b=c".into(),
            security_model: Some(Model::MappedXattr),
            readonly: Some(true),
            fmode: Some(0o644),
            dmode: Some(0o755),
            multidevs: Some(Devices::Forbid),
            writeout: Some(When::Immediate),
            max_xattr: Some(100),
        };
        assert_eq!(fsdev(text), Ok(expected.clone()));
        let short = text.replace("id=fs0", "mount_tag=my tag,id=fs0");
        let expected = VirtfsSpec {
            tag: "my tag".into(),
            share: expected,
        };
        assert_eq!(virtfs(&short), Ok(expected));
    }

    #[test]
    fn permission_bits_are_octal_however_they_are_written() {
        let text = "local,id=a,path=/a,security_model=mapped-file,fmode=";
        for typed in ["644", "0644"] {
            assert_eq!(fsdev(&format!("{text}{typed}")).unwrap().fmode, Some(0o644));
        }
        assert!(fsdev(&format!("{text}0x1a4")).is_err());
    }

    #[test]
    fn a_tag_is_the_id_of_what_has_none() {
        let spec = virtfs("local,path=/a,mount_tag=home,security_model=none,noreadonly").unwrap();
        assert_eq!(
            (spec.tag.as_str(), spec.share.id.as_str()),
            ("home", "home")
        );
        assert_eq!(spec.share.readonly, Some(false));
    }

    #[test]
    fn what_is_wrong_is_said_in_qemus_words() {
        for (text, hint) in [
            ("", "fsdev: No id specified"),
            ("id=a,path=/a", "fsdev: No fsdriver specified"),
            ("bogus,id=a", "fsdev: fsdriver bogus not found"),
            ("proxy,id=a,socket=/s", "write 'local' and path=DIR"),
            ("handle,id=a,path=/a", "write 'local'"),
            ("synth,id=a", "write 'local' and path=DIR"),
            ("local,path=/a", "fsdev: No id specified"),
            ("local,id=9,path=/a", "Parameter 'id' expects an identifier"),
            ("local,id=a,security_model=none", "path property not set"),
            ("local,id=a,path=/a,foo=1", "Invalid parameter 'foo'"),
            (
                "local,id=a,path=/a,socket=/s",
                "'socket' is invalid for fsdriver 'local'",
            ),
            (
                "local,id=a,path=/a,security_model=foo",
                "invalid security_model property 'foo'",
            ),
            (
                "local,id=a,path=/a,security_model=none,fmode=600",
                "fmode is only valid for mapped security modes",
            ),
            (
                "local,id=a,path=/a,fmode=rw",
                "Parameter 'fmode' expects a number",
            ),
            ("local,id=a,path=/a,multidevs=all", "invalid multidevs"),
            ("local,id=a,path=/a,readonly=1", "expects 'on' or 'off'"),
            ("local,id=a,path=/a,writeout=later", "there is 'immediate'"),
            ("local,id=a,path=/a,max_xattr=4294967296", "too large"),
            (
                "local,id=a,path=/a,throttling.bps-total=1",
                "virtfs does not limit rates",
            ),
            ("local,id=a,path", "Expected '=' after parameter 'path'"),
            ("local,id=a,path=/a,nopath", "Invalid parameter 'nopath'"),
        ] {
            let error = fsdev(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        for (text, hint) in [
            ("", "Usage: -virtfs fsdriver,mount_tag=tag"),
            ("local,path=/a", "Usage: -virtfs fsdriver,mount_tag=tag"),
            (
                "local,path=/a,mount_tag=9bad",
                "duplicate or invalid fsdev id: 9bad",
            ),
            (
                "local,path=/a,mount_tag=t,throttling.bps-total=1",
                "Invalid parameter 'throttling.bps-total'",
            ),
            ("proxy,mount_tag=t,sock_fd=3", "fsdriver proxy not found"),
        ] {
            let error = virtfs(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}

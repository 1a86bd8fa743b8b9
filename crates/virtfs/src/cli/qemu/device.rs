//! `-device virtio-9p-pci,fsdev=ID,mount_tag=TAG`.

use std::ffi::OsString;

use super::pairs::Pairs;

/// Which share has which mount tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceLine {
    /// The id of the `--fsdev`.
    pub(crate) fsdev: String,
    pub(crate) tag: String,
}

const DRIVERS: [&str; 7] = [
    "virtio-9p-pci",
    "virtio-9p-pci-transitional",
    "virtio-9p-pci-non-transitional",
    "virtio-9p",
    "virtio-9p-device",
    "virtio-9p-ccw",
    "virtio-9p-s390",
];

/// What says where the device is in the machine, and what its bus offers.
const PLACES: [&str; 33] = [
    "acpi-index",
    "addr",
    "aer",
    "any_layout",
    "ats",
    "bus",
    "busnr",
    "devno",
    "disable-legacy",
    "disable-modern",
    "event_idx",
    "failover_pair_id",
    "id",
    "in_order",
    "indirect_desc",
    "ioeventfd",
    "iommu_platform",
    "max_revision",
    "modern-pio-notify",
    "multifunction",
    "notify_on_empty",
    "packed",
    "page-per-vq",
    "queue_reset",
    "rombar",
    "romfile",
    "romsize",
    "sriov-pf",
    "use-disabled-flag",
    "use-started",
    "vectors",
    "virtio-backend",
    "virtio-pci-bus-master-bug-migration",
];

fn is_known(key: &str) -> bool {
    // QEMU's experiments begin so.
    ["driver", "fsdev", "mount_tag"].contains(&key)
        || PLACES.contains(&key)
        || key.starts_with("x-")
}

impl DeviceLine {
    /// Reads what was typed.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        if text.as_encoded_bytes().first() == Some(&b'{') {
            return Err("JSON is not understood here: write \
                        'virtio-9p-pci,fsdev=ID,mount_tag=TAG'"
                .into());
        }
        let pairs = Pairs::parse(&text, "driver")?;
        let driver = pairs.text("driver")?.unwrap_or_default();
        if driver.is_empty() {
            return Err("Parameter 'driver' is missing".into());
        }
        if !DRIVERS.contains(&driver.as_str()) {
            return Err(format!(
                "'{driver}' is not a valid device model name here: virtfs is a virtio-9p-pci \
                 device; all others stay in the VMM's command line"
            ));
        }
        for key in pairs.keys() {
            if !is_known(key) {
                return Err(format!("Property '{driver}.{key}' not found"));
            }
        }
        let Some(fsdev) = pairs.text("fsdev")? else {
            return Err("9pfs device couldn't find fsdev with the id = NULL".into());
        };
        let Some(tag) = pairs.text("mount_tag")? else {
            return Err(format!("fsdev with id {fsdev} needs mount_tag arguments"));
        };
        Ok(Self { fsdev, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_qemus_is_understood() {
        let parse = |text: &str| DeviceLine::parse(text.into());
        let line = parse("virtio-9p-pci,id=fs0,fsdev=x,mount_tag=a,,b,bus=pci.0,addr=0x2").unwrap();
        assert_eq!((line.fsdev.as_str(), line.tag.as_str()), ("x", "a,b"));
        for (text, hint) in [
            ("", "'driver' is missing"),
            ("virtio-net-pci,netdev=n", "'virtio-net-pci' is not a valid"),
            ("virtio-9p-pci", "couldn't find fsdev with the id = NULL"),
            (
                "virtio-9p-pci,fsdev=a",
                "fsdev with id a needs mount_tag arguments",
            ),
            (
                "virtio-9p-pci,fsdev=a,mount_tag=t,tag=t",
                "Property 'virtio-9p-pci.tag' not found",
            ),
            ("{\"driver\":\"virtio-9p-pci\"}", "JSON"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}

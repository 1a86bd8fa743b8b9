//! Over a virtqueue the payload of a read or a write goes between the file and the guest's memory
//! by one call of the kernel, and no byte of it is copied by a program.

use virtfs_client::{Attach, Client, LopenFlags as O, Options, Stream};
use virtfs_local::{LocalFs, SecurityModel};
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Layout, bridge};
use virtfs_tests::{Counted, Served};

#[test]
fn payloads_are_moved_by_the_kernel_alone() {
    const LENGTH: usize = 400 << 10;
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<_> = (0..LENGTH).map(|at| (at * 7 % 251) as u8).collect();
    std::fs::write(dir.path().join("f"), &content).unwrap();
    let options = virtfs_local::Options {
        model: SecurityModel::None,
        ..virtfs_local::Options::default()
    };
    let fs = Counted::new(LocalFs::open(dir.path(), options).unwrap());
    let payloads = fs.payloads();
    let served = Served::fs(fs);
    for layout in [Layout::Whole, Layout::Linux] {
        let driver = Driver::new(
            &GuestRam::new(16 << 20),
            DriverOptions {
                indirect: true,
                ..DriverOptions::default()
            },
        );
        let device = Direct::attach(&served.server, &driver);
        let stream = bridge(driver, device, layout).unwrap();
        let options = Options {
            msize: 500 << 10,
            ..Options::default()
        };
        let client = Client::over(Stream::socket(stream), &options).unwrap();
        let root = client.attach(&Attach::default()).unwrap();
        let file = root.walk(&["f"]).unwrap().open(O::RDWR).unwrap();
        let before = [payloads.moved(), payloads.calls()];
        let mut bytes = vec![0; LENGTH];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), LENGTH);
        assert!(bytes == content);
        assert_eq!(file.write_at(&content, 0).unwrap(), LENGTH);
        assert_eq!(payloads.copied(), 0);
        assert_eq!(payloads.moved() - before[0], 2 * LENGTH as u64);
        // The read may look into the page cache first.
        assert!(payloads.calls() - before[1] <= 3);
    }
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), content);
}

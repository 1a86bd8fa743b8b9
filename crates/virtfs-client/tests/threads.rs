//! Many threads on one connection, and streams that are full both ways.

mod common;

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, memory, options, pattern, promise_nothing};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use virtfs_client::{
    Address, Attach, Cancel, Client, Error, Fid, LopenFlags, Options, Result, Stream, UnlinkFlags,
    XattrFlags,
};
use virtfs_server::{Export, FdStream, Server};
use virtfs_vfs::memory::MemoryFs;

fn server() -> Server {
    let export = Export::new("root", Arc::new(MemoryFs::new()));
    Server::builder().export(export).build().unwrap()
}

fn gid() -> u32 {
    rustix::process::getgid().as_raw()
}

#[test]
fn sixteen_threads_do_all_sorts_of_things_at_once() {
    let served = memory();
    let root = &served.root;
    thread::scope(|scope| {
        for thread in 0..16usize {
            scope.spawn(move || {
                let dir = format!("dir{thread}");
                root.mkdir(dir.as_bytes(), 0o755, gid()).unwrap();
                let dir = root.walk(&[&dir]).unwrap();
                for round in 0..60usize {
                    let name = format!("file{}", round % 7);
                    let file = dir
                        .create(name.as_bytes(), LopenFlags::RDWR, 0o644, gid())
                        .unwrap();
                    let bytes = pattern((thread * 7919 + round * 104_729) % 300_000);
                    file.write_all_at(&bytes, 5).unwrap();
                    assert!(*file.read_chunk(bytes.len() as u32, 5).unwrap() == bytes[..]);
                    let (_, attributes) = dir.lookup(name.as_bytes()).unwrap();
                    assert!(attributes.size >= bytes.len() as u64);
                    assert!(matches!(dir.lookup(b"none"), Err(Error::Server(2))));
                    let listed = dir.read_dir().unwrap().map(Result::unwrap);
                    assert!(listed.into_iter().any(|e| e.name == name.as_bytes()));
                    if round % 3 == 0 {
                        dir.unlink_at(name.as_bytes(), UnlinkFlags::empty())
                            .unwrap();
                    }
                }
            });
        }
    });
    assert!(served.client.lost().is_none());
}

/// A number that looks random.
fn mix(number: usize) -> usize {
    let number = (number ^ (number >> 15)).wrapping_mul(0x2c1b_3c6d);
    (number ^ (number >> 12)).wrapping_mul(0x297a_2d39) >> 7
}

fn anything(root: &Fid, number: usize) -> Result<()> {
    let name = format!("file{}", number % 5);
    let name = name.as_bytes();
    match number / 5 % 8 {
        0 => drop(root.create(name, LopenFlags::RDWR, 0o644, gid())?),
        1 => drop(root.lookup(name)?),
        2 => drop(root.stat_all(&[name, b"..", b"none"])),
        3 => drop(root.read_dir()?.collect::<Vec<_>>()),
        4 => root.unlink_at(name, UnlinkFlags::empty())?,
        5 => drop(
            root.walk(&[name])?
                .set_xattr(b"user.a", b"b", XattrFlags::empty())?,
        ),
        6 => root.walk(&[name])?.clunk()?,
        _ => {
            let file = root.create(name, LopenFlags::RDWR, 0o644, gid())?;
            file.write_at(&vec![1; 3_000_000], 0)?;
            file.read_chunk(2_000_000, 0)?;
        }
    }
    Ok(())
}

#[test]
fn a_storm_of_cancelled_calls_leaves_nothing_behind() {
    for served in [memory(), promise_nothing()] {
        let current: Vec<Mutex<Cancel>> = (0..8).map(|_| Mutex::default()).collect();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let storm = scope.spawn(|| {
                for round in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    current[mix(round) % current.len()].lock().unwrap().cancel();
                    thread::sleep(Duration::from_micros(mix(round + 1) as u64 % 300));
                }
            });
            let workers: Vec<_> = (0..current.len())
                .map(|thread| {
                    let (root, current) = (&served.root, &current[thread]);
                    scope.spawn(move || {
                        for round in 0..150 {
                            let cancel = Cancel::new();
                            *current.lock().unwrap() = cancel.clone();
                            let number = mix(thread * 1000 + round);
                            match cancel.scope(|| anything(root, number)) {
                                Ok(()) | Err(Error::Server(_) | Error::Interrupted) => {}
                                Err(other) => panic!("{other:?}"),
                            }
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
            storm.join().unwrap();
        });
        let start = Instant::now();
        while served.client.in_flight() > 0 {
            served.root.attributes().unwrap();
            assert!(
                start.elapsed() < PATIENCE,
                "{} left",
                served.client.in_flight()
            );
        }
        let fid = served.root.walk::<&[u8]>(&[]).unwrap();
        assert!(fid.number() < 200, "fids leak: {}", fid.number());
    }
}

fn full_both_ways(ours: UnixStream, theirs: UnixStream) {
    for socket in [&ours, &theirs] {
        set_socket_send_buffer_size(socket, 4096).unwrap();
        set_socket_recv_buffer_size(socket, 4096).unwrap();
    }
    let server = server();
    server.serve(FdStream::socket(theirs)).unwrap();
    let client = Client::over(Stream::socket(ours), &options()).unwrap();
    let root = client.attach(&Attach::default()).unwrap();
    let bytes = pattern(5_000_000);
    thread::scope(|scope| {
        for thread in 0..6 {
            let (root, bytes) = (&root, &bytes);
            scope.spawn(move || {
                let name = format!("f{thread}");
                let file = root
                    .create(name.as_bytes(), LopenFlags::RDWR, 0o644, gid())
                    .unwrap();
                for _ in 0..3 {
                    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
                    let chunk = file.read_chunk(bytes.len() as u32, 0).unwrap();
                    assert!(chunk.parts().concat() == *bytes);
                    file.attributes().unwrap();
                }
            });
        }
    });
}

#[test]
fn big_reads_and_writes_through_small_buffers_do_not_lock_up() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    full_both_ways(ours, theirs);
}

#[test]
fn it_works_over_pipes() {
    let (their_input, our_output) = rustix::pipe::pipe().unwrap();
    let (our_input, their_output) = rustix::pipe::pipe().unwrap();
    let server = server();
    server
        .serve(FdStream::pair(their_input, their_output))
        .unwrap();
    let client = Client::over(Stream::pair(our_input, our_output), &options()).unwrap();
    let root = client.attach(&Attach::default()).unwrap();
    let bytes = pattern(3_000_000);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (root, bytes) = (&root, &bytes);
            scope.spawn(move || {
                let name = format!("f{thread}");
                let file = root
                    .create(name.as_bytes(), LopenFlags::RDWR, 0o644, gid())
                    .unwrap();
                file.write_all_at(bytes, 0).unwrap();
                assert!(*file.read_chunk(3_000_000, 0).unwrap() == bytes[..]);
            });
        }
    });
    client.close();
    assert!(root.attributes().is_err());
}

#[test]
fn it_connects_to_unix_sockets_and_tcp_ports() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let addresses = [
        Address::Unix(path),
        Address::parse(format!("tcp!localhost!{port}")).unwrap(),
    ];
    thread::scope(|scope| {
        scope.spawn(|| {
            server
                .serve(FdStream::socket(unix.accept().unwrap().0))
                .unwrap()
        });
        scope.spawn(|| {
            server
                .serve(FdStream::socket(tcp.accept().unwrap().0))
                .unwrap()
        });
        for address in &addresses {
            let client = Client::connect(address, &options()).unwrap();
            client
                .attach(&Attach::default())
                .unwrap()
                .attributes()
                .unwrap();
        }
    });
}

#[test]
fn what_does_not_listen_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let none = Address::Unix(dir.path().join("none"));
    let error = Client::connect(&none, &Options::default()).unwrap_err();
    assert!(matches!(&error, Error::Lost(e) if e.kind() == std::io::ErrorKind::NotFound));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let host = "127.0.0.1".to_owned();
    let error = Client::connect(&Address::Tcp { host, port }, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
}

#[test]
fn a_command_that_ends_is_a_lost_connection() {
    let error = Client::spawn(Command::new("true"), &options()).unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
    let nonsense = Client::spawn(Command::new("cat"), &options()).unwrap_err();
    assert!(matches!(nonsense, Error::Protocol(_)), "{nonsense:?}");
    let missing = Client::spawn(Command::new("/nonexistent/command"), &options());
    assert!(matches!(missing, Err(Error::Lost(_))));
}

#[test]
fn no_timeout_is_too_long_to_connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = virtfs_client::Address::Tcp {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        Stream::connect(&address, Some(timeout)).unwrap();
    }
}

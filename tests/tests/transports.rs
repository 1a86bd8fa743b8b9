//! The same session over every kind of byte stream.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use virtfs_server::{FdStream, SessionHandle};
use virtfs_tests::errno::ENOENT;
use virtfs_tests::{Frames, Raw, Served};
use virtfs_vfs::synth::{Gate, Synth, Wait};

fn tcp(served: &Served) -> (Raw, SessionHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let handle = served.server.serve(FdStream::socket(theirs)).unwrap();
    (Raw::socket(ours), handle)
}

fn unix(served: &Served) -> (Raw, SessionHandle) {
    served.connect_with_handle()
}

fn pipes(served: &Served) -> (Raw, SessionHandle) {
    let (to_server, from_client) = std::io::pipe().unwrap();
    let (to_client, from_server) = std::io::pipe().unwrap();
    let stream = FdStream::pair(to_server, from_server);
    let handle = served.server.serve(stream).unwrap();
    (Raw::pair(to_client, from_client), handle)
}

fn socket_pair_as_two(served: &Served) -> (Raw, SessionHandle) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stream = FdStream::pair(theirs.try_clone().unwrap(), theirs);
    let handle = served.server.serve(stream).unwrap();
    (Raw::pair(ours.try_clone().unwrap(), ours), handle)
}

type Connect = fn(&Served) -> (Raw, SessionHandle);

const ALL: [Connect; 4] = [tcp, unix, pipes, socket_pair_as_two];

#[test]
fn a_session_runs_over_every_stream() {
    for connect in ALL {
        let served = Served::memory();
        let (mut client, handle) = connect(&served);
        assert_eq!(client.version(1 << 20, "9P2000.L").unwrap().0, 1 << 20);
        client.attach(0, "").unwrap();
        let content: Vec<u8> = (0..1_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
        client.put_file(0, 1, "big", &content);
        client.walk(0, 1, &["big"]).unwrap();
        client.lopen(1, 0).unwrap();
        assert!(client.read(1, 0, 1_000_000).unwrap() == content);
        assert_eq!(client.walk(0, 2, &["none"]), Err(ENOENT));
        // Many large replies at once.
        let mut frames = Frames::new();
        for tag in 0..20 {
            let offset = u64::from(tag) * 50_000;
            let (fid, count) = (1, 50_000);
            frames.add(tag, virtfs_proto::Tread { fid, offset, count });
        }
        client.send_frames(&frames);
        for (at, reply) in client.receive_many(20).iter().enumerate() {
            assert!(reply.payload() == &content[at * 50_000..(at + 1) * 50_000]);
        }
        drop(client);
        handle.wait();
    }
}

#[test]
fn a_hang_up_with_a_blocked_request_ends_the_session() {
    for connect in ALL {
        let gate = Gate::new();
        let synth = Synth::new().file("gate", gate.file_with(Wait::SILENT));
        let served = Served::synth(synth);
        let (mut client, handle) = connect(&served);
        client.start();
        client.attach(0, "").unwrap();
        client.walk(0, 1, &["gate"]).unwrap();
        client.lopen(1, 0).unwrap();
        let (fid, offset, count) = (1, 0, 10);
        client.send(1, virtfs_proto::Tread { fid, offset, count });
        assert!(gate.wait_for_blocked(1, virtfs_tests::PATIENCE));
        drop(client);
        handle.wait();
        assert_eq!(gate.interrupted(), 1);
    }
}

#[test]
fn a_server_that_shuts_down_answers_what_it_has() {
    for connect in [tcp as Connect, unix] {
        let served = Served::memory();
        let (mut client, _handle) = connect(&served);
        client.start();
        client.attach(0, "").unwrap();
        assert!(served.server.shut_down(virtfs_tests::PATIENCE));
        assert!(client.ends());
    }
}

#[test]
fn a_session_outlives_the_server_that_began_it() {
    let gate = Gate::new();
    let served = Served::synth(Synth::new().file("gate", gate.file_with(Wait::SILENT)));
    let (mut client, handle) = served.session_with_handle();
    drop(served);
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, 0).unwrap();
    let (fid, offset, count) = (1, 0, 10);
    client.send(1, virtfs_proto::Tread { fid, offset, count });
    assert!(gate.wait_for_blocked(1, virtfs_tests::PATIENCE));
    assert!(client.getattr(0).is_ok());
    handle.abort();
    assert!(client.ends());
    handle.wait();
}

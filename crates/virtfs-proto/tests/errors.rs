//! Errors name the message and the field, and lengths that do not agree are errors.

use virtfs_proto::*;

/// A message with a size that is right.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from((body.len() as u32 + 7).to_le_bytes());
    bytes.extend([kind, 1, 0]);
    bytes.extend(body);
    bytes
}

#[track_caller]
fn refused(dialect: Dialect, head: &[u8], text: &str) {
    assert_eq!(
        Tmessage::decode(dialect, head).unwrap_err().to_string(),
        text
    );
}

#[track_caller]
fn reply_refused(dialect: Dialect, head: &[u8], text: &str) {
    assert_eq!(
        Rmessage::decode(dialect, head).unwrap_err().to_string(),
        text
    );
}

#[test]
fn a_field_cut_short_is_named() {
    let bytes = message(kind::TREAD, &[0; 11]);
    refused(
        Dialect::L,
        &bytes,
        "Tread: offset runs past the end of the message",
    );
    let bytes = message(kind::TLOCK, &[0; 4]);
    refused(
        Dialect::L,
        &bytes,
        "Tlock: type runs past the end of the message",
    );
    let bytes = message(kind::TVERSION, &[0, 0, 1, 0, 8, 0, b'9']);
    refused(
        Dialect::L,
        &bytes,
        "Tversion: version runs past the end of the message",
    );
}

#[test]
fn an_element_cut_short_is_named_with_its_place() {
    let walk = [
        0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 1, 0, b'a', 0, 0, 1, 0, b'c', 2, 0, b'd',
    ];
    let bytes = message(kind::TWALK, &walk);
    refused(
        Dialect::L,
        &bytes,
        "Twalk: wname[3] runs past the end of the message",
    );
    let bytes = message(kind::TWALK, &walk[..9]);
    refused(
        Dialect::L,
        &bytes,
        "Twalk: nwname runs past the end of the message",
    );
    let bytes = message(kind::RWALK, &[&[2, 0][..], &[0; 25]].concat());
    reply_refused(
        Dialect::L,
        &bytes,
        "Rwalk: wqid[1] runs past the end of the message",
    );
}

#[test]
fn bytes_too_many_are_counted() {
    let bytes = message(kind::TCLUNK, &[0; 7]);
    refused(
        Dialect::L,
        &bytes,
        "Tclunk: 3 bytes too many behind the last field",
    );
}

#[test]
fn a_field_of_another_dialect_is_too_much_or_missing() {
    let plain = message(kind::TATTACH, &[0; 12]);
    assert!(Tmessage::decode(Dialect::Plain, &plain).is_ok());
    refused(
        Dialect::L,
        &plain,
        "Tattach: n_uname runs past the end of the message",
    );
    let unix = message(kind::TATTACH, &[0; 16]);
    assert!(Tmessage::decode(Dialect::U, &unix).is_ok());
    refused(
        Dialect::Plain,
        &unix,
        "Tattach: 4 bytes too many behind the last field",
    );
}

#[test]
fn a_size_that_lies_is_refused() {
    let mut bytes = message(kind::TCLUNK, &[0; 4]);
    bytes[0] = 12;
    refused(
        Dialect::L,
        &bytes,
        "Tclunk: size says 12 bytes, but there are 11",
    );
    bytes[0] = 6;
    refused(
        Dialect::L,
        &bytes,
        "header: size 6 is less than a header's 7",
    );
    refused(
        Dialect::L,
        &bytes[..6],
        "header: tag runs past the end of the message",
    );
    refused(
        Dialect::L,
        &[],
        "header: size runs past the end of the message",
    );
}

#[test]
fn a_payload_count_that_lies_is_refused() {
    let mut write = message(kind::TWRITE, &[0; 16]);
    write[0] = 23 + 10;
    write[19] = 9;
    refused(
        Dialect::L,
        &write,
        "Twrite: count says 9 bytes, but there are 10",
    );
    write[19..].fill(0xff);
    refused(
        Dialect::L,
        &write,
        "Twrite: count says 4294967295 bytes, but there are 10",
    );
    // The payload is not the decoder's to see.
    write[19..].copy_from_slice(&10u32.to_le_bytes());
    assert!(Tmessage::decode(Dialect::L, &write).is_ok());
    write.extend([0; 10]);
    refused(
        Dialect::L,
        &write,
        "Twrite: size says 23 bytes, but there are 33",
    );

    let mut readdir = message(kind::RREADDIR, &[0; 4]);
    readdir[7] = 1;
    reply_refused(
        Dialect::L,
        &readdir,
        "Rreaddir: count says 1 bytes, but there are 0",
    );
}

#[test]
fn a_message_of_the_wrong_direction_or_of_no_dialect_is_refused() {
    let error = Tmessage::decode(Dialect::L, &message(kind::RCLUNK, &[])).unwrap_err();
    assert_eq!(error, DecodeError::UnknownKind(121));
    assert_eq!(
        error.to_string(),
        "message type 121 (Rclunk) has no place here"
    );
    let error = Rmessage::decode(Dialect::L, &message(kind::TCLUNK, &[0; 4])).unwrap_err();
    assert_eq!(error, DecodeError::UnknownKind(120));
    // Tlerror and Terror have numbers but do not exist.
    for kind in [0, 6, 106, 128, 255] {
        let text = format!("message type {kind} is unknown");
        refused(Dialect::L, &message(kind, &[]), &text);
        reply_refused(Dialect::L, &message(kind, &[]), &text);
    }
}

#[test]
fn the_two_counts_of_a_stat_must_agree() {
    let stat = [&[47, 0][..], &[0; 47]].concat();
    let rstat = |n: u8, stat: &[u8]| message(kind::RSTAT, &[&[n, 0][..], stat].concat());
    assert!(Rmessage::decode(Dialect::Plain, &rstat(49, &stat)).is_ok());
    let text = "Rstat: n says 48 bytes, but there are 49";
    reply_refused(Dialect::Plain, &rstat(48, &stat), text);
    let text = "Rstat: muid runs past the end of the message";
    reply_refused(
        Dialect::Plain,
        &rstat(48, &[&[46, 0][..], &[0; 46]].concat()),
        text,
    );
    let text = "Rstat: 1 bytes too many behind the last field";
    reply_refused(
        Dialect::Plain,
        &rstat(50, &[&[48, 0][..], &[0; 48]].concat()),
        text,
    );
    let text = "stat: extension runs past the end of the message";
    assert_eq!(
        Stat::decode(Dialect::U, &stat).unwrap_err().to_string(),
        text
    );
}

#[test]
fn a_broken_payload_ends_its_iterator() {
    let entry = DirEntry {
        qid: Qid::default(),
        offset: 1,
        kind: 0,
        name: b"abc",
    };
    let mut buf = [0; 54];
    entry.encode(&mut buf).unwrap();
    entry.encode(&mut buf[27..]).unwrap();
    let mut entries = DirEntries::new(&buf[..53]);
    assert_eq!(entries.next(), Some(Ok(entry)));
    let error = entries.next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Rreaddir: name runs past the end of the message"
    );
    assert_eq!(entries.next(), None);
}

#[test]
fn what_the_wire_cannot_say_is_not_encoded() {
    let mut buf = vec![0; 200_000];
    let long = vec![b'a'; 65_536];
    let mkdir = |name| {
        Tmessage::from(Tmkdir {
            dfid: 0,
            name,
            mode: 0,
            gid: 0,
        })
    };
    assert_eq!(
        mkdir(&long[1..]).encode(Dialect::L, 0, &mut buf),
        Ok(7 + 4 + 2 + 65_535 + 8)
    );
    let error = mkdir(&long).encode(Dialect::L, 0, &mut buf).unwrap_err();
    assert_eq!(
        error,
        EncodeError::TooLong {
            message: "Tmkdir",
            field: "name"
        }
    );
    assert_eq!(
        error.to_string(),
        "Tmkdir: name is longer than the wire can say"
    );
    let error = mkdir(b"a")
        .encode(Dialect::L, 0, &mut buf[..8])
        .unwrap_err();
    assert_eq!(error.to_string(), "Tmkdir: the buffer is too small");

    let names = vec![&b""[..]; 65_536];
    let walk = Twalk {
        fid: 0,
        newfid: 0,
        names: Names::from_slice(&names),
    };
    let error = Tmessage::from(walk)
        .encode(Dialect::L, 0, &mut buf)
        .unwrap_err();
    assert_eq!(
        error,
        EncodeError::TooLong {
            message: "Twalk",
            field: "nwname"
        }
    );

    let write = Tmessage::from(Twrite {
        fid: 0,
        offset: 0,
        count: u32::MAX - 22,
    });
    let error = write.encode(Dialect::L, 0, &mut buf).unwrap_err();
    assert_eq!(
        error,
        EncodeError::TooLong {
            message: "Twrite",
            field: "count"
        }
    );
}

#[test]
fn a_stat_must_fit_both_its_counts() {
    // The size without itself fits in two bytes, the count around it does not.
    let name = vec![b'a'; 65_535 - 47];
    let mut bytes = vec![0; 65_537];
    bytes[..2].copy_from_slice(&65_535u16.to_le_bytes());
    bytes[41..43].copy_from_slice(&(name.len() as u16).to_le_bytes());
    let stat = Stat::decode(Dialect::Plain, &bytes).unwrap();
    assert_eq!(stat.name.len(), name.len());
    let mut buf = vec![0; 70_000];
    assert_eq!(stat.encode(Dialect::Plain, &mut buf), Ok(65_537));
    let error = Rmessage::from(Rstat { stat })
        .encode(Dialect::Plain, 0, &mut buf)
        .unwrap_err();
    assert_eq!(
        error,
        EncodeError::TooLong {
            message: "Rstat",
            field: "stat"
        }
    );
    let rstat = message(kind::RSTAT, &[&[0, 0][..], &bytes].concat());
    let text = "Rstat: n says 0 bytes, but there are 65537";
    reply_refused(Dialect::Plain, &rstat, text);
}

#[test]
fn only_exact_version_strings_name_a_dialect() {
    for dialect in Dialect::ALL {
        assert_eq!(
            Dialect::from_version(dialect.version_string()),
            Some(dialect)
        );
    }
    for version in [
        &b""[..],
        b"9P2000.l",
        b"9P2000.L\0",
        b"9P2000.",
        b"9P",
        b"unknown",
    ] {
        assert_eq!(Dialect::from_version(version), None);
    }
}

#[test]
fn access_modes_are_numbers_that_can_be_matched() {
    let flags = LopenFlags::RDWR | LopenFlags::TRUNC;
    assert!(matches!(flags.access(), LopenFlags::RDWR));
    assert_eq!(
        (LopenFlags::TRUNC | LopenFlags::APPEND).access(),
        LopenFlags::RDONLY
    );
    assert!(matches!(
        (OpenMode::EXEC | OpenMode::RCLOSE).access(),
        OpenMode::EXEC
    ));
}

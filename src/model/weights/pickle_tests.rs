use super::super::machine::{MOST_OBJECTS, long};
use super::*;

/// `{"a": (1, -2, 2.5), "b": [True, None]}` in protocol 2.
const PLAIN: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";

#[test]
fn plain_objects() {
    let read = Pickle::read(PLAIN).expect("pickle");
    assert_eq!(read.length, PLAIN.len());
    let Object::Dict(pairs) = read.get(read.root()) else { panic!("no dictionary") };
    assert_eq!(pairs.iter().map(|p| read.text(p.0)).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    let a: Vec<&Object> =
        read.members(pairs[0].1).expect("tuple").iter().map(|id| read.get(*id)).collect();
    assert_eq!(a, [&Object::Int(1), &Object::Int(-2), &Object::Float(2.5)]);
    assert_eq!(read.members(pairs[1].1).map(<[Id]>::len), Some(2));
}

#[test]
fn every_prefix_is_refused_in_words() {
    for cut in 0..PLAIN.len() {
        assert!(Pickle::read(&PLAIN[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn what_is_called_is_only_named() {
    let read = Pickle::read(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").expect("pickle");
    let (name, arguments) = read.call(read.root()).expect("call");
    assert_eq!((name, read.text(arguments[0])), ("os.system", Some("ls")));
}

#[test]
fn a_bomb_of_references_stays_small() {
    // ((x, x), (x, x)) … forty times: 2^40 objects if they were copied.
    let mut bomb = b"\x80\x02K\x01q\x00".to_vec();
    for n in 1..=40u8 {
        bomb.extend([b'h', n - 1, b'h', n - 1, 0x86, b'q', n]);
    }
    bomb.push(b'.');
    assert_eq!(Pickle::read(&bomb).expect("pickle").objects.len(), 41);
    let endless = vec![b'N'; MOST_OBJECTS + 1];
    assert!(Pickle::read(&endless).expect_err("endless").contains("objects"));
    let marks = vec![b'('; MOST_OBJECTS + 2];
    assert!(Pickle::read(&marks).expect_err("endless").contains("marks"));
    let deep = [vec![b')'], vec![0x85; 1 << 20], vec![b'.']].concat();
    assert!(Pickle::read(&deep).is_ok(), "nesting needs no stack of the machine");
}

#[test]
fn long_numbers() {
    assert_eq!(long(&[]), Object::Int(0));
    assert_eq!(long(&[0xff]), Object::Int(-1));
    assert_eq!(long(&[0, 1]), Object::Int(256));
    assert_eq!(long(&[1; 9]), Object::Long(vec![1; 9]));
}

#[test]
fn operators_without_their_objects_are_refused() {
    for text in [
        &b"R."[..],
        b"(R.",
        b"K\x01R.",
        b"a.",
        b"u.",
        b"(u.",
        b"b.",
        b"Q.",
        b"h\x07.",
        b"}(K\x01u.",
        b"K\x01(K\x01e.",
        b"\x85.",
        b"(\x85.",
        b".",
    ] {
        assert!(Pickle::read(text).is_err(), "{text:?}");
    }
}

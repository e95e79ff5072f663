//! What is sealed here opens elsewhere, and the other way round; what was changed opens nowhere.

use super::*;
use ::age as stock;
use holdfast_sdk::testing::{Host, blob, sized_reader, writer};
use std::process::{Command, Stdio};
use stock::secrecy::{ExposeSecret as _, SecretString};

const SIZES: [usize; 6] = [0, 1, 65_535, 65_536, 65_537, 200_000];

fn plugin() -> Age {
    Host::new().encryptor(serde_json::json!({})).unwrap()
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8).collect()
}

fn to_key(text: &str) -> Recipient {
    Recipient::PublicKey(text.to_owned())
}

fn seal(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let (to, seen) = writer(u64::MAX);
    plugin().seal(recipients, sized_reader(plain), to)?;
    Ok(seen.committed().unwrap())
}

fn open(identities: &[Identity], sealed: &[u8]) -> Result<Vec<u8>, Failure> {
    let (to, seen) = writer(u64::MAX);
    let result = plugin().open(identities, sized_reader(sealed), to);
    assert_eq!(
        seen.committed().is_some(),
        result.is_ok(),
        "only success commits"
    );
    result.map(|()| seen.committed().unwrap())
}

fn open_range(
    identity: &Identity,
    sealed: &[u8],
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, Failure> {
    let (to, seen) = writer(u64::MAX);
    let identities = std::slice::from_ref(identity);
    plugin().open_range(identities, &blob(sealed), offset, length, to)?;
    Ok(seen.committed().unwrap())
}

fn pair() -> (Identity, Recipient) {
    let pair = plugin().generate().unwrap();
    (
        Identity::Key(pair.identity),
        Recipient::PublicKey(pair.public_key),
    )
}

/// Runs the stock program; it must be installed.
fn stock_program(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("age");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("the stock program `age` must be installed");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn what_is_sealed_opens_whatever_its_length() {
    let (identity, recipient) = pair();
    for length in SIZES {
        let sealed = seal(std::slice::from_ref(&recipient), &sample(length)).unwrap();
        assert_eq!(
            open(std::slice::from_ref(&identity), &sealed),
            Ok(sample(length))
        );
    }
}

#[test]
fn the_stock_crate_opens_what_is_sealed_here_and_the_other_way_round() {
    let key = stock::x25519::Identity::generate();
    let identity = Identity::Key(key.to_string().expose_secret().to_owned());
    for length in SIZES {
        let sealed = seal(&[to_key(&key.to_public().to_string())], &sample(length)).unwrap();
        assert_eq!(stock::decrypt(&key, &sealed).unwrap(), sample(length));
        let sealed = stock::encrypt(&key.to_public(), &sample(length)).unwrap();
        assert_eq!(
            open(std::slice::from_ref(&identity), &sealed),
            Ok(sample(length))
        );
    }
}

#[test]
fn the_stock_program_opens_what_is_sealed_here_and_the_other_way_round() {
    let pair = plugin().generate().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, &pair.identity).unwrap();
    let sealed = seal(&[to_key(&pair.public_key)], &sample(100_000)).unwrap();
    let opened = stock_program(&["-d", "-i", file.to_str().unwrap()], &sealed);
    assert_eq!(opened, sample(100_000));
    let sealed = stock_program(&["-r", &pair.public_key], &sample(100_000));
    assert_eq!(
        open(&[Identity::Key(pair.identity)], &sealed),
        Ok(sample(100_000))
    );
}

#[test]
fn passphrases_go_both_ways_with_the_stock_crate() {
    let secret = || SecretString::from("correct horse");
    let passphrase = Identity::Passphrase("correct horse".into());
    let sealed = seal(&[Recipient::Passphrase("correct horse".into())], b"plain").unwrap();
    let mut theirs = stock::scrypt::Identity::new(secret());
    theirs.set_max_work_factor(keys::SCRYPT_LOG_N);
    assert_eq!(stock::decrypt(&theirs, &sealed).unwrap(), b"plain");
    let mut theirs = stock::scrypt::Recipient::new(secret());
    theirs.set_work_factor(keys::SCRYPT_LOG_N);
    let sealed = stock::encrypt(&theirs, b"plain").unwrap();
    assert_eq!(
        open(std::slice::from_ref(&passphrase), &sealed),
        Ok(b"plain".to_vec())
    );
    let wrong = Identity::Passphrase("wrong".into());
    assert_eq!(
        open(&[wrong], &sealed).unwrap_err().kind,
        FailureKind::Denied
    );
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let keys: Vec<_> = (0..3)
        .map(|_| stock::x25519::Identity::generate())
        .collect();
    let identity = |at: usize| Identity::Key(keys[at].to_string().expose_secret().to_owned());
    let recipients: Vec<_> = keys[..2]
        .iter()
        .map(|key| to_key(&key.to_public().to_string()))
        .collect();
    let sealed = seal(&recipients, b"plain").unwrap();
    assert_eq!(open(&[identity(0)], &sealed), Ok(b"plain".to_vec()));
    assert_eq!(
        open(&[identity(2), identity(1)], &sealed),
        Ok(b"plain".to_vec())
    );
    assert_eq!(
        open(&[identity(2)], &sealed).unwrap_err().kind,
        FailureKind::Denied
    );
    assert_eq!(open(&[], &sealed).unwrap_err().kind, FailureKind::Denied);
}

#[test]
fn an_identity_file_may_hold_comments_and_several_keys() {
    let keys: Vec<_> = (0..2)
        .map(|_| stock::x25519::Identity::generate())
        .collect();
    let text = |at: usize| keys[at].to_string().expose_secret().to_owned();
    let file = format!(
        "# created: today\n\n{}\r\n# another\n  {}\n",
        text(0),
        text(1)
    );
    let sealed = stock::encrypt(&keys[1].to_public(), b"plain").unwrap();
    assert_eq!(open(&[Identity::Key(file)], &sealed), Ok(b"plain".to_vec()));
    for wrong in ["", "# nothing\n", "AGE-SECRET-KEY-1X", "hello"] {
        let result = open(&[Identity::Key(wrong.into())], &sealed);
        assert_eq!(result.unwrap_err().kind, FailureKind::Invalid, "{wrong:?}");
    }
}

#[test]
fn a_file_that_was_cut_anywhere_does_not_open() {
    let (identity, recipient) = pair();
    let sealed = seal(&[recipient], &sample(140_000)).unwrap();
    let segment = (SEGMENT + TAG) as usize;
    let header = sealed.len() - 140_000 - 3 * TAG as usize;
    let edges = [header + segment, header + 2 * segment];
    let cuts = (0..sealed.len())
        .step_by(997)
        .chain(edges)
        .chain([sealed.len() - 1]);
    for cut in cuts {
        let result = open(std::slice::from_ref(&identity), &sealed[..cut]);
        assert_eq!(
            result.unwrap_err().kind,
            FailureKind::Damaged,
            "cut at {cut}"
        );
    }
}

#[test]
fn a_bit_that_was_flipped_anywhere_is_noticed() {
    let (identity, recipient) = pair();
    let sealed = seal(&[recipient], b"plain").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(
            open(std::slice::from_ref(&identity), &changed).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn any_range_can_be_opened_alone_and_none_past_the_end() {
    let (identity, recipient) = pair();
    for size in SIZES {
        let plain = sample(size);
        let sealed = seal(std::slice::from_ref(&recipient), &plain).unwrap();
        for offset in [0, 1, 65_535, 65_536, 65_537, 131_072, 199_999, 200_000] {
            for length in [0, 1, 5, 65_536, 70_000, 200_000] {
                let opened = open_range(&identity, &sealed, offset as u64, length as u64);
                match plain.get(offset..offset + length) {
                    Some(part) => {
                        assert_eq!(opened.as_deref(), Ok(part), "{offset} {length} of {size}")
                    }
                    None => assert!(opened.is_err(), "{offset} {length} of {size}"),
                }
            }
        }
    }
}

#[test]
fn a_range_at_the_end_of_a_file_that_was_cut_does_not_open() {
    let (identity, recipient) = pair();
    let sealed = seal(&[recipient], &sample(140_000)).unwrap();
    let header = sealed.len() - 140_000 - 3 * TAG as usize;
    let cut = &sealed[..header + (SEGMENT + TAG) as usize];
    assert!(open_range(&identity, cut, 0, 10).is_err());
    assert!(open_range(&identity, &sealed, 0, 10).is_ok());
}

#[test]
fn recipients_are_checked_before_anything_is_sealed() {
    let (_, recipient) = pair();
    let passphrase = Recipient::Passphrase("x".into());
    let zero = to_key("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqs0ssljg");
    let wrong = to_key("age1wrong");
    for recipients in [
        vec![],
        vec![recipient.clone(), passphrase],
        vec![wrong],
        vec![zero],
    ] {
        assert!(seal(&recipients, b"plain").is_err(), "{recipients:?}");
    }
    assert_eq!(plugin().check(std::slice::from_ref(&recipient)), Ok(vec![]));
    let findings = plugin().check(&[recipient, to_key("age1wrong")]).unwrap();
    assert_eq!(findings[0].subject, "age1wrong");
    assert_eq!(plugin().check(&[]).unwrap().len(), 1);
}

#[test]
fn a_passphrase_that_demands_too_much_is_refused_without_doing_it() {
    let header = "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\n\
                  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAA\n";
    let passphrase = Identity::Passphrase("x".into());
    let failure = open(&[passphrase], header.as_bytes()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit);
}

#[test]
fn what_is_no_age_file_is_said_to_be_none() {
    let (identity, _) = pair();
    for other in [
        &b""[..],
        b"hello",
        &[0; 100_000],
        b"age-encryption.org/v2\n--- x\n",
    ] {
        assert!(open(std::slice::from_ref(&identity), other).is_err());
    }
}

#[test]
fn a_failure_of_either_stream_is_a_failure() {
    use holdfast_sdk::testing::{broken_after, reader};
    let (_, recipient) = pair();
    let (to, seen) = writer(u64::MAX);
    let from = reader(broken_after(&sample(70_000), Failure::failed("it broke")));
    assert_eq!(
        plugin()
            .seal(std::slice::from_ref(&recipient), from, to)
            .unwrap_err()
            .message,
        "it broke"
    );
    assert_eq!(seen.committed(), None);
    let (to, seen) = writer(70_000);
    assert!(
        plugin()
            .seal(&[recipient], sized_reader(sample(70_000)), to)
            .is_err()
    );
    assert_eq!(seen.committed(), None);
}

#[test]
fn the_payload_is_read_as_it_comes() {
    let (identity, recipient) = pair();
    struct Dribble(Vec<u8>);
    impl std::io::Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1000);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }
    let sealed = seal(&[recipient], &sample(100_000)).unwrap();
    let (to, seen) = writer(u64::MAX);
    let from = holdfast_sdk::testing::reader(Dribble(sealed));
    plugin().open(&[identity], from, to).unwrap();
    let mut opened = Vec::new();
    seen.committed()
        .unwrap()
        .as_slice()
        .read_to_end(&mut opened)
        .unwrap();
    assert_eq!(opened, sample(100_000));
}

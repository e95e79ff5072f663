//! Cases for encryptors: they open what they sealed, and refuse it if anything in it was changed.

use super::ports::{Blob, Collected, read_until_break};
use super::{Bench, Case, demand_refusal, demand_success};
use crate::Failure;
use holdfast_base::error::join_causes;
use holdfast_sandbox::CallError;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::plugin::Severity;
use holdfast_sandbox::plugin::encryptor::{Encryptor, Identity, Recipient};
use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::time::Instant;

/// Lengths around those at which ciphers cut.
const LENGTHS: [usize; 9] = [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_072, 1_000_003];
/// A long stream, and the memory that it may take to seal it.
const LONG_BYTES: u64 = 256 << 20;
const LITTLE_MEMORY: usize = 32 << 20;
/// Places at which something is cut or changed.
const PLACES: usize = 64;

/// A pair of keys, and the encryptor that made it.
struct Pair {
    encryptor: Encryptor,
    identity: Identity,
    recipient: Recipient,
}

pub(super) fn test_encryptor(bench: &mut Bench) -> Result<(), Failure> {
    let new = |context| {
        Encryptor::new(bench.load_plugin()?, context)
            .map_err(|error| Failure::Failed(join_causes(&error)))
    };
    let encryptor = new(bench.context())?;
    let mut context = bench.context();
    context.limits = CallLimits {
        memory_bytes: LITTLE_MEMORY,
        ..context.limits
    };
    let in_little_memory = new(context)?;
    let pair = match encryptor.generate() {
        Ok(pair) => pair,
        Err(error) => {
            let why = join_causes(&error);
            bench.try_case("makes a pair of keys", || Err(why));
            return Ok(());
        }
    };
    let pair = Pair {
        encryptor,
        identity: Identity::Key(pair.identity),
        recipient: Recipient::PublicKey(pair.public_key),
    };
    try_short_streams(bench, &pair);
    let long = format!(
        "seals and opens {} MiB in {} MiB of memory",
        LONG_BYTES >> 20,
        LITTLE_MEMORY >> 20
    );
    bench.try_case(&long, || long_stream(&in_little_memory, &pair));
    Ok(())
}

/// Tries everything that needs no long stream.
fn try_short_streams(bench: &mut Bench, pair: &Pair) {
    bench.try_case("has nothing against its own keys", || own_keys(pair));
    bench.try_case("opens what it sealed, whatever its length", || {
        lengths(pair)
    });
    bench.try_case("seals the same bytes differently each time", || {
        differs(pair)
    });
    bench.try_case("opens any range alone, and none past the end", || {
        ranges(pair)
    });
    bench.try_case("refuses what was cut short, wherever", || open_cut(pair));
    bench.try_case("refuses what was changed, wherever", || changed(pair));
    bench.try_case("refuses what it never sealed", || foreign(pair));
    bench.try_case("refuses keys that do not fit", || wrong_keys(pair));
    bench.try_case("refuses to seal to nobody and to nonsense", || nobody(pair));
    bench.try_case("fails when a stream does", || broken_streams(pair));
    bench.try_case("seals to a passphrase, or says that it cannot", || {
        passphrase(pair)
    });
}

impl Pair {
    fn seal_bytes(&self, plain: &[u8]) -> Result<Vec<u8>, CallError> {
        self.seal_to(&self.recipient, plain)
    }

    fn seal_to(&self, recipient: &Recipient, plain: &[u8]) -> Result<Vec<u8>, CallError> {
        let to = Collected::with_room(usize::MAX);
        let from = Box::new(Cursor::new(plain.to_vec()));
        let recipients = std::slice::from_ref(recipient);
        self.encryptor
            .seal(recipients, from, Box::new(to.clone()))?;
        Ok(to.take_bytes())
    }

    fn open_bytes(&self, sealed: &[u8]) -> Result<Vec<u8>, CallError> {
        self.open_with(std::slice::from_ref(&self.identity), sealed)
    }

    fn open_with(&self, identities: &[Identity], sealed: &[u8]) -> Result<Vec<u8>, CallError> {
        let to = Collected::with_room(usize::MAX);
        let from = Box::new(Cursor::new(sealed.to_vec()));
        self.encryptor
            .open(identities, from, Box::new(to.clone()))?;
        Ok(to.take_bytes())
    }

    fn open_range(&self, sealed: &[u8], range: (u64, u64)) -> Result<Vec<u8>, CallError> {
        let to = Collected::with_room(usize::MAX);
        let identities = std::slice::from_ref(&self.identity);
        let from = Arc::new(Blob(sealed.to_vec()));
        self.encryptor
            .open_range(identities, from, range, Box::new(to.clone()))?;
        Ok(to.take_bytes())
    }
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251) as u8 ^ at as u8).collect()
}

fn expect_same(what: &str, found: &[u8], expected: &[u8]) -> Case {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: other bytes came back"))
    }
}

fn own_keys(pair: &Pair) -> Case {
    let findings = demand_success(pair.encryptor.check(std::slice::from_ref(&pair.recipient)))?;
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        Some(finding) => Err(finding.message.clone()),
        None => Ok(()),
    }
}

fn lengths(pair: &Pair) -> Case {
    for length in LENGTHS {
        let opened =
            demand_success(pair.open_bytes(&demand_success(pair.seal_bytes(&sample(length)))?))?;
        expect_same(&format!("{length} bytes"), &opened, &sample(length))?;
    }
    Ok(())
}

fn differs(pair: &Pair) -> Case {
    if demand_success(pair.seal_bytes(b"same"))? == demand_success(pair.seal_bytes(b"same"))? {
        return Err("two seals of the same bytes are the same".into());
    }
    Ok(())
}

fn ranges(pair: &Pair) -> Case {
    let plain = sample(200_000);
    let sealed = demand_success(pair.seal_bytes(&plain))?;
    for (offset, length) in [
        (0, 0),
        (0, 1),
        (65_535, 2),
        (65_536, 65_536),
        (1, 199_999),
        (0, 200_000),
    ] {
        let opened = demand_success(pair.open_range(&sealed, (offset, length)))?;
        let expected = &plain[offset as usize..(offset + length) as usize];
        expect_same(&format!("{length} bytes from {offset}"), &opened, expected)?;
    }
    for (offset, length) in [
        (0, 200_001),
        (199_999, 2),
        (300_000, 1),
        (u64::MAX, 1),
        (1, u64::MAX),
    ] {
        let what = format!("{length} bytes from {offset}");
        demand_refusal(&what, pair.open_range(&sealed, (offset, length)))?;
    }
    Ok(())
}

/// Returns places in this many bytes, the last ones among them.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / PLACES).max(1);
    (0..length)
        .step_by(step)
        .chain(length.saturating_sub(18)..length)
}

fn open_cut(pair: &Pair) -> Case {
    for plain in [sample(100), sample(131_072)] {
        let sealed = demand_success(pair.seal_bytes(&plain))?;
        let edges = [65_552_usize, 65_536].map(|edge| sealed.len().saturating_sub(edge));
        for length in places(sealed.len()).chain(edges) {
            let what = format!("{length} of {} bytes", sealed.len());
            demand_refusal(&what, pair.open_bytes(&sealed[..length]))?;
        }
    }
    Ok(())
}

fn changed(pair: &Pair) -> Case {
    let sealed = demand_success(pair.seal_bytes(&sample(70_000)))?;
    for at in places(sealed.len()) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        demand_refusal(
            &format!("byte {at} of {}", sealed.len()),
            pair.open_bytes(&changed),
        )?;
    }
    let longer = [sealed.as_slice(), b"x"].concat();
    demand_refusal("a byte more", pair.open_bytes(&longer))
}

fn foreign(pair: &Pair) -> Case {
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a line", b"hello\n".to_vec()),
        ("zeros", vec![0; 1 << 20]),
        ("lines without end", b"-> x\n".repeat(200_000)),
    ] {
        demand_refusal(what, pair.open_bytes(&bytes))?;
        let range = pair.open_range(&bytes, (0, 1));
        demand_refusal(&format!("a range of {what}"), range)?;
    }
    Ok(())
}

fn wrong_keys(pair: &Pair) -> Case {
    let sealed = demand_success(pair.seal_bytes(b"plain"))?;
    let other = demand_success(pair.encryptor.generate())?;
    let other = Identity::Key(other.identity);
    let key = |text: &str| Identity::Key(text.to_owned());
    demand_refusal("no key", pair.open_with(&[], &sealed))?;
    demand_refusal(
        "another key",
        pair.open_with(std::slice::from_ref(&other), &sealed),
    )?;
    demand_refusal("an empty key", pair.open_with(&[key("")], &sealed))?;
    demand_refusal("nonsense", pair.open_with(&[key("hello\n\0")], &sealed))?;
    demand_refusal(
        "a passphrase",
        pair.open_with(&[Identity::Passphrase("x".into())], &sealed),
    )?;
    let opened = demand_success(pair.open_with(&[other, pair.identity.clone()], &sealed))?;
    expect_same("another key and the right one", &opened, b"plain")
}

fn nobody(pair: &Pair) -> Case {
    let seal = |recipients: &[Recipient]| {
        let to = Box::new(Collected::with_room(usize::MAX));
        pair.encryptor.seal(recipients, Box::new(io::empty()), to)
    };
    demand_refusal("nobody", seal(&[]))?;
    for text in ["", "hello", "\0", &"x".repeat(100_000)] {
        let recipient = Recipient::PublicKey(text.to_owned());
        let shown: String = text.escape_debug().take(20).collect();
        demand_refusal(
            &format!("\"{shown}\""),
            seal(&[pair.recipient.clone(), recipient]),
        )?;
    }
    Ok(())
}

fn broken_streams(pair: &Pair) -> Case {
    let sealed = demand_success(pair.seal_bytes(&sample(150_000)))?;
    let recipients = std::slice::from_ref(&pair.recipient);
    let identities = std::slice::from_ref(&pair.identity);
    for at in [0, 1, 300, 65_536, 100_000] {
        let to = || Box::new(Collected::with_room(usize::MAX));
        let from = Box::new(read_until_break(sample(at)));
        let what = format!("reading that breaks after {at} bytes");
        demand_refusal(&what, pair.encryptor.seal(recipients, from, to()))?;
        let from = Box::new(read_until_break(sealed[..at].to_vec()));
        demand_refusal(&what, pair.encryptor.open(identities, from, to()))?;
        let full = || Box::new(Collected::with_room(at));
        let what = format!("writing that breaks after {at} bytes");
        let from = Box::new(Cursor::new(sample(150_000)));
        demand_refusal(&what, pair.encryptor.seal(recipients, from, full()))?;
        let from = Box::new(Cursor::new(sealed.clone()));
        demand_refusal(&what, pair.encryptor.open(identities, from, full()))?;
    }
    Ok(())
}

fn passphrase(pair: &Pair) -> Case {
    let sealed = match pair.seal_to(&Recipient::Passphrase("correct horse".into()), b"plain") {
        Err(CallError::Failed { .. }) => return Ok(()),
        sealed => demand_success(sealed)?,
    };
    let with = |text: &str| pair.open_with(&[Identity::Passphrase(text.into())], &sealed);
    expect_same(
        "the passphrase",
        &demand_success(with("correct horse"))?,
        b"plain",
    )?;
    demand_refusal("another passphrase", with("wrong"))?;
    demand_refusal("a key", pair.open_bytes(&sealed))
}

/// Counts bytes, and notices one that was never sealed.
struct Count {
    seen: u64,
    other: bool,
    told: std::sync::mpsc::Sender<(u64, bool)>,
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.seen += bytes.len() as u64;
        self.other |= bytes.iter().any(|byte| *byte != b'-');
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Fails only if the receiver is gone, which then has an error of its own.
        let _ = self.told.send((self.seen, self.other));
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "a program says what it measured")]
fn long_stream(encryptor: &Encryptor, pair: &Pair) -> Case {
    let (from, to) = io::pipe().map_err(|e| e.to_string())?;
    let (told, hear) = std::sync::mpsc::channel();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let sealing = scope.spawn(|| {
            let plain = Box::new(io::repeat(b'-').take(LONG_BYTES));
            let recipients = std::slice::from_ref(&pair.recipient);
            demand_success(encryptor.seal(recipients, plain, Box::new(to)))
        });
        let count = Count {
            seen: 0,
            other: false,
            told,
        };
        let identities = std::slice::from_ref(&pair.identity);
        let opened = demand_success(encryptor.open(identities, Box::new(from), Box::new(count)));
        let sealed = sealing.join().unwrap_or_else(|_| Err("it panicked".into()));
        sealed.and(opened)
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "          ({:.0} MiB/s sealed and opened)",
        (LONG_BYTES >> 20) as f64 / seconds
    );
    match hear.try_iter().last() {
        Some((LONG_BYTES, false)) => Ok(()),
        _ => Err("other bytes came back".into()),
    }
}

//! Keys of age: X25519 pairs and passphrases, and how they wrap a file's key.
//!
//! - A recipient or a share that makes a secret which anyone knows is refused, in both directions.
//! - A passphrase stands alone: a header that has others beside it is refused.
//! - What a file may demand of us for its passphrase is bounded.

use crate::file_key::{FileKey, expand, random_array};
use crate::header::{Header, Stanza};
use crate::scrypt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bech32::{Bech32, Hrp};
use holdfast_sdk::{Failure, FailureKind, Identity, KeyPair, Recipient};
use x25519_dalek::{PublicKey, StaticSecret};

const X25519: &str = "X25519";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const SCRYPT: &str = "scrypt";
const SCRYPT_SALT: &[u8] = b"age-encryption.org/v1/scrypt";
/// Work that a new passphrase costs, as stock `age` has it: a second or so.
pub(crate) const SCRYPT_LOG_N: u8 = 18;
/// Most work that a file may demand of us: ten times as much.
const SCRYPT_LOG_N_MAX: u8 = 20;

fn bech32_bytes(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let (found, bytes) = bech32::decode(text).ok()?;
    (found.as_str().eq_ignore_ascii_case(prefix)).then_some(())?;
    bytes.try_into().ok()
}

pub(crate) fn parse_recipient(text: &str) -> Result<PublicKey, Failure> {
    bech32_bytes(text, "age")
        .map(PublicKey::from)
        .ok_or_else(|| {
            Failure::invalid(format!(
                "`{text}` is no age recipient: they begin with `age1` and have 62 letters"
            ))
        })
}

/// Reads the keys of an identity file, passing over comments.
fn parse_identities(text: &str) -> Result<Vec<StaticSecret>, Failure> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<StaticSecret> = lines
        .map(|line| {
            bech32_bytes(line, "age-secret-key-")
                .map(StaticSecret::from)
                .ok_or_else(|| {
                    Failure::invalid(
                        "a line of the identity is no age key: they begin with `AGE-SECRET-KEY-1`",
                    )
                })
        })
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        Err(Failure::invalid("the identity holds no key"))
    } else {
        Ok(keys)
    }
}

pub(crate) fn generate() -> Result<KeyPair, Failure> {
    let secret = StaticSecret::from(random_array::<32>());
    let encode = |prefix: &str, bytes: &[u8]| {
        let prefix = Hrp::parse(prefix).map_err(|e| Failure::failed(e.to_string()))?;
        bech32::encode::<Bech32>(prefix, bytes).map_err(|e| Failure::failed(e.to_string()))
    };
    let public_key = encode("age", PublicKey::from(&secret).as_bytes())?;
    let secret = encode("age-secret-key-", &secret.to_bytes())?.to_uppercase();
    Ok(KeyPair {
        identity: format!("# public key: {public_key}\n{secret}\n"),
        public_key,
    })
}

/// Wraps a file's key for a recipient; `log_n` is the work that a passphrase costs.
pub(crate) fn wrap(
    file_key: &FileKey,
    recipient: &Recipient,
    log_n: u8,
) -> Result<Stanza, Failure> {
    match recipient {
        Recipient::PublicKey(text) => wrap_to_key(file_key, &parse_recipient(text)?),
        Recipient::Passphrase(passphrase) => wrap_to_passphrase(file_key, passphrase, log_n),
    }
}

/// Derives the key that wraps a file's key; none if anyone could derive it.
fn shared_key(secret: &StaticSecret, theirs: &PublicKey, salt: &[u8]) -> Option<[u8; 32]> {
    let shared = secret.diffie_hellman(theirs);
    shared
        .was_contributory()
        .then(|| expand(Some(salt), shared.as_bytes(), X25519_INFO))
}

fn wrap_to_key(file_key: &FileKey, recipient: &PublicKey) -> Result<Stanza, Failure> {
    let ephemeral = StaticSecret::from(random_array::<32>());
    let share = PublicKey::from(&ephemeral);
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    let wrap_key = shared_key(&ephemeral, recipient, &salt)
        .ok_or_else(|| Failure::invalid("the recipient is a key that anyone could open"))?;
    Ok(Stanza {
        kind: X25519.into(),
        arguments: vec![BASE64.encode(share.as_bytes())],
        body: file_key.seal(&wrap_key)?,
    })
}

fn scrypt_salt(salt: &[u8]) -> Vec<u8> {
    [SCRYPT_SALT, salt].concat()
}

fn wrap_to_passphrase(file_key: &FileKey, passphrase: &str, log_n: u8) -> Result<Stanza, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::invalid("the passphrase is empty"));
    }
    let salt = random_array::<16>();
    let wrap_key = scrypt::derive(passphrase.as_bytes(), &scrypt_salt(&salt), log_n)?;
    Ok(Stanza {
        kind: SCRYPT.into(),
        arguments: vec![BASE64.encode(salt), log_n.to_string()],
        body: file_key.seal(&wrap_key)?,
    })
}

/// Finds the file key with whichever identity fits.
pub(crate) fn unwrap(header: &Header, identities: &[Identity]) -> Result<FileKey, Failure> {
    let has_passphrase = header.stanzas.iter().any(|stanza| stanza.kind == SCRYPT);
    if has_passphrase && header.stanzas.len() > 1 {
        let message = "its header has a passphrase and other recipients, which no age file has";
        return Err(Failure::damaged(message));
    }
    for identity in identities {
        let found = match identity {
            Identity::Key(text) => unwrap_with_keys(header, &parse_identities(text)?),
            Identity::Passphrase(passphrase) => unwrap_with_passphrase(header, passphrase)?,
        };
        if let Some(file_key) = found {
            header.verify(&file_key)?;
            return Ok(file_key);
        }
    }
    let message = match (has_passphrase, identities.is_empty()) {
        (_, true) => "there is no key to open it with",
        (true, _) => "it is sealed to a passphrase, and none that was given opens it",
        (false, _) => "none of the keys opens it",
    };
    Err(Failure::new(FailureKind::Denied, message))
}

fn unwrap_with_keys(header: &Header, keys: &[StaticSecret]) -> Option<FileKey> {
    let publics: Vec<PublicKey> = keys.iter().map(PublicKey::from).collect();
    for stanza in header.stanzas.iter().filter(|stanza| stanza.kind == X25519) {
        let share = stanza.arguments.first();
        let share = share.and_then(|text| BASE64.decode(text).ok());
        let Some(share) = share.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            continue;
        };
        for (secret, public) in keys.iter().zip(&publics) {
            let salt = [share.as_slice(), public.as_bytes()].concat();
            let wrap_key = shared_key(secret, &PublicKey::from(share), &salt);
            if let Some(file_key) = wrap_key.and_then(|key| FileKey::open(&key, &stanza.body)) {
                return Some(file_key);
            }
        }
    }
    None
}

fn unwrap_with_passphrase(header: &Header, passphrase: &str) -> Result<Option<FileKey>, Failure> {
    let Some(stanza) = header.stanzas.iter().find(|stanza| stanza.kind == SCRYPT) else {
        return Ok(None);
    };
    let unfit = || Failure::damaged("its passphrase stanza cannot be read");
    let [salt, log_n] = stanza.arguments.as_slice() else {
        return Err(unfit());
    };
    let salt = BASE64.decode(salt).map_err(|_| unfit())?;
    let log_n: u8 = log_n.parse().map_err(|_| unfit())?;
    if salt.len() != 16 {
        return Err(unfit());
    }
    if !(1..=SCRYPT_LOG_N_MAX).contains(&log_n) {
        let message = format!("it demands 2^{log_n} rounds for its passphrase, more than are done");
        return Err(Failure::new(FailureKind::Limit, message));
    }
    let wrap_key = scrypt::derive(passphrase.as_bytes(), &scrypt_salt(&salt), log_n)?;
    Ok(FileKey::open(&wrap_key, &stanza.body))
}

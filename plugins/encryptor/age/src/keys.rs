//! Keys of age: X25519 pairs and passphrases, and how they wrap a file's key.

use crate::header::{Header, Stanza};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bech32::{Bech32, Hrp};
use hkdf::Hkdf;
use holdfast_sdk::host::crypto::{Aead, Key};
use holdfast_sdk::host::random;
use holdfast_sdk::{Failure, FailureKind, Identity, KeyPair, Recipient};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

const X25519: &str = "X25519";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const SCRYPT: &str = "scrypt";
const SCRYPT_SALT: &[u8] = b"age-encryption.org/v1/scrypt";
/// Work that a new passphrase costs: 2^16 rounds, 64 MiB.
const SCRYPT_LOG_N: u8 = 16;
/// Most work that a file may demand of us: 2^17 rounds take 128 MiB.
const SCRYPT_LOG_N_MAX: u8 = 17;

/// The key of one file.
pub(crate) struct FileKey([u8; 16]);

impl FileKey {
    pub(crate) fn random() -> Self {
        Self(random_array())
    }

    #[cfg(test)]
    pub(crate) fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Derives a key for one purpose.
    pub(crate) fn derive(&self, salt: Option<&[u8]>, purpose: &[u8]) -> [u8; 32] {
        expand(salt, &self.0, purpose)
    }
}

fn expand(salt: Option<&[u8]>, secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // Expanding fails only for lengths of more than 255 blocks.
    let _ = Hkdf::<Sha256>::new(salt, secret).expand(info, &mut key);
    key
}

fn random_array<const N: usize>() -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&random::bytes(N as u32));
    array
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, message)
}

fn bech32_bytes(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let (found, bytes) = bech32::decode(text).ok()?;
    (found.as_str().eq_ignore_ascii_case(prefix)).then_some(())?;
    bytes.try_into().ok()
}

pub(crate) fn parse_recipient(text: &str) -> Result<PublicKey, Failure> {
    bech32_bytes(text, "age")
        .map(PublicKey::from)
        .ok_or_else(|| {
            invalid(format!(
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
    let keys: Vec<StaticSecret> =
        lines
            .map(|line| {
                bech32_bytes(line, "age-secret-key-").map(StaticSecret::from).ok_or_else(|| {
                invalid("a line of the identity is no age key: they begin with `AGE-SECRET-KEY-1`")
            })
            })
            .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        Err(invalid("the identity holds no key"))
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
    Ok(KeyPair {
        identity: encode("age-secret-key-", &secret.to_bytes())?.to_uppercase() + "\n",
        public_key: encode("age", PublicKey::from(&secret).as_bytes())?,
    })
}

fn seal_key(wrap_key: &[u8; 32], file_key: &FileKey) -> Result<Vec<u8>, Failure> {
    Key::load(Aead::Chacha20Poly1305, wrap_key)?.seal(&[0; 12], &[], &file_key.0)
}

fn open_key(wrap_key: &[u8; 32], body: &[u8]) -> Option<FileKey> {
    let key = Key::load(Aead::Chacha20Poly1305, wrap_key).ok()?;
    key.open(&[0; 12], &[], body)
        .ok()?
        .try_into()
        .ok()
        .map(FileKey)
}

pub(crate) fn wrap(file_key: &FileKey, recipient: &Recipient) -> Result<Stanza, Failure> {
    match recipient {
        Recipient::PublicKey(text) => wrap_to_key(file_key, &parse_recipient(text)?),
        Recipient::Passphrase(passphrase) => wrap_to_passphrase(file_key, passphrase),
    }
}

fn wrap_to_key(file_key: &FileKey, recipient: &PublicKey) -> Result<Stanza, Failure> {
    let ephemeral = StaticSecret::from(random_array::<32>());
    let share = PublicKey::from(&ephemeral);
    let shared = ephemeral.diffie_hellman(recipient);
    if !shared.was_contributory() {
        return Err(invalid("the recipient is a key that anyone could open"));
    }
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    let wrap_key = expand(Some(&salt), shared.as_bytes(), X25519_INFO);
    let arguments = vec![BASE64.encode(share.as_bytes())];
    Ok(Stanza {
        kind: X25519.into(),
        arguments,
        body: seal_key(&wrap_key, file_key)?,
    })
}

fn wrap_to_passphrase(file_key: &FileKey, passphrase: &str) -> Result<Stanza, Failure> {
    let salt = random_array::<16>();
    let wrap_key = scrypt_key(passphrase, &salt, SCRYPT_LOG_N)?;
    let arguments = vec![BASE64.encode(salt), SCRYPT_LOG_N.to_string()];
    Ok(Stanza {
        kind: SCRYPT.into(),
        arguments,
        body: seal_key(&wrap_key, file_key)?,
    })
}

fn scrypt_key(passphrase: &str, salt: &[u8], log_n: u8) -> Result<[u8; 32], Failure> {
    let salt = [SCRYPT_SALT, salt].concat();
    let unfit =
        |e: &dyn std::fmt::Display| Failure::failed(format!("the passphrase cannot be used: {e}"));
    let parameters = scrypt::Params::new(log_n, 8, 1, 32).map_err(|e| unfit(&e))?;
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.as_bytes(), &salt, &parameters, &mut key).map_err(|e| unfit(&e))?;
    Ok(key)
}

/// Finds the file key with whichever identity fits.
pub(crate) fn unwrap(header: &Header, identities: &[Identity]) -> Result<FileKey, Failure> {
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
    Err(Failure::new(
        FailureKind::Denied,
        "none of the keys opens it",
    ))
}

fn unwrap_with_keys(header: &Header, keys: &[StaticSecret]) -> Option<FileKey> {
    let publics: Vec<PublicKey> = keys.iter().map(PublicKey::from).collect();
    for stanza in header.stanzas.iter().filter(|stanza| stanza.kind == X25519) {
        let share = stanza
            .arguments
            .first()
            .and_then(|text| BASE64.decode(text).ok());
        let Some(share) = share.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            continue;
        };
        for (secret, public) in keys.iter().zip(&publics) {
            let shared = secret.diffie_hellman(&PublicKey::from(share));
            let salt = [share.as_slice(), public.as_bytes()].concat();
            let wrap_key = expand(Some(&salt), shared.as_bytes(), X25519_INFO);
            if let Some(file_key) = open_key(&wrap_key, &stanza.body) {
                return Some(file_key);
            }
        }
    }
    None
}

fn unwrap_with_passphrase(header: &Header, passphrase: &str) -> Result<Option<FileKey>, Failure> {
    let [stanza] = header.stanzas.as_slice() else {
        return Ok(None);
    };
    if stanza.kind != SCRYPT {
        return Ok(None);
    }
    let unfit = || crate::damaged("its passphrase stanza cannot be read");
    let [salt, log_n] = stanza.arguments.as_slice() else {
        return Err(unfit());
    };
    let salt = BASE64.decode(salt).map_err(|_| unfit())?;
    let log_n: u8 = log_n.parse().map_err(|_| unfit())?;
    if !(1..=SCRYPT_LOG_N_MAX).contains(&log_n) {
        let message = format!("it demands 2^{log_n} rounds for its passphrase, more than are done");
        return Err(Failure::new(FailureKind::Limit, message));
    }
    Ok(open_key(
        &scrypt_key(passphrase, &salt, log_n)?,
        &stanza.body,
    ))
}

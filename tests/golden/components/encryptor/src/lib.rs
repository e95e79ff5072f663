//! The golden encryptor: calls every function of its world. Its key is a text that anybody can see.

use golden_common::{Answers, blob, granted, plain, segments};
use holdfast_sdk::host::crypto::{Aead, Key, Segments};
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Blob, Encryptor, Identity, KeyPair, Recipient};

#[derive(serde::Deserialize)]
struct Golden {
    command: Vec<String>,
}

fn key(text: &str) -> Result<Key, Failure> {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    Key::load(Aead::Chacha20Poly1305, &bytes)
}

fn sealing(recipients: &[Recipient]) -> Result<Key, Failure> {
    match recipients.first() {
        Some(Recipient::PublicKey(text)) => key(text),
        Some(Recipient::Passphrase(text)) => key(&format!("passphrase {text}")),
        None => Err(Failure::invalid("nobody to seal to")),
    }
}

fn opening(identities: &[Identity]) -> Result<Key, Failure> {
    match identities.first() {
        Some(Identity::Key(text)) => key(text),
        Some(Identity::Passphrase(text)) => key(&format!("passphrase {text}")),
        None => Err(Failure::invalid("nothing to open it with")),
    }
}

impl Encryptor for Golden {
    const MANIFEST: Manifest = Manifest::encryptor(
        "golden-encryptor",
        "0.1.0",
        "Calls every function of its world",
    )
    .setting(Setting::command("command", "what to run").required())
    .setting(Setting::secret("token", "what to hand on"))
    .command_from("command", "to talk to")
    .seen_secret("token", "to look at")
    .state("to remember");

    fn check(&self, recipients: &[Recipient]) -> Result<Vec<Finding>, Failure> {
        let mut answers = Answers::default();
        plain(&mut answers)?;
        granted(&mut answers, &self.command)?;
        answers.note("recipients", recipients);
        Ok(answers
            .0
            .into_iter()
            .map(|line| Finding::info("answers", line))
            .collect())
    }

    fn generate(&self) -> Result<KeyPair, Failure> {
        Ok(KeyPair {
            identity: "golden".into(),
            public_key: "golden".into(),
        })
    }

    fn seal(&self, recipients: &[Recipient], plain: Reader, sealed: Writer) -> Result<(), Failure> {
        sealing(recipients)?.seal_stream(&segments(), &plain, &sealed)?;
        sealed.commit().map(drop)
    }

    fn open(&self, identities: &[Identity], sealed: Reader, plain: Writer) -> Result<(), Failure> {
        opening(identities)?.open_stream(&segments(), &sealed, &plain)?;
        plain.commit().map(drop)
    }

    fn open_range(
        &self,
        identities: &[Identity],
        sealed: &Blob,
        offset: u64,
        length: u64,
        plain: Writer,
    ) -> Result<(), Failure> {
        blob(&mut Answers::default(), sealed)?;
        let window = Segments {
            skip: offset,
            take: Some(length),
            ..segments()
        };
        opening(identities)?.open_stream(&window, &sealed.open_range(0, sealed.size())?, &plain)?;
        plain.commit().map(drop)
    }
}

holdfast_sdk::export!(Golden as Encryptor);

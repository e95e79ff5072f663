//! Judges compressed files, archives and dumps by their form: header, objects, end mark.
//!
//! - Everything is read once, as a stream: memory is bounded whatever an entry holds.
//! - What is compressed is unpacked, its checksums are checked, and what is inside is judged too.
//! - A finding of an error says in words what is wrong; what the host cannot read fails the whole.

mod dump;
mod form;
mod judged;
mod packing;
mod pattern;
mod tar;

use form::Judge;
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Entry, EntryKind, Verifier};
use judged::Judged;
use std::collections::BTreeMap;
use std::io;

/// Bytes of an entry that are looked at to tell its form.
const HEAD_BYTES: usize = 512;

/// What a job can set.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArchiveCheck {
    require: Vec<String>,
    dumps: Vec<String>,
    expect: Option<BTreeMap<String, String>>,
}

impl Verifier for ArchiveCheck {
    const MANIFEST: Manifest = Manifest::verifier(
        "archive-check",
        env!("CARGO_PKG_VERSION"),
        "Judges gzip, zstd, tar and SQL dumps by header, objects and end",
    )
    .setting(Setting::strings("require", "patterns of entries that must be there").default_empty())
    .setting(
        Setting::strings(
            "dumps",
            "patterns of entries that must be there and be SQL dumps, whatever they are named",
        )
        .default_empty(),
    )
    .setting(Setting::map(
        "expect",
        "what entries must be, by pattern: sql, tar, sqlite, gz, zst, sql.gz …, or skip",
    ));

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        let forms = self.expect.iter().flatten();
        let unknown = forms.filter(|(_, form)| *form != "skip" && Judge::expected(form).is_none());
        let finding = |(pattern, form): (&String, &String)| {
            Finding::error(
                format!("expect.{pattern}"),
                format!("`{form}` is no form that is known"),
            )
        };
        Ok(unknown.map(finding).collect())
    }

    fn verify(&self, snapshot: &Content) -> Result<Vec<Finding>, Failure> {
        let mut findings = self.check()?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        let mut missing: Vec<&String> = self.require.iter().chain(&self.dumps).collect();
        let (mut seen, mut judged) = (0_u64, 0_u64);
        for entry in snapshot.entries(b"")? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            missing.retain(|wanted| !pattern::fits(wanted, &name));
            if !matches!(entry.kind, EntryKind::ByteStream | EntryKind::File) {
                continue;
            }
            seen += 1;
            log::debug(&format!("judging `{name}`"));
            if let Some(found) = self.judge(snapshot, &entry, &name)? {
                judged += 1;
                findings.extend(found);
                host::progress::report(judged, None, &name);
            }
        }
        let absent = |name: &String| Finding::error(name, "it must be there and is not");
        findings.extend(missing.into_iter().map(absent));
        let summary =
            format!("{judged} of {seen} entries have a form that is known, and were judged");
        findings.push(Finding::info("archive-check", summary));
        Ok(findings)
    }
}

impl ArchiveCheck {
    /// Judges an entry; none if its form is not known.
    fn judge(
        &self,
        snapshot: &Content,
        entry: &Entry,
        name: &str,
    ) -> Result<Option<Option<Finding>>, Failure> {
        let mut expected = self.expect.iter().flatten();
        let by_job = expected.find(|(pattern, _)| pattern::fits(pattern, name));
        let by_name = match by_job {
            Some((_, form)) if form == "skip" => return Ok(None),
            Some((_, form)) => Judge::expected(form),
            None if self
                .dumps
                .iter()
                .any(|pattern| pattern::fits(pattern, name)) =>
            {
                Some(Judge::dump(name))
            }
            None => Judge::for_name(name),
        };
        // Files of a tree are known by name; what a source wrote is looked into, whatever its name.
        if by_name.is_none() && entry.kind != EntryKind::ByteStream {
            return Ok(None);
        }
        let mut watched = match snapshot.open(&entry.path) {
            Ok(reader) => Watched {
                from: reader.buffered(),
                failure: None,
            },
            Err(failure) => return damage(failure, name).map(|finding| Some(Some(finding))),
        };
        let mut head = Vec::new();
        let read = watched
            .by_ref()
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head);
        let Some(judge) = by_name.or_else(|| Judge::for_head(&head)) else {
            return Ok(None);
        };
        let judged = read.and_then(|_| judge.judge(&mut head.as_slice().chain(&mut watched)));
        if let Some(failure) = watched.failure {
            return damage(failure, name).map(|finding| Some(Some(finding)));
        }
        Ok(Some(match judged {
            Ok(Judged::Sound) => None,
            Ok(Judged::Odd(message)) => Some(Finding::warning(name, message)),
            Err(error) => Some(Finding::error(name, error.to_string())),
        }))
    }
}

/// Makes a finding of damage that the host found; anything else that fails it fails the whole.
fn damage(failure: Failure, name: &str) -> Result<Finding, Failure> {
    match failure.kind {
        FailureKind::Damaged => Ok(Finding::error(name, failure.message)),
        _ => Err(failure),
    }
}

/// Remembers what the host said when reading failed: decoders put it into words of their own.
struct Watched<R> {
    from: R,
    failure: Option<Failure>,
}

impl<R: io::Read> io::Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|error| {
            let failure = Failure::from(error);
            self.failure = Some(failure.clone());
            failure.into()
        })
    }
}

/// Makes the error of something that is not as it should be.
fn damaged(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

holdfast_sdk::export!(ArchiveCheck as Verifier);

#[cfg(test)]
mod tests;

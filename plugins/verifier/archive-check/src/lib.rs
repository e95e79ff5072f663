//! Judges compressed files, archives and SQL dumps by their form: header, objects, end mark.

mod forms;

use forms::Judge;
use holdfast_sdk::prelude::*;
use holdfast_sdk::{EntryKind, Verifier};

/// What a job can set.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArchiveCheck {
    require: Vec<String>,
    dumps: Vec<String>,
}

impl Verifier for ArchiveCheck {
    const MANIFEST: Manifest = Manifest::verifier(
        "archive-check",
        env!("CARGO_PKG_VERSION"),
        "Judges gzip, zstd, tar and SQL dumps by header, objects and end",
    )
    .setting(Setting::strings("require", "entries that must be there").default_json("[]"))
    .setting(
        Setting::strings(
            "dumps",
            "entries that must be SQL dumps, whatever they are named",
        )
        .default_json("[]"),
    );

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }

    fn verify(&self, snapshot: &Content) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        let mut missing: Vec<&str> = self
            .require
            .iter()
            .chain(&self.dumps)
            .map(String::as_str)
            .collect();
        let listing = snapshot.list_entries(b"")?;
        loop {
            let entries = listing.next(1000)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let name = String::from_utf8_lossy(&entry.path).into_owned();
                missing.retain(|wanted| *wanted != name);
                if !matches!(entry.kind, EntryKind::ByteStream | EntryKind::File) {
                    continue;
                }
                let must_be_dump = self.dumps.contains(&name);
                if let Some(judge) = Judge::for_name(&name, must_be_dump) {
                    let mut reader = snapshot.open(&entry.path)?;
                    findings.extend(judge.judge(&mut reader, &name));
                }
            }
        }
        let absent =
            |name: &str| Finding::new(Severity::Error, name, "it must be there and is not");
        findings.extend(missing.into_iter().map(absent));
        Ok(findings)
    }
}

holdfast_sdk::export_verifier!(ArchiveCheck);

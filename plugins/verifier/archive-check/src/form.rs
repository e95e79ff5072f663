//! The known forms, recognised by name or by the first bytes: what something is compressed with,
//! and what it holds.

use crate::judged::Judged;
use crate::packing::{self, Packing};
use crate::{damaged, dump, tar};
use std::io::{self, Read};

/// What something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    Tar,
    SqlDump,
    SqliteFile,
}

/// Judges one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judge {
    packing: Packing,
    form: Form,
}

impl Judge {
    /// Chooses by name; none for what has no form that is known.
    pub(crate) fn for_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let (packing, inner) = match lower.rsplit_once('.') {
            Some((inner, "gz")) => (Packing::Gzip, inner),
            Some((inner, "zst" | "zstd")) => (Packing::Zstd, inner),
            Some((_, "tgz")) => return Some(Self::new(Packing::Gzip, Form::Tar)),
            Some((_, "tzst")) => return Some(Self::new(Packing::Zstd, Form::Tar)),
            _ => (Packing::None, lower.as_str()),
        };
        let form = match inner.rsplit_once('.') {
            Some((_, "sql")) => Form::SqlDump,
            Some((_, "tar")) => Form::Tar,
            Some((_, "sqlite" | "sqlite3")) => Form::SqliteFile,
            _ => Form::Any,
        };
        let is_known = packing != Packing::None || form != Form::Any;
        is_known.then_some(Self::new(packing, form))
    }

    /// Chooses by what a job expects: `sql.gz` is what a file of that name would be.
    pub(crate) fn expected(form: &str) -> Option<Self> {
        Self::for_name(&format!("x.{form}"))
    }

    /// Chooses for an SQL dump, whatever it is named but for its compression.
    pub(crate) fn dump(name: &str) -> Self {
        let packing = Self::for_name(name).map_or(Packing::None, |judge| judge.packing);
        Self::new(packing, Form::SqlDump)
    }

    /// Chooses by the first bytes; none for what has no form that is known.
    pub(crate) fn for_head(head: &[u8]) -> Option<Self> {
        let packing = Packing::for_head(head);
        let form = form_of(head);
        let is_known = packing != Packing::None || form != Form::Any;
        is_known.then_some(Self::new(packing, form))
    }

    fn new(packing: Packing, form: Form) -> Self {
        Self { packing, form }
    }

    /// Reads an entry to its end.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn judge(self, from: &mut dyn Read) -> io::Result<Judged> {
        let mut unpacked = packing::unpack(self.packing, from);
        match self.form {
            Form::Any => judge_any(&mut unpacked),
            form => form.judge(&mut unpacked),
        }
    }
}

fn form_of(head: &[u8]) -> Form {
    if tar::is_header(head) {
        Form::Tar
    } else if dump::is_dump(head) {
        Form::SqlDump
    } else if head.starts_with(dump::SQLITE_MAGIC) {
        Form::SqliteFile
    } else {
        Form::Any
    }
}

/// Judges what has no name that says more: what is inside may tell.
fn judge_any(from: &mut dyn Read) -> io::Result<Judged> {
    let mut head = Vec::new();
    from.take(crate::HEAD_BYTES as u64).read_to_end(&mut head)?;
    if head.is_empty() {
        return Err(damaged("it is empty"));
    }
    let mut whole = head.as_slice().chain(from);
    form_of(&head).judge(&mut whole)
}

impl Form {
    fn judge(self, from: &mut dyn Read) -> io::Result<Judged> {
        match self {
            Self::Any => io::copy(from, &mut io::sink()).map(|_| Judged::Sound),
            Self::Tar => tar::judge(from),
            Self::SqlDump => dump::judge(from),
            Self::SqliteFile => dump::judge_sqlite(from),
        }
    }
}

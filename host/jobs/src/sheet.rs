//! The recovery sheet: all that a restore needs, on paper.
//!
//! - Every line that has to be typed has a checksum that any machine can make again: the last four digits of
//!   the first number that POSIX `cksum` prints for it.
//! - The secret is a QR picture too, which holds the very text of it, so that any reader gives the identity.
//! - It says how to restore with holdfast, and with `age` and `zstd` alone.

use crate::error::JobError;
use holdfast_base::time::Instant;
use holdfast_repository::Repository;
use holdfast_repository::seal::{Identity, Secret};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;

/// Longest line, so that a page of A4 takes it.
const COLUMNS: usize = 78;
/// Letters of the secret in a line: as many as one types without losing the place.
const SECRET_COLUMNS: usize = 20;
/// Light modules around a QR picture: the standard asks for four.
const QUIET: usize = 4;
/// Height of a line in the picture of the page, and width of a letter, in tenths of a millimetre.
const LINE: usize = 44;
/// Size of a module of the QR picture on the page, in tenths of a millimetre.
const MODULE: usize = 11;

/// What is printed.
pub struct Sheet {
    lines: Vec<Line>,
    secret: Option<Secret>,
}

enum Line {
    /// Words.
    Plain(String),
    /// Something to be typed.
    Checked(Secret),
    /// Where the QR picture stands.
    Picture,
}

/// Returns the text of an operator's identity without its comments.
///
/// # Errors
/// There is more than one secret in it, or none.
fn bare(identity: &Identity) -> Result<Option<Secret>, JobError> {
    let Identity::Key(text) = identity else {
        return Ok(None);
    };
    let lines = text.expose().lines().map(str::trim);
    let mut secrets = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (secrets.next(), secrets.next()) {
        (Some(secret), None) => Ok(Some(Secret::new(secret.to_owned()))),
        _ => Err(JobError::usage(
            "the identity is not one secret of one line, which is what a sheet can hold",
            Some(
                "Give a file with one identity, or leave --identity out and write the secret by hand",
            ),
        )),
    }
}

impl Sheet {
    /// Writes a sheet for a repository; the secret is printed where an identity is given.
    ///
    /// # Errors
    /// It is not recorded who can open the repository, or what is given is not one identity.
    pub fn new(
        repository: &Repository,
        store: &str,
        identities: &[Identity],
        now: Instant,
    ) -> Result<Self, JobError> {
        let secret = match identities {
            [] => None,
            [identity] => bare(identity)?,
            _ => {
                return Err(JobError::usage(
                    "a sheet holds one identity",
                    Some("Make a sheet for each of them"),
                ));
            }
        };
        let mut sheet = Self {
            lines: Vec::new(),
            secret,
        };
        sheet.head(repository, store, now);
        sheet.secret();
        sheet.ways(repository);
        Ok(sheet)
    }

    /// Returns whether the secret is on it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    fn plain(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Plain(words.into()));
    }

    fn checked(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Checked(Secret::new(words.into())));
    }

    fn head(&mut self, repository: &Repository, store: &str, now: Instant) {
        let header = repository.header();
        self.plain(format!("HOLDFAST RECOVERY SHEET, made {now}"));
        self.plain("");
        self.checked(format!("repository {}", header.repository));
        self.checked(format!("store {store}"));
        self.plain(repository.place());
        self.plain(format!("encryptor {}", header.encryptor));
        match repository.announcement() {
            None => self.plain("It is not recorded who can open it."),
            Some(announced) => {
                self.checked(format!("epoch {}", announced.epoch_object));
                self.plain("It opens with the secret of any of these:");
                for operator in &announced.operators {
                    self.checked(operator.recipient.clone());
                    if let Some(object) = &operator.passphrase {
                        self.checked(format!("(a passphrase opens it: {object})"));
                    }
                }
            }
        }
        self.plain("");
    }

    fn secret(&mut self) {
        self.plain("THE SECRET: who has it and the store can restore everything");
        self.plain("");
        let Some(secret) = self.secret.clone() else {
            for _ in 0..3 {
                self.plain("_".repeat(COLUMNS - 8));
                self.plain("");
            }
            return;
        };
        let letters: Vec<char> = secret.expose().chars().collect();
        for part in letters.chunks(SECRET_COLUMNS) {
            self.checked(part.iter().collect::<String>());
        }
        self.plain("One line of text: type these parts one behind the other, without a space.");
        self.lines.push(Line::Picture);
    }

    fn ways(&mut self, repository: &Repository) {
        self.plain("[1234] are the last four digits of the first number that this prints:");
        self.plain("  printf %s 'the line' | cksum");
        self.plain("");
        self.plain("TO RESTORE WITH HOLDFAST");
        self.plain("Write the secret into a file `secret`, and into a file `holdfast.toml`:");
        self.plain("  [store.found]");
        self.plain(format!("  url = \"{}\"", repository.place()));
        self.plain("  holdfast plugin install age.wasm --config holdfast.toml");
        self.plain("  holdfast list --config holdfast.toml --identity secret");
        self.plain("  holdfast restore JOB --target DIR --config holdfast.toml --identity secret");
        self.plain("");
        self.plain("TO RESTORE WITHOUT HOLDFAST, with age, zstd and python3 alone");
        let object = repository
            .announcement()
            .map(|one| one.epoch_object.clone());
        let object = object.unwrap_or_else(|| "epochs/00000001".to_owned());
        self.plain(format!("  age -d -i secret STORE/{object} > read.json"));
        self.plain("  (with a passphrase, first: age -d STORE/identities/… > secret)");
        self.plain(
            "  the secrets in read.json, `catalog` and `read`, each into a file of its own:",
        );
        self.plain(
            "  age -d -i catalog STORE/snapshots/… | zstd -d | head -1    what a snapshot is",
        );
        self.plain(
            "  age -d -i epoch STORE/packs/…/… | zstd -d > chunks         content, in order",
        );
        self.plain("  all of it, names too: python3 docs/recover.py STORE secret TARGET");
    }

    /// Returns the sheet as text, the picture of half blocks in it.
    ///
    /// # Errors
    /// The secret is too long for a picture.
    pub fn text(&self) -> Result<Secret, JobError> {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Plain(words) => text.push_str(words),
                Line::Checked(words) => text.push_str(&marked(words.expose())),
                Line::Picture => text.push_str(&blocks(&self.modules()?)),
            }
            text.push('\n');
        }
        Ok(Secret::new(text))
    }

    /// Returns the sheet as the picture of a page, in SVG.
    ///
    /// # Errors
    /// The secret is too long for a picture.
    pub fn svg(&self) -> Result<Secret, JobError> {
        let (mut body, mut at) = (String::new(), 2 * LINE);
        for line in &self.lines {
            let words = match line {
                Line::Plain(words) => words.clone(),
                Line::Checked(words) => marked(words.expose()),
                Line::Picture => {
                    let modules = self.modules()?;
                    squares(&modules, at, &mut body);
                    at += modules.len() * MODULE + LINE;
                    continue;
                }
            };
            let words = words
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let _ = writeln!(body, "<text x=\"150\" y=\"{at}\">{words}</text>");
            at += LINE;
        }
        let height = at.max(2970);
        Ok(Secret::new(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"210mm\" height=\"{}mm\" \
             viewBox=\"0 0 2100 {height}\" xml:space=\"preserve\" font-family=\"monospace\" font-size=\"34\">\n\
             <rect width=\"2100\" height=\"{height}\" fill=\"white\"/>\n{body}</svg>\n",
            height.div_ceil(10)
        )))
    }

    /// Returns the QR picture, row by row: whether each module is dark. The light border is in it.
    fn modules(&self) -> Result<Vec<Vec<bool>>, JobError> {
        let text = self.secret.as_ref().map_or("", Secret::expose);
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M);
        let code = code.map_err(|error| {
            JobError::usage(
                format!("the identity makes no QR picture: {error}"),
                Some("Leave --identity out, and write the secret by hand"),
            )
        })?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut rows = vec![vec![false; width + 2 * QUIET]; width + 2 * QUIET];
        for (at, color) in colors.into_iter().enumerate() {
            rows[QUIET + at / width][QUIET + at % width] = color == Color::Dark;
        }
        Ok(rows)
    }
}

/// Puts the checksum of a line behind it.
fn marked(line: &str) -> String {
    format!("{line}  [{:04}]", cksum(line.as_bytes()) % 10_000)
}

/// Draws a QR picture with half blocks, two rows in a line. On paper, ink is dark.
fn blocks(modules: &[Vec<bool>]) -> String {
    let mut text = String::new();
    for pair in modules.chunks(2) {
        text.push('\n');
        for (column, upper) in pair[0].iter().enumerate() {
            let lower = pair.get(1).is_some_and(|row| row[column]);
            text.push(match (*upper, lower) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
    }
    text
}

fn squares(modules: &[Vec<bool>], top: usize, body: &mut String) {
    let _ = write!(body, "<path shape-rendering=\"crispEdges\" d=\"");
    for (row, line) in modules.iter().enumerate() {
        for (column, _) in line.iter().enumerate().filter(|(_, is_dark)| **is_dark) {
            let (x, y) = (150 + column * MODULE, top + row * MODULE);
            let _ = write!(body, "M{x} {y}h{MODULE}v{MODULE}h-{MODULE}z");
        }
    }
    body.push_str("\"/>\n");
}

/// Makes the checksum of POSIX `cksum`, which every system has.
fn cksum(bytes: &[u8]) -> u32 {
    let mut length = bytes.len();
    let ended = std::iter::from_fn(|| {
        let byte = (length & 0xff) as u8;
        (length > 0).then(|| {
            length >>= 8;
            byte
        })
    });
    let step = |crc: u32, byte: u8| {
        let mut crc = crc ^ (u32::from(byte) << 24);
        for _ in 0..8 {
            let carry = crc & 0x8000_0000 != 0;
            crc = (crc << 1) ^ if carry { 0x04c1_1db7 } else { 0 };
        }
        crc
    };
    !bytes.iter().copied().chain(ended).fold(0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_posix() {
        // What `printf %s … | cksum` prints.
        assert_eq!(cksum(b""), 4_294_967_295);
        assert_eq!(cksum(b"123456789"), 930_766_865);
    }

    #[test]
    fn a_swapped_letter_is_noticed() {
        let line = "AGE-SECRET-KEY-1QQPS";
        for at in 1..line.len() {
            let mut letters: Vec<char> = line.chars().collect();
            letters.swap(at - 1, at);
            let swapped: String = letters.into_iter().collect();
            assert_eq!(marked(&swapped) == marked(line), swapped == line);
        }
    }

    #[test]
    fn comments_are_no_secret_and_two_secrets_are_no_sheet() {
        let identity = |text: &str| Identity::Key(Secret::new(text.into()));
        let one = bare(&identity("# public key: age1x\nAGE-SECRET-KEY-1X\n")).unwrap();
        assert_eq!(one.unwrap().expose(), "AGE-SECRET-KEY-1X");
        assert!(bare(&identity("# nothing\n")).is_err());
        assert!(bare(&identity("A\nB\n")).is_err());
    }
}

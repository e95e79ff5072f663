//! The recovery sheet: all that a restore needs, on paper.
//!
//! - Every line that has to be typed has a checksum that any machine can make again: the last four digits of
//!   the first number that POSIX `cksum` prints for it.
//! - The secret is a QR picture too, which holds the very text of it, so that any reader gives the identity.
//! - It says how to restore with holdfast, and with `age` and `zstd` alone.

use crate::context::Context;
use crate::error::JobError;
use crate::error::sheet::SheetError;
use crate::keys::write_private_file;
use crate::open::Access;
use holdfast_base::time::Instant;
use holdfast_repository::Repository;
use holdfast_repository::seal::{Identity, Secret};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;
use std::path::Path;

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
struct Sheet {
    lines: Vec<Line>,
    secret: Option<Secret>,
}

enum Line {
    /// Words.
    Plain(String),
    /// Something to be typed.
    Checked(Secret),
    /// The place of the QR picture.
    Picture,
}

/// Returns the text of an operator's identity without its comments.
///
/// # Errors
/// There is more than one secret in it, or none.
fn strip_comments(identity: &Identity) -> Result<Option<Secret>, SheetError> {
    let Identity::Key(text) = identity else {
        return Ok(None);
    };
    let lines = text.expose().lines().map(str::trim);
    let mut secrets = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (secrets.next(), secrets.next()) {
        (Some(secret), None) => Ok(Some(Secret::new(secret.to_owned()))),
        _ => Err(SheetError::NotOneSecret),
    }
}

/// Makes the recovery sheet of a store and writes it to a new file: as a picture if the name ends in `.svg`, as a
/// text otherwise. The secret is on it if an identity is given. `commands` is what is to be typed to restore.
/// Returns whether the secret is on it.
///
/// # Errors
/// It is not recorded who can open the repository, or what is given is not one identity.
pub fn write_sheet(
    context: &Context,
    access: &Access,
    file: &Path,
    commands: &[String],
) -> Result<bool, JobError> {
    let repository = access.open(context)?;
    let secret = match access.credentials.read_operators()?.as_slice() {
        [] => None,
        [identity] => strip_comments(identity)?,
        _ => return Err(SheetError::SeveralIdentities.into()),
    };
    let mut sheet = Sheet {
        lines: Vec::new(),
        secret,
    };
    sheet.add_head(&repository, &access.store, context.clock.now());
    sheet.add_secret();
    sheet.add_ways(&repository, commands);
    let is_picture = file.extension().is_some_and(|ending| ending == "svg");
    let written = if is_picture {
        sheet.to_svg()?
    } else {
        sheet.to_text()?
    };
    write_private_file(file, written.expose().as_bytes())?;
    Ok(sheet.secret.is_some())
}

impl Sheet {
    fn add_plain(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Plain(words.into()));
    }

    fn add_checked(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Checked(Secret::new(words.into())));
    }

    fn add_head(&mut self, repository: &Repository, store: &str, now: Instant) {
        let header = repository.header();
        self.add_plain(format!("HOLDFAST RECOVERY SHEET, made {now}"));
        self.add_plain("");
        self.add_checked(format!("repository {}", header.repository));
        self.add_checked(format!("store {store}"));
        self.add_plain(repository.place());
        self.add_plain(format!("encryptor {}", header.encryptor));
        match repository.announcement() {
            None => self.add_plain("It is not recorded who can open it."),
            Some(announced) => {
                self.add_checked(format!("epoch {}", announced.epoch_object));
                self.add_plain("It opens with the secret of any of these:");
                for operator in &announced.operators {
                    self.add_checked(operator.recipient.clone());
                    if let Some(object) = &operator.passphrase {
                        self.add_checked(format!("(a passphrase opens it: {object})"));
                    }
                }
            }
        }
        self.add_plain("");
    }

    fn add_secret(&mut self) {
        self.add_plain("THE SECRET: who has it and the store can restore everything");
        self.add_plain("");
        let Some(secret) = self.secret.clone() else {
            for _ in 0..3 {
                self.add_plain("_".repeat(COLUMNS - 8));
                self.add_plain("");
            }
            return;
        };
        let letters: Vec<char> = secret.expose().chars().collect();
        for part in letters.chunks(SECRET_COLUMNS) {
            self.add_checked(part.iter().collect::<String>());
        }
        self.add_plain("One line of text: type these parts one behind the other, without a space.");
        self.lines.push(Line::Picture);
    }

    fn add_ways(&mut self, repository: &Repository, commands: &[String]) {
        self.add_plain("[1234] are the last four digits of the first number that this prints:");
        self.add_plain("  printf %s 'the line' | cksum");
        self.add_plain("");
        self.add_plain("TO RESTORE WITH HOLDFAST");
        self.add_plain("Write the secret into a file `secret`, and into a file `holdfast.toml`:");
        self.add_plain("  [store.found]");
        self.add_plain(format!("  url = \"{}\"", repository.place()));
        for command in commands {
            self.add_plain(format!("  {command}"));
        }
        self.add_plain("");
        self.add_plain("TO RESTORE WITHOUT HOLDFAST, with age, zstd and python3 alone");
        let object = repository
            .announcement()
            .map(|one| one.epoch_object.clone());
        let object = object.unwrap_or_else(|| "epochs/00000001".to_owned());
        self.add_plain(format!("  age -d -i secret STORE/{object} > read.json"));
        self.add_plain("  (with a passphrase, first: age -d STORE/identities/… > secret)");
        self.add_plain(
            "  the secrets in read.json, `catalog` and `read`, each into a file of its own:",
        );
        self.add_plain(
            "  age -d -i catalog STORE/snapshots/… | zstd -d | head -1    what a snapshot is",
        );
        self.add_plain(
            "  age -d -i epoch STORE/packs/…/… | zstd -d > chunks         content, in order",
        );
        self.add_plain("  all of it, names too: python3 docs/recover.py STORE secret TARGET");
    }

    /// Returns the sheet as text, the picture of half blocks in it.
    ///
    /// # Errors
    /// The secret is too long for a picture.
    fn to_text(&self) -> Result<Secret, SheetError> {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Plain(words) => text.push_str(words),
                Line::Checked(words) => text.push_str(&add_checksum(words.expose())),
                Line::Picture => text.push_str(&draw_blocks(&self.draw_modules()?)),
            }
            text.push('\n');
        }
        Ok(Secret::new(text))
    }

    /// Returns the sheet as the picture of a page, in SVG.
    ///
    /// # Errors
    /// The secret is too long for a picture.
    fn to_svg(&self) -> Result<Secret, SheetError> {
        let (mut body, mut at) = (String::new(), 2 * LINE);
        for line in &self.lines {
            let words = match line {
                Line::Plain(words) => words.clone(),
                Line::Checked(words) => add_checksum(words.expose()),
                Line::Picture => {
                    let modules = self.draw_modules()?;
                    draw_squares(&modules, at, &mut body);
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
    fn draw_modules(&self) -> Result<Vec<Vec<bool>>, SheetError> {
        let text = self.secret.as_ref().map_or("", Secret::expose);
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M);
        let code = code.map_err(SheetError::NoPicture)?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut rows = vec![vec![false; width + 2 * QUIET]; width + 2 * QUIET];
        for (at, color) in colors.into_iter().enumerate() {
            rows[QUIET + at / width][QUIET + at % width] = color == Color::Dark;
        }
        Ok(rows)
    }
}

/// Puts the checksum of a line behind it.
fn add_checksum(line: &str) -> String {
    format!("{line}  [{:04}]", posix_checksum(line.as_bytes()) % 10_000)
}

/// Draws a QR picture with half blocks, two rows in a line. On paper, ink is dark.
fn draw_blocks(modules: &[Vec<bool>]) -> String {
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

fn draw_squares(modules: &[Vec<bool>], top: usize, body: &mut String) {
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
fn posix_checksum(bytes: &[u8]) -> u32 {
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
        assert_eq!(posix_checksum(b""), 4_294_967_295);
        assert_eq!(posix_checksum(b"123456789"), 930_766_865);
    }

    #[test]
    fn a_swapped_letter_is_noticed() {
        let line = "AGE-SECRET-KEY-1QQPS";
        for at in 1..line.len() {
            let mut letters: Vec<char> = line.chars().collect();
            letters.swap(at - 1, at);
            let swapped: String = letters.into_iter().collect();
            assert_eq!(
                add_checksum(&swapped) == add_checksum(line),
                swapped == line
            );
        }
    }

    #[test]
    fn comments_are_no_secret_and_two_secrets_are_no_sheet() {
        let identity = |text: &str| Identity::Key(Secret::new(text.into()));
        let one = strip_comments(&identity("# public key: age1x\nAGE-SECRET-KEY-1X\n")).unwrap();
        assert_eq!(one.unwrap().expose(), "AGE-SECRET-KEY-1X");
        assert!(strip_comments(&identity("# nothing\n")).is_err());
        assert!(strip_comments(&identity("A\nB\n")).is_err());
    }
}

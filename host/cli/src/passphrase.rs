//! Asks for a passphrase: on the terminal, without showing it.
//!
//! - The terminal is as it was afterwards, also after a signal.
//! - A passphrase never comes from the command line itself: everybody on the machine can see that.

use crate::fail::Failure;
use holdfast_base::cancel::Cancel;
use holdfast_jobs::model::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// Longest passphrase that is read.
const LENGTH_MAX: usize = 4096;
/// How soon an interrupt is heard while somebody types.
const LISTEN_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Asks for a passphrase on the terminal.
pub(crate) fn ask_once(cancel: &Cancel) -> Result<Secret, Failure> {
    let mut terminal = Terminal::open()?;
    let text = terminal.ask_line("Passphrase: ", cancel)?;
    Ok(Secret::new(text.as_str().to_owned()))
}

/// Asks for a new passphrase, twice.
pub(crate) fn ask_twice(cancel: &Cancel) -> Result<Secret, Failure> {
    let mut terminal = Terminal::open()?;
    let first = terminal.ask_line("New passphrase: ", cancel)?;
    let again = terminal.ask_line("The same again: ", cancel)?;
    if *first != *again {
        return Err(Failure::usage("the two passphrases are not the same", None));
    }
    Ok(Secret::new(first.as_str().to_owned()))
}

/// The terminal, silent while this lives.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self, Failure> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let silent = file.and_then(|file| {
            let before = tcgetattr(&file)?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            tcsetattr(&file, OptionalActions::Flush, &silent)?;
            Ok(Self { file, before })
        });
        silent.map_err(|_| {
            Failure::usage(
                "there is no terminal to ask for the passphrase on",
                Some("Take it from elsewhere: --passphrase-from file:PATH, env:NAME, credential:NAME or command:LINE"),
            )
        })
    }

    fn ask_line(&mut self, words: &str, cancel: &Cancel) -> Result<Zeroizing<String>, Failure> {
        let failed = || Failure::system("ask on the terminal");
        self.file
            .write_all(words.as_bytes())
            .map_err(|e| failed()(e))?;
        let line = self.read_line(cancel);
        let _ = self.file.write_all(b"\n");
        let line = line?;
        if line.is_empty() {
            return Err(Failure::usage("the passphrase is empty", None));
        }
        Ok(line)
    }

    /// Reads a line, and stops when the work is to end.
    fn read_line(&mut self, cancel: &Cancel) -> Result<Zeroizing<String>, Failure> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH_MAX));
        while bytes.len() < LENGTH_MAX {
            if cancel.is_raised() {
                return Err(Failure::Unanswered);
            }
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&LISTEN_EVERY)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(Failure::system("ask on the terminal")(error.into())),
            }
            let mut byte = [0];
            let count = self.file.read(&mut byte);
            match count.map_err(Failure::system("ask on the terminal"))? {
                0 => break,
                _ if byte[0] == b'\n' => break,
                _ => bytes.push(byte[0]),
            }
        }
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Failure::usage("the passphrase is not UTF-8", None))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
    }
}

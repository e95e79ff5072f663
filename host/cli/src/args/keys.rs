//! What can be typed about keys. The doc comments are the help texts.

use super::{Keys, Operator, Unlock};
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(super) const ROTATE_HELP: &str = "\
Hosts learn of the new epoch by themselves: their key files stay as they are. What was stored
before stays readable to whoever could read it, until it is sealed anew with --reseal and
collected.

Examples:
  holdfast rotate --identity operator.key
  holdfast rotate --revoke-host web1 --identity operator.key     its write key was stolen
  holdfast rotate --reseal --identity operator.key               its read key was stolen
  holdfast rotate offsite --same-keys-as local --identity operator.key";

const REMOVE_HELP: &str = "\
Whoever could open the repository may have kept what it read, and the keys of its epochs. So it
can still read what is stored until the next `holdfast rotate`, where it can reach the store.";

const SHEET_HELP: &str = "\
The sheet says how to restore with holdfast and without. Each line has a checksum, and the secret
is a QR picture too. A name that ends in `.svg` makes a picture of the page, any other a text.
Without --identity, the sheet has a place to write the secret by hand.";

#[derive(Subcommand)]
pub(crate) enum Key {
    /// Write a key of a role to a new file
    Export {
        /// What its holder may do: audit lists and checks, write backs up too, read restores too
        #[arg(value_parser = ["audit", "write", "read"])]
        role: String,
        /// The new file, which must not be there yet
        file: PathBuf,
        /// Make a write key for this host, and not for the one where this runs; takes an identity or a
        /// read key
        #[arg(long, value_name = "NAME")]
        host: Option<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Make a host's write key again, from an operator's identity or passphrase
    Recover {
        /// The store; the only one, where none is named
        store: Option<String>,
        /// Make it for this host, and not for the one where this runs
        #[arg(long, value_name = "NAME")]
        host: Option<String>,
        #[command(flatten)]
        operator: Operator,
    },
    /// List who can open a repository
    Recipients {
        /// The store; the only one, where none is named
        store: Option<String>,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Let one more open a repository; takes an identity or a read key
    AddRecipient {
        /// Whose identity shall open it (age1…)
        recipient: Vec<String>,
        #[command(flatten)]
        new: NewPassphrase,
        #[command(flatten)]
        keys: Keys,
    },
    /// Let one no longer open a repository; takes an identity or a read key
    #[command(after_help = REMOVE_HELP)]
    RemoveRecipient {
        /// Its recipient, or the beginning of it
        recipient: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Seal data of older epochs anew; run it again where it was interrupted
    Reseal {
        /// The store; the only one, where none is named
        store: Option<String>,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Write a sheet to be printed, with all that a restore needs
    #[command(after_help = SHEET_HELP)]
    Sheet {
        /// The new file, which must not be there yet
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
}

/// A passphrase that shall open a repository from now on.
#[derive(Args)]
pub(crate) struct NewPassphrase {
    /// Let a passphrase open it, too; it is asked for twice on the terminal
    #[arg(id = "new-passphrase", long, conflicts_with = "new-passphrase-from")]
    pub(crate) ask: bool,
    /// The same, and take it from env:NAME, file:PATH, credential:NAME or command:LINE
    #[arg(id = "new-passphrase-from", long, value_name = "REFERENCE")]
    pub(crate) from: Option<String>,
}

#[derive(Args)]
pub(crate) struct Rotate {
    /// The store; the only one, where none is named
    pub(crate) store: Option<String>,
    /// Let only these open the new epoch, and not all who could so far; may be repeated
    #[arg(long, value_name = "RECIPIENT")]
    pub(crate) recipient: Vec<String>,
    /// Refuse what this host's keys sign from now on; its snapshots so far stay; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) revoke_host: Vec<String>,
    /// Begin the epoch that this store of the same trust group has begun, so that packs go on travelling
    #[arg(long, value_name = "STORE")]
    pub(crate) same_keys_as: Option<String>,
    /// Seal data of older epochs anew, too
    #[arg(long)]
    pub(crate) reseal: bool,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

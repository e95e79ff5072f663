//! Makes a repository of many small snapshots, much faster than so many runs would.
//!
//! ```sh
//! snapshots DIRECTORY COUNT   # DIRECTORY/repository, and DIRECTORY/audit.key to list it with
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that is read by people"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use holdfast_base::time::Instant;
use holdfast_repository::keys::Role;
use holdfast_repository::seal::{Recipient, Sealer};
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{Repository, Setup};
use holdfast_store::local::LocalStore;
use holdfast_testkit::sealer::NativeAge;
use std::path::Path;
use std::sync::Arc;
use support::{Bytes, begin_with, file, setup};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("a directory");
    let count: u32 = arguments.next().expect("a count").parse().unwrap();
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).unwrap();
    let setup = || Setup {
        store: Arc::new(LocalStore::new(directory.join("repository"))),
        ..setup(directory)
    };
    let operator = NativeAge.generate().unwrap();
    let operators = [Recipient::PublicKey(operator.public_key)];
    let key = Repository::init(&setup(), &operators).unwrap();
    let host = key.for_host("here", Instant(1), &[1; 32]).unwrap();
    let repository = Arc::new(Repository::open(setup(), host).unwrap());
    // The same each time: what is listed is snapshots, and not what is in them.
    for _ in 0..count {
        let session = begin_with(&repository, false).unwrap();
        let bytes = Bytes::of(b"same");
        session
            .add_entry(file("file", 4), Some(Box::new(bytes)))
            .unwrap();
        session.commit(SourceEnd::seen()).unwrap();
    }
    let audit = key.narrowed(Role::Audit).unwrap().encode().unwrap();
    std::fs::write(directory.join("audit.key"), audit).unwrap();
}

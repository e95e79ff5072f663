//! Small file systems, which only root can mount.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kinds of file systems: one that refuses a write at once, and one that may find out when it is to make it durable.
pub(crate) const KINDS: [&str; 2] = ["tmpfs", "ext4"];

/// A small file system of its own.
pub(crate) struct Small(PathBuf);

fn is_done(program: &str, arguments: &[&str], at: &Path) -> bool {
    let mut command = Command::new(program);
    let done = command.args(arguments).arg(at).status();
    done.is_ok_and(|status| status.success())
}

impl Small {
    /// Mounts one in memory; without the right to, says so and returns none.
    pub(crate) fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={size}");
        let is_there = is_done("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &at);
        is_there.then_some(Self(at)).or_else(|| not_tested("tmpfs"))
    }

    /// Mounts one of a kind; without the right to, says so and returns none.
    pub(crate) fn of_kind(kind: &str, at: PathBuf, mebibytes: u64) -> Option<Self> {
        if kind == "tmpfs" {
            return Self::mount(at, &format!("{mebibytes}m"));
        }
        std::fs::create_dir_all(&at).unwrap();
        let image = at.with_extension("image");
        let file = File::create(&image).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        let image_path = image.to_str().unwrap();
        // Nothing is reserved for root, who runs these tests.
        let is_there = is_done("mkfs.ext4", &["-q", "-m", "0"], &image)
            && is_done("mount", &["-o", "loop", image_path], &at);
        is_there.then_some(Self(at)).or_else(|| not_tested(kind))
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(is_done("mount", &["-o", &options], &self.0));
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        self.fill_but(0);
    }

    /// Takes the room that is left, but for so many bytes.
    pub(crate) fn fill_but(&self, bytes: u64) {
        let mut size = 1 << 20;
        let mut filler = File::create(self.0.join("filler")).unwrap();
        while size > 0 {
            let written = filler.write_all(&vec![0; size]);
            if written.and_then(|()| filler.sync_all()).is_err() {
                size /= 2;
            }
        }
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(bytes)).unwrap();
        filler.sync_all().unwrap();
    }

    /// Gives back what was taken.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        is_done("umount", &[], &self.0);
    }
}

#[expect(clippy::print_stderr, reason = "nothing is passed over in silence")]
fn not_tested<T>(kind: &str) -> Option<T> {
    eprintln!("NOT TESTED: mounting a small {kind} is not allowed here");
    None
}

//! What a command may reach of the file system, if the kernel can hold it to that.
//!
//! - Beside what it was granted, a command reaches what any program needs to start: system programs
//!   and libraries, the few files of `/etc` that name users, hosts and certificates, and the
//!   harmless devices. Not the rest of `/etc`, no home, nothing of `/var` or `/run`.
//! - On a kernel without Landlock (before 5.13) nothing is restricted; `has_landlock` returns false. On an older
//!   one with it, what it knows is held.
//! - Files that it was handed open, secrets among them, stay readable. Connecting to a socket is not
//!   restricted by it.

use crate::command::LandlockRules;
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, path_beneath_rules,
};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The newest rules that we know; of these, the kernel's are used.
const KNOWN: ABI = ABI::V5;

/// What any program needs to start.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/dev/random",
    "/dev/urandom",
];

/// What any program may write to, since it goes nowhere.
const SINKS: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

/// Returns whether this kernel can hold a command to what it was granted.
#[must_use]
pub fn has_landlock() -> bool {
    create_ruleset().is_ok_and(|created| Option::<OwnedFd>::from(created).is_some())
}

fn create_ruleset() -> io::Result<RulesetCreated> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)
}

/// Makes the rules of a command; none if the kernel has no Landlock.
///
/// # Errors
/// Something that is to be granted does not exist.
pub(crate) fn make_ruleset(rules: &LandlockRules, program: &Path) -> io::Result<Option<OwnedFd>> {
    let read = AccessFs::from_read(KNOWN);
    let write = AccessFs::from_all(KNOWN);
    let sinks = AccessFs::from_file(KNOWN) & !AccessFs::Execute;
    let system = path_beneath_rules(SYSTEM, read).chain(path_beneath_rules(SINKS, sinks));
    let mut created = create_ruleset()?
        .add_rules(system)
        .map_err(io::Error::other)?;
    let program = [program.to_path_buf()];
    for (paths, access) in [
        (&program[..], read),
        (&rules.read, read),
        (&rules.write, write),
    ] {
        for path in paths {
            created = add_rule(created, path, access)?;
        }
    }
    Ok(created.into())
}

fn add_rule(
    created: RulesetCreated,
    path: &PathBuf,
    access: landlock::BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    let refused = |why: String| {
        let message = format!("`{}` cannot be granted: {why}", path.display());
        io::Error::other(message)
    };
    let fd = PathFd::new(path).map_err(|e| refused(e.to_string()))?;
    // A file takes fewer rights than a directory.
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(KNOWN)
    };
    created
        .add_rule(PathBeneath::new(fd, access))
        .map_err(|e| refused(e.to_string()))
}

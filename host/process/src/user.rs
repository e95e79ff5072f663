//! Users by name, as `/etc/passwd` has them: a command is run as a number.

use std::io;
use std::path::Path;

/// Returns the user and the group that a name, or `UID:GID`, stands for.
///
/// # Errors
/// The file cannot be read.
pub fn find_user(passwd: &Path, name: &str) -> io::Result<Option<(u32, u32)>> {
    if let Some((uid, gid)) = name.split_once(':') {
        return Ok(uid.parse().ok().zip(gid.parse().ok()));
    }
    let text = String::from_utf8_lossy(&std::fs::read(passwd)?).into_owned();
    let known = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_it.then_some((uid, gid))
    });
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_or_by_numbers() {
        let place = tempfile::tempdir().unwrap();
        let passwd = place.path().join("passwd");
        let lines = "root:x:0:0:root:/root:/bin/sh\n+nis\npg:x:105:111::/var/lib:/bin/sh\n";
        std::fs::write(&passwd, lines).unwrap();
        for (name, expected) in [
            ("root", Some((0, 0))),
            ("pg", Some((105, 111))),
            ("7:8", Some((7, 8))),
            ("7:", None),
            ("-1:8", None),
            ("105", None),
            ("nobody", None),
            ("", None),
        ] {
            assert_eq!(find_user(&passwd, name).unwrap(), expected, "{name}");
        }
        assert!(find_user(&place.path().join("absent"), "pg").is_err());
        assert!(find_user(&place.path().join("absent"), "1:2").is_ok());
    }
}

//! Patterns of names: `*` stands for any letters, `?` for one.

/// Returns whether a name fits a pattern.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    // The place of the last star, and the place in the name that it was last tried to reach to.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match &mut star {
                Some((star_at, tried)) => {
                    *tried += 1;
                    (at, in_name) = (*star_at + 1, *tried);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_letters() {
        for (pattern, name, expected) in [
            ("db.sql", "db.sql", true),
            ("db.sql", "db.sql.gz", false),
            ("*.sql", "a/b/db.sql", true),
            ("*.sql", "db.sqlx", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("db-?.sql", "db-1.sql", true),
            ("db-?.sql", "db-.sql", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}

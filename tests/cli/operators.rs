//! Who can open a repository, as operators manage it: recipients, passphrases, new epochs, revoked hosts, and
//! the recovery sheet.

use holdfast_tests::{Ended, TREE, World, recipient};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn world() -> World {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "first");
    world.run(&["run", "tree"]).expect(0);
    world
}

/// Makes an identity with the stock tool; returns its file and its recipient.
fn identity(world: &World, name: &str) -> (String, String) {
    let file = world.at(name);
    let made = Command::new("age-keygen").arg("-o").arg(&file).output();
    assert!(made.unwrap().status.success());
    (file.display().to_string(), recipient(&file))
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

fn restores(world: &World, with: &[&str], code: i32) -> Ended {
    let target = tempfile::tempdir_in(world.path()).unwrap().keep();
    let words = ["restore", "tree", "--target", target.to_str().unwrap()];
    let ended = world.run(&[&words[..], with].concat()).expect(code);
    let inner = target.join(world.at("tree/a").strip_prefix("/").unwrap());
    assert_eq!(inner.exists(), code == 0, "{ended:?}");
    ended
}

/// Opens an object with the stock tool, and says whether that was possible.
fn opens(object: &Path, identity: &str) -> bool {
    let age = Command::new("age")
        .args(["-d", "-i", identity])
        .arg(object)
        .output();
    age.unwrap().status.success()
}

#[test]
fn recipients_are_listed_added_and_removed() {
    let world = world();
    let (theirs, public) = identity(&world, "theirs.key");
    let listed = json(&world.run(&["key", "recipients", "--json"]).expect(0));
    let own = listed["recipients"][0]["recipient"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(listed["recipients"].as_array().unwrap().len(), 1);
    restores(&world, &["--identity", &theirs], 11);

    let add = ["key", "add-recipient", &public];
    world
        .run(&add)
        .expect(11)
        .says("it needs role `read`")
        .says("--identity FILE");
    let told = world.as_operator(&add).expect(0).stdout;
    assert!(told.contains(&public) && told.contains(&own), "{told}");
    world
        .as_operator(&add)
        .expect(2)
        .says("can open the repository already");
    world
        .as_operator(&["key", "add-recipient", "age1nobody"])
        .expect(2)
        .says("a recipient cannot be used");
    world
        .as_operator(&["key", "add-recipient"])
        .expect(2)
        .says("nobody is named");
    restores(&world, &["--identity", &theirs], 0);

    world
        .as_operator(&["key", "remove-recipient", "age1absent"])
        .expect(2)
        .says("nobody who can open the repository is called `age1absent`");
    let remove = ["key", "remove-recipient", &own, "--identity", &theirs];
    let told = world.run(&remove).expect(0).stdout;
    assert!(
        told.contains("Only a new epoch protects what comes after"),
        "{told}"
    );
    let operator = world.at("operator.key").display().to_string();
    restores(&world, &["--identity", &operator], 11).says("does not open the repository");
    // Not by the stock tool either: no object that it opens is left.
    for object in world.files("repository/epochs") {
        assert!(!opens(&object, &operator) && opens(&object, &theirs));
    }
    let last = ["key", "remove-recipient", &public, "--identity", &theirs];
    world
        .run(&last)
        .expect(2)
        .says("is the last who can open the repository");
    world.run(&["run", "tree"]).expect(0);
    restores(&world, &["--identity", &theirs], 0);
    world
        .run(&["check", "--data", "--identity", &theirs])
        .expect(0);
}

#[test]
fn a_passphrase_opens_beside_identities_and_outlives_a_new_epoch() {
    let world = world();
    world.write("words", "correct horse battery staple\n");
    world.write("wrong", "incorrect horse\n");
    let from = |name: &str| format!("file:{}", world.at(name).display());
    let words = from("words");
    let add = ["key", "add-recipient", "--new-passphrase-from", &words];
    world.as_operator(&add).expect(0);
    let with = ["--passphrase-from", words.as_str()];
    restores(&world, &with, 0);
    restores(&world, &["--passphrase-from", &from("wrong")], 11);
    // Nobody's passphrase is needed for a new epoch, and the passphrase opens that too.
    world.as_operator(&["rotate"]).expect(0);
    world.write("tree/a", "second");
    world.run(&["run", "tree"]).expect(0);
    restores(&world, &with, 0);
    let listed = json(&world.run(&["key", "recipients", "--json"]).expect(0));
    let all = listed["recipients"].as_array().unwrap();
    let one = all.iter().find(|one| one["passphrase"] == true).unwrap();
    let public = one["recipient"].as_str().unwrap();
    world
        .as_operator(&["key", "remove-recipient", public])
        .expect(0);
    restores(&world, &with, 11);
    assert!(world.files("repository/identities").is_empty());
    world.restore("tree");
}

#[test]
fn a_new_epoch_shuts_out_an_old_read_key_and_no_host() {
    let world = world();
    let read = world.at("read.key").display().to_string();
    world
        .as_operator(&["key", "export", "read", &read])
        .expect(0);
    restores(&world, &["--key", &read], 0);
    let before = std::fs::read(world.at("keys/local.key")).unwrap();
    world
        .run(&["rotate"])
        .expect(11)
        .says("it needs role `read`");
    let told = world.as_operator(&["rotate"]).expect(0).stdout;
    assert!(told.contains("Epoch 2 has begun"), "{told}");
    world.write("tree/a", "second");
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(std::fs::read(world.at("keys/local.key")).unwrap(), before);
    restores(&world, &["--key", &read], 11).says("the key does not hold epoch 2");
    world.restore("tree");
    world.as_operator(&["check", "--data"]).expect(0);
    // A read key of the old epoch cannot begin one that would lock the new data away.
    let again = world.at("again.key").display().to_string();
    world
        .as_operator(&["key", "export", "read", &again])
        .expect(0);
    restores(&world, &["--key", &again], 0);
    // Nor can it change who opens what it does not hold.
    let (_, public) = identity(&world, "theirs.key");
    let add = ["key", "add-recipient", &public, "--key", &read];
    world
        .run(&add)
        .expect(11)
        .says("the key does not hold epoch 2");
    let rotate = ["rotate", "--key", &read];
    world
        .run(&rotate)
        .expect(11)
        .says("the key does not hold epoch 2");
    world.restore("tree");
}

#[test]
fn a_new_epoch_can_be_for_others_than_before() {
    let world = world();
    let (theirs, public) = identity(&world, "theirs.key");
    world
        .as_operator(&["rotate", "--recipient", "age1nobody"])
        .expect(2)
        .says("a recipient cannot be used");
    world
        .as_operator(&["rotate", "--recipient", &public])
        .expect(0);
    let operator = world.at("operator.key").display().to_string();
    restores(&world, &["--identity", &operator], 11);
    restores(&world, &["--identity", &theirs], 0);
}

#[test]
fn a_revoked_host_is_refused_until_it_has_a_new_key() {
    let world = world();
    let mine = json(&world.run(&["list", "--json"]).expect(0))[0]["host"].clone();
    let host = mine.as_str().unwrap();
    let told = world
        .as_operator(&["rotate", "--revoke-host", host])
        .expect(0);
    assert!(
        told.stdout.contains("1 of its snapshots stay"),
        "{}",
        told.stdout
    );
    world
        .run(&["run", "tree"])
        .expect(11)
        .says("was revoked on")
        .says("holdfast key export write FILE --host NAME");
    assert_eq!(world.snapshots(), 1);
    std::fs::remove_file(world.at("keys/local.key")).unwrap();
    world.as_operator(&["key", "recover"]).expect(0);
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(world.snapshots(), 2);
}

#[test]
fn old_data_is_sealed_anew_on_request() {
    let world = world();
    world
        .run(&["key", "reseal"])
        .expect(11)
        .says("it needs role `read`");
    let told = world.as_operator(&["rotate", "--reseal"]).expect(0).stdout;
    assert!(told.contains("were sealed anew"), "{told}");
    let again = json(&world.as_operator(&["key", "reseal", "--json"]).expect(0));
    assert_eq!(again["resealed-packs"], 0);
    world.restore("tree");
    world.as_operator(&["check", "--data"]).expect(0);
}

#[test]
fn a_repository_that_does_not_record_its_recipients_says_how_to_begin() {
    let world = World::new();
    world.install(&["files", "age"]);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/repositories/1");
    for name in ["repository", "operator.key", "keys"] {
        let copied = Command::new("cp")
            .arg("-r")
            .args([golden.join(name), world.at(name)])
            .status();
        assert!(copied.unwrap().success());
    }
    world.jobs(TREE);
    world.write("tree/a", "first");
    let (theirs, public) = identity(&world, "theirs.key");
    for words in [
        &["key", "recipients"][..],
        &["key", "add-recipient", &public],
        &["rotate"],
    ] {
        world
            .as_operator(words)
            .expect(2)
            .says("it is not recorded who can open this repository")
            .says("holdfast rotate --recipient");
    }
    world
        .as_operator(&["rotate", "--recipient", &public])
        .expect(0);
    world.run(&["run", "tree"]).expect(0);
    restores(&world, &["--identity", &theirs], 0);
    world
        .run(&["check", "--data", "--identity", &theirs])
        .expect(0);
}

#[test]
fn a_sheet_has_all_that_a_restore_needs() {
    let world = world();
    let secret = std::fs::read_to_string(world.at("operator.key")).unwrap();
    let secret = secret.lines().last().unwrap();
    for name in ["sheet.txt", "sheet.svg"] {
        let file = world.at(name);
        let path = file.to_str().unwrap();
        let told = world.as_operator(&["key", "sheet", path]).expect(0).stdout;
        assert!(told.contains("It holds the secret"), "{told}");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        let picture = if name.ends_with("svg") {
            squares(&text)
        } else {
            blocks(&text)
        };
        assert_eq!(scanned(&picture), secret, "{name}");
        world
            .as_operator(&["key", "sheet", path])
            .expect(2)
            .says("keys are never overwritten");
    }
    let text = std::fs::read_to_string(world.at("sheet.txt")).unwrap();
    let listed = json(&world.run(&["key", "recipients", "--json"]).expect(0));
    for needed in [
        listed["recipients"][0]["recipient"].as_str().unwrap(),
        &format!("{}/repository", world.path().display()),
        "epochs/00000001",
        "python3 docs/recover.py",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    // Typed again from paper, with the checksum that the system makes.
    let is_sum = |(_, digits): &(&str, &str)| digits.bytes().all(|byte| byte.is_ascii_digit());
    let checked = text
        .lines()
        .filter_map(|line| line.strip_suffix(']')?.split_once("  [").filter(is_sum));
    let mut typed = String::new();
    for (words, digits) in checked {
        let sum = Command::new("sh")
            .args(["-c", "printf %s \"$1\" | cksum", "sh", words])
            .output();
        let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
        let first = sum.split(' ').next().unwrap();
        assert!(
            format!("000{first}").ends_with(digits),
            "{words}: {first} {digits}"
        );
        if secret.contains(words) {
            typed.push_str(words);
        }
    }
    assert_eq!(typed, secret);
    world.write("typed", &typed);
    let typed = world.at("typed").display().to_string();
    restores(&world, &["--identity", &typed], 0);
}

#[test]
fn a_sheet_without_an_identity_leaves_a_place_to_write() {
    let world = world();
    let file = world.at("sheet").display().to_string();
    let made = json(&world.run(&["key", "sheet", &file, "--json"]).expect(0));
    assert_eq!(made["has-secret"], false);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("______") && !text.contains("AGE-SECRET-KEY"));
    let two = world.at("two").display().to_string();
    let secret = std::fs::read_to_string(world.at("operator.key")).unwrap();
    std::fs::write(&two, secret.repeat(2)).unwrap();
    let other = world.at("other").display().to_string();
    world
        .run(&["key", "sheet", &other, "--identity", &two])
        .expect(2)
        .says("not one secret");
    assert!(!world.at("other").exists());
}

/// Reads the modules of a picture of half blocks.
fn blocks(text: &str) -> Vec<Vec<bool>> {
    let is_block = |c: char| "█▀▄ ".contains(c);
    let is_row = |line: &&str| line.len() > 30 && line.chars().all(is_block);
    let rows: Vec<&str> = text.lines().filter(is_row).collect();
    let half = |line: &str, full: char| line.chars().map(|c| c == '█' || c == full).collect();
    rows.iter()
        .flat_map(|line| [half(line, '▀'), half(line, '▄')])
        .collect()
}

/// Reads the modules of a picture of squares.
fn squares(text: &str) -> Vec<Vec<bool>> {
    let (_, path) = text.split_once(" d=\"").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    let number = |text: &str| -> usize {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let places: Vec<(usize, usize)> = path
        .split('M')
        .skip(1)
        .map(|square| square.split_once(' ').unwrap())
        .map(|(x, y)| (number(x), number(y)))
        .collect();
    let size = number(path.split_once('h').unwrap().1);
    let (left, top) = (
        places.iter().map(|(x, _)| *x).min().unwrap(),
        places.iter().map(|(_, y)| *y).min().unwrap(),
    );
    let mut rows = vec![vec![false; 80]; 80];
    for (x, y) in places {
        rows[4 + (y - top) / size][4 + (x - left) / size] = true;
    }
    rows
}

/// Reads a QR picture as a camera would have it: every module several points wide.
fn scanned(modules: &[Vec<bool>]) -> String {
    const POINTS: usize = 6;
    let (width, height) = (modules[0].len() * POINTS, modules.len() * POINTS);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        if modules[y / POINTS][x / POINTS] {
            20
        } else {
            235
        }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

//! A passphrase instead of an identity: from a reference, or typed on a terminal.

use holdfast_tests::{Ended, TREE, World, on_terminal, plugin};

/// A world with a tree, whose repository is still to be made.
fn bare() -> World {
    let world = World::new();
    world.jobs(TREE);
    for name in ["age", "files"] {
        let file = plugin(name);
        world
            .run(&["plugin", "install", file.to_str().unwrap(), "--yes"])
            .expect(0);
    }
    world.write("tree/a", "sealed to a passphrase");
    world
}

#[test]
fn a_passphrase_opens_a_repository_and_a_wrong_one_does_not() {
    let world = bare();
    world.write("right", "correct horse battery staple\n");
    world.write("wrong", "correct horse battery stable\n");
    world.write("empty", "");
    let from = |name: &str| format!("file:{}", world.at(name).display());
    let made = world
        .run(&["init", "--passphrase-from", &from("right")])
        .expect(0);
    assert!(made.stdout.contains("Write the passphrase down"));
    // To back up, it is not needed.
    world.run(&["run", "tree"]).expect(0);
    let target = world.at("out").display().to_string();
    let restore = |reference: &str| {
        let restore = ["restore", "tree", "--target", &target];
        world.run(&[&restore[..], &["--passphrase-from", reference]].concat())
    };
    restore(&from("wrong"))
        .expect(11)
        .says("the passphrase does not open the repository");
    restore(&from("empty")).expect(11).says("it is empty");
    restore(&from("absent"))
        .expect(11)
        .says("No such file or directory");
    restore("env:NOT_SET")
        .expect(11)
        .says("the environment has no variable `NOT_SET`");
    restore("hunter2")
        .expect(11)
        .says("write env:NAME, file:PATH, credential:NAME or command:LINE");
    assert!(world.files("out").is_empty());
    restore("env:")
        .expect(11)
        .says("write env:NAME, file:PATH, credential:NAME or command:LINE");
    restore("credential:right")
        .expect(11)
        .says("systemd gave no credentials");
    restore("command:false")
        .expect(11)
        .says("`false` ended with");
    restore(&format!("file:{}", world.path().display()))
        .expect(11)
        .says("Is a directory");
    assert!(world.files("out").is_empty());
    let command = format!("command:cat {}", world.at("right").display());
    restore(&command).expect(0);
    let inner = format!("out{}/tree/a", world.path().display());
    assert_eq!(
        std::fs::read(world.at(&inner)).unwrap(),
        b"sealed to a passphrase"
    );
}

#[test]
fn a_passphrase_comes_from_where_it_is_kept_and_makes_a_key_again() {
    let world = bare();
    world.write("right", "correct horse battery staple\n");
    let right = format!("file:{}", world.at("right").display());
    world.run(&["init", "--passphrase-from", &right]).expect(0);
    world.run(&["run", "tree"]).expect(0);
    // As systemd gives it, and as a shell does.
    for (variable, value, reference) in [
        (
            "CREDENTIALS_DIRECTORY",
            world.path().display().to_string(),
            "credential:right",
        ),
        (
            "PASSPHRASE",
            "correct horse battery staple".to_owned(),
            "env:PASSPHRASE",
        ),
    ] {
        let mut listing = world.command(&["ls", "tree", "--passphrase-from", reference]);
        let ended: Ended = listing.env(variable, value).output().unwrap().into();
        assert!(ended.expect(0).stdout.contains("tree/a"), "{reference}");
    }
    std::fs::remove_file(world.at("keys/local.key")).unwrap();
    world
        .run(&["key", "recover"])
        .expect(2)
        .says("--identity FILE or --passphrase");
    world
        .run(&["key", "recover", "--passphrase-from", &right])
        .expect(0);
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn a_passphrase_still_opens_where_what_it_opens_is_harmed_and_has_a_spare() {
    let world = bare();
    let from = "command:echo sesame";
    world.run(&["init", "--passphrase-from", from]).expect(0);
    world.run(&["run", "tree"]).expect(0);
    let identity = world.files("repository/identities").remove(0);
    let sound = std::fs::read(&identity).unwrap();
    for at in [sound.len() / 3, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&identity, bytes).unwrap();
        let listed = world.run(&["ls", "tree", "--passphrase-from", from]);
        assert!(listed.expect(0).stdout.contains("tree/a"), "{at}");
        let checked = world.run(&["check"]).expect(4).stdout;
        assert!(checked.contains("damaged: identities/"), "{checked}");
        world.run(&["check", "--repair"]).expect(0);
        assert_eq!(std::fs::read(&identity).unwrap(), sound, "{at}");
        world.run(&["check"]).expect(0);
    }
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal_and_never_shown() {
    let world = bare();
    let asked = |arguments: &[&str], typed: &[(&str, &str)]| {
        let ended = on_terminal(&world.command(arguments), typed);
        for (_, typed) in typed {
            assert!(!ended.stdout.contains(typed), "{}", ended.stdout);
        }
        ended
    };
    let init = ["init", "--passphrase"];
    let twice = |first, second| [("New passphrase: ", first), ("The same again: ", second)];
    let differ = asked(&init, &twice("sesame", "simsim")).expect(2);
    assert!(
        differ
            .stdout
            .contains("the two passphrases are not the same")
    );
    asked(&init, &twice("sesame", "sesame")).expect(0);
    world.run(&["run", "tree"]).expect(0);
    let listed = asked(
        &["ls", "tree", "--passphrase"],
        &[("Passphrase: ", "sesame")],
    )
    .expect(0);
    assert!(listed.stdout.contains("tree/a"), "{}", listed.stdout);
    // A terminal of its own is not there for a run that cron starts.
    let ended = world.without_terminal(&["ls", "tree", "--passphrase"]);
    ended
        .expect(2)
        .says("there is no terminal to ask for the passphrase on")
        .says("--passphrase-from");
}

#[test]
fn a_passphrase_opens_beside_a_recipient() {
    let world = bare();
    let recipient = "age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z";
    let from = "command:echo sesame";
    let init = ["init", "--recipient", recipient, "--passphrase-from", from];
    let identity = world.at("operator.key").display().to_string();
    let more = ["--new-identity", &identity];
    world.run(&[&init[..], &more].concat()).expect(0);
    world.run(&["run", "tree"]).expect(0);
    for with in [["--passphrase-from", from], ["--identity", &identity]] {
        let listed = world.run(&[&["ls", "tree"][..], &with].concat()).expect(0);
        assert!(listed.stdout.contains("tree/a"), "{with:?}");
    }
    let listed = world.run(&["key", "recipients"]).expect(0).stdout;
    assert!(
        listed.lines().count() == 3 && listed.contains("(a passphrase)"),
        "{listed}"
    );
}

//! No plaintext touches a disk on the way to the store.

use holdfast_tests::World;

const MARK: &str = "tell-nobody-4711";

#[test]
fn what_is_backed_up_is_in_no_file_that_holdfast_writes() {
    let job = format!(
        "[job.dump]\nsource = \"command\"\n[job.dump.with]\ncommand = [\"sh\", \"-c\", \"seq 30000; echo {MARK}\"]\n\
         [job.tree]\nsource = \"files\"\n[job.tree.with]\npaths = [\"{{w}}/tree\"]\n"
    );
    let world = World::ready(&job, &["command", "files"]);
    world.write("tree/secret", format!("{MARK}\n").repeat(100));
    world.run(&["run", "--all"]).expect(0);
    let written: Vec<_> = ["repository", "cache", "state", "data", "config", "keys"]
        .into_iter()
        .flat_map(|directory| world.files(directory))
        .collect();
    assert!(written.len() > 5);
    for file in written {
        let bytes = std::fs::read(&file).unwrap();
        let holds = bytes
            .windows(MARK.len())
            .any(|window| window == MARK.as_bytes());
        assert!(!holds, "{} holds what was backed up", file.display());
    }
    // The test can fail: the mark is where it should be.
    let restored = std::fs::read_to_string(world.restore("dump").join("stdout")).unwrap();
    assert!(restored.contains(MARK));
}

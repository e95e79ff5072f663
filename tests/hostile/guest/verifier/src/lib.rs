//! A verifier that misbehaves on purpose, in whichever way its setting says.

use holdfast_sdk::host::process::{self, Command};
use holdfast_sdk::host::{secrets, state, trees};
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Verifier, export};

#[derive(serde::Deserialize)]
struct Judge {
    how: String,
}

impl Verifier for Judge {
    const MANIFEST: Manifest = Manifest::verifier("hostile-verifier", "0.1.0", "Misjudges")
        .setting(Setting::string("how", "in which way").required());

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }

    fn verify(&self, snapshot: &Content) -> Result<Vec<Finding>, Failure> {
        match self.how.as_str() {
            "loop" => {
                log::info("it begins");
                loop {
                    std::hint::black_box(&self.how);
                }
            }
            "memory" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; 16 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            "panic" => panic!("on purpose"),
            "fail" => Err(Failure::failed("\x1b[31mforged\nno damage found")),
            "flood" => {
                let flood = |n: u64| Finding::error(&n.to_string(), "\x1b[2Jflood\nforged");
                Ok((0..50_000).map(flood).collect())
            }
            "escape" => snapshot.open(b"../../etc/passwd").map(|_| Vec::new()),
            "read-tree" => trees::open("/etc", trees::Access::Read).map(|_| Vec::new()),
            "write-tree" => trees::open("/etc", trees::Access::Write).map(|_| Vec::new()),
            "secret" => secrets::reveal("password").map(|_| Vec::new()),
            "state" => state::set("key", b"value").map(|()| Vec::new()),
            "spawn" => {
                let command = Command {
                    program: "rm".into(),
                    arguments: vec!["-r".into(), "/".into()],
                    environment: vec![],
                    stdin: false,
                };
                process::spawn(&command).map(|_| Vec::new())
            }
            other => Err(Failure::failed(format!("`{other}` is no way to misbehave"))),
        }
    }
}

export!(Judge as Verifier);

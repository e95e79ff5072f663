//! A source that misbehaves on purpose, in whichever way its setting says.

use holdfast_sdk::host::process::{self, Command};
use holdfast_sdk::host::streams::Writer;
use holdfast_sdk::host::{log, net, random, secrets, state, trees};
use holdfast_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Hostile {
    how: String,
}

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1) + frame[7]
    }
}

fn entry(draft: &Draft, name: &[u8]) -> Result<(), Failure> {
    let writer = draft.create(name, &[])?;
    writer.write(b"content")?;
    writer.commit().map(drop)
}

impl Hostile {
    /// Uses an entry's writer after its end, which the types forbid and a handle's number does not.
    fn forge(&self, draft: &Draft) -> Result<(), Failure> {
        let writer = draft.create(b"entry", &[])?;
        let twin = unsafe { Writer::from_handle(writer.handle()) };
        writer.write(b"content")?;
        match self.how.as_str() {
            "close-twice" => drop(writer),
            _ => drop(writer.commit()?),
        }
        match self.how.as_str() {
            "close-twice" => drop(twin),
            "write-after-end" => twin.write(b"more")?,
            _ => drop(twin.commit()?),
        }
        Ok(())
    }

    /// Tries to reach what was not granted; success is what must not happen.
    fn reach(&self) -> Result<(), Failure> {
        let command = |program: &str| Command {
            program: program.into(),
            arguments: vec!["/etc/shadow".into()],
            environment: vec![],
            stdin: false,
        };
        match self.how.as_str() {
            "open-tree" => trees::open("/etc", trees::Access::Read).map(drop),
            "spawn" => process::spawn(&command("cat")).map(drop),
            "secret" => secrets::reveal("password").map(drop),
            "state" => state::set("key", b"value"),
            "connect" => net::connect("example.net:443", net::Protection::Tls).map(drop),
            other => Err(Failure::failed(format!("`{other}` is no way to misbehave"))),
        }
    }
}

impl Source for Hostile {
    const MANIFEST: Manifest = Manifest::source("hostile", "0.1.0", "Misbehaves")
        .setting(Setting::string("how", "in which way").required());

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }

    fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
        match self.how.as_str() {
            "loop" => {
                log::write(log::Level::Warn, "it begins", &[]);
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
            "recurse" => {
                std::hint::black_box(recurse(0));
            }
            "panic" => {
                draft.create(b"half", &[])?.write(b"some of it")?;
                panic!("on purpose");
            }
            "trap" => {
                draft.create(b"half", &[])?.write(b"some of it")?;
                core::arch::wasm32::unreachable();
            }
            "close-twice" | "write-after-end" | "finish-twice" => self.forge(draft)?,
            "list-lies" => {
                let writer = draft.create(b"lie", &[])?;
                // A list that begins in the guest's memory and ends far outside of it.
                let lie = unsafe { std::slice::from_raw_parts(8 as *const u8, i32::MAX as usize) };
                writer.write(lie)?;
            }
            "size-lies" => {
                let claims = [("size".into(), "1099511627776".into())];
                let writer = draft.create(b"lie", &claims)?;
                writer.write(b"four")?;
                writer.commit()?;
            }
            "unfinished" => {
                let writer = draft.create(b"half", &[])?;
                writer.write(b"some of it")?;
                drop(writer);
            }
            "nothing" => {}
            "flood-log" => {
                for _ in 0..200_000 {
                    log::write(log::Level::Warn, "\x1b[2Jflood\nerror: forged", &[]);
                }
                entry(draft, b"entry")?;
            }
            "flood-entries" => {
                for n in 0..u64::MAX {
                    entry(draft, n.to_string().as_bytes())?;
                }
            }
            "flood-warnings" => {
                for n in 0..u64::MAX {
                    draft.warn(&n.to_string(), "flood");
                }
            }
            "handles" => {
                let mut handles = Vec::new();
                for n in 0..100_000 {
                    handles.push(draft.create(n.to_string().as_bytes(), &[])?);
                }
            }
            "random" => drop(random::bytes(u32::MAX)),
            "twice" => {
                entry(draft, b"same")?;
                entry(draft, b"same")?;
            }
            "go-on" => {
                entry(draft, b"first")?;
                let _ = entry(draft, b"second");
            }
            "traverse" => entry(draft, b"../../etc/cron.d/x")?,
            "absolute" => entry(draft, b"/etc/passwd")?,
            "nul" => entry(draft, b"a\0b")?,
            "large-read" => {
                entry(draft, b"entry")?;
                return Err(Failure::failed("\x1b[31mforged\nerror: all is well"));
            }
            _ => self.reach()?,
        }
        Ok(())
    }

    fn restore(&self, _: &Content, _: RestoreRequest) -> Result<(), Failure> {
        Ok(())
    }
}

holdfast_sdk::export!(Hostile as Source);

//! Processes, and whether they still live.

use crate::format::session::ProcessMark;
use std::fs;

/// Returns the mark of this process; an empty one if the system does not say.
pub(crate) fn current_process() -> ProcessMark {
    let number = std::process::id();
    let (boot, namespace) = kernel_and_namespace();
    let ticks = start_ticks(number).unwrap_or(0);
    ProcessMark {
        boot,
        namespace,
        number,
        ticks,
    }
}

/// Returns whether a process certainly lives no more. One of another machine may always live.
pub(crate) fn is_dead(process: &ProcessMark) -> bool {
    let (boot, namespace) = kernel_and_namespace();
    let is_ours = !boot.is_empty() && boot == process.boot && namespace == process.namespace;
    is_ours && start_ticks(process.number) != Some(process.ticks)
}

fn kernel_and_namespace() -> (String, String) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    (
        boot.trim().to_owned(),
        namespace.to_string_lossy().into_owned(),
    )
}

/// Returns when a process was started. Its name, which may hold anything, ends with the last bracket.
fn start_ticks(number: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_dead_when_it_has_ended_or_its_number_is_another_s() {
        assert!(!is_dead(&current_process()));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let number = child.id();
        let ticks = start_ticks(number).unwrap();
        let mark = ProcessMark {
            number,
            ticks,
            ..current_process()
        };
        assert!(!is_dead(&mark));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(&mark));
        let reused = ProcessMark {
            ticks: 1,
            ..current_process()
        };
        assert!(is_dead(&reused));
        let elsewhere = ProcessMark {
            boot: "another".into(),
            ..mark
        };
        assert!(!is_dead(&elsewhere));
    }
}

//! How a process dies: after a part of the time that its like take, at a sign of what it does, or not at all.

use super::dice::Dice;
use super::ground::Ground;
use holdfast_testkit::proxy::Fate;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fmt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often one looks whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_micros(700);
/// A process that lives longer hangs.
const LIFE_MAX: Duration = Duration::from_secs(180);
/// How long a process of which none has ended is thought to take.
const USUAL_AT_FIRST: Duration = Duration::from_millis(300);
/// The most that is waited after a sign.
const AFTER_SIGN_MAX_MICROSECONDS: u64 = 4_000;

/// A kind of process: what it is called, what its end may be, and at what it dies.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Its store, and with it the gate that it goes through.
    pub(crate) hand: &'static str,
    /// How it may end by itself.
    pub(crate) codes: &'static [i32],
    /// Requests at which it may die.
    pub(crate) requests: &'static [&'static str],
    /// Areas of a directory whose change is a sign.
    pub(crate) areas: &'static [&'static str],
}

/// How many processes ended how.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) processes: u64,
    /// Processes that ended otherwise than they may.
    pub(crate) wrong: Vec<String>,
    killed: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
    usual: BTreeMap<&'static str, Duration>,
}

impl Tally {
    fn usual(&self, kind: &Kind) -> Duration {
        let usual = self.usual.get(kind.name);
        usual.copied().unwrap_or(USUAL_AT_FIRST)
    }

    fn killed(&mut self, kind: &Kind, moment: &str) {
        self.kills += 1;
        let what = format!("{} {moment}", kind.name);
        *self.killed.entry(what).or_default() += 1;
    }

    fn ended(&mut self, kind: &Kind, lasted: Duration, ended: &Output) {
        let usual = (self.usual(kind) * 3 + lasted) / 4;
        self.usual.insert(kind.name, usual);
        let code = ended.status.code();
        let is_right = code.is_some_and(|code| kind.codes.contains(&code));
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        let what = format!("{} {code}", kind.name);
        *self.ended.entry(what).or_default() += 1;
        if !is_right {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (out, err) = (text(&ended.stdout), text(&ended.stderr));
            self.wrong
                .push(format!("{} ended with {code}: {out}\n{err}", kind.name));
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |counts: &BTreeMap<String, u64>| {
            let words = counts
                .iter()
                .map(|(what, count)| format!("{what} ×{count}"));
            words.collect::<Vec<_>>().join(", ")
        };
        write!(
            f,
            "{} kills of {} processes: {}; ended by themselves: {}",
            self.kills,
            self.processes,
            words(&self.killed),
            words(&self.ended)
        )
    }
}

/// When a process dies.
enum Death {
    Never,
    /// After so many hundredths of the time that its like take.
    After(u64),
    /// At a request: before it, or while it goes on.
    Request(&'static str, u64, bool),
    /// So many microseconds after something has changed in an area.
    Sign(&'static str, u64),
}

impl Death {
    fn draw(kind: &Kind, dice: &mut Dice, has_gate: bool) -> Self {
        let signs = if has_gate { kind.requests } else { kind.areas };
        match dice.below(6) {
            0 => Self::Never,
            1..4 => match dice.one_of(signs) {
                None => Self::After(dice.below(110)),
                Some(sign) if has_gate => Self::Request(sign, dice.below(3), dice.one_in(2)),
                Some(sign) => Self::Sign(sign, dice.below(AFTER_SIGN_MAX_MICROSECONDS)),
            },
            _ => Self::After(dice.below(110)),
        }
    }

    /// Says when it was, for the distribution.
    fn moment(&self) -> String {
        match self {
            Self::Never => "for nothing".to_owned(),
            Self::After(share) => format!("in quarter {}", (share / 25 + 1).min(4)),
            Self::Request(what, _, _) | Self::Sign(what, _) => format!("at {what}"),
        }
    }
}

/// A process that dies at a request.
pub(crate) struct Trap {
    victim: OwnedFd,
    what: &'static str,
    /// Requests of the kind that still pass.
    pass: u64,
    /// Whether the request arrives all the same.
    arrives: bool,
}

impl Trap {
    /// Decides about a request of the process.
    pub(crate) fn pass(&mut self, deed: &str) -> Fate {
        if deed != self.what {
            return Fate::Pass;
        }
        if self.pass > 0 {
            self.pass -= 1;
            return Fate::Pass;
        }
        // One that is dead already has ended by itself.
        let _ = pidfd_send_signal(&self.victim, Signal::KILL);
        if self.arrives {
            Fate::LoseAnswer
        } else {
            Fate::Drop
        }
    }
}

/// Runs a process, and kills it most of the time; returns how it ended unless it was killed.
pub(crate) fn live(
    ground: &Ground,
    tally: &Mutex<Tally>,
    kind: &Kind,
    dice: &mut Dice,
    arguments: &[&str],
) -> Option<Output> {
    let gate = ground.gate(kind.hand);
    let death = Death::draw(kind, dice, gate.is_some());
    let usual = {
        let mut tally = tally.lock().unwrap();
        tally.processes += 1;
        tally.usual(kind)
    };
    let before = match death {
        Death::Sign(area, _) => ground.changed(area),
        _ => None,
    };
    let mut command: Command = ground.world.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let born = Instant::now();
    if let (Death::Request(what, pass, arrives), Some(gate)) = (&death, gate) {
        let victim = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        *gate.lock().unwrap() = Some(Trap {
            victim,
            what,
            pass: *pass,
            arrives: *arrives,
        });
    }
    let strikes = |lived: Duration| match death {
        Death::After(share) => lived >= usual * u32::try_from(share).unwrap() / 100,
        Death::Sign(area, _) => ground.changed(area) != before,
        Death::Never | Death::Request(..) => false,
    };
    let hangs = wait(&mut child, born, strikes, &death);
    let lasted = born.elapsed();
    if let Some(gate) = gate {
        *gate.lock().unwrap() = None;
    }
    let ended = child.wait_with_output().unwrap();
    let mut tally = tally.lock().unwrap();
    if hangs {
        tally.wrong.push(format!("{arguments:?} hangs"));
    } else if was_killed(&ended) {
        tally.killed(kind, &death.moment());
    } else {
        tally.ended(kind, lasted, &ended);
        return Some(ended);
    }
    None
}

fn was_killed(ended: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt;
    ended.status.signal() == Some(Signal::KILL.as_raw())
}

/// Waits until a process ends, or it is time to kill it; returns whether it hangs.
fn wait(
    child: &mut Child,
    born: Instant,
    strikes: impl Fn(Duration) -> bool,
    death: &Death,
) -> bool {
    while child.try_wait().unwrap().is_none() {
        if born.elapsed() > LIFE_MAX {
            let _ = child.kill();
            return true;
        }
        if strikes(born.elapsed()) {
            if let Death::Sign(_, microseconds) = death {
                std::thread::sleep(Duration::from_micros(*microseconds));
            }
            let _ = child.kill();
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    false
}

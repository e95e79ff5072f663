//! Every limit of a plugin call, each with its reason.

use std::time::Duration;

/// Largest component file. The largest known, with a Python inside, has 18 MB.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Largest manifest: it is text that people read.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// Most memory of one guest memory. Plugins hold no data, they steer it.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Most memories of a guest: a component made of several modules has one each.
pub const MEMORIES_MAX: usize = 4;

/// Most table elements: functions of a program, not data.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Most tables: one for each module of a component, and a few of the bindings.
pub const TABLES_MAX: usize = 64;

/// Transfers that go on at once; each has a thread.
pub const TRANSFERS_MAX: usize = 32;

/// Most instances: modules of one component.
pub const INSTANCES_MAX: usize = 64;

/// Most handles that a guest holds at once.
pub const HANDLES_MAX: usize = 1_000;

/// Most bytes that the host allocates for one call of a guest.
pub const HOSTCALL_BYTES_MAX: usize = 8 << 20;

/// Guest stack. Deep recursion is a fault, not a need.
pub const STACK_BYTES_MAX: usize = 512 << 10;

/// How often a running guest is looked at.
pub const TICK: Duration = Duration::from_millis(10);

/// Log lines in one call; more are dropped and counted.
pub const LOG_LINES_MAX: u64 = 10_000;

/// Bytes of log lines in one call; more are dropped and counted.
pub const LOG_BYTES_MAX: u64 = 4 << 20;

/// Longest log line; what is longer is cut.
pub const LOG_LINE_BYTES_MAX: usize = 4 << 10;

/// Entries that a guest may create one by one in one call. Trees are added whole and do not count.
pub const STREAMS_MAX: u64 = 1_000_000;

/// Warnings that a guest may give in one call.
pub const WARNINGS_MAX: u64 = 100_000;

/// Findings that are taken from one call.
pub const FINDINGS_MAX: usize = 10_000;

/// Entries that are listed at once.
pub const LISTING_MAX: u32 = 1_000;

/// Largest value of the state.
pub const STATE_VALUE_BYTES_MAX: usize = 64 << 10;

/// Most random bytes in one call.
pub const RANDOM_BYTES_MAX: u32 = 64 << 10;

/// Time for a call that should answer at once: `check`, `generate`, `committed`, `notify`.
pub const SHORT_CALL: Duration = Duration::from_secs(300);

/// Time to seal or open one pack, however slow the cipher.
pub const SEAL_CALL: Duration = Duration::from_secs(3600);

/// Time for a call that moves a site's data. Who needs longer says so.
pub const LONG_CALL: Duration = Duration::from_secs(48 * 3600);

/// What one call may take.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Time that the guest itself may run; what it waits for does not count.
    pub guest_time: Duration,
    /// Time for the whole call, waiting included; by default, by the kind of call.
    pub deadline: Option<Duration>,
    /// Most memory of one guest memory.
    pub memory_bytes: usize,
    /// Entries that a backup has to put into the draft: a source that succeeds with nothing is not
    /// believed, unless this says 0.
    pub entries_min: u64,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            guest_time: Duration::from_secs(4 * 3600),
            deadline: None,
            memory_bytes: MEMORY_BYTES_MAX,
            entries_min: 1,
        }
    }
}

//! What an operator can do about a failure.
//!
//! Libraries name the step; the command line alone knows how it is typed. So a flag can get another name, or a second
//! program can use the libraries, and no library has to change.

/// One step that an operator can take next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// A step that is no command of ours: a change in the configuration or outside, or what a plugin advises.
    Words(String),
    /// Snapshots, and what they consist of.
    Snapshot(SnapshotAdvice),
    /// The keys of a repository, and its epochs.
    Key(KeyAdvice),
    /// Plugins, and what they may do in a job.
    Plugin(PluginAdvice),
    /// Who can open a repository, and how it is made.
    Access(AccessAdvice),
    /// The configuration and the runs of jobs.
    Job(JobAdvice),
}

/// A step about snapshots, and what they consist of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotAdvice {
    /// Have what a snapshot needs thawed, and restore it when all of that can be read.
    RestoreThawed,
    /// See which snapshots there are.
    ListSnapshots,
    /// See whether a snapshot exists when the store works again.
    ListSnapshotsLater,
    /// See which snapshots are held.
    ListHeldSnapshots,
    /// See which forgotten snapshots can be brought back, after one was named that is not forgotten.
    ListRestorableSnapshots,
    /// See which entries a snapshot has, or find one.
    ListEntries,
    /// See which sessions are open.
    ListOpenSessions,
    /// End the hold on a snapshot.
    ReleaseHold {
        /// The snapshot, as short as people call it.
        snapshot: String,
    },
    /// Forget a snapshot on the host that made it, or as an operator.
    ForgetOnHost {
        /// The host.
        host: String,
    },
    /// Release a snapshot whose hold is damaged: it holds all the same.
    ReleaseDamagedHold,
    /// Let collection remove a session that is damaged.
    CollectDamagedSession,
    /// Let collection go on without a tombstone that is damaged.
    CollectWithoutTombstone,
    /// See how far the damage goes.
    CheckData,
    /// Run the same later: all that is needed is being thawed.
    AwaitThaw,
    /// Ask the service to thaw what is needed.
    RequestThaw,
}

/// A step about the keys of a repository, and its epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAdvice {
    /// Create a repository.
    CreateRepository,
    /// Make the write key of a repository again, if that is what is missing.
    RecoverWriteKey,
    /// Begin a new epoch, if the store was brought back from an older copy.
    BeginEpochAfterRollback,
    /// Begin a new epoch, and name everybody who shall open it.
    BeginEpochForEverybody,
    /// Open a repository with a write or read key: no operator can.
    OpenWithoutOperator,
    /// See who can open the repository now, and try again.
    ReviewOperators,
    /// See who can open the repository.
    ListOperators,
    /// Open the repository with something that can read.
    GiveReadingKey,
    /// Open the repository with a read key that was exported before somebody wrote below its epochs.
    GiveExportedReadKey,
    /// Get a write key for this host.
    ExportHostKey,
    /// Open the repository with a key of a role, or as an operator.
    GiveKeyOfRole {
        /// The role.
        role: String,
    },
}

/// A step about plugins, and what they may do in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginAdvice {
    /// Grant a plugin what it asks for; if programs are named, let it run only these.
    GrantPlugin {
        /// The plugin.
        plugin: String,
        /// Programs, each as a pattern that fits nothing else.
        programs: Vec<String>,
    },
    /// See what a plugin asks for: no grant can allow what it asked for only now.
    ShowRequests {
        /// The plugin.
        plugin: String,
    },
    /// Remove a line that allows a plugin what it never asks for.
    RemoveLine {
        /// The plugin.
        plugin: String,
    },
    /// Name something in the settings that a job gives a plugin.
    NameInSettings {
        /// The plugin and the job.
        owner: PluginInJob,
        /// The setting.
        setting: String,
        /// What it has to say.
        value: SettingValue,
    },
    /// Add something to what a job allows a plugin.
    AllowInJob {
        /// The plugin and the job.
        owner: PluginInJob,
        /// What is allowed.
        what: Allowed,
        /// All that has to be allowed, new and old.
        values: Vec<String>,
    },
    /// Give a command more time.
    RaiseCommandTimeout {
        /// The plugin that runs it and the job.
        owner: PluginInJob,
        /// The program, or the word that stands for any.
        program: String,
    },
    /// Install a plugin again whose file changed.
    ReinstallPlugin {
        /// The plugin.
        plugin: String,
    },
    /// Make a component of a module.
    BuildComponent,
    /// Add a manifest to a component.
    PackManifest,
    /// Build a component again with the SDK that fits this host.
    RebuildComponent,
    /// Install a plugin.
    InstallPlugin {
        /// The plugin.
        plugin: String,
    },
    /// Look at what an installed plugin asks for, and grant it.
    ApproveRequests {
        /// The plugin.
        plugin: String,
    },
    /// Remove the list of installed plugins, and install them again.
    RebuildPluginList,
}

/// A step about who can open a repository, and what makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessAdvice {
    /// Bring a key file back, or make it again from an operator's identity.
    RecoverKeyFile {
        /// The key file.
        path: String,
    },
    /// Open the repository with what it was sealed to.
    UseOperatorCredentials,
    /// Name an operator who can open a new repository.
    NameFirstOperator,
    /// Name an operator who shall be able to open a repository from now on.
    NameNewOperator,
    /// Look at the recipients on the command line and in the store's table.
    ReviewRecipients,
    /// Leave the host out, or export a write key.
    OmitHost,
    /// Name the host that a write key is for.
    NameHost,
    /// Copy with a key that reads, or give both stores the same keys.
    ReadOrShareKeys,
    /// Do without object lock, or move to a bucket that has it.
    MoveToLockingBucket,
    /// Give a file with one identity, or write the secret on the sheet by hand.
    GiveOneIdentity,
    /// Write the secret on the sheet by hand.
    WriteSecretByHand,
}

/// A step about the configuration and the runs of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobAdvice {
    /// Write a configuration, or name another file.
    WriteConfiguration {
        /// The smallest one that works.
        example: &'static str,
    },
    /// See which snapshots of a job can be read, and name one by its id.
    NameReadableSnapshot {
        /// The job.
        job: String,
    },
    /// Name in the job the plugin that makes the backup.
    NameSourcePlugin,
    /// Wait for the other run of the job to end, or look it up in the history.
    AwaitRun,
    /// Restore without a safety backup.
    SkipSafetyBackup,
    /// Make the first snapshot.
    MakeSnapshot,
    /// See which forgotten snapshots can be brought back.
    ListForgotten,
    /// Name a verifier, in the job or on the command line.
    NameVerifier,
    /// Name a directory to restore to.
    NameTargetDirectory,
    /// Say how long something is to be locked.
    SetLockTime,
    /// Give a reason for a hold.
    GiveReason,
}

macro_rules! from_steps {
    ($($group:ident($steps:ty)),+) => {
        $(impl From<$steps> for Advice {
            fn from(step: $steps) -> Self {
                Self::$group(step)
            }
        })+
    };
}

from_steps!(
    Snapshot(SnapshotAdvice),
    Key(KeyAdvice),
    Plugin(PluginAdvice),
    Access(AccessAdvice),
    Job(JobAdvice)
);

/// A plugin in a job: who owns the tables of the configuration that an [`Advice`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInJob {
    /// The plugin.
    pub plugin: String,
    /// The job.
    pub job: String,
    /// What the plugin does there.
    pub role: PluginRole,
}

/// What a plugin does in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PluginRole {
    /// It makes the backup.
    #[default]
    Source,
    /// It judges the backup.
    Verifier,
}

/// What a setting has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A reference to a secret, which only the operator knows.
    SecretReference,
}

/// What a job can allow a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Command lines, as patterns.
    Commands,
    /// Directories.
    Paths,
    /// Secrets, by name.
    Secrets,
}

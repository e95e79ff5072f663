//! Restoring: writes entries into a target, in parallel.
//!
//! Entries come in order; their chunks are looked up for a window of them, sorted by where they
//! lie, and read in long ranges. Each frame is opened and expanded once in a window, and its chunks
//! go straight to their places in the files. Nothing grows with the size of the snapshot.
//!
//! - What lies damaged is named, and everything else is restored.
//! - A file that stands there already is left alone only if it has the content of the snapshot.
//! - The directories above what was chosen get their owners and modes too, if they are made here.
//! - A file's time is set when its last chunk has been written: an interrupted restore can tell
//!   which files are whole.

mod alike;
mod places;

pub use places::placed;

use crate::format::item::Item;
use crate::format::pack::FrameError;
use crate::format::root::Root;
use crate::ground::domain::Domain;
use crate::index::Location;
use crate::keys::IdKey;
use crate::objects::error::{ObjectError, ObjectFault};
use crate::pipeline::compress::Expander;
use crate::read::ReadError;
use crate::read::{Reader, unread_after};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, RestoreTarget, Started, TargetFile, Warning,
};
use holdfast_base::error::join_causes;
use holdfast_base::id::ChunkId;
use holdfast_base::parallel::{Workers, count_cores, try_map_parallel};
use holdfast_base::sync::Unpoisoned;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Chunks that are planned at once.
const WINDOW_CHUNKS: usize = 16_384;
/// Files that may be open at once.
const WINDOW_OPEN_FILES: usize = 256;
/// One read of a pack is at most this long …
const READ_MAX: u64 = 4 << 20;
/// … and passes over gaps of at most this much.
const GAP_MAX: u64 = 256 << 10;

/// Threads that read from a store whose answers take most of the time.
const FAR_WORKERS: usize = 4;

/// What a restore came to.
#[derive(Debug, Default)]
pub struct Restored {
    /// Entries that were restored or were there already.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries that an earlier, interrupted restore had completed.
    pub already_there: u64,
    /// Entries that could not be written.
    pub refused: Vec<Warning>,
    /// Entries whose content is damaged.
    pub damaged: Vec<Warning>,
}

/// Chooses the entries that are restored.
pub type Selection<'a> = &'a (dyn Fn(&EntryPath) -> bool + Sync);

/// Writes the chosen entries of a snapshot into a target.
///
/// # Errors
/// The snapshot's structure cannot be read, or the run was cancelled.
pub fn restore(
    reader: &Reader,
    root: &Root,
    selection: Selection<'_>,
    target: &dyn RestoreTarget,
    cancel: &Cancel,
) -> Result<Restored, ReadError> {
    let mut run = Run {
        reader,
        id_key: reader.repository.id_key()?.clone(),
        target,
        cancel,
        outcome: Mutex::default(),
        links: Vec::new(),
        above: Vec::new(),
    };
    let mut window = Window::default();
    let mut last = None;
    for item in reader.read_items(root)? {
        let (item, chunks) = match item {
            Ok(item) => item,
            Err(error) if error.is_damage() => {
                run.unread(last.as_ref(), &error);
                continue;
            }
            Err(error) => return Err(error),
        };
        last = Some(item.entry.path.clone());
        if !selection(&item.entry.path) {
            run.remember_above(item.entry);
            continue;
        }
        run.make_above(&item.entry.path);
        run.plan_window(item, &chunks, &mut window)?;
        if window.is_full() {
            run.write_window(&mut window)?;
        }
    }
    run.write_window(&mut window)?;
    for entry in std::mem::take(&mut run.links) {
        run.make_entry(&entry);
    }
    if let Err(error) = target.finish() {
        run.refuse("directories".into(), error.to_string());
    }
    Ok(run.outcome.into_inner_unpoisoned())
}

struct Run<'a> {
    reader: &'a Reader,
    id_key: IdKey,
    target: &'a dyn RestoreTarget,
    cancel: &'a Cancel,
    outcome: Mutex<Restored>,
    links: Vec<Entry>,
    /// Directories that were not chosen, in which what comes next may lie: each lies in the one before.
    above: Vec<Entry>,
}

/// A file that is being restored, shared by those who write its chunks.
struct FileJob {
    entry: Entry,
    size: u64,
    chunks: Box<[ChunkId]>,
    left: AtomicUsize,
    state: Mutex<FileState>,
}

enum FileState {
    Waiting,
    Open(Arc<dyn TargetFile>),
    /// Completed earlier, refused by the target, or damaged: further chunks are dropped.
    Closed,
}

/// A chunk and its place in a file.
#[derive(Clone)]
struct Use {
    file: Arc<FileJob>,
    id: ChunkId,
    at: Location,
    /// Place in the content, holes left out.
    position: u64,
}

impl Use {
    /// Its offset in its expanded frame.
    fn within(&self) -> Range<usize> {
        self.at.offset as usize..self.at.offset as usize + self.at.length as usize
    }

    /// Returns whether it follows another one directly, in the frame and in the file.
    fn follows(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && self.within().start == other.within().end
            && self.position == other.position + u64::from(other.at.length)
    }
}

#[derive(Default)]
struct Window {
    uses: Vec<Use>,
    large_files: usize,
}

impl Window {
    fn is_full(&self) -> bool {
        self.uses.len() >= WINDOW_CHUNKS || self.large_files >= WINDOW_OPEN_FILES
    }
}

impl Run<'_> {
    fn plan_window(
        &mut self,
        item: Item,
        chunks: &[ChunkId],
        window: &mut Window,
    ) -> Result<(), ReadError> {
        if matches!(item.entry.kind, EntryKind::HardLink { .. }) {
            self.links.push(item.entry);
            return Ok(());
        }
        if !item.entry.has_content() {
            self.make_entry(&item.entry);
            return Ok(());
        }
        let size = match item.entry.kind {
            EntryKind::File { size, .. } => size,
            _ => item.content_bytes,
        };
        let file = Arc::new(FileJob {
            entry: item.entry,
            size,
            chunks: chunks.into(),
            left: AtomicUsize::new(chunks.len()),
            state: Mutex::new(FileState::Waiting),
        });
        if chunks.is_empty() {
            self.complete(&file);
            return Ok(());
        }
        window.large_files += usize::from(chunks.len() > 1);
        let mut position = 0;
        for id in chunks {
            match self.reader.locate(id) {
                Ok(at) => {
                    position += u64::from(at.length);
                    let position = position - u64::from(at.length);
                    window.uses.push(Use {
                        file: Arc::clone(&file),
                        id: *id,
                        at,
                        position,
                    });
                }
                Err(error) => {
                    self.damage(&file, &error);
                    break;
                }
            }
            if window.uses.len() >= WINDOW_CHUNKS {
                self.write_window(window)?;
            }
        }
        Ok(())
    }

    /// Remembers a directory for as long as what comes may lie in it.
    fn remember_above(&mut self, entry: Entry) {
        self.leave_above(&entry.path);
        if entry.kind == EntryKind::Directory {
            self.above.push(entry);
        }
    }

    fn leave_above(&mut self, next: &EntryPath) {
        while self
            .above
            .last()
            .is_some_and(|above| !next.is_within(&above.path))
        {
            self.above.pop();
        }
    }

    /// Makes the directories in which a chosen entry lies, as they were. They are not counted: nobody chose them.
    fn make_above(&mut self, chosen: &EntryPath) {
        self.leave_above(chosen);
        for above in std::mem::take(&mut self.above) {
            if let Err(error) = self.target.make_parent(&above) {
                self.refuse(above.path.to_string(), error.to_string());
            }
        }
    }

    fn make_entry(&self, entry: &Entry) {
        match self.target.make(entry) {
            Ok(()) => self.count_file(0, false),
            Err(error) => self.refuse(entry.path.to_string(), error.to_string()),
        }
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Restored> {
        self.outcome.lock_unpoisoned()
    }

    fn count_file(&self, bytes: u64, already_there: bool) {
        let mut outcome = self.outcome();
        outcome.entries += 1;
        outcome.bytes += bytes;
        outcome.already_there += u64::from(already_there);
    }

    fn refuse(&self, subject: String, message: String) {
        self.outcome().refused.push(Warning { subject, message });
    }

    /// Says that a part of the list of entries cannot be read.
    fn unread(&self, last: Option<&EntryPath>, error: &ReadError) {
        let last = last.map(ToString::to_string);
        self.outcome().damaged.push(Warning {
            subject: unread_after(last.as_deref()),
            message: join_causes(error),
        });
    }

    fn damage(&self, file: &FileJob, error: &dyn std::fmt::Display) {
        let mut state = file.state.lock_unpoisoned();
        if matches!(*state, FileState::Closed) {
            return;
        }
        *state = FileState::Closed;
        let warning = Warning {
            subject: file.entry.path.to_string(),
            message: error.to_string(),
        };
        self.outcome().damaged.push(warning);
    }

    /// Returns the open file; none if nothing more is to be written to it.
    fn open_target(&self, file: &FileJob) -> Option<Arc<dyn TargetFile>> {
        let mut state = file.state.lock_unpoisoned();
        match &*state {
            FileState::Open(open) => return Some(Arc::clone(open)),
            FileState::Closed => return None,
            FileState::Waiting => {}
        }
        match self.start_file(file) {
            Ok(Some(open)) => {
                let open: Arc<dyn TargetFile> = Arc::from(open);
                *state = FileState::Open(Arc::clone(&open));
                return Some(open);
            }
            Ok(None) => self.count_file(file.size, true),
            Err(error) => self.refuse(file.entry.path.to_string(), error.to_string()),
        }
        *state = FileState::Closed;
        None
    }

    /// Starts a file; none if it is there already.
    fn start_file(&self, file: &FileJob) -> io::Result<Option<Box<dyn TargetFile>>> {
        match self.target.start(&file.entry, file.size)? {
            Started::New(open) => Ok(Some(open)),
            Started::Trusted => Ok(None),
            // One that cannot be read is not the same.
            Started::Alike(there) if self.has_content(&there, file).unwrap_or(false) => Ok(None),
            Started::Alike(_) => self.target.start_over(&file.entry, file.size).map(Some),
        }
    }

    fn complete(&self, file: &FileJob) {
        let Some(open) = self.open_target(file) else {
            return;
        };
        *file.state.lock_unpoisoned() = FileState::Closed;
        match open.finish(&file.entry) {
            Ok(()) => self.count_file(file.size, false),
            Err(error) => self.refuse(file.entry.path.to_string(), error.to_string()),
        }
    }

    /// Reads everything that the window needs, and writes it to its places.
    fn write_window(&self, window: &mut Window) -> Result<(), ReadError> {
        window.large_files = 0;
        let units = group_uses(std::mem::take(&mut window.uses));
        let is_far = self.reader.repository.setup.store.is_far();
        let workers = Workers {
            count_max: count_cores().max(if is_far { FAR_WORKERS } else { 1 }),
            cancel: self.cancel,
        };
        let write_unit = |expander: &mut Expander, unit: &Unit| self.write_unit(unit, expander);
        let start = || Ok(Expander::new()?);
        try_map_parallel(&units, workers, start, write_unit)?;
        Ok(())
    }

    fn write_unit(&self, unit: &Unit, expander: &mut Expander) -> Result<(), ReadError> {
        let Some(first) = unit.frames.first().and_then(|frame| frame.first()) else {
            return Ok(());
        };
        let bytes =
            match self
                .reader
                .open_pack(&first.at, unit.start, (unit.end - unit.start) as usize)
            {
                Ok(bytes) => bytes,
                // Damage concerns the entries that lie there, and not their neighbours; a wrong key
                // concerns them all.
                Err(error) if error.is_damage() => {
                    if let [frame] = &*unit.frames {
                        let files = frame.iter().map(|used| &used.file);
                        files.for_each(|file| self.damage(file, &error));
                        return Ok(());
                    }
                    let mut alone = unit
                        .frames
                        .iter()
                        .filter_map(|frame| Unit::from_single_use(frame));
                    return alone.try_for_each(|unit| self.write_unit(&unit, expander));
                }
                Err(error) => return Err(error.into()),
            };
        for frame in &unit.frames {
            let Some(first) = frame.first() else { continue };
            let start = (u64::from(first.at.frame_offset) - unit.start) as usize;
            let packed = &bytes[start..start + first.at.frame_length as usize];
            match expander.expand(packed, first.at.frame_expanded) {
                Ok(plain) => self.write_frame(frame, plain),
                Err(error) => {
                    let error = ObjectError::from(error).in_object(first.at.pack.to_string());
                    frame
                        .iter()
                        .for_each(|used| self.damage(&used.file, &error));
                }
            }
        }
        Ok(())
    }

    /// Writes the chunks of a frame; what lies together here and there is written at once.
    fn write_frame(&self, uses: &[Use], plain: &[u8]) {
        let mut start = 0;
        for (at, used) in uses.iter().enumerate() {
            let is_sound = self.is_sound(used, plain);
            if !is_sound || (at > start && !used.follows(&uses[at - 1])) {
                self.run(&uses[start..at], plain);
                start = at + usize::from(!is_sound);
            }
        }
        self.run(&uses[start..], plain);
    }

    /// Checks that a chunk has the content that its name says; its file is damaged otherwise.
    fn is_sound(&self, used: &Use, plain: &[u8]) -> bool {
        let bytes = plain.get(used.within());
        if bytes.is_some_and(|bytes| self.id_key.id(Domain::Content, bytes) == used.id) {
            return true;
        }
        let error = ObjectError::from(FrameError::Content { chunk: used.id });
        self.damage(&used.file, &error.in_object(used.at.pack.to_string()));
        false
    }

    /// Writes sound chunks that follow one another.
    fn run(&self, uses: &[Use], plain: &[u8]) {
        let (Some(first), Some(last)) = (uses.first(), uses.last()) else {
            return;
        };
        let file = &first.file;
        let Some(open) = self.open_target(file) else {
            return;
        };
        let bytes = &plain[first.within().start..last.within().end];
        if let Err(error) = write_pieces(open.as_ref(), &file.entry, first.position, bytes) {
            *file.state.lock_unpoisoned() = FileState::Closed;
            return self.refuse(file.entry.path.to_string(), error.to_string());
        }
        drop(open);
        if file.left.fetch_sub(uses.len(), Ordering::AcqRel) == uses.len() {
            self.complete(file);
        }
    }
}

/// Writes content to its place, passing over the holes of a sparse file.
fn write_pieces(
    file: &dyn TargetFile,
    entry: &Entry,
    position: u64,
    bytes: &[u8],
) -> io::Result<()> {
    let EntryKind::File {
        extents: Some(extents),
        ..
    } = &entry.kind
    else {
        return file.write_at(position, bytes);
    };
    let mut rest = bytes;
    for (offset, length) in placed(extents, position, bytes.len() as u64) {
        let (now, later) = rest.split_at((length as usize).min(rest.len()));
        file.write_at(offset, now)?;
        rest = later;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other("it has more content than its extents"))
    }
}

/// A range of a pack that is read at once: for each frame in it, the chunks that are needed.
struct Unit {
    start: u64,
    end: u64,
    frames: Vec<Vec<Use>>,
}

impl Unit {
    /// Returns a range of one frame only.
    fn from_single_use(frame: &[Use]) -> Option<Self> {
        let at = &frame.first()?.at;
        let start = u64::from(at.frame_offset);
        Some(Self {
            start,
            end: start + u64::from(at.frame_length),
            frames: vec![frame.to_vec()],
        })
    }
}

/// Groups chunks by frame and frames into ranges; packs stay in the order in which they are needed.
fn group_uses(mut uses: Vec<Use>) -> Vec<Unit> {
    let mut order = HashMap::new();
    for used in &uses {
        let next = order.len();
        order.entry(used.at.pack).or_insert(next);
    }
    uses.sort_by_cached_key(|used| {
        (
            order.get(&used.at.pack).copied(),
            used.at.frame_offset,
            used.at.offset,
        )
    });
    let mut units: Vec<Unit> = Vec::new();
    for used in uses {
        let start = u64::from(used.at.frame_offset);
        let end = start + u64::from(used.at.frame_length);
        if let Some(unit) = units.last_mut()
            && let Some(frame) = unit.frames.last_mut()
            && let Some(last) = frame.last()
            && last.at.pack == used.at.pack
        {
            if last.at.frame_offset == used.at.frame_offset {
                frame.push(used);
                continue;
            }
            if start <= unit.end + GAP_MAX && end - unit.start <= READ_MAX {
                unit.end = end;
                unit.frames.push(vec![used]);
                continue;
            }
        }
        units.push(Unit {
            start,
            end,
            frames: vec![vec![used]],
        });
    }
    units
}

//! A backup: W1 to W7 of the protocol, one operation of the store at a time.

use crate::state::{IDS, Id, Key, PACKS, Set, State, Writer, WriterAt, has, members, one};
use crate::world::{Step, World};

/// A writer at one moment: what it may do next is pushed to `out`.
struct Turn<'a> {
    world: &'a World,
    state: &'a State,
    slot: usize,
    writer: Writer,
    out: &'a mut Vec<Step>,
}

/// What the writer in this slot may do next.
pub(crate) fn steps(world: &World, state: &State, slot: usize, out: &mut Vec<Step>) {
    let writer = state.writers[slot];
    let mut turn = Turn {
        world,
        state,
        slot,
        writer,
        out,
    };
    match writer.at {
        WriterAt::Idle => turn.begin(),
        WriterAt::CreateSession => turn.create_session(),
        WriterAt::ListTombstones => turn.list_tombstones(),
        WriterAt::ListPacks => turn.list_packs(),
        WriterAt::StorePack => turn.store_pack(),
        WriterAt::StoreIndex => turn.store_index(),
        WriterAt::Revalidate => turn.revalidate(),
        WriterAt::Commit => turn.commit(),
        WriterAt::CommitUnanswered => turn.look_up_commit(),
        WriterAt::BeginAgain => turn.begin_again(),
        WriterAt::GiveUp => turn.give_up(),
    }
    if writer.at != WriterAt::Idle && state.left.backups > 0 {
        turn.push("is killed", 0, *state, Writer::default());
    }
}

impl Turn<'_> {
    fn push(&mut self, does: &'static str, on: Set, mut then: State, writer: Writer) {
        then.writers[self.slot] = writer;
        self.out.push(Step {
            who: "writer",
            does,
            on,
            then,
        });
    }

    fn id(&self) -> usize {
        usize::from(self.writer.id)
    }

    /// W1: the tombstones that there are.
    fn begin(&mut self) {
        if self.state.left.backups == 0 || usize::from(self.state.ids_made) == IDS {
            return;
        }
        let mut then = *self.state;
        then.left.backups -= 1;
        self.see_tombstones(then, Writer::default());
    }

    /// The same for the session after the one that lost the race.
    fn begin_again(&mut self) {
        if usize::from(self.state.ids_made) == IDS {
            return;
        }
        let writer = Writer {
            again: true,
            relies: self.writer.relies,
            ..Writer::default()
        };
        self.see_tombstones(*self.state, writer);
    }

    fn see_tombstones(&mut self, base: State, writer: Writer) {
        let views = self
            .world
            .views(&base, base.standing, base.young_tombstones, false);
        for (seen, lies) in views {
            let mut then = base;
            then.left.lies -= lies;
            let writer = Writer {
                at: WriterAt::CreateSession,
                seen,
                avoided: then.named_by(seen),
                ..writer
            };
            self.push("W1 sees tombstones", seen, then, writer);
        }
    }

    /// W2: from now on, collectors see the session.
    fn create_session(&mut self) {
        let mut then = *self.state;
        let mut writer = self.writer;
        writer.id = then.ids_made;
        then.ids[usize::from(writer.id)] = Id {
            session: true,
            seen: writer.seen,
            ..Id::default()
        };
        then.ids_made += 1;
        then.young_sessions |= one(usize::from(writer.id));
        let rules = &self.world.rules;
        writer.seen = 0;
        writer.at = if writer.again && !rules.revalidate_after_lost_race {
            WriterAt::Commit
        } else if !rules.list_tombstones_after_session || !rules.list_tombstones_before_packs {
            WriterAt::ListPacks
        } else {
            WriterAt::ListTombstones
        };
        self.push(
            "W2 creates session",
            one(usize::from(writer.id)),
            then,
            writer,
        );
    }

    /// W3, first half: what is avoided.
    fn list_tombstones(&mut self) {
        let rules = &self.world.rules;
        let state = self.state;
        let views = self.world.views(
            state,
            state.standing,
            state.young_tombstones,
            rules.list_tombstones_twice,
        );
        for (seen, lies) in views {
            let mut then = *state;
            then.left.lies -= lies;
            let mut writer = self.writer;
            writer.avoided |= then.named_by(seen);
            if rules.list_tombstones_before_packs {
                writer.at = WriterAt::ListPacks;
                self.push("W3 lists tombstones", seen, then, writer);
            } else {
                let listed = writer.listed;
                writer.listed = 0;
                self.choose("W3 lists tombstones and reuses", then, writer, listed);
            }
        }
    }

    /// W3, second half: what can be reused.
    fn list_packs(&mut self) {
        let rules = &self.world.rules;
        for (listed, lies) in self.world.pack_views(self.state) {
            let mut then = *self.state;
            then.left.lies -= lies;
            let mut writer = self.writer;
            if rules.list_tombstones_after_session && !rules.list_tombstones_before_packs {
                writer.at = WriterAt::ListTombstones;
                writer.listed = listed;
                self.push("W3 lists packs", listed, then, writer);
            } else {
                self.choose("W3 lists packs and reuses", then, writer, listed);
            }
        }
    }

    /// Reuses some of the packs that may be reused, in every way that makes sense; what else is wanted
    /// goes into a pack of its own.
    fn choose(&mut self, does: &'static str, base: State, mut writer: Writer, listed: Set) {
        let rules = &self.world.rules;
        if writer.again {
            let sound = writer.relies & !listed == 0 && writer.relies & writer.avoided == 0;
            writer.avoided = 0;
            writer.at = if sound {
                WriterAt::Commit
            } else {
                WriterAt::GiveUp
            };
            self.push("W6 looks again", listed, base, writer);
            return;
        }
        let known = if rules.list_packs_before_reuse {
            listed
        } else {
            base.indexed
        };
        let avoided = if rules.avoid_named_packs {
            writer.avoided
        } else {
            0
        };
        writer.avoided = 0;
        let usable = known & !avoided;
        for relies in (0..=usable).filter(|set| set & !usable == 0) {
            self.rely(does, base, writer, relies);
        }
    }

    fn rely(&mut self, does: &'static str, base: State, mut writer: Writer, relies: Set) {
        let wants = self.world.wants;
        let superfluous = members(relies)
            .any(|at| base.holds[at] & wants & !base.held_by(relies & !one(at)) == 0);
        if superfluous {
            return;
        }
        let mut then = base;
        let missing = wants & !base.held_by(relies);
        writer.relies = relies;
        if missing != 0 {
            let own = usize::from(then.packs_made);
            if own == PACKS {
                return;
            }
            then.packs_made += 1;
            then.holds[own] = missing;
            writer.own = one(own);
            writer.relies |= one(own);
        }
        writer.at = if missing != 0 && self.world.rules.store_packs_before_index {
            WriterAt::StorePack
        } else if writer.relies & !then.indexed != 0 {
            WriterAt::StoreIndex
        } else {
            self.after_index(&writer)
        };
        self.push(does, relies, then, writer);
    }

    fn after_index(&self, writer: &Writer) -> WriterAt {
        if writer.own != 0 && !self.world.rules.store_packs_before_index {
            WriterAt::StorePack
        } else if self.world.rules.revalidate_before_commit {
            WriterAt::Revalidate
        } else {
            WriterAt::Commit
        }
    }

    /// W4: packs first.
    fn store_pack(&mut self) {
        let mut then = *self.state;
        let mut writer = self.writer;
        let own = writer.own;
        then.packs |= own;
        writer.own = 0;
        writer.at = if self.world.rules.store_packs_before_index {
            WriterAt::StoreIndex
        } else {
            self.after_index(&writer)
        };
        self.push("W4 stores pack", own, then, writer);
    }

    /// W4: the index next.
    fn store_index(&mut self) {
        let mut then = *self.state;
        let mut writer = self.writer;
        then.indexed |= writer.relies;
        writer.at = self.after_index(&writer);
        self.push("W4 stores index of", writer.relies, then, writer);
    }

    /// W5: is everything there?
    fn revalidate(&mut self) {
        for (listed, lies) in self.world.pack_views(self.state) {
            let mut then = *self.state;
            then.left.lies -= lies;
            let mut writer = self.writer;
            writer.at = if writer.relies & !listed == 0 {
                WriterAt::Commit
            } else {
                WriterAt::GiveUp
            };
            self.push("W5 lists packs", listed, then, writer);
        }
    }

    /// W6: the one moment at which the snapshot begins to exist, or does not.
    fn commit(&mut self) {
        let at = self.id();
        let mut then = *self.state;
        if then.ids[at].key == Key::Absent {
            then.ids[at].key = Key::Root;
            then.ids[at].needs = self.world.wants;
            then.young_keys |= one(at);
            if then.left.lost_answers > 0 {
                let mut then = then;
                then.left.lost_answers -= 1;
                let mut writer = self.writer;
                writer.at = WriterAt::CommitUnanswered;
                self.push("W6 commits, unanswered,", one(at), then, writer);
            }
            self.push("W6 commits", one(at), then, Writer::default());
        } else {
            self.answered(then);
        }
    }

    /// What the key says when it was there already.
    fn answered(&mut self, then: State) {
        let at = self.id();
        let mut writer = self.writer;
        writer.at = match then.ids[at].key {
            Key::Root => WriterAt::Idle,
            Key::Absent | Key::Expired if writer.again => WriterAt::GiveUp,
            Key::Absent | Key::Expired => WriterAt::BeginAgain,
        };
        if writer.at == WriterAt::Idle {
            writer = Writer::default();
        }
        self.push("W6 finds the key of", one(at), then, writer);
    }

    /// W6, unanswered: looked up, not asked again.
    fn look_up_commit(&mut self) {
        if self.world.rules.ask_for_commit_once {
            self.answered(*self.state);
        } else {
            self.commit();
        }
    }

    /// W7: the session need not wait for a collector.
    fn give_up(&mut self) {
        let at = self.id();
        let mut then = *self.state;
        then.ids[at].session = false;
        debug_assert!(
            !has(then.committed(), at),
            "what is committed is not given up"
        );
        self.push("W7 deletes session", one(at), then, Writer::default());
    }
}

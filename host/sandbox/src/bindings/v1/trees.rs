//! Directory trees.

use super::shared::trees::{Access as WitAccess, Host, HostTree, Node, NodeKind, TreePlace};
use crate::capability::Guest;
use crate::capability::failure::Answer;
use crate::capability::streams::{Blob, Reader, Writer};
use crate::capability::trees::OpenTree;
use crate::manifest::Access;
use holdfast_base::entry::{Entry, EntryKind};
use std::os::unix::ffi::OsStringExt;
use wasmtime::component::Resource;

impl Host for Guest {
    fn granted(&mut self) -> wasmtime::Result<Vec<(String, WitAccess)>> {
        let granted = self.context.effective.open_trees();
        let access = |access| match access {
            Access::Read => WitAccess::Read,
            Access::Write => WitAccess::Write,
        };
        Ok(granted
            .map(|rule| (rule.name.clone(), access(rule.access)))
            .collect())
    }

    fn open(&mut self, name: String, access: WitAccess) -> Answer<Resource<OpenTree>> {
        let access = match access {
            WitAccess::Read => Access::Read,
            WitAccess::Write => Access::Write,
        };
        let tree = self.open_tree(&name, access);
        self.keep_result(tree)
    }
}

impl HostTree for Guest {
    fn find_place(&mut self, this: Resource<OpenTree>) -> Answer<TreePlace> {
        let place = self.table.get(&this)?.find_place();
        Ok(place.map(|(path, file_system)| TreePlace {
            path: path.into_os_string().into_vec(),
            file_system,
        }))
    }

    fn list_directory(
        &mut self,
        this: Resource<OpenTree>,
        directory: Vec<u8>,
    ) -> Answer<Vec<Node>> {
        let found = self.table.get(&this)?.list_directory(directory);
        Ok(found.map(|entries| entries.into_iter().map(to_node).collect()))
    }

    fn read_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Reader>> {
        let reader = self.table.get(&this)?.open_reader(file);
        self.keep_result(reader)
    }

    fn open_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Blob>> {
        let blob = self.table.get(&this)?.open_blob(file);
        self.keep_result(blob)
    }

    fn create_file(
        &mut self,
        this: Resource<OpenTree>,
        file: Vec<u8>,
        mode: u32,
    ) -> Answer<Resource<Writer>> {
        let tree = self.table.get(&this)?;
        let writer = tree.create_file(file, mode, self.overwrite);
        self.keep_result(writer)
    }

    fn create_directory(&mut self, this: Resource<OpenTree>, wanted: Vec<u8>) -> Answer<()> {
        let tree = self.table.get(&this)?;
        Ok(tree.create_directory(wanted, self.overwrite))
    }

    fn remove(&mut self, this: Resource<OpenTree>, name: Vec<u8>) -> Answer<()> {
        Ok(self.table.get(&this)?.remove(name))
    }

    fn drop(&mut self, this: Resource<OpenTree>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn to_node(entry: Entry) -> Node {
    let (kind, size) = match entry.kind {
        EntryKind::File { size, .. } => (NodeKind::File, size),
        EntryKind::Directory => (NodeKind::Directory, 0),
        EntryKind::Symlink { .. } => (NodeKind::Symlink, 0),
        _ => (NodeKind::Other, 0),
    };
    Node {
        path: entry.path.as_bytes().to_vec(),
        kind,
        size,
        modified_ns: entry.modified.0,
        mode: entry.ownership.map_or(0, |ownership| ownership.mode),
    }
}

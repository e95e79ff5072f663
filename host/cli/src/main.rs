//! Backup and disaster recovery with sandboxed plugins.

fn main() {}

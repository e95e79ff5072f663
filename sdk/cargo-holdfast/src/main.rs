//! Create, build, pack, check and test holdfast plugins.

fn main() {}

#!/usr/bin/env python3
"""Recovers a holdfast repository with stock tools: `age`, `zstd` and this script, nothing else.

usage: recover.py REPOSITORY IDENTITY TARGET

Restores the content of every entry of the newest snapshot. It follows docs/repository-format.md
step by step; names in capitals are sections there.
"""
import glob
import json
import os
import subprocess
import sys


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def opened(path, identity):
    """Opens a sealed object with stock age. SEALING"""
    return run(["age", "-d", "-i", identity, path], None)


def expanded(data):
    return run(["zstd", "-d", "-c", "-q"], data)


class Wire:
    """Numbers of variable length. NUMBERS"""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def bytes(self):
        return self.take(self.number())


def key_file(directory, name, text):
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
    return path


def newest_key(repository, operator):
    """Opens the newest epoch of this repository, or a spare: it is the whole read key. HEADER, KEYS"""
    with open(os.path.join(repository, "format")) as file:
        name = json.loads(file.readline())["repository"]
    found = glob.glob(os.path.join(repository, "epochs/*")) + glob.glob(os.path.join(repository, "spares/epochs/*"))
    for epoch in sorted(found, key=lambda path: [int(n) for n in os.path.basename(path).split("-")], reverse=True):
        try:
            key = json.loads(opened(epoch, operator))
        except (subprocess.CalledProcessError, ValueError):
            continue
        if key["repository"] == name:
            return key
    raise SystemExit("the identity opens no epoch of this repository")


def table(pack):
    """Reads the table at the end of a pack: (offset, length, [(id, length)]) of each frame. PACKS"""
    length = int.from_bytes(pack[-4:], "little")
    wire = Wire(pack[len(pack) - length + 8:-4])
    assert wire.take(1) == b"\x01", "a newer table"
    at, frames = 0, []
    for _ in range(wire.number()):
        size, _expanded = wire.number(), wire.number()
        frames.append((at, size, [(wire.take(32), wire.number()) for _ in range(wire.number())]))
        at += size
    return frames


def chunks_of(repository, identities):
    """Opens every pack and returns all chunks by id."""
    chunks = {}
    for directory, _, names in os.walk(os.path.join(repository, "packs")):
        for name in names:
            for identity in identities:
                try:
                    pack = opened(os.path.join(directory, name), identity)
                    break
                except subprocess.CalledProcessError:
                    continue
            else:
                raise SystemExit("no key opens " + name)
            for at, size, parts in table(pack):
                plain, place = expanded(pack[at:at + size]), 0
                for name_of_chunk, length in parts:
                    chunks[name_of_chunk] = plain[place:place + length]
                    place += length
    return chunks


def references(root, chunks):
    """Follows the trunk down to the reference stream. REFERENCES"""
    ids = [bytes.fromhex(text) for text in root["references"]["ids"]]
    for _ in range(root["references"]["levels"]):
        below = b"".join(chunks[i] for i in ids)
        ids = [below[at:at + 32] for at in range(0, len(below), 32)]
    stream = b"".join(chunks[i] for i in ids)
    return [(stream[at], stream[at + 1:at + 33]) for at in range(0, len(stream), 33)]


def items(data):
    """Reads the entries of a piece of the item stream. ITEMS"""
    wire = Wire(data)
    while wire.at < len(data):
        record = Wire(wire.bytes())
        entry = {"path": record.bytes(), "kind": record.take(1)[0]}
        if entry["kind"] in (1, 2):
            entry["size"] = record.number()
        if entry["kind"] == 2:
            entry["extents"] = [(record.number(), record.number()) for _ in range(record.number())]
        if entry["kind"] in (4, 5):
            entry["target"] = record.bytes()
        if entry["kind"] in (7, 8):
            record.number(), record.number()
        record.number(), record.number()
        if record.take(1)[0]:
            record.number(), record.number(), record.number()
            for _ in range(record.number()):
                record.bytes(), record.bytes()
        for _ in range(record.number()):
            record.bytes(), record.bytes()
        record.number()
        entry["chunks"] = record.number()
        yield entry


def restore(entry, content, target):
    path = os.path.join(os.fsencode(target), entry["path"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if entry["kind"] == 3:
        os.makedirs(path, exist_ok=True)
    elif entry["kind"] == 4:
        os.symlink(entry["target"], path)
    elif entry["kind"] == 5:
        os.link(os.path.join(os.fsencode(target), entry["target"]), path)
    elif entry["kind"] in (0, 1, 2):
        with open(path, "wb") as file:
            for offset, length in entry.get("extents", [(0, len(content))]):
                file.seek(offset)
                file.write(content[:length])
                content = content[length:]
            file.truncate(entry.get("size", file.tell()))


def main(repository, operator, target):
    os.makedirs(target)
    key = newest_key(repository, operator)
    catalog = key_file(target, "catalog.tmp", key["catalog"]["identity"])
    content = [key_file(target, "epoch%d.tmp" % e["epoch"], e["identity"]) for e in key["read"]]
    chunks = chunks_of(repository, content + [catalog])
    # SNAPSHOTS: the first line is the root; the second is its signature.
    roots = []
    for name in os.listdir(os.path.join(repository, "snapshots")):
        text = expanded(opened(os.path.join(repository, "snapshots", name), catalog))
        root = json.loads(text.split(b"\n")[0])
        if "expired" not in root:
            roots.append(root)
    newest = max(roots, key=lambda root: root["started"])
    stream = iter(references(newest, chunks))
    for tag, piece in stream:
        assert tag == 0, "content without an entry"
        for entry in items(chunks[piece]):
            content_bytes = b"".join(chunks[next(stream)[1]] for _ in range(entry["chunks"]))
            restore(entry, content_bytes, target)
    for name in [catalog] + content:
        os.remove(name)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])

"""Makes the data that backups are measured on. The same seed and scale give the same bytes.

    python3 data.py DIRECTORY [SCALE]

text         one file like a dump of a database, 1 GiB
mixed        40,000 files of 1 to 64 KiB, three in five of which compress
random       one file of 1 GiB that does not compress
edit-text    text, one line in a hundred changed, added or removed, all over the file
edit-textc   text, one hundredth changed in 64 places and as much added: what a day does to a table
edit-mixed   mixed, one file in fifty changed, added or removed
"""

import os
import random
import shutil
import string
import sys
from pathlib import Path

SEED = 7
GIB = 1 << 30
FILES = 40_000
FILE_MIN, FILE_MAX = 1 << 10, 64 << 10
FIRST_TIME = 1_790_000_000

COMMON_WORDS = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore "
    "et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip "
    "ex ea commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum fugiat nulla "
    "pariatur excepteur sint occaecat cupidatat non proident sunt culpa qui officia deserunt mollit anim "
    "id est laborum order shipped pending refund invoice customer warehouse supplier express standard "
    "priority declined approved"
).split()
DOMAINS = ("com", "org", "net")
STATES = ("pending", "shipped", "paid", "refunded")
HEAD = (
    "-- PostgreSQL database dump\n"
    "SET statement_timeout = 0;\n"
    "CREATE TABLE public.orders (id bigint, ref uuid, email text, amount numeric, at timestamp, "
    "status text, note text);\n"
    "COPY public.orders FROM stdin;\n"
)
END = "\\.\n"


def chance(name):
    """Returns a generator of its own for each part, so that parts do not depend on one another."""
    return random.Random(f"{SEED}-{name}")


def made_up_words():
    rng = chance("vocab")
    letters = string.ascii_lowercase
    return ["".join(rng.choice(letters) for _ in range(rng.randint(4, 11))) for _ in range(3000)]


WORDS = COMMON_WORDS + made_up_words()


def word(rng):
    """Picks a word; those at the beginning of the list come often, as in any language."""
    return WORDS[min(int(rng.expovariate(1 / 300.0)), len(WORDS) - 1)]


def row(rng, number):
    """Makes a line of a table. The order of the draws decides the bytes."""
    bits = rng.getrandbits
    uuid = f"{bits(32):08x}-{bits(16):04x}-{bits(16):04x}-{bits(48):012x}"
    mail = f"{WORDS[bits(30) % 3000]}.{WORDS[bits(30) % 3000]}@example.{DOMAINS[bits(8) % 3]}"
    amount = f"{bits(17)}.{bits(7) % 100:02d}"
    day = f"2026-{1 + bits(8) % 12:02d}-{1 + bits(8) % 28:02d}"
    time = f"{bits(8) % 24:02d}:{bits(8) % 60:02d}:{bits(8) % 60:02d}.{bits(20) % 1_000_000:06d}"
    state = STATES[bits(8) % 4]
    note = " ".join([word(rng) for _ in range(6 + bits(4))])
    return f"{number}\t{uuid}\t{mail}\t{amount}\t{day} {time}\t{state}\t{note}\n"


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def make_text(out, size):
    """Makes the dump, and its scattered edit beside it."""
    rng, edits = chance("text"), chance("edit")
    plain = open(fresh(out / "text") / "dump.sql", "w", buffering=1 << 20)
    edited = open(fresh(out / "edit-text") / "dump.sql", "w", buffering=1 << 20)
    with plain, edited:
        plain.write(HEAD)
        edited.write(HEAD)
        written, number = len(HEAD), 0
        while written < size:
            line = row(rng, number)
            plain.write(line)
            written += len(line)
            number += 1
            drawn = edits.random()
            if drawn < 0.006:
                edited.write(row(edits, number - 1))
            elif drawn < 0.009:
                edited.write(line)
                edited.write(row(edits, 10**9 + number))
            elif drawn >= 0.01:
                edited.write(line)
        plain.write(END)
        edited.write(END)


def make_clustered_edit(out):
    rng = chance("clust")
    source = out / "text" / "dump.sql"
    total = source.stat().st_size
    places = sorted(rng.randrange(total) for _ in range(64))
    each = total // 100 // 64
    position = next_place = to_replace = number = 0
    with open(source, "rb") as plain, open(
        fresh(out / "edit-textc") / "dump.sql", "wb", buffering=1 << 20
    ) as edited:
        for line in plain:
            if next_place < 64 and position >= places[next_place]:
                to_replace = each
                next_place += 1
            position += len(line)
            is_end = line == END.encode()
            if is_end:
                added = 0
                while added < total // 100:
                    new = row(rng, 5 * 10**8 + number).encode()
                    edited.write(new)
                    added += len(new)
                    number += 1
            if to_replace > 0 and not is_end:
                edited.write(row(rng, number).encode())
                number += 1
                to_replace -= len(line)
            else:
                edited.write(line)
    link = out / "textc"
    link.unlink(missing_ok=True)
    link.symlink_to("text")


def make_random(out, size):
    rng = chance("random")
    with open(fresh(out / "random") / "rand.bin", "wb") as file:
        left = size
        while left > 0:
            piece = rng.randbytes(min(1 << 20, left))
            file.write(piece)
            left -= len(piece)


def content(rng, pool):
    """Makes a small file: its bytes and the ending of its name."""
    size = int(min(FILE_MAX, max(FILE_MIN, rng.lognormvariate(9.0, 0.9))))
    if rng.random() >= 0.6:
        return rng.randbytes(size), "bin"
    start = rng.randrange(len(pool) - FILE_MAX)
    text = bytearray(pool[start : start + size])
    for _ in range(size // 64):
        text[rng.randrange(size)] = rng.randrange(32, 127)
    return bytes(text), "txt"


def write_dated(path, data, time):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if time is not None:
        os.utime(path, (time, time))


def make_mixed(out, files):
    rng, edits = chance("mixed"), chance("mixed-edit")
    plain, edited = fresh(out / "mixed"), fresh(out / "edit-mixed")
    pool = " ".join([word(rng) for _ in range(400_000)]).encode()
    for number in range(files):
        data, ending = content(rng, pool)
        name = f"d{number % 40:02d}/s{number // 40 % 25:02d}/f{number:05d}.{ending}"
        time = FIRST_TIME + number
        write_dated(plain / name, data, time)
        drawn = edits.random()
        if drawn < 0.0025:
            continue
        if drawn < 0.0175:
            at = edits.randrange(len(data))
            data = data[:at] + edits.randbytes(64) + data[at + 32 :]
            time = None
        elif drawn < 0.02:
            write_dated(edited / f"{name}.new", edits.randbytes(len(data)), None)
        write_dated(edited / name, data, time)


def make(out, scale):
    out = Path(out)
    make_text(out, int(GIB * scale))
    make_random(out, int(GIB * scale))
    make_mixed(out, int(FILES * scale))
    make_clustered_edit(out)
    (out / "scale").write_text(f"{scale}\n")


if __name__ == "__main__":
    make(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)

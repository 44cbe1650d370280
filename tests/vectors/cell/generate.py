#!/usr/bin/env python3
"""The reference generator of the cell vectors.

It is written from docs/spec/cell-format.md alone, shares no code with the crates, and takes its
primitives from the PyPI package `cryptography` (42 or later, with OpenSSL 3.2 or later).

    python3 generate.py            writes every vector beside this file
    python3 generate.py --check    fails unless the files beside it are what it would write
"""

import hmac
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

LABEL = b"sealwire/v1"
DETERMINISTIC, RANDOMIZED = 1, 2
ROW_BOUND, PADDED = 4, 8


# Section 3: key derivation.


def extract(key):
    return hmac.digest(LABEL, key, sha256)


def info(purpose, family, class_):
    name = class_.encode()
    return LABEL + bytes([0, purpose, family]) + len(name).to_bytes(2, "big") + name


def expand(key, purpose, family, class_, length):
    expander = HKDFExpand(hashes.SHA256(), length, info(purpose, family, class_))
    return expander.derive(extract(key))


# Section 5: cells.


def header(mode, flags, version):
    return bytes([0x10 | mode | flags, version])


def pad(plaintext, block):
    padded = plaintext + b"\x80"
    return padded + bytes(-len(padded) % block)


def row_bytes(columns):
    if columns is None:
        return b""
    encoded = [len(column).to_bytes(2, "big") + column for column in columns]
    return len(columns).to_bytes(2, "big") + b"".join(encoded)


def seal(v, padded=None, head=None, purpose=None):
    """The cell of vector `v`; the other arguments replace one ingredient to make a faulty one."""
    head = header(v.mode, v.flags, v.version) if head is None else head
    if padded is None:
        padded = pad(v.plaintext, v.block) if v.block else v.plaintext
    purpose = purpose or v.mode
    if v.mode == DETERMINISTIC:
        okm = expand(v.key, purpose, v.family, v.class_, 44)
        return head + AESGCMSIV(okm[:32]).encrypt(okm[32:], padded, head)
    key = expand(v.key, purpose, v.family, v.class_, 32)
    sealed = AESGCMSIV(key).encrypt(v.nonce, padded, head + row_bytes(v.row))
    return head + v.nonce + sealed


# Section 7: wrapped keys.

ROLES = {"cek": b"wrap", "manifest-root": b"wrap-manifest"}


def wrap(master, role, key_id, key, nonce):
    context = LABEL + b"\0" + ROLES[role] + b"\0" + key_id
    return b"\x01" + nonce + AESGCMSIV(master).encrypt(nonce, key, context)


# The files.


def byte_run(first, count):
    return bytes(range(first, first + count))


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def hexed(data):
    digits = data.hex()
    if len(digits) <= 160:
        return f'"{digits}"'
    lines = [digits[at : at + 96] for at in range(0, len(digits), 96)]
    return '"""\n' + "\n".join(lines) + '\n"""'


class Vector:
    """A cell vector: what the column is, and what was sealed for it."""

    def __init__(self, **changes):
        self.key = byte_run(0, 32)
        self.version = 1
        self.mode = DETERMINISTIC
        self.family = 2
        self.class_ = "public.users.email"
        self.block = None
        self.nonce = byte_run(0xA0, 12)
        self.row = None
        self.plaintext = b"alice@example.com"
        self.__dict__.update(changes)

    def but(self, **changes):
        return Vector(**{**self.__dict__, **changes})

    @property
    def flags(self):
        return (ROW_BOUND if self.row is not None else 0) | (PADDED if self.block else 0)

    def column(self):
        """The fields that describe the column and its key."""
        mode = "deterministic" if self.mode == DETERMINISTIC else "randomized"
        fields = {
            "key": hexed(self.key),
            "version": str(self.version),
            "mode": f'"{mode}"',
            "family": str(self.family),
            "class": quoted(self.class_),
        }
        if self.block is not None:
            fields["block"] = str(self.block)
        if self.row is not None:
            fields["row"] = "[" + ", ".join(hexed(c) for c in self.row) + "]"
        return fields


files = {}


def write(name, kind, expect, comment, fields):
    fields = {
        "kind": quoted(kind),
        "expect": quoted(expect),
        "comment": quoted(comment),
        **fields,
    }
    assert name not in files, name
    files[name] = "".join(f"{field} = {value}\n" for field, value in fields.items())


def plaintext_fields(v):
    run = v.plaintext[:1]
    if len(v.plaintext) > 64 and v.plaintext == run * len(v.plaintext):
        return {"plaintext": hexed(run), "plaintext_repeat": str(len(v.plaintext))}
    return {"plaintext": hexed(v.plaintext)}


def ok(name, comment, v):
    fields = v.column()
    if v.mode == RANDOMIZED:
        fields["nonce"] = hexed(v.nonce)
    fields |= plaintext_fields(v)
    write("ok_" + name, "cell", "ok", comment, fields | {"cell": hexed(seal(v))})


def refused(layer, name, comment, v, cell):
    """A cell that column `v` must refuse at `layer`."""
    write(f"{layer}_{name}", "cell", layer, comment, v.column() | {"cell": hexed(cell)})


def flip(cell, at, bit):
    altered = bytearray(cell)
    altered[at] ^= bit
    return bytes(altered)


DET = Vector()
RND = Vector(
    mode=RANDOMIZED, family=1, class_="public.users.salary", plaintext=(42).to_bytes(8, "big")
)
NOTE = Vector(mode=RANDOMIZED, class_="public.users.note", version=2)
KEY_7 = (7).to_bytes(8, "big")
KEY_8 = (8).to_bytes(8, "big")
ROW = NOTE.but(row=[KEY_7], block=16, plaintext=b"")
LIMIT = 16 * 1024


def accepted_cells():
    ok("det_text", "deterministic text", DET)
    ok("det_empty", "the empty string is a cell of 18 bytes", DET.but(plaintext=b""))
    ok("det_one_block", "exactly one block of the cipher", DET.but(plaintext=byte_run(0x61, 16)))
    ok("det_nine_blocks", "more blocks than are processed at once", DET.but(plaintext=b"b" * 133))
    ok("det_version_255", "the last key version", DET.but(version=255))
    ok("det_other_key", "another key", DET.but(key=byte_run(0x80, 32)))
    ok("det_16_kib", "the longest deterministic value", DET.but(plaintext=b"a" * LIMIT))
    ok("det_class_not_ascii", "a class is UTF-8", DET.but(class_="público.usuários.e-mail"))
    ok("det_class_256", "the class's length has two bytes", DET.but(class_="c" * 256))
    ok("det_padded_empty", "padding is at least one byte", DET.but(block=16, plaintext=b""))
    ok(
        "det_padded_full_block",
        "a value that fills its block gets a whole block of padding",
        DET.but(block=16, plaintext=byte_run(0x61, 16)),
    )
    ok("det_padded_block_2", "the smallest block", DET.but(block=2))
    ok("det_padded_block_24", "a block that is no power of two", DET.but(block=24))
    ok(
        "det_padded_16_kib",
        "the limit counts the value, not its padding",
        DET.but(block=4096, plaintext=b"a" * LIMIT),
    )
    ok("rnd_int", "randomized int8 42", RND)
    ok("rnd_empty", "the empty string is a cell of 30 bytes", NOTE.but(plaintext=b""))
    ok("rnd_nonce_ff", "a nonce of ones", RND.but(nonce=b"\xff" * 12))
    ok("rnd_17_kib", "only deterministic values are limited", NOTE.but(plaintext=b"a" * 17408))
    ok(
        "rnd_padded_like_padding",
        "a value that ends like padding comes back whole",
        NOTE.but(block=16, plaintext=b"a\x80\x00\x80\x00\x00"),
    )
    ok("rnd_padded_zeros", "a value of zeros keeps them", NOTE.but(block=16, plaintext=bytes(16)))
    ok("rnd_padded_65535", "the largest block", NOTE.but(block=65535, plaintext=b"a"))
    ok("row_padded_empty", "bound to the row with primary key int8 7, padded, empty", ROW)
    ok("row_unpadded", "bound to a row, not padded", ROW.but(block=None, plaintext=b"private"))
    ok(
        "row_two_columns",
        "bound to a row with a primary key of two columns, the first of them empty",
        ROW.but(row=[b"", KEY_7], plaintext=b"private"),
    )


FAMILIES = [
    (1, "int", "-2", "fffffffffffffffe"),
    (2, "text", "é", "c3a9"),
    (3, "bytea", "\\x00ff", "00ff"),
    (4, "bool", "true", "01"),
    (5, "float4", "1.5", "3fc00000"),
    (6, "float8", "-0, stored as 0", "0000000000000000"),
    (7, "numeric", "12.5", "0002000000000001000c1388"),
    (8, "date", "2000-01-02", "00000001"),
    (9, "time", "00:00:01", "00000000000f4240"),
    (10, "timestamp", "infinity", "7fffffffffffffff"),
    (11, "timestamptz", "1999-12-31 23:59:59+00", "fffffffffff0bdc0"),
    (12, "uuid", "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff"),
    (13, "json", '{"a": 1}', b'{"a": 1}'.hex()),
    (14, "interval", "1 mon 2 days 00:00:03", "00000000002dc6c00000000200000001"),
    (15, "timetz", "00:00:01+01", "00000000000f4240fffff1f0"),
    (16, "inet", "10.0.0.1/8", "02080a000001"),
    (17, "macaddr", "08:00:2b:01:02:03", "08002bfffe010203"),
    (18, "money", "$12.34", "00000000000004d2"),
    (19, "bit", "101100001", "00000009b080"),
    (20, "xml", "<a/>", b"<a/>".hex()),
    (21, "enum", "the third label", "0002"),
    (65, "int4range", "[1,9]", "0200000008000000000000000100000008000000000000000a"),
    (71, "numrange", "[1.5,)", "120000000c00020000000000010001" + "1388"),
    (72, "daterange", "empty", "01"),
    (74, "tsrange", "(,)", "18"),
    (75, "tstzrange", "(,2000-01-01 00:00:00+00]", "0c000000080000000000000000"),
    (129, "int_array", "{}", "00"),
    (130, "text_array", "{a,NULL}", "010000000200000001" + "0000000161" + "ffffffff"),
    (193, "int4range_array", "{empty}", "010000000100000001" + "0000000101"),
]


def families():
    for family, name, value, canonical in FAMILIES:
        ok(
            f"family_{family:02}_{name}",
            f"{name}: {value}",
            Vector(
                mode=RANDOMIZED if name in ("json", "interval", "xml") else DETERMINISTIC,
                family=family,
                class_="public.t.c",
                plaintext=bytes.fromhex(canonical),
            ),
        )


def refused_for_their_length():
    det, rnd = seal(DET), seal(RND)
    for size in [0, 1, 2, 17]:
        refused("length", f"det_{size}_bytes", f"cut after {size} bytes", DET, det[:size])
    for size in [0, 1, 2, 13, 14, 29]:
        refused("length", f"rnd_{size}_bytes", f"cut after {size} bytes", RND, rnd[:size])
    long = DET.but(plaintext=b"a" * (LIMIT + 1))
    refused(
        "length",
        "det_above_16_kib",
        "authentic, but longer than any writer may",
        DET,
        seal(long),
    )
    padded = DET.but(block=16)
    refused(
        "length",
        "padded_not_a_multiple",
        "authentic and padded, but to 17 bytes where the block has 16",
        padded,
        seal(padded, padded=b"alice@example.co\x80"),
    )
    refused(
        "length",
        "padded_nothing",
        "authentic, but without the one byte that padding has at least",
        padded,
        seal(padded, padded=b""),
    )
    refused(
        "length",
        "padded_other_block",
        "padded to a block of 16 where the column's has 32",
        DET.but(block=32),
        seal(DET.but(block=16, plaintext=b"alice")),
    )


def refused_for_their_header():
    det, rnd = seal(DET), seal(RND)
    for name, first, comment in [
        ("suite_0", 0x01, "suite 0 is not defined"),
        ("suite_2", 0x21, "suite 2 is reserved"),
        ("suite_15", 0xF1, "suite 15 is not defined"),
        ("mode_0", 0x10, "mode 0 is not defined"),
        ("mode_3", 0x13, "mode 3 is reserved"),
        ("det_row_bound_flag", 0x15, "deterministic cells are never bound to a row"),
        ("det_padded_flag", 0x19, "padded flag in a column that is not padded"),
    ]:
        refused("header", name, comment, DET, bytes([first]) + det[1:])
    refused(
        "header",
        "rnd_in_det_column",
        "an authentic randomized cell",
        DET,
        seal(DET.but(mode=RANDOMIZED)),
    )
    refused(
        "header",
        "det_in_rnd_column",
        "an authentic deterministic cell",
        RND,
        seal(RND.but(mode=DETERMINISTIC, plaintext=bytes(16))),
    )
    refused(
        "header",
        "padded_in_unpadded_column",
        "an authentic padded cell",
        DET,
        seal(DET.but(block=16)),
    )
    refused(
        "header",
        "unpadded_in_padded_column",
        "an authentic cell without padding",
        DET.but(block=16),
        det,
    )
    refused(
        "header",
        "row_bound_in_unbound_column",
        "an authentic row-bound cell",
        ROW.but(row=None),
        seal(ROW),
    )
    refused(
        "header",
        "unbound_in_row_bound_column",
        "an authentic cell of no row",
        ROW,
        seal(ROW.but(row=None)),
    )
    refused("header", "plaintext", "the value itself, unsealed", DET, DET.plaintext * 2)
    refused("header", "zeros", "zeros", DET, bytes(35))
    refused("header", "rnd_suite_2", "suite 2 is reserved", RND, b"\x22" + rnd[1:])


def refused_for_their_version():
    cell = seal(DET)
    refused("version", "0", "version 0 is reserved", DET, cell[:1] + b"\0" + cell[2:])
    refused("version", "2", "version byte changed from 1 to 2", DET, cell[:1] + b"\2" + cell[2:])
    refused("version", "authentic", "an authentic cell of version 2", DET, seal(DET.but(version=2)))


def refused_for_their_authentication():
    det, rnd, row = seal(DET), seal(RND), seal(ROW)

    def check(name, comment, v, cell):
        refused("authentication", name, comment, v, cell)

    check("det_last_bit", "last bit of the tag flipped", DET, flip(det, -1, 1))
    check("det_tag_first_bit", "first bit of the tag flipped", DET, flip(det, -16, 0x80))
    check(
        "det_tag_top_bit",
        "the bit of the tag that the counter block ignores",
        DET,
        flip(det, -1, 0x80),
    )
    check("det_ciphertext_bit", "first bit of the ciphertext flipped", DET, flip(det, 2, 0x80))
    check("det_tag_zero", "tag of zeros", DET, det[:-16] + bytes(16))
    check("det_18_bytes", "cut after 18 bytes", DET, det[:18])
    check("det_one_byte_short", "last byte cut off", DET, det[:-1])
    check("det_one_byte_more", "a zero appended", DET, det + b"\0")
    check(
        "det_empty_altered",
        "an altered empty value",
        DET,
        flip(seal(DET.but(plaintext=b"")), 2, 1),
    )
    check(
        "det_wrong_class",
        "sealed for the class public.users.email",
        DET.but(class_="public.users.emai1"),
        det,
    )
    check("det_wrong_family", "sealed for family 2", DET.but(family=1), det)
    check("det_wrong_key", "sealed under another key", DET.but(key=byte_run(1, 32)), det)
    check(
        "det_version_relabelled",
        "the same key as version 2, version byte changed to match",
        DET.but(version=2),
        det[:1] + b"\2" + det[2:],
    )
    one_block = seal(DET.but(plaintext=byte_run(0x61, 16)))
    check(
        "det_padded_relabelled",
        "padded flag set on a cell that was not padded",
        DET.but(block=16),
        b"\x19" + one_block[1:],
    )
    check(
        "det_purpose",
        "sealed under the subkey of the column's randomized cells",
        DET,
        seal(DET, purpose=RANDOMIZED),
    )
    check("rnd_last_bit", "last bit of the tag flipped", RND, flip(rnd, -1, 1))
    check("rnd_nonce_bit", "first bit of the nonce flipped", RND, flip(rnd, 2, 0x80))
    check("rnd_ciphertext_bit", "first bit of the ciphertext flipped", RND, flip(rnd, 14, 0x80))
    check("rnd_30_bytes", "cut after 30 bytes", RND, rnd[:30])
    check("rnd_one_byte_short", "last byte cut off", RND, rnd[:-1])
    check(
        "rnd_purpose",
        "sealed under the subkey of the column's deterministic cells",
        RND,
        seal(RND, purpose=DETERMINISTIC),
    )
    check("rnd_wrong_class", "sealed for another column", RND.but(class_="public.users.bonus"), rnd)
    check("row_other", "sealed in the row with primary key 7", ROW.but(row=[KEY_8]), row)
    check(
        "row_missing",
        "row-bound header, but no row in the associated data",
        ROW,
        seal(ROW.but(row=None), head=row[:2]),
    )
    swapped = ROW.but(row=[KEY_8, KEY_7])
    check(
        "row_swapped",
        "the columns of the primary key in another order",
        swapped,
        seal(ROW.but(row=[KEY_7, KEY_8])),
    )
    split = ROW.but(row=[b"ab", b""])
    check(
        "row_split",
        "the same bytes divided otherwise between two columns",
        split,
        seal(ROW.but(row=[b"a", b"b"])),
    )


def refused_for_their_padding():
    v = NOTE.but(block=16)

    def check(name, comment, padded):
        refused("padding", name, comment, v, seal(v, padded=padded))

    check("all_zeros", "zeros without an 80", bytes(16))
    check("no_mark", "no padding at all", b"sixteen letters.")
    check("mark_not_last", "80, then something else than zeros", b"private\x80\0\0\0\0\0\0\0\1")
    check("mark_too_early", "80 in the block before the last", b"private\x80" + bytes(24))
    check(
        "last_block_zeros",
        "a last block of zeros after a whole block",
        b"sixteen letters." + bytes(16),
    )


def sealing_is_refused():
    for name, comment, v in [
        ("det_16_kib_and_one", "one byte more than a deterministic value may have", DET),
        ("det_padded_16_kib_and_one", "the same, padded", DET.but(block=4096)),
    ]:
        long = v.but(plaintext=b"a" * (LIMIT + 1))
        write("value_" + name, "cell", "value", comment, long.column() | plaintext_fields(long))


def wrapped_keys():
    master, key_id, nonce = byte_run(0x20, 32), byte_run(0x40, 16), byte_run(0xB0, 12)
    key = byte_run(0, 32)

    def vector(name, expect, comment, wrapped, **changes):
        given = {"master": master, "role": "cek", "key_id": key_id, **changes}
        fields = {
            "master": hexed(given["master"]),
            "role": quoted(given["role"]),
            "key_id": hexed(given["key_id"]),
        }
        if expect == "ok":
            fields |= {"nonce": hexed(nonce), "key": hexed(key)}
        write(name, "wrap", expect, comment, fields | {"wrapped": hexed(wrapped)})

    cek = wrap(master, "cek", key_id, key, nonce)
    root = wrap(master, "manifest-root", key_id, key, nonce)
    vector("ok_wrap_cek", "ok", "a column encryption key", cek)
    vector("ok_wrap_manifest_root", "ok", "a manifest's root secret", root, role="manifest-root")
    for name, comment, wrapped, changes in [
        ("cek_as_root", "a wrapped CEK as a root secret", cek, {"role": "manifest-root"}),
        ("root_as_cek", "a wrapped root secret as a CEK", root, {}),
        ("other_id", "another key's identifier", cek, {"key_id": byte_run(0x41, 16)}),
        ("other_master", "another master key", cek, {"master": byte_run(0x21, 32)}),
        ("format_0", "format 0 is not defined", b"\0" + cek[1:], {}),
        ("format_2", "format 2 is not defined", b"\2" + cek[1:], {}),
        ("nonce_bit", "first bit of the nonce flipped", flip(cek, 1, 0x80), {}),
        ("key_bit", "first bit of the key flipped", flip(cek, 13, 0x80), {}),
        ("last_bit", "last bit of the tag flipped", flip(cek, -1, 1), {}),
        ("60_bytes", "last byte cut off", cek[:-1], {}),
        ("62_bytes", "a zero appended", cek + b"\0", {}),
        ("empty", "no bytes", b"", {}),
    ]:
        vector("unwrap_" + name, "unwrap", comment, wrapped, **changes)


def derived_keys():
    key = byte_run(0, 32)
    class_, family, plaintext = "public.users.email", 2, b"alice@example.com"
    index = hmac.digest(expand(key, 3, family, class_, 32), plaintext, sha256)
    write(
        "ok_derivation",
        "derivation",
        "ok",
        "what is derived from a key beside the subkeys of cells; intermediate values for readers",
        {
            "key": hexed(key),
            "family": str(family),
            "class": quoted(class_),
            "prk": hexed(extract(key)),
            "deterministic_info": hexed(info(DETERMINISTIC, family, class_)),
            "deterministic_okm": hexed(expand(key, DETERMINISTIC, family, class_, 44)),
            "key_check_value": hexed(expand(key, 16, 0, "", 32)),
            "manifest_mac_key": hexed(expand(key, 17, 0, "", 32)),
            "plaintext": hexed(plaintext),
            "blind_index": hexed(index),
        },
    )


def main():
    accepted_cells()
    families()
    refused_for_their_length()
    refused_for_their_header()
    refused_for_their_version()
    refused_for_their_authentication()
    refused_for_their_padding()
    sealing_is_refused()
    wrapped_keys()
    derived_keys()

    here = Path(__file__).resolve().parent
    found = {path.stem: path for path in here.glob("*.toml")}
    if "--check" in sys.argv[1:]:
        wrong = sorted(set(found) ^ set(files))
        wrong += [n for n in sorted(set(found) & set(files)) if found[n].read_text() != files[n]]
        if wrong:
            sys.exit("not what the generator writes: " + ", ".join(wrong))
    else:
        for name in set(found) - set(files):
            found[name].unlink()
        for name, text in files.items():
            (here / f"{name}.toml").write_text(text)
    print(f"{len(files)} vectors")


if __name__ == "__main__":
    main()

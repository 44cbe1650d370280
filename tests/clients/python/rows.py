"""Rows of the table `items`: ordinary ones, the ends of the types, and no values at all."""

import datetime as dt
import uuid
from decimal import Decimal

from twins import MARKER

COLUMNS = [
    "code", "n4", "n8", "t", "ok", "f8", "amount", "uid", "d", "ts", "tstz", "raw", "doc", "tags",
    "note",
]

UTC = dt.timezone.utc


def row(number):
    """An ordinary row."""
    return {
        "code": f"{MARKER}-{number}",
        "n4": number % 3,
        "n8": 777712345000 + number,
        "t": f"{MARKER} öffne dich {number}",
        "ok": number % 2 == 0,
        "f8": number / 7,
        "amount": Decimal(number) * Decimal("1.10"),
        "uid": uuid.UUID(f"5e5a3e5e-0000-4000-8000-{number:012d}"),
        "d": dt.date(2024, 2, 29) + dt.timedelta(days=number),
        "ts": dt.datetime(2024, 2, 29, 12, 30, 15, 123456) + dt.timedelta(hours=number),
        "tstz": dt.datetime(2024, 2, 29, 12, 30, 15, 5, UTC) + dt.timedelta(hours=number),
        "raw": f"{MARKER}\x00\xff".encode("latin-1") + bytes([number % 256]),
        "doc": {"key": f"{MARKER} {number}", "list": [1, None, True, 1.5]},
        "tags": [f"{MARKER} {number}", 'a "quoted", one\\', None, ""],
        "note": f"note {number}",
    }


def extremes():
    """Rows whose values are at the ends of their types, and one without values."""
    low = row(900) | {
        "code": "",
        "n4": -(2**31),
        "n8": -(2**63),
        "t": "",
        "f8": float("-inf"),
        "amount": Decimal("-9999999999.99"),
        "uid": uuid.UUID(int=0),
        "d": dt.date(1, 1, 1),
        "ts": dt.datetime(1, 1, 1),
        "tstz": dt.datetime(1, 1, 2, tzinfo=UTC),
        "raw": b"",
        "doc": None,
        "tags": [],
    }
    high = row(901) | {
        "n4": 2**31 - 1,
        "n8": 2**63 - 1,
        "t": f"{MARKER} " + "x" * 100_000 + "\U0001f511\t\n\\",
        "f8": 1.7976931348623157e308,
        "amount": Decimal("9999999999.99"),
        "uid": uuid.UUID(int=2**128 - 1),
        "d": dt.date(9999, 12, 31),
        "ts": dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        "tstz": dt.datetime(9999, 12, 30, 23, 59, 59, 999999, UTC),
        "raw": bytes(range(256)) * 40,
        "doc": [f"{MARKER}", {"deep": [[[]]]}],
        "tags": [f"{MARKER}"] * 50,
    }
    empty = dict.fromkeys(COLUMNS) | {"code": "empty"}
    return [low, high, empty]

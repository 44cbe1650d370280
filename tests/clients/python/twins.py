"""The same program for both twins, and what tells their answers apart."""

import os
import sys
from urllib.parse import quote, urlsplit, urlunsplit

MARKER = os.environ["SEALWIRE_MARKER"]
PLAIN = os.environ["SEALWIRE_PLAIN_URL"]
DIRECT = os.environ["SEALWIRE_DIRECT_URL"]
PROXY = os.environ["SEALWIRE_PROXY_URL"]
PROXY_CA = os.environ["SEALWIRE_PROXY_CA"]
SOCKETS = os.environ["SEALWIRE_PROXY_SOCKETS"]
PROXY_PORT = os.environ["SEALWIRE_PROXY_PORT"]


def with_tls(url):
    """The same connection with the proxy's certificate verified."""
    return f"{url}?sslmode=verify-full&sslrootcert={quote(PROXY_CA, safe='')}"


def with_libpq_tls(url):
    """The same for libpq, which can insist that its password is bound to the TLS session."""
    return with_tls(url) + "&channel_binding=require"


def over_socket(url):
    """The same connection over the proxy's Unix socket."""
    parts = urlsplit(url)
    place = f"{parts.username}:{parts.password}@"
    query = f"host={quote(SOCKETS, safe='')}&port={PROXY_PORT}"
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


class Record:
    """Labelled outcomes in their order. Types count: `1` and `'1'` are different answers."""

    def __init__(self):
        self.entries = []

    def note(self, label, value):
        self.entries.append((label, plain_form(value)))
        return value


def plain_form(value):
    """A value as text that shows its type, and the types inside it."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(plain_form, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {plain_form(v)}" for k, v in value.items()) + "}"
    return f"{type(value).__name__} {value!r}"


def compare(records):
    """Compares records with the first; returns the number of comparisons, or ends the program."""
    (name, expected), *others = records.items()
    count = 0
    failures = []
    for other_name, other in others:
        if len(other.entries) != len(expected.entries):
            failures.append(
                f"{name} has {len(expected.entries)} entries, {other_name} {len(other.entries)}"
            )
        for (label, want), (other_label, got) in zip(expected.entries, other.entries):
            count += 1
            if label != other_label or want != got:
                failures.append(f"{label}\n  {name}: {want}\n  {other_name}: {other_label}: {got}")
    if failures:
        sys.exit("the twins differ:\n" + "\n".join(failures))
    return count


def finish(count):
    """The line that `run` reads."""
    if count == 0:
        sys.exit("nothing was compared")
    print(f"checks: {count}")

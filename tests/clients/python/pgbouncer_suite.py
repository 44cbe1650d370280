"""pgbouncer in transaction mode, in front of the proxy and behind it: more clients than server
connections, so that each transaction of a client may meet another session."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

import psycopg
from psycopg.types.json import Jsonb

import rows
import twins
from twins import MARKER, Record, compare, finish

CLIENTS = 6
SERVER_CONNECTIONS = 2
NAMES = ", ".join(rows.COLUMNS)
MARKS = ", ".join(f"%({name})s" for name in rows.COLUMNS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A process that listens on a port, ended with the block."""

    def __init__(self, port, *command):
        self.port = port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def __enter__(self):
        deadline = time.monotonic() + 60
        while True:
            if self.process.poll() is not None:
                sys.exit(f"{self.process.args} ended with {self.process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if time.monotonic() > deadline:
                sys.exit(f"{self.process.args} does not listen")
            time.sleep(0.01)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def pgbouncer(directory, name, to):
    """A pgbouncer before the server of a URL, and the URL through it."""
    place = urlsplit(to)
    port = free_port()
    users = os.path.join(directory, "users.txt")
    with open(users, "w") as file:
        file.write(f'"{place.username}" "{place.password}"\n')
    configuration = os.path.join(directory, f"{name}.ini")
    with open(configuration, "w") as file:
        file.write(f"""
[databases]
* = host={place.hostname} port={place.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
log_connections = 0
log_disconnections = 0
log_stats = 0
""")
    # It refuses to run as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    service = Service(port, program, "-q", *user, configuration)
    return service, to.replace(place.netloc, f"{place.username}:{place.password}@127.0.0.1:{port}")


def proxy(directory, to):
    """Another proxy, before the server of a URL that has no TLS, and the URL through it."""
    place = urlsplit(to)
    port = free_port()
    configuration = os.path.join(directory, "proxy.toml")
    with open(configuration, "w") as file:
        file.write(f"""
[listen]
tcp = ["127.0.0.1:{port}"]
[server]
hosts = ["{place.hostname}"]
ports = [{place.port}]
sslmode = "disable"
[encryption]
manifest = "file:{os.environ['SEALWIRE_MANIFEST']}"
master_key = "file:{os.environ['SEALWIRE_KEY']}"
""")
    service = Service(port, os.environ["SEALWIRE_BINARY"], "proxy", "--config", configuration)
    return service, to.replace(place.netloc, f"{place.username}:{place.password}@127.0.0.1:{port}")


def parameters(row):
    return row | {"doc": None if row["doc"] is None else Jsonb(row["doc"])}


def attempt(record, label, connection, statement, values=None):
    try:
        cursor = connection.execute(statement, values)
        answer = [cursor.statusmessage, cursor.fetchall() if cursor.description else None]
    except psycopg.Error as error:
        answer = [error.sqlstate, error.diag.constraint_name]
    record.note(label, answer)


def client(url, number, record):
    """A client of its own rows. Nothing stays prepared, as a pool of this mode asks."""
    names = [number * 100 + extra for extra in range(5)]
    # Identities would come in the order of the clients.
    insertion = f"INSERT INTO items (id, {NAMES}) VALUES (%(id)s, {MARKS}) RETURNING *"
    with psycopg.connect(url, prepare_threshold=None) as connection:
        for name in names:
            with connection.transaction():
                attempt(record, "insert", connection, insertion, parameters(rows.row(name)) | {"id": name})
                attempt(
                    record, "order", connection, "INSERT INTO orders (item_code, quantity, remark)"
                    " VALUES (%s, %s, %s) RETURNING item_code, quantity, remark",
                    [rows.row(name)["code"], name, MARKER],
                )
        connection.autocommit = True
        for turn in range(10):
            name = names[turn % 5]
            attempt(
                record, "update", connection, "UPDATE items SET t = %s, n8 = %s WHERE code = %s RETURNING t, n8",
                [f"{MARKER} {turn}", turn, rows.row(name)["code"]],
            )
            attempt(
                record, "select", connection, "SELECT * FROM items WHERE uid = %b", [rows.row(name)["uid"]]
            )
            with connection.transaction():
                connection.execute("SET LOCAL search_path = pg_catalog")
                attempt(
                    record, "elsewhere", connection, "SELECT t, doc FROM public.items WHERE code = %s",
                    [rows.row(name)["code"]],
                )
            attempt(record, "unique", connection, "INSERT INTO items (id, code) VALUES (%s, %s)",
                    [name + 50, rows.row(name)["code"]])
            with connection.transaction(), connection.cursor(name="reading") as cursor:
                cursor.execute("SELECT id, tags, amount FROM items WHERE n4 = %s AND id / 100 = %s ORDER BY id", [turn % 3, number])
                record.note("cursor", list(cursor))
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY (SELECT id, {NAMES} FROM items WHERE id / 100 = {number} ORDER BY id) TO STDOUT") as copy:
                record.note("copied", b"".join(bytes(part) for part in copy))


def scenario(url):
    with psycopg.connect(url, prepare_threshold=None) as connection:
        connection.execute("TRUNCATE items, orders RESTART IDENTITY")
    records = [Record() for _ in range(CLIENTS)]
    threads = [
        threading.Thread(target=client, args=(url, number + 1, record))
        for number, record in enumerate(records)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Record()
    for record in records:
        whole.entries += record.entries
    return whole


def main():
    # The user that pgbouncer runs as has to read its configuration.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        records = {"plain": scenario(twins.PLAIN)}
        service, url = pgbouncer(directory, "front", twins.PROXY)
        with service:
            records["pgbouncer before the proxy"] = scenario(url)
        service, url = pgbouncer(directory, "behind", twins.DIRECT)
        with service:
            second, url = proxy(directory, url)
            with second:
                records["pgbouncer behind the proxy"] = scenario(url)
        finish(compare(records))


main()

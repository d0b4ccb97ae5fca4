"""What grows with the province: log-ins in the morning, idle sessions, large mailboxes, disk space.

Each row gets a congvu of its own, so that what was measured before is neither in its memory nor in
its files. `run` calls these.
"""
# SPDX-License-Identifier: MPL-2.0
import os
import re
import shutil
import socket
import statistics
import tempfile
import time

import kit
import peers

CORES = os.cpu_count()


class Fresh:
    """A congvu that is started and stopped for one row."""

    def __enter__(self):
        self.server = peers.Congvu(False)
        self.server.start()
        return self.server

    def __exit__(self, *_):
        self.server.stop()


# ---- the morning ----

def storm(run):
    """50 log-ins a second, the pace of 3,000 in a minute, right after a start and again."""
    if not run.wants("storm"):
        return
    people = 100 if run.args.quick else 600
    print(f"\nlog-ins over TLS at 50 a second (3,000 in a minute) by {people} people, with SELECT and "
          f"LOGOUT   [storm]\n{'':38}{'rate/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>8}"
          f"{'of ' + str(CORES) + ' cores':>12}", flush=True)
    with Fresh() as s:
        s.more_users(people)
        for title, sasl, is_first in (
                ("PLAIN, first after the start", "plain", True), ("PLAIN, once more", "plain", False),
                ("SCRAM-SHA-256, first after the start", "scram", True)):
            if is_first:
                s.fresh()
            r = run.load("login", "--tls", "--target", f"127.0.0.1:{s.imaps}", "--users", s.login,
                         "--user-count", people, "--password", s.password, "--sessions", 100,
                         "--count", people, "--rate", 50, "--sasl", sasl, pids=s.imap_pids())
            share = r["cpu_ms"] * r["rate"] / 1000 / CORES
            print(f"{title:38}{r['rate']:8.1f}{r['p50_ms']:9.1f}{r['p99_ms']:9.1f}"
                  f"{r['cpu_ms']:8.2f}{share:12.0%}", flush=True)
            run.results.append({"case": "storm", "server": title, **r})


# ---- large mailboxes ----

class Client:
    """Reads answers in large pieces and looks only for their end."""

    def __init__(self, s, user):
        self.sock = socket.create_connection(("127.0.0.1", s.imap), kit.PATIENCE)
        self.sock.recv(1000)
        self.number = 0
        self.cmd(f'LOGIN "{user}" "{s.password}"')

    def cmd(self, text):
        """Milliseconds, and the last of the answer."""
        self.number += 1
        began = time.monotonic()
        self.sock.sendall(b"t%d %s\r\n" % (self.number, text.encode()))
        end, tail = re.compile(rb"(^|\n)t%d (OK|NO|BAD)[^\n]*\r\n$" % self.number), b""
        while not (found := end.search(tail)):
            data = self.sock.recv(1 << 20)
            if not data:
                raise kit.Failure(f"{text[:60]}: the connection ended")
            tail = (tail + data)[-4096:]
        if found[2] != b"OK":
            raise kit.Failure(f"{text[:60]}: {tail[-200:]}")
        return (time.monotonic() - began) * 1000, tail.decode("utf-8", "replace")


APPEND = "APPEND INBOX {38+}\r\nSubject: x\r\n\r\nabcdefghijklmnopqrstuvwx"
LARGE = (  # how often, and what; %m: the middle message
    (5, "SELECT INBOX"),
    (5, "SELECT INBOX (QRESYNC (%v %q))"),
    (3, "FETCH 1:* FLAGS"),
    (3, "FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)"),
    (3, "SEARCH SUBJECT khongcotu"),
    (3, "SORT (DATE) UTF-8 ALL"),
    (3, "SORT (SUBJECT) UTF-8 ALL"),
    (3, "THREAD REFERENCES UTF-8 ALL"),
    (9, APPEND),
    (9, "STORE %m FLAGS ($%n)"),
    (9, "EXPUNGE"),
)


def measure(s, user, count):
    c, took = Client(s, user), {}
    c.cmd("ENABLE QRESYNC")
    told = c.cmd("SELECT INBOX")[1]
    validity = re.search(r"UIDVALIDITY (\d+)", told)[1]
    modseq = re.search(r"HIGHESTMODSEQ (\d+)", told)[1]
    for times, text in LARGE:
        times_ms = []
        for n in range(times):
            if text == "EXPUNGE":
                c.cmd(f"STORE {count // 2 + 50 + n} +FLAGS.SILENT (\\Deleted)")
            filled = (text.replace("%m", str(count // 2)).replace("%n", "AB"[n % 2])
                      .replace("%v", validity).replace("%q", modseq))
            times_ms.append(c.cmd(filled)[0])
        took[text] = statistics.median(times_ms)
    return took


def large(run):
    if not run.wants("large"):
        return
    counts = (200, 2000, 20000) if run.args.quick else (2000, 20000, 200000)
    print(f"\nmailboxes of {', '.join(f'{n:,}' for n in counts)} messages, ms; the last column: how "
          "much slower ten times as many are   [large]", flush=True)
    with Fresh() as s:
        columns = []
        for i, count in enumerate(counts):
            user = s.login.replace("u#", f"u{i:05d}")
            r = run.load("append", "--target", f"127.0.0.1:{s.imap}", "--users", user,
                         "--password", s.password, "--sessions", 10, "--count", count, "--size",
                         1024, pids=s.imap_pids())
            columns.append(measure(s, user, count))
            columns[-1]["APPEND by 10 sessions, each"] = 1000 / r["rate"]
    for text in columns[0]:
        row = [one[text] for one in columns]
        title = text.split("{")[0].split(" (%v")[0].strip()
        title = "SELECT INBOX (QRESYNC ...), nothing new" if "QRESYNC" in text else title
        print(f"{title:46}" + "".join(f"{ms:10.2f}" for ms in row) + f"{row[2] / row[1]:9.1f} x",
              flush=True)
        run.results.append({"case": "large", "server": title, "counts": counts, "ms": row})


# ---- disk space ----

MIX = ((1500, 2048, 1), (900, 10240, 1), (400, 61440, 1), (60, 512000, 1), (60, 61440, 20))


def storage(run, with_peers):
    """Octets on disk for the same messages: some small, some large, some to many."""
    if not run.wants("storage"):
        return
    part = 10 if run.args.quick else 1
    copies = sum(count // part * rcpts for count, _, rcpts in MIX)
    letters = sum(count // part * size * rcpts for count, size, rcpts in MIX)
    print(f"\ndisk space of {copies:,} copies, {letters / 1e6:.0f} MB as they are sent; a third to 20 "
          "people at once   [storage]", flush=True)
    servers = [peers.Congvu(False)]
    folder = tempfile.mkdtemp(prefix="congvu-bench-", dir="/tmp")
    try:
        if with_peers:
            os.chmod(folder, 0o755)
            kit.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mail.bench.test",
                     "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"])
            servers.append(peers.Dovecot("mdbox-zstd", "mdbox:~/mdbox", folder, peers.ZSTD))
        for s in servers:
            try:
                s.start()
                is_peer = isinstance(s, peers.Dovecot)
                before = s.stored_bytes()
                for count, size, rcpts in MIX:
                    run.load("smtp", *(["--lmtp"] if is_peer else []), "--target",
                             f"127.0.0.1:{s.deliver}", "--users",
                             s.login if is_peer else f"u#@{s.domain}", "--user-count", peers.USERS,
                             "--sessions", 10, "--count", count // part, "--size", size, "--rcpts",
                             rcpts, pids=s.imap_pids(), settle=None if is_peer else s.drain)
                grown = s.stored_bytes() - before
            finally:
                s.stop()
            print(f"{s.name:20}{grown / 1e6:9.1f} MB{grown / copies / 1000:9.2f} KB a copy"
                  f"{grown / letters:8.0%} of what was sent", flush=True)
            run.results.append({"case": "storage", "server": s.name, "bytes": grown,
                                "copies": copies})
    finally:
        shutil.rmtree(folder, ignore_errors=True)

#!/usr/bin/env python3
"""Peers that take without reading, send without end, or only wait: memory must stay bounded.

usage: imap_pressure.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../protocol/imap"))
from run import NAMES, Daemon, Peer  # noqa: E402

BIG = b"Subject: to\r\n\r\n" + (b"x" * 76 + b"\r\n") * (20 * 1024 * 1024 // 78)
READERS, PIPED, WAITING = 10, 20000, 500
ROOM_KB = 48 << 10  # far below what one answer a reader would be


class Failed(Exception):
    pass


def log_in(daemon, box=None):
    peer = Peer(daemon.port)
    peer.line()
    ask(peer, 'LOGIN "%s" "%s"' % (NAMES["user"], NAMES["pass"]))
    if box:
        ask(peer, "SELECT " + box)
    return peer


def ask(peer, command):
    peer.sock.sendall(b"p %s\r\n" % command.encode())
    while not (line := peer.line()).startswith(b"p "):
        pass
    if not line.startswith(b"p OK"):
        raise Failed("%s: %r" % (command, line))


def memory_kb(daemon):
    with open("/proc/%d/status" % daemon.process.pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def check_memory(daemon, before, what):
    grown = memory_kb(daemon) - before
    print("%s: %+d KB" % (what, grown))
    if grown > ROOM_KB:
        raise Failed("%s took %d KB" % (what, grown))


def check_slow_readers(daemon):
    first = log_in(daemon)
    first.sock.sendall(b"p APPEND INBOX {%d+}\r\n%s\r\n" % (len(BIG), BIG))
    if not first.line().startswith(b"p OK"):
        raise Failed("APPEND of a large message")
    readers = [log_in(daemon, "INBOX") for _ in range(READERS)]
    before = memory_kb(daemon)
    for reader in readers:
        reader.sock.sendall(b"z FETCH 1 BODY.PEEK[]\r\n" * 3)
    time.sleep(1)
    check_memory(daemon, before, "%d readers that do not read" % READERS)
    ask(first, "NOOP")
    reader = readers[0]
    got = bytearray()
    while len(got) < 3 * len(BIG) or not got.endswith(b"completed\r\n"):
        if not reader.more():
            raise Failed("a slow reader was cut off")
        if len(got) < 1 << 20:
            time.sleep(0.005)
        got += reader.buf
        reader.buf = b""
    if got.count(BIG) != 3:
        raise Failed("a slow reader got other bytes")


def check_pipeline(daemon):
    peer = log_in(daemon, "INBOX")
    before = memory_kb(daemon)
    peer.sock.settimeout(1)
    try:
        peer.sock.sendall(b"z UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[]<0.9999>)\r\n" * PIPED)
    except TimeoutError:
        pass  # nobody reads, so the server reads no more
    check_memory(daemon, before, "%d commands and no reader" % PIPED)


def check_endless(daemon):
    """Lines and literals without end, before log-in."""
    before = memory_kb(daemon)
    for start in (b"a LOGIN ", b"a LOGIN {200000000+}\r\n", b"a LOGIN \"", b"(" * 100):
        peer = Peer(daemon.port)
        peer.line()
        try:
            for _ in range(64):
                peer.sock.sendall(start + b"y" * (1 << 20))
                start = b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    check_memory(daemon, before, "four endless commands before log-in")


def check_waiting(daemon):
    peers = [log_in(daemon, "INBOX") for _ in range(WAITING)]
    for peer in peers:
        peer.sock.sendall(b"i IDLE\r\n")
    for peer in peers:
        peer.line()
    start = time.monotonic()
    ask(log_in(daemon), "APPEND INBOX {6+}\r\nA: b\r\n")
    for peer in peers:
        while b"EXISTS" not in peer.line():
            pass
    took = time.monotonic() - start
    print("%d waiting sessions told in %.3f s" % (WAITING, took))
    if took > 10:
        raise Failed("told late")


def main():
    daemon = Daemon(sys.argv[1], ["max_conns_per_user = 2000"])
    status = 0
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        daemon.ask({"do": "account.add", "address": NAMES["user"], "display_name": "Nguyễn An",
                    "password": NAMES["pass"], "allow_weak": True})
        for check in (check_slow_readers, check_pipeline, check_endless, check_waiting):
            check(daemon)
        daemon.stop()
    except Exception as fault:  # noqa: BLE001 - the daemon's log is wanted whatever happens
        print("%s: %s\n%s" % (type(fault).__name__, fault, daemon.said()[-3000:]))
        daemon.process.kill()
        status = 1
    finally:
        daemon.process.wait()
        shutil.rmtree(daemon.dir)
    return status


if __name__ == "__main__":
    sys.exit(main())

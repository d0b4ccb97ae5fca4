#!/usr/bin/env python3
"""NOTIFY (RFC 5465) with several sessions: news come soon and only to their account; a client that
does not read is told NOTIFICATIONOVERFLOW; nothing is lost while NOTIFY changes under load, and
every new message is described once.

usage: notify_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, Peer, Wrong, run_against  # noqa: E402

SOON_SECS = 60       # a disk that is busy may hold an account's lock; never is what must not be
WATCHERS = 20        # sessions of one account
LOAD = 120           # messages that each of two sessions puts in
LARGE = 12 << 20     # more than the sockets between two processes hold
NAMES_MADE = 700     # more than an account's feed keeps


def run(peer, command):
    """The untagged lines, and the tagged one."""
    peer.send(command + b"\r\n")
    lines = []
    while not (line := peer.line()).startswith(command.split()[0] + b" "):
        lines.append(line)
    return lines, line


def do(peer, command):
    lines, line = run(peer, command)
    if line.split()[1] != b"OK":
        raise Wrong("%r: %r" % (command[:200], line))
    return lines


def log_in(daemon, number="", peer=None):
    peer = peer or Peer(daemon.port)
    peer.sock.settimeout(SOON_SECS)
    peer.line()
    do(peer, b"a LOGIN %s %s" % (NAMES["user" + number].encode(), NAMES["pass" + number].encode()))
    return peer


def append(peer, box, text=b"Subject: x\r\n\r\nx"):
    do(peer, b"p APPEND %s {%d+}\r\n%s" % (box, len(text), text))


def wait_for(peer, expression, secs=SOON_SECS):
    """Passes over lines up to one that fits."""
    end = time.monotonic() + secs
    while True:
        line = peer.line()
        if m := re.fullmatch(expression, line, re.S):
            return m
        if time.monotonic() > end:
            raise Wrong("%r did not come; last was %r" % (expression, line[:200]))


def check_speed(daemon):
    sender = log_in(daemon)
    do(sender, b"b CREATE speed")
    watchers = [log_in(daemon) for _ in range(WATCHERS)]
    stranger = log_in(daemon, "2")
    for w in watchers + [stranger]:
        do(w, b"b NOTIFY SET (personal (MessageNew MessageExpunge))")
    took = []
    for i in range(10):
        begin = time.monotonic()
        append(sender, b"speed")
        for w in watchers:
            wait_for(w, rb"\* STATUS \"speed\" \(MESSAGES %d UIDNEXT %d\)" % (i + 1, i + 2))
        took.append(time.monotonic() - begin)
    if max(took) > SOON_SECS:
        raise Wrong("%d sessions were told after %.1f s" % (WATCHERS, max(took)))
    if not stranger.is_quiet():
        raise Wrong("another account was told: %r" % stranger.buf)
    print("append to the last of %d sessions told: %.1f ms (median)" %
          (WATCHERS, 1000 * sorted(took)[len(took) // 2]))
    for p in watchers + [sender, stranger]:
        p.sock.close()


def check_slow_reader(daemon):
    sender = log_in(daemon)
    slow = Peer.__new__(Peer)
    slow.sock = socket.socket()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sock.connect(("127.0.0.1", daemon.port))
    slow.buf, slow.pack, slow.unpack = b"", None, None
    log_in(daemon, peer=slow)
    do(slow, b"b SELECT INBOX")
    do(slow, b"c NOTIFY SET (selected (MessageNew (BODY.PEEK[]) MessageExpunge))"
             b" (personal (MailboxName))")
    append(sender, b"INBOX", b"Subject: x\r\n\r\n" + b"x" * 70 * (LARGE // 70))
    for i in range(0, NAMES_MADE, 50):
        sender.send(b"".join(b"n CREATE slow-%d\r\n" % k for k in range(i, i + 50)))
        for _ in range(50):
            wait_for(sender, b"n OK .*")
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    wait_for(slow, rb"\* \d+ FETCH .*")
    wait_for(slow, rb"\* OK \[NOTIFICATIONOVERFLOW\] .*", 60)
    append(sender, b"INBOX")
    do(sender, b"n CREATE after")
    if not slow.is_quiet():
        raise Wrong("after the overflow came %r" % slow.buf[:200])
    slow.sock.settimeout(SOON_SECS)
    do(slow, b"d NOTIFY SET (personal (MailboxName))")
    do(sender, b"n CREATE again")
    wait_for(slow, rb"\* LIST .* \"again\"")
    for p in (sender, slow):
        p.sock.close()


def put(daemon, box, faults):
    try:
        peer = log_in(daemon)
        for _ in range(LOAD):
            append(peer, box)
        peer.sock.close()
    except (Wrong, OSError) as fault:
        faults.append(fault)


def toggle(peer, load, total):
    """Changes NOTIFY as long as LOAD runs; the number of messages that was told last."""
    sets = (b"STATUS (mailboxes load (MessageNew MessageExpunge))",
            b"(personal (MessageNew MessageExpunge FlagChange)) (subscribed NONE)",
            b"(subtree load (MessageNew MessageExpunge MailboxName))")
    told, times = 0, 0

    def take(line):
        m = re.match(rb'\* STATUS "load" \(MESSAGES (\d+)', line)
        return int(m.group(1)) if m else told

    while load.is_alive():
        for line in do(peer, b"t%d NOTIFY SET %s" % (times, sets[times % len(sets)])):
            told = take(line)
        times += 1
    end = time.monotonic() + SOON_SECS
    while told < total and time.monotonic() < end:
        try:
            told = take(peer.line())
        except TimeoutError:
            raise Wrong("%d of %d were told; NOOP after that: %r" %
                        (told, total, run(peer, b"n NOOP"))) from None
    print("NOTIFY changed %d times while %d messages came" % (times, total))
    return told


def check_load(daemon):
    watcher, reader = log_in(daemon), log_in(daemon)
    do(watcher, b"b CREATE load")
    do(reader, b"b SELECT load")
    do(reader, b"c NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange))")
    faults, described = [], []
    threads = [threading.Thread(target=put, args=(daemon, b"load", faults)) for _ in range(2)]

    def read():
        try:
            while len(described) < 2 * LOAD:
                if m := re.fullmatch(rb"\* \d+ FETCH \(UID (\d+)\)", reader.line()):
                    described.append(int(m.group(1)))
        except (Wrong, OSError) as fault:
            faults.append(fault)
    threads.append(threading.Thread(target=read))
    for t in threads:
        t.start()
    told = toggle(watcher, threads[0], 2 * LOAD)
    for t in threads:
        t.join()
    if faults:
        raise Wrong(faults[0])
    if told != 2 * LOAD:
        raise Wrong("%d of %d messages were told" % (told, 2 * LOAD))
    if described != list(range(1, 2 * LOAD + 1)):
        raise Wrong("described were %r" % described)


def play(daemon):
    for check in (check_speed, check_load, check_slow_reader):
        begin = time.monotonic()
        check(daemon)
        print("%s: %.1f s" % (check.__name__, time.monotonic() - begin))


if __name__ == "__main__":
    sys.exit(run_against(play, users=["", "2"]))

#!/usr/bin/env python3
"""UIDBATCHES (RFC 10022 3.1) over a mailbox of 2,300 messages with holes: every message is in one
batch, each batch but the last is full, and ranges of batches are parts of the whole.

usage: batches_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, Peer, Wrong, run_against  # noqa: E402

MESSAGES, GONE = 2300, 417


def run(peer, command):
    """The untagged lines, and the tagged one."""
    peer.send(command + b"\r\n")
    lines = []
    while not (line := peer.line()).startswith(command.split()[0] + b" "):
        lines.append(line)
    return lines, line


def need(got, want, what):
    if got != want:
        raise Wrong("%s: wanted %r, got %r" % (what, want, got))


def batches(peer, tag, rest):
    lines, line = run(peer, b"%s UIDBATCHES %s" % (tag, rest))
    need(line.split()[1], b"OK", line)
    m = re.fullmatch(rb'\* UIDBATCHES \(TAG "%s"\)(?: (\S+))?' % tag, lines[0])
    ranges = m.group(1).split(b",") if m.group(1) else []
    return [tuple(int(n) for n in r.split(b":")) for r in ranges]


def check_whole(ranges, uids, size, uidnext):
    need(ranges[0][0], uidnext - 1, "the first batch begins")
    need(ranges[-1][1], 1, "the last batch ends")
    for (_, low), (high, _) in zip(ranges, ranges[1:]):
        need(high, low - 1, "batches touch")
    counts = [sum(low <= u <= high for u in uids) for high, low in ranges]
    need(counts[:-1], [size] * (len(counts) - 1), "batches are full")
    need(sum(counts), len(uids), "all messages are in one")


def play(daemon):
    r = random.Random(10022)
    peer = Peer(daemon.port)
    peer.line()
    run(peer, b"a1 LOGIN %s %s" % (NAMES["user"].encode(), NAMES["pass"].encode()))
    for _ in range(0, MESSAGES, 50):
        peer.send(b"a2 APPEND INBOX" + b" {1+}\r\nx" * 50 + b"\r\n")
        need(peer.line().split()[1], b"OK", "APPEND")
    # RFC 5530 3, LIMIT: one APPEND takes 256 messages
    peer.send(b"a2 APPEND INBOX" + b" {1+}\r\nx" * 257 + b"\r\n")
    need(peer.line()[:13], b"a2 NO [LIMIT]", "257 messages")
    run(peer, b"a3 SELECT INBOX")
    gone = sorted(r.sample(range(1, MESSAGES + 1), GONE))
    run(peer, b"a4 UID STORE %s +FLAGS.SILENT (\\Deleted)" % b",".join(b"%d" % u for u in gone))
    run(peer, b"a5 EXPUNGE")
    uids = sorted(set(range(1, MESSAGES + 1)) - set(gone))
    whole = batches(peer, b"b1", b"500")
    need(len(whole), 4, "batches")
    check_whole(whole, uids, 500, MESSAGES + 1)
    check_whole(batches(peer, b"b2", b"1882"), uids, 1882, MESSAGES + 1)
    need(batches(peer, b"b3", b"1883"), [(MESSAGES, 1)], "one batch of all")
    need(batches(peer, b"b4", b"500 1:2"), whole[:2], "the first two")
    need(batches(peer, b"b5", b"500 2:9"), whole[1:], "all from the second")
    need(batches(peer, b"b6", b"500 5:9"), [], "none")
    # 3.1.1: again only after more than half a batch came or went
    need(batches(peer, b"c1", b"500"), whole, "the whole again")
    need(run(peer, b"c2 UIDBATCHES 500")[1][:13], b"c2 NO [LIMIT]", "too soon")
    run(peer, b"c3 UID STORE %d:%d +FLAGS.SILENT (\\Deleted)" % (uids[0], uids[249]))
    run(peer, b"c4 EXPUNGE")
    need(run(peer, b"c5 UIDBATCHES 500")[1][:13], b"c5 NO [LIMIT]", "250 went")
    run(peer, b"c6 UID STORE %d +FLAGS.SILENT (\\Deleted)" % uids[250])
    run(peer, b"c7 EXPUNGE")
    check_whole(batches(peer, b"c8", b"500"), uids[251:], 500, MESSAGES + 1)


if __name__ == "__main__":
    sys.exit(run_against(play))

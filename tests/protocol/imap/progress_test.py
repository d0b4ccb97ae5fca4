#!/usr/bin/env python3
"""INPROGRESS (RFC 9585 4): commands that take long say how far they are, others never.

As many searches through bodies run at once as it takes for one to last a few seconds.

usage: progress_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import re
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from batches_test import need, run  # noqa: E402
from run import NAMES, Peer, Wrong, run_against  # noqa: E402

MESSAGES, INTERVAL, ENOUGH = 300, 1, 2.4
LINE = re.compile(rb'\* OK \[INPROGRESS \((?:"([^"]*)"|NIL) (\d+|NIL) (\d+|NIL)\)\] .+')


def log_in(daemon):
    peer = Peer(daemon.port)
    peer.line()
    run(peer, b"a1 LOGIN %s %s" % (NAMES["user"].encode(), NAMES["pass"].encode()))
    return peer


def fill(peer):
    body = b"".join(b"Dong chu so %d cua mot la thu dai, khong co gi la.\r\n" % i
                    for i in range(800))
    message = b"Subject: dai\r\n\r\n" + body
    for _ in range(MESSAGES // 25):
        peer.send(b"a APPEND INBOX" + b" {%d+}\r\n%s" % (len(message), message) * 25 + b"\r\n")
        need(peer.line()[:4], b"a OK", "APPEND")


def finish(peers, tag):
    """The lines of each, with the time since the command was sent."""
    began, lines, open_ = time.monotonic(), {p: [] for p in peers}, set(peers)
    while open_:
        ready = [p for p in open_ if b"\n" in p.buf] or [
            p for p in open_ if p.sock in select.select([q.sock for q in open_], [], [], 30)[0]]
        if not ready:
            raise Wrong("nothing came for 30 s")
        for p in ready:
            line = p.line()
            lines[p].append((time.monotonic() - began, line))
            if line.startswith(tag + b" "):
                open_.discard(p)
    return lines, time.monotonic() - began


def check(lines, tag, told_tag):
    """Only news of progress, then the answer; how many news there were."""
    last, count, done_before = 0, 0, -1
    for at, line in lines[:-2]:
        m = LINE.fullmatch(line)
        if not m:
            raise Wrong("not a word on progress: %r" % line)
        if at - last < INTERVAL * .9:
            raise Wrong("too soon: %.2f s after %.2f s" % (at, last))
        done, goal = int(m.group(2)), int(m.group(3))
        need((m.group(1), goal), (told_tag, MESSAGES), "tag and goal")
        if not done_before <= done < goal:
            raise Wrong("%d of %d after %d" % (done, goal, done_before))
        last, done_before, count = at, done, count + 1
    need([line[:len(tag) + 12] for _, line in lines[-2:]],
         [(b"* SEARCH")[:len(tag) + 12], (tag + b" OK SEARCH completed")[:len(tag) + 12]],
         "the answer")
    return count


def play(daemon):
    peers = [log_in(daemon)]
    fill(peers[0])
    run(peers[0], b"a SELECT INBOX")
    told = secs = 0
    while secs < ENOUGH and len(peers) < 200:
        for _ in range(max(len(peers), 5)):
            peers.append(log_in(daemon))
            run(peers[-1], b"a SELECT INBOX")
        for p in peers:
            p.send(b"s%d SEARCH TEXT khongdau\r\n" % 1)
        lines, secs = finish(peers, b"s1")
        told = sum(check(lines[p], b"s1", b"s1") for p in peers)
        if secs < INTERVAL and told:
            raise Wrong("told after %.2f s" % secs)
    if not told:
        raise Wrong("nothing was told in %.1f s" % secs)
    # A tag with "]" is not told (RFC 9585 4).
    for p in peers:
        p.send(b"s] SEARCH TEXT khongdau\r\n")
    lines, secs = finish(peers, b"s]")
    told = sum(check(lines[p], b"s]", None) for p in peers)
    need(told > 0, True, "told without a tag")


if __name__ == "__main__":
    sys.exit(run_against(play, ["progress_interval = %ds" % INTERVAL, "search_index = no",
                                "max_conns_per_user = 300"]))

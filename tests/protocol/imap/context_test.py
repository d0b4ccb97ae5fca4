#!/usr/bin/env python3
"""Contexts (RFC 5267) under random changes: a client that applies EXISTS, EXPUNGE, ADDTO and
REMOVEFROM as they come has the same results as a search made now; a session may have so many.

usage: context_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from notify_test import append, do, log_in  # noqa: E402
from run import Wrong, run_against  # noqa: E402

ROUNDS, CONTEXTS_MAX = 60, 16
SEARCHES = (
    b"SEARCH RETURN (%s) UNSEEN", b"UID SEARCH RETURN (%s) OR FLAGGED SUBJECT b",
    b"SORT RETURN (%s) (SUBJECT) UTF-8 NOT DELETED",
    b"UID SORT RETURN (%s) (REVERSE SUBJECT ARRIVAL) UTF-8 UNSEEN",
    b"UID SORT RETURN (%s) (SIZE REVERSE SUBJECT) UTF-8 ALL",
    b"SEARCH RETURN (%s) TEXT hop UNFLAGGED",
)


def numbers(text):
    """What a sequence set names, in its order (RFC 5267 3.2)."""
    out = []
    for part in text.split(b",") if text else []:
        low, _, high = part.partition(b":")
        out.extend(range(int(low), int(high or low) + 1))
    return out


class Context:
    def __init__(self, peer, tag, search):
        self.tag, self.search = tag, search
        self.is_uid = search.startswith(b"UID")
        self.is_sort = b"SORT" in search
        line = [n for n in do(peer, tag + b" " + search % b"UPDATE ALL") if b"ESEARCH" in n][0]
        self.have = numbers((re.search(rb"ALL (\S+)", line) or [b"", b""])[1])

    def change(self, word, pairs):
        for place, part in zip(pairs[::2], pairs[1::2]):
            place, part = int(place), numbers(part)
            if not place:
                if self.is_sort:
                    raise Wrong("a sorted result without a place")
                left = set(self.have) - set(part)
                self.have = sorted(left | set(part) if word == b"ADDTO" else left)
            elif word == b"ADDTO":
                self.have[place - 1:place - 1] = part
            else:
                if self.have[place - 1:place - 1 + len(part)] != part:
                    raise Wrong("%r is not at %d of %r" % (part, place, self.have))
                del self.have[place - 1:place - 1 + len(part)]

    def expunge(self, seq):
        if not self.is_uid:
            if seq in self.have:
                raise Wrong("%d is expunged and still in %r" % (seq, self.tag))
            self.have = [n - (n > seq) for n in self.have]

    def check(self, peer):
        line = [n for n in do(peer, b"x " + self.search % b"ALL") if b"ESEARCH" in n][0]
        now = numbers((re.search(rb"ALL (\S+)", line) or [b"", b""])[1])
        if now != self.have:
            raise Wrong("%r: kept %r, found %r" % (self.search, self.have, now))


def take(contexts, line):
    if m := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
        for x in contexts:
            x.expunge(int(m[1]))
    m = re.match(rb'\* ESEARCH \(TAG "(\w+)"\)( UID)?', line)
    for x in contexts:
        if m and x.tag == m[1]:
            if bool(m[2]) != x.is_uid:
                raise Wrong("UID or not: %r" % line)
            for word, pairs in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
                x.change(word, pairs.split())


def disturb(r, peer):
    """A random change by another session."""
    if r.random() < 0.3:
        subject = r.choice((b"aa", b"bb", b"cc", b"hop", b"Re: bb"))
        append(peer, b"INBOX", b"Subject: %s\r\n\r\n%s" % (subject, b"x" * r.randint(1, 3)))
    lines = do(peer, b"n UID SEARCH ALL")
    uids = [n for n in lines if n.startswith(b"* SEARCH")][-1].split()[2:]
    if not uids:
        return
    some = b",".join(sorted(r.sample(uids, r.randint(1, min(5, len(uids)))), key=int))
    sign = r.choice((b"+", b"-"))
    flag = r.choice((b"\\Seen", b"\\Flagged", b"\\Deleted", b"\\Seen \\Flagged"))
    do(peer, b"s UID STORE %s %sFLAGS.SILENT (%s)" % (some, sign, flag))
    if r.random() < 0.2:
        do(peer, b"e UID EXPUNGE %s" % some)


def play(daemon, seed):
    r = random.Random(seed)
    kept, other = log_in(daemon), log_in(daemon)
    for _ in range(20):
        append(other, b"INBOX", b"Subject: %s\r\n\r\nx" % r.choice((b"aa", b"bb", b"cc")))
    for p in (kept, other):
        do(p, b"b SELECT INBOX")
    contexts = [Context(kept, b"k%d" % i, s) for i, s in enumerate(SEARCHES)]
    for number in range(ROUNDS):
        for _ in range(r.randint(1, 4)):
            disturb(r, other)
        for line in do(kept, r.choice((b"z NOOP", b"z CHECK", b"z UID FETCH 1:* (FLAGS)"))):
            take(contexts, line)
        try:
            for x in contexts:
                x.check(kept)
        except Wrong as fault:
            raise Wrong("round %d of seed %d: %s" % (number, seed, fault)) from fault
    print("%d rounds, %d messages left" % (ROUNDS, len(contexts[4].have)))
    for i in range(len(contexts), CONTEXTS_MAX + 1):
        lines = do(kept, b"m%d SEARCH RETURN (UPDATE COUNT) ALL" % i)
        refused = any(b'NO [NOUPDATE "m%d"]' % i in n for n in lines)
        if refused != (i == CONTEXTS_MAX) or not any(b"COUNT" in n for n in lines):
            raise Wrong("context %d: %r" % (i, lines))


if __name__ == "__main__":
    sys.exit(run_against(lambda daemon: play(daemon, int(os.environ.get("SEED", "5267")))))

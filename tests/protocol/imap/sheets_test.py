#!/usr/bin/env python3
"""FETCH of many envelopes and structures tells what FETCH of each message's own rows tells.

Odd messages come and go in two sessions, the server is killed in between so that its UIDs jump, and
after each step random ranges are fetched in both ways: from what is kept ready in memory
(imapd/sheets.h), and with a section asked for as well, which reads the rows.

usage: sheets_test.py DAEMON [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from index_test import Box, message  # noqa: E402
from run import Wrong  # noqa: E402

ITEMS = b"UID FLAGS INTERNALDATE RFC822.SIZE EMAILID ENVELOPE BODYSTRUCTURE"
FEWER = [b"UID ENVELOPE", b"UID BODYSTRUCTURE", b"UID RFC822.SIZE INTERNALDATE", b"UID SAVEDATE THREADID"]
NO_PART = b"BODY.PEEK[99]"  # of no message: " BODY[99] NIL", and the rows are read


def fetch(box, command, items):
    """The answers, without the part that is not there, and how many."""
    text = b"\n".join(box.ask(command + b" (" + items + b")"))
    return text.replace(b" BODY[99] NIL", b""), text.count(b" FETCH (UID ")


def compare(r, box, when):
    count = len(box.ask(b"UID SEARCH ALL")[0].split()) - 2
    low, high = sorted((r.randrange(1, count + 1), r.randrange(1, count + 1)))
    for span in (b"1:*", b"%d:%d" % (low, high), b"%d" % low, b"%d,%d:*" % (low, high)):
        for items in (ITEMS, r.choice(FEWER)):
            got, n = fetch(box, b"FETCH " + span, items)
            want, wanted = fetch(box, b"FETCH " + span, items + b" " + NO_PART)
            if got != want or n != wanted or not n:
                raise Wrong("%s: %r %r\n %r\n %r" % (when, span, items, got, want))
    return count


def step(r, box, other):
    """Something changes, by this session or another one."""
    who, what = r.choice((box, other)), r.random()
    if what < .4:
        for _ in range(r.choice((1, 3, 40))):
            who.add(message(r))
    elif what < .7:
        low = r.randrange(1, 60)
        who.ask(b"STORE %d:%d +FLAGS.SILENT (\\Deleted)" % (low, low + r.choice((0, 2, 20))))
        who.ask(b"EXPUNGE")
    else:
        who.ask(b"COPY 1:%d INBOX" % r.choice((1, 5, 50)))
    box.ask(b"NOOP")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    r, box = random.Random(seed), Box(sys.argv[1], "fetch_cache = 1M")
    other = object.__new__(Box)
    other.daemon = box.daemon
    try:
        for _ in range(130):
            box.add(message(r))
        for turn in range(3):
            other.log_in()
            for i in range(6):
                compare(r, box, "seed %d turn %d step %d" % (seed, turn, i))
                step(r, box, other)
                other.ask(b"NOOP")
            box.kill()
        count = compare(r, box, "at the end")
    finally:
        box.end()
    print("the same in both ways, %d messages at the end" % count)


if __name__ == "__main__":
    main()

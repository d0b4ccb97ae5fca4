#!/usr/bin/env python3
"""METADATA at its limits (RFC 5464 4.3), and what was answered OK is there after kill -9.

usage: metadata_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from batches_test import need, run  # noqa: E402
from run import NAMES, Peer, run_against  # noqa: E402

LONGEST, MOST = 16384, 64


def log_in(daemon):
    peer = Peer(daemon.port)
    peer.line()
    run(peer, b"a1 LOGIN %s %s" % (NAMES["user"].encode(), NAMES["pass"].encode()))
    return peer


def ask(peer, command, answer, *untagged):
    lines, line = run(peer, b"a " + command)
    need((line[2:][:len(answer)], lines), (answer, list(untagged)), command[:60])


def value(n):
    return b"{%d+}\r\n%s" % (n, b"v" * n)


def play_limits(peer):
    ask(peer, b'SETMETADATA INBOX (/private/a "a" /private/big %s)' % value(LONGEST + 1),
        b"NO [METADATA MAXSIZE %d]" % LONGEST)
    ask(peer, b"GETMETADATA INBOX (DEPTH infinity) /private", b"OK GETMETADATA")
    ask(peer, b"SETMETADATA INBOX (/private/big %s)" % value(LONGEST), b"OK ")
    ask(peer, b"GETMETADATA INBOX (MAXSIZE 100) /private/big",
        b"OK [METADATA LONGENTRIES %d]" % LONGEST)
    for i in range(MOST - 1):
        ask(peer, b'SETMETADATA INBOX (/private/n%d "%d")' % (i, i), b"OK ")
    ask(peer, b'SETMETADATA INBOX (/private/big NIL /private/x "a" /private/y "b")',
        b"NO [METADATA TOOMANY]")
    ask(peer, b"GETMETADATA INBOX (MAXSIZE 9) (/private/big /private/n62 /private/x)",
        b"OK [METADATA LONGENTRIES %d]" % LONGEST,
        b'* METADATA "INBOX" (/private/n62 "62" /private/x NIL)')
    # Others of the mailbox are counted apart, and one may replace another.
    ask(peer, b'SETMETADATA INBOX (/private/n0 "new" /shared/comment "one")', b"OK ")
    ask(peer, b'SETMETADATA INBOX (/private/n0 NIL /private/x "a")', b"OK ")
    ask(peer, b"SETMETADATA INBOX (%s)" % b" ".join(b"/private/o%d NIL" % i
                                                   for i in range(MOST + 1)), b"BAD ")
    # An account has a limit as a whole: some mailbox is refused its first large entries.
    refused = False
    for i in range(10):
        run(peer, b"a CREATE b%d" % i)
        for k in range(MOST):
            line = run(peer, b"a SETMETADATA b%d (/shared/n%d %s)" % (i, k, value(LONGEST)))[1]
            refused = refused or line.startswith(b"a NO [METADATA TOOMANY]")
    need(refused, True, "an account is limited")


def play(daemon):
    play_limits(log_in(daemon))
    peer = log_in(daemon)
    ask(peer, b'SETMETADATA b0 (/shared/n0 "kept" /shared/n1 NIL)', b"OK ")
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.start()
    peer = log_in(daemon)
    ask(peer, b"GETMETADATA b0 (/shared/n0 /shared/n1)", b"OK ",
        b'* METADATA "b0" (/shared/n0 "kept" /shared/n1 NIL)')


if __name__ == "__main__":
    sys.exit(run_against(play))

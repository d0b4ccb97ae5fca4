#!/usr/bin/env python3
"""Many sessions do random things to the same mailboxes; a model says what each may believe.

A session believes only what the server told it, and its own STORE ... .SILENT. Checked while it
runs, after each answer:

  numbers     exist, EXISTS never falls, UIDs ascend, stay in place and never come back
  EXPUNGE     not during FETCH, STORE, SEARCH by number; nothing at all while no command runs, but
              with NOTIFY, where numbers still move only during commands
  flags       one (UID, MODSEQ) means one set of flags, in every session
  own keyword each session has one that it alone sets: it shows in every later answer, and SEARCH
              finds exactly the messages that have it
  MODSEQ      never falls; CHANGEDSINCE and UNCHANGEDSINCE keep to it; HIGHESTMODSEQ is not below
              what any session was told before
  VANISHED    instead of EXPUNGE once QRESYNC is enabled, of messages that were there; who comes
              back with QRESYNC knows from what is told then exactly what is there
  $           is what was saved, without what is gone
  \\Recent     a message is recent in one session at most
  constants   content, size, date of (UIDVALIDITY, UID) never change, COPY and MOVE keep them
  UIDNEXT     above every UID; UIDVALIDITY of a name that was deleted and made again is new

Some sessions are compressed, some know QRESYNC, UIDONLY or NOTIFY, some nothing. In the end all is
quiet, and every session's belief must be what a fresh session reads.

With --shared the mailboxes are those of a role box, and every second session is of another person:
\Seen and \Recent are then one truth for each of the two, everything else is one for both.

usage: imap_consistency.py [--shared] DAEMON [SECONDS] [SESSIONS] [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import bisect
import os
import random
import re
import select
import shutil
import socket
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../protocol/imap"))
from run import NAMES, Daemon  # noqa: E402

PEOPLE = ["user"]
ABOVE = b""  # of all names
BOX = b"chung"
SIDE = [b"phu", b"phu/con"]
SHARED = [b"\\Answered", b"\\Flagged", b"\\Draft", b"\\Seen", b"$chung"]
OPS = {b"+": lambda old, new: old | new, b"-": lambda old, new: old - new}


def uids_told(lines):
    """UIDs that untagged FETCH and UIDFETCH answers name."""
    told = re.findall(rb"^\* (?:\d+ FETCH \(.*?\bUID (\d+)|(\d+) UIDFETCH)", b"".join(lines), re.M)
    return [int(a or b) for a, b in told]


class Broken(Exception):
    pass


class Gone(Exception):
    """The server said BYE, or closed: only a deleted mailbox may cause that."""


class World:
    """What all sessions together know to be true for ever."""

    def __init__(self):
        self.lock = threading.Lock()
        self.facts = {}
        self.uidnext = {}
        self.highest = {}  # of a UIDVALIDITY: the highest MODSEQ that anybody was told
        self.stop = threading.Event()
        self.faults = []
        self.count = 0

    def fact(self, key, value):
        """The value of KEY is VALUE; answers another that was known before."""
        with self.lock:
            known = self.facts.setdefault(key, value)
        return None if known == value else known


class Session:
    def __init__(self, world, port, number, seed):
        self.world, self.port, self.number = world, port, number
        self.rng = random.Random(seed)
        self.person = number % len(PEOPLE)
        self.own = b"$rieng%d" % number
        self.epoch = 0
        self.qresync, self.uid_only, self.notified = False, False, False
        self.past = None  # what it knew of BOX when it went
        self.connect()

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(60)
        self.buf, self.tags, self.trace = b"", 0, []
        self.pack = self.unpack = None
        self.qresync, self.uid_only, self.saved, self.notified = False, False, None, False
        self.leave()
        self.answer()
        who = PEOPLE[self.person]
        self.run(b'LOGIN "%s" "%s"' % (NAMES[who].encode(), NAMES[who.replace("user", "pass")].encode()))
        if self.rng.random() < 0.3:
            self.run(b"COMPRESS DEFLATE")
            self.pack = zlib.compressobj(wbits=-15)
            self.unpack = zlib.decompressobj(wbits=-15)
        kind = self.rng.random()
        if kind < 0.4:
            self.run(b"ENABLE QRESYNC")
            self.qresync = True
        elif kind < 0.8:
            self.run(b"ENABLE CONDSTORE")
        if self.rng.random() < 0.2:
            self.run(b"ENABLE UIDONLY")
            self.uid_only = True
        if self.rng.random() < 0.25:
            self.run(b"NOTIFY SET (SELECTED%s (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
                     b"(PERSONAL (MessageNew MessageExpunge))" % (b"" if self.uid_only else b"-DELAYED"))
            self.notified = True

    def send(self, data):
        if self.pack:
            data = self.pack.compress(data) + self.pack.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def reconnect(self):
        """Goes without a word, and comes back."""
        self.remember()
        self.sock.close()
        self.connect()
        self.reselect()

    def remember(self):
        """What a client keeps for QRESYNC, if it knows all of it."""
        if self.box == BOX and self.highest and not self.uid_only and None not in self.uids and \
                all(u in self.flags for u in self.uids):
            self.past = (self.validity, self.highest, list(self.uids), dict(self.flags))

    def leave(self):
        self.box, self.uids, self.flags, self.modseq = None, [], {}, {}
        self.dead, self.validity, self.is_reader = set(), 0, False
        self.highest, self.saved, self.arrived = 0, None, 0
        self.suspects = set()  # their own keyword is wrong: so they must be gone already
        self.no_expunge, self.is_quiet, self.has_news = False, True, False

    # ---- reading

    def fail(self, why):
        raise Broken("session %d: %s\n  %s" % (self.number, why,
                     "\n  ".join(repr(t)[:400] for t in self.trace[-25:])))

    def more(self):
        got = self.sock.recv(1 << 16)
        if not got:
            raise Gone()
        self.buf += self.unpack.decompress(got) if self.unpack else got

    def is_told(self, secs=0):
        return bool(self.buf or select.select([self.sock], [], [], secs)[0])

    def answer(self):
        """One answer with its literals, as (text, literals)."""
        at = 0
        while True:
            end = self.buf.find(b"\r\n", at)
            if end < 0:
                self.more()
                continue
            size = re.search(rb"\{(\d+)\}$", self.buf[at:end])
            at = end + 2
            if not size:
                break
            at += int(size.group(1))
            while len(self.buf) < at:
                self.more()
        whole, self.buf = self.buf[:at], self.buf[at:]
        self.trace = self.trace[-40:] + [whole]
        if whole.startswith(b"* BYE"):
            raise Gone()
        return whole

    def check_constants(self, uid, text):
        where = (self.validity, uid)
        for name, pattern in (("size", rb"RFC822\.SIZE (\d+)"), ("date", rb'INTERNALDATE "([^"]+)"'),
                              ("id", rb"\r\nX-Id: ([^\r]+)\r\n"),
                              ("structure", rb"BODYSTRUCTURE (\(.*?\)\)?)(?: \w|\)\r\n)")):
            found = re.search(pattern, text, re.S)
            if not found:
                continue
            other = self.world.fact((name, where), found.group(1))
            if other:
                self.fail("%s of UID %d was %r, is %r" % (name, uid, other, found.group(1)))

    def check_flags(self, uid, flags, modseq):
        if b"\\Recent" in flags and not self.is_reader:
            me = (self.number, self.epoch)
            other = self.world.fact(("recent", self.person, self.validity, uid), me)
            if other:
                self.fail("UID %d is recent here and in session %r" % (uid, other))
        plain = frozenset(flags - {b"\\Recent"})
        if modseq:
            seen = plain & {b"\\Seen"}
            for key, value in ((("flags",), plain - seen), (("seen", self.person), seen)):
                other = self.world.fact(key + (self.validity, uid, modseq), value)
                if other is not None:
                    self.fail("UID %d has %r and %r at MODSEQ %d" % (uid, value, other, modseq))
        known = self.flags.get(uid)
        # With NOTIFY what was told before a STORE of ours may come after it is asked for.
        if known is not None and not self.notified and (self.own in known) != (self.own in plain):
            self.suspects.add(uid)
        self.flags[uid] = set(plain)

    def on_fetch(self, n, text):
        if not 1 <= n <= len(self.uids):
            self.fail("FETCH of number %d of %d" % (n, len(self.uids)))
        found = re.search(rb"[( ]UID (\d+)", text)
        if found:
            uid = int(found.group(1))
            if self.uids[n - 1] not in (None, uid) or uid in self.dead:
                self.fail("number %d was UID %r, is %d" % (n, self.uids[n - 1], uid))
            if self.uids[n - 1] is None:
                below = [u for u in self.uids[:n - 1] if u]
                above = [u for u in self.uids[n:] if u]
                if (below and below[-1] >= uid) or (above and above[0] <= uid):
                    self.fail("UID %d is out of order" % uid)
            self.uids[n - 1] = uid
        if self.uids[n - 1] is not None:
            self.learn(self.uids[n - 1], text)

    def on_uidfetch(self, uid, text):
        if uid not in self.uids:
            at = self.untold(uid)
            if at is None:
                self.fail("UIDFETCH of UID %d, which is not there" % uid)
            self.uids.pop(at)
            bisect.insort(self.uids, uid, key=lambda u: u or 1 << 32)
        self.learn(uid, text)

    def untold(self, uid):
        """Where UID can be among those that were never told, or None: between the known below and above.
        Without numbers the untold are simply kept at the end."""
        if self.uid_only:
            return len(self.uids) - 1 if self.uids and self.uids[-1] is None else None
        at = next((i for i, u in enumerate(self.uids) if u and u > uid), len(self.uids))
        return at - 1 if at and self.uids[at - 1] is None else None

    def learn(self, uid, text):
        found = re.search(rb"MODSEQ \((\d+)\)", text)
        modseq = int(found.group(1)) if found else 0
        if modseq:
            if modseq < self.modseq.get(uid, 0):
                self.fail("MODSEQ of UID %d fell to %d" % (uid, modseq))
            self.modseq[uid] = modseq
            with self.world.lock:
                self.world.highest[self.validity] = max(modseq, self.world.highest.get(self.validity, 0))
        found = re.search(rb"FLAGS \(([^)]*)\)", text)
        if found:
            self.check_flags(uid, set(found.group(1).split()), modseq)
        self.check_constants(uid, text)

    def on_vanished(self, text):
        if not self.qresync and not self.uid_only:
            self.fail("VANISHED without QRESYNC")
        if text.startswith(b"(EARLIER) "):
            return  # what was gone before: select_box() and vanished_since() look
        if self.no_expunge:
            self.fail("VANISHED while numbers are in use")
        for uid in expand(text.strip()):
            if uid in self.uids:
                self.uids.remove(uid)
            else:
                at = self.untold(uid)
                if at is None:
                    self.fail("VANISHED of UID %d, which was not there" % uid)
                self.uids.pop(at)
            self.dead.add(uid)
            self.flags.pop(uid, None)

    def on_highest(self, text):
        found = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", text)
        if found:
            highest = int(found.group(1))
            if highest < self.highest:
                self.fail("HIGHESTMODSEQ fell from %d to %d" % (self.highest, highest))
            self.highest = highest

    def on_untagged(self, text):
        if text.startswith(b"* OK [HIGHESTMODSEQ"):
            self.on_highest(text)
        if text.startswith(b"* VANISHED "):
            if self.is_quiet and not (self.notified and self.uid_only):
                self.fail("an answer while no command runs")
            self.on_vanished(text[len(b"* VANISHED "):])
            return
        found = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH|UIDFETCH|RECENT)(.*)", text, re.S)
        if not found:
            return
        n, word = int(found.group(1)), found.group(2)
        if self.is_quiet and (not self.notified or word == b"EXPUNGE"):
            self.fail("an answer while no command runs")
        if (word == b"UIDFETCH") != self.uid_only and b"FETCH" in word:
            self.fail("the wrong kind of FETCH")
        if word == b"EXPUNGE":
            if self.no_expunge:
                self.fail("EXPUNGE while numbers are in use")
            if self.qresync or self.uid_only:
                self.fail("EXPUNGE, though QRESYNC is enabled")
            if not 1 <= n <= len(self.uids):
                self.fail("EXPUNGE of number %d of %d" % (n, len(self.uids)))
            uid = self.uids.pop(n - 1)
            self.dead.add(uid)
            self.flags.pop(uid, None)
        elif word == b"EXISTS":
            if n < len(self.uids):
                self.fail("EXISTS fell to %d from %d" % (n, len(self.uids)))
            self.arrived += n - len(self.uids)
            self.uids += [None] * (n - len(self.uids))
        elif word == b"RECENT":
            if n > len(self.uids):
                self.fail("%d RECENT of %d" % (n, len(self.uids)))
        elif word == b"UIDFETCH":
            self.on_uidfetch(n, found.group(3))
        else:
            self.on_fetch(n, found.group(3))

    # ---- commands

    def run(self, command, may_fail=False, no_expunge=False):
        self.tags += 1
        tag = b"x%d " % self.tags
        if self.buf or (not self.unpack and self.rng.random() < 0.05 and self.is_told()):
            self.is_quiet = True
            self.on_untagged(self.answer())
        self.trace = self.trace[-40:] + [b">" + command]
        self.is_quiet, self.no_expunge = False, no_expunge
        self.send(tag + command + b"\r\n")
        got = []
        while not (text := self.answer()).startswith(tag):
            got.append(text)
            self.on_untagged(text)
        self.no_expunge = False
        self.on_highest(text)
        if not text.startswith(tag + b"OK") and not may_fail:
            self.fail("refused: %r" % text)
        if command == b"NOOP" and self.suspects & set(self.uids):
            self.fail("the own keyword of UIDs %r is wrong" % (self.suspects & set(self.uids)))
        got.append(text)
        return got

    def select_box(self, box, word=b"SELECT"):
        if self.notified and self.box:
            self.run(b"UNSELECT")  # so that it is clear which mailbox news are of
        self.remember()
        self.leave()
        self.epoch += 1
        self.is_reader = word == b"EXAMINE"
        with self.world.lock:
            told = dict(self.world.highest)
            uidnext = dict(self.world.uidnext)
        resyncs = self.qresync and box == BOX and self.past
        if resyncs:
            # What is told of messages comes before UIDVALIDITY is known to be the same.
            validity, highest, uids, flags = self.past
            data = self.match_data(uids)
            command = b"%s %s (QRESYNC (%d %d%s))" % (word, box, validity, highest, data)
        else:
            command = word + b" " + box
        got = self.run(command, may_fail=True)
        text = b"".join(got)
        if b"[UIDVALIDITY " not in text:
            return False
        self.box = box
        self.validity = int(re.search(rb"\[UIDVALIDITY (\d+)\]", text).group(1))
        if self.highest < told.get(self.validity, 0):
            self.fail("HIGHESTMODSEQ %d, but %d was told" % (self.highest, told[self.validity]))
        if int(re.search(rb"\[UIDNEXT (\d+)\]", text).group(1)) < uidnext.get(self.validity, 0):
            self.fail("UIDNEXT fell")
        if resyncs and validity == self.validity:
            self.resync(uids, flags, got, data)
        self.past = None
        return True

    def match_data(self, uids):
        """Known UIDs, and numbers with their UIDs, which only help the server (RFC 7162 3.2.5.2)."""
        kind = self.rng.random()
        if kind < 0.5 or not uids:
            return b""
        known = b" 1:%d" % uids[-1]
        if kind < 0.7 or self.uid_only:
            return known
        numbers = sorted(self.rng.sample(range(1, len(uids) + 1), min(3, len(uids))))
        return known + b" (%s %s)" % (b",".join(b"%d" % n for n in numbers),
                                      b",".join(b"%d" % uids[n - 1] for n in numbers))

    def resync(self, uids, flags, answers, data):
        """Old knowledge and the news make exactly what is there."""
        text = b"".join(answers)
        gone = {u for part in re.findall(rb"\* VANISHED \(EARLIER\) ([\d:,]+)", text) for u in expand(part)}
        fetched = rb"\* (\d+) UIDFETCH \(" if self.uid_only else rb"\* \d+ FETCH \(UID (\d+) "
        fetched += rb"FLAGS \(([^)]*)\) MODSEQ \((\d+)\)"
        news = {int(u): set(f.split()) - {b"\\Recent"} for u, f, _ in re.findall(fetched, text)}
        want = sorted((set(uids) - gone) | set(news))
        exists = int(re.search(rb"\* (\d+) EXISTS", text).group(1))
        # With a list of known UIDs no others are told of.
        if len(want) > exists or (len(want) < exists and not data):
            self.fail("QRESYNC: of %r gone %r, new %r, but %d EXISTS" % (uids, gone, list(news), exists))
        self.uids = want + [None] * (exists - len(want))
        self.flags = {u: set(news.get(u, flags.get(u, ()))) for u in want}
        # Whatever has not changed since must be as it was believed to be.
        believed, top = {u: set(f) for u, f in self.flags.items()}, self.highest
        answers = self.run(b"UID FETCH 1:* (FLAGS MODSEQ)")
        for uid, told, modseq in re.findall(fetched, b"".join(answers)):
            told = set(told.split()) - {b"\\Recent"}
            if int(modseq) <= top and told != believed.get(int(uid), told):
                self.fail("QRESYNC: UID %s believed %r is %r" % (uid, believed[int(uid)], told))

    def some_set(self):
        n = len(self.uids)
        a, b = self.rng.randint(1, n), self.rng.randint(1, n)
        kind = self.rng.random()
        if kind < 0.4:
            return b"%d" % a, [a]
        if kind < 0.5 and not self.notified:  # to whom "*" may have become another
            return b"*:%d" % a, list(range(a, n + 1))
        return b"%d:%d" % (a, b), list(range(min(a, b), max(a, b) + 1))

    def some_flags(self):
        return self.rng.sample(SHARED, self.rng.randint(1, 2)) + [self.own] * self.rng.randint(0, 1)

    def store(self):
        text, numbers = self.some_set()
        sign = self.rng.choice([b"+", b"-"])
        flags = set(self.some_flags())
        is_silent = not self.notified and self.rng.random() < 0.5
        uids = [self.uids[n - 1] for n in numbers]
        by_uid = (self.uid_only or self.rng.random() < 0.5) and None not in uids
        if self.uid_only and not by_uid:
            return self.learn_all()
        if by_uid:
            text = b",".join(b"%d" % u for u in uids)
        # Believed from the moment it is asked for: what the server then tells is newer.
        for uid in uids:
            if uid in self.flags:
                known = self.flags[uid]
                if is_silent:
                    self.flags[uid] = OPS[sign](known, flags)
                else:
                    self.flags[uid] = OPS[sign](known, flags & {self.own})
        self.run(b"%sSTORE %s %sFLAGS%s (%s)" %
                 (b"UID " if by_uid else b"", text, sign, b".SILENT" if is_silent else b"",
                  b" ".join(flags)), no_expunge=not by_uid)

    def conditional(self):
        if not self.modseq or not self.uids:
            return
        text, numbers = self.some_set()
        since = self.rng.choice(list(self.modseq.values()))
        uids = list(self.uids)
        newer = {n for n in numbers if self.modseq.get(uids[n - 1], 0) > since}
        for n in numbers:  # the own keyword is left alone here
            self.flags.pop(self.uids[n - 1], None)
        got = self.run(b"STORE %s (UNCHANGEDSINCE %d) +FLAGS (%s)" %
                       (text, since, self.rng.choice(SHARED)), no_expunge=True)
        found = re.search(rb"\[MODIFIED ([\d:,]+)\]", got[-1])
        modified = set(expand(found.group(1))) if found else set()
        if not set(numbers) >= modified:
            self.fail("MODIFIED %r of %r" % (modified, numbers))
        if missing := {uids[n - 1] for n in newer - modified}:
            self.run(b"NOOP")  # they may be gone
            if missing & set(self.uids):
                self.fail("not MODIFIED, though newer: %r" % (missing & set(self.uids)))

    def changed_since(self):
        since = self.rng.choice(list(self.modseq.values()) or [1])
        want = {u for u in self.uids if self.modseq.get(u, 0) > since}
        got = self.run(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % since)
        found = {int(u) for u in re.findall(rb"FETCH \(UID (\d+)", b"".join(got))}
        if not want <= found:
            self.fail("CHANGEDSINCE %d: %r is missing" % (since, want - found))

    def vanished_since(self):
        """UID FETCH with VANISHED: all that is gone of what was known, and nothing that is there."""
        if not self.qresync or not self.highest:
            return
        there, dead = {u for u in self.uids if u}, set(self.dead)
        got = self.run(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)")
        told = [expand(part) for part in re.findall(rb"\* VANISHED \(EARLIER\) ([\d:,]+)", b"".join(got))]
        told = {u for part in told for u in part}
        if not dead <= told or told & there & set(self.uids):
            self.fail("VANISHED (EARLIER): missing %r, there %r" % (dead - told, told & there))

    def save_result(self):
        if None in self.uids or not self.uids:
            return
        before = set(self.uids)
        lines = self.run(b"UID SEARCH RETURN (SAVE ALL) " + self.rng.choice(
            [b"ALL", b"UNSEEN", b"KEYWORD " + self.own, b"LARGER 300"]))
        got = b"".join(lines)
        found = re.search(rb"\* ESEARCH \(TAG \"[^\"]*\"\) UID(?: ALL ([\d:,]+))?", got)
        if not found:
            self.fail("no ESEARCH in %r" % got)
        self.saved = set(expand(found.group(1))) if found.group(1) else set()
        # Messages may have been told of before the result; their UIDs are higher.
        told = {u for u in self.saved if u > max(before)} if len(self.uids) > len(before) else set()
        if not self.saved <= before | told | (set(self.uids + uids_told(lines)) if self.notified else set()):
            self.fail("saved %r of %r" % (self.saved, before))

    def use_result(self):
        if self.saved is None or None in self.uids:
            return
        want = self.saved & set(self.uids)
        command, pattern = self.rng.choice([(b"UID FETCH $ (UID)", rb"FETCH \(UID (\d+)"),
                                            (b"FETCH $ (UID FLAGS)", rb"FETCH \(UID (\d+)"),
                                            (b"UID SEARCH RETURN (ALL) UID $", rb"UID ALL ([\d:,]+)")])
        got = b"".join(t for t in self.run(command) if b"MODSEQ" not in t)
        found = {u for part in re.findall(pattern, got) for u in expand(part)}
        if not found & self.saved <= want or (b"SEARCH" in command and not found <= want):
            self.fail("$ had %r, is %r" % (want, found))
        if missing := want - found:
            self.run(b"NOOP")
            if b"FLAGS" not in command and missing & set(self.uids):
                self.fail("$ lost %r" % (missing & set(self.uids)))

    def replace(self):
        if not self.uids or self.is_reader or None in self.uids:
            return
        n = self.rng.randint(1, len(self.uids))
        number, message = self.new_message()
        uid = self.uids[n - 1]
        got = self.run(b"UID REPLACE %d %s {%d+}\r\n%s" % (uid, BOX, len(message), message), may_fail=True)
        found = re.search(rb"APPENDUID (\d+) (\d+)\]", b"".join(got))
        if not got[-1].split(b" ")[1] == b"OK":
            return  # somebody else removed it first
        if uid in self.uids:
            self.fail("UID %d was replaced, but is there" % uid)
        self.new_facts(found, number, message)

    def search_own(self):
        if self.notified or not self.uids or None in self.uids or any(u not in self.flags for u in self.uids):
            return
        before = list(self.uids)
        want = [n for n, u in enumerate(self.uids, 1) if self.own in self.flags[u]]
        got = self.run(b"SEARCH KEYWORD " + self.own, no_expunge=True)
        for text in got:
            if text.startswith(b"* SEARCH"):
                found = [int(n) for n in text.partition(b"(")[0].split()[2:]]
                self.suspects |= {before[n - 1] for n in set(found) ^ set(want)}

    def esearch(self):
        key = self.rng.choice([b"ALL", b"SEEN", b"UNFLAGGED NOT DRAFT", b"OR ANSWERED LARGER 300",
                               b'NOT SUBJECT "thu 1"', b"BODY noi", b"RECENT", b"UID 1:*" if self.uid_only else b"1:*"])
        before = list(self.uids)
        got = self.run(b"UID SEARCH RETURN (MIN MAX COUNT ALL) " + key)
        text = b"".join(t for t in got if t.startswith(b"* ESEARCH"))
        every = re.search(rb" ALL ([\d:,]+)", text)
        uids = expand(every.group(1)) if every else []
        for word, value in ((b"MIN", min(uids, default=0)), (b"MAX", max(uids, default=0))):
            found = re.search(word + rb" (\d+)", text)
            if int(found.group(1) if found else 0) != value:
                self.fail("%r of %r" % (word, text))
        if self.notified:  # news may come before the answer, and what they tell of be gone after it
            before = before + self.uids + uids_told(got)
        if None not in before and not set(uids) <= set(before):
            self.fail("UID SEARCH found %r" % (set(uids) - set(before)))

    def new_message(self):
        with self.world.lock:
            self.world.count += 1
            number = self.world.count
        return number, (
            b"From: an@lamgiang.example\r\nX-Id: %d\r\nSubject: thu %d\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: text/plain\r\n\r\n%s\r\n" %
            (number, number, b"noi dung " * self.rng.choice([1, 30, 3000])))

    def new_facts(self, appended, number, message):
        """Of a message that the server gave a UID, if it did."""
        if not appended:
            return
        where = (int(appended.group(1)), int(appended.group(2)))
        for name, value in (("id", b"%d" % number), ("size", b"%d" % len(message))):
            if self.world.fact((name, where), value):
                self.fail("UID %r was given twice" % (where,))

    def append(self):
        number, message = self.new_message()
        box = self.rng.choice([BOX] * 4 + SIDE)
        flags = [f for f in self.some_flags() if f != self.own]
        got = self.run(b"APPEND %s (%s) \"%02d-Nov-2026 10:%02d:00 +0700\" {%d+}\r\n%s" %
                       (box, b" ".join(flags), number % 28 + 1, number % 60, len(message), message),
                       may_fail=box != BOX)
        self.new_facts(re.search(rb"APPENDUID (\d+) (\d+)\]", got[-1]), number, message)

    def copy(self, word):
        if not self.uids:
            return
        text, numbers = self.some_set()
        if word == b"COPY" and (len(self.uids) > 60 or len(numbers) > 10):
            return
        if self.uid_only:
            uids = [self.uids[n - 1] for n in numbers]
            if None in uids:
                return self.learn_all()
            word, text = b"UID " + word, b",".join(b"%d" % u for u in uids)
        to = self.rng.choice([BOX] + SIDE)
        box = self.validity
        got = self.run(b"%s %s %s" % (word, text, to), may_fail=True)
        found = re.search(rb"COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]", b"".join(got))
        if not found:
            if b"OK" not in got[-1][:12] and to == BOX:
                self.fail("%r refused: %r" % (word, got[-1]))
            return
        old, new = expand(found.group(2)), expand(found.group(3))
        if len(old) != len(new) or len(old) > len(numbers):
            self.fail("COPYUID %r" % (found.group(0),))
        for a, b in zip(old, new):
            for name in ("id", "size", "date"):
                with self.world.lock:
                    value = self.world.facts.get((name, (box, a)))
                if value and self.world.fact((name, (int(found.group(1)), b)), value):
                    self.fail("COPY changed the %s of UID %d, now %d" % (name, a, b))

    def status(self):
        box = self.rng.choice([BOX] + SIDE)
        got = b"".join(self.run(b"STATUS %s (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)" % box, may_fail=True))
        found = re.search(rb"MESSAGES (\d+) UIDNEXT (\d+) UIDVALIDITY (\d+) UNSEEN (\d+)", got)
        if not found:
            return
        messages, uidnext, validity, unseen = (int(n) for n in found.groups())
        with self.world.lock:
            before = self.world.uidnext.get(validity, 0)
            self.world.uidnext[validity] = max(before, uidnext)
        if unseen > messages or messages >= uidnext:
            self.fail("STATUS %r" % got)

    def idle(self):
        self.tags += 1
        self.is_quiet = False
        self.trace.append(b"> IDLE")
        self.send(b"x%d IDLE\r\n" % self.tags)
        while not (text := self.answer()).startswith(b"+"):
            self.on_untagged(text)
        end = time.monotonic() + self.rng.random() / 10
        while (left := end - time.monotonic()) > 0:
            if b"\r\n" in self.buf:
                self.on_untagged(self.answer())
            elif select.select([self.sock], [], [], left)[0]:
                self.more()  # what is unpacked may be nothing yet
        # The next command is on its way before the answer to DONE is.
        self.send(b"DONE\r\nnext UID FETCH 1:* (FLAGS)\r\n")
        for tag in (b"x%d OK" % self.tags, b"next OK"):
            while not (text := self.answer()).startswith(tag):
                self.on_untagged(text)

    def pipeline(self):
        self.is_quiet = False
        self.trace.append(b"> pipeline")
        self.send(b"p1 NOOP\r\np2 UID FETCH 1:* (FLAGS)\r\np3 UID SEARCH ALL\r\np4 CHECK\r\n")
        for tag in (b"p1 OK", b"p2 OK", b"p3 OK", b"p4 OK"):
            while not (text := self.answer()).startswith(tag):
                self.on_untagged(text)

    def remake(self):
        """A side mailbox goes, comes or is renamed; who has it selected may be sent away."""
        box = self.rng.choice(SIDE)
        if self.box == BOX:
            near, far = named(b"phu/con"), named(b"phu/xa")
            self.run(self.rng.choice([b"DELETE " + box, b"CREATE " + box, b"CREATE " + box,
                                      b"RENAME %s %s" % (near, far), b"RENAME %s %s" % (far, near),
                                      b"SUBSCRIBE " + box, b'LIST "" *', b'LSUB "" phu*']), may_fail=True)

    def fetch(self):
        if not self.uids:
            return
        text, _ = self.some_set()
        if self.uid_only:
            return self.learn_all()
        items = self.rng.choice([b"FLAGS", b"(UID FLAGS)", b"(UID FLAGS RFC822.SIZE INTERNALDATE)",
                                 b"(UID MODSEQ)", b"(UID ENVELOPE BODYSTRUCTURE)",
                                 b"(UID BODY.PEEK[HEADER.FIELDS (X-ID)])", b"(UID BODY.PEEK[]<0.200>)",
                                 b"(UID FLAGS BODY[TEXT]<5.10>)"])
        self.run(b"FETCH %s %s" % (text, items), no_expunge=True)

    def learn_all(self):
        """What a client without numbers asks for; the answer tells each UID and so where it is."""
        before = self.arrived
        self.run(b"UID FETCH 1:* (%s)" % self.rng.choice(
            [b"FLAGS", b"UID FLAGS MODSEQ", b"FLAGS RFC822.SIZE INTERNALDATE", b"BODY.PEEK[HEADER.FIELDS (X-ID)]"]))
        if self.uids.count(None) > self.arrived - before:
            self.fail("UID FETCH 1:* did not tell all of %r" % self.uids)

    def mark_deleted(self):
        """\\Deleted is not among the flags of the other commands, so that enough stays."""
        if len(self.uids) < 15 or self.is_reader:
            return
        text, numbers = self.some_set()
        if len(numbers) > 6:
            text, numbers = b"%d" % numbers[0], numbers[:1]
        uids = [self.uids[n - 1] for n in numbers]
        if not self.uid_only:
            self.run(b"STORE %s +FLAGS (\\Deleted)" % text, no_expunge=True)
        elif None not in uids:
            self.run(b"UID STORE %s +FLAGS (\\Deleted)" % b",".join(b"%d" % u for u in uids))

    def expunge(self):
        known = [u for u in self.uids if u]
        if known and self.rng.random() < 0.4:
            self.run(b"UID EXPUNGE %d:%d" % (self.rng.choice(known), self.rng.choice(known)))
        else:
            self.run(b"EXPUNGE")

    def reselect(self):
        kind = self.rng.random()
        if self.box and kind < 0.3:
            self.remember()
            self.run(b"CLOSE" if kind < 0.2 else b"UNSELECT")
            self.leave()
        box = BOX if kind < 0.85 else self.rng.choice(SIDE)
        while not self.select_box(box, b"EXAMINE" if self.rng.random() < 0.1 else b"SELECT"):
            box = BOX

    def step(self):
        if self.is_reader and self.rng.random() < 0.3:
            return self.reselect()
        if self.box != BOX and self.rng.random() < 0.2:
            return self.reselect()
        acts = [(self.fetch, 14), (self.append, 9), (self.status, 2), (self.idle, 2), (self.pipeline, 3),
                (self.vanished_since, 1), (self.save_result, 2), (self.use_result, 4),
                (self.reconnect, 1), (self.esearch, 4), (self.search_own, 5), (self.changed_since, 2), (self.reselect,
                    2),
                (self.remake, 3), (lambda: self.run(b"NOOP"), 6), (lambda: self.copy(b"COPY"), 3)]
        if not self.is_reader:
            acts += [(self.store, 14), (self.conditional, 2), (self.mark_deleted, 5),
                     (self.expunge, 4), (self.replace, 2), (lambda: self.copy(b"MOVE"), 1)]
        if self.uid_only:  # these look at numbers
            acts = [(a, w) for a, w in acts if a not in (
                self.save_result, self.use_result, self.search_own, self.changed_since, self.conditional)]
        act = self.rng.choices([a for a, _ in acts], [w for _, w in acts])[0]
        if self.uids or act not in (self.store, self.fetch):
            act()

    def settle(self):
        """[(uid, flags)] as believed when all is quiet; only what was never told is asked for."""
        self.run(b"NOOP")
        if None in self.uids:
            self.run(b"UID FETCH 1:* (UID)" if self.uid_only else b"FETCH 1:* (UID)")
        unknown = [b"%d" % u for u in self.uids if u not in self.flags]
        if unknown:
            self.run(b"UID FETCH %s (FLAGS)" % b",".join(unknown))
        return [(u, sorted(self.flags[u])) for u in self.uids]


def named(box):
    return b'"%s%s"' % (ABOVE, box) if ABOVE else box


def share(daemon):
    """From now on all mailboxes are those of a role box that two people hold."""
    global ABOVE, BOX, SIDE  # pylint: disable=global-statement
    ABOVE = b"D&APk-ng chung/vanthu@lamgiang.example/"
    BOX, SIDE = named(BOX), [named(box) for box in SIDE]
    PEOPLE.append("user2")
    daemon.ask({"do": "account.add", "address": NAMES["user2"], "display_name": "Lê Bình",
                "password": NAMES["pass2"], "allow_weak": True})
    daemon.ask({"do": "account.add", "address": "vanthu@lamgiang.example", "kind": "role",
                "display_name": "Văn thư"})
    for who in PEOPLE:
        daemon.ask({"do": "role.hold", "role": "vanthu@lamgiang.example", "holder": NAMES[who]})


def expand(text):
    numbers = []
    for part in text.split(b","):
        a, _, b = part.partition(b":")
        numbers += range(int(a), int(b or a) + 1)
    return numbers


def work(session, world, steps):
    try:
        session.select_box(BOX)
        while not world.stop.is_set():
            try:
                session.step()
                steps[session.number] += 1
            except Gone:
                if session.box in (BOX, None):
                    session.fail("the server ended the session")
                session.connect()
                session.select_box(BOX)
    except (Broken, Gone, OSError, ValueError, AttributeError) as fault:
        world.faults.append("%s: session %d: %s\n  %s" % (
            type(fault).__name__, session.number, fault, session.trace[-6:] + [session.buf[:200]]))
        world.stop.set()


def check_quiet(world, sessions, port):
    """All sessions against a fresh one of the same person."""
    for person in range(len(PEOPLE)):
        left = check_person(world, [s for s in sessions if s.person == person], port, person)
    return left


def check_person(world, sessions, port, person):
    fresh = Session(world, port, 1000 + person, 0)
    got = b""
    fresh.leave()
    got = b"".join(fresh.run(b"SELECT " + BOX))
    fresh.validity = int(re.search(rb"\[UIDVALIDITY (\d+)\]", got).group(1))
    want = fresh.settle()
    top = int(re.search(rb"\[UIDNEXT (\d+)\]", got).group(1))
    if want and want[-1][0] >= top:
        world.faults.append("UIDNEXT %d, but UID %d" % (top, want[-1][0]))
    fresh.run(b"UID FETCH 1:* (UID MODSEQ FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])")
    highest = int(re.search(rb"HIGHESTMODSEQ (\d+)", got).group(1))
    if fresh.modseq and max(fresh.modseq.values()) > highest:
        world.faults.append("HIGHESTMODSEQ %d, but %d" % (highest, max(fresh.modseq.values())))
    status = b"".join(fresh.run(b"STATUS %s (MESSAGES UNSEEN)" % BOX))
    unseen = sum("\\Seen" not in str(flags) for _, flags in want)
    if b"MESSAGES %d UNSEEN %d" % (len(want), unseen) not in status:
        world.faults.append("STATUS %r, but %d and %d" % (status, len(want), unseen))
    for session in sessions:
        if session.box != BOX:
            continue
        try:
            have = session.settle()
        except (Broken, Gone, KeyError) as fault:
            world.faults.append(str(fault))
            continue
        for mine, real in zip(have, want):
            if mine != real:
                world.faults.append("session %d believes %r, it is %r" % (session.number, mine, real))
                break
        if len(have) != len(want):
            world.faults.append("session %d has %d messages of %d" %
                                (session.number, len(have), len(want)))
    return len(want)


def main():
    is_shared = "--shared" in sys.argv
    if is_shared:
        sys.argv.remove("--shared")
    secs = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 30)
    daemon = Daemon(sys.argv[1], ["max_conns_per_user = 1000"])
    world, steps, left = World(), {}, 0
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        daemon.ask({"do": "account.add", "address": NAMES["user"], "display_name": "Nguyễn An",
                    "password": NAMES["pass"], "allow_weak": True})
        if is_shared:
            share(daemon)
        first = Session(world, daemon.port, 0, seed)
        for box in [BOX] + SIDE:
            first.run(b"CREATE " + box)
        sessions = [Session(world, daemon.port, i, seed + i) for i in range(count)]
        steps = {i: 0 for i in range(count)}
        threads = [threading.Thread(target=work, args=(s, world, steps)) for s in sessions]
        for thread in threads:
            thread.start()
        world.stop.wait(secs)
        world.stop.set()
        for thread in threads:
            thread.join()
        if not world.faults:
            left = check_quiet(world, sessions, daemon.port)
        daemon.stop()
    except Exception as fault:  # noqa: BLE001 - the daemon's log is wanted whatever happens
        world.faults.append("%s: %s" % (type(fault).__name__, fault))
        daemon.process.kill()
    finally:
        daemon.process.wait()
        said = daemon.said()
        shutil.rmtree(daemon.dir)
    if world.faults:
        print("seed %d\n%s\n--- log\n%s" % (seed, "\n".join(world.faults), said[-6000:]))
        return 1
    print("%d steps of %d sessions, %d messages made, %d left, all agree (seed %d)" %
          (sum(steps.values()), count, world.count, left, seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

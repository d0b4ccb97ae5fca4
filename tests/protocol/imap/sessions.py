#!/usr/bin/env python3
"""Several sessions do random things to one mailbox; each believes only what the server told it.

Every client keeps message numbers, UIDs and flags as RFC 3501 says it may, and fails when an answer
contradicts them: a number that does not exist, an EXPUNGE during FETCH, STORE or SEARCH by number,
a UID that moved or came back. In the end all must agree with a fresh session.

usage: sessions.py HOST PORT USER PASSWORD [SECONDS] [CLIENTS] [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import random
import re
import socket
import sys
import threading
import time

MESSAGE = (b"From: an@lamgiang.example\r\nSubject: thu %d\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: text/plain\r\n\r\nnoi dung %d\r\n")
FLAGS = [b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Seen", b"\\Draft", b"$one", b"two", b"three",
         b"\\Flagged", b"$one", b"\\Deleted"]


class Broken(Exception):
    pass


class Client:
    def __init__(self, where, user, password, seed):
        self.rng = random.Random(seed)
        self.sock = socket.create_connection(where)
        self.sock.settimeout(30)
        self.buf = b""
        self.count = 0
        self.trace = []
        self.uids = []          # by message number; None: not told yet
        self.flags = {}         # uid -> set, as told last
        self.no_expunge = False
        self.dead = set()
        self.answer()
        self.run(b'LOGIN "%s" "%s"' % (user.encode(), password.encode()))

    def line(self):
        while b"\r\n" not in self.buf:
            more = self.sock.recv(1 << 16)
            if not more:
                raise Broken("closed: " + repr(self.trace[-5:]))
            self.buf += more
        at = self.buf.index(b"\r\n") + 2
        line, self.buf = self.buf[:at], self.buf[at:]
        return line

    def answer(self):
        """One answer with its literals."""
        whole = b""
        while True:
            whole += self.line()
            size = re.search(rb"\{(\d+)\}\r\n$", whole)
            if not size:
                self.trace = self.trace[-30:] + [whole]
                return whole
            n = int(size.group(1))
            while len(self.buf) < n:
                self.buf += self.sock.recv(1 << 16)
            whole += self.buf[:n]
            self.buf = self.buf[n:]

    def fail(self, why):
        raise Broken("%s\n%s" % (why, "\n".join(repr(t) for t in self.trace[-20:])))

    def expunge(self, n):
        if self.no_expunge:
            self.fail("EXPUNGE while numbers are in use")
        if not 1 <= n <= len(self.uids):
            self.fail("EXPUNGE of number %d of %d" % (n, len(self.uids)))
        uid = self.uids.pop(n - 1)
        if uid is not None:
            self.dead.add(uid)
            self.flags.pop(uid, None)

    def fetch(self, n, text):
        if not 1 <= n <= len(self.uids):
            self.fail("FETCH of number %d of %d" % (n, len(self.uids)))
        uid = re.search(rb"UID (\d+)", text)
        if uid:
            uid = int(uid.group(1))
            if self.uids[n - 1] not in (None, uid):
                self.fail("number %d was UID %d, is now %d" % (n, self.uids[n - 1], uid))
            if uid in self.dead:
                self.fail("UID %d came back" % uid)
            self.uids[n - 1] = uid
            known = [u for u in self.uids if u is not None]
            if known != sorted(set(known)):
                self.fail("UIDs do not ascend: %r" % known)
        flags = re.search(rb"FLAGS \(([^)]*)\)", text)
        if flags and self.uids[n - 1] is not None:
            self.flags[self.uids[n - 1]] = set(flags.group(1).split()) - {b"\\Recent"}

    def take(self, answer):
        m = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", answer, re.S)
        if not m:
            if answer.startswith(b"* BYE"):
                self.fail("BYE")
            return
        n = int(m.group(1))
        if m.group(2) == b"EXPUNGE":
            self.expunge(n)
        elif m.group(2) == b"FETCH":
            self.fetch(n, m.group(3))
        else:
            if n < len(self.uids):
                self.fail("EXISTS went down to %d from %d" % (n, len(self.uids)))
            self.uids += [None] * (n - len(self.uids))

    def run(self, command, no_expunge=False, may_fail=False):
        self.count += 1
        tag = b"a%d" % self.count
        self.trace = self.trace[-30:] + [tag + b" " + command[:200]]
        self.no_expunge = no_expunge
        self.sock.sendall(tag + b" " + command + b"\r\n")
        got = []
        while True:
            answer = self.answer()
            if answer.startswith(tag + b" "):
                self.no_expunge = False
                if not answer.startswith(tag + b" OK") and not may_fail:
                    self.fail("refused: %r" % command[:100])
                return got, answer
            got.append(answer)
            self.take(answer)

    def select(self, box):
        self.uids, self.flags, self.dead = [], {}, set()
        self.run(b"SELECT " + box)

    def idle(self, secs):
        self.count += 1
        tag = b"a%d" % self.count
        self.sock.sendall(tag + b" IDLE\r\n")
        while not (answer := self.answer()).startswith(b"+"):
            self.take(answer)
        time.sleep(secs)
        self.sock.sendall(b"DONE\r\n")
        while not (answer := self.answer()).startswith(tag):
            self.take(answer)

    def some_set(self):
        n = len(self.uids)
        a, b = self.rng.randint(1, n), self.rng.randint(1, n)
        return b"%d:%d" % (a, b) if self.rng.random() < 0.5 else b"%d" % a

    def step(self, box):
        r = self.rng
        flag = b" ".join(r.sample(FLAGS, r.randint(1, 2)))
        what = r.choice(["append"] * 12 + ["store"] * 4 + ["uid store"] * 2 + ["fetch"] * 3 +
                        ["uid fetch"] * 2 + ["body", "search", "uid search", "expunge", "expunge",
                         "uid expunge", "copy", "copy", "move", "noop", "noop", "idle", "check",
                         "select", "conditional", "pipeline"])
        if what == "append":
            if len(self.uids) < 60:
                m = MESSAGE % (self.count, self.count)
                self.run(b"APPEND %s (%s) {%d+}\r\n%s" % (box, flag, len(m), m))
        elif what == "noop":
            self.run(b"NOOP")
        elif what == "check":
            self.run(b"CHECK")
        elif what == "idle":
            self.idle(r.random() / 20)
        elif what == "select":
            self.select(box)
        elif what == "expunge":
            self.run(b"EXPUNGE")
        elif not self.uids:
            self.run(b"NOOP")
        elif what == "store":
            silent = r.choice([b"", b".SILENT"])
            self.run(b"STORE %s %sFLAGS%s (%s)" % (self.some_set(), r.choice([b"+", b"-", b""]),
                     silent, flag), no_expunge=True)
            if silent:  # the server need not tell what it did
                self.flags = {}
        elif what == "uid store":
            self.run(b"UID STORE 1:%d +FLAGS (%s)" % (r.randint(1, 1 << 20), flag))
        elif what == "conditional":
            self.run(b"STORE 1:* (UNCHANGEDSINCE %d) +FLAGS (%s)" % (r.randint(1, 2000), flag),
                     no_expunge=True)
        elif what == "fetch":
            self.run(b"FETCH %s (UID FLAGS)" % self.some_set(), no_expunge=True)
        elif what == "uid fetch":
            self.run(b"UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)")
        elif what == "body":
            self.run(b"FETCH %s (UID BODY[] BODY.PEEK[HEADER.FIELDS (SUBJECT)])" %
                     self.some_set(), no_expunge=True)
        elif what == "search":
            got, _ = self.run(b"SEARCH OR SUBJECT thu BODY \"noi dung\"", no_expunge=True)
            for answer in got:
                if answer.startswith(b"* SEARCH"):
                    for n in answer.split()[2:]:
                        if not 1 <= int(n) <= len(self.uids):
                            self.fail("SEARCH found number %r of %d" % (n, len(self.uids)))
        elif what == "uid search":
            self.run(b"UID SEARCH RETURN (MIN MAX COUNT ALL) SEEN")
        elif what == "uid expunge":
            known = [u for u in self.uids if u]
            if known:
                self.run(b"UID EXPUNGE %d" % r.choice(known))
        elif what == "copy":
            if len(self.uids) < 40:
                self.run(b"COPY %s %s" % (self.some_set(), box))
        elif what == "move":
            number = r.randint(1, len(self.uids))
            self.run(b"MOVE %d %s" % (number, r.choice([box, b"elsewhere"])))
        elif what == "pipeline":
            self.sock.sendall(b"p1 NOOP\r\np2 UID FETCH 1:* (FLAGS)\r\np3 STATUS elsewhere "
                              b"(MESSAGES)\r\n")
            for tag in (b"p1", b"p2", b"p3"):
                while not (answer := self.answer()).startswith(tag + b" OK"):
                    self.take(answer)

    def settled(self):
        """What this client believes once all is quiet: [(uid, flags)]."""
        self.run(b"NOOP")
        self.run(b"FETCH 1:* (UID)", no_expunge=True) if self.uids else None
        for uid in self.uids:
            if uid not in self.flags:
                self.run(b"UID FETCH %d (FLAGS)" % uid)
        return [(uid, sorted(self.flags[uid])) for uid in self.uids]


def main():
    host, port, user, password = sys.argv[1:5]
    secs = float(sys.argv[5]) if len(sys.argv) > 5 else 10
    clients = int(sys.argv[6]) if len(sys.argv) > 6 else 5
    seed = int(sys.argv[7]) if len(sys.argv) > 7 else random.randrange(1 << 30)
    where = (host, int(port))
    box = b"sessions-test"
    faults = []
    steps = [0] * clients

    first = Client(where, user, password, seed)
    first.run(b"CREATE " + box, may_fail=True)
    first.run(b"CREATE elsewhere", may_fail=True)
    everyone = [Client(where, user, password, seed + 1 + i) for i in range(clients)]
    end = time.monotonic() + secs

    def work(i):
        try:
            everyone[i].select(box)
            while time.monotonic() < end and not faults:
                everyone[i].step(box)
                steps[i] += 1
        except (Broken, OSError) as fault:
            faults.append("client %d: %s" % (i, fault))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not faults:
        first.select(box)
        want = first.settled()
        for i, client in enumerate(everyone):
            if (got := client.settled()) != want:
                faults.append("client %d believes %r\nbut it is %r" % (i, got, want))
    if faults:
        print("seed %d\n%s" % (seed, "\n".join(faults)))
        return 1
    print("%d steps of %d sessions agree on %d messages (seed %d)" %
          (sum(steps), clients, len(first.uids), seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

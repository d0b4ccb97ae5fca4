#!/usr/bin/env python3
"""Rights (RFC 4314) against a model: random lists by person, group and anyone, negative ones too; what
MYRIGHTS says, and what commands may do, is what a few lines of Python say.

usage: acl_test.py DAEMON
"""
# SPDX-License-Identifier: MPL-2.0
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, Peer, Wrong, run_against  # noqa: E402

DOMAIN = "@lamgiang.example"
LETTERS = "lrswipkxtea"
KNOWING = set("lrikxa")
PEOPLE = ["binh", "chi", "dung"]
GROUPS = {"to-a": ["binh", "chi"], "to-b": ["chi", "dung"], "khoi": ["to-a"]}  # khoi holds a group
WHO = [*PEOPLE, *("group:" + g for g in GROUPS), "anyone"]
BOX = "Others/an@lamgiang.example/Box"
ROUNDS = 45


class Client:
    def __init__(self, daemon, user, password):
        self.peer, self.count = Peer(daemon.port), 0
        self.peer.line()
        self.ok("LOGIN %s %s" % (user + DOMAIN, password))

    def cmd(self, text):
        """The untagged lines, the result and its code."""
        self.count += 1
        tag = b"t%d" % self.count
        self.peer.send(tag + b" " + text.encode() + b"\r\n")
        lines = []
        while not (line := self.peer.line()).startswith(tag + b" "):
            lines.append(line.decode())
        m = re.match(rb"\S+ (\S+)(?: \[([A-Z-]+))?", line)
        return lines, m.group(1).decode(), (m.group(2) or b"").decode()

    def ok(self, text):
        lines, word, code = self.cmd(text)
        if word != "OK":
            raise Wrong("%s: %s %s" % (text, word, code))
        return lines


def groups_of(person):
    found = [g for g, members in GROUPS.items() if person in members]
    return found + [g for g, members in GROUPS.items() if set(found) & set(members)]


class Model:
    def __init__(self):
        self.entries = {}  # (negative, who) -> set of letters

    def change(self, negative, who, sign, letters):
        old = self.entries.get((negative, who), set())
        new = {"": letters, "+": old | letters, "-": old - letters}[sign]
        self.entries[negative, who] = new
        if not new:
            del self.entries[negative, who]

    def rights(self, person):
        mine = {person, "anyone", *("group:" + g for g in groups_of(person))}
        given = set().union(*(v for (neg, who), v in self.entries.items() if not neg and who in mine))
        taken = set().union(*(v for (neg, who), v in self.entries.items() if neg and who in mine))
        return given - taken


def shown(rights):
    old = ("c" if rights & set("kx") else "") + ("d" if rights & set("te") else "")
    return "".join(x for x in LETTERS if x in rights) + old


def need(got, want, what):
    if got != want:
        raise Wrong("%s: wanted %r, got %r" % (what, want, got))


def answer(rights, needed, missing="NONEXISTENT"):
    """What a command answers that needs a right on the mailbox."""
    if not rights & KNOWING:
        return "NO", missing
    return ("OK", None) if set(needed) <= rights else ("NO", "NOPERM")


def check_answer(got, want, what):
    word, code = want
    if got[1] != word or (code and got[2] != code):
        raise Wrong("%s: wanted %r, got %r" % (what, want, got[1:]))


def check_named(c, rights, what):
    known = rights & KNOWING
    lines, word, code = c.cmd("MYRIGHTS " + BOX)
    need((word, code), ("OK", "") if known else ("NO", "NONEXISTENT"), what + " MYRIGHTS")
    if known:
        need(lines, ['* MYRIGHTS "%s" %s' % (BOX, shown(rights))], what)
    listed = [line for line in c.ok('LIST "" Others/*') if line.endswith('/Box"')]
    need(bool(listed), "l" in rights, what + " LIST")
    for command, needed in (("STATUS %s (UIDNEXT)", "r"), ("GETACL %s", "a"), ("LISTRIGHTS %s binh", "a"),
                            ("EXAMINE %s", "r")):
        check_answer(c.cmd(command % BOX), answer(rights, needed), what + " " + command)
    check_answer(c.cmd("APPEND %s {1+}\r\nx" % BOX), answer(rights, "i", "TRYCREATE"), what + " APPEND")
    got = c.cmd("CREATE %s/%d" % (BOX, random.randrange(1 << 40)))
    need((got[1], got[2]), ("OK", "MAILBOXID") if "k" in rights else ("NO", "NOPERM") if got[2] != "NONEXISTENT"
         else ("NO", "NONEXISTENT"), what + " CREATE")


def check_selected(c, rights, what):
    """STORE and FETCH by rights; the message is the first."""
    lines = c.ok("SELECT " + BOX)
    flags = re.search(r"PERMANENTFLAGS \((.*)\)", "\n".join(lines)).group(1).split()
    may = {f for f, x in (("\\Seen", "s"), ("\\Deleted", "t"), ("\\Answered", "w"), ("\\Flagged", "w"),
                          ("\\Draft", "w"), ("\\*", "w")) if x in rights}
    need({f for f in flags if f[0] == "\\"}, may, what + " PERMANENTFLAGS")
    got = c.cmd("STORE 1 FLAGS (\\Flagged \\Deleted \\Seen $Word)")
    need(got[1], "OK" if rights & set("swt") else "NO", what + " STORE")
    now = set(re.search(r"FLAGS \((.*?)\)", c.ok("FETCH 1 FLAGS")[-1]).group(1).split()) - {"\\Recent"}
    asked = {"\\Flagged": "w", "$Word": "w", "\\Deleted": "t", "\\Seen": "s"}
    if rights & set("swt"):
        for flag, right in asked.items():
            if right in rights and flag not in now:
                raise Wrong("%s: %s was not set: %r" % (what, flag, now))
    got = c.cmd("STORE 1 FLAGS ()")
    now = set(re.search(r"FLAGS \((.*?)\)", c.ok("FETCH 1 FLAGS")[-1]).group(1).split()) - {"\\Recent"}
    for flag, right in asked.items():
        if right in rights and flag in now:
            raise Wrong("%s: %s was not taken away: %r" % (what, flag, now))
    check_answer(c.cmd("UID EXPUNGE 4000000000"), answer(rights, "e"), what + " EXPUNGE")
    check_answer(c.cmd("UID MOVE 4000000000 INBOX"), answer(rights, "te"), what + " MOVE")
    c.ok("UNSELECT")


def play(daemon):
    r = random.Random(4314)
    random.seed(4314)
    for user in PEOPLE[1:]:
        daemon.ask({"do": "account.add", "address": user + DOMAIN, "display_name": "Nguyễn An",
                    "password": NAMES["pass2"], "allow_weak": True})
    for group in GROUPS:
        daemon.ask({"do": "account.add", "address": group + DOMAIN, "kind": "group", "display_name": "Tổ"})
    for group, members in GROUPS.items():
        for member in members:
            daemon.ask({"do": "group.member", "group": group + DOMAIN, "member": member + DOMAIN})
    owner = Client(daemon, "an", NAMES["pass"])
    clients = {user: Client(daemon, user, NAMES["pass2"]) for user in PEOPLE}
    owner.ok("CREATE Box")
    owner.ok("APPEND Box {1+}\r\nx")
    model = Model()
    for n in range(ROUNDS):
        for negative, who in r.sample(sorted(model.entries), len(model.entries) // 2):
            model.change(negative, who, "", set())
            owner.ok('DELETEACL Box %s' % ("-" * negative + who))
        for _ in range(r.choice((1, 1, 2, 4))):
            negative, who, sign = r.random() < 0.25, r.choice(WHO), r.choice(("", "", "+", "-"))
            letters = set(r.sample(LETTERS, r.choice((0, 1, 3, 6, 9))))
            letters |= set(r.choice(("", "r")))
            model.change(negative, who, sign, letters)
            owner.ok('SETACL Box %s "%s"' % ("-" * negative + who, sign + "".join(letters)))
        for user, c in clients.items():
            rights = model.rights(user)
            what = "round %d, %s with %s" % (n, user, shown(rights) or "nothing")
            check_named(c, rights, what)
            if "r" in rights:
                check_selected(c, rights, what)


if __name__ == "__main__":
    sys.exit(run_against(play, ["others_namespace = Others"], ["", "2"]))

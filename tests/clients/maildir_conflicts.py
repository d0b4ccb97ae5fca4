#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""mbsync and offlineimap where both sides changed: they end alike, and nothing is lost.

Between two runs the Maildir here and the mailboxes there are changed against each other: other flags
on the same message, a deletion against a flag, moves to different places, the same folder made on
both sides. Then the programs run until nothing changes any more.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import ARCHIVE, folders, held, parsed, utf7  # noqa: E402
from tap import Tap  # noqa: E402

MBSYNC = """IMAPAccount far
Host localhost
Port {port}
User "{user}"
Pass "{password}"
SSLType IMAPS
CertificateFile {ca}

IMAPStore far
Account far

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove None
Expunge Both
Sync All
SyncState *
"""
OFFLINEIMAP = """[general]
accounts = one
metadata = {home}/state
fsync = False
socktimeout = 60
[Account one]
localrepository = near
remoterepository = far
utf8foldernames = yes
[Repository near]
type = Maildir
localfolders = {home}/mail
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {ca}
usecompression = yes
"""
FLAGS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft", "T": "\\Deleted"}
INCOMING, BOTH = "Công văn đến", "Sở Nội vụ/Quý IV & khác"
# What these programs ask though it may hear NO, and why that is the right answer.
REFUSALS = {
    "mbsync": {},
    "offlineimap": {},
}


class Maildir:
    """The side here; PROGRAM keeps it like the side there."""

    def __init__(self, p, tap, user, program):
        self.home, self.program = os.path.join(p.dir, "client"), program
        os.makedirs(os.path.join(self.home, "mail"))
        self.config = os.path.join(self.home, "config")
        text = MBSYNC if program == "mbsync" else OFFLINEIMAP
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text.format(port=tap.port, user=user, password=p.users[user], ca=p.ca,
                                home=self.home))
        self.added = 0

    def sync(self):
        argv = ["mbsync", "-c", self.config, "-a"] if self.program == "mbsync" else \
            ["offlineimap", "-o", "-u", "quiet", "-c", self.config]
        text = kit.run(argv, env={**os.environ, "HOME": self.home, "LANG": "C.UTF-8",
                                  "PATH": "/usr/bin:/bin"})
        expect("rror" not in text and "Warn" not in text, text)

    def path(self, folder):
        name = utf7(folder) if self.program == "mbsync" else folder
        return os.path.join(self.home, "mail", name)

    def files(self, folder):
        """Every message's file, by the Subject."""
        found = {}
        for part in ("cur", "new"):
            where = os.path.join(self.path(folder), part)
            for name in os.listdir(where):
                with open(os.path.join(where, name), "rb") as f:
                    subject = str(parsed(f.read())["Subject"])
                expect(subject not in found, "twice here in", folder, subject)
                found[subject] = os.path.join(where, name)
        return found

    def held(self, folder):
        return {subject: sorted(FLAGS[f] for f in name.rpartition(":2,")[2] if f in FLAGS)
                if ":2," in name else [] for subject, name in self.files(folder).items()}

    def folders(self):
        found = []
        for where, names, _ in os.walk(os.path.join(self.home, "mail")):
            if "cur" in names:
                found.append(os.path.relpath(where, os.path.join(self.home, "mail")))
        return sorted(found)

    def make(self, folder):
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.path(folder), part), exist_ok=True)

    def add(self, folder, text, flags=""):
        self.added += 1
        name = f"17000000{self.added:02}.M{self.added}P1.here:2,{flags}"
        with open(os.path.join(self.path(folder), "cur", name), "wb") as f:
            f.write(text)

    def mark(self, folder, subject, flags):
        old = self.files(folder)[subject]
        base = os.path.basename(old).partition(":2,")[0]
        os.rename(old, os.path.join(self.path(folder), "cur", f"{base}:2,{flags}"))

    def remove(self, folder, subject):
        os.unlink(self.files(folder)[subject])

    def move(self, folder, subject, to):
        """As a mail program moves in a Maildir: a new file there, then this one goes."""
        old = self.files(folder)[subject]
        with open(old, "rb") as f:
            self.add(to, f.read(), old.rpartition(":2,")[2] if ":2," in old else "")
        os.unlink(old)


class There:
    """The side of the server."""

    def __init__(self, p, user):
        self.c = p.imap(user)

    def select(self, folder):
        expect(self.c.select(f'"{utf7(folder)}"')[0] == "OK", folder)

    def number(self, subject):
        found = self.c.search(None, "HEADER", "SUBJECT", f'"{subject}"')[1][0].split()
        expect(len(found) == 1, subject, found)
        return found[0].decode()

    def change(self, folder, subject, how, flags):
        self.select(folder)
        self.c.store(self.number(subject), how, flags)
        self.c.unselect()

    def remove(self, folder, subject):
        self.select(folder)
        self.c.store(self.number(subject), "+FLAGS", r"(\Deleted)")
        self.c.expunge()
        self.c.unselect()

    def move(self, folder, subject, to):
        self.select(folder)
        ok, data = self.c._simple_command("MOVE", self.number(subject), f'"{utf7(to)}"')
        expect(ok == "OK", data)
        self.c.unselect()

    def add(self, folder, text, flags=None):
        expect(self.c.append(f'"{utf7(folder)}"', flags, None, text)[0] == "OK", folder)

    def held(self, folder):
        return held(self.c, folder)

    def state(self):
        """All that would move if a run changed anything."""
        return [self.c.status(f'"{utf7(f)}"', "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
                for f in folders(self.c)]

    def uids(self, folder):
        """UIDVALIDITY, and each subject's UID."""
        validity = self.c.status(f'"{utf7(folder)}"', "(UIDVALIDITY)")[1][0]
        self.select(folder)
        data = self.c.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        self.c.unselect()
        return validity, {str(parsed(d[1])["Subject"]): re.search(rb"UID (\d+)", d[0])[1]
                          for d in data if isinstance(d, tuple)}


def letter(subject, text="nội dung"):
    return (f"From: x@sender.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.example>\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").encode()


def change_both_sides(here, there):
    here.mark("INBOX", "flag-both", "S")
    there.change("INBOX", "flag-both", "+FLAGS", r"(\Flagged)")
    here.mark("INBOX", "unflag-there", "FS")
    there.change("INBOX", "unflag-there", "-FLAGS", r"(\Flagged)")
    here.remove("INBOX", "gone-here")
    there.change("INBOX", "gone-here", "+FLAGS", r"(\Answered)")
    here.mark("INBOX", "gone-there", "F")
    there.remove("INBOX", "gone-there")
    here.remove("INBOX", "gone-both")
    there.remove("INBOX", "gone-both")
    here.move("INBOX", "moved-here", INCOMING)
    there.move("INBOX", "moved-there", INCOMING)
    here.move("INBOX", "moved-apart", INCOMING)
    there.move("INBOX", "moved-apart", ARCHIVE)
    here.add("INBOX", letter("new-here"), "S")
    there.add("INBOX", letter("new-there"), r"(\Flagged)")
    here.make(BOTH)
    here.add(BOTH, letter("folder-here"))
    there.c.create(f'"{utf7(BOTH)}"')
    there.add(BOTH, letter("folder-there"), r"(\Seen)")


def converge(here, there):
    """Runs until a run changes nothing there, and gives how many it took."""
    for count in range(1, 6):
        before = there.state()
        here.sync()
        if there.state() == before:
            return count
    raise kit.Failure("runs go on changing something")


def both_sides_changed(program):
    with kit.Province(filter=False) as p:
        an = p.user("an")
        there = There(p, an)
        names = ("flag-both", "gone-here", "gone-there", "gone-both", "moved-here", "moved-there",
                 "moved-apart", "stays")
        for name in names:
            there.add("INBOX", letter(name))
        there.add("INBOX", letter("unflag-there"), r"(\Flagged)")
        there.c.create(f'"{utf7(INCOMING)}"')
        there.add(INCOMING, letter("old", "Kính gửi"), r"(\Seen)")
        with Tap(p) as tap:
            here = Maildir(p, tap, an, program)
            here.sync()
            for folder in ("INBOX", INCOMING):
                expect(here.held(folder) == there.held(folder), folder, here.held(folder))
            numbers = {f: there.uids(f) for f in ("INBOX", INCOMING)}

            change_both_sides(here, there)
            converge(here, there)
            expect(len(here.folders()) == len(folders(there.c)), here.folders())
            for folder in folders(there.c):
                expect(here.held(folder) == there.held(folder), folder, "here:", here.held(folder),
                       "there:", there.held(folder))
            check(there, numbers)
            tap.expect_only(REFUSALS[program])
        there.c.logout()
        p.check_store()


def check(there, numbers):
    inbox, incoming = there.held("INBOX"), there.held(INCOMING)
    # Who deleted and who marked disagree: deleted or kept, it is the same on both sides by now.
    for undecided in ("gone-here", "gone-there"):
        inbox.pop(undecided, None)
    expect(inbox == {"stays": [], "flag-both": ["\\Flagged", "\\Seen"], "unflag-there": ["\\Seen"],
                     "new-here": ["\\Seen"], "new-there": ["\\Flagged"]}, "INBOX:", inbox)
    expect(incoming.keys() == {"old", "moved-here", "moved-there", "moved-apart"}, incoming)
    expect(there.held(ARCHIVE).keys() == {"moved-apart"}, there.held(ARCHIVE))
    expect(there.held(BOTH) == {"folder-here": [], "folder-there": ["\\Seen"]}, there.held(BOTH))
    for folder, (validity, uids) in numbers.items():
        now, kept = there.uids(folder)
        expect(now == validity, "another UIDVALIDITY:", folder)
        for subject in uids.keys() & kept.keys():
            expect(uids[subject] == kept[subject], folder, subject, "was numbered anew")


def test_mbsync_and_the_server_end_alike():
    kit.need_program("mbsync")
    both_sides_changed("mbsync")


def test_offlineimap_and_the_server_end_alike():
    kit.need_program("offlineimap")
    both_sides_changed("offlineimap")


kit.run_tests(globals())

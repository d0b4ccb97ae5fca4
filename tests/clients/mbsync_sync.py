#!/usr/bin/python3
"""mbsync keeps a Maildir and the server alike: new mail, flags and deletions both ways, and a
second run that changes nothing."""
# SPDX-License-Identifier: MPL-2.0
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

MBSYNC = kit.need_program("mbsync")
CONFIG = """IMAPAccount far
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
Flatten .

Channel all
Far :far:
Near :near:
Patterns * !"Th&APk-ng r&AOE-c"
Create Both
Remove None
Expunge Both
Sync All
SyncState *
"""


class Box:
    def __init__(self, p, user):
        self.p, self.home = p, os.path.join(p.dir, "client")
        os.makedirs(os.path.join(self.home, "mail"))
        self.config = os.path.join(self.home, "mbsyncrc")
        with open(self.config, "w") as f:
            f.write(CONFIG.format(port=p.port["imaps"], user=user, password=p.users[user], ca=p.ca,
                                  home=self.home))

    def sync(self):
        text = kit.run([MBSYNC, "-c", self.config, "-a"], env={**os.environ, "HOME": self.home})
        expect("rror" not in text, text)

    def path(self, folder="INBOX"):
        return os.path.join(self.home, "mail", folder)

    def files(self, folder="INBOX"):
        """Every message's file, by the Subject."""
        found = {}
        for part in ("cur", "new"):
            where = os.path.join(self.path(folder), part)
            for name in os.listdir(where):
                with open(os.path.join(where, name), encoding="utf-8") as f:
                    subject = [line for line in f if line.startswith("Subject: ")]
                found[subject[0][9:].strip()] = os.path.join(where, name)
        return found

    def flags(self, folder="INBOX"):
        return {s: name.rpartition(":2,")[2] if ":2," in name else ""
                for s, name in self.files(folder).items()}

    def add(self, subject, folder="INBOX", flags=""):
        name = os.path.join(self.path(folder), "cur", f"1700000000.{subject}.here:2,{flags}")
        with open(name, "w", encoding="utf-8") as f:
            f.write(f"From: x@sender.example\nSubject: {subject}\n\ntừ máy trạm\n")

    def mark(self, subject, flags, folder="INBOX"):
        old = self.files(folder)[subject]
        base = os.path.basename(old).partition(":2,")[0]
        os.rename(old, os.path.join(self.path(folder), "cur", f"{base}:2,{flags}"))


def far_flags(c, folder="INBOX"):
    """What the server has: Subject -> sorted flags."""
    ok, data = c.select(f'"{folder}"', readonly=True)
    expect(ok == "OK", data)
    found = {}
    if data != [b"0"]:
        answer = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        for head, text in [d for d in answer if isinstance(d, tuple)]:
            flags = head.partition(b"FLAGS (")[2].partition(b")")[0].decode().split()
            found[text.decode().strip()[9:]] = sorted(set(flags) - {"\\Recent"})
    return found


def test_both_sides_become_alike_and_stay_so():
    with kit.Province() as p:
        an = p.user("an")
        box = Box(p, an)
        with p.smtp() as s:
            for i in range(5):
                s.sendmail("x@sender.example", [an],
                           f"From: x@sender.example\r\nSubject: xa{i}\r\n\r\nthư {i}\r\n".encode())
        c = p.imap(an)
        c.create('"C&APQ-ng v&AQM-n"')
        c.append('"C&APQ-ng v&AQM-n"', r"(\Flagged)", None,
                 "Subject: van ban\r\n\r\nxin chào\r\n".encode())
        box.sync()
        expect(sorted(box.files()) == [f"xa{i}" for i in range(5)], box.files())
        folder = [d for d in os.listdir(os.path.join(box.home, "mail")) if "ng v" in d]
        expect(len(folder) == 1, "the folder did not come:", folder)
        expect(box.flags(folder[0]) == {"van ban": "F"}, box.flags(folder[0]))

        # both sides change different things
        box.add("gan1", flags="S")
        box.mark("xa0", "S")
        box.mark("xa1", "FRS")
        os.unlink(box.files()["xa2"])
        c.select("INBOX")
        c.store("4", "+FLAGS", r"(\Answered \Seen)")
        c.store("5", "+FLAGS", r"(\Deleted)")
        c.expunge()
        c.append("INBOX", r"(\Flagged)", None, b"Subject: xa9\r\n\r\nmoi\r\n")
        c.close()
        box.sync()
        want_near = {"xa0": "S", "xa1": "FRS", "xa3": "RS", "xa9": "F", "gan1": "S"}
        want_far = {"xa0": ["\\Seen"], "xa1": ["\\Answered", "\\Flagged", "\\Seen"],
                    "xa3": ["\\Answered", "\\Seen"], "xa9": ["\\Flagged"], "gan1": ["\\Seen"]}
        expect(box.flags() == want_near, "here:", box.flags())
        expect(far_flags(c) == want_far, "there:", far_flags(c))

        # another run finds nothing to do
        before = sorted(box.files().values())
        status = c.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        box.sync()
        expect(sorted(box.files().values()) == before, "a run with nothing to do changed files")
        c.close()
        again = c.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        expect(again == status, "a run with nothing to do changed the server:", status, again)
        c.logout()
        p.check_store()


kit.run_tests(globals())

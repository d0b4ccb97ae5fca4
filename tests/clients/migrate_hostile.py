#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Old systems that count alike, lie, or lay traps (MIG-03): nothing is taken for copied that was not, nothing
is read that the box's owner could not read, and no answer makes a run endless."""
import os
import pwd
import re
import shutil
import socket
import subprocess
import threading

from admin_kit import DOMAIN, Congvu, check, finish

PASSWORD = "Mat-khau-1234567"


class OldServer(threading.Thread):
    """An IMAP server whose folders all have UIDVALIDITY 1 and count from UID 1, as some do.

    BOXES: {user: [(flags, folder, [body])]}; EXISTS: what it claims instead of the truth."""

    def __init__(self, boxes, exists=None):
        super().__init__(daemon=True)
        self.boxes, self.exists, self.fetches = boxes, exists, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        f, box, folder = peer.makefile("rwb"), [], []
        f.write(b"* OK old\r\n")
        f.flush()
        for line in f:
            tag, verb, rest = (line.decode("utf-8").strip().split(" ", 2) + [""])[:3]
            answer = b""
            if verb == "LOGIN":
                box = self.boxes[rest.split()[0].strip('"')]
            elif verb == "LIST":
                answer = b"".join(f'* LIST ({flags}) "/" "{name}"\r\n'.encode() for flags, name, _ in box)
            elif verb == "EXAMINE":
                folder = next(bodies for _, name, bodies in box if name == rest.strip('"'))
                answer = b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] so\r\n" % (self.exists or len(folder))
            elif "FETCH" in line.decode():
                self.fetches += 1
                if "BODY" in rest:
                    n = int(re.search(r"FETCH (\d+)", rest).group(1))
                    body = folder[n - 1]
                    answer = b"* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (n, n, len(body), body)
                elif not self.exists:
                    answer = b"".join(
                        b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Nov-2026 08:00:00 +0700" RFC822.SIZE %d)\r\n' % (
                            i + 1, i + 1, len(b)) for i, b in enumerate(folder))
            try:
                f.write(answer + f"{tag} OK so\r\n".encode())
                f.flush()
            except OSError:
                return


def letter(n):
    return f"From: a{n}@trason.example\r\nMessage-ID: <{n}@trason.example>\r\nSubject: thu {n}\r\n\r\nThu so {n}.\r\n".encode()


def make_list(c, rows):
    path = os.path.join(c.dir, "list.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write("user,password,address\n" + "".join(f"{u},x,{a}@{DOMAIN}\n" for u, a in rows))
    os.chmod(path, 0o600)
    return path


def bring(c, server, rows, **more):
    return c.run("migrate", "imap", make_list(c, rows), "--host", "127.0.0.1", "--port", str(server.port),
                 "--security", "plain", "--json", **more)


def mig_03_two_old_boxes_that_count_alike_come_into_one(c):
    """After a merger one person has two old boxes; both servers' first letter is UID 1 of UIDVALIDITY 1."""
    server = OldServer({"cu1": [("", "INBOX", [letter(1), letter(2)])], "cu2": [("", "INBOX", [letter(3)])]})
    bring(c, server, [("cu1", "an")])
    first = bring(c, server, [("cu1", "an"), ("cu2", "an")]).json()
    check("all letters of both came", first["copied"] == 1 and first["there"] == 2, first)
    again = bring(c, server, [("cu1", "an"), ("cu2", "an")]).json()
    check("and none twice", again["copied"] == 0 and again["there"] == 3, again)


def mig_03_two_old_folders_that_become_one_lose_nothing(c):
    box = [("", "INBOX", []), ("\\Sent", "Sent", [letter(11), letter(12)]), ("\\Sent", "Sent Items", [letter(13)])]
    server = OldServer({"cu": box})
    first = bring(c, server, [("cu", "binh")]).json()
    check("all letters of both folders came", first["copied"] == 3, first)
    again = bring(c, server, [("cu", "binh")]).json()
    check("and none twice", again["copied"] == 0 and again["there"] == 3, again)


def mig_03_a_server_that_claims_four_billion_letters_is_refused(c):
    server = OldServer({"cu": [("", "INBOX", [])]}, exists=4294967295)
    try:
        answer = bring(c, server, [("cu", "chi")], timeout=20).json()
        check("an error, not a loop", answer["failed"] == 1 and "more than" in answer["results"][0]["error"], answer)
    except subprocess.TimeoutExpired:
        check("an error, not a loop", False, server.fetches)


def mig_03_links_and_pipes_in_old_boxes_are_left_alone(c):
    """Root reads old boxes; what their owners link to must not be read for them."""
    secret = os.path.join(c.dir, "secret")
    with open(secret, "w", encoding="ascii") as f:
        f.write("Subject: shadow\n\nroot:x:0:0\n")
    other, mine = os.path.join(c.dir, "other/Maildir"), os.path.join(c.dir, "mine/Maildir")
    for path in (other, mine):
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(path, part))
    for path, n in ((other, 21), (mine, 22)):
        with open(os.path.join(path, "cur", f"{n}.a:2,S"), "wb") as f:
            f.write(letter(n))
    os.symlink(secret, os.path.join(mine, "cur", "23.a:2,S"))
    os.symlink(other, os.path.join(mine, ".Thu cua nguoi khac"))
    answer = c.run("migrate", "maildir", f"dung@{DOMAIN}", mine, "--json").json()
    check("only what lies in the Maildir itself came", answer["copied"] == 1 and answer["found"] == 1, answer)
    tree = os.path.join(c.dir, "tree")
    os.makedirs(tree)
    os.mkfifo(os.path.join(tree, "ong"))
    with open(os.path.join(tree, "thu"), "wb") as f:
        f.write(b"From a@b Mon Nov 23 08:00:00 2026\n" + letter(24))
    try:
        answer = c.run("migrate", "mbox", f"dung@{DOMAIN}", tree, "--json", timeout=30).json()
        check("a pipe does not hold the run", answer["copied"] == 1, answer)
    except subprocess.TimeoutExpired:
        check("a pipe does not hold the run", False)


def mig_03_journals_belong_to_the_service(c):
    """Else the nightly backup, which is not root, ends at a folder that it may not read."""
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    found = [os.path.join(d, n) for d, _, names in os.walk(os.path.join(c.base, "migrate")) for n in names + ["."]]
    check("journals are the service's", found and all(os.stat(p).st_uid == owner for p in found),
          [(p, os.stat(p).st_uid) for p in found])


def main():
    c = Congvu()
    try:
        os.chmod(c.dir, 0o755)
        # The service's user must reach the programs: a tree below root's home is closed to it.
        programs = os.path.join(c.dir, "bin")
        shutil.copytree(os.path.dirname(c.program), programs)
        c.program = os.path.join(programs, "congvu")
        more = ("--user", "nobody") if os.geteuid() == 0 else ()
        check("made", c.init(*more).code == 0)
        for user in ("an", "binh", "chi", "dung"):
            answer = c.run("account", "add", "Nguyễn Văn Cũ", "--address", f"{user}@{DOMAIN}", "--password-stdin",
                           "--allow-weak", "--keep-password", "--override", "--reason", "thử",
                           stdin=PASSWORD + "\n")
            check(f"account {user}", answer.code == 0, answer)
        c.start()
        mig_03_two_old_boxes_that_count_alike_come_into_one(c)
        mig_03_two_old_folders_that_become_one_lose_nothing(c)
        mig_03_a_server_that_claims_four_billion_letters_is_refused(c)
        mig_03_links_and_pipes_in_old_boxes_are_left_alone(c)
        mig_03_journals_belong_to_the_service(c)
        c.stop()
    finally:
        c.done()
    finish()


main()

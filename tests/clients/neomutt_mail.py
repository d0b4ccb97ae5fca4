#!/usr/bin/python3
"""neomutt in batch: sends through submission with an attachment, reads and files over IMAP."""
# SPDX-License-Identifier: MPL-2.0
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import ARCHIVE, held  # noqa: E402
from tap import Tap  # noqa: E402

NEOMUTT = kit.need_program("neomutt")
CONFIG = """set ssl_ca_certificates_file = "{ca}"
set ssl_starttls = yes
set ssl_force_tls = yes
set certificate_file = "{home}/certificates"
set from = "{user}"
set realname = "Nguyễn Văn An"
set use_from = yes
set smtp_url = "smtp://{quoted}@localhost:{submission}/"
set smtp_pass = "{password}"
set smtp_authenticators = "plain"
set imap_user = "{user}"
set imap_pass = "{password}"
set imap_authenticators = "login"
set folder = "imaps://localhost:{imaps}/"
set spoolfile = "imaps://localhost:{imaps}/INBOX"
set copy = no
set send_charset = "utf-8"
set header_cache = ""
set timeout = 5
set wait_key = no
set confirm_append = no
set delete = yes
set quit = yes
set sleep_time = 0
set charset = "utf-8"
set mark_old = no
bind editor <space> noop
"""
# What neomutt asks though it may hear NO, and why that is the right answer.
REFUSALS = {}


class Client:
    """MORE are further lines of its configuration; IMAPS is the port of a tap, say."""

    def __init__(self, p, user, more="", imaps=None):
        self.p, self.home = p, os.path.join(p.dir, "mutt-" + user)
        os.makedirs(self.home)
        self.imaps = imaps or p.port["imaps"]
        self.rc = os.path.join(self.home, "rc")
        with open(self.rc, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(
                ca=p.ca, home=self.home, user=user, quoted=quote(user, safe=""),
                password=p.users[user], submission=p.port["submission"], imaps=self.imaps))
            f.write(more)

    def run(self, *args, text=""):
        env = {**os.environ, "HOME": self.home, "LANG": "C.UTF-8", "TERM": "dumb"}
        return kit.run([NEOMUTT, "-n", "-F", self.rc, *args], input=text.encode(), env=env)

    def keys(self, folder, keys):
        """Opens FOLDER and presses KEYS, on a terminal of its own."""
        where = f"imaps://localhost:{self.imaps}/{folder}"
        child, terminal = pty.fork()
        if child == 0:
            os.environ.update(HOME=self.home, LANG="C.UTF-8", LC_ALL="C.UTF-8", TERM="vt100")
            os.execv(NEOMUTT, [NEOMUTT, "-n", "-F", self.rc, "-f", where, "-e", f"push '{keys}'"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        screen, end = b"", time.monotonic() + kit.PATIENCE
        try:
            while select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
                screen += os.read(terminal, 65536)
            os.kill(child, signal.SIGKILL)
            raise kit.Failure(f"neomutt waits: {screen[-3000:]!r}")
        except OSError:
            pass  # the end of the terminal is the end of the program
        finally:
            os.close(terminal)
            status = os.waitpid(child, 0)[1]
        expect(status == 0, "neomutt:", status, screen[-3000:])


def test_oss_02_a_letter_with_an_attachment_is_sent_read_copied_marked_and_deleted():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        a, b = Client(p, an), Client(p, binh)
        pdf = os.path.join(a.home, "báo cáo.pdf")
        with open(pdf, "wb") as f:
            f.write(bytes(range(256)) * 20)
        a.run("-s", "Báo cáo quý IV", "-a", pdf, "--", binh, text="Kính gửi anh Bình.\n")
        c = p.imap(binh)
        expect(c.select("INBOX")[1] == [b"1"], "did not arrive")
        c.close()
        # Reading marks it seen; what is marked here is marked there.
        copy = os.path.join(b.home, "copy")
        b.keys("INBOX", f"<display-message><exit><pipe-message>cat>{copy}<enter>"
                        "<copy-message>=Lưu trữ<enter><set-flag>!<sync-mailbox><quit>")
        with open(copy, encoding="utf-8", errors="replace") as f:
            text = f.read()
        expect("Kính gửi anh Bình." in text, text[:2000])
        c.select("INBOX")
        flags = c.fetch("1", "(FLAGS)")[1][0]
        expect(b"\\Seen" in flags and b"\\Flagged" in flags, flags)
        expect(c.select('"L&AbA-u tr&Hu8-"')[1] == [b"1"], "no copy in the archive")
        c.close()
        b.keys("INBOX", "<delete-message><quit>")
        c.select("INBOX")
        left = [c.fetch("1", "(FLAGS)")[1][0]] if c.search(None, "ALL")[1] != [b""] else []
        expect(not left, "deleted, yet there:", left)
        c.logout()


RESYNC = """set header_cache = "{0}"
set message_cachedir = "{1}"
set imap_condstore = yes
set imap_qresync = yes
set imap_idle = yes
set pipe_split = no
"""


class Subjects:
    """What neomutt shows of a mailbox: it pipes the messages that a pattern tags into a file."""

    def __init__(self, client):
        self.client, self.path = client, os.path.join(client.home, "piped")

    def expect(self, pattern, want, what):
        """A key now and then falls into a redraw of its own: three tries."""
        for _ in range(3):
            got = self.of(pattern)
            if got == want:
                return
        expect(False, what, got)

    def of(self, pattern, folder="INBOX"):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.client.keys(folder, f"<limit>~A<enter><tag-pattern>{pattern}<enter>"
                                 f"<tag-prefix-cond><pipe-message>cat>{self.path}<enter><quit>")
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as f:
            return sorted(line.split(b": ", 1)[1].decode().strip() for line in f
                          if line.lower().startswith(b"subject: "))


def change_meanwhile(p, an):
    c = p.imap(an)
    c.select("INBOX")
    c.store("1", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.store("1", "+FLAGS", r"(\Flagged)")
    c.append("INBOX", None, None, b"Subject: five\r\n\r\nx\r\n")
    c.logout()


def test_a_cache_of_headers_is_brought_up_to_date_by_what_changed():
    with kit.Province(filter=False) as p, Tap(p) as tap:
        an = p.user("an")
        c = p.imap(an)
        for name, text in (("one", "a"), ("two", "Kính mời họp"), ("three", "b"), ("four", "c")):
            c.append("INBOX", None, None, f"Subject: {name}\r\nContent-Type: text/plain; charset="
                     f"utf-8\r\n\r\n{text}\r\n".encode())
        client = Client(p, an, imaps=tap.port)
        with open(client.rc, "a", encoding="utf-8") as f:
            f.write(RESYNC.format(client.home + "/headers", client.home + "/bodies"))
        seen = Subjects(client)
        seen.expect("~A", ["four", "one", "three", "two"], "first time")
        change_meanwhile(p, an)
        seen.expect("~A", ["five", "four", "three", "two"], "after a change")
        seen.expect("~F", ["two"], "flagged meanwhile")
        expect(tap.said(r"CHANGEDSINCE \d+ VANISHED"), "QRESYNC was not used")
        # Texts and marks are searched by the server; moving is copying and deleting here.
        seen.expect("=b \"kinh moi hop\"", ["two"], "search")
        client.keys("INBOX", "<limit>~s three<enter><save-message>=Lưu trữ<enter><sync-mailbox><quit>")
        expect(held(c, ARCHIVE).keys() == {"three"}, held(c, ARCHIVE))
        expect(held(c, "INBOX").keys() == {"two", "four", "five"}, held(c, "INBOX"))
        seen.expect("~A", ["five", "four", "two"], "after the move")
        c.logout()
        tap.expect_only(REFUSALS)


kit.run_tests(globals())

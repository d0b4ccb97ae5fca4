#!/usr/bin/env python3
"""SEARCH TEXT and BODY find the same with the index, with half of one, and without.

Two daemons get the same odd messages: one keeps an index, the other does not. Random needles, most
of them cut out of the texts in the middle of words, must find the same in both while the index
grows, when it is whole, after kill -9 in the middle of signing, after its files were spoiled in
many ways, after messages came and went, and after the store was put back from a copy.

usage: index_test.py DAEMON [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import glob
import os
import quopri
import random
import re
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, Daemon, Peer, Wrong  # noqa: E402

WORDS = ("Họp giao ban tháng mười một kính gửi các đồng chí báo cáo công tác cải cách hành chính "
         "Ủy ban nhân dân tỉnh Lâm Giang quyết định số thực hiện kế hoạch đầu tư xây dựng trường "
         "học Nguyễn Thị Phượng ngày 22/11/2026 zebrafish straße CAFÉ naïve 会议 通知 "
         "ﬁnance x.y@z.example 100% a-b_c (ký) “trích yếu” Đường 0123456789").split()
MESSAGES, NEEDLES, FEW = 240, 60, 18
PATIENCE = 120


def text_of(r, words):
    gaps = [" ", " ", " ", ", ", "\r\n", ".\r\n", "  ", "-", "/", "\t", " — "]
    return "".join(r.choice(WORDS) + r.choice(gaps) for _ in range(words)) + "\r\n"


TCVN3 = {"à": 0xB5, "á": 0xB8, "ạ": 0xB9, "ă": 0xA8, "â": 0xA9, "đ": 0xAE, "ê": 0xAA, "ô": 0xAB,
         "ơ": 0xAC, "ư": 0xAD, "ọ": 0xE4, "ế": 0xD5, "ộ": 0xE9}


def tcvn3(text):
    return bytes(TCVN3[c] if c in TCVN3 else ord(c) if ord(c) < 128 else 63 for c in text.lower())


def in_charset(text, charset):
    if charset == "tcvn3":
        return tcvn3(text)
    if charset == "vni":
        return text.replace("ọ", "oï").replace("á", "aù").encode("latin-1", "replace")
    return text.encode(charset, "replace")


def leaf(r, kind):
    charset = r.choice(["utf-8", "utf-8", "windows-1258", "tcvn3", "vni", "iso-8859-1", "us-ascii",
                        "utf-16", "x-unknown", ""])
    text = text_of(r, r.choice([3, 30, 300]))
    if kind == "html":
        text = "<p>" + text.replace(" ", " <b>", 1) + "&nbsp;&#7885;</p>"
    raw = in_charset(text, charset if charset not in ("", "x-unknown") else "utf-8")
    encoding = r.choice(["base64", "quoted-printable", "8bit", "7bit", "x-odd"])
    if encoding == "base64":
        raw = base64.encodebytes(raw).replace(b"\n", b"\r\n")
        if r.random() < .1:
            raw = raw[:len(raw) // 2] + b"!!" + raw[len(raw) // 2:]
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head = "Content-Type: text/%s%s\r\nContent-Transfer-Encoding: %s\r\n" % (
        kind, "; charset=" + charset if charset else "", encoding)
    if r.random() < .2:
        head += "Content-Disposition: attachment; filename=\"%s.txt\"\r\n" % r.choice(WORDS)
    return head.encode() + b"\r\n" + raw


def body(r, depth=0):
    shape = r.random()
    if depth < 3 and shape < .3:
        parts = b"".join(b"--b%d\r\n" % depth + body(r, depth + 1) + b"\r\n"
                         for _ in range(r.randrange(1, 4)))
        end = b"--b%d--\r\n" % depth if r.random() < .8 else b""
        return b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\nnobody\r\n" % depth + parts + end
    if depth < 3 and shape < .4:
        return b"Content-Type: message/rfc822\r\n\r\n" + message(r, depth + 1)
    if shape < .45:
        return (b"Content-Type: application/pdf; name=\"ke hoach.pdf\"\r\n"
                b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(r.randbytes(300)))
    return leaf(r, r.choice(["plain", "plain", "html", "calendar"]))


def word(r, text):
    if r.random() < .5:
        return "=?utf-8?B?%s?=" % base64.b64encode(text.encode()).decode()
    return "=?windows-1258?Q?%s?=" % "".join(
        "=%02X" % c for c in text.encode("windows-1258", "replace"))


def message(r, depth=0):
    head = "Subject: %s\r\nFrom: %s <a%d@lamgiang.example>\r\n" % (
        word(r, text_of(r, 3).replace("\r\n", " ")), word(r, r.choice(WORDS)), r.randrange(99))
    if r.random() < .1:
        head += "X-Long: " + " ".join(r.choice(["alpha", "beta"]) for _ in range(200)) + "\r\n"
    out = head.encode() + b"MIME-Version: 1.0\r\n" + body(r, depth)
    odd = r.random()
    if odd < .05:
        out = out[:len(out) // 3]
    elif odd < .1:
        out = out.replace(b"\r\n", b"\n")
    elif odd < .13:
        out = r.randbytes(200).replace(b"\0", b"x") + out
    elif odd < .15:
        out += b"x" * 70000 + b"needle-behind-a-window" + b" y" * 40000
    return out.replace(b"\0", b"\x01")


def needles(r, count):
    found = ["ebra", "hop giao ban", "p gia", "\r\n", "needle-behind-a-window", "xx", "é", "o",
             "khong co dau", "会议", "SUBJECT: ", "alpha beta alpha", "a-b_c (k"]
    while len(found) < count:
        text = text_of(r, 8)
        at = r.randrange(len(text) - 2)
        found.append(text[at:at + r.choice([2, 3, 4, 6, 9, 15, 30])])
    return found


class Box:
    """A daemon with one mailbox full."""

    def __init__(self, program, *options):
        self.daemon = Daemon(program, list(options))
        self.daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        self.daemon.ask({"do": "account.add", "address": NAMES["user"], "display_name": "An",
                         "password": NAMES["pass"], "allow_weak": True})
        self.log_in()

    def log_in(self):
        self.peer = Peer(self.daemon.port)
        self.peer.sock.settimeout(PATIENCE)
        self.peer.line()
        self.ask(b'LOGIN "%s" "%s"' % (NAMES["user"].encode(), NAMES["pass"].encode()))
        self.ask(b"SELECT INBOX")

    def ask(self, command):
        self.peer.sock.sendall(b"t " + command + b"\r\n")
        lines = []
        while not (line := self.peer.line()).startswith(b"t "):
            lines.append(line)
        if not line.startswith(b"t OK"):
            raise Wrong("%r: %r" % (command[:200], line))
        return lines

    def add(self, text):
        self.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))

    def search(self, keys):
        lines = self.ask(b"SEARCH CHARSET UTF-8 " + keys)
        return next(line for line in lines if line.startswith(b"* SEARCH"))

    def kill(self, when_dead=None):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        if when_dead:
            when_dead()
        self.daemon.start()
        self.log_in()

    def files(self):
        return glob.glob(self.daemon.dir + "/index/*.sig")

    def size(self):
        return sum(os.path.getsize(name) for name in self.files())

    def rows(self):
        """How many messages the index knows; -1 while there is no file."""
        if not self.files():
            return -1
        with open(self.files()[0], "rb") as f:
            data = f.read()
        at, count = 64, 0
        while at + 16 <= len(data):
            at += 16 + 8 * int.from_bytes(data[at + 4:at + 8], sys.byteorder)
            count += at <= len(data)
        return count

    def end(self):
        self.daemon.process.kill()
        self.daemon.process.wait()
        shutil.rmtree(self.daemon.dir)


def key_of(r, needle):
    def one(text):
        raw = text.encode()
        return b"%s {%d+}\r\n%s" % (r.choice([b"TEXT", b"BODY"]), len(raw), raw)
    shape = r.random()
    if shape < .15:
        return b"NOT " + one(needle)
    if shape < .25:
        return b"OR %s %s" % (one(needle), one("zebra"))
    if shape < .35:
        return b"%s NOT %s LARGER 500" % (one(needle), one("bao cao"))
    return one(needle)


def compare(r, plain, indexed, when, count=FEW):
    hits = 0
    for needle in needles(r, count):
        keys = key_of(r, needle)
        want, got = plain.search(keys), indexed.search(keys)
        hits += len(want.split()) > 2
        if want != got:
            raise Wrong("%s: %r\n without index %r\n with index    %r" % (when, keys, want, got))
    if hits < 5:
        raise Wrong("%s: only %d searches found anything" % (when, hits))


def wait_for(what, check):
    end = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > end:
            raise Wrong("waited in vain: " + what)
        time.sleep(.05)


def spoil(r, path, how):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if how == "cut":
            f.truncate(r.randrange(size))
        elif how == "longer":
            f.seek(size)
            f.write(r.randbytes(r.randrange(1, 400)))
        elif how == "other version":
            f.seek(8)
            f.write(b"\x99")
        elif how == "bits gone":  # the worst: a table that says "not there" to everything
            f.seek(64 + 16)
            f.write(b"\0" * (size - 80))
        else:
            for _ in range(20):
                f.seek(r.randrange(size))
                f.write(b"\0")


def in_both(plain, indexed, do):
    do(plain)
    do(indexed)


def expunge(r, count):
    uids = b",".join(b"%d" % n for n in sorted(r.sample(range(1, MESSAGES), count)))

    def do(box):
        box.ask(b"UID STORE %s +FLAGS.SILENT (\\Deleted)" % uids)
        box.ask(b"EXPUNGE")
    return do


def known(box):
    return len(re.findall(rb" \d+", box.search(b"ALL")))


def play(r, plain, indexed):
    messages = [message(r) for _ in range(MESSAGES)]
    for text in messages:
        in_both(plain, indexed, lambda box, text=text: box.add(text))
    compare(r, plain, indexed, "while the index grows")
    wait_for("the index to be whole", lambda: indexed.rows() == MESSAGES)
    compare(r, plain, indexed, "with the index", NEEDLES)
    print("index: %d bytes for %d" % (indexed.size(), sum(map(len, messages))))

    for how in ("cut", "longer", "other version", "bits gone", "zeros"):
        indexed.kill(lambda how=how: spoil(r, indexed.files()[0], how))
        compare(r, plain, indexed, "after a kill and the file spoiled: " + how)
        wait_for("the index to be made anew", lambda: indexed.rows() == MESSAGES)

    for _ in range(3):  # a kill in the middle of signing
        indexed.kill(lambda: [os.unlink(name) for name in indexed.files()])
        indexed.search(b"TEXT zebra")
        time.sleep(r.random() * .3)
        indexed.kill()
        compare(r, plain, indexed, "after a kill while signing")

    in_both(plain, indexed, expunge(r, MESSAGES // 2))
    for _ in range(20):
        text = message(r)
        in_both(plain, indexed, lambda box, text=text: box.add(text))
    compare(r, plain, indexed, "after messages came and went")
    wait_for("the expunged to leave", lambda: indexed.rows() == known(plain))
    compare(r, plain, indexed, "without the expunged", NEEDLES)
    before = indexed.rows()
    in_both(plain, indexed, lambda box: box.add(b"Subject: new\r\n\r\nquite-another-needle\r\n"))
    wait_for("arriving mail to be signed unasked", lambda: indexed.rows() == before + 1)
    compare(r, plain, indexed, "with what came last")


def restore(r, indexed):
    """The store is put back from a copy: numbers that the index knows are given again."""
    home = indexed.daemon.dir
    indexed.daemon.stop()
    shutil.copytree(home + "/mail", home + "/copy")
    indexed.daemon.start()
    indexed.log_in()
    indexed.add(b"Subject: first\r\n\r\nquagmire\r\n")
    indexed.search(b"BODY quagmire")
    whole = known(indexed)
    wait_for("the index to know it", lambda: indexed.rows() == whole)
    indexed.daemon.stop()
    shutil.rmtree(home + "/mail")
    os.rename(home + "/copy", home + "/mail")
    indexed.daemon.start()
    indexed.log_in()
    indexed.add(b"Subject: second\r\n\r\nmarzipan\r\n")
    if indexed.search(b"BODY marzipan") == b"* SEARCH":
        raise Wrong("after the store was put back: the new message is not found")
    if indexed.search(b"BODY quagmire") != b"* SEARCH":
        raise Wrong("after the store was put back: a message of the other time is found")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print("seed", seed)
    r = random.Random(seed)
    boxes = []
    try:
        plain = Box(sys.argv[1], "search_index = no")
        boxes.append(plain)
        indexed = Box(sys.argv[1])
        boxes.append(indexed)
        play(r, plain, indexed)
        if plain.files():
            raise Wrong("search_index = no made an index")
        restore(r, indexed)
        plain.daemon.stop()
        indexed.daemon.stop()
    except (Wrong, OSError, ValueError) as fault:
        print("%s\n%s" % (fault, "".join("--- log\n" + box.daemon.said()[-3000:] for box in boxes)))
        return 1
    finally:
        for box in boxes:
            box.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

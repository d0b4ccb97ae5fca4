#!/usr/bin/env python3
"""SEARCH looks into documents: the same with the index, with half of one, and without.

Two daemons look into documents, one with an index and one without; a third does not. Documents of
every kind that is read are found by what they say, hostile ones cost a bounded time and nothing
else, and whatever is killed, spoiled or removed (the daemon, the converter, the texts) the two
answer the same.

usage: documents_test.py DAEMON [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import glob
import os
import random
import shutil
import signal
import sys
import time
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
from documents import MAKERS, TYPES, docx, hostile, odt, pdf  # noqa: E402
from index_test import WORDS, Box, wait_for  # noqa: E402
from run import Wrong  # noqa: E402

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "fixtures", "documents")
ON = ("index_attachments = yes", "index_attachments_wait = 60s")


def attached(name, octets, text="thu kem tep", kind=None, encoding="base64"):
    kind = kind or TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
    body = base64.encodebytes(octets).replace(b"\n", b"\r\n") if encoding == "base64" else octets
    return (b"Subject: thu\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n"
            b"--bb\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n--bb\r\n"
            b"Content-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"\r\n"
            b"Content-Transfer-Encoding: %s\r\n\r\n%s\r\n--bb--\r\n" % (
                text.encode(), kind.encode(), name.encode(), encoding.encode(), body))


def forwarded(message):
    return (b"Subject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cc\r\n\r\n"
            b"--cc\r\nContent-Type: message/rfc822\r\n\r\n" + message + b"\r\n--cc--\r\n")


class Boxes:
    """The same mail in all of them."""

    def __init__(self, program):
        self.all = []
        for options in (ON, ON + ("search_index = no",), ()):
            self.all.append(Box(program, *options))
        self.indexed, self.plain, self.off = self.all
        self.count = 0

    def add(self, message):
        for box in self.all:
            box.add(message)
        self.count += 1
        return self.count

    def end(self):
        for box in self.all:
            box.end()


def body(text):
    raw = text.encode()
    return b"BODY {%d+}\r\n%s" % (len(raw), raw)


def want(box, text, numbers, when):
    got = box.search(body(text))
    if [int(n) for n in got.split()[2:]] != sorted(numbers):
        raise Wrong("%s: %r is in %r, found in %r" % (when, text, sorted(numbers), got))


def same(boxes, keys, when):
    a, b = boxes.indexed.search(keys), boxes.plain.search(keys)
    if a != b:
        raise Wrong("%s: %r\n with index    %r\n without index %r" % (when, keys, a, b))
    return len(a.split()) > 2


def kinds(boxes):
    sentence = "Kính mời họp giao ban đầu tuần, số 15/GM-UBND"
    numbers = {}
    for name, make in MAKERS.items():
        numbers[name] = boxes.add(attached("mot." + name, make("Trang đầu", sentence)))
    numbers["macs"] = boxes.add(attached("mac.docx", docx(unicodedata.normalize("NFD", sentence))))
    numbers["unnamed"] = boxes.add(attached("hai.odt", odt(sentence), kind="application/x-unknown"))
    numbers["typed"] = boxes.add(attached("ba.bin", pdf("Trang một", sentence), kind=TYPES["pdf"]))
    numbers["forwarded"] = boxes.add(forwarded(attached("bon.docx", docx(sentence))))
    numbers["binary"] = boxes.add(attached("nam.pdf", pdf(sentence, compress=False).replace(
        b"\n", b"\r\n").replace(b"\xe2\xe3\xcf\xd3", b"abcd"), encoding="7bit"))
    numbers["wrapped"] = boxes.add(attached("sau.pdf", pdf("Kính mời họp giao\nban đầu tuần, số 15/GM"
                                                           "-UBND")))
    numbers["abc font"] = boxes.add(attached("bay.docx", docx(
        "KÝnh mêi häp giao ban ®Çu tuÇn, sè 15/GM-UBND", font=".VnTime")))
    # As other programs write them.
    for path in sorted(glob.glob(os.path.join(FIXTURES, "*.[dopx]*"))):
        with open(path, "rb") as f:
            numbers[path] = boxes.add(attached(os.path.basename(path), f.read()))
    if len(numbers) != len(MAKERS) + 7 + 4:
        raise Wrong("the fixtures are not there")
    old = boxes.add(attached("tam.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + sentence.encode()))
    boxes.add(attached("chin.docx", docx("Tờ trình", "một đoạn")))
    for box in (boxes.indexed, boxes.plain):
        for needle in ("hop giao ban", "HỌP GIAO BAN ĐẦU TUẦN", "an dau tu", "15/GM-UBND"):
            want(box, needle, numbers.values(), "documents on")
        want(box, "da xoa bo", [], "what was deleted from a document")
        want(box, "bang luong", [numbers["xlsx"]], "the name of a sheet")
        want(box, "hoi truong a", [numbers[n] for n in numbers if n.endswith("word.docx")], "a table")
        want(box, "15000001", [numbers["xlsx"]], "a number in a cell")
    want(boxes.off, "hop giao ban", [], "documents off")
    if old in numbers.values():
        raise Wrong("a .doc is none of them")
    wait_for("the index to be whole", lambda: boxes.indexed.rows() == boxes.count)
    want(boxes.indexed, "hop giao ban", numbers.values(), "by the index")
    for keys in (b"TEXT \"giao ban\"", b"NOT BODY \"giao ban\"", b"SUBJECT thu BODY \"giao ban\"",
                 b"OR BODY \"to trinh\" BODY \"15/GM\"", b"NOT TEXT \"khong co\"",
                 b"FUZZY BODY \"hop giao ban\""):
        if not same(boxes, keys, "keys"):
            raise Wrong("%r finds nothing" % keys)
    # RFC 3501 6.4.4: the message itself is as it was.
    if b"{11}\r\nthu kem tep" not in b"\r\n".join(
            boxes.indexed.ask(b"FETCH %d BODY[1]" % numbers["pdf"])):
        raise Wrong("the text of the message is another one")


def harm(boxes):
    began = time.monotonic()
    numbers = []
    for name, octets in hostile():
        numbers.append(boxes.add(attached(name, octets, "van con day")))
    for box in (boxes.indexed, boxes.plain):
        want(box, "van con day", numbers, "with hostile documents")
        want(box, "root:", [], "a file of the machine")
        same(boxes, b"BODY haha", "laughs")
    if len(boxes.plain.search(body("dai qua dai qua")).split()) != 3:
        raise Wrong("a text that is too long has no beginning")
    took = time.monotonic() - began
    print("hostile documents: %.1f s for all" % took)
    if len(glob.glob(boxes.indexed.daemon.dir + "/index/texts/*/*.new")):
        raise Wrong("unfinished files were left")


def converter_of(box):
    """The process that reads documents for BOX's daemon."""
    parent = box.daemon.process.pid
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name == "congvu-extract" and int(rest.split()[1]) == parent and rest.split()[0] != "Z":
            return int(path.split("/")[2])
    raise Wrong("no converter")


def random_document(r):
    kind = r.choice(list(MAKERS))
    lines = [" ".join(r.choice(WORDS[:40]) for _ in range(r.randrange(1, 30))) for _ in range(
        r.choice((1, 3, 8)))]
    return attached("x." + kind, MAKERS[kind](*lines), r.choice(WORDS)), lines


def compare(boxes, r, lines, when):
    found = 0
    for _ in range(12):
        line = r.choice(lines)
        at = r.randrange(max(len(line) - 4, 1))
        needle = line[at:at + r.choice((3, 5, 9, 17))]
        found += same(boxes, r.choice((b"", b"NOT ")) + body(needle), when)
    if not found:
        raise Wrong(when + ": nothing is found")


def accidents(boxes, r):
    lines = []
    for _ in range(25):
        message, more = random_document(r)
        boxes.add(message)
        lines += more
    compare(boxes, r, lines, "at first")
    texts = [box.daemon.dir + "/index/texts" for box in (boxes.indexed, boxes.plain)]
    boxes.indexed.kill()
    compare(boxes, r, lines, "after a kill")
    shutil.rmtree(texts[0])
    compare(boxes, r, lines, "after the texts were removed under it")
    boxes.indexed.kill(lambda: shutil.rmtree(texts[0], ignore_errors=True))
    compare(boxes, r, lines, "after the texts were removed, and a kill")
    for path in glob.glob(texts[1] + "/*/*"):
        with open(path, "r+b") as f:
            how = r.randrange(4)
            if how == 0:
                f.truncate(r.randrange(os.path.getsize(path)))
            elif how < 3:
                f.seek(r.randrange(os.path.getsize(path)))
                f.write(b"\xff\0\xff")
    compare(boxes, r, lines, "after the texts were spoiled")
    for _ in range(3):  # in the middle of making them
        boxes.indexed.kill(lambda: [shutil.rmtree(texts[0], ignore_errors=True)] +
                           [os.unlink(name) for name in boxes.indexed.files()])
        boxes.indexed.peer.sock.sendall(b"t SEARCH BODY \"zebra crossing\"\r\n")
        time.sleep(r.random() * .3)
        boxes.indexed.kill()
        compare(boxes, r, lines, "after a kill while they were made")
    return lines


def converter_dies(boxes, r, lines):
    """What is not kept then is not found, at once, and comes back with the daemon."""
    os.kill(converter_of(boxes.indexed), signal.SIGKILL)
    compare(boxes, r, lines, "with its converter dead")
    number = boxes.add(attached("moi.docx", docx("quyet dinh moi nhat")))
    began = time.monotonic()
    want(boxes.indexed, "quyet dinh moi nhat", [], "with its converter dead")
    if time.monotonic() - began > 20:
        raise Wrong("a search waited for a converter that is dead")
    want(boxes.plain, "quyet dinh moi nhat", [number], "with a converter")
    if "attachments.away" not in boxes.indexed.daemon.said():
        raise Wrong("nothing was told of the dead converter")
    boxes.indexed.kill()
    want(boxes.indexed, "quyet dinh moi nhat", [number], "after the next start")


def no_waiting(program):
    """A search that may not wait answers without what was not read, and it is read all the same."""
    box = Box(program, "index_attachments = yes", "index_attachments_wait = 0s")
    try:
        for _ in range(3):
            box.add(attached("mot.odt", odt("mot cau can tim")))
        want(box, "mot cau can tim", [], "no time to wait")
        wait_for("the documents to be read", lambda: box.search(body("mot cau can tim")) ==
                 b"* SEARCH 1 2 3")
        if len(glob.glob(box.daemon.dir + "/index/texts/*/*")) != 3:
            raise Wrong("other files than those of three bodies")
    finally:
        box.end()


def switched(program):
    """Signatures made without documents are not believed once these are looked into."""
    box = Box(program)
    try:
        box.add(attached("mot.odt", odt("mot cau can tim")))
        want(box, "mot cau can tim", [], "off")
        wait_for("the index to be whole", lambda: box.rows() == 1)
        path = box.daemon.dir + "/congvu.conf"
        with open(path, "a") as conf:
            conf.write("index_attachments = yes\n")
        box.kill()
        want(box, "mot cau can tim", [1], "switched on")
    finally:
        box.end()


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print("seed", seed)
    r = random.Random(seed)
    boxes = Boxes(sys.argv[1])
    try:
        kinds(boxes)
        harm(boxes)
        converter_dies(boxes, r, accidents(boxes, r))
        no_waiting(sys.argv[1])
        switched(sys.argv[1])
        for box in boxes.all:
            box.daemon.stop()
    except (Wrong, OSError, ValueError) as fault:
        print("%s\n%s" % (fault, "".join("--- log\n" + box.daemon.said()[-2500:]
                                         for box in boxes.all)))
        return 1
    finally:
        boxes.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

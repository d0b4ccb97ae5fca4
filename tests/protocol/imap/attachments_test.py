#!/usr/bin/env python3
"""SEARCH BODY finds what stands before, between and behind large attachments, which it passes over.

Messages of many shapes and sizes with a word of its own in each text, and one in each attachment:
the former must all be found, the latter never, with the index and without.

usage: attachments_test.py DAEMON [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from index_test import Box, wait_for  # noqa: E402
from run import Wrong  # noqa: E402

FRAME = 128 << 10  # octets that are stored, and passed over, together


class Maker:
    def __init__(self, r, number):
        self.r, self.number, self.words, self.hidden = r, 1000 * number, [], []
        self.is_between = number % 3 == 0

    def word(self, of):
        self.number += 1
        of.append("kim%dchi" % self.number)
        return of[-1].encode()

    def text(self):
        gap = b"nghin trung trong rom\r\n" * self.r.choice((0, 1, 50, 7000))
        return (b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + gap + b"mot " +
                self.word(self.words) + b"\r\n")

    def attachment(self, sizes=(10, 4096, FRAME, 3 * FRAME, 900000)):
        size = self.r.choice(sizes) + self.r.randrange(-9, 3000)
        raw = self.r.randbytes(max(size, 0)) + b" " + self.word(self.hidden)
        head = b"Content-Type: application/pdf; name=\"" + self.word(self.words) + b".pdf\"\r\n"
        if self.r.random() < .7:
            lines = base64.encodebytes(raw).replace(b"\n", b"\r\n")
            return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + lines
        for bad in (b"\0", b"\r", b"\n", b"-"):
            raw = raw.replace(bad, b"x")
        lines = b"\r\n".join(raw[i:i + 900] for i in range(0, len(raw), 900))
        return head + b"\r\n" + lines + b"\r\n--not the end\r\n"

    def parts(self, depth):
        name = b"b%d.%d" % (depth, self.number)
        out = b"Content-Type: multipart/mixed; boundary=\"" + name + b"\"\r\n\r\n"
        for _ in range(self.r.choice((1, 2, 4))):
            out += b"--" + name + b"\r\n" + self.any(depth + 1) + b"\r\n"
        return out + (b"--" + name + b"--\r\n" if self.r.random() < .8 else b"")

    def any(self, depth):
        shape = self.r.random()
        if depth < 3 and shape < .25:
            return self.parts(depth)
        if depth < 3 and shape < .35:
            return (b"Content-Type: message/rfc822\r\n\r\nSubject: " + self.word(self.words) +
                    b"\r\n" + self.any(depth + 1))
        return self.attachment() if shape < .75 else self.text()

    def between(self):
        """Texts between attachments all of which are large."""
        inner = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n" + self.attachment((700000,))
        parts = [self.text(), self.attachment((900000,)), self.text(), inner, self.text(),
                 self.attachment((500000,)), self.text()]
        return (b"Content-Type: multipart/mixed; boundary=\"bb\"\r\n\r\n--bb\r\n" +
                b"\r\n--bb\r\n".join(parts) + b"\r\n--bb--\r\n")

    def message(self):
        if self.is_between:
            return b"Subject: x\r\nMIME-Version: 1.0\r\n" + self.between()
        return b"Subject: x\r\nMIME-Version: 1.0\r\n" + self.parts(0)


def check(box, makers, when):
    for number, maker in enumerate(makers, 1):
        for word in maker.words:
            if box.search(b"BODY " + word.encode()) != b"* SEARCH %d" % number:
                raise Wrong("%s: %s of message %d is not found" % (when, word, number))
        for word in maker.hidden[:3]:
            if box.search(b"BODY " + word.encode()) != b"* SEARCH":
                raise Wrong("%s: %s of message %d is in no text" % (when, word, number))


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    makers = []
    for number in range(14):
        makers.append(Maker(random.Random(seed * 1000 + number), number))
    for option in ("no", "yes"):
        box = Box(sys.argv[1], "search_index = " + option)
        try:
            for maker in makers:
                maker.words.clear()
                maker.hidden.clear()
                box.add(maker.message())
            check(box, makers, "index " + option)
            if option == "yes":
                wait_for("the index to be whole", lambda: box.rows() == len(makers))
                check(box, makers, "with the index")
        finally:
            box.end()
    print("found: %d words" % sum(len(m.words) for m in makers))


if __name__ == "__main__":
    main()

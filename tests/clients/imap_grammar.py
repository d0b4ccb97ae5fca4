#!/usr/bin/python3
"""A strict reader of IMAP FETCH answers: what RFC 3501 section 9 does not allow is a GrammarError.

    number, items = fetch(b'* 3 FETCH (UID 7 BODY[1] {2}\\r\\nab)\\r\\n')

items maps names to numbers, octets, None for NIL, tuples of octets for flags; ENVELOPE to an
Envelope, BODY and BODYSTRUCTURE to a Body.
"""
# SPDX-License-Identifier: MPL-2.0
import collections
import re

Address = collections.namedtuple("Address", "name adl mailbox host")
Envelope = collections.namedtuple(
    "Envelope", "date subject sender_from sender reply_to to cc bcc in_reply_to message_id")


class GrammarError(Exception):
    pass


class Body:
    """A part. kind: "multipart", "message", "text", "basic"."""

    def __init__(self):
        self.children, self.inner, self.envelope = [], None, None
        self.lines = self.octets = None
        self.extension = None  # after parameters or lines: md5, disposition, language, location

    def parts(self, path=""):
        """(path, part) in preorder, as FETCH numbers them: of a message, path ""."""
        if self.kind == "multipart":
            for i, child in enumerate(self.children, 1):
                yield from child.numbered("%s%d" % (path and path + ".", i))
        else:
            yield from self.numbered(path + ".1" if path else "1")

    def numbered(self, path):
        yield path, self
        if self.kind == "multipart":
            yield from self.parts(path)
        elif self.kind == "message":
            yield from self.inner.parts(path)

    def bare(self):
        """Without what only BODYSTRUCTURE tells, for comparison with BODY."""
        if self.kind == "multipart":
            return (tuple(c.bare() for c in self.children), self.subtype)
        return (self.type, self.subtype, self.params, self.id, self.description, self.encoding, self.octets,
                self.lines, self.envelope, self.inner and self.inner.bare())


class Reader:
    QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
    LITERAL = re.compile(rb"\{(\d+)\}\r\n")
    LITERAL8 = re.compile(rb"~\{(\d+)\}\r\n")
    NUMBER = re.compile(rb"(0|[1-9]\d*)(?=[ )\r])")

    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self, what):
        raise GrammarError("%s expected at %d: %r" % (what, self.at, self.text[max(0, self.at - 100):self.at + 100]))

    def take(self, token):
        if not self.text.startswith(token, self.at):
            self.fail(repr(token))
        self.at += len(token)

    def comes(self, token):
        return self.text.startswith(token, self.at)

    def try_take(self, token):
        if self.comes(token):
            self.at += len(token)
            return True
        return False

    def match(self, pattern):
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def literal(self, pattern):
        found = self.match(pattern)
        if not found:
            return None
        end = self.at + int(found.group(1))
        if end > len(self.text):
            self.fail("a whole literal")
        value, self.at = self.text[self.at:end], end
        return value

    def string(self):
        found = self.match(self.QUOTED)
        if found:
            return re.sub(rb"\\(.)", rb"\1", found.group(1))
        value = self.literal(self.LITERAL)
        if value is None:
            self.fail("a string")
        if b"\0" in value:
            self.fail("a literal without NUL")
        return value

    def nstring(self):
        return None if self.try_take(b"NIL") else self.string()

    def number(self):
        found = self.match(self.NUMBER)
        return int(found.group(1)) if found else self.fail("a number")

    def spaced(self, *readers):
        out = []
        for i, read in enumerate(readers):
            if i:
                self.take(b" ")
            out.append(read())
        return out

    def address(self):
        self.take(b"(")
        address = Address(*self.spaced(*[self.nstring] * 4))
        self.take(b")")
        return address

    def addresses(self):
        if self.try_take(b"NIL"):
            return None
        self.take(b"(")
        out = [self.address()]
        while not self.try_take(b")"):
            out.append(self.address())
        in_group = False
        for one in out:  # RFC 3501 7.4.2: groups have a start and an end, and do not nest
            if one.host is None:
                if in_group == (one.mailbox is not None):
                    self.fail("groups in order")
                in_group = one.mailbox is not None
        if in_group:
            self.fail("the end of a group")
        return tuple(out)

    def envelope(self):
        self.take(b"(")
        value = Envelope(*self.spaced(self.nstring, self.nstring, *[self.addresses] * 6, self.nstring, self.nstring))
        self.take(b")")
        return value

    def params(self):
        if self.try_take(b"NIL"):
            return ()
        self.take(b"(")
        out = []
        while True:
            name, value = self.spaced(self.string, self.string)
            out.append((name, value))
            if self.try_take(b")"):
                return tuple(out)
            self.take(b" ")

    def disposition(self):
        if self.try_take(b"NIL"):
            return None
        self.take(b"(")
        value = self.spaced(self.string, self.params)
        self.take(b")")
        return value

    def languages(self):
        if not self.try_take(b"("):
            return self.nstring()
        out = [self.string()]
        while not self.try_take(b")"):
            self.take(b" ")
            out.append(self.string())
        return out

    def body(self, extended, depth=0):
        if depth > 250:
            self.fail("fewer levels")
        part = Body()
        self.take(b"(")
        if self.comes(b"("):
            part.kind, part.type = "multipart", b"multipart"
            while self.comes(b"("):
                part.children.append(self.body(extended, depth + 1))
            self.take(b" ")
            part.subtype = self.string()
            part.params = ()
            if extended:
                self.take(b" ")
                part.params = self.params()
        else:
            self.single(part, extended, depth)
        if extended:
            self.take(b" ")
            if part.kind == "multipart":
                part.extension = [None] + self.spaced(self.disposition, self.languages, self.nstring)
            else:
                part.extension = self.spaced(self.nstring, self.disposition, self.languages, self.nstring)
        self.take(b")")
        return part

    def single(self, part, extended, depth):
        part.type, part.subtype, part.params, part.id, part.description, part.encoding, part.octets = self.spaced(
            self.string, self.string, self.params, self.nstring, self.nstring, self.string, self.number)
        kind = part.type.lower()
        if not part.type or not part.subtype or not part.encoding or kind == b"multipart":
            self.fail("a type of a single part")
        part.kind = "basic"
        if kind == b"text":
            part.kind = "text"
            self.take(b" ")
            part.lines = self.number()
        elif kind == b"message" and part.subtype.lower() in (b"rfc822", b"global"):
            part.kind = "message"
            self.take(b" ")
            part.envelope, part.inner, part.lines = self.spaced(
                self.envelope, lambda: self.body(extended, depth + 1), self.number)

    def flags(self):
        self.take(b"(")
        end = self.text.index(b")", self.at)
        value, self.at = tuple(self.text[self.at:end].split()), end + 1
        return value

    def section(self):
        """BODY[...] and its kin: NIL, a string, or where octets may be anything a literal8."""
        if self.comes(b"~"):
            return self.literal(self.LITERAL8)
        return self.nstring()


NAME = re.compile(rb"(?:(?:BODY|BINARY|BINARY\.SIZE)\[[^\]]*\](?:<\d+>)?|[A-Z0-9.]+)(?= )")


def fetch(text):
    """(number, {name: value}) of one untagged FETCH."""
    r = Reader(text)
    found = r.match(re.compile(rb"\* ([1-9]\d*) FETCH \("))
    if not found:
        r.fail("* n FETCH (")
    items = {}
    while True:
        name = r.match(NAME)
        name = name.group(0) if name else r.fail("a name")
        r.take(b" ")
        if name in items:
            r.fail("each item once")
        if name in (b"BODY", b"BODYSTRUCTURE"):
            items[name] = r.body(name == b"BODYSTRUCTURE")
        elif name == b"ENVELOPE":
            items[name] = r.envelope()
        elif name == b"FLAGS":
            items[name] = r.flags()
        elif name.startswith(b"BINARY.SIZE") or name in (b"UID", b"RFC822.SIZE"):
            items[name] = r.number()
        else:
            items[name] = r.section()
        if r.try_take(b")"):
            break
        r.take(b" ")
    if r.text[r.at:] != b"\r\n":
        r.fail("the end of the line")
    return int(found.group(1)), items

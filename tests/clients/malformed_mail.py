#!/usr/bin/python3
"""The messages of malformed.py through the real daemons: stored by APPEND and by LMTP, read back octet
for octet, described by the grammar, with parts that are where the description says.

Of each message: RFC822.SIZE, BODY[], RFC822, BINARY[], HEADER + TEXT, partial fetches; ENVELOPE, BODY
and BODYSTRUCTURE by a strict reader; each part of the BODYSTRUCTURE has the octets and lines told, lies
inside its parent behind its own MIME header, and no part lies beyond the last. Then SEARCH, SORT and
THREAD over all of them. Where Python's email package has an opinion that RFCs share, it is asked.
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import os
import poplib
import quopri
import random
import re
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import imap_grammar  # noqa: E402
import kit  # noqa: E402
import malformed  # noqa: E402
from kit import expect  # noqa: E402

ALL = malformed.messages()
REFUSED_FOR = ["SMT.header", "DMARC.from"]  # rules of smtpd and of the filter that some of them break
PARTS_AT_ONCE = 10
PARTS_LOOKED_AT = 40  # of one message: the first, the last, and some between


class Imap(kit.RawImap):
    """Answers with thousands of literals are read in one pass."""

    def response(self):
        pieces = [self.line()]
        while size := re.search(rb"\{(\d+)\}\r\n$", pieces[-1][-40:]):
            pieces.append(self.file.read(int(size.group(1))))
            pieces.append(self.line())
        return b"".join(pieces)

    def fetch(self, number, items):
        answers = [a for a in self.cmd("FETCH %d (%s)" % (number, " ".join(items))) if b" FETCH (" in a[:40]]
        expect(len(answers) == 1, "answers to one FETCH:", answers)
        got, values = imap_grammar.fetch(answers[0])
        expect(got == number, "FETCH of", number, "answered", got)
        return values


def shown(message):
    """As a literal that may not hold NUL."""
    return message.replace(b"\0", b"\x80")


# ---- one message ----

def check_whole(box, number, message):
    rng = random.Random(number)
    cuts = {rng.randrange(len(message)): rng.choice((1, 100, 10_000)) for _ in range(3)}
    cuts.update({0: len(message) + 10, len(message) - 1: 5, len(message): 5, len(message) + 100: 1})
    got = box.fetch(number, ["RFC822.SIZE", "BODY.PEEK[]", "BINARY.PEEK[]", "BINARY.SIZE[]", "RFC822",
                             "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "RFC822.HEADER", "RFC822.TEXT"]
                    + ["BODY.PEEK[]<%d.%d>" % cut for cut in cuts.items()] + ["BINARY.PEEK[]<0.100>"])
    whole = shown(message)
    expect(got[b"RFC822.SIZE"] == got[b"BINARY.SIZE[]"] == len(message), "size", got[b"RFC822.SIZE"], len(message))
    expect(got[b"BODY[]"] == got[b"RFC822"] == whole, "BODY[] differs")
    expect(got[b"BINARY[]"] == message, "BINARY[] differs")
    expect(got[b"BINARY[]<0>"] == message[:100], "BINARY[]<0> differs")
    expect(got[b"BODY[HEADER]"] == got[b"RFC822.HEADER"], "RFC822.HEADER differs")
    expect(got[b"BODY[TEXT]"] == got[b"RFC822.TEXT"], "RFC822.TEXT differs")
    expect(got[b"BODY[HEADER]"] + got[b"BODY[TEXT]"] == whole, "HEADER and TEXT are not the message")
    for at, n in cuts.items():
        expect(got[b"BODY[]<%d>" % at] == whole[at:at + n], "octets from", at)
    return got[b"BODY[HEADER]"]


def starts_behind(text, at, multipart):
    """Where parts of MULTIPART may begin in TEXT behind AT: behind the lines of its boundary."""
    params = dict(reversed(multipart.params))
    if b"boundary" not in params or any(name.startswith(b"boundary*") for name in params) or b"\x80" in text:
        return None  # told in pieces, which are not put together here; or without its NUL
    line = rb"(?:^|(?<=\n))--" + re.escape(shown(params[b"boundary"].rstrip(b" \t"))) + rb"[^\n]*(?:\n|$)"
    return [found.end() for found in re.finditer(line, text) if found.start() >= at]


def place_of(text, path, values, last, multipart):
    """Part PATH lies in TEXT behind LAST, its MIME header before it; gives where it ends."""
    name = path.encode()
    block = values[b"BODY[%s.MIME]" % name] + values[b"BODY[%s]" % name]
    starts = starts_behind(text, last, multipart)
    if starts is None:
        starts = [text.find(block, last)]
    fits = [at for at in starts if at >= 0 and text[at:at + len(block)] == block]
    expect(fits, "part", path, "is not in its parent behind", last, "but it is", block[:200], "of",
           text[last:last + 300])
    return fits[0] + len(block)


def chosen(paths, seed):
    if len(paths) <= PARTS_LOOKED_AT:
        return paths
    middle = random.Random(seed).sample(paths[10:-10], PARTS_LOOKED_AT - 20)
    return paths[:10] + sorted(middle, key=paths.index) + paths[-10:]


def fetch_parts(box, number, parts):
    values = {}
    for i in range(0, len(parts), PARTS_AT_ONCE):
        items = []
        for path, part in parts[i:i + PARTS_AT_ONCE]:
            items += ["BODY.PEEK[%s]" % path, "BODY.PEEK[%s.MIME]" % path, "BODY.PEEK[%s]<3.20>" % path]
            if part.kind == "message":
                items += ["BODY.PEEK[%s.%s]" % (path, what) for what in ("HEADER", "TEXT")]
        values.update(box.fetch(number, items))
    return values


def check_part(path, part, values):
    name = path.encode()
    octets = values[b"BODY[%s]" % name]
    expect(octets is not None, "part", path, "is told but not there")
    expect(values[b"BODY[%s]<3>" % name] == octets[3:23], "partial of part", path)
    if part.kind != "multipart":
        expect(len(octets) == part.octets, "part", path, "has", len(octets), "octets, told", part.octets)
    if part.lines is not None:
        expect(octets.count(b"\n") == part.lines, "part", path, "has", octets.count(b"\n"), "lines, told", part.lines)
    if part.kind == "message":
        inner = values[b"BODY[%s.HEADER]" % name] + values[b"BODY[%s.TEXT]" % name]
        expect(inner == octets, "HEADER and TEXT of part", path, "are not the part")


def check_order(message_text, structure, parts, values):
    """Parts lie one behind the other, with delimiters between."""
    asked = {path for path, _ in parts}

    def siblings(prefix, part, text):
        last = 0
        for i, child in enumerate(part.children, 1):
            path = "%s%d" % (prefix and prefix + ".", i)
            if path not in asked:
                return
            last = place_of(text, path, values, last, part)
    if structure.kind == "multipart":
        siblings("", structure, message_text)
    for path, part in parts:
        if part.kind == "multipart":
            siblings(path, part, values[b"BODY[%s]" % path.encode()])
        elif part.kind == "message" and part.inner.kind == "multipart":
            siblings(path, part.inner, values[b"BODY[%s.TEXT]" % path.encode()])


def check_absent(box, number, structure):
    """Nothing is beyond the last part."""
    count = len(structure.children) if structure.kind == "multipart" else 1
    got = box.fetch(number, ["BODY.PEEK[%d]" % (count + 1), "BODY.PEEK[%d.MIME]" % (count + 1),
                             "BINARY.SIZE[%d]" % (count + 1)])
    expect(got[b"BODY[%d]" % (count + 1)] is None and got[b"BODY[%d.MIME]" % (count + 1)] is None,
           "there is a part", count + 1)


def decoded(encoding, octets):
    """What Python makes of it; None where it, or the encoding, is no judge."""
    if encoding in (b"7bit", b"8bit", b"binary"):
        return octets
    if encoding == b"quoted-printable":
        if re.search(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*$)|[ \t]\r?\n|[ \t]$|=[ \t]*$|\r(?!\n)|=[ \t]*\n", octets):
            return None
        return quopri.decodestring(octets)
    if encoding == b"base64":
        clean = re.sub(rb"\s", b"", octets)
        if len(clean) % 4 == 0 and re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", clean):
            return base64.b64decode(clean)
    return None


def check_binary(box, number, parts, values):
    """Gives how many parts were compared with what Python decodes."""
    compared = 0
    for path, part in parts:
        if part.kind not in ("basic", "text"):
            continue
        encoding = part.encoding.lower()
        name = path.encode()
        tag = box.start("FETCH %d (BINARY.SIZE[%s] BINARY.PEEK[%s])" % (number, path, path))
        untagged, last = box.finish(tag)
        if b"[UNKNOWN-CTE]" in last:
            expect(encoding not in (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"), encoding, last)
            continue
        expect(b" OK" in last[:12], path, last)
        _, got = imap_grammar.fetch(untagged[0])
        octets = got[b"BINARY[%s]" % name]
        expect(len(octets) == got[b"BINARY.SIZE[%s]" % name], "BINARY.SIZE of", path)
        want = decoded(encoding, values[b"BODY[%s]" % name])
        if want is not None and b"\x80" not in values[b"BODY[%s]" % name]:
            expect(octets == want, "BINARY of", path, encoding, octets[:80], want[:80])
            compared += 1
    return compared


def check_message(box, number, message):
    header = check_whole(box, number, message)
    got = box.fetch(number, ["ENVELOPE", "BODY", "BODYSTRUCTURE"])
    structure = got[b"BODYSTRUCTURE"]
    expect(structure.bare() == got[b"BODY"].bare(), "BODY and BODYSTRUCTURE differ")
    every = list(structure.parts())
    parts = chosen(every, number)
    values = fetch_parts(box, number, parts)
    for path, part in parts:
        check_part(path, part, values)
    check_order(shown(message)[len(header):], structure, parts, values)
    check_absent(box, number, structure)
    return got[b"ENVELOPE"], structure, check_binary(box, number, parts[:12], values)


# ---- all of them at once ----

KEYS = ["SEEN", "SUBJECT thu", 'SUBJECT ""', 'HEADER Subject ""', "HEADER X-Dai mot", "FROM an", 'FROM ""',
        'TO "b.example"',
        'CC ""', "TEXT thu", 'TEXT "noi dung"', 'BODY "noi dung"', "BODY abc", 'BODY "khong co o dau ca"',
        "SENTBEFORE 16-Nov-2026",
        "SENTON 16-Nov-2026", "SENTSINCE 1-Jan-1970", "LARGER 1000", "SMALLER 300", "YOUNGER 1000000", "1:300",
        "UID 1:300",
        "OR (SUBJECT a) (NOT BODY b)", 'HEADER Message-ID "@"', 'HEADER Content-Type multipart', "EMAILID M1",
        'TEXT "\\""']
UTF8_KEYS = ["%s {%d+}\r\n%s" % (key, len(text.encode()), text) for key, text in (
    ("TEXT", "việt"), ("SUBJECT", "công"), ("BODY", "gửi"), ("FROM", "nguyễn"))]
SORTS = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "REVERSE SIZE",
         "SUBJECT REVERSE DATE FROM"]


def numbers_of(box, command, word):
    answers = [a for a in box.cmd(command) if a.startswith(b"* %s" % word)]
    expect(len(answers) == 1, command, answers)
    return [int(n) for n in re.sub(rb"\(MODSEQ.*", b"", answers[0]).split()[2:]]


def threads_of(box, algorithm):
    answers = [a for a in box.cmd("THREAD %s UTF-8 ALL" % algorithm) if a.startswith(b"* THREAD")]
    expect(len(answers) == 1, answers)
    text, depth = answers[0], 0
    for c in text.decode():
        depth += (c == "(") - (c == ")")
        expect(depth >= 0, algorithm, text)
    expect(depth == 0, algorithm, text)
    return sorted(int(n) for n in re.findall(rb"\d+", text))


def found_by(box, key):
    charset = "CHARSET UTF-8 " if key in UTF8_KEYS else ""
    return numbers_of(box, ("SEARCH " + charset + key).encode(), b"SEARCH")


def check_finding(box, envelopes, all_messages):
    """Gives what each key finds."""
    every = list(range(1, len(all_messages) + 1))
    found = {key: found_by(box, key) for key in KEYS + UTF8_KEYS}
    for key, numbers in found.items():
        charset = "CHARSET UTF-8 " if key in UTF8_KEYS else ""
        others = numbers_of(box, ("UID SEARCH " + charset + "NOT (%s)" % key).encode(), b"SEARCH")
        expect(sorted(numbers + others) == every, key, "and its opposite do not make all", set(numbers) & set(others),
               set(every) - set(numbers) - set(others))
    sizes = [len(m) for m in all_messages]
    expect(found["LARGER 1000"] == [n for n in every if sizes[n - 1] > 1000], "LARGER")
    expect(found['HEADER Subject ""'] == [n for n in every if envelopes[n - 1].subject is not None], "with a subject")
    for sort in SORTS:
        got = numbers_of(box, "SORT (%s) UTF-8 ALL" % sort, b"SORT")
        expect(sorted(got) == every, "SORT by", sort)
        if "SIZE" in sort:
            want = sorted(every, key=lambda n: sizes[n - 1], reverse="REVERSE" in sort)
            expect([sizes[n - 1] for n in got] == [sizes[n - 1] for n in want], "SORT by", sort)
    for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
        expect(threads_of(box, algorithm) == every, "THREAD", algorithm)
    return found


def check_envelopes_alone(box, envelopes):
    """Many in one command are what each alone was."""
    got = [a for a in box.cmd("FETCH 1:* (ENVELOPE PREVIEW)") if b" FETCH (" in a[:40]]
    expect(len(got) == len(envelopes), len(got), "envelopes")
    for answer in got:
        number, values = imap_grammar.fetch(answer)
        expect(values[b"ENVELOPE"] == envelopes[number - 1], "ENVELOPE of", number)
        preview = values[b"PREVIEW"].decode()
        expect(len(preview) <= 256, "PREVIEW of", number, preview)


# ---- the other ways in and out ----

def as_line_ends(message):
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def check_pop3(p, user, names):
    """RETR sends what is stored, dots doubled and undone."""
    pop = poplib.POP3_SSL("localhost", p.port["pop3s"], context=p.context(), timeout=kit.PATIENCE)
    poplib._MAXLINE = 1 << 22
    pop.utf8()
    pop.user(user)
    pop.pass_(p.users[user])
    expect(pop.stat()[0] == len(names), pop.stat())
    for number, name in enumerate(names, 1):
        if re.search(rb"(?<!\r)\n|\r(?!\n)", ALL[name]):
            continue  # poplib ends lines at LF
        got = b"\r\n".join(pop.retr(number)[1]) + b"\r\n"
        expect(got == as_line_ends(ALL[name]), "RETR of", name)
        pop.top(number, 1)
    pop.quit()


def fill(box, mailbox):
    for name, message in ALL.items():
        last = box.finish(box.start(b"APPEND %s ~{%d+}\r\n" % (mailbox, len(message)) + message))[1]
        expect(b" OK [APPENDUID " in last[:30], name, last)
    box.cmd(b"EXAMINE " + mailbox)


def check_all(box, names, messages, every=1):
    """Checks the messages, or one of EVERY so many; tells each fault; gives what was found out of each."""
    faults, facts = [], []
    for number, (name, message) in enumerate(zip(names, messages), 1):
        if number % every:
            continue
        try:
            facts.append(check_message(box, number, message))
        except (kit.Failure, imap_grammar.GrammarError) as fault:
            faults.append("%s: %s" % (name, str(fault)[:1500]))
    expect(not faults, len(faults), "of", len(names), "\n" + "\n".join(faults[:40]))
    return facts


def test_stored_by_append_and_read_back():
    with kit.Province(filter=False) as p:
        user = p.user("an")
        box = Imap(p, user)
        fill(box, b"INBOX")
        facts = check_all(box, ALL, ALL.values())
        print("    %d messages, %d parts decoded as Python does" % (len(ALL), sum(f[2] for f in facts)))
        envelopes = [f[0] for f in facts]
        check_envelopes_alone(box, envelopes)
        found = check_finding(box, envelopes, list(ALL.values()))
        check_pop3(p, user, list(ALL))
        for key, numbers in found.items():  # by now there is an index
            expect(found_by(box, key) == numbers, key, "finds something else the second time")
        box.close()
        p.check_store()


def deliver(p, user, messages, port="lmtp"):
    """By BDAT, which has no rules for lines. {name: code} and the names that were taken, in order."""
    codes, taken = {}, []
    s, file = None, None
    hello, a_session = (b"LHLO", 100) if port == "lmtp" else (b"EHLO", 5)

    def reply():
        while True:
            line = file.readline()
            expect(line, "LMTP ended")
            if line[3:4] != b"-":
                return line
    for i, (name, message) in enumerate(messages.items()):
        if i % a_session == 0:
            s = socket.create_connection((p.host, p.port[port]), kit.PATIENCE)
            file = s.makefile("rb")
            reply()
            s.sendall(hello + b" x.example\r\n")
            reply()
        s.sendall(b"MAIL FROM:<xa@far.example> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<%s>\r\n" % user.encode())
        expect(reply().startswith(b"250") and reply().startswith(b"250"), name)
        s.sendall(b"BDAT %d LAST\r\n" % len(message) + message)
        codes[name] = reply().decode()
        if codes[name].startswith("250"):
            taken.append(name)
        else:
            s.sendall(b"RSET\r\n")
            reply()
    return codes, taken


def check_codes(codes, taken, messages):
    """Only what breaks a rule is refused, and by its name."""
    for name, code in codes.items():
        is_odd = re.search(rb"(?<!\r)\n|\r(?!\n)|\0", messages[name])
        rule = re.search(r"\[([\w.-]+)\]", code)
        want = ["SMT.line-ends"] if is_odd else REFUSED_FOR
        expect((name in taken and not is_odd) or (code.startswith("5") and rule and rule.group(1) in want), name, code)
    print("    %d taken, %d refused" % (len(taken), len(messages) - len(taken)))


def test_passes_the_filter():
    if not kit.built("congvu-spamfilter"):
        return
    # From others: who names this domain must have logged in.
    chosen = {name: message.replace(b"lamgiang.example", b"far.example") for name, message in ALL.items()
              if name.split("/")[0] in ("header", "huge", "octets", "type", "word")}
    with kit.Province(filter=True) as p:
        codes, taken = deliver(p, p.user("an"), chosen, "mx")
        check_codes(codes, taken, chosen)


def test_delivered_by_lmtp_and_read_back():
    with kit.Province(filter=False) as p:
        user = p.user("an")
        codes, taken = deliver(p, user, ALL)
        check_codes(codes, taken, ALL)
        box = Imap(p, user)
        kit.wait_until("all is there", lambda: b"* %d EXISTS\r\n" % len(taken) in box.cmd("EXAMINE INBOX"))
        stored = []
        for number, name in enumerate(taken, 1):
            stored.append(box.fetch(number, ["BINARY.PEEK[]"])[b"BINARY[]"])
            want = re.sub(rb"Return-Path: .*\r\n", b"", ALL[name])  # the last server writes its own
            expect(stored[-1].endswith(want) and stored[-1].startswith(b"Return-Path: <xa@far.example>\r\n"),
                   name, "was changed:", stored[-1][:2000])
        check_all(box, taken, stored, every=5)
        box.close()


kit.run_tests(globals())

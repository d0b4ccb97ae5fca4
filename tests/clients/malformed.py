#!/usr/bin/python3
"""Mail as nobody should send it: some hundred messages, each with a name, made anew each time the same.

messages() gives {name: octets}. Names start with their family: "boundary/…", "address/…". Most are
what real senders really send, or one step beyond it; none needs to be sane, and all must be kept and
shown. The last family is a proper letter with random damage of fixed seeds.

usage: malformed.py            names and sizes
       malformed.py NAME       that message
       malformed.py --to DIR   all of them as files
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import os
import random
import sys

E = b"\r\n"
DATE = b"Mon, 16 Nov 2026 08:30:00 +0700"
BASE = [(b"From", "Nguyễn Văn An <an@lamgiang.example>".encode()), (b"To", b"binh@lamgiang.example"),
        (b"Subject", b"thu"), (b"Date", DATE), (b"Message-ID", b"<thu@lamgiang.example>"),
        (b"MIME-Version", b"1.0")]


def b(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def mail(fields=(), body=b"noi dung\r\n", base=True):
    """A letter; FIELDS replace those of BASE by name, None takes one away."""
    fields = [(b(n), None if v is None else b(v)) for n, v in fields]
    given = {n.lower() for n, _ in fields}
    head = [(n, v) for n, v in BASE if base and n.lower() not in given]
    head += [(n, v) for n, v in fields if v is not None]
    return b"".join(n + b": " + v + E for n, v in head) + E + b(body)


def typed(value, body=b"noi dung\r\n", *more):
    return mail([("Content-Type", value), *more], body)


def lines(*rows):
    return b"".join(b(row) + E for row in rows)


def part(body, *fields):
    return lines(*fields, "") + b(body)


def multi(boundary, *parts, end=True, preamble=b"", epilogue=b""):
    bound = b(boundary)
    out = b(preamble) + b"".join(b"--" + bound + E + b(p) + E for p in parts)
    return out + (b"--" + bound + b"--" + E if end else b"") + b(epilogue)


TEXT = part("chu", "Content-Type: text/plain")
HTML = part("<p>chữ", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit")
FILE = part("YWJj", "Content-Type: application/pdf; name=a.pdf", "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment; filename=a.pdf")


# ---- what is inside what ----

def nested_multiparts(depth, close=True):
    open_, shut = [b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"], []
    for i in range(depth):
        inner = b"Content-Type: multipart/mixed; boundary=b%d_\r\n\r\n" % (i + 1)
        open_.append(b"--b%d%s\r\n" % (i, b"_" if i else b"") + (inner if i + 1 < depth else b"\r\nday\r\n"))
        shut.append(b"\r\n--b%d%s--\r\n" % (i, b"_" if i else b""))
    return b"Subject: sau\r\n" + b"".join(open_) + (b"".join(reversed(shut)) if close else b"")


def nested_messages(depth):
    return b"".join(b"Subject: lop %d\r\nContent-Type: message/rfc822\r\n\r\n" % i for i in range(depth)) \
        + b"Subject: day\r\n\r\nday\r\n"


def nested_both(depth):
    text = b"Subject: day\r\n\r\nday\r\n"
    for i in range(depth):
        text = b"Subject: lop %d\r\nContent-Type: multipart/mixed; boundary=x%dx\r\n\r\n" % (i, i) \
            + b"--x%dx\r\nContent-Type: message/rfc822\r\n\r\n" % i + text + b"\r\n--x%dx--\r\n" % i
    return text


def nesting():
    for depth in (2, 50, 98, 99, 100, 101, 102, 300, 2000):
        yield "multiparts %d deep" % depth, nested_multiparts(depth)
    for depth in (101, 1000):
        yield "multiparts %d deep, none closed" % depth, nested_multiparts(depth, False)
    for depth in (1, 50, 98, 99, 100, 101, 102, 500):
        yield "messages %d deep" % depth, nested_messages(depth)
    for depth in (2, 33, 49, 50, 51, 120):
        yield "both %d deep" % depth, nested_both(depth)
    for count in (1, 100, 2000, 9999, 10001):
        yield "%d parts" % count, typed("multipart/mixed; boundary=b", b"--b\r\n\r\n" * count + b"--b--\r\n")
    yield "digest", typed("multipart/digest; boundary=b", multi(
        "b", lines("", "Subject: mot", "", "1"), lines("", "", "2"), lines("Content-Type: text/plain", "", "3"),
        "", "khong co dau hai cham"))
    yield "digest in digest", typed("multipart/digest; boundary=b", multi("b", lines(
        "", "Content-Type: multipart/digest; boundary=c", "", "--c", "", "Subject: trong", "", "x", "--c--")))
    yield "message without a header", typed("message/rfc822", "\r\nchi co than\r\n")
    yield "message that is empty", typed("message/rfc822", "")
    yield "message of one line", typed("message/rfc822", "Subject: mot dong")
    yield "message in base64", typed("message/rfc822", base64.encodebytes(mail()).replace(b"\n", E),
                                     ("Content-Transfer-Encoding", "base64"))
    yield "message in quoted-printable", typed("message/rfc822", "Subject: a=\r\nb\r\n\r\nx=3D\r\n",
                                               ("Content-Transfer-Encoding", "quoted-printable"))
    yield "message/global", typed("message/global", "Subject: Công văn\r\n\r\nx\r\n")
    yield "message/rfc822 with parameters", typed("message/rfc822; name=\"thư.eml\"; x", mail())
    yield "message cut by a boundary in its header", typed("multipart/mixed; boundary=b", multi(
        "b", "Content-Type: message/rfc822\r\n\r\nSubject: dut\r\nFrom: a@b.example", TEXT))
    yield "multipart in base64", typed("multipart/mixed; boundary=b", multi("b", TEXT),
                                       ("Content-Transfer-Encoding", "base64"))
    yield "related in alternative in mixed", typed("multipart/mixed; boundary=m", multi("m", part(multi(
        "a", TEXT, part(multi("r", HTML, FILE), 'Content-Type: multipart/related; boundary="r"; type=text/html')),
        'Content-Type: multipart/alternative; boundary="a"'), FILE))


# ---- boundaries ----

def boundaries():
    def mixed(value, body):
        return typed("multipart/mixed" + value, body)
    two = multi("b", TEXT, HTML)
    yield "none given", mixed("", two)
    yield "empty", mixed('; boundary=""', multi("", TEXT))
    yield "blanks only", mixed('; boundary="  "', multi("  ", TEXT))
    yield "without a value", mixed("; boundary", two)
    yield "never occurs", mixed("; boundary=khong", two)
    yield "no final one", mixed("; boundary=b", multi("b", TEXT, HTML, end=False))
    yield "only the final one", mixed("; boundary=b", "--b--\r\n")
    yield "final one first", mixed("; boundary=b", "--b--\r\n--b\r\n\r\nsau\r\n--b--\r\n")
    yield "parts behind the end", mixed("; boundary=b", two + two)
    yield "twice in the field", mixed("; boundary=a; boundary=b", multi("b", TEXT) + multi("a", TEXT))
    yield "duplicate field", mail([("Content-Type", "multipart/mixed; boundary=a"),
                                   ("Content-Type", "multipart/mixed; boundary=b")], multi("b", TEXT))
    yield "one begins with the other", mixed("; boundary=b", multi("b", part(
        multi("bb", TEXT, FILE), "Content-Type: multipart/mixed; boundary=bb"), TEXT))
    yield "outer begins with the inner", mixed("; boundary=bb", multi("bb", part(
        multi("b", TEXT, FILE), "Content-Type: multipart/mixed; boundary=b"), TEXT))
    yield "inner is the outer", mixed("; boundary=b", multi("b", part(
        multi("b", TEXT, FILE), "Content-Type: multipart/mixed; boundary=b"), TEXT))
    yield "inner never closed", mixed("; boundary=a", multi("a", part(
        multi("c", TEXT, end=False), "Content-Type: multipart/mixed; boundary=c"), FILE))
    yield "outer closed inside the inner", mixed("; boundary=a", "--a\r\nContent-Type: multipart/mixed; "
                                                 "boundary=c\r\n\r\n--c\r\n\r\nx\r\n--a--\r\n--c--\r\n")
    yield "250 octets", mixed("; boundary=" + "k" * 250, multi("k" * 250, TEXT))
    yield "251 octets", mixed("; boundary=" + "k" * 251, multi("k" * 251, TEXT))
    yield "2000 octets", mixed("; boundary=" + "k" * 2000, multi("k" * 2000, TEXT))
    yield "blank behind it", mixed("; boundary=b", "--b  \t\r\n\r\nx\r\n--b-- \r\n")
    yield "blank before it", mixed("; boundary=b", " --b\r\n\r\nx\r\n --b--\r\n")
    yield "text behind it", mixed("; boundary=b", "--bcd\r\n\r\nx\r\n--b--cd\r\n")
    yield "ends in a blank", mixed('; boundary="b "', multi("b ", TEXT))
    yield "with quotes inside", mixed('; boundary="a\\"b"', multi('a"b', TEXT))
    yield "quotes never closed", mixed('; boundary="b', multi("b", TEXT))
    yield "apostrophes", mixed("; boundary='b'", multi("'b'", TEXT) + multi("b", TEXT))
    yield "with a comment", mixed("; boundary=b (the b)", two)
    yield "continued", mixed("; boundary*0=b; boundary*1=c", multi("bc", TEXT))
    yield "percent encoded", mixed("; boundary*=us-ascii''b%20c", multi("b c", TEXT))
    yield "upper case elsewhere", mixed("; boundary=AbC", multi("abc", TEXT) + multi("AbC", TEXT))
    yield "of dashes", mixed("; boundary=----", multi("----", TEXT, FILE))
    yield "a single dash", mixed("; boundary=-", multi("-", TEXT, FILE))
    yield "line ends in LF", typed("multipart/mixed; boundary=b", two.replace(E, b"\n"))
    yield "line ends in CR", typed("multipart/mixed; boundary=b", two.replace(E, b"\r"))
    yield "mixed line ends", mixed("; boundary=b", "--b\n\nx\r\n--b\r\n\r\ny\n--b--\n")
    yield "in the last line without an end", mixed("; boundary=b", two[:-2])
    yield "cut in the middle", mixed("; boundary=bbbb", multi("bbbb", TEXT)[:-5])
    yield "part without an empty line", mixed("; boundary=b", "--b\r\nContent-Type: text/plain\r\n--b--\r\n")
    yield "part of nothing", mixed("; boundary=b", "--b\r\n--b\r\n--b--\r\n")
    yield "part with only the empty line", mixed("; boundary=b", "--b\r\n\r\n--b--\r\n")
    yield "inside a header of the part", mixed("; boundary=b", "--b\r\nX: y\r\n --b\r\n\r\nx\r\n--b--\r\n")
    yield "NUL inside", mixed('; boundary="a\0b"', multi("a\0b", TEXT))
    yield "8-bit", mixed('; boundary="biên"', multi("biên", TEXT))
    yield "preamble and epilogue", mixed("; boundary=b", multi("b", TEXT, preamble="truoc\r\n", epilogue="sau\r\n"))
    yield "preamble looks like a header", mixed("; boundary=b", multi("b", TEXT, preamble="A: b\r\n\r\n"))
    yield "that of a signature", typed('multipart/signed; boundary=b; micalg=sha-256; '
                                       'protocol="application/pkcs7-signature"', multi("b", TEXT, FILE))


# ---- single octets ----

def octets():
    whole = mail([("X-Dai", "mot\r\n hai\r\n\tba")], lines("mot", "hai", "", "ba"))
    yield "all lines in LF", whole.replace(E, b"\n")
    yield "all lines in CR", whole.replace(E, b"\r")
    yield "lines in CRCRLF", whole.replace(E, b"\r\r\n")
    yield "lines in LFCR", whole.replace(E, b"\n\r")
    yield "header in LF, body in CRLF", mail(body=b"").replace(E, b"\n") + lines("mot", "hai")
    yield "header in CRLF, body in LF", mail(body="mot\nhai\n")
    yield "bare CR in a field", mail([("Subject", "mot\rhai")])
    yield "bare CR before the empty line", b"Subject: x\r\r\n\r\nnoi dung\r\n"
    yield "bare CR at the end", mail(body="noi dung\r")
    yield "no last line end", mail(body="noi dung")
    yield "only line ends", b"\r\n" * 20
    yield "only LFs", b"\n" * 20
    yield "only CRs", b"\r" * 20
    yield "NUL in a body", mail(body=b"a\0b\0\0\r\n\0")
    yield "NUL in a subject", mail([("Subject", b"a\0b")])
    yield "NUL in an address", mail([("From", b'"a\0b" <a\0@b\0.example>')])
    yield "NUL in a field name", mail([(b"X-\0", "co")])
    yield "NUL in a type", typed(b"text/pl\0ain; charset=\"utf\0-8\"; \0=\0")
    yield "NULs alone", b"\0" * 100
    yield "NUL first", b"\0" + mail()
    yield "NUL behind each octet", whole.decode().encode("utf-16-le")
    yield "UTF-16 with a mark", whole.decode().encode("utf-16")
    yield "byte order mark first", b"\xef\xbb\xbf" + mail()
    yield "every octet in the body", mail(body=bytes(range(256)))
    yield "every octet in the subject", mail([("Subject", bytes(c for c in range(256) if c not in b"\r\n"))])
    yield "escape sequences", mail([("Subject", b"\x1b[31mdo\x1b[0m\x07\x08\x7f")])
    yield "vertical tabs and form feeds", mail([("Subject", b"a\x0bb\x0cc")], b"a\x0bb\x0cc\r\n")
    yield "line of a megabyte", mail(body=b"x" * (1 << 20) + E)
    yield "100,000 empty lines", mail(body=E * 100_000)
    yield "dots at starts of lines", mail(body=lines(".", "..", ".a", "", "."))
    yield "end of DATA in LF", mail(body="a\n.\nb\n.\r\nc\r\n")
    yield "only blanks", b" " * 50 + E + b"\t" * 20


# ---- words of the header ----

def header_lines():
    def head(*rows, body="noi dung\r\n"):
        return lines(*rows) + E + b(body)
    yield "header only, no empty line", lines("Subject: x", "From: a@b.example")
    yield "header only", head("Subject: x", body="")
    yield "cut in a field", b"Subject: x\r\nFro"
    yield "cut behind a colon", b"Subject:"
    yield "body only", head(body="chi co than\r\n")
    yield "line without a colon", head("Subject: x", "khong co dau hai cham", "To: c@d.example")
    yield "line without a colon first", head("khong co", "Subject: x")
    yield "colon first", head(": khong ten", "Subject: x")
    yield "only a colon", head(":", "Subject: x")
    yield "blank before the colon", head("Subject : x", "From\t: a@b.example")
    yield "blanks in the name", head("Sub ject: x", "X Y: z")
    yield "no blank behind the colon", head("Subject:x", "From:a@b.example")
    yield "value empty", head("Subject:", "From: ", "To:\t")
    yield "continuation first", head(" tiep", "Subject: x")
    yield "continuation of blanks", head("Subject: x", "   ", "\t", " y", "To: c@d.example")
    yield "empty line with a blank", lines("Subject: x", " ", "noi dung", "")
    yield "empty line with a CR", b"Subject: x\r\n\r\r\nnoi dung\r\n"
    yield "folded at each word", head("Subject:", " mot", " hai", " ba", "From:", " a@b.example")
    yield "folded with tabs", head("Subject: mot\r\n\t\thai", "From:\r\n\ta@b.example")
    yield "folded inside a quoted name", head('From: "mot\r\n hai" <a@b.example>')
    yield "folded inside an address", head("From: a\r\n @b\r\n .example")
    yield "folded inside a word", head("Subject: =?utf-8?Q?a\r\n b?=")
    yield "name of 8-bit octets", head("Tiêu-đề: x", "Subject: y")
    yield "names in odd cases", head("sUBJECT: x", "FROM: a@b.example", "content-TYPE: TEXT/HTML")
    yield "each field twice", head(*["%s: %s %d" % (n, "a@b.example" if n in ("From", "To", "Cc", "Bcc", "Sender",
                                   "Reply-To") else "gia tri", i) for n in
                                   ("From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Subject", "Date", "Message-ID",
                                    "In-Reply-To", "References", "Content-Type", "Content-Transfer-Encoding")
                                   for i in (1, 2)])
    yield "mbox line first", b"From an@lamgiang.example Mon Nov 16 08:30:00 2026\r\n" + mail()
    yield "mbox line in the middle", head("Subject: x", "From an@lamgiang.example Mon Nov 16 2026", "To: c@d.example")
    yield "quoted mbox line first", b">From an@lamgiang.example Mon Nov 16 2026\r\n" + mail()
    yield "mbox lines in the body", mail(body=lines("", "From an@lamgiang.example Mon Nov 16 2026", "",
                                                    ">From binh", "From ", "From"))
    yield "mbox line in a part", typed("multipart/mixed; boundary=b", multi(
        "b", "From an@x Mon Nov 16 2026\r\nContent-Type: text/html\r\n\r\nx"))
    yield "an SMTP dialogue", lines("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA", ".", "QUIT")
    yield "HTTP", lines("HTTP/1.1 200 OK", "Content-Type: text/html", "", "<html>")
    yield "lists of every kind", head("List-Id: <x>", "List-Post: NO", "Received: x", "Received: y", "Resent-From: a@b",
                                      "Return-Path: <>", "Comments: ", "Keywords: ,,,")


def huge():
    yield "subject of a megabyte", mail([("Subject", "x" * (1 << 20))])
    yield "subject of a megabyte, folded", mail([("Subject", E.join([b" " + b"x" * 60] * 17_000))])
    yield "subject of 65,536 octets", mail([("Subject", "x" * 65536)])
    yield "name of a megabyte", mail([("X" * (1 << 20), "x")])
    yield "line of 1 MB without a colon", b"x" * (1 << 20) + E + mail()
    yield "10,000 fields", b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(9_994)) + mail()
    yield "10,001 fields", b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(9_995)) + mail()
    yield "30,000 fields", mail()[:-12] + b"".join(b"X-%d:\r\n" % i for i in range(30_000)) + b"\r\nthan\r\n"
    yield "header of 1,200,000 octets", b"X-Dai: " + b"x" * 1_200_000 + E + mail()
    yield "header of many long fields", b"".join(b"X-%d: %s\r\n" % (i, b"x" * 990) for i in range(1_200)) + mail()
    yield "20,000 empty continuations", mail([("Subject", "x" + "\r\n " * 20_000)])
    yield "12,000 recipients", mail([("To", ", ".join("a%d@b.example" % i for i in range(12_000)))])
    yield "100 To fields", mail([("To", "a%d@b.example" % i) for i in range(100)])
    yield "5,000 references", mail([("References", " ".join("<%d@b.example>" % i for i in range(5_000)))])
    yield "comment 100,000 deep", mail([("From", "(" * 100_000 + "a@b.example")])
    yield "comments 50,000 deep and closed", mail([("To", "(" * 50_000 + ")" * 50_000 + "a@b.example")])
    yield "100,000 quotes", mail([("To", '"' * 100_000)])
    yield "100,000 angles", mail([("To", "<" * 100_000), ("References", "<" * 100_000)])
    yield "100,000 commas", mail([("To", "," * 100_000)])
    yield "100,000 encoded word starts", mail([("Subject", "=?" * 100_000), ("From", "=?utf-8?q?" * 20_000)])
    yield "300 parameters", typed("text/plain" + "".join("; p%d=v%d" % (i, i) for i in range(300)))
    yield "3,000 continuations", typed("text/plain" + "".join("; name*%d=%d" % (i, i % 10) for i in range(3_000)))
    yield "parameter of 70,000 octets", typed('text/plain; name="%s"' % ("x" * 70_000))
    yield "type of 20,000 octets", typed("a" * 20_000 + "/" + "b" * 20_000)
    yield "part header of a megabyte", typed("multipart/mixed; boundary=b", multi(
        "b", part("than", "X: " + "x" * (1 << 20), "Content-Type: text/html"), TEXT))
    yield "part of 10,001 fields", typed("multipart/mixed; boundary=b", multi("b", part("than", *["X: y"] * 10_001),
                                                                                TEXT))
    yield "envelopes of 100 large headers", typed("multipart/digest; boundary=b", multi(
        "b", *[E + mail([("Subject", "x" * 20_000)]) for _ in range(100)]))


# ---- letters and charsets ----

VIETNAMESE = "Ủy ban nhân dân tỉnh Lâm Giang: Công văn số 1"
OTHERS = {"gb18030": "人民政府公文", "gbk": "人民政府公文", "gb2312": "人民政府公文", "big5": "縣政府公文",
          "shift_jis": "県庁からの手紙", "iso-2022-jp": "県庁からの手紙", "euc-jp": "県庁からの手紙",
          "euc-kr": "도청 편지", "iso-2022-kr": "도청 편지", "koi8-r": "Письмо", "windows-1251": "Письмо",
          "iso-8859-1": "Préfecture", "iso-8859-2": "Příroda", "iso-8859-7": "Επιστολή", "iso-8859-8": "מכתב",
          "iso-8859-15": "Prix €5", "windows-1252": "Prix “€5”", "windows-1256": "رسالة", "windows-874": "จดหมาย",
          "tis-620": "จดหมาย", "ibm850": "Préfecture", "macintosh": "Préfecture"}
# ~W1258 and the older ones are spelled by hand: Python knows none but the first, and that decomposed.
BY_HAND = {"windows-1258": b"Vi\xea\xf2t Nam \xd0\xf4\xec\xec", "tcvn3": b"Vi\xd6t Nam \xa7\xe9i", "x-viet-tcvn5712":
           b"Vi\xd6t Nam", "viscii": b"Vi\xaet Nam \xd0\xafi", "x-viet-vni": b"Vie\xe4t Nam \xd1o\xe5i",
           "x-viet-vps": b"Vi\xbet Nam", "utf-7": b"+HuY- y+AO0-", "unknown-8bit": b"\xff\xfe\xfd", "x-user-defined":
           b"\x80\x81", "iso-8859-99": b"\xe9", "none": b"\xe9", "": b"\xe9", "utf-8": VIETNAMESE.encode(),
           "utf8": VIETNAMESE.encode(), "\"utf-8": VIETNAMESE.encode(), "utf-8;utf-8": VIETNAMESE.encode(),
           "us-ascii": VIETNAMESE.encode(), "utf-16": "Việt".encode("utf-16"), "utf-16le": "Việt".encode("utf-16-le"),
           "utf-16be": b"\xd8\x00\x00", "utf-32": "Việt".encode("utf-32"), "utf-8 truncated": b"Vi\xe1\xbb",
           "x" * 3000: b"\xe9", "../../etc/passwd": b"\xe9", "utf-8//TRANSLIT": "Việt".encode(), "ebcdic-us": b"\xc1"}


def charsets():
    rows = dict(BY_HAND)
    rows.update((name, text.encode({"windows-874": "cp874", "macintosh": "mac-roman"}.get(name, name)))
                for name, text in OTHERS.items())
    for name, text in rows.items():
        label = name[:30].replace("/", "_")
        coded = base64.b64encode(text)
        quoted = b"".join(b"=%02X" % c for c in text)
        yield "raw %s" % label, mail([("Subject", text), ("From", text + b" <a@b.example>"), ("Content-Type",
                                      "text/plain; charset=" + name), ("Content-Transfer-Encoding", "8bit")], text)
        yield "encoded %s" % label, mail([
            ("Subject", b"=?%s?B?%s?= =?%s?Q?%s?=" % (b(name), coded, b(name), quoted)),
            ("To", b"=?%s?q?%s?= <a@b.example>" % (b(name), quoted)),
            ("Content-Type", b"text/plain; charset=%s; name*=%s''%s" % (b(name), b(name), quoted.replace(b"=", b"%"))),
            ("Content-Transfer-Encoding", "base64")], coded + E)


def unicode_traps():
    for name, text in {
            "surrogates": b"\xed\xa0\xbd\xed\xb8\x80", "a lone surrogate": b"a\xed\xa0\x80b",
            "overlong slash": b"a\xc0\xafb", "overlong NUL": b"a\xc0\x80b\xe0\x80\x80", "overlong quote": b"\xc0\xa2",
            "five octets": b"\xf8\x88\x80\x80\x80", "above U+10FFFF": b"\xf4\x90\x80\x80", "cut": b"abc\xe1\xbb",
            "continuations only": b"\x80\xbf" * 40, "FE FF": b"\xfe\xff\xff\xfe", "noncharacters":
            "\ufffe\uffff".encode(),
            "right to left": "\u202efdp.exe\u202c".encode(), "combining marks": ("e" + "\u0302\u0323" * 400).encode(),
            "decomposed": "Nguye\u0302\u0303n Va\u0306n".encode(), "zero width": "a\u200b\u200d\ufeffb".encode(),
            "line separators": "a\u2028b\u2029c\u0085d".encode(), "C1 controls": "\u0080\u009b31m".encode(),
            "full width": "ａｎ＠ｂ．ｅｘａｍｐｌｅ".encode(), "emoji": "👩‍👩‍👧‍👦🇻🇳".encode(), "private use":
            "\ue000\U0010fffd".encode(),
            "latin letters in UTF-8 twice": "Công văn".encode().decode("latin-1").encode(),
            "mathematical letters": "𝐂𝐨̂𝐧𝐠".encode()}.items():
        yield name, mail([("Subject", text), ("From", b'"' + text + b'" <' + text + b"@b.example>"),
                          ("Message-ID", b"<" + text + b"@b.example>"), ("Content-Type", "text/plain; charset=utf-8"),
                          ("Content-Disposition", b'attachment; filename="' + text + b'"')], text + E)


# ---- RFC 2047 and RFC 2231 ----

def encoded_words():
    for name, text in {
            "no end": "=?utf-8?Q?abc", "no encoding": "=?utf-8?abc?=", "empty text": "=?utf-8?Q??=",
            "empty charset": "=??Q?abc?=", "unknown encoding": "=?utf-8?X?abc?=", "two letters": "=?utf-8?QB?abc?=",
            "a blank inside": "=?utf-8?Q?a b?=", "a question mark inside": "=?utf-8?Q?a?b?=",
            "nothing between": "=?utf-8?Q?a?==?utf-8?Q?b?=", "text at once behind": "=?utf-8?Q?a?=b",
            "text at once before": "a=?utf-8?Q?b?=", "a letter over two words": "=?utf-8?Q?Vi=E1?= =?utf-8?Q?=BB=87t?=",
            "bad base64": "=?utf-8?B?YW!Jj?=", "base64 cut": "=?utf-8?B?YWJ?=", "base64 padded twice":
            "=?utf-8?B?YQ====?=",
            "bad hex": "=?utf-8?Q?=G1=1=?=", "encoded CRLF": "=?utf-8?Q?a=0D=0ABcc:_x@y.example?=",
            "encoded NUL": "=?utf-8?Q?a=00b?=", "encoded quote": '=?utf-8?Q?=22?= <a@b.example>',
            "encoded comma": "=?utf-8?Q?a,b?= <a@b.example>, c@d.example", "encoded address": "=?utf-8?Q?a@b.example?=",
            "encoded angle": "=?utf-8?Q?=3Cx@y.example=3E?= <a@b.example>", "in quotes":
            '"=?utf-8?Q?a?=" <a@b.example>',
            "in a comment": "a@b.example (=?utf-8?Q?b?=)", "in an address": "=?utf-8?Q?a?=@b.example",
            "with a language": "=?utf-8*vi?Q?a?=", "of 2,000 octets": "=?utf-8?Q?" + "a" * 2000 + "?=",
            "inside another": "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=", "underscores": "=?utf-8?Q?_a_b_?=",
            "lower case": "=?UTF-8?b?w4E=?=", "tab between": "=?utf-8?Q?a?=\r\n\t=?utf-8?Q?b?=",
            "re in a word": "=?utf-8?Q?Re:_?= Fwd: [x] =?utf-8?B?UmU6?= thu"}.items():
        yield name, mail([("Subject", text), ("From", text), ("Content-Description", text),
                          ("Content-Disposition", 'attachment; filename="' + text.replace('"', "") + '"')])


def parameters():
    for name, text in {
            "gap in the numbers": "name*0=a; name*2=c", "starts at one": "name*1=b; name*2=c",
            "out of order": "name*1=b; name*0=a", "a number twice": "name*0=a; name*0=x; name*1=b",
            "leading zero": "name*00=a; name*01=b", "huge number": "name*99999999999=a; name*0=b",
            "negative number": "name*-1=a", "letters for a number": "name*x=a",
            "encoded and plain": "name*0*=utf-8''%C3; name*1=plain; name*2*=%A9", "charset in the second": "name*0=a; "
            "name*1*=utf-8''b", "no apostrophes": "name*=abc%20d", "one apostrophe": "name*=utf-8'abc",
            "three apostrophes": "name*=utf-8'vi'a'b", "bad percent": "name*=utf-8''%G1%1%", "percent NUL": "name*="
            "utf-8''a%00b", "percent CRLF": "name*=utf-8''a%0D%0Ab", "unknown charset": "name*=x-khong''%E9",
            "quoted": "name*=\"utf-8''a%20b\"", "plain beside": "name=plain; name*=utf-8''ext", "star alone": "name*",
            "star and no value": "name*=", "two stars": "name**=a", "star first": "*=a; *0=b", "utf-16":
            "name*=utf-16''"
            "%FE%FF%1E%C7", "a path": 'name="../../etc/passwd"; name*=utf-8\'\'..%2F..%5Cx'}.items():
        yield name, mail([("Content-Type", "application/octet-stream; " + text),
                          ("Content-Disposition", "attachment; file" + text)])


def content_types():
    for name, value in {
            "empty": "", "blank": " ", "text": "text", "text and slash": "text/", "slash": "/", "slash and plain":
            "/plain",
            "two slashes": "text/plain/html", "blanks round the slash": "text / html", "in quotes": '"text/html"',
            "in angles": "<text/html>", "semicolon only": ";", "many semicolons": "text/html;;;; charset=utf-8;;",
            "no semicolon": "text/html charset=utf-8", "comma": "text/html, charset=utf-8", "colon":
            "text/html: charset=x",
            "equals only": "text/html; =", "no name": "text/html; =utf-8", "no value": "text/html; charset=",
            "name alone": "text/html; charset", "blanks round equals": "text/html; charset = utf-8", "comment first":
            "(x) text/html", "comments everywhere": "text(a)/(b)html(c);(d)charset(e)=(f)utf-8(g)", "comment unclosed":
            "text/html (x; charset=utf-8", "comment with a quote": 'text/html (") ; charset=utf-8', "quote unclosed":
            'text/html; charset="utf-8', "quote at the end": 'text/html; charset=utf-8"', "quote with a semicolon":
            'text/html; name="a;b=c"', "backslash at the end": 'text/html; name="a\\', "backslashes": 'text/html; '
            'name="a\\\\\\"b\\c"', "two values": "text/html; charset=a b", "same twice":
            "text/html; charset=a; charset=b",
            "8-bit": "text/html; name=công-văn.doc", "8-bit type": "tệp/công-văn", "brackets":
            "text/html; name=a[1].doc",
            "at signs": "application/x@y; a=b@c", "stars": "*/*", "dots": "./.", "upper case":
            "TEXT/HTML; CHARSET=UTF-8",
            "folded oddly": "text\r\n /html\r\n ;charset\r\n =\r\n utf-8", "tab": "\ttext/html;\tcharset=utf-8",
            "value with CR": "text/html; name=\"a\rb\"", "header twice": "text/html\r\nContent-Type: image/png",
            "unknown text": "text/x-khong-biet", "unknown type": "chuyen/la", "text that is a picture": "text/png",
            "multipart alone": "multipart", "multipart of nothing": "multipart/", "multipart in upper case":
            "MULTIPART/Mixed; BOUNDARY=b", "message alone": "message", "message of nothing": "message/",
            "message/news": "message/news", "message/x": "message/x-khong", "x-unix-mode":
            "text/plain; x-unix-mode=0644",
            "long token": "text/" + "x" * 900, "html entities": "text&#47;html", "a url": "http://x.example/y"}.items():
        yield name, typed(value, multi("b", TEXT))


# ---- encodings ----

def encodings():
    def coded(encoding, body):
        return mail([("Content-Type", "text/plain; charset=utf-8"), ("Content-Transfer-Encoding", encoding)], body)
    for name, body in {
            "empty": "", "fine": "a8OtbmggZ+G7rWk=\r\n", "no padding": "YQ", "too much padding": "YQ======",
            "padding in the middle": "YQ==YWJj", "one letter": "Y", "five letters": "YWJjZ", "foreign letters":
            "Y!W@J#j\r\n",
            "blanks": " Y W\tJ j \r\n", "a line of a megabyte": "YWJj" * 262_144, "dashes and lines": "-_-_",
            "in LF": "YWJj\nYWJj\n", "in CR": "YWJj\rYWJj\r", "text behind": "YWJj\r\n\r\nquang cao\r\n",
            "8-bit": b"YW\xc3\xa1Jj", "NULs": b"YW\0Jj", "an uuencoded file": "begin 644 a\r\n#86)C\r\n`\r\nend\r\n",
            "equals signs": "====", "in lines of one": "\r\n".join("YWJjZGVm")}.items():
        yield "base64 " + name, coded("base64", body)
    for name, body in {
            "fine": "K=C3=ADnh g=E1=BB=ADi\r\n", "bad hex": "a=XYb=1=\r\n", "lower case": "=c3=ad", "cut": "a=",
            "cut later":
            "a=C", "blanks at line ends": "a  \r\nb\t\r\n", "soft break and blanks": "a= \t\r\nb",
            "soft break at the end":
            "a=\r\n", "CRLF encoded": "a=0D=0Ab", "NUL": "a=00b", "soft breaks in LF": "a=\nb=\nc\n", "8-bit":
            "Kính=20gửi",
            "line of a megabyte": "=41" * 349_525, "equals signs": "=" * 1000, "soft breaks": "=\r\n" * 1000,
            "before a boundary": "--=\r\nb"}.items():
        yield "quoted-printable " + name, coded("quoted-printable", body)
    for name, body in {
            "fine": "begin 644 a.txt\r\n#86)C\r\n`\r\nend\r\n", "no begin": "#86)C\r\n`\r\nend\r\n", "no end":
            "begin 644 a\r\n#86)C\r\n", "short line": "begin 644 a\r\nM86)C\r\n`\r\nend\r\n", "long line":
            "begin 644 a\r\n!" +
            "8" * 300 + "\r\nend\r\n", "name of nothing": "begin 644\r\n#86)C\r\nend\r\n", "8-bit":
            "begin 644 â\r\n#86)C\r\nend\r\n"
            }.items():
        yield "uuencode " + name, coded("x-uuencode", body)
    for value in ("7bit", "8bit", "binary", "8bit (comment)", "BASE64", '"base64"', "base64;", "base 64", "base-64",
                  "none",
                  "utf-8", "x-yenc", "gzip", "", "7bit, base64", "quoted-printable; charset=utf-8", "qp", "ê"):
        yield "called %s" % value.replace("/", "_"), coded(value, "YWJj=41\r\n")
    yield "given twice", mail([("Content-Transfer-Encoding", "base64"), ("Content-Transfer-Encoding", "7bit")], "YWJj")


# ---- addresses, dates, identifiers ----

def addresses():
    for name, value in {
            "empty": "", "blank": " ", "angles only": "<>", "angles and a blank": "< >", "at only": "@", "no domain":
            "an",
            "no domain behind the at": "an@", "no local part": "@b.example", "two ats": "a@b@c.example",
            "unclosed angle":
            "An <a@b.example", "no open angle": "a@b.example>", "double angles": "An <<a@b.example>>", "text behind":
            "<a@b.example> An", "two angles": "<a@b.example> <c@d.example>", "commas": ", , a@b.example, ,",
            "semicolons":
            "a@b.example; c@d.example", "blank for a comma": "a@b.example c@d.example", "unclosed quote":
            '"An <a@b.example>',
            "quote inside a name": 'Nguyễn "An" Văn <a@b.example>', "quoted local part": '"a b"@c.example',
            "empty quotes":
            '"" <a@b.example>', "empty quoted local part": '""@b.example', "name with dots": "N. V. An <a@b.example>",
            "name with a comma": "Nguyen, An <a@b.example>", "name with an at": "a@b.example <a@b.example>", "route":
            "<@x.example,@y.example:a@b.example>", "route unclosed": "<@x.example,@y.example a@b.example>",
            "empty route":
            "<@:a@b.example>", "group": "Nhóm: a@b.example, c@d.example;", "empty group": "undisclosed-recipients:;",
            "group unclosed": "Nhom: a@b.example", "group in a group": "A: B: a@b.example;;", "group of groups":
            "A:;B:;C:;",
            "group without a name": ":;", "semicolon alone": ";", "colon alone": ":", "comment only": "(An)",
            "old style":
            "a@b.example (Nguyen Van An)", "comment unclosed": "a@b.example (An", "comments inside":
            "a(x)@(y)b.example(z)",
            "nested comments": "a@b.example (x(y(z)))", "dots": "..a..@..b..example..", "dot first": ".a@b.example",
            "domain "
            "literal": "a@[192.0.2.1]", "literal unclosed": "a@[192.0.2.1", "literal of IPv6": "a@[IPv6:2001:db8::1]",
            "brackets": "[a@b.example]", "backslash": "a\\@b.example", "backslash last": '"a\\', "uucp": "x!y!a",
            "percent":
            "a%c@b.example", "plus": "a+b@c.example", "slash": "/o=x/ou=y@c.example", "mailto": "mailto:a@b.example",
            "utf-8":
            "Nguyễn Văn Ấn <ấn@lâmgiang.example>", "latin-1": b"Pr\xe9fet <a@b.example>", "a line break":
            "An\r\n <a@b.example>", "CR": "An\r<a@b.example>", "only a name": "Nguyễn Văn An", "parenthesis":
            ")a@b.example(",
            "quotes": '"""', "apostrophes": "'a@b.example'", "html": "<b>An</b> &lt;a@b.example&gt;", "blanks in it":
            "a b @ c d . example", "long local part": "a" * 5000 + "@b.example", "long domain":
            "a@" + "b." * 5000 + "example",
            "NIL": "NIL", "quoted NIL": '"NIL" <NIL@NIL>', "a literal": "{5}\r\n abcde", "IMAP list":
            '("a" NIL "b" "c")'}.items():
        yield name, mail([("From", value), ("To", value), ("Cc", b(value) + b", " + b(value)), ("Reply-To", value)])


def dates():
    for name, value in {
            "empty": "", "word": "hôm nay", "no weekday": "16 Nov 2026 08:30:00 +0700", "wrong weekday":
            "Sun, " + DATE[5:].decode(),
            "no zone": "Mon, 16 Nov 2026 08:30:00", "zone by name": "Mon, 16 Nov 2026 08:30:00 EST", "unknown zone":
            "Mon, 16 Nov 2026 08:30:00 ICT", "military zone": "Mon, 16 Nov 2026 08:30:00 Z", "huge zone":
            "Mon, 16 Nov 2026 08:30:00 +9999", "zone with a colon": "Mon, 16 Nov 2026 08:30:00 +07:00", "GMT+7":
            "Mon, 16 Nov 2026 08:30:00 GMT+7", "two-digit year": "Mon, 16 Nov 26 08:30:00 +0700", "three-digit year":
            "Mon, 16 Nov 126 08:30:00 +0700", "five-digit year": "Mon, 16 Nov 20260 08:30:00 +0700", "year 0":
            "Mon, 16 Nov 0000 08:30:00 +0700", "year 9999": "Fri, 31 Dec 9999 23:59:59 -1200", "before 1970":
            "Wed, 31 Dec 1969 23:59:59 +0000", "after 2038": "Tue, 19 Jan 2038 03:14:08 +0000", "day 0":
            "Mon, 0 Nov 2026 08:30:00 +0700", "day 31 of November": "Mon, 31 Nov 2026 08:30:00 +0700", "29 February":
            "Sun, 29 Feb 2026 08:30:00 +0700", "hour 24": "Mon, 16 Nov 2026 24:00:00 +0700", "second 60":
            "Mon, 16 Nov 2026 23:59:60 +0700", "second 61": "Mon, 16 Nov 2026 23:59:61 +0700", "no seconds":
            "Mon, 16 Nov 2026 08:30 +0700", "asctime": "Mon Nov 16 08:30:00 2026", "ISO 8601":
            "2026-11-16T08:30:00+07:00",
            "dashes": "16-Nov-2026 08:30:00 +0700", "numbers": "16/11/2026 08:30", "a number": "1794792600",
            "full month":
            "Monday, 16 November 2026 08:30:00 +0700", "in Vietnamese":
            "Thứ Hai, 16 Tháng Mười Một 2026 08:30:00 +0700",
            "12-hour clock": "Mon, 16 Nov 2026 8:30:00 PM +0700", "comment":
            "Mon, 16 Nov 2026 08:30:00 +0700 (ICT (VN))",
            "comments inside": "Mon(a),(b)16(c)Nov(d)2026(e)08:30:00(f)+0700", "comment unclosed":
            "Mon, 16 Nov 2026 08:30:00 +0700 "
            "(ICT", "folded": "Mon,\r\n 16\r\n Nov 2026 08:30:00\r\n +0700", "8-bit": "Mon, 16 Nóv 2026", "NUL":
            "Mon, 16\0Nov 2026",
            "quotes": '"Mon, 16 Nov 2026 08:30:00 +0700"', "negative": "Mon, -16 Nov -2026 -08:-30:-00 +0700",
            "long number":
            "Mon, 16 Nov " + "9" * 400 + " 08:30:00 +0700", "twice":
            DATE + b"\r\nDate: Tue, 17 Nov 2026 08:30:00 +0700"}.items():
        yield name, mail([("Date", value)])


def identifiers():
    for name, value in {
            "empty": "", "no angles": "a@b.example", "one angle": "<a@b.example", "blank inside": "<a b@c.example>",
            "two":
            "<a@b.example> <c@d.example>", "empty angles": "<>", "no at": "<abc>", "in quotes": '"<a@b.example>"',
            "commas":
            "<a@b.example>,<c@d.example>", "8-bit": "<công-văn@b.example>", "long": "<" + "a" * 3000 + "@b.example>",
            "folded":
            "<a\r\n @b.example>", "outlook text": "Message of Mon, 16 Nov 2026 <a@b.example>", "nested":
            "<<a@b.example>>",
            "itself": "<thu@lamgiang.example>", "control": "<a\x01@b.example>", "brackets":
            "<[1]@[192.0.2.1]>"}.items():
        yield name, mail([("Message-ID", value), ("In-Reply-To", value), ("References", b(value) + b" " + b(value))])
    for name, subject in {
            "re": "Re:", "re re": "Re: re: RE:Re : thu", "fwd": "[Fwd: thu]", "blobs":
            "[a] [b] Re: [c] thu (fwd) (fwd)", "blob":
            "[a]", "brackets": "[[[a]]]", "vietnamese": "TL: Trả lời: Chuyển tiếp: thu", "unclosed": "[Fwd: thu",
            "number":
            "Re[2]: thu", "blanks": "   Re:    thu   ", "tabs": "\tRe:\tthu\t"}.items():
        yield "subject " + name, mail([("Subject", subject)])


# ---- kinds of mail ----

def kinds():
    yield "partial", typed('message/partial; id="a@b.example"; number=2; total=3', "phan giua\r\n")
    yield "partial of nonsense", typed("message/partial; number=x; total=0", "\r\n")
    yield "external-body", typed('message/external-body; access-type=URL; expiration="x"; '
                                 'url="http://x.example/\r\n a"',
                                 lines("Content-Type: text/html", "", "khong co that"))
    yield "external-body empty", typed("message/external-body; access-type=local-file; name=\"/etc/passwd\"", "")
    report = multi("b", TEXT, part(lines("Reporting-MTA: dns; x.example", "", "Final-Recipient: rfc822;a@b.example",
                   "Action: failed", "Status: 5.1.1"), "Content-Type: message/delivery-status"), part(
                   mail(), "Content-Type: message/rfc822"))
    yield "delivery-status", typed("multipart/report; report-type=delivery-status; boundary=b", report)
    yield "delivery-status broken", typed("message/delivery-status", "khong phai truong\r\n\r\n\r\n:\r\n")
    yield "disposition-notification", typed("multipart/report; boundary=b; report-type=disposition-notification", multi(
        "b", TEXT, part("Disposition: manual-action/MDN-sent-manually; displayed",
                        "Content-Type: message/disposition-notification")))
    yield "feedback-report", typed("multipart/report; boundary=b; report-type=feedback-report", multi(
        "b", TEXT, part("Feedback-Type: abuse\r\n", "Content-Type: message/feedback-report"),
        part("Subject: x\r\n", "Content-Type: text/rfc822-headers")))
    yield "S/MIME opaque", typed("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
                                 base64.encodebytes(b"\x30\x82\xff\xff" * 50).replace(b"\n", E),
                                 ("Content-Transfer-Encoding", "base64"))
    yield "S/MIME broken", typed("application/x-pkcs7-mime; name=smime.p7m", b"\x30\x84\xff\xff\xff\xff")
    yield "PGP encrypted", typed('multipart/encrypted; boundary=b; protocol="application/pgp-encrypted"', multi(
        "b", part("Version: 1", "Content-Type: application/pgp-encrypted"),
        part("-----BEGIN PGP MESSAGE-----\r\n\r\nxx\r\n-----END PGP MESSAGE-----",
             "Content-Type: application/octet-stream")))
    yield "PGP in the text", mail(body="-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n- --b\r\n")
    yield "TNEF", typed("multipart/mixed; boundary=b", multi("b", TEXT, part(
        base64.b64encode(b"\x78\x9f\x3e\x22\x01\x00" + b"\xff" * 40),
        "Content-Type: application/ms-tnef; name=winmail.dat",
        "Content-Transfer-Encoding: base64")))
    yield "TNEF as text", typed("text/plain; name=winmail.dat", b"\x78\x9f\x3e\x22\x00\x00")
    yield "format=flowed", typed("text/plain; format=flowed; delsp=yes", lines("mot ", "hai ", "> ba ", ">> bon", "-- ",
        " nam"))
    yield "calendar", typed("text/calendar; method=REQUEST; charset=utf-8", lines("BEGIN:VCALENDAR", "SUMMARY:Họp",
        "END:VCALENDAR"))
    yield "html hostile", typed("text/html; charset=utf-8",
                                "<!--<p>" + "<div>" * 5000 + "&#x110000;&#0;&amp" + "<" * 1000)
    yield "html by meta", typed("text/html",
                                b'<meta charset="windows-1258"><p>Vi\xea\xf2t &ocirc; &#7897; <script>x</script')
    yield "html in UTF-16", typed("text/html; charset=utf-16", "<p>Việt</p>".encode("utf-16"))
    yield "xml bomb", typed("application/xml", '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>')
    yield "zip", typed("application/zip; name=a.zip", base64.b64encode(b"PK\x03\x04" + b"\0" * 40),
                       ("Content-Transfer-Encoding", "base64"))
    yield "languages", mail([("Content-Language", "vi, , en;q=1, " + ", ".join(["x-%d" % i for i in range(40)]))])
    yield "language of nothing", mail([("Content-Language", ",")])
    yield "location and md5", mail([("Content-Location", 'http://x.example/"a b"\r\n /c'), ("Content-MD5",
        "khong dung"),
                                    ("Content-ID", "a"), ("Content-Description", "  \r\n  ")])
    for value in ("", "attachment", ";", "attachment;", "attachment filename=a", '"attachment"', "inline; filename",
                  "x/y",
                  "attachment; filename=a.pdf; filename=b.exe", 'attachment; filename="a\r\n b.pdf"',
                  "attachment; size=abc; creation-date=\"x\"", "đính-kèm; filename=a"):
        yield "disposition '%s'" % value.replace("\r\n", "~").replace("/", "_"), mail([("Content-Disposition", value)])
    yield "no MIME-Version", mail([("MIME-Version", None), ("Content-Type", "multipart/mixed; boundary=b")], multi("b",
        TEXT, FILE))
    yield "MIME-Version 9", mail([("MIME-Version", "9.9 (x)"), ("Content-Type", "text/html")])
    yield "Sun's attachments", typed("X-sun-attachment", lines("----------", "X-Sun-Data-Type: text", "", "abc"))
    yield "one octet", b"x"
    yield "one line end", E
    yield "one LF", b"\n"


# ---- damage ----

def damaged():
    whole = typed("multipart/mixed; boundary=\"=_b\"", multi("=_b", part(multi("_a", TEXT, HTML),
                  'Content-Type: multipart/alternative; boundary="_a"'), FILE, part(
                  mail([("Subject", "=?utf-8?Q?C=C3=B4ng?= =?utf-8?B?dsSDbg==?=")]), "Content-Type: message/rfc822")))
    for seed in range(60):
        rng = random.Random(seed)
        text = bytearray(whole)
        for _ in range(rng.choice((1, 3, 10, 40))):
            at, n = rng.randrange(len(text)), rng.choice((1, 1, 5, 40))
            how = rng.randrange(5)
            if how == 0:
                del text[at:at + n]
            elif how == 1:
                text[at:at] = text[rng.randrange(len(text)):][:n]
            elif how == 2:
                text[at] = rng.choice(b"\r\n\0 :;=<>(\"\\-\x80\xff")
            elif how == 3:
                text[at] ^= 1 << rng.randrange(8)
            else:
                a, c = sorted((at, rng.randrange(len(text))))
                text[a:c] = b"\n".join(reversed(bytes(text[a:c]).split(b"\n")))
        yield "%d" % seed, bytes(text)


FAMILIES = {"nesting": nesting, "boundary": boundaries, "octets": octets, "header": header_lines, "huge": huge,
            "charset": charsets, "unicode": unicode_traps, "word": encoded_words, "parameter": parameters,
            "type": content_types, "encoding": encodings, "address": addresses, "date": dates, "id": identifiers,
            "kind": kinds, "damage": damaged}


def messages():
    """{name: octets}, in a fixed order. No message is empty: APPEND has no empty ones."""
    out = {}
    for family, make in FAMILIES.items():
        for name, message in make():
            name = "%s/%s" % (family, name)
            assert name not in out and message, name
            out[name] = bytes(message)
    return out


def main():
    if sys.argv[1:2] == ["--to"]:
        for name, message in messages().items():
            with open(os.path.join(sys.argv[2], name.replace("/", "-").replace("\0", "") + ".eml"), "wb") as f:
                f.write(message)
    elif sys.argv[1:]:
        sys.stdout.buffer.write(messages()[sys.argv[1]])
    else:
        for name, message in messages().items():
            print("%8d  %s" % (len(message), name))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MPL-2.0
"""Messages made to cost: each gets a verdict, within bounds of processor time and memory.

usage: filter_hostile.py BUILD [--figures]

The filter's own limits are 200 ms and 64 MB for a message. Builds with sanitizers are several times
slower and larger, and machines differ: the bounds here are generous, and would still be broken by
anything that is quadratic or believes what it is told. --figures prints what each one cost.
"""
import base64
import bz2
import gzip
import io
import json
import lzma
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from filter_kit import Checks

CPU_SECS = 6.0   # in a build with sanitizers, on a busy machine
RSS_MB = 400
HEAD = "From: <a@out.test>\r\nTo: <b@lamgiang.example>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def attach(name, data):
    """A message with one file."""
    return (HEAD + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; "
            f"filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n").encode() \
        + base64.encodebytes(data) + b"--x--\r\n"


def part(kind, data, encoding="8bit"):
    return (HEAD + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").encode() + data


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def zip_in_zip(depth):
    data = b"MZ"
    name = "a.exe"
    for _ in range(depth):
        data, name = zipped((name, data)), "a.zip"
    return data


def overlapping_zip(entries):
    """All entries of the directory are the same octets."""
    inner = zipped(("a", b"\0" * 3_000_000))
    at = inner.index(b"PK\1\2")
    local, central = inner[:at], inner[at:inner.index(b"PK\5\6")]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, min(entries, 65535), min(entries, 65535),
                      len(central) * entries, len(local), 0)
    return local + central * entries + end


def tar_of(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("a.bin", "b.exe"):
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(b"\0" * size))
    return out.getvalue()


def claiming_7z():
    """A header that claims a hundred million files."""
    header = b"\x01\x05\xe0\x00\xe1\xf5\x05"
    start = struct.pack("<QQL", 0, len(header), 0)
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<L", 0) + start + header


def looping_ole():
    """Every sector of the table leads to itself or in a ring."""
    head = bytearray(512)
    head[0:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", head, 24, 0x3e, 3, 0xfffe, 9, 6)
    struct.pack_into("<LLLLLLLLL", head, 44, 109, 1, 0, 4096, 2, 1000, 3, 1000, 0)
    struct.pack_into("<108L", head, 80, *range(108))
    return bytes(head) + struct.pack("<128L", *[(i + 1) % 128 for i in range(128)]) * 20000


def messages():
    zeros = b"\0" * 50_000_000
    noise = random.Random(5).randbytes(15_000_000)
    yield "zip bomb", attach("a.zip", zipped(*((f"{i}.doc", zeros) for i in range(3))))
    yield "zip in zip in zip ...", attach("a.zip", zip_in_zip(30))
    yield "zip whose entries overlap", attach("a.zip", overlapping_zip(4000))
    yield "zip with a directory of 200,000", attach("a.zip", overlapping_zip(200000))
    yield "tar.gz of zeros", attach("a.tar.gz", gzip.compress(tar_of(50_000_000), 1))
    yield "tar.xz of zeros", attach("a.tar.xz", lzma.compress(tar_of(50_000_000), preset=0))
    yield "tar.bz2 of zeros", attach("a.tar.bz2", bz2.compress(tar_of(20_000_000), 1))
    yield "7z that claims files", attach("a.7z", claiming_7z())
    yield "compound file in rings", attach("a.doc", looping_ole())
    yield "15 MB of noise as a zip", attach("a.zip", b"PK\3\4" + noise)
    yield "15 MB of noise as a PDF", attach("a.pdf", b"%PDF-1.7\n" + noise)
    yield "PDF of streams", attach("a.pdf", b"%PDF-1.7\n" + b"/ObjStm/FlateDecode stream\nxendstream" * 300000)
    yield "PDF of links", attach("a.pdf", b"%PDF-1.7\n" + b"/URI(http://a.example/" * 400000)
    yield "RTF of braces", attach("a.rtf", b"{\\rtf1" + b"{\\objdata" * 1000000)
    yield "multiparts inside each other", (HEAD + "".join(
        f"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n" for i in range(10000))).encode()
    yield "100,000 parts", (HEAD + "Content-Type: multipart/mixed; boundary=x\r\n\r\n").encode() \
        + b"--x\r\n\r\nhttp://a.example/\r\n" * 100000
    yield "100,000 attachments", (HEAD + "Content-Type: multipart/mixed; boundary=x\r\n\r\n").encode() \
        + b"--x\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\nPK\3\4\r\n" * 100000
    yield "messages in messages", HEAD.encode() + b"Content-Type: message/rfc822\r\n\r\n" * 20000
    yield "base64 of nothing", part("text/html", b"\r\n=" * 5_000_000, "base64")
    yield "quoted-printable of nothing", part("text/html", b"=\r\n" * 3_000_000, "quoted-printable")
    yield "100,000 links", part("text/plain", b"".join(
        b"http://h%d.example/?u=http%%3A%%2F%%2Fb.example " % i for i in range(100000)))
    yield "one link of 5 MB", part("text/plain", b"http://a.example/" + b"%41" * 1_700_000)
    yield "links in brackets", part("text/plain", (b"http://a.example/" + b")" * 8000 + b" ") * 600)
    yield "Froms hidden in a field", (HEAD + "X-A: " + "\vFrom:a@b.test" * 65000 + "\r\n\r\nx").encode()
    yield "controls in a field", (HEAD + "X-A: " + "\v" * 900000 + "\r\n\r\nx").encode()
    yield "names full of marks", (HEAD + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + "".join(
        f"--x\r\nContent-Type: a/b; name=\"{'MAT ' * 500}\"\r\n\r\nx\r\n" for _ in range(200))).encode()
    yield "almost links", part("text/plain", b"http:// a.b.c.d www. ://@ [.] " * 150000)
    yield "legacy octets", part("text/plain; charset=iso-8859-1", b"\xb8c\xcb\xc8 \xb5\xe6 " * 700000)
    yield "letters of all scripts", part("text/plain; charset=utf-8", "аbсdеfοх ".encode() * 300000)
    yield "combining marks", part("text/plain; charset=utf-8", b"a" + "\u0301".encode() * 2_000_000)
    for tag in ("<div>", "<table><tr><td>", "<b>", "<a href=http://a.example/>", "<p class='a b c d'>",
                "<style>p{color:red}</style>", "<p style='display:none;display:none'>x", "&zwnj;", "<!--",
                "<font color=#fff>x", "<svg><b></svg>", "<b><div></b>"):
        data = (tag * (5_000_000 // len(tag))).encode()
        yield f"HTML: {tag}", part("text/html; charset=utf-8", data)
    yield "sheet of 20,000 rules", part("text/html", b"<style>" + b"".join(
        b".c%d{display:none}" % i for i in range(20000)) + b"</style>" + b"<p class='c1 c2 c3'>x" * 60000)
    yield "subject of encoded words", (HEAD.replace("Subject: x", "Subject: " + "\r\n ".join(
        ["=?utf-8?B?4bqt?="] * 40000)) + "\r\n").encode()


# A child's peak of memory begins with that of its parent: so the parent is a process that stays small.
RUNNER = """
import json, os, subprocess, sys
for path in sys.stdin:
    with open(path.strip() + ".out", "w+b") as out:
        process = subprocess.Popen([sys.argv[1], "judge", "--local", "--json", path.strip()], stdout=out,
                                   stderr=out, env={**os.environ, "CONGVU_CONF": ""})
        _, status, used = os.wait4(process.pid, 0)
        out.seek(0)
        print(json.dumps([os.waitstatus_to_exitcode(status), out.read().decode(errors="replace"),
                          used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]), flush=True)
"""


def main():
    build = sys.argv[1]
    program = os.path.join(build, "bin", "congvu-spamfilter")
    check = Checks()
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, program], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory(prefix="congvu-test-") as folder:
        def judge(data):
            path = os.path.join(folder, "mail.eml")
            with open(path, "wb") as file:
                file.write(data)
            print(path, file=runner.stdin, flush=True)
            return json.loads(runner.stdout.readline())

        _, _, base_cpu, base_mb = judge(HEAD.encode() + b"\r\nhello\r\n")
        for name, data in messages():
            code, out, cpu, size_mb = judge(data)
            cpu -= base_cpu
            size_mb -= base_mb
            try:
                answer = json.loads(out.splitlines()[0])
            except (ValueError, IndexError):
                answer = {}
            if "--figures" in sys.argv:
                rules = [r["name"] if isinstance(r, dict) else r for r in answer.get("rules", [])]
                print(f"{name:36} {len(data) / 1e6:6.1f} MB  {cpu * 1000:5.0f} ms  {size_mb:5.0f} MB  "
                      f"{answer.get('verdict')} {','.join(rules)}")
            check(f"{name}: has a verdict", code in (0, 1) and answer.get("verdict"), (code, out[-2000:]))
            check(f"{name}: {cpu:.2f} s", cpu < CPU_SECS)
            check(f"{name}: {size_mb:.0f} MB", size_mb < RSS_MB)
    runner.stdin.close()
    runner.wait()
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

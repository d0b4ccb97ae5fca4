#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Signed mail through smtpd, store and IMAP, and through smtpd and its queue to another server, still
verifies: DKIM with the strictest canonical form by dkimpy, S/MIME by openssl. Needs python3-dkim."""
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from certs import Authority  # noqa: E402
from filter_kit import Key  # noqa: E402
from kit import BUILD, DOMAIN, Province, expect, run, run_tests, skip, wait_until  # noqa: E402
from harness import free_ports  # noqa: E402
from sink import Sink  # noqa: E402

try:
    import dkim
except ImportError:
    skip("python3-dkim is not installed (./dev setup)")

A = f"hoa.snv@{DOMAIN}"
PORT = free_ports(1)[0]
ZONE = f"""{DOMAIN}. 300 IN MX 10 mail.{DOMAIN}.
mail.{DOMAIN}. 300 IN A 127.0.0.1
far.example. 300 IN MX 10 mx.far.example.
mx.far.example. 300 IN A 127.0.0.2
"""
KEY = Key("rsa")
# All that tempts a mail server to tidy up: dots, blanks, empty lines, long lines, bytes above 127.
TEXT = ("Kính gửi\r\n.\r\n..\r\n.a\r\n \r\ntab\t \r\n" + "dài " * 199 + "\r\nFrom x\r\n--\r\n\r\n\r\n\r\n")
# The name is the one that the register has, so that nothing has to be put right.
HEADER = (f"From: \"hoa.snv\" <{A}>\r\nTo:  x@far.example\r\nDate: Sun, 22 Nov 2026 08:00:00 +0700\r\n"
          "Message-ID: <{id}@lamgiang.example>\r\nX-Odd:a\r\n\t b  \r\n"
          "Subject: {id} =?utf-8?q?th=C6=B0?= \r\n\tthu  hai\r\nMIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="congvu-signed-", dir="/tmp")
        self.authority = Authority(self.folder)
        self.chain, self.key = self.authority.issue("hoa.example")
        self.province = Province(filter=False, zone=ZONE, smtpd={
            "outbound_port": str(PORT), "retry_min": "1s"})
        self.number = 0
        self.province.__enter__()
        self.province.user(A)

    def new_id(self):
        self.number += 1
        return f"thu{self.number}"

    def dkim_signed(self, name):
        message = (HEADER.replace("{id}", name) + "\r\n" + TEXT).encode()
        fields = [b"from", b"to", b"date", b"message-id", b"x-odd", b"subject", b"mime-version",
                  b"content-type", b"content-transfer-encoding"]
        return dkim.sign(message, b"s1", b"far.example", KEY.pem, include_headers=fields,
                         canonicalize=(b"simple", b"simple")) + message

    def smime_signed(self, name):
        text = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT
        done = subprocess.run(["openssl", "smime", "-sign", "-binary", "-signer", self.chain, "-inkey",
                               self.key, "-crlfeol"], input=text.encode(), capture_output=True,
                              check=True)
        body = re.sub(rb"\r?\n", b"\r\n", done.stdout)
        return (f"From: <{A}>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0700\r\nMessage-ID: <{name}@x.example>"
                f"\r\nSubject: {name}\r\n").encode() + body

    def fetch(self, name):
        box = self.province.imap(A)
        try:
            box.select(readonly=True)
            found = wait_until(name, lambda: (box.noop(), box.search(
                None, "HEADER", "Message-ID", f"<{name}@")[1][0].split())[1])
            expect(len(found) == 1, name, found)
            return box.fetch(found[0], "(BODY.PEEK[])")[1][0][1]
        finally:
            box.logout()


WORLD = []


def world():
    if not WORLD:
        WORLD.append(World())
    return WORLD[0]


def check_dkim(message, sent, what):
    record = KEY.record.encode()
    expect(dkim.verify(message, dnsfunc=lambda name, timeout=5: record), "DKIM after", what, message)
    expect(message.endswith(sent), "bytes after", what, message)
    expect(not dkim.verify(message.replace(b"thu  hai", b"thu hai"),
                           dnsfunc=lambda name, timeout=5: record), "this check can fail", what)


def check_smime(w, message, what):
    done = subprocess.run(["openssl", "smime", "-verify", "-CAfile", w.authority.ca, "-purpose", "any",
                           "-binary"], input=message, capture_output=True, check=False)
    expect(done.returncode == 0, "S/MIME after", what, done.stderr, message)
    changed = subprocess.run(["openssl", "smime", "-verify", "-CAfile", w.authority.ca, "-purpose",
                              "any", "-binary"], input=message.replace(b"tab\t ", b"tab\t"),
                             capture_output=True, check=False)
    expect(changed.returncode != 0, "this check can fail", what)


def by_data(session, rcpts, message, options=()):
    refused = session.sendmail(A, rcpts, message, options)
    expect(not refused, refused)


def by_bdat(session, rcpts, message, options=()):
    expect(session.mail(A, list(options))[0] == 250, "MAIL")
    for rcpt in rcpts:
        expect(session.rcpt(rcpt)[0] == 250, "RCPT")
    at, size = 0, 333
    while at < len(message):
        piece = message[at:at + size]
        at += size
        session.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if at >= len(message) else b"") + piece)
        code, text = session.getreply()
        expect(code == 250, "BDAT", code, text)


def ways(w):
    yield "mx, DATA", lambda: w.province.smtp("mx"), by_data, []
    yield "mx, DATA, 8BITMIME", lambda: w.province.smtp("mx"), by_data, ["BODY=8BITMIME"]
    yield "mx, DATA, SMTPUTF8", lambda: w.province.smtp("mx"), by_data, ["BODY=8BITMIME", "SMTPUTF8"]
    yield "mx, BDAT", lambda: w.province.smtp("mx"), by_bdat, ["BODY=8BITMIME"]
    yield "mx, BDAT, BINARYMIME", lambda: w.province.smtp("mx"), by_bdat, ["BODY=BINARYMIME"]
    yield "submission", lambda: w.province.submit(A), by_data, ["BODY=8BITMIME"]


def test_doc_04_what_reaches_the_store_still_verifies():
    w = world()
    for what, open_session, send, options in ways(w):
        for sign in (w.dkim_signed, w.smime_signed):
            name = w.new_id()
            message = sign(name)
            with open_session() as session:
                session.ehlo()
                send(session, [A], message, options)
            got = w.fetch(name)
            if sign == w.dkim_signed:
                check_dkim(got, message, what)
            else:
                check_smime(w, got, what)


def test_smt_06_what_leaves_for_other_servers_still_verifies():
    w = world()
    for words in (["8BITMIME"], ["PIPELINING", "8BITMIME", "CHUNKING", "SIZE 100000000"]):
        sink = Sink("127.0.0.2", PORT, ehlo=words)
        try:
            for sign in (w.dkim_signed, w.smime_signed):
                message = sign(w.new_id())
                before = len(sink.messages)
                with w.province.submit(A) as session:
                    by_data(session, ["x@far.example"], message, ["BODY=8BITMIME"])
                wait_until("the sink", lambda: len(sink.messages) > before)
                got = sink.messages[-1].data
                if sign == w.dkim_signed:
                    check_dkim(got, message, words)
                else:
                    check_smime(w, got, words)
            expect(not [f for f in sink.faults if "bare" in f], sink.faults)
        finally:
            sink.close()


def test_an_answer_of_who_is_away_is_signed():
    """RFC 3834's null sender leaves DMARC only the signature."""
    with Province(zone=ZONE, smtpd={"outbound_port": str(PORT), "retry_min": "1s"},
                  spamfilter={}) as p:
        congvu = [os.path.join(BUILD, "bin", "congvu"), "--conf", p.conf]
        p.domain(DOMAIN)
        p.user(A)
        run(congvu + ["dkim", "keygen", DOMAIN])
        shown = json.loads(run(congvu + ["--json", "dkim", "show", DOMAIN]))
        records = {r["name"].rstrip("."): r["value"] for r in shown["records"]}
        p.daemons["spamfilter"].kill()  # it reads its keys when it starts
        p.daemons["spamfilter"].start()
        p.ask("imapd", "absence.set", address=A, until="2099-01-01", vi="Tôi nghỉ phép.", en="Away.",
              outside="Đang vắng.")
        p.refresh()
        sink = Sink("127.0.0.2", PORT)
        try:
            with p.smtp("mx") as session:
                session.sendmail("dan@far.example", [A],
                                 f"From: <dan@far.example>\r\nTo: <{A}>\r\nSubject: x\r\n\r\ny\r\n")
            wait_until("the answer", lambda: sink.messages)
            expect(sink.messages[0].sender == "" and dkim.verify(
                sink.messages[0].data, dnsfunc=lambda n, timeout=5:
                records.get(n.decode().rstrip("."), "").encode() or None),
                "the signature does not verify", sink.messages[0].data)
        finally:
            sink.close()


def test_SMT_08_agencies_tell_who_is_vouched_for_once_a_day_that_mail_has_come():
    agency = f"snv@{DOMAIN}"
    zone = ZONE + "far.example. TXT \"v=spf1 ip4:127.0.0.1 -all\"\nforged.example. MX 10 mx.far.example.\n"
    with Province(zone=zone, spamfilter={}, smtpd={
            "outbound_port": str(PORT), "retry_min": "1s", "agency_receipts": "yes"}) as p:
        p.user(A)
        p.ask("imapd", "agency.add", code="snv", name="Sở Nội vụ", mailbox=True)
        p.refresh()
        sink = Sink("127.0.0.2", PORT)

        def write(sender, to=agency, header=""):
            with p.smtp("mx") as session:
                session.sendmail(sender, [to], f"{header}From: <{sender}>\r\nTo: <{to}>\r\nSubject: hồ sơ"
                                 "\r\n\r\ny\r\n".encode())
        try:
            write("ai@forged.example")                    # nobody vouches for him
            write("dan@far.example", A)                   # a person, no agency
            write("may@far.example", header="Auto-Submitted: auto-generated\r\n")
            write("dan@far.example")
            wait_until("the receipt", lambda: sink.messages)
            write("dan@far.example")
            write("khac@far.example")
            wait_until("the other receipt", lambda: len(sink.messages) > 1)
            wait_until("an empty queue", lambda: p.ask("smtpd", "status")["queue_messages"] == 0)
            got = [(m.sender, m.rcpts) for m in sink.messages]
            expect(got == [("", ["dan@far.example"]), ("", ["khac@far.example"])], got)
        finally:
            sink.close()


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        for one in WORLD:
            one.province.__exit__(*sys.exc_info())
            subprocess.run(["rm", "-r", one.folder], check=False)

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Real Postfix at the other end, both ways: as a mail server that takes what we send (with and
without TLS and extensions), as one that sends to our MX (TLS as it comes, verified, with a wrong
name), and as a client with SASL of our submission. Postfix has its own folders on loopback."""
import email
import email.policy
import glob
import os
import smtplib
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import postfix_kit  # noqa: E402
from certs import Authority  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import (DOMAIN, PASSWORD, PATIENCE, Province, expect, run_tests,  # noqa: E402
                 wait_until)
from sink import Sink  # noqa: E402

USER, VERIFIED, MISNAMED = (f"{n}@{DOMAIN}" for n in ("hoa.snv", "nam.stp", "lan.stc"))
ZONE = """$TTL 60
{domain}. MX 10 mail.{domain}.
mail.{domain}. A 127.0.0.1
may.example. MX 10 mx.postfix.example.
verify.example. MX 10 mx.postfix.example.
misnamed.example. MX 10 other.postfix.example.
must.example. MX 10 must.postfix.example.
plain.example. MX 10 plain.postfix.example.
mx.postfix.example. A 127.0.0.2
other.postfix.example. A 127.0.0.2
must.postfix.example. A 127.0.0.4
plain.postfix.example. A 127.0.0.3
far.example. MX 10 mx.far.example.
mx.far.example. A 127.0.0.6
"""
MAIN_CF = """
myhostname = mail.postfix.example
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = may.example, verify.example, misnamed.example, must.example, plain.example
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {dir}/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_tls_received_header = yes
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtp_tls_CAfile = {our_ca}
smtp_tls_loglevel = 1
transport_maps = inline:{{ {{ {verified} = checked:[127.0.0.1]:{mx} }},
	{{ {misnamed} = misnamed:[127.0.0.1]:{mx} }}, {{ {domain} = smtp:[127.0.0.1]:{mx} }},
	{{ far.example = login:[127.0.0.1]:{submission} }} }}
smtp_tls_security_level = may
smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{submission} = {user}:{password} }} }}
smtp_sasl_security_options = noanonymous
message_size_limit = 20000000
minimal_backoff_time = 600s
"""
MASTER_CF = """
127.0.0.2:{port} inet n - n - - smtpd -o smtpd_tls_security_level=may
127.0.0.3:{port} inet n - n - - smtpd
	-o {{ smtpd_discard_ehlo_keywords=pipelining, chunking, smtputf8, dsn, starttls }}
127.0.0.4:{port} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.5:{port} inet n - n - - smtpd -o content_filter=
checked unix - - n - - smtp -o smtp_tls_security_level=verify -o smtp_tls_verify_cert_match=mail.{domain}
misnamed unix - - n - - smtp -o smtp_tls_security_level=verify -o smtp_tls_verify_cert_match=other.example
login unix - - n - - smtp -o smtp_sasl_auth_enable=yes -o smtp_tls_security_level=encrypt
"""


class Postfix(postfix_kit.Postfix):
    def __init__(self, port, **words):
        super().__init__(MAIN_CF, MASTER_CF, "127.0.0.5", port, **words)

    def messages(self):
        """What its mailboxes hold."""
        found = []
        for name in glob.glob(os.path.join(self.dir, "mail", "box", "new", "*")):
            with open(name, "rb") as f:
                found.append(f.read())
        return found

    def wait(self, marker):
        def found():
            return [m for m in self.messages() if marker in m]
        return wait_until(f"{marker!r} at Postfix", found)[0]

    def send(self, to, message, sender="x@may.example", **how):
        """Gives it mail to send on."""
        with smtplib.SMTP("127.0.0.5", self.port, timeout=PATIENCE) as s:
            refused = s.sendmail(sender, to, message, **how)
            expect(not refused, refused)


class World:
    def __init__(self):
        postfix_kit.need_postfix()
        self.port = free_ports(1)[0]
        self.authority = Authority(tempfile.mkdtemp(prefix="congvu-certs-", dir="/tmp"))
        chain, key = self.authority.issue("mx.postfix.example", "must.postfix.example")
        self.province = Province(zone=ZONE.format(domain=DOMAIN), filter=False, smtpd={
            "outbound_port": self.port, "retry_min": "1h", "retry_max": "1h",
            "outbound_ca": self.authority.ca,
            "outbound_tls": "verify.example=verify misnamed.example=verify"})
        self.chain, self.key = chain, key

    def __enter__(self):
        self.province.__enter__()
        for user in (USER, VERIFIED, MISNAMED):
            self.province.user(user)
        self.postfix = Postfix(port=self.port, chain=self.chain, key=self.key, domain=DOMAIN,
                               our_ca=self.province.ca, mx=self.province.port["mx"],
                               submission=self.province.port["submission"], user=USER,
                               password=PASSWORD, verified=VERIFIED, misnamed=MISNAMED)
        self.postfix.start()
        return self

    def __exit__(self, kind, *what):
        if kind:
            print(self.postfix.log()[-6000:])
        self.postfix.stop()
        self.province.__exit__(kind, *what)

    def ask(self, do, **fields):
        return self.province.ask("smtpd", do, **fields)

    def submit(self, to, message, options=(), rcpt_options=()):
        with self.province.submit(USER) as s:
            refused = s.sendmail(USER, to, b"From: " + USER.encode() + b"\r\n" + message, options,
                                 rcpt_options)
            expect(not refused, refused)

    def box(self, user, marker):
        """The message with MARKER in USER's mailbox."""
        def found():
            with self.province.imap(user) as c:
                c.select()
                _, numbers = c.search(None, "ALL")
                for number in numbers[0].split():
                    whole = c.fetch(number, "(BODY.PEEK[])")[1][0][1]
                    if marker in whole:
                        return whole
            return None
        return wait_until(f"{marker!r} in the box of {user}", found, every=0.2)


BODY = "Subject: {0}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
    "Content-Transfer-Encoding: 8bit\r\n\r\nKính gửi\r\n.\r\n..hai chấm\r\n.x\r\n"


def letter(subject):
    return BODY.format(subject).encode()


def text_of(message):
    return message.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]


def test_smt_01_postfix_takes_what_we_send():
    with World() as w:
        want = text_of(letter("x"))
        rows = [  # domain, words that Postfix writes into Received, or not
            ("may", b"using TLSv1.3", True), ("verify", b"using TLSv1.3", True),
            ("must", b"using TLSv1.3", True), ("plain", b"using TLS", False)]
        for name, words, there in rows:
            w.submit([f"a@{name}.example", f"b@{name}.example"], letter(f"ra-{name}"),
                     ["BODY=8BITMIME"])
            message = w.postfix.wait(b"Subject: ra-" + name.encode())
            expect(text_of(message) == want, name, message)
            top = message.split(b"Received: ")[1]  # what Postfix says of us
            expect((words in top) == there, name, top)
        log = w.province.daemons["smtpd"].text()
        expect("host=mx.postfix.example policy=verify" in log and "verified=yes" in log, log[-2000:])
        # A name that its certificate does not have: kept.
        w.submit("a@misnamed.example", letter("ra-misnamed"))

        def kept():
            found = w.ask("queue.list", recipient="misnamed.example")["messages"]
            return found and found[0]["recipients"][0]["last_reply"]
        expect("hostname mismatch" in wait_until("a refusal", kept), kept())
        expect(not [m for m in w.postfix.messages() if b"ra-misnamed" in m], "it went all the same")


def test_postfix_takes_large_and_international_mail_and_reports_it():
    with World() as w:
        body = b"Subject: ra-lon\r\n\r\n" + (b"." + b"0123456789" * 7 + b"\r\n") * 60000
        w.submit("a@may.example", body)
        message = w.postfix.wait(b"Subject: ra-lon")
        expect(text_of(message) == text_of(body), "a large message was changed", len(message))

        with w.province.submit(USER) as s:
            s.ehlo()
            expect(s.docmd("MAIL", f"FROM:<{USER}> SMTPUTF8 BODY=8BITMIME")[0] == 250, "MAIL")
            s.send("RCPT TO:<đơn@may.example>\r\n".encode())
            expect(s.getreply()[0] == 250, "RCPT")
            code, text = s.data(f"From: {USER}\r\nSubject: ra-thư tiếng Việt\r\n\r\nx\r\n".encode())
            expect(code == 250, text)
        message = w.postfix.wait("ra-thư tiếng Việt".encode())
        expect("đơn@may.example".encode() in message, message)
        # Towards one that cannot take it: back to the sender, not mangled.
        with w.province.submit(USER) as s:
            s.ehlo()
            s.docmd("MAIL", f"FROM:<{USER}> SMTPUTF8 BODY=8BITMIME")
            s.send("RCPT TO:<đơn@plain.example>\r\n".encode())
            expect(s.getreply()[0] == 250, "RCPT")
            s.data(f"From: {USER}\r\nSubject: ra-utf8\r\n\r\nx\r\n".encode())
        report = w.box(USER, b"SMTPUTF8")
        expect(b"5.6.7" in report, report)

        # DSN: Postfix says itself that it delivered, to our MX (RFC 3461).
        w.submit("a@may.example", letter("ra-dsn"), ["ENVID=QQ314159", "RET=HDRS"],
                 ["NOTIFY=SUCCESS,FAILURE"])
        report = email.message_from_bytes(w.box(USER, b"Original-Envelope-Id: QQ314159"),
                                          policy=email.policy.default)
        expect(report.get_content_type() == "multipart/report", report)
        status = list(report.iter_parts())[1].get_payload()[1]
        expect(status["Action"] == "delivered"
               and status["Original-Recipient"] == "rfc822;a@may.example", status)


def test_smt_01_postfix_sends_to_our_mx():
    with World() as w:
        w.postfix.send([USER], letter("vao-1"), mail_options=["BODY=8BITMIME"])
        message = w.box(USER, b"Subject: vao-1")
        expect(text_of(message) == text_of(letter("x")), message)
        expect(b"with ESMTPS id" in message, "no TLS", message[:1500])
        w.postfix.send([VERIFIED], letter("vao-2"))
        expect(b"with ESMTPS id" in w.box(VERIFIED, b"Subject: vao-2"), "no TLS")
        wait_until("Postfix verified us", lambda: "Verified TLS connection" in w.postfix.log())
        w.postfix.send([MISNAMED], letter("vao-3"))
        wait_until("Postfix refuses another's name", lambda: "status=deferred" in w.postfix.log())
        # Many recipients, one that is nobody: that one comes back through Postfix.
        w.postfix.send([USER, VERIFIED, f"khong.ai@{DOMAIN}"], letter("vao-4"))
        w.box(USER, b"Subject: vao-4")
        w.box(VERIFIED, b"Subject: vao-4")
        bounce = w.postfix.wait(b"khong.ai@" + DOMAIN.encode())
        expect(b"Status: 5.1.1" in bounce, bounce)
        body = b"Subject: vao-5\r\n\r\n" + (b"." + b"0123456789" * 7 + b"\r\n") * 60000
        w.postfix.send([USER], body)
        expect(text_of(w.box(USER, b"Subject: vao-5")) == text_of(body), "a large one was changed")
        w.postfix.send([USER], "From: x@may.example\r\nSubject: vao-thư 6\r\n\r\nx\r\n".encode(),
                       mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        w.box(USER, "vao-thư 6".encode())


def test_postfix_is_a_client_of_our_submission():
    with World() as w:
        sink = Sink("127.0.0.6", w.port)
        try:
            w.postfix.send(["a@far.example"], b"From: " + USER.encode() + b"\r\n" + letter("gui-1"),
                           sender=USER)
            wait_until("the message far away", lambda: sink.messages)
            data = sink.messages[0].data
            expect(b"with ESMTPSA id" in data and b"Subject: gui-1" in data, data)
            # Somebody else's name is not theirs to use, whoever relays it.
            w.postfix.send(["b@far.example"], b"From: " + VERIFIED.encode() + b"\r\n"
                           + letter("gui-2"), sender=VERIFIED)
            wait_until("a refusal", lambda: "status=bounced" in w.postfix.log())
            expect(len(sink.messages) == 1, "mail under another's name went out")
        finally:
            sink.close()


if __name__ == "__main__":
    run_tests(globals())

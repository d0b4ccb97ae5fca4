#!/usr/bin/python3
"""swaks: PLAIN and LOGIN under TLS, implicit TLS, mail from outside, and what must be refused; Python's own
clients for the largest letter (SMT-03) and for a peer that has IPv6 alone (SMT-05)."""
# SPDX-License-Identifier: MPL-2.0
import email.message
import imaplib
import os
import smtplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

SWAKS = kit.need_program("swaks")
ACCEPTED, RCPT_REFUSED, MAIL_REFUSED, DATA_REFUSED, AUTH_FAILED, TLS_FAILED = 0, 24, 23, 26, 28, 29


def swaks(p, port, *args, ok=(ACCEPTED,)):
    return kit.run([SWAKS, "--server", p.host, "--port", str(p.port[port]), "--helo",
                    "client.sender.example", "--hide-all", "--timeout", "30", *args],
                   ok=ok, env={**os.environ, "TZ": "UTC"})


def login(p, user, kind="PLAIN", password=None):
    return ["--auth", kind, "--auth-user", user, "--auth-password", password or p.users[user]]


def test_smt_01_what_is_allowed_is_taken_and_arrives():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        rows = [
            ("submission", ["--tls", *login(p, an), "--from", an]),
            ("submission", ["--tls", *login(p, an, "LOGIN"), "--from", an]),
            ("submissions", ["--tls-on-connect", *login(p, an), "--from", an]),
            ("mx", ["--from", "x@sender.example"]),
            ("mx", ["--tls", "--from", "x@sender.example"]),
            ("mx", ["--from", "<>", "--h-From", "x@sender.example"]),
            ("mx", ["--pipeline", "--from", "x@sender.example"]),
        ]
        for port, args in rows:
            swaks(p, port, *args, "--to", binh)
        c = p.imap(binh)
        count = int(c.select("INBOX")[1][0])
        expect(count == len(rows), count, "of", len(rows))
        c.logout()


def test_what_is_not_allowed_is_refused_at_the_right_step():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        far = "ai@noi-khac.example"
        rows = [
            ("no relay", "mx", ["--from", "x@sender.example", "--to", far], RCPT_REFUSED),
            ("nobody there", "mx", ["--from", "x@sender.example", "--to", "khong@" + kit.DOMAIN],
             RCPT_REFUSED),
            ("wrong password", "submission",
             ["--tls", *login(p, an, password="sai"), "--from", an, "--to", binh], AUTH_FAILED),
            ("unknown account", "submission",
             ["--tls", *login(p, "ma@" + kit.DOMAIN, password="sai"), "--from", an, "--to", binh],
             AUTH_FAILED),
            ("AUTH without TLS", "submission", [*login(p, an), "--from", an, "--to", binh],
             AUTH_FAILED),
            ("not logged in", "submission", ["--tls", "--from", an, "--to", binh], MAIL_REFUSED),
            ("as somebody else", "submission", ["--tls", *login(p, an), "--from", binh, "--to", an],
             (MAIL_REFUSED, RCPT_REFUSED)),
            ("From of somebody else", "submission",
             ["--tls", *login(p, an), "--from", an, "--to", binh, "--h-From", binh], DATA_REFUSED),
        ]
        for name, port, args, code in rows:
            try:
                swaks(p, port, *args, ok=code if isinstance(code, tuple) else (code,))
            except kit.Failure as fault:
                raise kit.Failure(f"{name}: {fault}") from None
        c = p.imap(binh)
        expect(c.select("INBOX")[1] == [b"0"], "something refused arrived")
        c.logout()


def letter(sender, to, megabytes):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, to, f"{megabytes} MB"
    m.set_content("Kinh gui.\n")
    m.add_attachment(os.urandom(1 << 20) * megabytes, maintype="application", subtype="pdf", filename="ho-so.pdf")
    return m


def test_smt_03_files_of_20_mb_go_through_and_25_mb_are_refused_at_mail_from():
    with kit.Province(filter=False) as p:
        an, binh = p.user("an"), p.user("binh")
        with p.submit(an) as c:
            c.ehlo()
            expect(c.esmtp_features["size"] == "29360128", c.esmtp_features)
            c.send_message(letter(an, binh, 20))
            try:
                c.send_message(letter(an, binh, 25))
                raise kit.Failure("25 MB of files were taken")
            except smtplib.SMTPSenderRefused as refusal:  # at MAIL FROM: nothing of it was sent
                expect(refusal.smtp_code == 552 and b"5.3.4" in refusal.smtp_error, refusal)
            c.sendmail(an, [binh], f"From: {an}\r\nTo: {binh}\r\nSubject: nho\r\n\r\nx\r\n")
        c = p.imap(binh)
        expect(c.select("INBOX")[1] == [b"2"], "the large and the small one")
        size = int(c.fetch("1", "(RFC822.SIZE)")[1][0].split(b"SIZE ")[1].rstrip(b")"))
        expect(20 << 20 < size < 29360128, size)
        c.logout()


def test_smt_05_a_peer_that_has_ipv6_alone_brings_sends_and_reads_mail():
    p = kit.Province(filter=False)
    for section, names in (("smtpd", ("mx", "submissions")), ("imapd", ("imaps", "pop3s"))):
        for name in names:
            p.options[section]["listen_" + name] = f"[::1]:{p.port[name]}"
    with p:
        an, binh = p.user("an"), p.user("binh")
        trust = p.context()
        trust.check_hostname = False  # the certificate names no address of IPv6
        with smtplib.SMTP("::1", p.port["mx"], "six.sender.example", timeout=kit.PATIENCE) as c:
            c.sendmail("x@sender.example", [binh], "From: x@sender.example\r\nSubject: tu ngoai\r\n\r\nx\r\n")
        with smtplib.SMTP_SSL("::1", p.port["submissions"], "[IPv6:::1]", context=trust, timeout=kit.PATIENCE) as c:
            c.login(an, p.users[an])
            c.sendmail(an, [binh], f"From: {an}\r\nTo: {binh}\r\nSubject: tu trong\r\n\r\nx\r\n")
        c = imaplib.IMAP4_SSL("::1", p.port["imaps"], ssl_context=trust, timeout=kit.PATIENCE)
        c.login(binh, p.users[binh])
        expect(c.select("INBOX")[1] == [b"2"], "both arrived")
        for number in (b"1", b"2"):
            head = c.fetch(number, "(BODY[HEADER.FIELDS (RECEIVED)])")[1][0][1]
            expect(b"[IPv6:::1]" in head, head)
        c.logout()


kit.run_tests(globals())

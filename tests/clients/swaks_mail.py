#!/usr/bin/python3
"""swaks: PLAIN and LOGIN under TLS, implicit TLS, mail from outside, and what must be refused."""
# SPDX-License-Identifier: MPL-2.0
import os
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


def test_what_is_allowed_is_taken_and_arrives():
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


kit.run_tests(globals())

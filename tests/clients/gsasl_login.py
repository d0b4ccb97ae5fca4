#!/usr/bin/python3
"""gsasl: SCRAM-SHA-256, with channel binding too, and PLAIN, on IMAP and submission."""
# SPDX-License-Identifier: MPL-2.0
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

GSASL = kit.need_program("gsasl")


def gsasl(p, kind, mechanism, user, password, ok=(0,)):
    port = p.port["imap" if kind == "imap" else "submission"]
    return kit.run([GSASL, "--client", "--" + kind, f"--connect=localhost:{port}",
                    "--mechanism=" + mechanism, "--authentication-id=" + user,
                    "--authorization-id=", "--password=" + password, "--x509-ca-file=" + p.ca,
                    "--no-cb" if not mechanism.endswith("PLUS") else "--verbose",
                    "--quiet"], ok=ok, stdin=kit.subprocess.DEVNULL)


def test_every_mechanism_logs_in_with_the_right_password_alone():
    client = kit.run([GSASL, "--client-mechanisms"])
    with kit.Province() as p:
        an = p.user("an")
        for kind in ("imap", "smtp"):
            for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
                if mechanism not in client.split():
                    continue
                gsasl(p, kind, mechanism, an, p.users[an])
                said = gsasl(p, kind, mechanism, an, "sai mat khau", ok=None)
                expect("Client authentication finished" not in said, kind, mechanism, said)
                try:
                    gsasl(p, kind, mechanism, an, "sai mat khau")
                except kit.Failure:
                    continue
                expect(False, kind, mechanism, "took a wrong password")


kit.run_tests(globals())

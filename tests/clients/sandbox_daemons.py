#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The daemons as `congvu serve` runs them: as their own user, shut in, and at work; and not shut in
when the option says so."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, DOMAIN, Supervised, expect, run_tests, wait_until  # noqa: E402

USER = f"hoa.snv@{DOMAIN}"


def plain_user():
    """A user without rights that can start our programs, or empty: whoever we are."""
    if os.geteuid() != 0:
        return ""
    try:
        done = subprocess.run([os.path.join(BUILD, "bin", "congvu-smtpd"), "--version"],
                              user="nobody", group="nogroup", extra_groups=[], cwd="/",
                              capture_output=True, check=False)
        if done.returncode == 0:
            return "nobody"
    except (OSError, LookupError):
        pass
    print("note: 'nobody' cannot start the programs here; they run as", os.geteuid())
    return ""


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def serve(**options):
    base = tempfile.mkdtemp(prefix="congvu-shut-", dir="/tmp")
    os.chmod(base, 0o755)
    user = plain_user()
    p = Supervised(filter=True, base=base, main={"user": user, **options})
    write = p._write_conf

    def write_for_all():
        write()
        for name in ("congvu.conf", "zone", "keys/key.pem", "keys/cert.pem"):
            os.chmod(os.path.join(base, name), 0o644)
    p._write_conf = write_for_all
    return p, user


def exchange(p):
    """A message from outside, one from staff, and both are there."""
    p.user(USER)
    with p.smtp() as c:
        c.sendmail("a@sender.example", [USER], "From: a@sender.example\r\nSubject: tu-ngoai\r\n\r\nx\r\n")
    with p.submit(USER) as c:
        c.sendmail(USER, [USER], f"From: {USER}\r\nSubject: noi-bo\r\n\r\nx\r\n")
    for subject in ("tu-ngoai", "noi-bo"):
        def found(wanted=subject):
            box = p.imap(USER)
            try:
                box.select(readonly=True)
                return box.search(None, "SUBJECT", wanted)[1][0]
            finally:
                box.logout()
        wait_until(subject, found)


def test_the_daemons_are_shut_in_and_work():
    p, user = serve()
    with p:
        exchange(p)
        text = p.daemons["smtpd"].text()
        states = re.findall(r" sandbox=(\S+)", text)
        missing = set(re.findall(r"sandbox\.missing wall=(\S+)", text))
        want = ",".join(w for w in ("landlock", "seccomp") if w not in missing) or "none"
        if missing:
            print("note: this kernel has no", *missing)
        expect(states == [want] * 3, states, "not", want)
        for daemon in p.daemons.values():
            seen = status(daemon.pid())
            expect(seen["NoNewPrivs"] == "1", daemon.name, seen["NoNewPrivs"])
            expect(seen["Seccomp"] == ("0" if "seccomp" in missing else "2"), daemon.name, seen)
            if user:
                expect("0" not in seen["Uid"].split(), daemon.name, "runs as", seen["Uid"])
                expect(int(seen["CapEff"], 16) == 0, daemon.name, seen["CapEff"])
        # A reload, with its files, still goes.
        with open(p.conf, "a", encoding="utf-8") as f:
            f.write("[imapd]\nmax_append = 32M\n")
        p.supervisor.send_signal(1)
        wait_until("the reload", lambda: "reloaded" in p.daemons["smtpd"].text()
                   or "reload.done" in p.daemons["smtpd"].text())
        expect("reload.failed" not in p.daemons["smtpd"].text(), p.daemons["smtpd"].tail())


def test_the_option_leaves_them_open():
    p, _ = serve(sandbox="no")
    with p:
        expect(p.daemons["smtpd"].text().count("sandbox.off") == 3, "not told")
        for daemon in p.daemons.values():
            expect(status(daemon.pid())["Seccomp"] == "0", daemon.name)


if __name__ == "__main__":
    run_tests(globals())

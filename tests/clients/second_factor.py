#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Second factors at real log-ins (ACC-04, ACC-05), break-glass by two identities (SEC-07), and what an
application's account may do (INT-01): imaplib, smtplib, Unix accounts, `congvu --as`."""
import base64
import hashlib
import hmac
import imaplib
import json
import os
import pwd
import smtplib
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from kit import BUILD, DOMAIN, expect  # noqa: E402
from shared_boxes import theirs  # noqa: E402

OUTSIDE = {"inside_networks": "10.99.0.0/16"}  # the tests' own address is not in it
PASSWORD = "Truong-Son-2026-mua"


def code_at(secret, steps=0):
    """RFC 6238, by other hands than the server's."""
    key = base64.b32decode(secret)
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + steps), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def congvu(p, *words, stdin="", lang="en"):
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, *words],
                          capture_output=True, text=True, timeout=100, check=False, input=stdin,
                          env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode in (0, 1, 64), words, done.returncode, done.stderr)
    return done


def imap_takes(p, user, password):
    try:
        p.imap(user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def smtp_takes(p, user, password):
    try:
        p.submit(user, password, implicit=True).quit()
        return True
    except smtplib.SMTPAuthenticationError:
        return False


def enrol(p, user):
    """The secret and the recovery codes."""
    shown = json.loads(congvu(p, "account", "totp", "enrol", user, "--json").stdout)
    expect(shown["uri"].startswith("otpauth://totp/congvu:" + user), shown)
    wrong = congvu(p, "account", "totp", "confirm", user, "--code", "000")
    expect(wrong.returncode == 1 and "code is wrong" in wrong.stderr, wrong)
    done = congvu(p, "account", "totp", "confirm", user, "--code", code_at(shown["secret"], -1), "--json")
    expect(done.returncode == 0, done)
    p.refresh()
    return shown["secret"], json.loads(done.stdout)["codes"]


def test_acc_05_outside_the_password_is_taken_with_the_code_behind_it():
    with kit.Province(filter=False, main=OUTSIDE) as p:
        an = p.user("an", PASSWORD)
        expect(not imap_takes(p, an, PASSWORD), "the password alone, from outside")
        secret, codes = enrol(p, an)
        qr = congvu(p, "account", "totp", "enrol", p.user("binh", PASSWORD))
        expect("█" in qr.stdout or "▀" in qr.stdout, "no QR code for the terminal", qr.stdout)
        expect(not imap_takes(p, an, PASSWORD), "the password alone, with a second factor")
        now, after = code_at(secret), code_at(secret, 1)
        expect(imap_takes(p, an, PASSWORD + now), "password and code")
        expect(not smtp_takes(p, an, PASSWORD + now), "a code works once, whichever daemon took it")
        expect(smtp_takes(p, an, PASSWORD + after), "the next code, at smtpd")
        expect(not imap_takes(p, an, PASSWORD + after), "nor the other way round")
        phone = p.ask("imapd", "device.add", address=an, name="phone")["password"]
        p.refresh()
        expect(imap_takes(p, an, phone) and smtp_takes(p, an, phone), "app passwords need no code")
        logs = p.daemons["imapd"].text() + p.daemons["smtpd"].text()
        logs += json.dumps(p.ask("imapd", "audit.list", limit=1000))
        for word in [secret, PASSWORD, *codes]:
            expect(word not in logs, "a secret in a log", word)


def test_acc_04_an_administrator_gives_his_code():
    with kit.Province(filter=False) as p:
        an = p.user("an", PASSWORD)
        congvu(p, "admin", "add", an, "--role", "helpdesk")

        def as_an(*words, code=None):
            return congvu(p, "--as", an, "--as-password-stdin", *words,
                          stdin=PASSWORD + "\n" + (code + "\n" if code else ""))

        expect("helpdesk" in as_an("admin", "whoami").stdout, "without a second factor")
        secret, codes = enrol(p, an)
        without = as_an("account", "list")
        expect(without.returncode == 1 and "second factor" in without.stderr, without)
        wrong = as_an("account", "list", code="000000")
        expect(wrong.returncode == 1, wrong)
        right = as_an("account", "list", code=code_at(secret))
        expect(right.returncode == 0 and an in right.stdout, right)
        recovered = as_an("account", "list", code=codes[2].lower())
        expect(recovered.returncode == 0, recovered)
        expect(as_an("account", "list", code=codes[2]).returncode == 1, "a recovery code works once")
        listed = p.ask("imapd", "admin.list")["admins"]
        expect([a.get("second_factor") for a in listed if a["admin"] == an] == ["on"], listed)
        own = p.ask("imapd", "account.totp.status", address=an)
        expect(own["codes_left"] == 9, own)


ASK = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
       "s.sendall(sys.argv[2].encode()+b'\\n')\n"
       "for line in s.makefile():\n    if '\"ok\"' in line:\n        print(line)\n        break\n")


def ask_as(p, user, **request):
    """A request by a process of that Unix account."""
    entry = pwd.getpwnam(user)
    done = subprocess.run(["/usr/bin/python3", "-c", ASK, os.path.join(p.dir, "run", "imapd.ctl"),
                           json.dumps(request)], user=entry.pw_uid, group=entry.pw_gid, extra_groups=[],
                          cwd="/", capture_output=True, text=True, timeout=100, check=False)
    expect(done.stdout.strip(), done.stderr)
    return json.loads(done.stdout)


def test_sec_07_a_single_approval_is_refused_and_reading_is_logged_and_ends():
    if os.geteuid() != 0:
        kit.skip("only root can be two Unix accounts")
    with kit.Province(filter=False) as p:
        os.chmod(p.dir, 0o711)
        os.chmod(os.path.join(p.dir, "run"), 0o711)
        an, tham = p.user("an", PASSWORD, name="Nguyễn Văn An"), p.user("tham", PASSWORD)
        for unix, role in (("daemon", "auditor"), ("games", "operator")):
            p.ask("imapd", "admin.add", admin="unix:" + unix, role=role)
        with p.submit(tham, implicit=True) as c:
            c.sendmail(tham, [an], f"From: {tham}\r\nTo: {an}\r\nSubject: x\r\n\r\nx\r\n")
        box = p.imap(an)
        kit.wait_until("the message", lambda: box.select("INBOX")[1][0] == b"1")

        p.ask("imapd", "admin.add", admin=tham, role="operator")
        for request in ({"do": "mailbox.rights.set", "account": an, "mailbox": "INBOX", "who": tham, "rights": "lr"},
                        {"do": "delegate.add", "owner": an, "delegate": tham, "rights": "read"}):
            alone = kit.harness.ask(os.path.join(p.dir, "run", "imapd.ctl"),
                                    {**request, "as": {"address": tham, "password": PASSWORD}})
            expect(not alone["ok"] and "breakglass" in alone["error"] and "tự mở" in alone["error_vi"], alone)
        p.ask("imapd", "admin.remove", admin=tham)

        asked = ask_as(p, "daemon", do="breakglass.request", account=an, reader=tham,
                       reason="Xác minh", letter="12/QĐ-TTr")
        expect(asked["ok"] and asked["state"] == "pending", asked)
        n = asked["number"]
        alone = ask_as(p, "daemon", do="breakglass.approve", number=n)
        expect(not alone["ok"] and "single approval" in alone["error"], alone)
        expect("người đề nghị" in alone["error_vi"], alone)
        by_root = congvu(p, "breakglass", "approve", str(n))
        expect(by_root.returncode == 1 and "named" in by_root.stderr, by_root)
        c = p.imap(tham)
        expect(c.select(theirs("INBOX", an), readonly=True)[0] == "NO", "not yet approved")

        approved = ask_as(p, "games", do="breakglass.approve", number=n)
        expect(approved["ok"] and approved["told"] == [an], approved)
        kit.wait_until("the box is open",
                       lambda: c.select(theirs("INBOX", an), readonly=True)[0] == "OK")
        expect(b"Subject: x" in c.fetch("1", "(BODY[])")[1][0][1], "the message")
        for refused in (lambda: c.store("1", "+FLAGS", "\\Deleted"),
                        lambda: c.append(theirs("INBOX", an), None, None, b"Subject: y\r\n\r\n")):
            try:
                answer = refused()[0]
            except imaplib.IMAP4.error:
                answer = "NO"
            expect(answer == "NO", "the reader changes nothing")
        kit.wait_until("the letter to the owner", lambda: box.select("INBOX")[1][0] == b"2")
        read = p.ask("imapd", "mailbox.readers", account=an)["readers"]
        expect([r["person"] for r in read] == [tham], read)
        acts = [e["action"] for e in p.ask("imapd", "audit.list", action="breakglass.", limit=100)["events"]]
        expect(acts == ["breakglass.request", "breakglass.approve"], acts)
        listed = congvu(p, "breakglass", "list")
        expect("unix:daemon" in listed.stdout and "unix:games" in listed.stdout, listed)

        p.daemons["imapd"].stop()
        p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": "86500"})
        c = p.imap(tham)
        expect(c.select(theirs("INBOX", an), readonly=True)[0] == "NO", "a day later, after a restart")
        shown = p.ask("imapd", "breakglass.list")["requests"][0]
        expect(shown["state"] == "ended", shown)


def test_int_01_only_qlvb_stp_is_allowed():
    with kit.Province(filter=False, main=OUTSIDE) as p:
        app, an = p.user("qlvb.stp", PASSWORD, kind="app"), p.user("an", PASSWORD)
        other = p.user("qlvb.snv", PASSWORD, kind="app")
        both = p.ask("imapd", "device.add", address=app, name="QLVB")["password"]
        send = p.ask("imapd", "device.add", address=app, name="gửi", scope="send")["password"]
        theirs_too = p.ask("imapd", "device.add", address=other, name="QLVB")["password"]
        p.refresh()

        def sent(user, password, sender):
            with p.submit(user, password, implicit=True) as c:
                try:
                    c.sendmail(sender, [an], f"From: {sender}\r\nTo: {an}\r\nSubject: x\r\n\r\nx\r\n")
                    return True
                except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused):
                    return False

        expect(sent(app, both, app), "qlvb.stp as itself")
        expect(sent(app, send, app), "with the key that only sends")
        expect(not sent(app, both, an), "not as a person")
        expect(not sent(app, both, other), "not as another application")
        expect(not sent(other, theirs_too, app), "another application not as qlvb.stp")
        expect(not smtp_takes(p, app, PASSWORD), "its password does not do from outside")
        expect(not smtp_takes(p, app, theirs_too), "nor another's key")
        c = p.imap(app, both)
        expect(c.select("INBOX")[0] == "OK", "its own box")
        expect(c.select(theirs("INBOX", an), readonly=True)[0] == "NO", "no other box")
        expect(not imap_takes(p, app, send), "a key that only sends reads nothing")


if __name__ == "__main__":
    kit.run_tests(globals())

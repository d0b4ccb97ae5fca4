#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""POP3 with real clients (poplib, curl, fetchmail, mpop), beside IMAP, at size, and across kills."""
import email
import email.policy
import os
import poplib
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kit  # noqa: E402
from kit import expect  # noqa: E402

MESSAGES = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n.line\r\n",
    "Subject: chữ Việt\r\n\r\nHọp giao ban tuần\r\n".encode(),
    b"Subject: no end\r\n\r\nlast line",
    b"Subject: long\r\n\r\n" + b"x" * 1500 + b"\r\n",
]


def pop(p, user, implicit=True, password=None, utf8=True):
    if implicit:
        c = poplib.POP3_SSL("localhost", p.port["pop3s"], context=p.context(),
                            timeout=kit.PATIENCE)
    else:
        c = poplib.POP3("localhost", p.port["pop3"], timeout=kit.PATIENCE)
        c.stls(p.context())
    if utf8:
        c.utf8()
    c.user(user)
    c.pass_(password or p.users[user])
    return c


def fill(p, user, messages, mailbox="INBOX"):
    """Puts MESSAGES into MAILBOX, many a command."""
    c = kit.RawImap(p, user)
    for at in range(0, len(messages), 200):
        tag = b"f%d" % at
        c.send(tag + b" APPEND " + mailbox.encode() + b"".join(
            b" {%d+}\r\n%s" % (len(m), m) for m in messages[at:at + 200]) + b"\r\n")
        expect(c.finish(tag)[1].startswith(tag + b" OK"), "APPEND failed")
    c.close()


def whole(lines):
    return b"\r\n".join(lines) + b"\r\n"


def as_sent(message):
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def test_poplib_reads_what_was_stored_octet_for_octet():
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        fill(p, an, MESSAGES)
        for implicit in (True, False):
            c = pop(p, an, implicit)
            expect(c.stat() == (4, sum(map(len, MESSAGES))), c.stat())
            sizes = [int(line.split()[1]) for line in c.list()[1]]
            expect(sizes == [len(m) for m in MESSAGES], sizes)
            for n, message in enumerate(MESSAGES, 1):
                expect(whole(c.retr(n)[1]) == as_sent(message), "message", n)
            expect(c.top(4, 0)[1] == [b"Subject: long", b""], "TOP")
            expect(len(set(c.uidl()[1])) == 4, "UIDL")
            expect("PIPELINING" in c.capa(), c.capa())
            c.quit()
        c = pop(p, an, utf8=False)
        head = email.message_from_bytes(whole(c.top(2, 0)[1]), policy=email.policy.default)
        expect(head["Subject"] == "chữ Việt", head["Subject"])
        c.quit()
        log = p.daemons["imapd"].text()
        expect(re.search(rf"pop3\.end user={an} .*retrieved=4 deleted=0 quit=1", log), "no line")


def test_imp_01_mail_arrives_and_is_deleted_beside_imap():
    """What POP3 removes, IMAP is told as VANISHED and EXPUNGE; flags stay as they were."""
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        with p.smtp() as s:
            s.sendmail("x@sender.example", an, "Subject: a\r\n\r\nb\r\n")
        fill(p, an, MESSAGES)
        plain, quick = kit.RawImap(p, an), kit.RawImap(p, an)
        quick.cmd("ENABLE QRESYNC")
        for c in (plain, quick):
            c.cmd("SELECT INBOX")
        idle = plain.idle()
        c = pop(p, an)
        expect(c.stat()[0] == 5, c.stat())
        c.retr(1)
        for n in (2, 4):
            c.dele(n)
        fill(p, an, [b"Subject: late\r\n\r\n"])
        expect(c.stat()[0] == 3, "new mail is for the next session", c.stat())
        c.quit()
        told = plain.done(idle)[0]
        expect(b"* 4 EXPUNGE\r\n" in told and b"* 2 EXPUNGE\r\n" in told, told)
        expect(b"* VANISHED 2,4\r\n" in quick.cmd("NOOP"), "no VANISHED")
        flags = b"".join(quick.cmd("FETCH 1:* FLAGS"))
        expect(b"\\Seen" not in flags and b"\\Deleted" not in flags, flags)
        for one in (plain, quick):
            one.close()
        again = pop(p, an)
        expect(again.stat()[0] == 4, again.stat())
        again.quit()
        p.check_store()


def test_deleting_can_be_off_and_the_reason_is_told():
    with kit.Province(filter=False, imapd={"pop3_delete": "no"}) as p:
        an = p.user("an.snv")
        fill(p, an, MESSAGES)
        c = pop(p, an)
        try:
            c.dele(1)
            raise kit.Failure("DELE was taken")
        except poplib.error_proto as fault:
            text = fault.args[0]
        expect(b"[SYS/PERM]" in text and b"pop3_delete" in text and b"qua POP3" in text, text)
        c.quit()
        c = pop(p, an)
        expect(c.stat()[0] == 4, c.stat())
        c.quit()


def test_log_in_follows_the_rules_of_the_house():
    """Own password inside only, no shared boxes, a suspended account's session ends at once."""
    with kit.Province(filter=False, main={"inside_networks": "192.0.2.0/24"}) as p:
        an = p.user("an.snv")
        p.account("vanthu.snv@" + kit.DOMAIN, None, kind="role", name="Văn thư", override=True,
                  reason="test")
        for user, password in ((an, kit.PASSWORD), ("vanthu.snv@" + kit.DOMAIN, "x")):
            try:
                pop(p, user, password=password)
                raise kit.Failure("logged in as " + user)
            except poplib.error_proto as fault:
                expect(b"[AUTH]" in fault.args[0] and b"app password" in fault.args[0],
                       fault.args)
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        c = pop(p, an)
        rows = p.ask("imapd", "session.list")["sessions"]
        expect([(r["protocol"], r["account"], r["tls"]) for r in rows] == [("pop3", an, True)],
               rows)
        p.ask("imapd", "account.suspend", address=an, reason="test")
        c.sock.settimeout(kit.PATIENCE)
        expect(c.file.read() == b"", "the session went on")
        c.close()


def test_curl_lists_reads_and_deletes():
    curl = kit.need_program("curl")
    where = f"127.0.0.1:{kit.harness.free_ports(1)[0]}"
    with kit.Province(filter=False, imapd={"metrics_listen": where}) as p:
        an = p.user("an.snv")
        fill(p, an, MESSAGES)

        def get(path, *more, scheme="pop3s"):
            port = p.port[scheme]
            return kit.run([curl, "--silent", "--show-error", "--cacert", p.ca, "--ssl-reqd",
                            "--user", f"{an}:{p.users[an]}", *more,
                            f"{scheme}://localhost:{port}/{path}"])

        expect(get("").split() == get("", scheme="pop3").split() != [], "LIST")
        expect(len(get("", "--list-only").splitlines()) == 4, "--list-only")
        expect("Họp giao ban" in get("2"), "RETR")
        expect(".line" in get("1", scheme="pop3").splitlines(), "dots")
        expect("x" not in get("", "-X", "TOP 4 0").replace("X", ""), "TOP")
        for mechanism in ("PLAIN", "LOGIN"):
            get("1", "--login-options", f"AUTH={mechanism}")
        get("1", "-X", "DELE", "--head")
        expect(len(get("").split("\r\n")) <= 5, "DELE")
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=kit.PATIENCE) as r:
            text = r.read().decode()
        expect("congvu_pop3_deleted_total 1\n" in text, text)
        expect(re.search(r"congvu_pop3_retrieved_total [1-9]", text), text)


def test_fetchmail_moves_mail_into_another_box():
    fetchmail = kit.need_program("fetchmail")
    with kit.Province(filter=False) as p, tempfile.TemporaryDirectory() as home:
        an, binh = p.user("an.snv"), p.user("binh.snv")
        fill(p, an, [b"From: a@sender.example\r\n" + m for m in MESSAGES])
        rc = os.path.join(home, "rc")
        with open(os.open(rc, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
            f.write(f"poll localhost protocol pop3 service {p.port['pop3s']} uidl\n"
                    f" user '{an}' password '{p.users[an]}' ssl sslcertck sslcertfile '{p.ca}'\n"
                    f" mda '/bin/sh -c \"cat >> {home}/box\"' no keep fetchall\n")
        kit.run([fetchmail, "--fetchmailrc", rc, "--nodetach", "--nosyslog", "--pidfile",
                 os.path.join(home, "pid"), "--idfile", os.path.join(home, "ids")],
                env={**os.environ, "HOME": home})
        with open(os.path.join(home, "box"), "rb") as f:
            box = f.read()
        expect(b"\n.line" in box and "Họp giao ban".encode() in box, box[:500])
        c = pop(p, an)
        expect(c.stat() == (0, 0), "fetchmail left", c.stat())
        c.quit()
        del binh


def test_mpop_takes_new_mail_only():
    mpop = kit.need_program("mpop")
    with kit.Province(filter=False) as p, tempfile.TemporaryDirectory() as home:
        an = p.user("an.snv")
        fill(p, an, MESSAGES)
        box, rc = os.path.join(home, "mail"), os.path.join(home, "rc")
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(box, name))
        with open(os.open(rc, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
            f.write(f"account default\nhost localhost\nport {p.port['pop3s']}\nuser {an}\n"
                    f"password {p.users[an]}\ntls on\ntls_starttls off\ntls_trust_file {p.ca}\n"
                    f"delivery maildir {box}\nkeep on\nuidls_file {home}/uidls\n"
                    f"received_header off\npipelining on\n")

        def poll():
            kit.run([mpop, "--file", rc], env={**os.environ, "HOME": home})
            return len(os.listdir(os.path.join(box, "new")))

        expect(poll() == 4, "first poll")
        expect(poll() == 4, "nothing twice")
        fill(p, an, [b"Subject: new\r\n\r\n"])
        expect(poll() == 5, "the new one")


def test_a_message_of_28_mb_streams():
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        line = b"." + random.Random(1).randbytes(57).hex().encode() + b"\r\n"
        message = b"Subject: large\r\n\r\n" + line * ((28 << 20) // len(line))
        fill(p, an, [message])
        c = pop(p, an)
        expect(c.stat() == (1, len(message)), c.stat())
        expect(whole(c.retr(1)[1]) == message, "not the same")
        c.top(1, 3)
        c.quit()


def test_ten_thousand_messages_are_listed_quickly():
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        fill(p, an, [b"Subject: %d\r\n\r\n%s\r\n" % (n, b"y" * (n % 90)) for n in range(10000)])
        c = pop(p, an)
        began = time.monotonic()
        expect(c.stat()[0] == 10000, c.stat())
        expect(len(c.list()[1]) == 10000, "LIST")
        ids = c.uidl()[1]
        expect(len(set(line.split()[1] for line in ids)) == 10000, "UIDL")
        took = time.monotonic() - began
        expect(took < 30, "STAT, LIST and UIDL took", took)
        for n in range(1, 10001, 2):
            c._putcmd(f"DELE {n}")
        for n in range(5000):
            c._getresp()
        began = time.monotonic()
        c.quit()
        print(f"    lists {took:.2f} s, removal of 5000 {time.monotonic() - began:.2f} s")
        c = pop(p, an)
        expect(c.uidl()[1] == [b"%d %s" % (n // 2, line.split()[1]) for n, line in
                               enumerate(ids, 1) if n % 2 == 0], "others are left")
        c.quit()
        p.check_store(bodies=False)


def quit_and_kill(p, user, after):
    """Marks every other message, kills imapd AFTER seconds behind QUIT; whether +OK came."""
    c = pop(p, user)
    ids = [line.split()[1] for line in c.uidl()[1]]
    for n in range(1, len(ids) + 1, 2):
        c.dele(n)
    killer = threading.Timer(after, p.daemons["imapd"].kill)
    killer.start()
    try:
        ok = c.quit().startswith(b"+OK")
    except (OSError, poplib.error_proto):
        ok = False
    killer.join()
    p.daemons["imapd"].start()
    return ok, ids[::2], ids[1::2]


def test_an_acknowledged_quit_survives_kill_9():
    rng = random.Random(int(os.environ.get("CONGVU_SEED", "7")))
    acknowledged = 0
    with kit.Province(filter=False) as p:
        an = p.user("an.snv")
        for _ in range(12):
            fill(p, an, [b"Subject: %d\r\n\r\n" % n for n in range(60)])
            ok, gone, kept = quit_and_kill(p, an, rng.choice([0, 0.002, 0.005, 0.01, 0.02, 0.1]))
            acknowledged += ok
            c = pop(p, an)
            left = {line.split()[1] for line in c.uidl()[1]}
            c.quit()
            expect(left >= set(kept), "a message that was not marked is gone")
            expect(not ok or not left & set(gone), "an acknowledged removal came back")
            expect(left & set(gone) in (set(), set(gone)), "half of a removal of one batch")
        p.check_store()
    print(f"    {acknowledged} of 12 acknowledged")


if __name__ == "__main__":
    kit.run_tests(globals())

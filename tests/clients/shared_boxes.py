#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A secretary, a leader and a clerk work in the boxes they share (ACC-08, IMP-04): Python's imaplib
and smtplib, curl."""
import base64
import email
import json
import os
import re
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from kit import BUILD, DOMAIN, expect  # noqa: E402

AGENCY = f"vanthu.stp@{DOMAIN}"


def wire(name):
    """NAME in modified UTF-7, quoted."""
    out, run = "", ""
    for ch in name + "\0":
        if ch < " " or ch > "~":
            run += "" if ch == "\0" else ch
            if ch != "\0":
                continue
        if run:
            packed = base64.b64encode(run.encode("utf-16-be")).decode().rstrip("=")
            out += "&" + packed.replace("/", ",") + "-"
            run = ""
        out += "&-" if ch == "&" else ch.strip("\0")
    return f'"{out}"'


def shared(mailbox, box=AGENCY):
    return wire(f"Dùng chung/{box}/{mailbox}")


def theirs(mailbox, box):
    return wire(f"Người khác/{box}/{mailbox}")


def congvu(p, *words, code=0):
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", "en", "--conf", p.conf, *words],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def ok(answer, *what):
    expect(answer[0] == "OK", *what, answer)
    return answer[1]


def unseen(c, mailbox):
    return int(re.search(rb"UNSEEN (\d+)", ok(c.status(mailbox, "(UNSEEN)"))[0]).group(1))


def flags(c, number):
    return ok(c.fetch(str(number), "(FLAGS)"))[0].decode()


def office(p):
    people = [p.user(name) for name in ("thuky", "lanhdao", "chuyenvien")]
    p.account(AGENCY, kind="role", name="Văn thư Sở Tư pháp")
    for person in people:
        congvu(p, "role", "add", AGENCY, person)
    p.refresh()
    return people


def send_to(p, sender, to, subject, as_whom=None):
    with p.submit(sender) as c:
        c.sendmail(as_whom or sender, [to],
                   f"From: {as_whom or sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nNội dung\r\n".encode())


def test_acc_08_three_people_read_one_agency_box():
    with kit.Province(filter=False) as p:
        thuky, lanhdao, chuyenvien = office(p)
        for i in range(3):
            send_to(p, chuyenvien, AGENCY, f"Cong van {i}")
        a, b, c = (p.imap(who) for who in (thuky, lanhdao, chuyenvien))
        folders = b"\n".join(ok(a.list()))
        expect(shared("INBOX").encode() in folders, folders)
        expect([unseen(x, shared("INBOX")) for x in (a, b, c)] == [3, 3, 3])
        for x in (a, b, c):
            expect(ok(x.select(shared("INBOX")))[0] == b"3")
        # Each has seen what each has opened.
        ok(a.fetch("1", "(BODY[])"))
        ok(b.store("2", "+FLAGS", "(\\Seen \\Flagged)"))
        expect("\\Seen" in flags(a, 1) and "\\Seen" not in flags(b, 1), flags(a, 1), flags(b, 1))
        expect("\\Flagged" in flags(a, 2) and "\\Seen" not in flags(a, 2), flags(a, 2))
        expect(ok(c.search(None, "UNSEEN")) == [b"1 2 3"])
        expect(ok(a.search(None, "UNSEEN")) == [b"2 3"])
        expect([unseen(x, shared("INBOX")) for x in (a, b, c)] == [2, 2, 3])
        # The secretary files away; the leader has still seen what the leader saw.
        ok(a.create(shared("Đã xử lý")))
        typ, _ = a.uid("MOVE", "2:3", shared("Đã xử lý"))
        expect(typ == "OK")
        expect([unseen(x, shared("Đã xử lý")) for x in (a, b, c)] == [2, 1, 2])
        b.noop()
        expect(ok(b.select(shared("INBOX")))[0] == b"1")
        # To one's own folders and back.
        typ, _ = a.uid("COPY", "1", "INBOX")
        expect(typ == "OK")
        expect(ok(a.select("INBOX"))[0] == b"1")
        typ, _ = a.uid("MOVE", "1", shared("Đã xử lý"))
        expect(typ == "OK")
        expect(ok(a.select("INBOX"))[0] == b"0")
        expect(ok(a.select(shared("Đã xử lý")))[0] == b"3")
        # Over a death of the server.
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        a, b, c = (p.imap(who) for who in (thuky, lanhdao, chuyenvien))
        expect([unseen(x, shared("Đã xử lý")) for x in (a, b, c)] == [2, 2, 3],
               [unseen(x, shared("Đã xử lý")) for x in (a, b, c)])
        p.check_store()
        # Who leaves the office loses the box.
        ok(c.select(shared("INBOX")))
        congvu(p, "role", "remove", AGENCY, chuyenvien)
        try:
            c.fetch("1", "(BODY[])")
            expect(False, "read after the box was taken away")
        except c.abort as gone:
            expect("not shared with you any more" in str(gone), gone)
        c = p.imap(chuyenvien)
        expect(c.select(shared("INBOX"))[0] == "NO")
        log = p.daemons["imapd"].text()
        expect(f"imap.share_ended user={chuyenvien} box={AGENCY}" in log, log[-1000:])
        expect(f"imap.share_opened user={thuky} box={AGENCY}" in log, log[-1000:])


def test_acc_08_sending_names_who_sent_for_whom():
    with kit.Province(filter=False) as p:
        thuky, lanhdao, chuyenvien = office(p)
        send_to(p, thuky, chuyenvien, "Thay van thu", as_whom=AGENCY)
        c = p.imap(chuyenvien)
        kit.wait_until("the mail of the role", lambda: ok(c.select("INBOX"))[0] == b"1")
        whole = email.message_from_bytes(ok(c.fetch("1", "(BODY[])"))[0][1])
        expect(AGENCY in whole["From"], whole["From"])
        log = p.daemons["smtpd"].text()
        expect(f"account={thuky} box={AGENCY}" in log, log[-3000:])

        def may_send():
            try:
                send_to(p, thuky, chuyenvien, "Thay lanh dao", as_whom=lanhdao)
                return True
            except kit.smtplib.SMTPException:
                return False

        a = p.imap(thuky)
        rows = [(None, False, False, False), ("read", True, False, False), ("send-as", False, False, True),
                ("read,send-as", True, False, True), ("full", True, True, True), ("", False, False, False)]
        for rights, reads, writes, sends in rows:
            if rights:
                said = json.loads(congvu(p, "delegate", "add", lanhdao, thuky, "--rights", rights, "--json"))
                expect(sorted(said["rights"]) == sorted(rights.split(",")), said)
            elif rights == "":
                congvu(p, "delegate", "remove", lanhdao, thuky)
            p.refresh()
            inbox = theirs("INBOX", lanhdao)
            expect((a.status(inbox, "(MESSAGES)")[0] == "OK") == reads, rights, "reading")
            answer = a.append(inbox, None, None, b"Subject: x\r\n\r\ny\r\n")
            expect((answer[0] == "OK") == writes, rights, answer)
            expect((inbox.encode() in b"\n".join(x for x in ok(a.list()) if x)) == reads, rights, "listing")
            expect(may_send() == sends, rights, "sending")
        expect("is made of read" in congvu(p, "delegate", "add", lanhdao, thuky, "--rights", "all", code=1))
        shown = json.loads(congvu(p, "account", "show", lanhdao, "--json"))
        expect(shown["account"]["delegated"] == [], shown)


def test_ones_own_mailbox_keeps_its_name():
    """The branch of shared boxes gets the name of a mailbox that somebody has."""
    with kit.Province(filter=False) as p:
        thuky, _, chuyenvien = office(p)
        mine = f'"Chung/{AGENCY}/INBOX"'
        a = p.imap(thuky)
        ok(a.create(mine))
        ok(a.append(mine, None, None, b"Subject: cua toi\r\n\r\nx\r\n"))
        p.options["imapd"]["shared_namespace"] = "Chung"
        p._write_conf()
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        a, b = p.imap(thuky), p.imap(chuyenvien)
        for c, count in ((a, b"1"), (b, b"0")):
            names = [x for x in ok(c.list('""', "Chung/*")) if x]
            expect(len([x for x in names if x.endswith(mine.encode())]) == 1, names)
            expect(f'"Chung/{AGENCY}/Th&APk-ng r&AOE-c"'.encode() in b"\n".join(names), names)
            expect(ok(c.select(mine)) == [count])
        # It can be moved out of the way; then the name is the role's.
        ok(a.unselect())
        ok(a.rename(mine, "Cu"))
        expect(ok(a.select(mine)) == [b"0"] and ok(a.select("Cu")) == [b"1"])
        expect(a.rename("Cu", mine)[0] == "NO" and a.create('"Chung/x"')[0] == "NO")


def test_curl_reads_a_shared_box():
    curl = kit.need_program("curl")
    with kit.Province(filter=False) as p:
        thuky, _, chuyenvien = office(p)
        send_to(p, chuyenvien, AGENCY, "Doc bang curl")
        folder = urllib.parse.quote(shared("INBOX").strip('"'), safe="/")
        url = f"imaps://{p.host}:{p.port['imaps']}/{folder};MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)"
        text = kit.run([curl, "-sS", "--cacert", p.ca, "--user", f"{thuky}:{p.users[thuky]}", url])
        expect(text.strip() == "Subject: Doc bang curl", text)


def test_lists_of_many_boxes_are_quick_enough():
    """Not a measurement: a list over 200 boxes must not need a second a box."""
    with kit.Province(filter=False) as p:
        thuky = p.user("thuky")
        for i in range(200):
            box = f"hop{i}@{DOMAIN}"
            p.account(box, kind="role", name=f"Hộp {i}", override=True, reason="test")
            p.ask("imapd", "role.hold", role=box, holder=thuky)
        a = p.imap(thuky)
        expect(len(ok(a.list('""', wire("Dùng chung/%")))) == 200)
        expect(len(ok(a.list())) == 6 + 1 + 200 * 7)
        began = kit.time.monotonic()
        expect(len(ok(a.list())) == 6 + 1 + 200 * 7)
        took = kit.time.monotonic() - began
        print(f"    LIST over 200 shared boxes: {took * 1000:.0f} ms")
        expect(took < 20, took)


if __name__ == "__main__":
    kit.run_tests(globals())

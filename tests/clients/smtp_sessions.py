#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""SMTP and LMTP sessions where recipients, disks and clients differ: what each of them is told."""
import os
import random
import re
import socket
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import DOMAIN, PASSWORD, Province, expect, run_tests, wait_until  # noqa: E402
from milter_peers import Talk  # noqa: E402

A, B, SMALL = f"hoa.snv@{DOMAIN}", f"nam.stp@{DOMAIN}", f"nho.snv@{DOMAIN}"
BODY = b"dong thu\r\n" * 5000  # more than SMALL may keep


class World:
    def __init__(self):
        self.province = Province(filter=False, main={"log_level": "debug"}, smtpd={
            "idle_timeout": "5s", "retry_min": "1h", "max_rcpts_submission": "2000"})
        self.number = 0

    def start(self):
        self.province.__enter__()
        self.province.user(A)
        self.province.user(B)
        self.province.user(SMALL, quota=30000)
        return self

    def talk(self, kind="mx"):
        t = Talk(self.province.port[kind])
        expect(t.reply().startswith("220"), "greeting")
        hello = "LHLO" if kind == "lmtp" else "EHLO"
        expect(t.cmd(hello + " client.example").startswith("250"), hello)
        return t

    def submission(self):
        t = self.talk("submission")
        t.starttls(ssl.create_default_context(cafile=self.province.ca))
        t.cmd("EHLO client.example")
        t.sock.sendall(b"AUTH LOGIN\r\n")
        expect(t.reply() == "334 VXNlcm5hbWU6", "AUTH LOGIN")
        expect(t.cmd(b64(A)) == "334 UGFzc3dvcmQ6", "AUTH LOGIN")
        expect(t.cmd(b64(PASSWORD)).startswith("235"), "AUTH LOGIN")
        return t

    def envelope(self, t, rcpts, sender="a@far.example", extra=""):
        expect(t.cmd(f"MAIL FROM:<{sender}>{extra}").startswith("250"), "MAIL")
        replies = [t.cmd(f"RCPT TO:<{r}>") for r in rcpts]
        self.number += 1
        return replies, f"thu-{self.number}"

    @staticmethod
    def data(t, message, answers=1):
        expect(t.cmd("DATA").startswith("354"), "DATA")
        t.sock.sendall(message + b".\r\n")
        return [t.reply() for _ in range(answers)]

    def count(self, user, subject):
        box = self.province.imap(user)
        try:
            box.select(readonly=True)
            return len([n for n in box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()])
        finally:
            box.logout()

    def one(self, user, subject):
        box = self.province.imap(user)
        try:
            box.select(readonly=True)
            found = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            expect(len(found) == 1, subject, found)
            return box.fetch(found[0], "(BODY.PEEK[])")[1][0][1]
        finally:
            box.logout()

    def queue(self):
        return self.province.ask("smtpd", "queue.stats")

    def empty_queue(self):
        self.province.ask("smtpd", "queue.delete", all=True)


def b64(text):
    import base64
    return base64.b64encode(text.encode()).decode()


def world():
    if not WORLD:
        WORLD.append(World().start())
    return WORLD[0]


WORLD = []


def test_lmtp_tells_each_recipient_of_its_own_box():
    w = world()
    t = w.talk("lmtp")
    replies, subject = w.envelope(t, (A, SMALL, B, A.upper(), SMALL))
    expect(all(r.startswith("250") for r in replies), replies)
    answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + BODY, 5)
    expect([a[:9] for a in answers] == [
        "250 2.0.0", "452 4.2.2", "250 2.0.0", "250 2.0.0", "452 4.2.2"], answers)
    expect(t.cmd("NOOP").startswith("250"), "more answers than recipients")
    expect(w.count(A, subject) == 1 and w.count(B, subject) == 1, "stored")
    expect(w.queue()["messages"] == 0, "what the client must retry is queued too")
    replies, subject = w.envelope(t, (SMALL,))
    answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + BODY)
    expect(answers[0].startswith("452 4.2.2"), answers)
    t.close()


def test_a_header_that_a_bad_line_ends_gets_its_empty_line_on_submission():
    """Nobody looked at the authors behind it, so nobody else may take them for fields."""
    w = world()
    t = w.submission()
    for more in (b"", b"Date: Mon, 1 Jan 2024 00:00:00 +0700\r\nMessage-ID: <%d@x.example>\r\n"):
        _, subject = w.envelope(t, (B,), sender=A)
        more = more % w.number if more else more
        header = b"From: <%s>\r\nSubject: %s\r\n" % (A.encode(), subject.encode()) + more
        behind = b"khong phai truong\r\nFrom: <chu.tich@%s>\r\n\r\nx\r\n" % DOMAIN.encode()
        answers = w.data(t, header + behind)
        expect(answers[0].startswith("250"), answers)
        expect(w.one(B, subject).endswith(b"\r\n\r\n" + behind), w.one(B, subject))
    t.close()


def test_smtp_queues_for_the_full_box_when_others_took_it():
    w = world()
    t = w.talk()
    replies, subject = w.envelope(t, (SMALL,), extra=" SIZE=60000")
    expect(replies[0].startswith("452 4.2.2"), "at RCPT", replies)
    t.cmd("RSET")
    _, subject = w.envelope(t, (SMALL,))
    answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + BODY)
    expect(answers[0].startswith("452 4.2.2"), answers)
    expect(w.queue()["messages"] == 0, w.queue())
    _, subject = w.envelope(t, (A, SMALL))
    answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + BODY)
    expect(answers[0].startswith("250"), answers)
    expect(w.count(A, subject) == 1 and w.queue()["recipients"] == 1, w.queue())
    w.empty_queue()
    t.close()


def test_a_group_is_many_boxes_once_each():
    w = world()
    group, empty = f"tatca@{DOMAIN}", f"khong.ai@{DOMAIN}"
    for address in (group, empty):
        w.province.account(address, kind="group", override=True, reason="test")
    for member in (A, B, SMALL):
        w.province.ask("imapd", "group.member", group=group, member=member)
    w.province.refresh()
    t = w.talk()
    replies, _ = w.envelope(t, (group,))
    expect(replies[0].startswith("5"), "from outside", replies)
    t.close()
    t = w.submission()
    replies, subject = w.envelope(t, (A, empty, group, B, group), sender=A)
    expect([r[:9] for r in replies] == [
        "250 2.1.5", "550 5.2.4", "250 2.1.5", "250 2.1.5", "250 2.1.5"], replies)
    answers = w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (A.encode(), subject.encode()))
    expect(answers[0].startswith("250"), answers)
    expect(w.count(A, subject) == 1 and w.count(B, subject) == 1, "not once")
    boxes = re.findall(r"msg.accepted .*boxes=(\d+) ", w.province.daemons["smtpd"].text())
    expect(boxes[-1] == "3", boxes[-1])
    t.close()


def test_more_boxes_than_one_delivery_takes():
    w = world()
    w.province.agency("stp", "Sở Tư pháp")
    names = [f"nguoi.{i}@{DOMAIN}" for i in range(1100)]
    rows = "".join(f"Nguyễn Văn {i},{name},stp\n" for i, name in enumerate(names))
    answer = w.province.ask("imapd", "import", csv="Họ và tên,Thư điện tử,Mã đơn vị\n" + rows)
    expect(answer["added"] == len(names), {k: v for k, v in answer.items() if k != "proposal"})
    w.province.refresh()
    t = w.submission()
    replies, subject = w.envelope(t, names + names[:50], sender=A)
    expect(all(r.startswith("250") for r in replies), [r for r in replies if r[:3] != "250"][:3])
    answers = w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (A.encode(), subject.encode()))
    expect(answers[0].startswith("250"), answers)
    boxes = re.findall(r"msg.accepted .*boxes=(\d+) ", w.province.daemons["smtpd"].text())
    expect(boxes[-1] == "1100", boxes[-1])
    for name in (names[0], names[999], names[1000], names[-1]):
        account = w.province.ask("imapd", "account.show", address=name)["account"]
        expect(account["used_messages"] == 1, account)
    t.close()


def test_one_copy_for_an_outside_address_named_twice():
    w = world()
    t = w.submission()
    replies, subject = w.envelope(t, ("x@far.example", "x@far.example", "y@far.example"), sender=A)
    expect(all(r.startswith("250") for r in replies), replies)
    answers = w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (A.encode(), subject.encode()))
    expect(answers[0].startswith("250") and w.queue()["recipients"] == 2, answers, w.queue())
    w.empty_queue()
    t.close()


def test_a_submission_without_header_gets_one():
    w = world()
    t = w.submission()
    for message in (b"chi co than thu\r\n", b"\r\nchi co than thu\r\n"):
        w.envelope(t, (B,), sender=A)
        answers = w.data(t, message)
        # The From field decides who sends; without one there is nothing to check it by.
        expect(answers[0].startswith("55"), answers)
    replies, subject = w.envelope(t, (B,), sender=A)
    answers = w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nthan\r\n" % (A.encode(), subject.encode()))
    whole = w.one(B, subject)
    expect(re.search(rb"\nDate: [^\r]+ \+0700\r\nMessage-ID: <\w{16}@mail\.[^>]+>\r\nFrom: ", whole), whole)
    t.close()


def test_received_fields_say_how_it_came():
    w = world()
    t = w.talk()
    _, subject = w.envelope(t, (A,))
    w.data(t, b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
    expect(re.match(rb"Return-Path: <a@far.example>\r\nReceived: from client\.example \(unknown "
                    rb"\[127\.0\.0\.1\]\)\r\n\tby mail\.\S+ \(congvu\) with ESMTP id \w{16}\r\n\tfor <"
                    + re.escape(A.encode()) + rb">;\r\n\t\w{3}, [^\r]+ \+0700\r\nSubject",
                    w.one(A, subject)), w.one(A, subject))
    _, subject = w.envelope(t, (A, B), extra=" SMTPUTF8")
    w.data(t, b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
    whole = w.one(A, subject)
    expect(b" with UTF8SMTP id " in whole and b"PRIORITY" not in whole, whole)
    expect(b"for <" not in whole, "tells one of the other", whole)
    t.close()
    t = w.submission()
    _, subject = w.envelope(t, (A,), sender=A, extra=" MT-PRIORITY=-3")
    w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (A.encode(), subject.encode()))
    expect(b">\r\n\tPRIORITY -3;\r\n" in w.one(A, subject), w.one(A, subject))
    expect(re.search(rb"\(using TLSv1\.[23] with cipher \S+ \(\d+ bits\)\)\r\n\tby \S+ \(congvu\) with "
                     rb"ESMTPSA id", w.one(A, subject)), w.one(A, subject))
    _, subject = w.envelope(t, (A,), sender=A, extra=" SMTPUTF8")
    w.data(t, b"From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (A.encode(), subject.encode()))
    expect(b" with UTF8SMTPSA id" in w.one(A, subject), w.one(A, subject))
    t.close()
    t = w.talk("lmtp")
    for extra, word in (("", b" with LMTP id"), (" SMTPUTF8", b" with UTF8LMTP id")):
        _, subject = w.envelope(t, (A,), extra=extra)
        w.data(t, b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
        expect(word in w.one(A, subject), w.one(A, subject))
    t.starttls(ssl.create_default_context(cafile=w.province.ca))
    t.cmd("LHLO client.example")
    _, subject = w.envelope(t, (A,))
    w.data(t, b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
    expect(b" with LMTPS id" in w.one(A, subject), w.one(A, subject))
    t.close()


def test_there_is_one_return_path_and_it_is_ours():
    w = world()
    t = w.talk()
    _, subject = w.envelope(t, (A,))
    w.data(t, b"Return-Path: <evil@far.example>\r\nX-A: b\r\nreturn-path:\r\n <two@far.example>\r\n"
           b"Subject: %s\r\n\r\nReturn-Path: text\r\n" % subject.encode())
    whole = w.one(A, subject)
    expect(whole.startswith(b"Return-Path: <a@far.example>\r\nReceived: "), whole)
    expect(whole.endswith(b"\r\nX-A: b\r\nSubject: %s\r\n\r\nReturn-Path: text\r\n"
                          % subject.encode()), whole)
    t.close()


def test_log_ins_that_go_wrong():
    w = world()
    t = w.talk("submission")
    t.starttls(ssl.create_default_context(cafile=w.province.ca))
    expect(t.cmd("AUTH PLAIN").startswith("503"), "AUTH before EHLO")
    t.cmd("EHLO client.example")
    for lines, want in ((["AUTH NONE"], "504"), (["AUTH PLAIN !!!"], "501"),
                        (["AUTH PLAIN", "*"], "501"),
                        (["AUTH LOGIN", "*"], "501"), (["AUTH LOGIN", b64(A), "*"], "501"),
                        (["AUTH SCRAM-SHA-256", "*"], "501"), (["AUTH PLAIN", "a=b"], "501"),
                        (["AUTH PLAIN ="], "535"), (["AUTH SCRAM-SHA-256 " + b64("n,,n=x")], "535")):
        for line in lines[:-1]:
            expect(t.cmd(line).startswith("334"), line)
        expect(t.cmd(lines[-1]).startswith(want), lines)
    expect(t.cmd("MAIL FROM:<a@far.example>").startswith("530"), "not logged in")
    expect(t.cmd("AUTH PLAIN").startswith("334"), "AUTH")
    t.sock.sendall(b"A" * 17000)
    expect(t.reply().startswith("500") and t.reply() == "closed", "an endless response")
    t.close()


def test_half_closed_clients_hear_every_answer():
    w = world()
    w.number += 1
    chunk = b"Subject: thu-%d\r\n\r\nthan..\r\n" % w.number
    whole = (b"EHLO x.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<%s>\r\nBDAT %d\r\n%s"
             b"BDAT 0 LAST\r\nNOOP\r\n" % (A.encode(), len(chunk), chunk))
    for cut in range(0, len(whole) + 1, 5):
        t = Talk(w.province.port["mx"])
        t.reply()
        t.sock.sendall(whole[:cut])
        t.sock.shutdown(socket.SHUT_WR)
        codes = [line[:3] for line in t.file.read().decode().split("\r\n") if line[3:4] == " "]
        expect(set(codes) <= {"250"}, cut, codes)
        t.close()
    t = Talk(w.province.port["mx"])
    t.reply()
    t.sock.sendall(whole)
    t.sock.shutdown(socket.SHUT_WR)
    codes = [line[:3] for line in t.file.read().decode().split("\r\n") if line[3:4] == " "]
    expect(codes == ["250"] * 6, codes)
    t.close()


def test_recipients_cost_bounded_memory():
    w = world()
    t = w.talk("lmtp")
    expect(t.cmd("MAIL FROM:<a@far.example>").startswith("250"), "MAIL")
    line = f"RCPT TO:<{A}> ORCPT=rfc822;{'x' * 400}\r\n".encode()
    codes = []
    for _ in range(30):
        t.sock.sendall(line * 100)
        codes += [t.reply()[:9] for _ in range(100)]
        if codes[-1] in ("closed", "421 4.7.0"):
            break
    taken = codes.count("250 2.1.5")
    expect(400 < taken < 700 and codes[taken] == "452 4.5.3", taken, codes[taken])
    expect(codes[-1] == "closed" and "421 4.7.0" in codes, codes[-1])
    t.close()


def test_random_talk_is_always_answered_well():
    w = world()
    rng = random.Random(5321)
    pieces = [b"EHLO x.example\r\n", b"HELO x\r\n", b"LHLO x\r\n", b"MAIL FROM:<a@far.example>\r\n",
              b"MAIL FROM:<> SIZE=99 BODY=8BITMIME SMTPUTF8\r\n", b"RCPT TO:<%s>\r\n" % A.encode(),
              b"RCPT TO:<%s> NOTIFY=NEVER\r\n" % B.encode(), b"RCPT TO:<x@far.example>\r\n", b"RSET\r\n",
              b"DATA\r\n", b".\r\n", b"BDAT 0\r\n", b"BDAT 0 LAST\r\n", b"BDAT 6\r\nRSET\r\n",
              b"BDAT 20 LAST\r\nSubject: y\r\n\r\nxx\r\n", b"NOOP\r\n", b"VRFY x\r\n", b"HELP\r\n",
              b"AUTH PLAIN\r\n", b"AUTH LOGIN YQ==\r\n", b"*\r\n", b"QUIT\r\n", b"STARTTLS\r\n", b"\r\n",
              b"FROB " + b"x" * 300 + b"\r\n", b"Subject: z\r\n\r\nthan\r\n.\r\n", b"\xff\xfe\r\n", b"a\nb\r\n"]
    for _ in range(400):
        t = Talk(w.province.port[rng.choice(("mx", "submission", "lmtp"))])
        t.sock.settimeout(20)
        greeting = t.reply()
        expect(greeting.startswith("220"), greeting)
        talk = b"".join(rng.choice(pieces) for _ in range(rng.randrange(1, 25)))
        if rng.random() < 0.3:
            talk = talk[:rng.randrange(len(talk) + 1)]
        try:
            while talk:
                n = rng.choice((3, 40, len(talk)))
                t.sock.sendall(talk[:n])
                talk = talk[n:]
            t.sock.shutdown(socket.SHUT_WR)
            answers = t.file.read().split(b"\r\n")
        except OSError:  # closed on us in the middle, as it may
            t.close()
            continue
        expect(answers.pop() == b"", answers)
        expect(all(re.match(rb"[2-5]\d\d[ -]", a) for a in answers), answers)
        t.close()
    wait_until("sessions end", lambda: w.province.ask("smtpd", "status")["connections"] == 0)


def test_silent_clients_are_told_and_closed():
    w = world()
    talks = [w.talk() for _ in range(3)]
    talks[1].cmd("MAIL FROM:<a@far.example>")
    talks[2].sock.sendall(b"MAIL FROM")
    began = time.monotonic()
    for t in talks:
        expect(t.reply().startswith("421 4.4.2") and t.reply() == "closed", "no time limit")
        t.close()
    expect(4 < time.monotonic() - began < 9, "after", time.monotonic() - began)


def test_full_disks_are_told_as_temporary():
    w = world()
    p = w.province
    smtpd = p.daemons["smtpd"]
    for fail, size, store_away in (("spool.write:ENOSPC:1:0", 500000, False),
                                   ("volume.append:ENOSPC:1:0", 100, True),
                                   ("commit:ENOSPC:1:0", 100, True)):
        smtpd.stop()
        smtpd.start({"CONGVU_FAIL": fail})
        if store_away:
            p.daemons["imapd"].kill()
        t = w.talk()
        _, subject = w.envelope(t, (A,))
        answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + b"x" * 60
                         + b"\r\n" * (size // 2))
        expect(answers[0].startswith(("452 4.3.1", "451 4.3.0")), fail, answers)
        expect(t.cmd("NOOP").startswith("250"), fail)
        t.close()
        if store_away:
            p.daemons["imapd"].start()
        expect(w.count(A, subject) == 0, fail)
    # One box took it, the queue cannot keep the other's copy: the client's retry makes no second.
    smtpd.stop()
    smtpd.start({"CONGVU_FAIL": "volume.append:ENOSPC:1:0"})
    wait_until("the store", lambda: p.ask("smtpd", "status")["store_up"])
    t = w.talk()
    for attempt in range(3):
        if not attempt:
            _, subject = w.envelope(t, (A, SMALL, B))
        else:
            w.envelope(t, (A, SMALL, B))
        answers = w.data(t, b"Subject: %s\r\n\r\n" % subject.encode() + BODY)
        expect(answers[0].startswith("452 4.3.1"), answers)
        expect(w.count(A, subject) == 1 and w.count(B, subject) == 1, "copies after", attempt)
    _, other = w.envelope(t, (A, SMALL, B))
    w.data(t, b"Subject: %s\r\n\r\n" % other.encode() + BODY)
    expect(w.count(A, other) == 1, "another message")
    t.close()
    smtpd.stop()
    smtpd.start()
    wait_until("the store", lambda: p.ask("smtpd", "status")["store_up"])
    t = w.talk()
    _, subject = w.envelope(t, (A,))
    expect(w.data(t, b"Subject: %s\r\n\r\nx\r\n" % subject.encode())[0].startswith("250"), "after")
    t.close()


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        for one in WORLD:
            one.province.__exit__(*sys.exc_info())

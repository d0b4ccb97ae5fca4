#!/usr/bin/python3
"""1,000 messages from 20 senders at once to 10 recipients each, while every daemon is killed.

What was acknowledged arrives exactly once in every box; what was not may arrive more often, for the
sender had no answer and tried again. All of it is readable over IMAP with the right ENVELOPE and
BODYSTRUCTURE, and the store's own check finds nothing wrong. Then: with imapd down smtpd still
takes mail, and it arrives once when imapd is back; a killed smtpd disturbs no IMAP session.

usage: exactly_once.py [TEST...]      MESSAGES=1000 SENDERS=20 in the environment make it longer
"""
# SPDX-License-Identifier: MPL-2.0
import collections
import os
import random
import re
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", "1000"))
SENDERS = int(os.environ.get("SENDERS", "20"))
BOXES = 25
RCPTS = 10
TRIES = 200
NETWORK_FAULTS = (OSError, EOFError, smtplib.SMTPServerDisconnected)


def message(number, tries):
    """Half of them plain, half with an attachment: two shapes of BODYSTRUCTURE."""
    head = (f"From: =?UTF-8?B?TmfGsOG7nWkgZ+G7rWk=?= <gui{number % 7}@sender.example>\r\n"
            f"To: nhieu-nguoi@{kit.DOMAIN}\r\nSubject: thu so {number}\r\n"
            f"Message-ID: <{number}.{tries}@sender.example>\r\n"
            f"Date: Sun, 22 Nov 2026 08:{number // 60 % 60:02d}:{number % 60:02d} +0700\r\n"
            "MIME-Version: 1.0\r\n")
    text = f"noi dung cua thu so {number}\r\n" * (3 + number % 40)
    if number % 2:
        return head + "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + text
    return (head + 'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n'
            "--=_b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + text +
            "\r\n--=_b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            "JVBERi0xLjQKJcOkw7zDtsOfCg==\r\n" * (1 + number % 100) + "\r\n--=_b--\r\n")


class Ledger:
    """What was sent to whom, and what answer came. Each try has a Message-ID of its own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acked, self.unanswered, self.refused = {}, {}, set()

    def note(self, where, key, boxes):
        with self.lock:
            if where is self.refused:
                where.add(key)
            else:
                where[key] = boxes


class Sender:
    def __init__(self, p, ledger, boxes, stop):
        self.p, self.ledger, self.boxes, self.stop = p, ledger, boxes, stop
        self.session = None

    def close(self):
        if self.session:
            self.session.close()
            self.session = None

    def once(self, key, number, tries, boxes):
        """True when it was taken for good."""
        sent = False
        try:
            if not self.session:
                self.session = self.p.smtp()
                self.session.ehlo()
            s = self.session
            code, _ = s.mail("gui@sender.example")
            for box in boxes:
                if code < 300:
                    code, _ = s.rcpt(box)
            if code < 300:
                code, _ = s.docmd("DATA")
            if code == 354:
                sent = True
                s.send(message(number, tries).encode() + b".\r\n")
                code, text = s.getreply()
                if code == 250:
                    self.ledger.note(self.ledger.acked, key, boxes)
                    return True
                expect(400 <= code < 500, "refused for good:", code, text)
                self.ledger.note(self.ledger.refused, key, boxes)
            elif code == 421:
                self.close()
            else:
                expect(400 <= code < 500, "refused for good:", code)
                s.rset()
        except NETWORK_FAULTS + (smtplib.SMTPException,):
            if sent:
                self.ledger.note(self.ledger.unanswered, key, boxes)
            self.close()
        return False

    def send(self, number):
        boxes = random.Random(number).sample(self.boxes, RCPTS)
        for tries in range(TRIES):
            if self.once((number, tries), number, tries, boxes):
                return
            if self.stop.is_set():
                return
            time.sleep(0.05 + random.random() * 0.1)
        raise kit.Failure(f"message {number} was not taken in {TRIES} tries")


class Gate:
    """Lets the senders go on to a number only when it is their time: so mail flows at every kill."""

    def __init__(self, last):
        self.last = last

    def wait(self, number, stop):
        while number >= self.last and not stop.is_set():
            time.sleep(0.01)


def send_all(p, ledger, boxes, numbers, senders, gate=None):
    """All NUMBERS by so many senders at once."""
    left, lock = iter(numbers), threading.Lock()
    stop = threading.Event()

    def job():
        sender = Sender(p, ledger, boxes, stop)
        try:
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    break
                if gate:
                    gate.wait(number, stop)
                sender.send(number)
        except BaseException:
            stop.set()
            raise
        finally:
            sender.close()

    kit.in_threads([job] * senders)


def read_box(p, user):
    """(number, try) -> how often, and what FETCH says of each."""
    c = kit.RawImap(p, user)
    c.cmd("SELECT INBOX")
    found, uids = collections.Counter(), set()
    for r in c.cmd("FETCH 1:* (UID RFC822.SIZE ENVELOPE BODYSTRUCTURE)"):
        m = re.search(rb"<(\d+)\.(\d+)@sender\.example>", r)
        if not m:
            expect(b" FETCH " not in r, "a message without its Message-ID:", r)
            continue
        number, tries = int(m.group(1)), int(m.group(2))
        found[number, tries] += 1
        uid = int(re.search(rb"UID (\d+)", r).group(1))
        expect(uid not in uids, "UID twice:", uid)
        uids.add(uid)
        check_summary(r, number)
    c.cmd("LOGOUT")
    c.close()
    return found


def check_summary(r, number):
    """ENVELOPE and BODYSTRUCTURE of message NUMBER, as sent."""
    expect(b'"thu so %d"' % number in r, "subject:", r)
    expect(b'"=?UTF-8?B?TmfGsOG7nWkgZ+G7rWk=?=" NIL "gui%d" "sender.example"' % (number % 7) in r,
           "sender:", r)
    lines = 3 + number % 40
    text = lines * len(f"noi dung cua thu so {number}\r\n")
    if number % 2:
        want = rb'"text" "plain" \("charset" "us-ascii"\) NIL NIL "7bit" %d %d' % (text, lines)
    else:
        # A part's last line end belongs to the boundary, so the text has its own in full.
        want = (rb'\("text" "plain" \("charset" "us-ascii"\) NIL NIL "7bit" %d %d[^()]*\)'
                rb'\("application" "pdf" NIL NIL NIL "base64" %d[^()]*\) "mixed"' %
                (text, lines, 30 * (1 + number % 100)))
    expect(re.search(want, r, re.I), "structure:", number, r)


def check_all(p, ledger, boxes):
    """Every acknowledged try once in each of its boxes, nothing that was refused, nothing else."""
    extra = 0
    for box in boxes:
        found = read_box(p, box)
        for key, rcpts in ledger.acked.items():
            want = 1 if box in rcpts else 0
            expect(found[key] == want, key, "acknowledged;", found[key], "times in", box)
        for key, times in found.items():
            if key in ledger.acked:
                continue
            expect(key in ledger.unanswered, key, "was not sent, yet is in", box)
            expect(box in ledger.unanswered[key], key, "is in the wrong box", box)
            expect(times == 1, key, "without an answer,", times, "times in", box)
            extra += 1
    return extra


def wait_delivered(p):
    """smtpd's own queue must run empty: what it took while imapd was down is local mail."""
    kit.wait_until("the queue is empty",
                   lambda: p.ask("smtpd", "status")["queue_messages"] == 0, secs=120, every=0.2)


def kill_in_turn(p, names, ledger, gate, rounds, count):
    """Kills each of NAMES while COUNT messages flow and starts it again."""
    step = count // (rounds + 1)
    for i in range(rounds):
        kit.wait_until("mail flows", lambda: len(ledger.acked) >= step * (i + 1) - SENDERS,
                       secs=120)
        name = names[i % len(names)]
        gate.last = step * (i + 2)
        moment = step * (i + 1) + random.randrange(1, step // 2)
        kit.wait_until("mail flows", lambda: len(ledger.acked) >= moment, secs=120, every=0.0005)
        p.daemons[name].kill()
        time.sleep(random.random() * 0.3)
        began = time.monotonic()
        p.daemons[name].start()
        print(f"    {name} killed and back in {time.monotonic() - began:.2f} s; "
              f"{len(ledger.acked)} acknowledged", flush=True)
    gate.last = count


def send_while_daemons_die(p, count, times):
    """COUNT messages, every daemon killed so many TIMES; then all must be where it belongs."""
    with p:
        boxes = [p.user(f"box{i}") for i in range(BOXES)]
        ledger = Ledger()
        names = [n for n in ("smtpd", "imapd", "spamfilter") if n in p.daemons]
        rounds = times * len(names)
        began = time.monotonic()
        gate = Gate(count // (rounds + 1))
        kit.in_threads([
            lambda: kill_in_turn(p, names, ledger, gate, rounds, count),
            lambda: send_all(p, ledger, boxes, range(count), SENDERS, gate)])
        secs = time.monotonic() - began
        wait_delivered(p)
        extra = check_all(p, ledger, boxes)
        expect(len(ledger.acked) == count, "acknowledged:", len(ledger.acked))
        report = p.check_store()
        print(f"    {count} messages to {RCPTS} boxes each in {secs:.1f} s; without an answer: "
              f"{len(ledger.unanswered)}, of which copies arrived: {extra}; refused for the time "
              f"being: {len(ledger.refused)}; bodies without rows: {report['orphan_bodies']}")


def test_smt_02_every_acknowledged_message_arrives_once_for_each_recipient():
    send_while_daemons_die(kit.Province(smtpd={"max_conns_per_ip": "0"}), MESSAGES, 2)


def test_the_supervisor_brings_back_what_was_killed_and_mail_arrives_once():
    if not kit.built("congvu"):
        print("    congvu is not built: left out")
        return
    send_while_daemons_die(kit.Supervised(smtpd={"max_conns_per_ip": "0"}), MESSAGES // 2, 1)


def test_smt_02_mail_is_taken_while_imapd_is_down_and_arrives_once_when_it_is_back():
    with kit.Province(smtpd={"max_conns_per_ip": "0"}) as p:
        boxes = [p.user(f"box{i}") for i in range(BOXES)]
        ledger = Ledger()
        send_all(p, ledger, boxes, range(5), 1)
        p.daemons["imapd"].kill()
        began = time.monotonic()
        send_all(p, ledger, boxes, range(5, 65), 6)
        secs = time.monotonic() - began
        expect(len(ledger.acked) == 65, "acknowledged:", len(ledger.acked))
        queued = p.ask("smtpd", "status")["queue_messages"]
        expect(queued == 60, "queued:", queued)
        # smtpd dies as well while it holds them
        p.daemons["smtpd"].kill()
        p.daemons["smtpd"].start()
        queued = p.ask("smtpd", "status")["queue_messages"]
        expect(queued == 60, "queued after the kill:", queued)
        p.daemons["imapd"].start()
        wait_delivered(p)
        check_all(p, ledger, boxes)
        p.check_store()
        print(f"    60 messages taken in {secs:.1f} s without a store")


def test_a_killed_smtpd_disturbs_no_IMAP_session():
    with kit.Province() as p:
        an = p.user("an")
        idler, worker = kit.RawImap(p, an), kit.RawImap(p, an)
        idler.cmd("SELECT INBOX")
        tag = idler.idle()
        worker.cmd("SELECT INBOX")
        for i in range(3):
            p.daemons["smtpd"].kill()
            worker.cmd("NOOP")
            expect(worker.append("INBOX", b"Subject: a\r\n\r\na\r\n").startswith(b"OK"), "append")
            p.daemons["smtpd"].start()
            with p.smtp() as s:
                s.sendmail("x@sender.example", [an],
                           b"From: x@sender.example\r\nSubject: b\r\n\r\nb\r\n")
            while not re.match(rb"\* %d EXISTS" % (2 * i + 2), idler.response()):
                pass
            expect(any(b"EXISTS" in r for r in worker.cmd("NOOP")), "the other heard nothing")
        idler.done(tag)
        idler.cmd("LOGOUT")
        worker.cmd("LOGOUT")


if __name__ == "__main__":
    kit.run_tests(globals())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Real Postfix in front of our store: it takes mail by SMTP and delivers it to us by LMTP, one answer
a recipient. usage: postfix_lmtp.py BUILD

Postfix runs as postfix_kit.py says. It needs root and the program.
"""
import os
import re
import smtplib
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
if len(sys.argv) > 1:
    os.environ["CONGVU_BUILD"] = sys.argv.pop(1)
from harness import free_ports  # noqa: E402
import postfix_kit  # noqa: E402
from kit import DOMAIN, ZONE, Province, expect, run_tests, wait_until  # noqa: E402

A, B, SMALL = f"hoa.snv@{DOMAIN}", f"nam.stp@{DOMAIN}", f"nho.snv@{DOMAIN}"
BODY = "dòng thư\r\n.\r\n" + "0123456789\r\n" * 4000  # more than SMALL may keep
MAIN_CF = """
myhostname = relay.far.example
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
relay_domains = {domain}
relay_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = error:no way out
lmtp_host_lookup = native
lmtp_tls_security_level = {tls}
lmtp_destination_recipient_limit = 50
relay_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
minimal_backoff_time = 300s
"""
MASTER_CF = "{host}:{port} inet n - n - - smtpd\n"


class Postfix(postfix_kit.Postfix):
    def __init__(self, lmtp_port, tls):
        super().__init__(MAIN_CF, MASTER_CF, domain=DOMAIN, lmtp=lmtp_port, tls=tls)

    def fate(self, rcpt, nth=0):
        """What the log says of the delivery to RCPT: (status, our reply)."""
        pattern = re.compile(rf"to=<{re.escape(rcpt)}>.* status=(\w+) \((.*)\)")
        found = wait_until(f"the fate of {rcpt}", lambda: (
            lambda hits: hits if len(hits) > nth else None)(pattern.findall(self.log())))
        return found[nth]

    def send(self, rcpts, subject, body=BODY, options=(), rcpt_options=()):
        message = (f"From: a@far.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@far.example>\r\n"
                   "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   f"Content-Transfer-Encoding: 8bit\r\n\r\n{body}").encode()
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as s:
            s.ehlo()
            refused = s.sendmail("a@far.example", rcpts, message, ["BODY=8BITMIME", *options],
                                 rcpt_options)
            expect(not refused, refused)


class World:
    def __init__(self):
        # The sender's server exists and does not answer: reports to it stay in the queue.
        self.province = Province(filter=False, smtpd={"outbound_port": str(free_ports(1)[0])},
                                 zone=ZONE + "far.example. 300 IN MX 10 mx.far.example.\n"
                                 "mx.far.example. 300 IN A 127.0.0.9\n")
        self.province.__enter__()
        self.province.user(A)
        self.province.user(B)
        self.province.user(SMALL, quota=30000)
        self.relays = []

    def postfix(self, tls="none"):
        relay = Postfix(self.province.port["lmtp"], tls)
        self.relays.append(relay)
        return relay.start()

    def messages(self, user, subject):
        box = self.province.imap(user)
        try:
            box.select(readonly=True)
            found = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            return [box.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found]
        finally:
            box.logout()


WORLD = []


def world():
    postfix_kit.need_postfix()
    if not WORLD:
        WORLD.append(World())
    return WORLD[0]


def test_each_recipient_has_its_own_answer():
    w = world()
    relay = w.postfix()
    relay.send([A, SMALL, B, f"khong.co@{DOMAIN}"], "mot")
    expect(relay.fate(A)[0] == "sent" and relay.fate(B)[0] == "sent", relay.log())
    status, reply = relay.fate(SMALL)
    expect(status == "deferred" and "452 4.2.2" in reply, status, reply)
    status, reply = relay.fate(f"khong.co@{DOMAIN}")
    expect(status == "bounced" and "550 5.1.1" in reply, status, reply)
    got = w.messages(A, "mot")
    expect(len(got) == 1 and len(w.messages(B, "mot")) == 1, "copies")
    expect(got[0].startswith(b"Return-Path: <a@far.example>\r\nReceived: from relay.far.example "),
           got[0][:400])
    expect(got[0].count(b"Return-Path:") == 1 and b" with LMTP id " in got[0], got[0][:400])
    expect(got[0].endswith(BODY.encode()), "the body byte for byte")
    expect("lost connection" not in relay.log(), relay.log())
    # The next try of what was deferred gives nobody a second copy.
    relay.run("postqueue", "-f")
    expect(relay.fate(SMALL, 1)[0] == "deferred", relay.log())
    expect(len(w.messages(A, "mot")) == 1 and len(w.messages(B, "mot")) == 1, "copies after a retry")


def test_over_tls_and_with_utf8():
    w = world()
    relay = w.postfix("encrypt")
    relay.send([A], "hai", "x\r\n")
    expect(relay.fate(A)[0] == "sent", relay.log())
    got = w.messages(A, "hai")[0]
    expect(b" with LMTPS id " in got and b"(using TLSv1.3" in got, got)
    relay.send([B], "ba", "x\r\n", ["SMTPUTF8"])
    expect(relay.fate(B)[0] == "sent", relay.log())


def test_delivery_is_confirmed_when_it_is_wanted():
    w = world()
    relay = w.relays[0]
    before = relay.log().count(f"to=<{A}>")
    relay.send([A], "bon", "x\r\n", rcpt_options=["NOTIFY=SUCCESS"])
    wait_until("the delivery", lambda: relay.log().count(f"to=<{A}>") > before)
    wait_until("the message", lambda: w.messages(A, "bon"))
    # The report is ours, because LMTP hands the duty over; the sender is outside, so it is queued.
    queue = wait_until("the report", lambda: w.province.ask("smtpd", "queue.list")["messages"])
    expect(queue[0]["sender"] == "" and queue[0]["recipients"][0]["address"] == "a@far.example", queue)
    w.province.ask("smtpd", "queue.delete", all=True)


def test_a_store_that_is_away_loses_nothing():
    w = world()
    relay = w.relays[0]
    w.province.daemons["imapd"].kill()
    before = relay.log().count(f"to=<{B}>")
    relay.send([B], "nam", "x\r\n")
    wait_until("the delivery", lambda: relay.log().count(f"to=<{B}>") > before)
    w.province.daemons["imapd"].start()
    wait_until("the message", lambda: w.messages(B, "nam"))
    time.sleep(0.5)
    expect(len(w.messages(B, "nam")) == 1, "copies")


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        for one in WORLD:
            for postfix in one.relays:
                if sys.exc_info()[0]:
                    print(postfix.log()[-4000:])
                postfix.stop()
            one.province.__exit__(*sys.exc_info())

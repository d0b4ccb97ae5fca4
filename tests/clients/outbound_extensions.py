#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What the sending side makes of other servers' extensions: CHUNKING, LIMITS, DELIVERBY,
MT-PRIORITY, none at all; and mail that is to leave later.

usage: outbound_extensions.py BUILD_DIR [NAME...]
"""
import os
import re
import smtplib
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import outbound_test  # noqa: E402
from outbound_test import USER  # noqa: E402

outbound_test.TESTS.clear()


class World(outbound_test.World):
    def __init__(self, build):
        super().__init__(build)
        # One connection at a time, so that the order of messages can be seen.
        self.province.options["smtpd"].update(outbound_per_destination="1",
                                              priority_networks="127.0.0.5/32")


outbound_test.World = World
test = outbound_test.test
ALL = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"]


def verbs(sink):
    return [line.split(" ")[0].split(":")[0] for s in sink.sessions for line in s.lines]


@test
def chunks_carry_what_data_carries(w):
    sink = w.sink(ehlo=ALL + ["CHUNKING"])
    w.submit("a@far.example")
    w.wait_messages(sink, 1)
    assert sink.messages[0].data.endswith(b"\r\nxin chao\r\n.\r\n..hai\r\n"), sink.messages[0].data
    body = b"Subject: lon\r\n\r\n" + (b"." + b"0123456789" * 7 + b"\r\n") * 10000
    w.submit("a@far.example", body)
    w.wait_messages(sink, 2)
    assert sink.messages[1].data.endswith(body.split(b"\r\n\r\n", 1)[1])
    assert verbs(sink).count("BDAT") >= 4 and "DATA" not in verbs(sink), verbs(sink)
    w.wait_empty()


@test
def a_chunk_that_is_refused_is_sent_again_later(w):
    sink = w.sink(ehlo=ALL + ["CHUNKING"], answers={"BDAT": ["452 4.3.1 full"]})
    body = b"Subject: lon\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 10000
    w.submit("a@far.example", body)
    w.wait_messages(sink, 1)
    assert sink.messages[0].data.endswith(body.split(b"\r\n\r\n", 1)[1])
    assert "RSET" in verbs(sink), verbs(sink)
    w.wait_empty()


@test
def chunks_go_to_nobody_when_all_recipients_are_refused(w):
    sink = w.sink(ehlo=ALL + ["CHUNKING"], answers={"RCPT": "550 5.1.1 no such user"})
    w.submit("a@far.example")
    w.wait_report()
    assert "BDAT" not in verbs(sink), verbs(sink)
    w.wait_empty()


@test
def limits_of_the_other_server_are_kept(w):
    sink = w.sink(ehlo=ALL + ["LIMITS RCPTMAX=2 MAILMAX=3 RCPTDOMAINMAX=1"])
    w.submit([f"r{i}@far.example" for i in range(5)])
    w.submit("z@far.example")
    w.wait_messages(sink, 4)
    assert sorted(r for m in sink.messages for r in m.rcpts) == sorted(
        [f"r{i}@far.example" for i in range(5)] + ["z@far.example"])
    assert max(len(m.rcpts) for m in sink.messages) == 2
    for session in sink.sessions:
        mails = [line for line in session.lines if line.startswith("MAIL")]
        assert len(mails) <= 3, session.lines
    w.wait_empty()
    assert not w.mailbox()


@test
def a_priority_is_passed_on_and_orders_the_queue(w):
    sink = w.sink(ehlo=ALL + ["MT-PRIORITY MIXER"], answers={"MAIL": ["450 4.3.0 wait"] * 3})
    for priority in (-2, 0, 9):
        w.submit(f"p{priority}@far.example", options=[f"MT-PRIORITY={priority}"])
    queue = lambda: w.ask("queue.list")["messages"]
    w.province.wait_for("three refusals", lambda: not sink.answers["MAIL"])
    w.province.wait_for("hold", lambda: len(queue()) == 3 and (
        w.ask("queue.hold", all=True) and
        all(m["recipients"][0]["state"] == "held" for m in queue())))
    assert sorted(m["priority"] for m in queue()) == [-2, 0, 4], queue()
    w.ask("queue.release", all=True)
    w.wait_messages(sink, 3)
    order = [re.findall(r"MT-PRIORITY=(\S+)", m.params[0]) for m in sink.messages]
    assert order == [["4"], [], ["-2"]], order
    w.wait_empty()


@test
def a_priority_is_believed_of_trusted_servers(w):
    for source, want in (("127.0.0.5", b"2.1.0"), ("127.0.0.6", b"2.3.6 ")):
        with smtplib.SMTP("127.0.0.1", w.province.port["mx"], source_address=(source, 0)) as s:
            s.ehlo()
            code, text = s.mail("a@far.example", ["MT-PRIORITY=9"])
            assert code == 250 and text.startswith(want), (source, text)


@test
def deliverby_goes_on_or_comes_back(w):
    sink = w.sink(ehlo=ALL + ["DELIVERBY 100"])
    w.submit("a@far.example", options=["BY=200;R"])
    w.wait_messages(sink, 1)
    left = int(re.search(r"BY=(\d+);R$", sink.messages[0].params[0]).group(1))
    assert 100 < left <= 200, left
    w.wait_empty()
    assert not w.mailbox()
    w.submit("a@far.example", options=["BY=90;R"])
    _, text, status, _ = w.wait_report()
    assert status["status"] == "5.4.7" and "không kịp" in text, (status, text)
    w.submit("a@far.example", options=["BY=200;NT"])
    _, _, status, _ = w.wait_report()
    assert status["action"] == "relayed", status
    assert "BY=" in sink.messages[1].params[0] and ";NT" in sink.messages[1].params[0]
    w.wait_empty()


@test
def without_deliverby_the_sender_hears(w):
    sink = w.sink(answers={"RCPT": ["450 4.2.0 later"]})
    w.submit("a@far.example", options=["BY=200;R"])
    _, text, status, _ = w.wait_report()
    assert status["status"] == "5.3.3" and not sink.messages, status
    w.submit("a@far.example", options=["BY=-1;N"])
    w.wait_messages(sink, 1)
    w.wait_empty()
    reports = w.mailbox()
    actions = [list(r.iter_parts())[1].get_payload()[1]["action"] for r in reports]
    assert sorted(actions) == ["delayed", "relayed"], actions
    assert "BY=" not in sink.messages[0].params[0]


@test
def mail_for_later_waits_also_for_our_own(w):
    sink = w.sink()
    begin = time.time()
    w.submit([USER, "a@far.example"], options=["HOLDFOR=6"])
    listed = w.ask("queue.list")["messages"]
    assert len(listed) == 2, listed
    for message in listed:
        shown = w.ask("queue.show", id=message["id"])["message"]
        assert shown["recipients"][0]["state"] == "scheduled", shown
        assert begin + 4 < shown["not_before"] < begin + 30, shown
    w.ask("queue.retry", all=True)
    w.ask("queue.hold", all=True)
    w.ask("queue.release", all=True)
    w.wait_messages(sink, 1)
    assert time.time() >= begin + 5, time.time() - begin
    w.wait_empty()
    got = w.mailbox()
    assert len(got) == 1 and got[0]["return-path"] == f"<{USER}>", got
    assert b"Return-Path" not in sink.messages[0].data


@test
def mail_to_ourselves_for_later_needs_no_other_mail_to_leave(w):
    w.submit(USER, options=["HOLDFOR=3"])
    assert w.count() == 0
    w.province.wait_for("the mail", lambda: w.count() == 1)
    w.wait_empty()
    assert len(w.mailbox()) == 1


@test
def eight_bits_become_seven_where_nothing_is_signed(w):
    sink = w.sink(ehlo=["PIPELINING", "SIZE 100000"])
    w.submit("a@far.example", "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
             "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nđ\r\n".encode(),
             options=["BODY=8BITMIME"])
    w.wait_messages(sink, 1)
    data = sink.messages[0].data
    assert b"quoted-printable" in data and data.endswith(b"\r\n=C4=91\r\n"), data
    assert "BODY=" not in sink.messages[0].params[0]
    w.wait_empty()


if __name__ == "__main__":
    outbound_test.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Where mail goes: groups, forwards with SRS, retired addresses, details, against scripted servers.

usage: routing.py BUILD_DIR [NAME...]
"""
import email
import email.policy
import imaplib
import os
import re
import shutil
import smtplib
import ssl
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import DOMAIN, HarnessError, Province, free_ports  # noqa: E402
from certs import Authority  # noqa: E402
from sink import Sink  # noqa: E402

PASSWORD = "mot mat khau dai 1"
ZONE = """$TTL 60
far.example.      MX 10 mx.far.example.
mx.far.example.   A 127.0.0.2
out.example.      MX 10 mx.far.example.
"""
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def at(name):
    return name if "@" in name else f"{name}@{DOMAIN}"


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * days))


class World:
    def __init__(self, build):
        self.port, self.lmtp_port, self.old_port = free_ports(3)
        self.folder = tempfile.mkdtemp(prefix="congvu-routing-", dir="/tmp")
        self.socket = os.path.join(self.folder, "lmtp.sock")
        self.province = Province(build, zone=ZONE, smtpd={
            "outbound_port": self.port, "retry_min": "1s", "retry_max": "2s",
            "subaddress_separator": "+",
            "transports": f"lmtp.example=lmtp:[127.0.0.4]:{self.lmtp_port} "
                          f"sock.example=lmtp:unix:{self.socket} "
                          f".duoi.example=smtp:[127.0.0.2]:{self.port} "
                          "stop.example=error:don_vi_nay_da_giai_the",
            "split_domains": f"chung.example=[127.0.0.7]:{self.old_port} "
                             f"vong.example=[127.0.0.1]:{self.old_port} "
                             f"mat.example=khong.co.example:{self.old_port}"})
        self.build, self.sinks, self.count = build, [], 0

    def people(self):
        for domain in ("chung.example", "vong.example", "mat.example"):
            self.province.domain(domain)
        for name in ("hoa.snv", "binh.snv", "cuc.snv", "dung.snv"):
            self.province.account(at(name), PASSWORD)
        self.province.refresh()

    def sink(self, address="127.0.0.2", port=None, **how):
        self.sinks.append(Sink(address, port or self.port, **how))
        return self.sinks[-1]

    def do(self, what, **fields):
        answer = self.province.ask("imapd", what, **fields)
        self.province.refresh()
        return answer

    def group(self, name, *members, **settings):
        self.province.account(at(name), kind="group", override=True, reason="test")
        if settings:
            self.do("group.set", group=at(name), **settings)
        for member in members:
            self.do("group.member", group=at(name), member=member)

    def mx(self, rcpts, sender="ai.do@out.example", header="", secure=False):
        """Mail from outside: the replies to RCPT and the subject."""
        self.count += 1
        subject = f"thu-{self.count}"
        with smtplib.SMTP("127.0.0.1", self.province.port["mx"], "client.example") as s:
            s.ehlo()
            s.mail(sender)
            replies = [s.rcpt(r) for r in rcpts]
            if any(code < 300 for code, _ in replies):
                to = ", ".join(rcpts)
                by = sender or at("mailer-daemon")
                code, text = s.data(f"{header}From: <{by}>\r\nTo: {to}\r\n"
                                    f"Subject: {subject}\r\n\r\nxin chao\r\n")
                assert code == 250, (code, text)
            return [(c, t.decode()) for c, t in replies], subject

    def submit(self, user, rcpts, **fields):
        self.count += 1
        subject = f"thu-{self.count}"
        context = ssl.create_default_context(cafile=self.province.ca)
        context.check_hostname = False
        with smtplib.SMTP("127.0.0.1", self.province.port["submission"], "client.example") as s:
            s.starttls(context=context)
            s.login(at(user), PASSWORD)
            s.mail(at(user))
            replies = [s.rcpt(r, fields.get("options", ())) for r in rcpts]
            if any(code < 300 for code, _ in replies):
                to = fields.get("to", ", ".join(rcpts))
                code, text = s.data(f"From: {at(user)}\r\nTo: {to}\r\n"
                                    f"Subject: {subject}\r\n\r\nx\r\n")
                assert code == 250, (code, text)
            return [(c, t.decode()) for c, t in replies], subject

    def box(self, name):
        """The messages of a box, which is emptied."""
        box = imaplib.IMAP4("127.0.0.1", self.province.port["imap"])
        box.starttls(ssl._create_unverified_context())
        box.login(at(name), PASSWORD)
        box.select()
        _, found = box.search(None, "ALL")
        messages = []
        for number in found[0].split():
            _, data = box.fetch(number, "(BODY.PEEK[])")
            messages.append(email.message_from_bytes(data[0][1], policy=email.policy.default))
            box.store(number, "+FLAGS", "\\Deleted")
        box.expunge()
        box.logout()
        return messages

    def subjects(self, name):
        return [m["Subject"] for m in self.box(name)]

    def wait_messages(self, sink, count):
        self.province.wait_for(f"{count} messages in the sink",
                               lambda: len(sink.messages) >= count)
        return sink.messages

    def end_test(self):
        for sink in self.sinks:
            sink.close()
        self.sinks = []
        self.province.ask("smtpd", "queue.delete", all=True)


# ---- groups ----

@test
def a_group_reaches_groups_in_it_and_addresses_outside_once_each(w):
    sink = w.sink()
    w.group("trong", at("binh.snv"), at("cuc.snv"))
    w.group("nhom", at("hoa.snv"), at("trong"), owner=at("dung.snv"), post="anyone")
    for member in ("x@far.example", "y@far.example"):
        w.do("group.member", group=at("nhom"), member=member)
    replies, subject = w.mx([at("nhom")])
    assert replies[0][0] == 250, replies
    for name in ("hoa.snv", "binh.snv", "cuc.snv"):
        got = w.box(name)
        assert [m["Subject"] for m in got] == [subject], (name, got)
        assert got[0]["List-Id"] == f"<nhom.{DOMAIN}>" or f"<nhom.{DOMAIN}>" in got[0]["List-Id"]
        assert got[0]["Precedence"] == "list", got[0]
    assert w.subjects("dung.snv") == []
    m = w.wait_messages(sink, 1)[0]
    # RFC 5321 3.9.2: bounces go to who keeps the list.
    assert m.sender == at("dung.snv"), m.sender
    assert sorted(m.rcpts) == ["x@far.example", "y@far.example"], m.rcpts
    text = email.message_from_bytes(m.data)
    assert len(text.get_all("List-Id")) == 1 and text["Delivered-To"] == at("nhom"), text
    assert text["List-Owner"] == f"<mailto:{at('dung.snv')}>", text
    # From inside, and with members named beside it: each once.
    replies, subject = w.submit("hoa.snv", [at("nhom"), at("cuc.snv"), "x@far.example"])
    assert [c for c, _ in replies] == [250, 250, 250], replies
    assert w.subjects("cuc.snv") == [subject]
    time.sleep(1)
    w.wait_messages(sink, 3)
    rcpts = sorted(r for m in sink.messages[1:] for r in m.rcpts)
    assert rcpts == ["x@far.example", "y@far.example"], rcpts
    for name in ("hoa.snv", "binh.snv"):
        w.box(name)


@test
def a_groups_mail_that_came_round_does_not_leave_again(w):
    sink = w.sink()
    replies, subject = w.mx([at("nhom")], header=f"Delivered-To: {at('nhom')}\r\n")
    assert replies[0][0] == 250, replies
    assert w.subjects("hoa.snv") == [subject]
    time.sleep(1.5)
    assert not sink.messages, sink.messages[0].data
    for name in ("binh.snv", "cuc.snv"):
        w.box(name)


@test
def who_may_write_to_a_group(w):
    w.group("hop", at("binh.snv"), owner=at("dung.snv"))
    w.do("group.poster", group=at("hop"), poster=at("cuc.snv"))
    # post; outside, official outside, member, named, another of staff, owner
    rows = [("staff", "-----+", None), ("anyone", "++", "+++"), ("official", "-+", "+++"),
            ("members", "--", "+--"), ("named", "--", "-+-"), ("nobody", "--", "---")]
    users = ("binh.snv", "cuc.snv", "hoa.snv")
    for post, outside, inside in rows:
        w.do("group.set", group=at("hop"), post=post)
        replies = [w.mx([at("hop")], sender=s)[0][0] for s in ("a@out.example", "a@so." + DOMAIN)]
        got = "".join("+" if c == 250 else "-" for c, _ in replies)
        want = outside if inside else "--"
        assert got == want, (post, replies)
        got = "".join("+" if w.submit(u, [at("hop")])[0][0][0] == 250 else "-" for u in users)
        assert got == (inside or "+++"), (post, got)
        owner = w.submit("dung.snv", [at("hop")])[0][0]
        assert (owner[0] == 250) == (post != "nobody"), (post, owner)
        for code, text in replies:
            assert code == 250 or re.match(r"5\.7\.2 \[RCPT\.group[a-z-]*\] .* / ", text), text
    for name in ("binh.snv", "cuc.snv", "hoa.snv", "dung.snv"):
        w.box(name)


# ---- details and retired addresses ----

@test
def a_detail_is_dropped_unless_the_whole_is_an_address(w):
    w.do("alias.add", address=at("cuc.snv"), alias=at("binh.snv+rieng"))
    replies, subject = w.mx([at("binh.snv+bao"), at("binh.snv+rieng"), at("+bao"), at("khong+a")])
    assert [c for c, _ in replies] == [250, 250, 550, 550], replies
    assert w.subjects("binh.snv") == [subject]
    assert w.subjects("cuc.snv") == [subject]


@test
def a_retired_address_names_its_successor_then_forwards_then_ends(w):
    w.province.account(at("cu.snv"), PASSWORD)
    w.do("account.retire", address=at("cu.snv"))
    code, text = w.mx([at("cu.snv")])[0][0]
    assert code == 550 and "[RCPT.retired]" in text, text
    w.do("account.retire", address=at("cu.snv"), successor=at("binh.snv"), notice_until=day(10))
    code, text = w.mx([at("cu.snv")])[0][0]
    assert code == 551 and text.startswith("5.1.6 [RCPT.moved]") and at("binh.snv") in text, text
    w.do("account.retire", address=at("cu.snv"), forward_until=day(10))
    replies, subject = w.mx([at("cu.snv")])
    assert replies[0][0] == 251, replies
    assert w.subjects("binh.snv") == [subject]
    w.do("account.retire", address=at("cu.snv"), forward_until=1, notice_until=1)
    assert "[RCPT.retired]" in w.mx([at("cu.snv")])[0][0][1]


# ---- forwards ----

@test
def a_forward_outside_has_an_srs_sender_and_its_bounce_comes_back(w):
    sink = w.sink()
    w.do("forward.add", **{"from": at("hoa.snv")}, to="x@far.example", reason="biet phai",
         until=day(30))
    replies, subject = w.mx([at("hoa.snv")], sender="Ai.Do@out.example")
    assert replies[0][0] == 250, replies
    assert w.subjects("hoa.snv") == [subject], "a copy stays"
    m = w.wait_messages(sink, 1)[0]
    assert re.fullmatch(r"SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=out\.example=Ai\.Do@" + re.escape(DOMAIN),
                        m.sender), m.sender
    assert b"Delivered-To: hoa.snv@" in m.data and "ORCPT=rfc822;hoa.snv@" in m.params[1], m.params
    # The bounce, in the case a server on the way chose, goes to the first sender.
    replies, _ = w.mx([m.sender.lower()], sender="")
    assert replies[0][0] == 250, replies
    bounce = w.wait_messages(sink, 2)[1]
    assert [r.lower() for r in bounce.rcpts] == ["ai.do@out.example"], bounce.rcpts
    assert bounce.sender == "", bounce.sender
    # Nobody else may use it, and nobody can make one up.
    assert w.mx([m.sender])[0][0][0] == 550
    forged = m.sender.replace("out.example=Ai", "out.example=Oi")
    assert w.mx([forged], sender="")[0][0][0] == 550
    # A sender of ours stays as it is, a null sender too.
    w.submit("binh.snv", [at("hoa.snv")])
    w.mx([at("hoa.snv")], sender="")
    w.wait_messages(sink, 4)
    assert sorted(m.sender for m in sink.messages[2:]) == ["", at("binh.snv")], sink.messages
    # One that is too long to be rewritten comes back to the box.
    w.mx([at("hoa.snv")], sender="a" * 50 + "@out.example")
    assert w.wait_messages(sink, 5)[4].sender == at("hoa.snv")
    w.box("hoa.snv")


@test
def whose_mail_cannot_be_forwarded_is_told_himself(w):
    sink = w.sink(answers={"RCPT": lambda line, _:
                           "550 5.1.1 gone" if "x@far.example" in line else None})
    _, subject = w.mx([at("hoa.snv")], sender="Chi.Ba@out.example")
    report = w.wait_messages(sink, 1)[0]
    assert report.sender == "" and report.rcpts == ["Chi.Ba@out.example"], report.rcpts
    assert b"x@far.example" in report.data and b"5.1.1" in report.data, report.data
    assert w.subjects("hoa.snv") == [subject], "the copy stays, and no report of it"


@test
def forwards_end_loops_and_may_keep_no_copy(w):
    sink = w.sink()
    # It has been here: the box keeps it, nothing leaves.
    _, subject = w.mx([at("hoa.snv")], header=f"Delivered-To: {at('hoa.snv')}\r\n")
    assert w.subjects("hoa.snv") == [subject]
    time.sleep(1.5)
    assert not sink.messages
    w.do("forward.del", **{"from": at("hoa.snv")}, to="x@far.example")
    w.do("forward.add", **{"from": at("hoa.snv")}, to=at("binh.snv"), keep=False)
    w.do("forward.add", **{"from": at("binh.snv")}, to=at("hoa.snv"), keep=True)
    _, subject = w.mx([at("hoa.snv")])
    assert w.subjects("hoa.snv") == [] and w.subjects("binh.snv") == [subject]
    w.do("forward.del", **{"from": at("hoa.snv")}, to=at("binh.snv"))
    w.do("forward.del", **{"from": at("binh.snv")}, to=at("hoa.snv"))


# ---- transports ----

@test
def transports_choose_the_server_and_the_protocol(w):
    smtp, tcp, unix = w.sink(), w.sink("127.0.0.4", w.lmtp_port), w.sink(w.socket)
    tcp.answers["DATA-END"] = lambda rcpt, _: "550 5.2.2 full" if rcpt[0] == "b" else None
    w.submit("hoa.snv", ["a@lmtp.example", "b@lmtp.example", "c@lmtp.example"])
    m = w.wait_messages(tcp, 1)[0]
    assert m.rcpts == ["a@lmtp.example", "c@lmtp.example"], m.rcpts
    assert tcp.sessions[0].lines[0].startswith("LHLO "), tcp.sessions[0].lines
    w.submit("hoa.snv", ["a@sock.example", "a@x.duoi.example", "a@stop.example"])
    assert w.wait_messages(unix, 1)[0].rcpts == ["a@sock.example"]
    assert w.wait_messages(smtp, 1)[0].rcpts == ["a@x.duoi.example"]
    got = []
    w.province.wait_for("two reports", lambda: got.extend(w.box("hoa.snv")) or len(got) >= 2)
    text = "".join(str(m) for m in got)
    assert "b@lmtp.example" in text and "5.2.2" in text, text
    assert "a@stop.example" in text and "don vi nay da giai the" in text, text
    # A server that refuses everybody before DATA gets none; the connection is used again.
    tcp.answers["RCPT"] = ["550 5.1.1 no", "550 5.1.1 no"]
    w.submit("hoa.snv", ["x@lmtp.example", "y@lmtp.example"])
    w.province.wait_for("the report", lambda: w.box("hoa.snv"))
    w.submit("hoa.snv", ["z@lmtp.example"])
    assert w.wait_messages(tcp, 2)[1].rcpts == ["z@lmtp.example"]


@test
def the_smarthost_gets_our_password_over_verified_tls_only(w):
    authority = Authority(w.folder)
    good = authority.issue("relay.example")
    secret = os.path.join(w.folder, "auth")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("tinh:mat khau\n")
    os.chmod(secret, 0o600)
    port, smtps = free_ports(2)
    zone = "relay.example. A 127.0.0.5\n"
    for how in ("starttls", "smtps", "wrong", "clear"):
        other = Authority(tempfile.mkdtemp(dir=w.folder))
        sink = Sink("127.0.0.5", smtps if how == "smtps" else port, implicit=how == "smtps",
                    ehlo=("PIPELINING",) + (("AUTH PLAIN",) if how == "clear" else ()),
                    secure_ehlo=("AUTH LOGIN PLAIN",), answers={"AUTH": "235 2.7.0 hello"},
                    certificate=None if how == "clear" else
                    other.issue("relay.example") if how == "wrong" else good)
        if how == "smtps":
            sink.ehlo = ("PIPELINING", "AUTH PLAIN")
        target = f"smtps:relay.example:{smtps}" if how == "smtps" else f"relay.example:{port}"
        with Province(w.build, zone=zone, smtpd={
                "smarthost": target, "smarthost_auth": secret, "outbound_ca": authority.ca,
                "retry_min": "1s", "retry_max": "1s"}) as p:
            p.account(at("hoa.snv"), PASSWORD)
            p.refresh()
            context = ssl._create_unverified_context()
            with smtplib.SMTP("127.0.0.1", p.port["submission"], "client.example") as s:
                s.starttls(context=context)
                s.login(at("hoa.snv"), PASSWORD)
                s.sendmail(at("hoa.snv"), ["x@anywhere.example"],
                           f"From: {at('hoa.snv')}\r\n\r\nx\r\n")
            if how in ("starttls", "smtps"):
                p.wait_for("the message", lambda: sink.messages)
                assert sink.messages[0].secure, how
                lines = sink.sessions[0].lines
                assert "AUTH PLAIN AHRpbmgAbWF0IGtoYXU=" in lines, lines
            else:
                p.wait_for("a failure", lambda: "conn.lost" in p.daemons["smtpd"].text())
                said = [line for s in sink.sessions for line in s.lines]
                assert not sink.messages and not any("AUTH" in line for line in said), said
        sink.close()
    os.chmod(secret, 0o644)
    try:
        with Province(w.build, zone=zone, smtpd={"smarthost": "relay.example",
                                                 "smarthost_auth": secret}):
            raise AssertionError("a password that others may read was taken")
    except HarnessError as fault:
        assert "chmod 600" in str(fault), fault


# ---- an old server beside us ----

def asked(sink):
    return [line for s in list(sink.sessions) for line in s.lines if line.startswith("RCPT")]


@test
def smt_09_an_old_server_is_asked_before_mail_for_it_is_taken(w):
    w.province.account("moi@chung.example", PASSWORD)
    w.province.refresh()
    new, old, later = "moi@chung.example", "cu@chung.example", "cham@chung.example"
    answers = {"RCPT": lambda line, _: None if "<cu@" in line else "450 4.2.0 later"
               if "<cham@" in line else "550 5.1.1 no such person"}
    w.sink()
    # While it is away nobody from outside is believed, and nothing bounces.
    code, text = w.mx([old])[0][0]
    assert code == 451 and "[RCPT.old-server-busy]" in text, text
    sink = w.sink("127.0.0.7", w.old_port, answers=answers)
    time.sleep(1)
    w.province.daemons["smtpd"].kill()  # forgets what it was told
    w.province.daemons["smtpd"].start()
    replies, subject = w.mx([new, old, "ai@chung.example", later])
    assert [c for c, _ in replies] == [250, 250, 550, 451], replies
    assert "5.1.1 [RCPT.old-server] 550 5.1.1 no such person" in replies[2][1], replies
    m = w.wait_messages(sink, 1)[0]
    assert m.rcpts == [old] and subject.encode() in m.data, m.rcpts
    assert sink.sessions[0].lines[1] == "MAIL FROM:<>", sink.sessions[0].lines
    # Answers are kept: nobody is asked for twice.
    before = len(asked(sink))
    replies, _ = w.mx([old, "ai@chung.example"])
    assert [c for c, _ in replies] == [250, 550], replies
    w.wait_messages(sink, 2)
    assert len(asked(sink)) == before + 1, asked(sink)  # the mail's own
    # Staff are told by a report instead of being kept waiting.
    replies, subject = w.submit("hoa.snv", [later])
    assert replies[0][0] == 250, replies
    # Whoever moves here meanwhile finds his mail here.
    w.province.account(later, PASSWORD)
    w.province.refresh()
    w.province.ask("smtpd", "queue.retry", all=True)
    w.province.wait_for("an empty queue",
                        lambda: w.province.ask("smtpd", "queue.stats")["messages"] == 0)
    assert w.subjects(later) == [subject]


@test
def an_old_server_that_has_no_address_is_asked_for_once(w):
    """The session that asked gets its answer instead of asking again and again."""
    began = time.monotonic()
    for _ in range(2):
        code, text = w.mx(["ai@mat.example"])[0][0]
        assert code == 451 and "[RCPT.old-server-busy]" in text, text
    assert time.monotonic() - began < 20, time.monotonic() - began
    with open(w.province.daemons["smtpd"].log, encoding="utf-8") as log:
        answers = [line for line in log if "split.answer" in line and "ai@mat.example" in line]
    assert len(answers) == 1, len(answers)


@test
def who_writes_to_the_old_server_is_counted_too(w):
    def counted():
        return w.province.ask("smtpd", "sending.show", address=at("cuc.snv"))["account"]

    w.sink("127.0.0.7", w.old_port)
    before = counted()
    replies, _ = w.submit("cuc.snv", ["mot@chung.example", "hai@chung.example"])
    assert [c for c, _ in replies] == [250, 250], replies
    now = counted()
    assert now["recipients"] == before["recipients"] + 2, (before, now)
    assert now["outside"] == before["outside"], "their domain is ours"


@test
def smt_09_mail_never_goes_back_to_the_old_server_it_came_from(w):
    sink = w.sink("127.0.0.1", w.old_port)
    replies, _ = w.mx(["ai@vong.example"])
    assert replies[0][0] == 550, replies
    assert not sink.messages
    # It has our own Received field: it would go round for ever.
    old = w.sink("127.0.0.7", w.old_port)
    header = "Received: from x by HERE (congvu) with ESMTP id 1;\r\n" \
        "\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    host = re.search(r"hostname = (\S+)", open(os.path.join(w.province.dir, "congvu.conf"),
                                               encoding="utf-8").read()).group(1)
    header = header.replace("HERE", host)
    try:
        w.mx(["khac@chung.example"], header=header)
        raise AssertionError("a loop was taken")
    except AssertionError as fault:
        assert "554" in str(fault) and "4.6" in str(fault), fault
    assert not old.messages


# ---- absences ----

@test
def an_absence_answers_people_once_and_robots_never(w):
    sink = w.sink()
    w.do("absence.set", address=at("cuc.snv"), until=day(3), vi="Tôi nghỉ phép.\nHẹn thứ hai.",
         en="I am away.", outside="Đang vắng.")
    for header, sender in (
            ("Auto-Submitted: auto-generated\r\n", "a@far.example"),
            ("Precedence: bulk\r\n", "b@far.example"),
            ("List-Id: <x.y>\r\n", "c@far.example"), ("", ""), ("", "no-reply@far.example"),
            ("", "x-request@far.example"),
            ("X-Auto-Response-Suppress: OOF\r\n", "d@far.example")):
        assert w.mx([at("cuc.snv")], sender=sender, header=header)[0][0][0] == 250
    w.group("phong", at("cuc.snv"), post="anyone")
    w.mx([at("phong")], sender="e@far.example")  # not written to by name
    _, subject = w.mx([at("cuc.snv")], sender="nguoi@far.example",
                      header="Message-ID: <1@far.example>\r\nReferences: <0@far.example>\r\n")
    w.mx([at("cuc.snv")], sender="Nguoi@far.example")
    answer = w.wait_messages(sink, 1)[0]
    m = email.message_from_bytes(answer.data, policy=email.policy.default)
    assert answer.sender == "" and answer.rcpts == ["nguoi@far.example"], answer.rcpts
    assert m["Subject"] == f"Trả lời tự động: {subject}", m["Subject"]
    assert m["Auto-Submitted"] == "auto-replied" and m["In-Reply-To"] == "<1@far.example>", m
    assert m["References"] == "<0@far.example> <1@far.example>" and at("cuc.snv") in m["From"], m
    assert m.get_content().strip() == "Đang vắng.", m.get_content()
    # Our own people read more, and find it in their box.
    w.submit("hoa.snv", [at("cuc.snv")])
    w.submit("hoa.snv", [at("cuc.snv")])
    got = []
    w.province.wait_for("the answer", lambda: got.extend(w.box("hoa.snv")) or got)
    text = got[0].get_content()
    both = "Tôi nghỉ phép.\nHẹn thứ hai.\n\n-- English --\n\nI am away."
    assert both in text.replace("\r", ""), text
    # It lasts longer than the daemon.
    w.province.daemons["smtpd"].kill()
    w.province.daemons["smtpd"].start()
    w.mx([at("cuc.snv")], sender="nguoi@far.example")
    time.sleep(1.5)
    assert len(sink.messages) == 1 and w.box("hoa.snv") == [], sink.messages
    w.do("absence.clear", address=at("cuc.snv"))
    w.mx([at("cuc.snv")], sender="khac@far.example")
    time.sleep(1)
    assert len(sink.messages) == 1


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    names = sys.argv[2:]
    world = World(sys.argv[1])
    failed = 0
    with world.province as p:
        world.people()
        for function in TESTS:
            if names and function.__name__ not in names:
                continue
            begin = time.monotonic()
            try:
                function(world)
                word = "ok"
            except Exception:  # each test is told about; the others still run
                traceback.print_exc()
                print(p.daemons["smtpd"].tail(25), file=sys.stderr)
                failed += 1
                word = "FAILED"
            world.end_test()
            print(f"{word:6} {function.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        shutil.rmtree(world.folder, ignore_errors=True)
        if failed:
            raise SystemExit(f"{failed} tests failed")


if __name__ == "__main__":
    main()

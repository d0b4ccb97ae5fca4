#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What filters may ask of smtpd beside changes of the text: another envelope, macros of their own,
refused recipients, unknown commands, connections kept; and filters chosen by listener."""
import os
import re
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import fake_milter as fm  # noqa: E402
from fake_milter import Close, FakeMilter, packet  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import BUILD, DOMAIN, ZONE, Province, expect, run_tests, wait_until  # noqa: E402
from milter_peers import Talk  # noqa: E402

HOA, NAM, GROUP = (f"{name}@{DOMAIN}" for name in ("hoa.snv", "nam.stp", "nhom.snv"))
WORLD = {}


def world():
    """One province, its filters reset."""
    if not WORLD:
        a, b, c = FakeMilter(), FakeMilter(), FakeMilter()
        port, = free_ports(1)  # where nobody listens: mail for outside stays in the queue
        zone = ZONE + "far.example. 300 IN MX 10 mx.far.example.\nmx.far.example. 300 IN A 127.0.0.1\n"
        p = Province(filter=False, zone=zone, main={"log_level": "debug"}, smtpd={
            "outbound_port": str(port),
            "milters": f"{a.name()},name=mot,timeout=5s {b.name()},name=hai,on-failure=accept",
            "milters_submission": f"{c.name()},name=ba,reuse=yes", "retry_min": "1h"})
        p.__enter__()
        p.user(HOA)
        p.user(NAM)
        p.ask("imapd", "account.add", address=GROUP, kind="group", name="Nhom", no_password=True,
              override=True, reason="test")
        for member in (HOA, NAM):
            p.ask("imapd", "group.member", group=GROUP, member=member)
        p.refresh()
        WORLD.update(a=a, b=b, c=c, p=p, n=0)
    for name in "abc":
        WORLD[name].reset()
    WORLD["p"].ask("smtpd", "queue.delete", all=True)
    return WORLD["a"], WORLD["b"], WORLD["c"], WORLD["p"]


def send(port, to=(HOA,), sender="a@far.example", body=b"xin chao\r\n"):
    """Gives (all replies to the message, its subject)."""
    WORLD["n"] += 1
    subject = f"doi-{WORLD['n']}"
    t = Talk(WORLD["p"].port[port])
    t.reply()
    expect(t.cmd(("LHLO" if port == "lmtp" else "EHLO") + " client.example").startswith("250"), "HELO")
    expect(t.cmd(f"MAIL FROM:<{sender}>").startswith("250"), "MAIL")
    for address in to:
        reply = t.cmd(f"RCPT TO:<{address}>")
        expect(reply.startswith("250"), address, reply)
    expect(t.cmd("DATA").startswith("354"), "DATA")
    t.sock.sendall(f"Subject: {subject}\r\nMessage-ID: <{subject}@far.example>\r\n\r\n".encode()
                   + body + b".\r\n")
    replies = [t.reply() for _ in range(len(to) if port == "lmtp" else 1)]
    quit_reply = t.cmd("QUIT")
    expect(quit_reply.startswith("221"), replies, "then", quit_reply)
    t.close()
    return replies, subject


def stored(user, subject):
    box = WORLD["p"].imap(user)
    try:
        box.select(readonly=True)
        found = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        got = [box.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found]
        return [m for m in got if b"Subject: %s\r\n" % subject.encode() in m]
    finally:
        box.logout()


def queued():
    """Sender and recipients of each message in the queue."""
    p = WORLD["p"]
    got = p.ask("smtpd", "queue.list")
    return [p.ask("smtpd", "queue.show", id=m["id"]) for m in got["messages"]]


def add(address, params=None):
    if params is None:
        return packet("+", address.encode() + b"\0")
    return packet("2", address.encode() + b"\0" + params.encode() + b"\0")


def delete(address):
    return packet("-", address.encode() + b"\0")


def sender(address, params=None):
    more = params.encode() + b"\0" if params is not None else b""
    return packet("e", address.encode() + b"\0" + more)


def changing(f, *answers):
    f.actions |= fm.ENVELOPE
    f.once["E"] = [*answers, packet("c")]


def test_added_recipients_get_it():
    a, _, _, p = world()
    changing(a, add(f"<{NAM}>"), add("xa@far.example"), add(f"<khong.co@{DOMAIN}>"), add(HOA),
             add("<khong dung>"))
    replies, subject = send("mx")
    expect(replies[0].startswith("250"), replies)
    expect(len(stored(HOA, subject)) == 1 and len(stored(NAM, subject)) == 1, "copies")
    expect(b"Return-Path: <a@far.example>" in stored(NAM, subject)[0], "Return-Path")
    expect(p.ask("smtpd", "queue.stats")["recipients"] == 1, p.ask("smtpd", "queue.stats"))
    expect("xa@far.example" in str(queued()), queued())
    log = p.daemons["smtpd"].text()
    expect(f"do=add address=<khong.co@{DOMAIN}> why=no-such-recipient" in log, "not logged")
    expect("do=add address=<khong dung> why=not-well-formed" in log, "not logged")


def test_added_group_and_parameters():
    a, _, _, p = world()
    changing(a, add(f"<{GROUP}>"), add("<y@far.example>", "NOTIFY=NEVER ORCPT=rfc822;z@far.example"),
             add("<w@far.example>", "NOTIFY=SOMETIMES"))
    replies, subject = send("mx", to=(NAM,))
    expect(replies[0].startswith("250"), replies)
    expect(len(stored(HOA, subject)) == 1 and len(stored(NAM, subject)) == 1, "copies")
    expect(p.ask("smtpd", "queue.stats")["recipients"] == 1, queued())


def test_deleted_recipients_do_not():
    a, _, _, p = world()
    changing(a, delete(f"<{NAM.upper()}>"), delete("nobody@far.example"))
    replies, subject = send("mx", to=(HOA, NAM))
    expect(replies[0].startswith("250"), replies)
    expect(len(stored(HOA, subject)) == 1 and not stored(NAM, subject), "copies")
    # Who was named himself stays when his group goes.
    changing(a, add(GROUP), delete(GROUP))
    replies, subject = send("mx", to=(NAM,))
    expect(len(stored(NAM, subject)) == 1 and not stored(HOA, subject), "copies")
    # Added and taken out again, by two filters.
    b = WORLD["b"]
    changing(a, add("<x@far.example>"), add(NAM))
    changing(b, delete("<x@far.example>"), delete(f"<{NAM}>"))
    replies, subject = send("mx")
    expect(len(stored(HOA, subject)) == 1 and not stored(NAM, subject), "copies")
    expect(p.ask("smtpd", "queue.stats")["recipients"] == 0, queued())


def test_nobody_left_is_a_discard():
    a, _, _, p = world()
    changing(a, delete(HOA), delete(NAM))
    replies, subject = send("mx", to=(HOA, NAM))
    expect(replies[0].startswith("250"), replies)
    expect(not stored(HOA, subject) and not stored(NAM, subject), "stored")
    expect("by=filter why=no-recipients" in p.daemons["smtpd"].text(), "not logged")


def test_a_changed_sender_is_the_sender():
    a, _, _, p = world()
    changing(a, add("<y@far.example>"), sender("<moi@other.example>", "ENVID=abc RET=HDRS"))
    _, subject = send("mx")
    expect(b"Return-Path: <moi@other.example>\r\n" in stored(HOA, subject)[0], "Return-Path")
    expect("moi@other.example" in str(queued()), queued())
    changing(a, sender("<>"))
    _, subject = send("mx")
    expect(b"Return-Path: <>\r\n" in stored(HOA, subject)[0], "null sender")
    changing(a, sender("<a b>"))
    _, subject = send("mx")
    expect(b"Return-Path: <a@far.example>\r\n" in stored(HOA, subject)[0], "bad sender was used")


def test_lmtp_answers_for_whom_the_client_named():
    a, b, _, p = world()
    changing(a, add(NAM), delete(HOA))
    replies, subject = send("lmtp", to=(HOA,))
    expect([r[:3] for r in replies] == ["250"], replies)
    expect(len(stored(NAM, subject)) == 1 and not stored(HOA, subject), "copies")
    changing(b, delete(HOA), delete(NAM))
    replies, subject = send("lmtp", to=(HOA, NAM))
    expect([r[:3] for r in replies] == ["250", "250"] and not stored(HOA, subject), replies)


def test_a_filter_that_fails_leaves_the_envelope_alone():
    _, b, _, p = world()
    b.actions |= fm.ENVELOPE
    b.once["E"] = [add(NAM), delete(HOA), sender("<x@y.example>"), Close]
    replies, subject = send("mx")
    expect(replies[0].startswith("250"), replies)
    whole = stored(HOA, subject)
    expect(len(whole) == 1 and b"Return-Path: <a@far.example>" in whole[0], whole)
    expect(not stored(NAM, subject), "a copy for one who was added by a failed filter")


def test_hostile_envelopes_are_the_default_action():
    a, _, _, p = world()
    long = b"<" + b"x" * 1100 + b"@y.example>\0"
    for answer in (packet("+", NAM.encode()), packet("+", b""), packet("+", b"\0"), packet("+", long),
                   packet("+", b"<a@b.example>\r\nRCPT\0"), packet("-", b"a\0b\0"),
                   packet("e", b"<a@b.example>\0RET=\x01\0"), packet("e", b"<a>\0b\0c\0"),
                   packet("2", b"<a@b.example>\0NOTIFY=NEVER")):
        changing(a, answer)
        replies, _ = send("mx")
        expect(replies[0].startswith("451 4.7.1"), answer[:60], replies)
    changing(a, *[add("<x@far.example>")] * 10001)
    expect(send("mx")[0][0].startswith("451 4.7.1"), "ten thousand")
    a.reset()
    for answer in (add(NAM), delete(HOA), sender("<>"), add(NAM, "NOTIFY=NEVER")):
        a.once["E"] = [answer, packet("c")]
        expect(send("mx")[0][0].startswith("451 4.7.1"), "not in its offer", answer)
    expect(p.daemons["smtpd"].is_running(), "smtpd ended")


def test_unknown_commands_are_shown():
    a, _, _, p = world()
    t = Talk(p.port["mx"])
    t.reply()
    t.cmd("EHLO client.example")
    expect(t.cmd("XYZZY mot hai").startswith("500 5.5.2"), "XYZZY")
    a.once["U"] = [packet("y", b"502 5.5.1 khong biet lenh nay\0")]
    expect(t.cmd("XYZZY ba") == "502 5.5.1 khong biet lenh nay", "the filter's own answer")
    expect(t.cmd("NOOP").startswith("250"), "NOOP")
    t.cmd("QUIT")
    t.close()
    seen = [data for command, data in a.sessions[-1].steps if command == "U"]
    expect(seen == [b"XYZZY mot hai\0", b"XYZZY ba\0"], seen)
    a.reset()
    a.protocol = fm.NO_UNKNOWN
    t = Talk(p.port["mx"])
    t.reply()
    expect(t.cmd("XYZZY").startswith("500"), "XYZZY")
    t.close()
    expect("U" not in a.sessions[-1].commands(), a.sessions[-1].commands())


def test_refused_recipients_are_shown_to_who_asked():
    a, b, _, p = world()
    a.protocol = fm.RCPT_REJ
    a.answers["R"] = [packet("y", b"450 4.1.1 y kien rieng\0")]
    t = Talk(p.port["mx"])
    t.reply()
    t.cmd("EHLO client.example")
    t.cmd("MAIL FROM:<a@far.example>")
    for address, want in ((f"khong.co@{DOMAIN}", "550"), ("x@far.example", "550 5.7.1")):
        reply = t.cmd(f"RCPT TO:<{address}>")
        expect(reply.startswith(want), reply)
    a.answers.clear()
    reply = t.cmd(f"RCPT TO:<{HOA}>")
    expect(reply.startswith("250"), "a good one", reply)
    t.cmd("QUIT")
    t.close()
    seen = [data.split(b"\0")[0].decode() for command, data in a.sessions[-1].steps if command == "R"]
    expect(seen == [f"<khong.co@{DOMAIN}>", "<x@far.example>", f"<{HOA}>"], seen)
    expect(b.sessions[-1].commands().count("R") == 1, b.sessions[-1].commands())
    expect(a.sessions[-1].macros["R"][b"{rcpt_mailer}"] == b"local", a.sessions[-1].macros["R"])
    history = a.sessions[-1].history["R"]
    expect(history[1] == {b"{rcpt_mailer}": b"error", b"{rcpt_host}": b"5.7.1",
                          b"{rcpt_addr}": history[1][b"{rcpt_addr}"]}
           and b"Relaying denied" in history[1][b"{rcpt_addr}"], history)


def test_macros_of_every_stage_and_lists_that_filters_name():
    a, b, _, p = world()
    b.actions |= fm.SET_MACROS
    b.macro_lists = b"".join(struct.pack(">I", stage) + names + b"\0" for stage, names in (
        (0, b"j, {client_addr}"), (1, b""), (2, b"{mail_addr} {none}"), (5, b"{msg_id} {mail_host}")))
    _, subject = send("mx")
    got = a.sessions[-1].macros
    port = p.port["mx"]
    expect(got["C"] == {
        b"j": f"mail.{DOMAIN}".encode(), b"v": got["C"][b"v"], b"_": b"unknown [127.0.0.1]",
        b"{daemon_name}": b"mx", b"{daemon_addr}": b"127.0.0.1", b"{daemon_port}": b"%d" % port,
        b"{if_name}": f"mail.{DOMAIN}".encode(), b"{if_addr}": b"127.0.0.1",
        b"{client_addr}": b"127.0.0.1", b"{client_name}": b"unknown", b"{client_ptr}": b"unknown",
        b"{client_port}": got["C"][b"{client_port}"]}, got["C"])
    expect(got["M"] == {b"i": got["M"][b"i"], b"{mail_mailer}": b"smtp",
                        b"{mail_host}": b"far.example", b"{mail_addr}": b"a@far.example"}, got["M"])
    expect(got["R"] == {b"{rcpt_mailer}": b"local", b"{rcpt_host}": DOMAIN.encode(),
                        b"{rcpt_addr}": HOA.encode()}, got["R"])
    expect(got["E"] == {b"i": got["M"][b"i"], b"{msg_id}": f"<{subject}@far.example>".encode()},
           got["E"])
    got = b.sessions[-1].macros
    expect(got["C"] == {b"j": f"mail.{DOMAIN}".encode(), b"{client_addr}": b"127.0.0.1"}, got["C"])
    expect(got.get("H", {}) == {} and got["M"] == {b"{mail_addr}": b"a@far.example"}, got)
    expect(set(got["E"]) == {b"{msg_id}", b"{mail_host}"}, got["E"])
    expect(b"{rcpt_host}" in got["R"], got["R"])


def test_chunks_as_large_as_agreed():
    a, b, _, _ = world()
    a.protocol, b.protocol = fm.DATA_1M | fm.NR_BODY, fm.DATA_256K
    body = b"dong chu\r\n" * 250000
    send("mx", body=body)
    sizes = [max(len(d) for c, d in f.sessions[-1].steps if c == "B") for f in (a, b)]
    expect(sizes == [(1 << 20) - 1, (256 << 10) - 1], sizes)
    expect(a.sessions[-1].body() == body and b.sessions[-1].body() == body, "the body")


def submit():
    with WORLD["p"].submit(HOA) as c:
        c.sendmail(HOA, [NAM], f"From: {HOA}\r\nTo: {NAM}\r\nSubject: noi-bo\r\n\r\nx\r\n")


def test_listeners_have_filters_of_their_own():
    a, b, c, _ = world()
    submit()
    expect(not a.sessions and not b.sessions, "submission")
    macros = next(s for s in c.sessions if s.macros).macros
    expect(macros["M"][b"{auth_authen}"] == HOA.encode() and b"{auth_type}" in macros["M"]
           and macros["M"][b"{auth_ssf}"] == b"0", macros["M"])
    expect(int(macros["H"][b"{cipher_bits}"]) >= 128, macros["H"])
    count = len(c.sessions)
    send("mx")
    expect(a.sessions and b.sessions and len(c.sessions) <= count + 1, "mx")


def test_connections_are_kept_for_the_next_session():
    _, _, c, p = world()
    for _ in range(5):
        submit()
        wait_until("the session ends", lambda: c.sessions and not c.sessions[-1].steps)
    expect(c.connections <= 1, "connections", c.connections)  # none: one that was kept before
    used = [s.commands() for s in c.sessions if "M" in s.commands()]
    expect(len(used) >= 4 and all(u.startswith("CH") and u.endswith("K") for u in used), used)
    # A filter that closes what waits costs nobody anything.
    c.close_idle = True
    for _ in range(3):
        submit()
    # One that ends while it waits: the step is told to a fresh connection.
    c.close_idle = False
    submit()
    for s in list(c.sockets):
        s.shutdown(2)
    for _ in range(3):
        submit()
    expect("milter.failed" not in p.daemons["smtpd"].text().split("filter=ba", 1)[-1]
           or "filter=ba" not in p.daemons["smtpd"].text(), "a kept connection failed")


def test_each_filter_has_its_own_default_action():
    a, b, _, _ = world()
    b.answers["M"] = [Close]
    expect(send("mx")[0][0].startswith("250"), "on-failure=accept")
    b.reset()
    a.once["E"] = [Close]
    expect(send("mx")[0][0].startswith("451"), "the option's default")


def test_config_check_reads_the_words():
    _, _, _, p = world()
    with open(p.conf, encoding="utf-8") as f:
        text = f.read()
    path = os.path.join(p.dir, "thu.conf")
    for words, fault in (("inet:1@127.0.0.1,timeout=10s", None), ("none", None),
                         ("inet:1@::1 inet:2@[::1],name=x", None), ("inet:1@localhost", None),
                         ("inet:1@127.0.0.1,timeout=2h", "1s to 1h"), ("inet:0@127.0.0.1", "port"),
                         ("inet:1@127.0.0.1,on-failure=maybe", "accept, tempfail or reject"),
                         ("inet:1@x.invalid", "cannot find host"), ("tcp:1", "unix:/path"),
                         ("unix:a,color=red", "no setting is called 'color'"),
                         ("unix:a,name=x unix:b,name=x", "two filters are called x")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(?m)^milters_submission = .*$", f"milters_submission = {words}", text))
        done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--conf", path, "config",
                               "check"], capture_output=True, text=True, check=False)
        expect((done.returncode == 0) == (fault is None), words, done.stdout)
        expect(fault is None or fault in done.stdout, words, done.stdout)


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        if WORLD:
            for name in "abc":
                WORLD[name].close()
            WORLD["p"].__exit__(*sys.exc_info())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""How much may be sent, as whom, and what: limits, freezes, notices, names, secrecy marks.

By smtplib, swaks and IMAP against the daemons; `congvu sending` beside them.
"""
import email
import email.policy
import glob
import hashlib
import json
import os
import re
import smtplib
import subprocess
import sys
import time
import traceback

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                os.path.dirname(os.path.abspath(__file__))]
import kit  # noqa: E402
from harness import DOMAIN, free_ports  # noqa: E402
from kit import BUILD, expect, wait_until  # noqa: E402
from sink import Sink  # noqa: E402

TESTS = []
ZONE = kit.ZONE + """far.example. 300 IN MX 10 mx.far.example.
mx.far.example. 300 IN A 127.0.0.2
"""


def test(function):
    TESTS.append(function)
    return function


class World:
    def __init__(self):
        self.port = free_ports(1)[0]
        self.p = kit.Province(filter=False, zone=ZONE, smtpd={
            "outbound_port": self.port, "retry_min": "1s", "retry_max": "1s",
            "send_burst_window": "10m", "send_messages_day": "30", "send_rcpts_day": "400", "send_first_time_day": "100",
            "send_burst": "20", "send_burst_refused": "10",
            "send_classes": "app.messages=3 agency.messages=0"})
        self.count = 0

    def set_up(self):
        self.p.start()
        self.p.agency("snv", "Sở Nội vụ", address="snv@" + DOMAIN)
        self.p.user("snv", name="Sở Nội vụ", agency="snv")
        self.p.user("postmaster", name="Quản trị")

    def end(self, sink):
        """What was sent arrives before the server goes."""
        wait_until("an empty queue", lambda: not self.p.ask("smtpd", "queue.stats")["messages"])
        sink.close()

    def person(self, name=None, **fields):
        """A fresh account."""
        self.count += 1
        fields.setdefault("agency", "snv")
        return self.p.user(f"nguoi{self.count}.snv", name=name or f"Người Số {self.count}",
                         **fields)

    def congvu(self, *words, ok=(0,), lang="en"):
        done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf",
                               self.p.conf, *words], capture_output=True, text=True, check=False,
                              timeout=60)
        expect(done.returncode in ok, words, done.returncode, done.stdout, done.stderr)
        expect("Sanitizer" not in done.stderr, done.stderr)
        return done.stdout

    def show(self, address):
        return json.loads(self.congvu("sending", "show", address, "--json"))["account"]

    def mails(self, user, subject=""):
        box = self.p.imap(user)
        box.select(readonly=True)
        _, found = box.search(None, "ALL")
        messages = []
        for number in found[0].split():
            _, data = box.fetch(number, "(BODY.PEEK[])")
            m = email.message_from_bytes(data[0][1], policy=email.policy.default)
            if subject in m["subject"]:
                messages.append((m, data[0][1]))
        box.logout()
        return messages


def message(sender, subject="thu", more="", body="xin chao\r\n", name=None):
    who = f"{name} <{sender}>" if name else sender
    return f"From: {who}\r\nSubject: {subject}\r\n{more}\r\n{body}".encode()


def refusal(call, *args):
    """The (code, text) with which CALL is refused."""
    try:
        got = call(*args)
    except smtplib.SMTPRecipientsRefused as e:
        code, text = list(e.recipients.values())[-1]
    except smtplib.SMTPResponseException as e:
        code, text = e.smtp_code, e.smtp_error
    else:
        raise kit.Failure(f"nothing was refused: {got}")
    return code, text.decode()


@test
def a_day_s_messages_end_before_data_and_at_midnight(w):
    user = w.person(kind="app", name="Ứng dụng")
    s = w.p.submit(user)
    for _ in range(3):
        s.sendmail(user, [user], message(user))
    code, text = s.mail(user)
    expect(code == 450 and text.startswith(b"4.7.1 [POL-05.messages-day]"), code, text)
    expect(re.search(rb"00:00 \d\d/\d\d/20\d\d", text), text)
    s.quit()
    w.congvu("sending", "limit", user, "messages=5", "first-time=0")
    s = w.p.submit(user)
    s.sendmail(user, [user], message(user))
    s.quit()
    shown = w.show(user)
    expect(shown["messages"] == 4 and shown["own_limits"] == {"messages": 5, "first-time": 0},
           shown)
    w.congvu("sending", "limit", user, "messages=default", "first-time=default")
    expect(w.show(user)["own_limits"] == {}, w.show(user))
    w.congvu("sending", "limit", user, "bytes=5", ok=(1,))
    w.congvu("sending", "limit", user, "messages=many", ok=(64,))


@test
def spm_08_a_burst_freezes_every_session_and_tells_owner_agency_and_postmaster_once(w):
    sink = Sink("127.0.0.2", w.port, answers={"RCPT": "450 4.2.0 later"})
    user = w.person()
    s, other = w.p.submit(user), w.p.submit(user)
    other.mail(user)
    s.sendmail(user, [f"a{i}@far.example" for i in range(15)], message(user, "quang cao"))
    answers = []
    s.mail(user)
    for i in range(15, 30):
        answers.append(s.rcpt(f"a{i}@far.example"))
    expect([c for c, _ in answers] == [250] * 5 + [550] * 10, answers)
    expect(b"[POL-05.frozen]" in answers[5][1] and user.encode() in answers[5][1], answers[5])
    code, text = s.data(message(user))
    expect(code == 550 and b"[POL-05.frozen]" in text, code, text)
    expect(s.mail(user)[0] == 550, "the same session")
    expect(other.rcpt(user)[0] == 550, "a session that was under way")
    expect(w.p.submit(user).mail(user)[0] == 550, "a new session")
    # what was queued is held, soon and whole
    wait_until("the queue is held", lambda: [
        r["state"] for m in w.p.ask("smtpd", "queue.list")["messages"]
        for r in m["recipients"] if m["account"] == user] == ["held"] * 15)
    # each of the three hears of it once, by IMAP, readable in both languages
    for reader in (user, "snv@" + DOMAIN, "postmaster@" + DOMAIN):
        got = wait_until("the notice for " + reader,
                         lambda r=reader: [m for m in w.mails(r) if user in m[0]["subject"]])
        expect(len(got) == 1, len(got))
        m = got[0][0]
        text = m.get_content()
        expect("KHÓA GỬI" in text and "may NOT SEND" in text, text)
        expect(("congvu sending release " + user in text) == (reader != user), text)
        expect(m["auto-submitted"] == "auto-generated" and m["return-path"] == "<>", m)
        expect(m["content-type"].params["charset"] == "utf-8", m["content-type"])
    shown = w.show(user)
    expect(shown["frozen"] and shown["by"] == "burst" and shown["told"], shown)
    expect(user in w.congvu("sending", "list", "--frozen", lang="vi"))
    # released, with what was held
    sink.close()
    sink = Sink("127.0.0.2", w.port)
    out = w.congvu("sending", "release", user, "--release-queue")
    expect("1 held messages" in out, out)
    wait_until("the held mail left", lambda: sink.messages)
    expect(len(sink.messages[0].rcpts) == 15, sink.messages[0].rcpts)
    w.congvu("sending", "release", user, ok=(1,))
    s = w.p.submit(user)
    s.sendmail(user, [user], message(user))
    w.end(sink)


@test
def guessing_addresses_freezes(w):
    user = w.person()
    s = w.p.submit(user)
    s.mail(user)
    codes = [s.rcpt(f"khongco{i}@{DOMAIN}")[0] for i in range(12)]
    expect(codes == [550] * 12, codes)
    expect(b"[POL-05.frozen]" in s.rcpt(user)[1], "frozen")
    expect(w.show(user)["by"] == "refused", w.show(user))
    w.congvu("sending", "release", user)


@test
def new_addresses_and_recipients_have_a_limit_a_day(w):
    user = w.person()
    w.congvu("sending", "limit", user, "first-time=2", "recipients=6", "burst=0")
    sink = Sink("127.0.0.2", w.port)
    s = w.p.submit(user)
    s.sendmail(user, ["b1@far.example", "b2@FAR.example"], message(user))
    s.mail(user)
    expect(s.rcpt("B1@far.example")[0] == 250, "written to before")
    code, text = s.rcpt("b3@far.example")
    expect(code == 452 and b"[POL-05.first-time-day]" in text, code, text)
    expect(s.rcpt(user)[0] == 250 and s.rcpt("snv@" + DOMAIN)[0] == 250)
    expect(s.rcpt("b2@far.example")[0] == 250)
    code, text = s.rcpt("postmaster@" + DOMAIN)
    expect(code == 452 and b"[POL-05.recipients-day]" in text, code, text)
    expect(s.data(message(user))[0] == 250)
    expect(s.mail(user)[0] == 452, "before DATA")
    w.end(sink)


@test
def a_kill_keeps_counts_and_freeze(w):
    user, other = w.person(), w.person()
    sink = Sink("127.0.0.2", w.port)
    s = w.p.submit(user)
    for i in range(4):
        s.sendmail(user, [f"k{i}@far.example"], message(user))
    w.congvu("sending", "freeze", other, "--reason", "lộ mật khẩu")
    smtpd = w.p.daemons["smtpd"]
    smtpd.kill()
    smtpd.start()
    shown = w.show(user)
    expect(shown["messages"] == 4 and shown["first_time"] == 4 and shown["burst"] == 4, shown)
    expect(w.show(other)["reason"] == "lộ mật khẩu", w.show(other))
    code, text = w.p.submit(other).mail(other)
    expect(code == 550 and b"[POL-05.frozen]" in text, code, text)
    wait_until("the notice", lambda: w.mails(other, "khóa gửi"))
    time.sleep(0.3)
    expect(len(w.mails(other, "khóa gửi")) == 1)
    s = w.p.submit(user)
    s.sendmail(user, ["k0@far.example"], message(user))
    expect(w.show(user)["first_time"] == 4, "known before the kill")
    w.end(sink)


@test
def a_death_in_the_middle_of_a_freeze_tells_once(w):
    user = w.person()
    smtpd = w.p.daemons["smtpd"]
    with open(smtpd.path, "rb") as f:
        if b"sending.held" not in f.read():
            return  # built without kill points
    for point in ("sending.frozen:1", "sending.held:1", "sending.put:1"):
        smtpd.stop()
        smtpd.start({"CONGVU_KILL": point})
        s = w.p.submit(user)
        try:
            s.mail(user)
            for i in range(25):
                s.rcpt(f"c{i}@far.example")
        except smtplib.SMTPServerDisconnected:
            pass
        wait_until("the death at " + point, lambda: not smtpd.is_running())
        smtpd.start()
        if not w.show(user)["frozen"]:
            # nobody was promised anything yet: the next burst does it
            expect(point == "sending.frozen:1", point)
            w.congvu("sending", "freeze", user)
        wait_until("told after " + point, lambda: w.show(user)["told"])
        wait_until("the notice", lambda: w.mails(user, "khóa gửi"))
        got = [m[0]["message-id"] for m in w.mails(user, "khóa gửi")]
        expect(len(got) == len(set(got)), point, got)
        w.congvu("sending", "release", user)
        time.sleep(1)  # the next freeze is of another second
    expect(len(w.mails(user, "khóa gửi")) == 3, "one notice each")


@test
def an_account_that_was_suspended_sends_no_more_in_its_open_session(w):
    user = w.person()
    s = w.p.submit(user)
    s.sendmail(user, [user], message(user))
    w.p.ask("imapd", "account.suspend", address=user)
    w.p.refresh()
    code, text = s.mail(user)
    expect(code == 550 and b"[POL-05." in text, code, text)


@test
def the_register_says_the_sender_s_name(w):
    user, reader = w.person(name="Nguyễn Thị Hoa"), w.person()
    s = w.p.submit(user)
    body = "".join(f"dong {i}\t\r\n" for i in range(50)) + "\xff\r\n"
    more = "X-Odd :  value\r\n\tfolded\r\nContent-Type: multipart/signed; boundary=x\r\n"
    raw = message(user, "ten", more=more, body=body, name='"Chủ tịch tỉnh"')
    s.sendmail(user, [reader], raw)
    got = wait_until("the mail", lambda: w.mails(reader, "ten"))[0]
    addresses = got[0]["from"].addresses
    expect(addresses[0].display_name == "Nguyễn Thị Hoa" and addresses[0].addr_spec == user,
           got[0]["from"])
    # all else is as it was sent
    rest = raw[raw.index(b"\r\n") + 2:]
    expect(got[1].endswith(rest), got[1][-3000:])
    s.quit()


@test
def a_foreign_address_in_the_name_and_an_empty_sender_are_refused(w):
    user = w.person()
    s = w.p.submit(user)
    trick = message(user, name=f'"giamdoc@{DOMAIN}"')
    code, text = refusal(s.sendmail, user, [user], trick)
    expect(code == 550 and "[POL-05.from-name]" in text, code, text)
    code, text = refusal(s.sendmail, "", [user], message(user))
    expect(code == 550 and "[POL-05.null-sender]" in text, code, text)
    s.sendmail("", [user], message(user, more="Auto-Submitted: auto-replied\r\n"))
    # answers to free mail are allowed, and seen
    s.sendmail(user, [user], message(user, more="Reply-To: kin@gmail.com\r\n"))
    text = w.p.daemons["smtpd"].text()
    expect(f"account={user} domain=gmail.com" in text and "kin@" not in text, "policy.reply_to")


def volumes(w):
    """Digests of the files with the bodies of store and queue."""
    files = [f for name in ("mail", "queue")
             for f in glob.glob(f"{w.p.dir}/{name}/bodies/*")
             if "catalog" not in f and "dead" not in f]
    expect(files, "no volumes below", w.p.dir)
    digests = {}
    for name in files:
        with open(name, "rb") as f:
            digests[name] = hashlib.sha256(f.read()).hexdigest()
    return digests


@test
def pol_04_a_secrecy_mark_is_refused_without_a_filter_and_leaves_no_octet(w):
    user = w.person()
    s = w.p.submit(user)
    marker = "qwzxv" + os.urandom(8).hex()
    stored = volumes(w)
    big = "\r\n".join(marker * 4 for _ in range(8000)) + "\r\n"
    ways = {
        "subject": message(user, "=?utf-8?b?KOG7jUnhu5BJIE3huqxUKQ==?= x", body=big),
        "name": message(user, "tai lieu", more="Content-Type: application/pdf; name=\"a (TOI MAT)"
                        ".pdf\"\r\n", body=big),
        "text": f"From: {user}\r\nSubject: so {marker}\r\nContent-Type: text/plain; charset=utf-8"
                f"\r\n\r\nTỐI MẬT\r\n{marker}\r\n".encode(),
        "small": f"From: {user}\r\nSubject: (TUYỆT MẬT) {marker}\r\n\r\n{marker}\r\n".encode(),
    }
    ways["subject"] = f"From: {user}\r\nSubject: (TỐI MẬT) {marker}\r\n\r\n{big}".encode()
    for name, raw in ways.items():
        code, text = refusal(s.sendmail, user, [user, "x@far.example"], raw)
        expect(code == 550 and "[POL-04.secrecy]" in text, name, code, text)
    expect(not w.mails(user), "delivered")
    expect(w.p.ask("smtpd", "queue.stats")["messages"] == 0, "queued")
    # bodies may be compressed: no volume has changed
    expect(volumes(w) == stored, "a body was written", stored, volumes(w))
    # everything below the data folder, and what the daemons still hold open without a name
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(w.p.dir) for name in names]
    for daemon in w.p.daemons.values():
        paths += glob.glob(f"/proc/{daemon.process.pid}/fd/*")
    looked = 0
    for path in paths:
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            expect(marker.encode() not in f.read(), "a copy is left in", path)
        looked += 1
    expect(looked > 10, looked)
    # and words that only look like it pass, which these checks would have seen
    s.sendmail(user, [user], message(user, "Bao mat thong tin " + marker, body="bao mat\r\n"))
    wait_until("the mail", lambda: w.mails(user, "Bao mat"))
    expect(volumes(w) != stored, "the check sees nothing")


@test
def each_refusal_names_a_rule_that_is_explained(w):
    user = w.person()
    s = w.p.submit(user)
    answers = [
        s.docmd("MAIL", f"FROM:<{user}> SIZE=40000000"),
        s.docmd("MAIL", "FROM:<postmaster@" + DOMAIN + ">"),
        w.p.smtp("submission").docmd("MAIL", f"FROM:<{user}>"),
    ]
    mx = w.p.smtp()
    mx.ehlo()
    mx.mail("a@sender.example")
    answers += [mx.rcpt("b@far.example"), mx.rcpt("khongco@" + DOMAIN)]
    known = {r["rule"] for r in json.loads(w.congvu("policy", "explain", "--json"))["rules"]}
    for code, text in answers:
        found = re.search(rb"\[([A-Za-z0-9.-]+)\] .+ / .+", text)
        if code in (530, 550, 552):
            expect(found and found.group(1).decode() in known, code, text)
            expect(w.congvu("policy", "explain", found.group(1).decode()).count("\n") == 2)
    expect([c for c, _ in answers][0] == 552 and b"[SMT-03.size]" in answers[0][1], answers)
    expect("SIZE 29360128" in w.p.smtp("submission").ehlo()[1].decode())


@test
def swaks_hears_the_freeze(w):
    swaks = kit.need_program("swaks")
    user = w.person()
    w.congvu("sending", "freeze", user)
    done = subprocess.run([swaks, "--server", "127.0.0.1", "--port",
                           str(w.p.port["submission"]), "--tls", "--auth", "PLAIN",
                           "--auth-user", user, "--auth-password", w.p.users[user], "--from",
                           user, "--to", user, "--helo", "client.example"],
                          capture_output=True, text=True, check=False, timeout=60)
    expect(done.returncode and "550 5.7.1 [POL-05.frozen]" in done.stdout, done.stdout)
    w.congvu("sending", "release", user)


def run_all(w, names):
    failed = 0
    for function in TESTS:
        if names and function.__name__ not in names:
            continue
        try:
            function(w)
            print("ok    ", function.__name__, flush=True)
        except Exception:  # noqa: BLE001: each test reports and the others go on
            failed += 1
            print("FAILED", function.__name__, flush=True)
            traceback.print_exc()
    return failed


def main():
    w = World()
    failed = 1
    try:
        w.set_up()
        failed = run_all(w, sys.argv[1:])
    finally:
        w.p.keep = failed > 0
        w.p.stop()
    sys.exit(1 if failed else 0)


main()

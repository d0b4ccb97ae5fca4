# SPDX-License-Identifier: MPL-2.0
"""Real Postfix in front of congvu-spamfilter: what is marked, signed and refused.

Postfix runs with its own configuration, queue and data folders, on loopback, started and stopped
here; all it takes goes on to a small SMTP server of this script. XCLIENT plays clients elsewhere
and log-ins. Signatures are verified by dkimpy. usage: postfix_milter.py BUILD
"""
import os
import re
import shutil
import smtplib
import socketserver
import sys
import threading
import time
from email import message_from_bytes
from email.header import Header

import postfix_kit
from filter_kit import DOMAIN, Checks, Filter, Key, txt

try:
    import dkim
except ImportError:
    dkim = None

OUTSIDE = "203.0.113.5"   # SPF of out.test allows it
ELSEWHERE = "203.0.113.66"
OURS = "mail." + DOMAIN


# ---- where Postfix delivers ----

class Sink(socketserver.StreamRequestHandler):
    messages = []

    def handle(self):
        self.say("220 sink")
        rcpts = []
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                self.wfile.write(b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif verb == b"DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b".") else line)
                Sink.messages.append((rcpts, b"".join(lines)))
                rcpts = []
                self.say("250 kept")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                if verb == b"RCPT":
                    rcpts.append(line.strip().decode())
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


def wait_message(marker, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        for _, message in Sink.messages:
            if marker.encode() in message:
                return message
        time.sleep(0.02)
    raise AssertionError(f"no message with {marker} arrived")


# ---- Postfix ----

MAIN_CF = """
myhostname = {ours}
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8 10.0.0.0/8 203.0.113.0/24
relay_domains = {domain}
relay_transport = smtp:[127.0.0.1]:{sink}
default_transport = smtp:[127.0.0.1]:{sink}
smtp_host_lookup = native
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = no
smtpd_milters = {milter}
milter_protocol = 6
milter_default_action = tempfail
"""

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
"""


class Postfix(postfix_kit.Postfix):
    def __init__(self, milter, sink_port):
        super().__init__(MAIN_CF, MASTER_CF, ours=OURS, domain=DOMAIN, sink=sink_port, milter=milter)

    def send(self, message, sender, rcpts, client=OUTSIDE, login=None, helo="mail.out.test"):
        """The server's last answer: (code, text)."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30, local_hostname=helo) as s:
            s.ehlo()
            words = f"ADDR={client} NAME=[UNAVAILABLE]" + (f" LOGIN={login}" if login else "")
            code, text = s.docmd("XCLIENT", words)
            if code != 220:
                return code, text.decode()
            s.ehlo_resp = s.helo_resp = None
            s.ehlo(helo)
            for command in [f"FROM:<{sender}> BODY=8BITMIME"]:
                code, text = s.docmd("MAIL", command)
            for rcpt in rcpts:
                if code == 250:
                    code, text = s.docmd("RCPT", f"TO:<{rcpt}>")
            if code == 250:
                code, text = s.data(message)
            return code, text.decode()


# ---- messages ----

def letter(sender, subject, body, more="", to=f"nvhoa.stp@{DOMAIN}"):
    if any(ord(c) > 126 for c in subject):
        subject = Header(subject, "utf-8").encode()
    text = (f"{more}From: {sender}\nTo: {to}\nSubject: {subject}\n"
            f"Date: Mon, 23 Nov 2026 08:00:00 +0700\nMessage-ID: <{time.time_ns()}@out.test>\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            f"Content-Transfer-Encoding: 8bit\n\n{body}\n")
    return text.replace("\n", "\r\n").encode()


def results(message):
    return [re.sub(r"\s+", " ", v) for v in
            message_from_bytes(message).get_all("Authentication-Results", [])]


def signatures(message):
    return message_from_bytes(message).get_all("DKIM-Signature", [])


class Lookup:
    """dkimpy's DNS: the same records as in the zone."""

    def __init__(self, records):
        self.records = records

    def __call__(self, name, timeout=5):
        return self.records.get(name.decode().rstrip("."), "").encode() or None


def verified(message, records):
    d = dkim.DKIM(message)
    return [d.verify(idx=i, dnsfunc=Lookup(records)) for i in range(len(signatures(message)))]


# ---- the checks ----

def check_incoming(check, postfix, outside_key):
    body = "Kính gửi quý cơ quan,\n\nLine with  blanks \n.dot\n\n"
    plain = letter("Người dân <citizen@out.test>", "in-1", body)
    signature = dkim.sign(plain, b"sel", b"out.test", outside_key.pem,
                          canonicalize=(b"relaxed", b"relaxed"))
    forged = (f"Authentication-Results: {OURS};\r\n spf=pass smtp.mailfrom=x@gov.test\r\n"
              "Authentication-Results: other.test; spf=pass\r\n"
              f"AUTHENTICATION-RESULTS: (x) {OURS.upper()} 1; dkim=pass\r\n"
              "X-Congvu-Policy: trusted\r\nX-Congvu-Verdict: pass; score=-9; rules=none\r\n").encode()
    code, text = postfix.send(signature + forged + plain, "citizen@out.test",
                              [f"nvhoa.stp@{DOMAIN}"])
    check("outside mail is taken", code == 250, text)
    message = wait_message("Subject: in-1")
    found = results(message)
    check("one result of ours, on top", len(found) == 2 and found[0].startswith(OURS + ";"), found)
    check("another's result stays", found[-1:] == ["other.test; spf=pass"], found)
    for word in ("spf=pass smtp.mailfrom=citizen@out.test",
                 "dkim=pass header.d=out.test header.s=sel",
                 "dmarc=pass (p=reject) header.from=out.test"):
        check(word, word in found[0], found)
    parsed = message_from_bytes(message)
    check("forged policy is gone", not parsed.get_all("X-Congvu-Policy"))
    check("one verdict", parsed.get_all("X-Congvu-Verdict") == ["pass; score=0.0; rules=none"],
          parsed.get_all("X-Congvu-Verdict"))
    check("the signature of the sender still verifies",
          verified(message, {"sel._domainkey.out.test": outside_key.record}) == [True])

    broken = signature + plain.replace(b"blanks", b"blinks").replace(b"in-1", b"in-1")
    code, text = postfix.send(broken.replace(b"Line with", b"in-2 with"), "citizen@out.test",
                              [f"a@{DOMAIN}"])
    found = results(wait_message("in-2 with"))
    check("a changed body fails", "dkim=fail (body hash does not match)" in found[0], found)
    check("SPF alone still passes DMARC", "dmarc=pass" in found[0], found)

    code, text = postfix.send(letter("x@none.test", "in-3", "x"), "x@none.test", [f"a@{DOMAIN}"],
                              client=ELSEWHERE)
    found = results(wait_message("Subject: in-3"))
    check("nothing known", "spf=none" in found[0] and "dkim=none" in found[0], found)

    code, text = postfix.send(letter("x@out.test", "in-4", "x"), "x@out.test", [f"a@{DOMAIN}"],
                              client=ELSEWHERE)
    check("SPF fail is refused", code == 550 and "5.7.23" in text, (code, text))

    code, text = postfix.send(letter("", "in-5", "x").replace(b"From: ", b"From: MAILER"), "",
                              [f"a@{DOMAIN}"], helo="mail.out.test")
    found = results(wait_message("Subject: in-5"))
    check("a bounce is judged by HELO", "spf=pass smtp.helo=mail.out.test" in found[0], found)


def check_forged(check, postfix):
    rows = [
        ("plainly", f"Lãnh đạo <ct@{DOMAIN}>", "x@none.test", 550),
        ("with a subdomain's signature missing", f"a@{DOMAIN}, b@none.test", "x@none.test", 550),
        ("in a second From", f"x@none.test\nFrom: ct@{DOMAIN}", "x@none.test", 550),
        ("in a group", f"Leaders: ct@{DOMAIN};", "x@none.test", 550),
        ("in the envelope alone", "x@none.test", f"ct@{DOMAIN}", 550),
        ("not at all", "x@none.test", "x@none.test", 250),
    ]
    for name, author, sender, want in rows:
        code, text = postfix.send(letter(author, "forged", "x"), sender, [f"a@{DOMAIN}"],
                                  client=ELSEWHERE)
        check(f"our domain forged {name}", code == want, (code, text))
        if want == 550:
            check("the answer is in both languages", "5.7.1" in text and " / " in text, text)
            check("and in ASCII", text.isascii(), text)


def check_submission(check, postfix, records):
    author = f"{Header('Nguyễn Văn Hòa', 'utf-8').encode()} <nvhoa.stp@{DOMAIN}>"
    rows = [
        ("by log-in", "out-1", OUTSIDE, f"nvhoa.stp@{DOMAIN}", "Kính gửi\n\ntrailing  \n\n\n"),
        ("from our network", "out-2", "10.1.2.3", None, "x"),
        ("of two megabytes", "out-3", "10.1.2.3", None, ("0123456789 " * 7 + "\n") * 27000),
        ("without a body", "out-4", "10.1.2.3", None, ""),
    ]
    for name, subject, client, login, body in rows:
        code, text = postfix.send(letter(author, subject + " thông báo", body, to="a@none.test"),
                                  f"nvhoa.stp@{DOMAIN}", ["a@none.test"], client=client,
                                  login=login)
        check(f"submission {name} is taken", code == 250, (code, text))
        encoded = Header(subject + " thông báo", "utf-8").encode()
        message = wait_message(encoded)
        found = signatures(message)
        check(f"{name}: two signatures", len(found) == 2, found)
        kinds = sorted(re.search(r"a=([a-z0-9-]+)", f).group(1) for f in found)
        check(f"{name}: RSA and ed25519", kinds == ["ed25519-sha256", "rsa-sha256"], kinds)
        check(f"{name}: both verify with dkimpy", verified(message, records) == [True, True])
        named = [re.search(r";h=([^;]*)", re.sub(r"\s", "", f.lower())).group(1) for f in found]
        check(f"{name}: From is oversigned",
              [n.split(":").count("from") for n in named] == [2, 2], named)
        check(f"{name}: no verdict of ours goes out", not results(message), results(message))
        changed = message.replace(b"To: a@none.test", b"To: b@none.test")
        check(f"{name}: a change breaks it", verified(changed, records) == [False, False])

    code, text = postfix.send(letter("x@none.test", "out-5", "x", to="a@none.test"), "x@none.test",
                              ["a@none.test"], client="10.1.2.3")
    check("a domain without keys is not signed",
          code == 250 and not signatures(wait_message("Subject: out-5")), (code, text))


def check_secrecy(check, postfix, mail_filter):
    author = f"nvhoa.stp@{DOMAIN}"
    file_part = ("--b\nContent-Type: text/plain\n\nxem tệp\n--b\nContent-Type: application/pdf\n"
                 "Content-Disposition: attachment; filename*=UTF-8''%5BM%E1%BA%ACT%5D%20k.pdf\n"
                 "Content-Transfer-Encoding: base64\n\nJVBERi0=\n--b--")
    multipart = letter(author, "files", file_part, to="a@none.test").replace(
        b"text/plain; charset=utf-8", b"multipart/mixed; boundary=b", 1)
    rows = [
        ("in the subject", letter(author, "[TUYỆT MẬT] Kế hoạch", "x", to="a@none.test"), 550),
        ("in a file's name", multipart, 550),
        ("not in a password notice", letter(author, "Đổi mật khẩu, bảo mật", "x"), 250),
    ]
    for name, message, want in rows:
        code, text = postfix.send(message, author, ["a@none.test"], login=author)
        check(f"secrecy mark {name}", code == want, (code, text))
        if want == 550:
            check("says why", "state secret" in text and "do mat" in text and text.isascii(), text)
    log = mail_filter.log()
    check("the log has the rule", "rule=POL-04.secrecy" in log)
    check("but no subject", "hoạch" not in log and "subject_hash=" in log)
    postfix.send(letter("x@none.test", "[MẬT] in-6", "x"), "x@none.test", [f"a@{DOMAIN}"],
                 client=ELSEWHERE)
    message = message_from_bytes(wait_message(Header("[MẬT] in-6", "utf-8").encode()))
    check("from outside it is marked", message["X-Congvu-Policy"] == "secrecy-mark",
          message["X-Congvu-Policy"])


def check_signup(check, postfix, mail_filter):
    body = ("Cảm ơn bạn đã đăng ký.\nMã xác nhận của bạn là 482913, mã có hiệu lực trong 10 phút.\n"
            "https://shop.test/verify?token=a8f3k29dk20dkf93jfk20d\n")
    for name, author, marked in (("shop", "no-reply@shop.test", True),
                                 ("allowed", "no-reply@allowed.test", False)):
        subject = f"Xác nhận email: {name}"
        unsubscribe = "List-Unsubscribe: <https://shop.test/u>\n"
        postfix.send(letter(author, subject, body, more=unsubscribe), author,
                     [f"nvhoa.stp@{DOMAIN}"], client=ELSEWHERE)
        message = message_from_bytes(wait_message(Header(subject, "utf-8").encode()))
        check(f"sign-up at {name}", (message["X-Congvu-Policy"] == "signup") == marked,
              message["X-Congvu-Verdict"])
    events = mail_filter.ask(do="signup.list", days=1)
    row = (events.get("events") or [{}])[0]
    check("one event is kept", len(events.get("events", [])) == 1, events)
    facts = [row.get(name) for name in ("address", "domain", "class", "count")]
    check("with its facts",
          facts == [f"nvhoa.stp@{DOMAIN}", "shop.test", "confirm", 1], row)
    status = mail_filter.ask(do="status")
    check("status counts", status.get("ok") and status["signups"] == 1 and status["messages"] > 5,
          status)
    check("an unknown request is refused", mail_filter.ask(do="nothing")["ok"] is False)


def check_actions(check, postfix, mail_filter):
    """What each action becomes under Postfix, and that a person's box and a public one differ."""
    body = "Cảm ơn bạn đã đăng ký.\nMã xác nhận của bạn là 482913, mã có hiệu lực trong 10 phút.\n"
    author, hold = "no-reply@shop.test", os.path.join(postfix.dir, "queue", "hold")

    def held():
        return sum(len(files) for _, _, files in os.walk(hold))
    for weight, to, want, verdict, holds in (
            ("0.0", "nvhoa.stp", 250, "mark", 0), ("5.5", "nvhoa.stp", 250, "junk", 0),
            ("8.5", "nvhoa.stp", 451, "", 0), ("12.0", "nvhoa.stp", 250, "", 1),
            ("30.0", "nvhoa.stp", 550, "", 0), ("30.0", "tiepdan", 250, "", 1)):
        mail_filter.put_weights(f"signup {weight}\n")
        before, subject = held(), f"Xác nhận email: {weight} {to}"
        code, text = postfix.send(letter(author, subject, body), author, [f"{to}@{DOMAIN}"],
                                  client=ELSEWHERE)
        check(f"weight {weight} to {to}", code == want, (code, text))
        check(f"weight {weight} to {to}: on hold", held() - before == holds, held())
        if verdict:
            message = message_from_bytes(wait_message(Header(subject, "utf-8").encode()))
            found = message.get_all("X-Congvu-Verdict")
            check(f"weight {weight}: {verdict}", len(found) == 1
                  and found[0].startswith(verdict + "; ") and f"signup({weight})" in found[0], found)
    mail_filter.put_weights("")


def check_rotation(check, postfix, mail_filter, records):
    key = Key("rsa")
    mail_filter.put_key("s2", key)
    mail_filter.set_current(["s2"])
    mail_filter.reload()
    records[f"s2._domainkey.{DOMAIN}"] = key.record
    author = f"nvhoa.stp@{DOMAIN}"
    postfix.send(letter(author, "out-6", "x", to="a@none.test"), author, ["a@none.test"],
                 login=author)
    message = wait_message("Subject: out-6")
    check("after rotation the new key signs",
          len(signatures(message)) == 1 and "s=s2" in signatures(message)[0], signatures(message))
    check("and verifies", verified(message, records) == [True])


def check_absence(check, postfix, mail_filter):
    """The filter is gone, then back: Postfix defers, nothing passes unseen."""
    check("the filter ends cleanly", mail_filter.stop() == 0)
    code, text = postfix.send(letter("x@none.test", "in-7", "x"), "x@none.test", [f"a@{DOMAIN}"])
    check("without the filter mail is deferred", 400 <= code < 500, (code, text))
    mail_filter.start()
    code, text = postfix.send(letter("x@none.test", "in-8", "x"), "x@none.test", [f"a@{DOMAIN}"])
    check("with it again mail is taken", code == 250, (code, text))
    check("and judged", results(wait_message("Subject: in-8"))[:1] != [])
    events = mail_filter.ask(do="signup.list").get("events", [])
    check("events outlive the filter", f"nvhoa.stp@{DOMAIN}" in [e["address"] for e in events], events)


def main():
    if dkim is None or not shutil.which("postfix") or os.geteuid() != 0:
        print("needs root, postfix and python3-dkim")
        return 77
    build = sys.argv[1]
    keys = {"s1": Key("rsa"), "s1-ed": Key("ed25519")}
    outside_key = Key("rsa")
    records = {f"{name}._domainkey.{DOMAIN}": key.record for name, key in keys.items()}
    zone = "$TTL 300\n" + "".join([
        txt("out.test.", f"v=spf1 ip4:{OUTSIDE} -all"), txt("mail.out.test.", "v=spf1 +all"),
        txt("_dmarc.out.test.", "v=DMARC1; p=reject"),
        txt("sel._domainkey.out.test.", outside_key.record)]
        + [txt(name + ".", record) for name, record in records.items()])
    sink = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink)
    sink.daemon_threads = True
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    mail_filter = Filter(build, zone, keys, "submission_networks = 10.1.0.0/16\n"
                         "signup_allow_file = allow.txt\nweights_file = weights.txt\n"
                         f"score_greylist = 8\npublic_boxes = tiepdan@{DOMAIN}\n")
    with open(os.path.join(mail_filter.dir, "allow.txt"), "w", encoding="utf-8") as f:
        f.write("allowed.test 2099-12-31 hợp đồng phần mềm\n")
    mail_filter.put_weights("")
    postfix = Postfix(f"inet:127.0.0.1:{mail_filter.port}", sink.server_address[1])
    check = Checks()
    try:
        mail_filter.start()
        postfix.start()
        check_incoming(check, postfix, outside_key)
        check_forged(check, postfix)
        check_submission(check, postfix, records)
        check_secrecy(check, postfix, mail_filter)
        check_signup(check, postfix, mail_filter)
        check_actions(check, postfix, mail_filter)
        check_rotation(check, postfix, mail_filter, records)
        check_absence(check, postfix, mail_filter)
        check("the filter ends cleanly again", mail_filter.stop() == 0)
        check("no complaint of a sanitizer", "Sanitizer" not in mail_filter.log())
    finally:
        if check.failed or sys.exc_info()[0]:
            print(mail_filter.log()[-6000:], postfix.log()[-3000:])
        postfix.stop()
        mail_filter.stop()
        shutil.rmtree(mail_filter.dir, ignore_errors=True)
        sink.shutdown()
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu diagnose` (OPS-03): every cause is made on purpose, then named in plain words with what to
do next; and `congvu trace` by Message-ID (DOC-06). Nothing of subjects or content is shown."""
import json
import os
import re
import smtplib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import fake_milter as fm  # noqa: E402
from fake_milter import FakeMilter, packet  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import (BUILD, DOMAIN, PASSWORD, PATIENCE, ZONE, Province, expect,  # noqa: E402
                 wait_until)
from sink import Sink  # noqa: E402

ENV = {**os.environ, "ASAN_OPTIONS": "exitcode=99"}
FAR_PORT = free_ports(1)[0]
SECRET = "bi mat khong duoc hien"
REPLIES = {"spf@": "550 5.7.23 SPF fail", "dkim@": "550 5.7.20 DKIM signature bad",
           "chan@": "550 5.7.1 client is blocked by our list", "khong@": "550 5.1.1 no such user",
           "day@": "452 4.2.2 mailbox full", "lon@": "552 5.3.4 too large",
           "cho@": "450 4.3.0 come later"}
FAR = ZONE + """far.example. 60 IN MX 10 mx.far.example.
mx.far.example. 60 IN A 127.0.0.7
nomail.example. 60 IN MX 0 .
"""
SEEN = set()


class World:
    def __init__(self):
        self.filter = FakeMilter()
        self.sink = Sink("127.0.0.7", FAR_PORT, answers={"RCPT": lambda line, _: next(
            (r for word, r in REPLIES.items() if word in line), None)})
        self.p = Province(filter=False, zone=FAR, main={"inside_networks": "127.0.0.1/32"},
                          imapd={"max_conns_per_user": "4", "quota_notices": "no"},
                          smtpd={"milters": self.filter.name(), "outbound_port": str(FAR_PORT),
                                 "retry_min": "1h", "retry_max": "1h", "send_burst": "3",
                                 "send_messages_day": "500"})
        self.p.__enter__()
        self.p.agency("stp", "Sở Tư pháp")
        self.number = 0

    def done(self):
        self.filter.close()
        self.p.__exit__(*sys.exc_info())

    def user(self, local, **fields):
        return self.p.user(local, agency="stp", **fields)

    def ask(self, do, **fields):
        answer = self.p.ask("imapd", do, **fields)
        self.p.refresh()
        return answer

    def congvu(self, *words, lang="en"):
        return subprocess.run(
            [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", self.p.conf, *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE * 2,
            env=ENV, check=False)

    def diagnose(self, *words):
        done = self.congvu("diagnose", *words, "--json")
        expect(done.returncode in (0, 1, 2), words, done)
        expect(SECRET not in done.stdout, "a subject or content is shown", done.stdout)
        return {c["id"]: c for c in json.loads(done.stdout)["causes"]}

    def named(self, cause, *words, has=()):
        """The diagnosis of WORDS names CAUSE, with these facts, and says what to do."""
        causes = self.diagnose(*words)
        expect(cause in causes, cause, "is not among", sorted(causes))
        for text in (has,) if isinstance(has, str) else has:
            expect(text in causes[cause]["facts"], text, "is not in", causes[cause])
        expect(causes[cause]["next"], cause, "says nothing to do")
        SEEN.add(cause)
        print(f"ok  {cause}", flush=True)
        return causes[cause]

    def unnamed(self, cause, *words):
        causes = self.diagnose(*words)
        expect(cause not in causes, cause, causes.get(cause))

    def send(self, to, sender="a@sender.example", port="mx", verdict=None, mid=None):
        self.number += 1
        mid = mid or f"thu-{self.number}@sender.example"
        self.filter.reset()
        if verdict:
            self.filter.answers["E"] = [fm.insert_header(
                0, b"X-Congvu-Verdict", f" {verdict}; score=9.1; rules=x(9.1)".encode())] + (
                    [packet("q", b"x\0")] if verdict == "quarantine" else []) + [packet("c")]
        text = f"From: <{sender}>\r\nMessage-ID: <{mid}>\r\nSubject: {SECRET}\r\n\r\n{SECRET}\r\n"
        s = self.p.smtp("mx") if port == "mx" else self.p.submit(sender)
        try:
            s.sendmail(sender, to if isinstance(to, list) else [to], text.encode())
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as fault:
            return mid, fault
        finally:
            s.close()
        return mid, None

    def try_login(self, user, password, source="127.0.0.1"):
        s = smtplib.SMTP(self.p.host, self.p.port["submission"], timeout=PATIENCE,
                         source_address=(source, 0))
        s.starttls(context=self.p.context())
        try:
            s.login(user, password)
            return True
        except smtplib.SMTPException:
            return False
        finally:
            s.close()


def ops_03_the_address(w):
    an = w.user("an.nguyen")
    causes = w.diagnose(an)
    expect(not [c for c in causes.values() if c["degree"] == "fault"
                and c["id"] not in ("filter-down", "our-dns-wrong")], causes)
    w.named("unknown-address", f"an.nguyne@{DOMAIN}", has=f"{an}")
    w.named("outside-address", "ai-do@far.example")
    w.named("their-domain", "ai-do@khong-co.example", has="no such domain")
    w.named("their-domain", "ai-do@nomail.example", has="takes no mail")
    w.unnamed("their-domain", "ai-do@far.example")
    w.ask("alias.add", address=an, alias=f"annguyen@{DOMAIN}")
    w.named("alias", f"annguyen@{DOMAIN}", has=an)
    binh = w.user("binh")
    w.ask("account.suspend", address=binh, reason="theo van ban 12")
    actor = w.named("suspended", binh, has=time.strftime("%Y"))
    expect(re.search(r", \S+: theo van ban 12", actor["facts"]), "who did it", actor)
    w.ask("account.resume", address=binh)
    w.unnamed("suspended", binh)
    chi, dung = w.user("chi"), w.user("dung")
    w.ask("account.retire", address=chi, successor=dung)
    w.named("retired", chi, has=dung)
    w.p.account(f"moi@{DOMAIN}", agency="stp", override=True, reason="test")
    w.named("no-password", f"moi@{DOMAIN}")


def ops_03_locked_full_dns_each_named(w):
    """The acceptance example of the requirement."""
    khoa = w.user("khoa")
    for _ in range(5):
        expect(not w.try_login(khoa, "sai mat khau"), "a wrong password is wrong")
    w.named("locked", khoa, has="127.0.0.1 until")
    w.named("wrong-password", khoa, has="127.0.0.1")
    w.ask("account.unlock", address=khoa)
    w.p.ask("smtpd", "auth.unlock", address=khoa)
    w.unnamed("locked", khoa)
    day = w.user("day", quota=4000)
    for _ in range(30):
        if w.send(day)[1]:
            break
    causes = w.diagnose(day)
    expect("box-full" in causes or "box-nearly-full" in causes, causes)
    w.ask("quota.set", address=day, quota=1000)
    w.named("box-full", day)
    w.ask("quota.set", address=day, quota=10 ** 9)
    w.unnamed("box-full", day)
    used = w.ask("account.show", address=day)["account"]["used_bytes"]
    w.ask("quota.set", address=day, quota=used * 100 // 85)
    w.named("box-nearly-full", day, has="MB")
    w.named("our-dns-wrong", day, has=f"_dmarc.{DOMAIN} TXT")
    text = w.congvu("diagnose", khoa, lang="vi")
    expect("DNS của miền này sai" in text.stdout and "→" in text.stdout, text)


def ops_03_logging_in(w):
    em = w.user("em")
    expect(not w.try_login(em, PASSWORD, source="127.0.0.9"), "outside with the own password")
    w.named("outside-own-password", em, has="127.0.0.9")
    w.try_login("mat khau go nham o ten", "x")
    w.try_login(f"go.nham@{DOMAIN}", "x")
    kept = w.p.ask("smtpd", "auth.recent", address=f"go.nham@{DOMAIN}")["recent"]
    expect(kept and kept[0]["login"] == f"go.nham@{DOMAIN}", kept)
    kept = w.p.ask("smtpd", "auth.recent", address="mat khau go nham o ten")["recent"]
    expect(not kept, "what may be a password is not kept", kept)
    giang = w.user("giang")
    w.ask("alias.add", address=giang, alias=f"giang.cu@{DOMAIN}")
    expect(w.try_login(f"giang.cu@{DOMAIN}", PASSWORD), "an alias logs in")
    w.named("old-name", giang, has=f"giang.cu@{DOMAIN}")
    ha = w.user("ha", must_change=True)
    w.named("must-change-password", ha, has="until")
    sessions = [w.p.imap(em) for _ in range(4)]
    w.named("many-sessions", em, has="4 / 4")
    for s in sessions:
        s.logout()


def ops_03_shared_boxes_and_routes(w):
    role = f"vanthu@{DOMAIN}"
    w.p.account(role, kind="role", agency="stp", override=True, reason="test")
    w.named("no-holder", role)
    khanh, lan = w.user("khanh"), w.user("lan")
    w.ask("role.hold", role=role, holder=khanh)
    w.unnamed("no-holder", role)
    w.named("no-rights", lan, "--with", role, has=f"{lan} → {role}")
    w.unnamed("no-rights", khanh, "--with", role)
    w.ask("forward.add", **{"from": lan, "to": khanh, "reason": "test"})
    w.named("forwarded", lan, has=khanh)
    minh = w.user("minh")
    w.ask("forward.add", **{"from": minh, "to": khanh, "reason": "test", "keep": False})
    w.named("forwarded-away", minh, has=khanh)
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() + 3 * 86400))
    w.ask("absence.set", address=khanh, until=day, vi="di cong tac")
    w.named("absence", khanh, has="until")
    pool = w.user("trong.pool")
    w.send(pool)
    w.ask("quota.set", agency="stp", pool=1)
    w.named("pool-full", pool, has="stp")
    w.ask("quota.set", agency="stp", pool=0)


def ops_03_sending(w):
    nga = w.user("nga")
    w.p.ask("smtpd", "sending.freeze", address=nga, reason="nghi lo mat khau")
    w.named("frozen", nga, has="nghi lo mat khau")
    w.p.ask("smtpd", "sending.release", address=nga)
    w.p.ask("smtpd", "sending.limit", address=nga, limits={"messages": 1})
    w.send(f"an.nguyen@{DOMAIN}", sender=nga, port="submission")
    w.named("sending-limit", nga, has="messages 1 / 1")


def ops_03_what_others_answer(w):
    oanh = w.user("oanh")
    w.p.ask("smtpd", "sending.limit", address=oanh, limits={"burst": 0})
    for cause, local in (("refused-spf", "spf"), ("refused-dkim", "dkim"),
                         ("refused-reputation", "chan"), ("unknown-there", "khong"),
                         ("full-there", "day"), ("too-big-there", "lon")):
        mid, fault = w.send(f"{local}@far.example", sender=oanh, port="submission")
        expect(not fault, fault)
        wait_until(f"{cause} is in the trace", lambda: cause in w.diagnose(f"<{mid}>"), every=0.3)
        w.named(cause, f"<{mid}>", has=f"{local}@far.example")
    mid, _ = w.send("ai@khong-co-that.example", sender=oanh, port="submission")
    wait_until("the domain was looked for", lambda: "no-mx" in w.diagnose(mid), every=0.3)
    w.named("no-mx", mid)
    w.send("cho@far.example", sender=oanh, port="submission")
    wait_until("it waits", lambda: "waiting" in w.diagnose("cho@far.example"), every=0.3)
    w.named("waiting", "cho@far.example", has=("next try", "come later"))
    w.named("waiting", oanh)
    w.p.ask("smtpd", "queue.hold", all=True, recipient="cho@far.example")
    w.named("held", "cho@far.example")


def ops_03_our_own_filter_and_rules(w):
    phuc = w.user("phuc")
    w.send(phuc, verdict="junk")
    w.named("put-in-junk", phuc)
    w.send(phuc, verdict="quarantine")
    w.named("quarantined", phuc, has="a@sender.example")
    w.named("put-in-quarantine", phuc)
    quy = w.user("quy")
    w.filter.reset()
    _, fault = w.send(f"khong-co-ai@{DOMAIN}", sender=quy, port="submission")
    expect(fault, "an unknown recipient is refused")
    w.named("refused", quy, has="550")
    w.filter.reset()
    w.filter.answers["E"] = [packet("y", b"451 4.7.1 come again [SPM-01.greylist]\0")]
    s = w.p.smtp("mx")
    try:
        s.sendmail("la@sender.example", [quy], f"Message-ID: <xam@x.example>\r\n\r\nx\r\n")
        expect(False, "greylisted")
    except smtplib.SMTPResponseException:
        pass
    finally:
        s.close()
    w.filter.reset()
    w.named("greylisted", "<xam@x.example>")


def doc_06_trace_by_message_id_end_to_end(w):
    son, tam = w.user("son"), w.user("tam")
    mid, fault = w.send([son, tam, "xa@far.example"], sender=son, port="submission")
    expect(not fault, fault)
    wait_until("the far side has it", lambda: any("xa@far.example" in m.rcpts
               for m in w.sink.messages))

    def course():
        got = w.congvu("trace", f"<{mid}>", "--json")
        records = [r for rs in json.loads(got.stdout)["messages"].values() for r in rs]
        return records if any(r["e"] == "out" for r in records) else None
    records = wait_until("the whole course", course, every=0.2)
    events = [r["e"] for r in records]
    for event in ("mail", "rcpt", "data", "box", "end", "out"):
        expect(event in events, event, events)
    expect({r["to"] for r in records if r["e"] == "box"} == {son, tam}, records)
    expect(SECRET not in json.dumps(records), "no content")
    w.named("unread", mid, has=(son, tam))
    w.named("delivered", mid, has="xa@far.example")
    w.course = mid, son, tam


def ops_03_where_a_message_is(w):
    mid, son, tam = w.course
    box = w.p.imap(tam)
    box.select("INBOX")
    box.fetch("1", "(BODY[])")
    w.named("read", mid, has=tam)
    box.create("Viec")
    box.uid("MOVE", "1", "Viec")
    w.named("moved", mid, has=f"{tam}: Viec")
    box.select("Viec")
    box.store("1", "+FLAGS", r"(\Deleted)")
    box.expunge()
    box.logout()
    w.named("removed-by-owner", mid, has=(tam, "Viec", "restorable until"))
    box = w.p.imap(son)
    box.select("INBOX")
    names = [line.decode() for line in box.list()[1]]
    for use, cause in (("Junk", "in-junk"), ("Trash", "in-trash")):
        name = next(re.search(r' ("[^"]*"|\S+)$', n).group(1) for n in names if "\\" + use in n)
        uid = box.uid("SEARCH", None, "ALL")[1][0].split()[-1].decode()
        expect(box.uid("MOVE", uid, name)[0] == "OK", name)
        box.select(name)
        w.named(cause, mid, has=son)
    box.logout()
    w.named("message-unknown", "<khong-co-thu-nay@x.example>")


def ops_03_the_service(w):
    w.named("filter-down", f"an.nguyen@{DOMAIN}")
    w.p.daemons["smtpd"].stop()
    w.named("smtpd-down", f"an.nguyen@{DOMAIN}")
    with open(w.p.conf, encoding="utf-8") as f:
        conf = f.read()
    with open(w.p.conf, "w", encoding="utf-8") as f:
        f.write(conf + "\n[smtpd]\ndisk_reserve = 100000T\n")
    done = w.congvu("diagnose", f"an.nguyen@{DOMAIN}", "--json")
    if done.returncode == 78:  # as large as the option takes
        with open(w.p.conf, "w", encoding="utf-8") as f:
            f.write(conf + "\n[smtpd]\ndisk_reserve = 1T\n")
    w.named("disk-full", f"an.nguyen@{DOMAIN}")
    ENV["CONGVU_CLOCK_SHIFT"] = str(40 * 86400)  # the certificate is good for 30 days
    w.named("certificate-expired", f"an.nguyen@{DOMAIN}", has="cert.pem")
    del ENV["CONGVU_CLOCK_SHIFT"]
    with open(w.p.conf, "w", encoding="utf-8") as f:
        f.write(conf)
    w.p.daemons["imapd"].stop()
    w.p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": "36000"})
    w.named("clock-wrong", f"an.nguyen@{DOMAIN}", has="imapd +36000 s")
    muon = w.user("muon", must_change=True)
    w.p.daemons["imapd"].stop()
    w.named("imapd-down", muon)
    w.p.daemons["imapd"].start()
    w.p.daemons["smtpd"].start()
    w.ask("account.show", address=muon)


def ops_03_a_first_password_that_ran_out(w):
    ngay = w.user("ngay", must_change=True)
    w.p.daemons["smtpd"].stop()
    w.p.daemons["imapd"].stop()
    env = dict(ENV)
    ENV["CONGVU_CLOCK_SHIFT"] = str(6 * 3600 + 60)
    w.p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": ENV["CONGVU_CLOCK_SHIFT"]})
    w.named("first-password-expired", ngay)
    w.p.daemons["imapd"].stop()
    ENV["CONGVU_CLOCK_SHIFT"] = str(46 * 86400)
    w.p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": ENV["CONGVU_CLOCK_SHIFT"]})
    w.p.ask("imapd", "dormant.run")
    w.named("dormant", f"an.nguyen@{DOMAIN}", has="no log-in")
    ENV.clear()
    ENV.update(env)
    w.p.daemons["imapd"].stop()
    w.p.daemons["imapd"].start()
    w.p.daemons["smtpd"].start()


def ops_03_for_people(w):
    an = f"an.nguyen@{DOMAIN}"
    text = w.congvu("diagnose", an, lang="vi")
    expect("Sở" in text.stdout or "stp" in text.stdout, text)
    expect(w.congvu("diagnose").returncode == 64, "an address is needed")
    guide = w.congvu("diagnose", "--guide", lang="vi").stdout
    ids = set(re.findall(r"\(`([a-z-]+)`\)", guide))
    expect(len(ids) >= 50 and SEEN <= ids, "every cause stands in the guide", SEEN - ids)
    expect(len(SEEN) >= 40, "causes tested:", len(SEEN))
    print(f"ok  {len(SEEN)} of {len(ids)} causes; not made here: {sorted(ids - SEEN)}")


def main():
    w = World()
    try:
        for name, test in list(globals().items()):
            if re.match(r"(ops|doc)_\d\d_", name) and (not sys.argv[1:] or name in sys.argv[1:]):
                began = time.monotonic()
                test(w)
                print(f"ok  {name.replace('_', ' '):<60} {time.monotonic() - began:5.1f} s",
                      flush=True)
    finally:
        w.done()


if __name__ == "__main__":
    main()

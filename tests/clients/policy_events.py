#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What the policy for official addresses counts and tells, from mail to report: sign-ups, the
allow-list, free mail (POL-01, POL-02, POL-03, POL-08)."""
import datetime
import email
import email.policy
import json
import os
import subprocess
import sys
import tempfile
from email.message import EmailMessage

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, DOMAIN, Province, expect, run_tests, wait_until  # noqa: E402

ZONE = ('shop.example TXT "v=spf1 ip4:127.0.0.1 -all"\nshop.example A 127.0.0.1\n'
        'tax.example TXT "v=spf1 ip4:127.0.0.1 -all"\ntax.example A 127.0.0.1\n')


def congvu(p, *words, code=0):
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--conf", p.conf, "--lang", "en",
                           *words], capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def letter(sender, to, subject, text):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, to, subject
    m["Date"], m["Message-ID"] = email.utils.localtime(), email.utils.make_msgid(domain="x.example")
    m.set_content(text)
    return m


def sign_up(p, to, domain="shop.example", code="482913"):
    with p.smtp() as s:
        s.send_message(letter(f"Shop <no-reply@{domain}>", to, "Xác nhận địa chỉ email của bạn",
                              f"Mã xác thực của bạn là {code}, có hiệu lực trong 10 phút."),
                       f"no-reply@{domain}", [to])


def events(p, *words):
    return json.loads(congvu(p, "policy", "signups", "--json", *words))["events"]


def subjects(p, user):
    c = p.imap(user)
    c.select("INBOX")
    _, got = c.fetch("1:*", "(BODY.PEEK[HEADER])")
    return [str(email.message_from_bytes(g[1], policy=email.policy.default)["Subject"])
            for g in got if isinstance(g, tuple)]


def province(**more):
    allow = more.pop("allow", None)
    options = {"signup_allow_file": allow} if allow else {}
    return Province(filter=True, zone=ZONE, spamfilter=options, **more)


def test_POL_02__a_sign_up_is_counted_told_and_reported():
    with province() as p:
        p.agency("stp", "Sở Tư pháp")
        hoa = p.user("hoa.stp", agency="stp")
        for code in ("482913", "771203"):
            sign_up(p, hoa, code=code)
        wait_until("both are counted", lambda: sum(e["count"] for e in events(p)) == 2)
        row = events(p)[0]
        facts = {k: row[k] for k in ("address", "agency", "domain", "class")}
        expect(facts == {"address": hoa, "agency": "stp", "domain": "shop.example",
                         "class": "confirm"}, row)
        # the owner hears of the service once, in both languages
        wait_until("the owner is told",
                   lambda: len([s for s in subjects(p, hoa) if "dịch vụ shop.example" in s]) == 1)
        month = datetime.datetime.now().strftime("%Y-%m")
        text = congvu(p, "policy", "signups", "--month", month)
        expect("stp" in text and "confirm 2" in text and "█" in text, text)
        expect(hoa in congvu(p, "policy", "signups", "--agency", "stp"))
        expect("hoa.stp" not in congvu(p, "policy", "signups", "--agency", "snv"))
        lines = congvu(p, "policy", "signups", "--csv").splitlines()
        expect(lines[0] == "day,agency,address,domain,class,count" and len(lines) == 2, lines)
        expect(lines[1].endswith(f",stp,{hoa},shop.example,confirm,2"), lines)
        expect("YYYY" not in congvu(p, "policy", "signups", "--month", "2026-13", code=64))
        # no text and no code anywhere but in the box
        log = p.daemons["spamfilter"].text()
        expect("482913" not in log and "Xác nhận" not in log, "text in the log")


def test_POL_03__the_allow_list_is_kept_by_command():
    folder = tempfile.mkdtemp(prefix="congvu-allow-")
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "allow.txt")
    with province(allow=path) as p:
        hoa = p.user("hoa.stp")
        expect("are needed" in congvu(p, "policy", "allow", "add", "shop.example", code=64))
        expect("that day is over" in congvu(p, "policy", "allow", "add", "shop.example", "--until",
                                            "2020-01-01", "--reason", "x", code=64))
        for bad in ("shop", "a b.example", "shop..example"):
            congvu(p, "policy", "allow", "add", bad, "--until", "2030-01-01", "--reason", "x", code=64)
        congvu(p, "policy", "allow", "add", "shop.example", "--until", "2030-01-01", "--reason", "CV 12/STC")
        sign_up(p, hoa)
        wait_until("it came", lambda: len(subjects(p, hoa)) == 1)
        expect(events(p) == [], events(p))
        listed = json.loads(congvu(p, "policy", "allow", "list", "--json"))["allowed"]
        expect([(a["sender"], a["reason"], a["expired"]) for a in listed] ==
               [("shop.example", "CV 12/STC", False)], listed)
        # renewed, not twice; comments stay
        with open(path, "a", encoding="utf-8") as f:
            f.write("# by hand\nold.example 2024-01-01 once\n")
        congvu(p, "policy", "allow", "add", "shop.example", "--until", "2031-01-01", "--reason", "CV 13")
        text = open(path, encoding="utf-8").read()
        expect(text.count("shop.example") == 1 and "# by hand" in text, text)
        expect("EXPIRED" in congvu(p, "policy", "allow", "list"))
        expect("allow.expired" in p.daemons["spamfilter"].text(), "not told")
        congvu(p, "policy", "allow", "remove", "shop.example")
        congvu(p, "policy", "allow", "remove", "shop.example", code=1)
        sign_up(p, hoa, code="991122")
        wait_until("it counts again", lambda: len(events(p)) == 1)


def test_POL_01__own_free_mail_is_counted_and_slips_are_told():
    with province() as p:
        p.agency("stp", "Sở Tư pháp")
        hoa = p.user("hoa.stp", agency="stp", name="Nguyễn Thị Hòa")
        s = p.submit(hoa)
        s.mail(hoa)
        code, text = s.rcpt("someone@gmial.com")
        expect(code == 250 and b"POL-01.typo" in text and b"gmail.com" in text, code, text)
        code, text = s.rcpt("someone@gmail.com")
        expect(code == 250 and b"POL-01" not in text, code, text)
        s.rset()
        for to in ("nguyenthihoa@gmail.com", "hoant@yahoo.com", "citizen@gmail.com", "hoa@partner.example"):
            s.send_message(letter(hoa, to, "Tài liệu", "gửi anh"), hoa, [to])
        rows = []

        def counted():
            rows[:] = json.loads(congvu(p, "policy", "free-mail", "--json"))["events"]
            return sum(r["count"] for r in rows) == 2
        wait_until("two of them are counted", counted)
        expect({(r["address"], r["domain"], r["agency"]) for r in rows} ==
               {(hoa, "gmail.com", "stp"), (hoa, "yahoo.com", "stp")}, rows)
        expect(events(p) == [], "they are no sign-ups")
        expect("nguyenthihoa" not in p.daemons["spamfilter"].text(), "the address is in the log")
    with province(smtpd={"recipient_typos": "refuse"}) as p:
        hoa = p.user("hoa.stp")
        s = p.submit(hoa)
        s.mail(hoa)
        code, text = s.rcpt("someone@gmial.com")
        expect(code == 550 and text.startswith(b"5.1.2 [POL-01.typo]"), code, text)


if __name__ == "__main__":
    run_tests(globals())

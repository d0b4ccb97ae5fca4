#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Quotas (ACC-09): notices once at 75 and 90 per cent, pools of agencies, `congvu quota`."""
import email
import email.policy
import json
import os
import smtplib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import ask  # noqa: E402
from kit import BUILD, Province, expect, run_tests, wait_until  # noqa: E402

K = 1024


def congvu(p, *words, code=0, lang="en"):
    done = subprocess.run(
        [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, "quota", *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def quota(p, *words):
    return json.loads(congvu(p, *words, "--json"))


def message(size, number=0):
    head = b"From: a@bo.example\r\nSubject: so %d\r\n\r\n" % number
    return head + (b"x" * 70 + b"\r\n") * ((size - len(head)) // 72)


def append(c, size):
    typ, answer = c.append("INBOX", "(\\Seen)", None, message(size))
    return typ == "OK", answer[0]


def notices(c):
    """Subjects and texts of what the system wrote."""
    c.select("INBOX")
    _, found = c.uid("SEARCH", "HEADER", "Auto-Submitted", "auto-generated")
    out = []
    for uid in found[0].split():
        _, got = c.uid("FETCH", uid, "(FLAGS BODY.PEEK[])")
        out.append(email.message_from_bytes(got[0][1], policy=email.policy.default))
    return out


def test_acc_09_notices_come_once_at_each_mark():
    with Province(filter=False) as p:
        an = p.user("an", quota=1000 * K)
        c = p.imap(an)
        append(c, 740 * K)
        time.sleep(0.3)
        expect(notices(c) == [], "a notice at 74 per cent")
        append(c, 20 * K)
        first = wait_until("the notice at 75", lambda: notices(c))
        expect(len(first) == 1 and first[0]["Subject"] == "Hộp thư đã dùng 75% hạn mức / Mailbox 75% full",
               first[0]["Subject"])
        expect(an in first[0]["To"] and "công vụ" in str(first[0]["From"]), first[0].items())
        text = first[0].get_content()
        expect("trả lại cho người gửi" in text and "English" in text and "ask the administrators" in text, text)
        append(c, 20 * K)
        time.sleep(0.3)
        expect(len(notices(c)) == 1, "it came again")
        # It is not forgotten by a kill.
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        c = p.imap(an)
        append(c, 10 * K)
        time.sleep(0.3)
        expect(len(notices(c)) == 1, "it came again after a crash")
        append(c, 120 * K)
        wait_until("the notice at 90", lambda: len(notices(c)) == 2)
        expect("90%" in notices(c)[1]["Subject"], notices(c)[1]["Subject"])
        ok, why = append(c, 200 * K)
        expect(not ok and b"OVERQUOTA" in why, why)
        # Clearly below: it may be told again.
        c.select("INBOX")
        c.store("1", "+FLAGS", "(\\Deleted)")
        c.expunge()
        append(c, 700 * K)
        wait_until("another notice", lambda: len(notices(c)) == 3)
        expect("quota.notice account=" + an in p.daemons["imapd"].text(), "no log line")
        p.check_store()


def test_acc_09_an_agency_shares_a_pool():
    with Province(filter=False) as p:
        ctl = os.path.join(p.dir, "run", "imapd.ctl")
        ask(ctl, {"do": "agency.add", "code": "stp", "name": "Sở Tư pháp"})
        ask(ctl, {"do": "agency.add", "code": "pc", "name": "Phòng Công chứng", "parent": "stp"})
        an, binh = p.user("an", agency="stp"), p.user("binh", agency="pc", title="Giám đốc")
        other = p.user("cuong")
        expect("1 pools changed" in congvu(p, "set", "--agency", "stp", "--pool", "500K"))
        a, b, o = p.imap(an), p.imap(binh), p.imap(other)
        expect(append(a, 200 * K)[0] and append(b, 200 * K)[0] and append(o, 400 * K)[0])
        ok, why = append(b, 200 * K)
        expect(not ok and b"OVERQUOTA" in why, why)
        _, (roots, quotas) = b.getquotaroot("INBOX")
        expect(roots[0] == b'"INBOX" "" "agency/stp"', roots)
        expect(any(q.startswith(b'"agency/stp" (STORAGE 400 500)') for q in quotas), quotas)
        expect(b.getquota("agency/stp")[0] == "OK" and o.getquota("agency/stp")[0] == "NO")
        expect(o.getquotaroot("INBOX")[1][0][0] == b'"INBOX" ""')
        # Nor by a mailbox that somebody of the agency shares.
        theirs = f'"Ng&AbAe3Q-i kh&AOE-c/{an}/INBOX"'
        expect(a.setacl("INBOX", other, "lr")[0] == "OK" and a.setacl("INBOX", binh, "lr")[0] == "OK")
        expect(b"agency" not in repr(o.getquotaroot(theirs)).encode(), o.getquotaroot(theirs))
        expect(b"agency/stp" in repr(b.getquotaroot(theirs)).encode(), b.getquotaroot(theirs))
        # A delivery that does not fit is refused to that recipient alone.
        s = p.smtp("mx")
        try:
            refused = s.sendmail("x@bo.example", [binh, other], message(150 * K))
        except smtplib.SMTPException as e:
            refused = {binh: e}
        expect(list(refused) == [binh], refused)
        # As after any crash, the sum is what the boxes hold.
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        pool = wait_until("the sum", lambda: [r["pool"] for r in quota(p, "list", "an")["accounts"]
                                              if r["pool"]["used"] >= 399 * K])[0]
        expect(pool["percent"] == 79 and pool["accounts"] == 2 and pool["limit"] == 500 * K, pool)
        b = p.imap(binh)
        expect(not append(b, 200 * K)[0], "the pool is forgotten")
        congvu(p, "set", "--agency", "stp", "--pool", "2M")
        expect(append(b, 200 * K)[0], "the new limit does not hold")
        p.check_store()

        # What administrators see and set.
        rows = {r["address"]: r for r in quota(p, "list")["accounts"]}
        expect(rows[binh]["class"] == "leader" and rows[binh]["limit"] == 5 << 30, rows[binh])
        expect(rows[an]["class"] == "staff" and rows[an]["limit"] == 2 << 30, rows[an])
        expect("1 accounts changed" in congvu(p, "set", "--class", "leader", "--quota", "600K"))
        expect([r["address"] for r in quota(p, "list", "--over", "60")["accounts"]] == [binh])
        report = quota(p, "report")
        stp = [g for g in report["agencies"] if g["agency"] == "stp"][0]
        expect(stp["accounts"] == 1 and stp["pool"]["limit"] == 2 << 20, report)
        expect(report["total"]["accounts"] == 3 and report["total"]["over75"] == 0, report)
        expect("HẠN MỨC CHUNG" in congvu(p, "report", lang="vi"))
        expect("Đã đổi 1 tài khoản" in congvu(p, "set", "binh", "--default", lang="vi"))
        expect(quota(p, "list", "binh")["accounts"][0]["limit"] == 5 << 30)
        expect("say whose quota" in congvu(p, "set", "--quota", "5G", code=1))
        expect("a size is written" in congvu(p, "set", "an", "--quota", "5X", code=64))
        expect("no agency" in congvu(p, "list", "--agency", "khong", code=1))


if __name__ == "__main__":
    run_tests(globals())

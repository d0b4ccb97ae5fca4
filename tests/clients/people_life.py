#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""People retire, go on leave, lie idle and hold role boxes: with real daemons on other days, Python's imaplib
and smtplib (ACC-06, ACC-07, ADR-05)."""
import datetime
import imaplib
import json
import os
import smtplib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from kit import BUILD, DOMAIN, expect, wait_until  # noqa: E402

ZONE = datetime.timezone(datetime.timedelta(hours=7))


def congvu(p, *words, code=0):
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", "en", "--conf", p.conf, "--json", *words],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def day(days):
    return (datetime.datetime.now(ZONE) + datetime.timedelta(days=days)).strftime("%Y-%m-%d")


def to_day(p, days):
    """The daemons go on DAYS from now, at the same time of day; what is due is done."""
    for name in ("smtpd", "imapd"):
        p.daemons[name].stop()
    for name in ("imapd", "smtpd"):
        p.daemons[name].start(env={"CONGVU_CLOCK_SHIFT": str(days * 86400)})
    done = congvu(p, "dated", "run")
    p.refresh()
    return done["done"]


def may_log_in(p, user):
    try:
        p.imap(user).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def send(p, to, subject):
    with p.smtp() as c:
        c.sendmail("a@sender.example", [to], f"From: a@sender.example\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nx\r\n")


def subjects(c, mailbox="INBOX"):
    if c.select(mailbox, readonly=True)[0] != "OK":
        return None
    found = c.search(None, "ALL")[1][0].split()
    return [c.fetch(n, "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1].decode().strip()[9:] for n in found]


def test_acc_06_who_retires_is_refused_the_next_day_and_the_successor_reads_on():
    with kit.Province(filter=False) as p:
        hoa, duyen = p.user("hoa"), p.user("duyen")
        send(p, hoa, "De nghi")
        said = congvu(p, "account", "retire", hoa, "--on", day(0), "--successor", duyen, "--handover", duyen,
                      "--notice-until", day(30), "--yes")
        expect(said["dated"] == 1, said)
        expect(may_log_in(p, hoa), "before the end of the last day")
        wait_until("the mail", lambda: subjects(p.imap(hoa)) == ["De nghi"])
        expect(to_day(p, 1) == 1, "the act")
        expect(not may_log_in(p, hoa), "logged in the day after")
        try:
            send(p, hoa, "Sau do")
            expect(False, "mail was taken for a retired address")
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = refused.recipients[hoa]
            expect(code >= 500 and duyen.encode() in text, code, text)
        name = inbox_of(hoa)
        c = p.imap(duyen)
        expect(subjects(c, name) == ["De nghi"], subjects(c, name), c.list())
        try:
            c.select(name)
            expect(False, "a successor may change what was left")
        except imaplib.IMAP4.readonly:
            pass
        # Nothing goes by itself; by name, after the time, it is gone and the address stays reserved.
        to_day(p, 300)
        listed = congvu(p, "purge", "list")["accounts"]
        expect([a["address"] for a in listed] == [hoa], listed)
        expect(subjects(p.imap(duyen), inbox_of(hoa)) == ["De nghi"], "removed by itself")
        congvu(p, "purge", "confirm", hoa, code=64)  # not without its name
        gone = congvu(p, "purge", "confirm", hoa, "--yes")
        expect(gone["used_messages"] >= 1, gone)
        expect(subjects(p.imap(duyen), inbox_of(hoa)) is None, "still to be read")
        congvu(p, "account", "add", "--address", hoa, "Người Khác", code=1)
        p.check_store()


def inbox_of(user):
    """"Người khác/USER/INBOX" in modified UTF-7."""
    return f'"Ng&AbAe3Q-i kh&AOE-c/{user}/INBOX"'


def test_acc_06_on_leave_nobody_logs_in_and_mail_arrives():
    with kit.Province(filter=False) as p:
        hoa = p.user("hoa")
        said = congvu(p, "account", "leave", hoa, "--until", day(5))
        expect(said["return_act"] == 1, said)
        p.refresh()
        expect(not may_log_in(p, hoa), "during the leave")
        send(p, hoa, "Thu den")
        expect(to_day(p, 4) == 0 and not may_log_in(p, hoa), "the last day but one")
        expect(to_day(p, 6) == 1 and may_log_in(p, hoa), "after it")
        expect(subjects(p.imap(hoa)) == ["Thu den"], subjects(p.imap(hoa)))


def test_acc_07_unused_accounts_are_warned_by_mail_and_shut_while_mail_arrives():
    with kit.Province(filter=False) as p:
        hoa, duyen = p.user("hoa"), p.user("duyen")
        to_day(p, 31)
        p.imap(duyen).logout()
        said = congvu(p, "account", "dormant", "--run")
        expect([a["address"] for a in said["warned"]] == [hoa] and said["told"] == 1, said)
        again = congvu(p, "account", "dormant", "--run")
        expect(not again["warned"] and not again["tell"], again)
        to_day(p, 46)
        said = congvu(p, "account", "dormant", "--run")
        expect([a["address"] for a in said["off"]] == [hoa], said)
        p.refresh()
        expect(not may_log_in(p, hoa), "after 46 days")
        send(p, hoa, "Thu den")
        listed = congvu(p, "account", "dormant")
        expect([len(listed[k]) for k in ("warned", "off", "withdraw")] == [0, 1, 0], listed)
        congvu(p, "account", "resume", hoa)
        p.refresh()
        found = subjects(p.imap(hoa))
        expect(len(found) == 2 and found[1] == "Thu den", found)
        expect(not congvu(p, "account", "dormant")["off"], "still on the list")


def test_adr_05_two_clerks_work_in_one_box_with_two_log_ins():
    with kit.Province(filter=False) as p:
        an, binh = p.user("an"), p.user("binh")
        box = f"vanthu.stp@{DOMAIN}"
        p.account(box, kind="role", name="Văn thư")
        for clerk in (an, binh):
            congvu(p, "role", "add", box, clerk)
        p.refresh()
        congvu(p, "account", "passwd", box, "--random", code=1)  # no password of its own
        for clerk in (an, binh):
            with p.submit(clerk) as c:
                c.sendmail(box, [an], f"From: {box}\r\nTo: {an}\r\nSubject: Tra loi\r\n\r\nx\r\n")
        log = p.daemons["smtpd"].text()
        for clerk in (an, binh):  # ACC-08: the log names who answered
            expect(f"account={clerk} box={box}" in log, clerk, log[-2000:])
            expect(p.imap(clerk).select(f'"D&APk-ng chung/{box}/INBOX"')[0] == "OK", clerk)


def test_acc_11_an_expired_application_cannot_send():
    with kit.Province(filter=False) as p:
        hoa = p.user("hoa")
        app = p.user("qlvb", kind="app")
        congvu(p, "account", "expire", app, "--until", day(20), code=1)  # nobody answers for it
        congvu(p, "account", "expire", app, "--until", day(20), "--owner", hoa)

        def sends():
            try:
                with p.submit(app) as c:
                    c.sendmail(app, [hoa], f"From: {app}\r\nTo: {hoa}\r\nSubject: Bao cao\r\n\r\nx\r\n")
                return True
            except smtplib.SMTPException:
                return False
        expect(sends(), "before its end")
        to_day(p, 10)
        expect(sends(), "soon before its end")
        for _ in range(2):  # its owner hears of it once
            congvu(p, "account", "expiring", "--run")
        found = [s for s in subjects(p.imap(hoa)) if "Bao cao" not in s]
        expect(len(found) == 1, found)
        expect(to_day(p, 21) == 1, "the end")
        expect(not sends(), "after its end")
        congvu(p, "account", "expire", app, "--until", day(90))
        p.refresh()
        expect(sends(), "extended")


def test_acc_02_from_the_letter_to_the_first_log_in():
    with kit.Province(filter=False) as p:
        p.agency("stp", "Sở Tư pháp")
        lists = os.path.join(p.dir, "ds.csv")
        with open(lists, "w", encoding="utf-8-sig") as f:
            f.write("Họ và tên,Chức vụ\nĐặng Thị Duyên,Văn thư\nNgô Toàn,Kế toán\n")
        words = ("request", "new", "--agency", "stp", "--letter", "12/STP-VP", "--list", lists)
        tried = congvu(p, *words, "--dry-run")
        expect([x["address"] for x in tried["preview"]] == [f"dtduyen.stp@{DOMAIN}", f"ntoan.stp@{DOMAIN}"], tried)
        expect(congvu(p, "request", "list")["requests"] == [], "a dry run asked")
        number = str(congvu(p, *words)["number"])
        congvu(p, "request", "issue", number, code=1)
        congvu(p, "request", "approve", number)
        results = congvu(p, "request", "issue", number)["results"]
        p.refresh()
        for one in results:
            p.users[one["address"]] = one["password"]
            expect(may_log_in(p, one["address"]), one["address"])
        expect(congvu(p, "request", "show", number)["request"]["state"] == "issued", "state")


if __name__ == "__main__":
    kit.run_tests(globals())

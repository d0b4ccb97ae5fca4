#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Discipline of agency boxes and the response clock (IMP-05, DOC-01, DOC-02), with imapd's clock moved."""
import datetime
import email
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, DOMAIN, Province, RawImap, expect, run_tests, wait_until  # noqa: E402
from shared_boxes import shared  # noqa: E402

BOX = f"stp@{DOMAIN}"
VIETNAM = datetime.timezone(datetime.timedelta(hours=7))


def shift_to(text):
    """Seconds from now to a moment in Vietnam."""
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=VIETNAM)
    return str(int(moment.timestamp() - time.time()) + 2)  # never before it


class Office:
    """A province whose owner of the mail lives at another time."""

    def __init__(self, p, at):
        self.p, self.at = p, at

    def move(self, at):
        self.at = at
        self.p.daemons["imapd"].stop()
        self.p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": shift_to(at)})

    def congvu(self, *words, lang="vi", code=0):
        env = {**os.environ, "ASAN_OPTIONS": "exitcode=99", "CONGVU_CLOCK_SHIFT": shift_to(self.at)}
        done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", self.p.conf, *words],
                              capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              env=env)
        expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def tables(self, *words):
        return json.loads(self.congvu("report", *words, "--format", "json"))["tables"]


def letter(number, sender="dan@citizen.example", to=BOX, more=""):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: Hoi thu tuc {number}\r\nMessage-ID: <{number}@citizen.example>\r\n"
            f"{more}\r\nKinh gui co quan\r\n").encode()


def make_office(p):
    p.agency("stp", "Sở Tư pháp", mailbox=True, staff=10)
    clerk = p.user("vt.stp", agency="stp", title="Văn thư")
    head = p.user("gd.stp", agency="stp", title="Giám đốc")
    p.ask("imapd", "role.hold", role=BOX, holder=clerk)
    p.refresh()
    return clerk, head


def open_box(p, person, number):
    a = RawImap(p, person)
    a.cmd("SELECT " + shared("INBOX", BOX))
    a.cmd(f"FETCH {number} BODY[]")
    a.close()


def arrive(p, clerk, *letters):
    """Each in its turn, so that numbers are known; until smtpd has found imapd again mail waits in the queue."""
    a = RawImap(p, clerk)
    for number, one in enumerate(letters, 1):
        with p.smtp() as c:
            c.sendmail("dan@citizen.example", [BOX], one)
        wait_until(f"letter {number}", lambda n=number: any(
            b"MESSAGES %d" % n in line for line in a.cmd("STATUS " + shared("INBOX", BOX) + " (MESSAGES)")))
    a.close()


def imp_05_two_visits_at_0745_and_1410_are_two_checks(o):
    day = o.tables("checks", "--period", "2026-11-23..2026-11-23", "--days", "--agency", "stp")
    row = [r for r in day["days"]["rows"] if r["address"] == BOX][0]
    expect((row["checks"], row["times"], row["day"]) == (2, "07:45 14:10", "2026-11-23"), row)
    box = [r for r in day["boxes"]["rows"] if r["address"] == BOX][0]
    expect((box["checks"], box["kept"], box["share"], box["result"], box["last"]) ==
           (2, 2, 1.0, "Đạt", "14:10 23/11/2026"), box)
    text = o.congvu("report", "checks", "--period", "2026-11-23..2026-11-23")
    expect("Sở Tư pháp" in text and "100,0%" in text, text)


def doc_01_an_unopened_box_is_told_to_clerk_and_head_on_working_days(o, clerk, head):
    o.move("2026-11-24 09:50")  # nothing yet, and the time has not come
    said = json.loads(o.congvu("report", "alert", "--json"))
    expect(said["boxes"] and said["by"] == "" or not said["boxes"], said)
    o.move("2026-11-24 10:05")
    said = json.loads(o.congvu("report", "alert", "--json"))
    expect([(b["box"], b["clerks"], b["head"], b["by"]) for b in said["boxes"]] == [(BOX, [clerk], head, "10:00")],
           said)
    o.congvu("report", "alert")  # a second run tells nobody again
    for person in (clerk, head):
        c = o.p.imap(person)
        count = c.select("INBOX")[1][0].decode()
        found = c.search(None, "HEADER", "Auto-Submitted", "auto-generated")[1][0].split()
        expect(len(found) == 1, person, count, found)
        whole = email.message_from_bytes(c.fetch(found[0].decode(), "(BODY.PEEK[])")[1][0][1])
        body = whole.get_payload(decode=True).decode()
        expect("10:00" in body and "24/11/2026" in body and BOX in body, body)
        c.logout()
    o.move("2026-11-24 14:00")
    open_box(o.p, clerk, 1)
    o.at = "2026-11-24 15:10"
    wait_until("the visit of the afternoon",  # written within two seconds
               lambda: not json.loads(o.congvu("report", "alert", "--dry-run", "--json"))["boxes"], every=0.3)
    for day, what in (("2026-11-28 10:05", "Saturday"), ("2027-01-01 10:05", "New Year"),
                      ("2027-02-08 10:05", "Tết")):
        o.at = day
        expect(not json.loads(o.congvu("report", "alert", "--json"))["boxes"], what)


def doc_02_the_response_clock_tells_open_answered_and_overdue(o):
    o.at = "2026-12-08 09:00"
    tables = o.tables("response", "--period", "2026-11", "--agency", "stp")
    row = [r for r in tables["boxes"]["rows"] if r["box"] == BOX][0]
    expect((row["arrived"], row["answered"], row["in_time"], row["overdue"], row["open"], row["share"]) ==
           (3, 2, 2, 1, 0, 0.6667), row)
    expect(row["median"] == 4.4, "07:45 to 14:10 are 4 hours and 25 minutes of work", row)
    late = tables["overdue"]["rows"]
    expect([(r["box"], r["arrived"], r["due"], r["uid"]) for r in late] == [(BOX, "2026-11-23", "2026-11-30", 3)], late)
    o.at = "2026-11-27 09:00"
    row = o.tables("response", "--period", "2026-11", "--agency", "stp")["boxes"]["rows"][0]
    expect((row["open"], row["overdue"], row["share"]) == (1, 0, 1.0), row)
    text = json.dumps(o.tables("response", "--period", "2026-11"))
    expect("Hoi thu tuc" not in text and "citizen" not in text, "no subjects, no correspondents")


def test_a_week_of_an_office():
    with Province(filter=False) as p:
        o = Office(p, "2026-11-23 07:45")
        clerk, head = make_office(p)
        o.move("2026-11-23 07:45")
        arrive(p, clerk, letter(1), letter(2), letter(3),
               letter(4, more="Auto-Submitted: auto-replied\r\n"), letter(5, more="Precedence: bulk\r\n"),
               letter(6, sender=f"noi.bo@{DOMAIN}"))
        open_box(p, clerk, 1)
        o.move("2026-11-23 14:10")
        open_box(p, clerk, 2)
        # One is answered by mail, one marked as answered, as by telephone.
        with p.submit(clerk) as c:
            c.sendmail(clerk, ["dan@citizen.example"],
                       f"From: {clerk}\r\nTo: dan@citizen.example\r\nSubject: tra loi\r\n"
                       "In-Reply-To: <1@citizen.example>\r\n\r\nDa xu ly\r\n".encode())
        a = RawImap(p, clerk)
        a.cmd("SELECT " + shared("INBOX", BOX))
        a.cmd("STORE 2 +FLAGS (\\Answered)")
        a.close()
        time.sleep(2.5)  # visits are written every two seconds
        o.at = "2026-11-23 16:00"
        imp_05_two_visits_at_0745_and_1410_are_two_checks(o)
        use = json.loads(o.congvu("report", "usage", "--period", "2026-11-23..2026-11-23", "--agency", "stp",
                                  "--people", "--format", "json"))["tables"]["people"]["rows"]
        row = [r for r in use if r["address"] == clerk][0]
        expect((row["sent"], row["days"], row["regular"]) == (1, 1, "Đạt"), row)
        doc_01_an_unopened_box_is_told_to_clerk_and_head_on_working_days(o, clerk, head)
        doc_02_the_response_clock_tells_open_answered_and_overdue(o)


def test_what_was_sent_while_imapd_was_away_is_counted_later():
    with Province(filter=False) as p:
        o = Office(p, "2026-11-23 08:00")
        clerk, _ = make_office(p)
        o.move(o.at)
        session = p.submit(clerk)
        p.daemons["imapd"].stop()
        session.sendmail(clerk, ["dan@citizen.example"], f"From: {clerk}\r\nSubject: x\r\n\r\nx\r\n".encode())
        p.daemons["imapd"].start(env={"CONGVU_CLOCK_SHIFT": shift_to(o.at)})

        def sent():
            people = o.tables("usage", "--period", "2026-11-23..2026-11-23", "--people")["people"]["rows"]
            return [r["sent"] for r in people if r["address"] == clerk] == [1]
        wait_until("the count of what was sent", sent, every=0.5)


if __name__ == "__main__":
    run_tests(globals())

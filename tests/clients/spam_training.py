#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What people sort teaches the filter (SPM-05): MOVE, COPY and APPEND into Junk and out of it, the
keywords $Junk and $NotJunk, the report address; `congvu spam learn` with the filter running and
without. Real imaplib and smtplib against the real daemons."""
import base64
import email.utils
import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from email.message import EmailMessage

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import spam_corpus  # noqa: E402
from kit import BUILD, DOMAIN, Province, expect, run_tests, wait_until  # noqa: E402

HOA, NAM, CLERK, REPORT = (f"{name}@{DOMAIN}" for name in ("hoa.snv", "nam.stp", "vanthu.snv", "baocao.thurac"))
WORLD = {}
NEW_KIND = "Nhượng lại hoa lan đột biến giống quý, cây khỏe ra rễ đẹp, cam kết thuần chủng. Chậu số {0} giá hữu nghị."


def world():
    if WORLD:
        return WORLD["p"]
    p = Province(filter=True, spamfilter={
        "learn_ham_min": "20", "learn_spam_min": "20", "learn_account_max": "12", "learn_role_weight": "3",
        "spam_report_address": REPORT})
    p.__enter__()
    for address in (HOA, NAM, REPORT):
        p.user(address)
    p.ask("imapd", "agency.add", code="snv", name="Sở Nội vụ")
    p.ask("imapd", "account.add", address=CLERK, kind="role", name="Văn thư", agency="snv", no_password=True,
          override=True, reason="test")
    p.refresh()
    WORLD["p"] = p
    folder = os.path.join(p.dir, "sorted")
    spam_corpus.write(os.path.join(folder, "ham"), spam_corpus.messages(1, spam_corpus.HAM, 80))
    spam_corpus.write(os.path.join(folder, "spam"), spam_corpus.messages(2, spam_corpus.SPAM, 60))
    WORLD["sorted"] = folder
    return p


def tool(*words, data=None, ok=(0,)):
    p = world()
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--conf", p.conf, "--json", *words], input=data,
                          capture_output=True, timeout=120)
    expect(done.returncode in ok, words, done.returncode, done.stderr.decode(), done.stdout.decode())
    return json.loads(done.stdout)


def letter(n, subject=None):
    m = EmailMessage()
    m["From"], m["To"] = f"Vườn lan <vuon{n}@vuonlan.example>", HOA
    m["Subject"] = subject or f"Hoa lan đột biến chậu {n}"
    m["Date"] = email.utils.formatdate()
    m["Message-ID"] = f"<lan-{n}@vuonlan.example>"
    m.set_content(NEW_KIND.format(n))
    return m


def deliver(numbers, to=HOA):
    with smtplib.SMTP("127.0.0.1", world().port["mx"]) as s:
        for n in numbers:
            s.send_message(letter(n), f"vuon{n}@vuonlan.example", [to])


def share(n=999):
    """How unwanted a letter of the new kind looks now."""
    answer = tool("spam", "explain", "--to", HOA, "--client", "203.0.113.7", "--from", "vuon@vuonlan.example", "-",
                  data=letter(n).as_bytes())
    return answer["classifier"]


def lessons():
    answer = world().ask("spamfilter", "classifier.status")
    return answer["ham"], answer["spam"]


def test_learn_teaches_the_filter_that_runs():
    world()
    expect(share()["state"] == "learning", share())
    done = tool("spam", "learn", "--spam", os.path.join(WORLD["sorted"], "spam"))
    expect(done["results"]["learned"] == 60 and done["classifier"]["spam"] == 60, done)
    done = tool("spam", "learn", "--ham", os.path.join(WORLD["sorted"], "ham"))
    expect(done["results"]["learned"] == 80 and done["classifier"]["ready"], done)
    done = tool("spam", "learn", "--ham", os.path.join(WORLD["sorted"], "ham"))
    expect(done["results"]["known"] == 80, done)
    expect(lessons() == (80, 60), lessons())
    expect(share()["state"] == "given", share())
    one = letter(77).as_bytes()
    done = tool("spam", "learn", "--spam", "-", data=one)
    expect(done["messages"] == 1 and lessons() == (80, 61), done)
    done = tool("spam", "learn", "--spam", "--forget", "-", data=one)
    expect(done["results"]["forgotten"] == 1 and lessons() == (80, 60), done)


def box(user=HOA, name="INBOX"):
    i = world().imap(user)
    expect(i.select(name)[0] == "OK", "select", name)
    return i


def junk_name(i):
    rows = [r.decode() for r in i.list()[1]]
    row = next(r for r in rows if "\\Junk" in r)
    return row.rsplit(' "/" ', 1)[1]


def numbers_of(i, count):
    def found():
        i.noop()
        got = i.uid("SEARCH", None, "ALL")[1][0].split()
        return got if len(got) >= count else None
    return wait_until(f"{count} messages", found)


def settled(want):
    return wait_until(f"lessons {want}", lambda: lessons() == want)


def test_spm_05_move_to_Junk_changes_the_verdict_of_a_later_message_and_back_restores_it():
    before, counts = share(), lessons()
    deliver(range(1, 9))
    i = box()
    uids = numbers_of(i, 8)
    junk = junk_name(i)
    began = time.monotonic()
    expect(i.uid("MOVE", b",".join(uids).decode(), junk)[0] == "OK", "MOVE")
    settled((counts[0], counts[1] + 8))
    took = time.monotonic() - began
    after = share()
    expect(after["share"] > before["share"] + 0.2 and after["share"] > 0.9, before, after)
    expect(took < 60, "effect after", took)
    deliver([30])
    got = numbers_of(i, 1)
    text = i.uid("FETCH", got[-1], "(BODY.PEEK[HEADER.FIELDS (X-Congvu-Verdict)])")[1][0][1].decode()
    expect("bayes(" in text and "bayes(-" not in text, text)
    # Back again: one's own lessons leave no trace.
    i.select(junk)
    back = numbers_of(i, 8)
    expect(i.uid("MOVE", b",".join(back).decode(), "INBOX")[0] == "OK", "MOVE back")
    settled(counts)
    expect(share() == before, before, share())
    i.select("INBOX")
    i.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
    i.expunge()
    i.logout()


def test_copy_append_and_keywords_teach_too():
    counts = lessons()
    i = box(NAM)
    junk = junk_name(i)
    expect(i.append(junk, None, None, letter(100).as_bytes())[0] == "OK", "APPEND to Junk")
    settled((counts[0], counts[1] + 1))
    for n in (101, 102, 103):
        i.append("INBOX", None, None, letter(n).as_bytes())
    i.select("INBOX")
    uids = numbers_of(i, 3)
    i.uid("COPY", uids[0], junk)
    settled((counts[0], counts[1] + 2))
    i.uid("STORE", uids[1], "+FLAGS", "($Junk)")
    settled((counts[0], counts[1] + 3))
    i.uid("STORE", uids[2], "+FLAGS", "($NotJunk)")
    settled((counts[0] + 1, counts[1] + 3))
    i.uid("STORE", uids[1], "+FLAGS.SILENT", "($NotJunk)")  # its own word of before
    settled((counts[0] + 1, counts[1] + 2))
    # Between folders that are not Junk, and into Trash: nobody's opinion.
    i.create("Lan")
    i.uid("COPY", uids[2], "Lan")
    i.select(junk)
    trash = next(r.decode() for r in i.list()[1] if b"\\Trash" in r).rsplit(' "/" ', 1)[1]
    i.uid("MOVE", "1", trash)
    time.sleep(1)
    expect(lessons() == (counts[0] + 1, counts[1] + 2), lessons())
    i.logout()


def test_one_account_cannot_teach_more_than_its_day_allows():
    counts = lessons()
    i = box(NAM)
    junk = junk_name(i)
    for n in range(200, 220):
        i.append(junk, None, None, letter(n, f"Thư số {n}").as_bytes())
    # Some of the day's twelve lessons were used before.
    wait_until("the limit", lambda: "result=limit" in world().daemons["spamfilter"].text())
    time.sleep(1)
    taught = lessons()[1] - counts[1]
    expect(0 < taught <= 12, taught)
    i.logout()


def test_spm_05_reports_of_staff_teach_and_those_of_strangers_do_not():
    counts = lessons()
    report = EmailMessage()
    report["From"], report["To"], report["Subject"] = HOA, REPORT, "Báo thư rác"
    report["Date"], report["Message-ID"] = email.utils.formatdate(), f"<bao-cao@{DOMAIN}>"
    report.set_content("Thư rác đính kèm.")
    report.add_attachment(letter(300))
    report.add_attachment(letter(301))
    with smtplib.SMTP("127.0.0.1", world().port["mx"]) as s:
        report.replace_header("From", "ai@vuonlan.example")
        s.send_message(report, "ai@vuonlan.example", [REPORT])
    report.replace_header("From", HOA)
    i = box(REPORT)
    numbers_of(i, 1)
    expect(lessons() == counts, "a stranger taught", lessons())
    s = world().submit(HOA)
    s.send_message(report, HOA, [REPORT])
    s.quit()
    settled((counts[0], counts[1] + 2))
    numbers_of(i, 2)  # it is delivered all the same
    i.logout()


def test_role_boxes_count_more():
    counts = lessons()
    message = base64.b64encode(letter(500).as_bytes()).decode()
    answer = world().ask("spamfilter", "classifier.train", **{"class": "spam"}, address=CLERK, message=message)
    expect(answer["result"] == "learned" and lessons() == (counts[0], counts[1] + 3), answer, lessons())
    status = world().ask("spamfilter", "classifier.status")
    agencies = {a["agency"]: a["spam"] for a in status["agencies"]}
    expect(agencies.get("snv", 0) >= 3, agencies)


def test_answers_do_not_wait_for_the_filter():
    p = world()
    pid = p.daemons["spamfilter"].process.pid
    i = box(HOA)
    junk = junk_name(i)
    os.kill(pid, signal.SIGSTOP)
    try:
        i.append("INBOX", None, None, letter(400).as_bytes())
        i.select("INBOX")
        uid = numbers_of(i, 1)[-1]
        began = time.monotonic()
        expect(i.uid("MOVE", uid, junk)[0] == "OK", "MOVE")
        expect(time.monotonic() - began < 10, "MOVE waited")
    finally:
        os.kill(pid, signal.SIGCONT)
    i.logout()


def test_learn_opens_the_folder_itself_when_no_filter_runs():
    p = world()
    counts = lessons()
    folder = os.path.join(p.dir, "alone")
    os.makedirs(os.path.join(folder, "run"))
    conf = os.path.join(folder, "congvu.conf")
    with open(conf, "w", encoding="utf-8") as out:
        out.write(f"[congvu]\nbase_dir = {folder}\ndns_zone_file = {p.dir}/zone\n"
                  "[spamfilter]\nlearn_ham_min = 20\nlearn_spam_min = 20\n")
    program = os.path.join(BUILD, "bin", "congvu")

    def alone(*words):
        done = subprocess.run([program, "--conf", conf, "--json", *words], capture_output=True, timeout=120)
        expect(done.returncode == 0, words, done.stderr.decode())
        return json.loads(done.stdout.splitlines()[0] if words[1] == "judge" else done.stdout)

    done = alone("spam", "learn", "--ham", os.path.join(WORLD["sorted"], "ham"))
    expect(done["results"]["learned"] == 80 and not done["classifier"]["ready"], done)
    done = alone("spam", "learn", "--spam", os.path.join(WORLD["sorted"], "spam"))
    expect(done["classifier"]["ready"] and done["classifier"]["ham"] == 80, done)
    sample = os.path.join(folder, "x.eml")
    spam_corpus.write(os.path.join(folder, "one"), spam_corpus.messages(9, spam_corpus.SPAM, 1))
    os.rename(os.path.join(folder, "one", "00000.eml"), sample)
    judged = alone("spam", "judge", sample)
    expect(judged["classifier"]["state"] == "given" and judged["classifier"]["share"] > 0.9, judged)
    rules = {r["name"]: r["weight"] for r in judged["rules"]}
    expect(rules.get("bayes", 0) > 2, rules)
    expect(lessons() == counts, "the running filter is another one")


def test_lessons_that_are_lost_are_told():
    p = world()
    i = box(HOA)
    junk = junk_name(i)
    p.daemons["spamfilter"].kill()
    i.append(junk, None, None, letter(600).as_bytes())
    i.append(junk, None, None, letter(601).as_bytes())
    i.logout()
    p.daemons["imapd"].stop()
    text = p.daemons["imapd"].text()
    lost = [line for line in text.splitlines() if " teach.lost " in line]
    expect(lost and sum(int(line.split("lessons=")[1].split()[0]) for line in lost) >= 2, lost)


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        if WORLD:
            WORLD["p"].__exit__(*sys.exc_info())

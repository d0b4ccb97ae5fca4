#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The audit trail as an auditor uses it, to a real syslog reader too, and the register of incidents."""
import datetime
import hashlib
import json
import os
import re
import socket
import threading

from admin_kit import Congvu, check, finish


def sec_02_the_trail_says_who_did_what_and_is_proved(c):
    c.run("agency", "add", "stp", "Sở Tư pháp")
    c.run("account", "add", "Nguyễn Thị Hòa", "--agency", "stp")
    c.run("account", "suspend", "nthoa.stp", "--reason", "nghỉ việc")
    refused = c.run("account", "add", "Lê Văn A", "--agency", "khongco")
    check("an unknown unit is refused", refused.code == 1, refused)
    answer = c.run("audit", "list", "--action", "account.", "--json").json()
    acts = [(e["action"], e["object"]) for e in answer["events"]]
    check("SEC-02: the acts on the account are there, in order",
          [a for a in acts if "nthoa" in a[1]] ==
          [("account.add", "nthoa.stp@lamgiang.example"), ("account.suspend", "nthoa.stp@lamgiang.example")], acts)
    events = c.run("audit", "list", "--limit", "2000", "--json").json()["events"]
    check("every event says when, who, what, on what, how it ended",
          all(e["time"] and e["actor"] and e["action"] and "object" in e and e["result"] for e in events), events)
    check("numbers go up by one", [e["n"] for e in events] == list(range(1, len(events) + 1)))
    # The same proof by other hands: each event holds the SHA-256 of the one before.
    table = c.run("audit", "list", "--object", "nthoa")
    check("people get a table", "account.suspend" in table.out and "nghỉ việc" in table.out, table)
    proof = c.run("audit", "verify", "--json").json()
    check("the trail is whole", proof.get("ok") and proof["events"] == proof["last"] == len(events), proof)
    for i in range(6):  # wherever the cut falls, among letters of two and three octets too
        answer = c.run("account", "set", "nthoa.stp", "--title", "x" * i + "Trưởng phòng Tổ chức cán bộ " * 3)
    whole = c.run("audit", "list", "--limit", "2000")
    check("a long change is cut, not lost", answer.code == 0 and "…" in whole.out and
          not [n for n in whole.out.splitlines() if n.split()[-1:] == ["..."]], (answer, whole.out[-1500:]))
    return proof


def sec_02_an_anchor_shows_that_the_past_was_rewritten(c, proof):
    anchor = f"{proof['last']}:{proof['hash']}"
    c.run("account", "resume", "nthoa.stp")
    check("what was kept elsewhere still fits", c.run("audit", "verify", "--anchor", anchor).code == 0)
    wrong = anchor[:-1] + ("0" if anchor[-1] != "0" else "1")
    answer = c.run("audit", "verify", "--anchor", wrong)
    check("another past does not", answer.code == 1 and "rewritten" in answer.err, answer)
    answer = c.run("audit", "verify", "--anchor", "999999:" + proof["hash"])
    check("nor one that ends earlier", answer.code == 1 and "rewritten" in answer.err, answer)
    check("an anchor that is none is a fault of usage", c.run("audit", "verify", "--anchor", "7").code == 64)


def sec_02_exports_go_on_where_they_ended(c):
    path, state = os.path.join(c.dir, "audit.jsonl"), os.path.join(c.dir, "audit.state")
    first = c.run("audit", "export", "--output", path, "--state", state)
    check("the first export works", first.code == 0, first)
    c.run("account", "suspend", "nthoa.stp")
    second = c.run("audit", "export", "--output", path, "--state", state)
    check("the second, too", second.code == 0, second)
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    check("each event once, none left out", [e["n"] for e in lines] == list(range(1, len(lines) + 1)),
          [e["n"] for e in lines])
    check("the last is the last act", lines[-1]["action"] == "account.suspend", lines[-1])
    check("the file is the owner's alone", os.stat(path).st_mode & 0o77 == 0)
    # Somebody who changes what was exported before is found out at the next export.
    with open(state, encoding="ascii") as f:
        text = f.read()
    with open(state, "w", encoding="ascii") as f:
        f.write(text.split(":")[0] + ":" + hashlib.sha256(b"x").hexdigest() + "\n")
    answer = c.run("audit", "export", "--output", path, "--state", state)
    check("a past that was rewritten ends the export", answer.code == 1 and "rewritten" in answer.err, answer)


def sec_02_a_log_server_gets_syslog(c):
    server = socket.create_server(("127.0.0.1", 0))
    got = []

    def take():
        peer, _ = server.accept()
        with peer:
            while True:
                piece = peer.recv(65536)
                if not piece:
                    return
                got.append(piece)

    thread = threading.Thread(target=take)
    thread.start()
    answer = c.run("audit", "export", "--to", f"tcp:127.0.0.1:{server.getsockname()[1]}", "--action", "account.")
    thread.join(30)
    server.close()
    check("sent", answer.code == 0, answer)
    data, messages = b"".join(got), []
    while data:
        length, rest = data.split(b" ", 1)
        messages.append(rest[:int(length)].decode())
        data = rest[int(length):]
    check("RFC 5424: priority, version, time, host, program, BOM",
          messages and all(re.match(r"<10[89]>1 \d{4}-\d\d-\d\dT\S+Z mail\.lamgiang\.example congvu - audit - \ufeff\{", m)
                           for m in messages), messages[:2])
    check("whole events", [json.loads(m[m.index("{"):])["action"] for m in messages][0] == "account.add")


def sec_03_deadlines_are_computed_now_24_and_72_hours(c):
    zone = datetime.timezone(datetime.timedelta(hours=7))
    known = datetime.datetime.now(zone).replace(microsecond=0) - datetime.timedelta(hours=30)
    answer = c.run("incident", "open", "Tài khoản bị chiếm, gửi 1.200 thư", "--kind", "account", "--severity",
                   "high", "--agency", "stp", "--known", known.strftime("%Y-%m-%d %H:%M:%S"), "--json").json()
    incident = answer["incident"]
    due = {x["step"]: x for x in incident["clocks"]}
    base = int(known.timestamp())
    check("SEC-03: now, 24 h, 72 h after it was known",
          [due[s]["due"] - base for s in ("notify", "initial", "full")] == [0, 24 * 3600, 72 * 3600], due)
    check("two clocks have run out, one not",
          [due[s]["late"] for s in ("notify", "initial", "full")] == [True, True, False] and incident["overdue"], due)
    number = str(answer["number"])
    table = c.run("incident", "list", "--overdue", lang="vi")
    check("the list says what is overdue", "QUÁ HẠN" in table.out and "notify" in table.out, table)
    early = c.run("incident", "close", number, "--lesson", "x")
    check("closed only when all reports were made", early.code == 1 and "initial" in early.err, early)
    for step in ("notify", "initial", "full"):
        made = c.run("incident", "step", number, step, "--note", "Công văn 12/BC-STTTT")
        check(f"step {step}", made.code == 0, made)
    check("a step is made once", c.run("incident", "step", number, "full").code == 1)
    check("no close without a lesson", c.run("incident", "close", number).code == 1)
    closed = c.run("incident", "close", number, "--lesson", "Bật xác thực hai lớp", "--json").json()
    check("closed", closed["incident"]["state"] == "closed" and not closed["incident"]["overdue"], closed)
    shown = c.run("incident", "show", number)
    check("shown with its clocks", "LATE" in shown.out and "Bật xác thực" in shown.out, shown)
    check("an unknown kind names the known ones",
          "phishing" in c.run("incident", "open", "x", "--kind", "magic", "--severity", "low").err)
    check("a day to come is refused",
          c.run("incident", "open", "x", "--kind", "other", "--severity", "low", "--known", "2099-01-01").code == 1)
    acts = [e["action"] for e in c.run("audit", "list", "--action", "incident.", "--json").json()["events"]]
    check("each step is in the trail", acts == ["incident.open"] + ["incident.step"] * 3 + ["incident.close"], acts)


def main():
    c = Congvu()
    try:
        check("made", c.init().code == 0)
        proof = sec_02_the_trail_says_who_did_what_and_is_proved(c)  # on the stopped store
        c.start()
        sec_02_an_anchor_shows_that_the_past_was_rewritten(c, proof)
        sec_02_exports_go_on_where_they_ended(c)
        sec_02_a_log_server_gets_syslog(c)
        sec_03_deadlines_are_computed_now_24_and_72_hours(c)
        c.stop()
    finally:
        c.done()
    finish()


main()

# SPDX-License-Identifier: MPL-2.0
"""Verdicts over the milter protocol: scores, actions, weights read again, overload, statistics.

usage: milter_verdict.py BUILD
"""
import csv
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

from filter_kit import DOMAIN, Checks, Filter, txt
from milter_client import MilterClient

ZONE = ("$TTL 300\n" + txt("shop.test.", "v=spf1 ip4:192.0.2.9 -all")
        + txt("bad.test.", "v=spf1 -all"))
SUBJECT = "Xác nhận đăng ký tài khoản".encode()
BODY = "Mã xác nhận đăng ký tài khoản của bạn là 123456\r\n".encode()


class Mta(MilterClient):
    """One connection of an MTA."""

    def connect_step(self):
        address = b"4" + struct.pack(">H", 25) + b"192.0.2.9\0"
        return self.ask(b"C", b"host.test\0" + address)

    def hello(self):
        assert self.connect_step() == b"c"
        assert self.ask(b"H", b"host.test\0") == b"c"
        return self

    def sender(self, address=b"a@shop.test"):
        self.send(b"M", b"<" + address + b">\0")
        return self.read()

    def begin(self, to):
        assert self.sender()[0] == b"c"
        assert self.ask(b"R", b"<" + to.encode() + b">\0") == b"c"

    def end(self):
        """The rest of a sign-up mail: final answer, its text, what was changed."""
        for field in (b"From\0 no-reply@shop.test\0", b"Subject\0 " + SUBJECT + b"\0"):
            assert self.ask(b"L", field) == b"c"
        assert self.ask(b"N") == b"c"
        assert self.ask(b"B", BODY) == b"c"
        self.send(b"E")
        edits = []
        while (answer := self.read())[0] in b"himp+q":
            edits.append(answer)
        return answer, edits

    def mail(self, to=f"hoa@{DOMAIN}"):
        self.begin(to)
        return self.end()


def field_of(edits, name):
    for kind, data in edits:
        if kind == b"i" and data[4:].split(b"\0")[0] == name.encode():
            return data[4:].split(b"\0")[1].decode().strip()
    return None


def reload(mail_filter):
    return mail_filter.ask(do="reload")


def spm_01_the_score_decides_and_the_header_says_why(check, mail_filter, path):
    mta = Mta(path).hello()
    rows = (  # other rules may add tenths of their own
        ("0.0", b"c", "mark", False),
        ("-4.5", b"c", "mark", False),
        ("5.5", b"c", "junk", False),
        ("7.5", b"y", "451 4.7.1 [SPM-01.greylist]", False),
        ("12.0", b"c", "quarantine", True),
        ("20.0", b"y", "550 5.7.1 [SPM-01.score]", False),
    )
    for weight, want, text, held in rows:
        mail_filter.put_weights(f"# by test\nsignup {weight}\n")
        (answer, data), edits = mta.mail()
        verdict = field_of(edits, "X-Congvu-Verdict") or ""
        said = data.decode("latin-1") if answer == b"y" else verdict
        check(f"weight {weight}", answer in (want, b"a" if want == b"c" else want)
              and said.startswith(text), (answer, data, edits))
        check(f"weight {weight} is told", want == b"y" or f"signup({weight})" in verdict, verdict)
        reasons = [e[1] for e in edits if e[0] == b"q"]
        check(f"weight {weight}: held by the MTA, and why", len(reasons) == held
              and all(b"score=12." in r and b"rules=signup(12.0)" in r for r in reasons), edits)
    for to in (f"tiepdan@{DOMAIN}", "any@hoi.test"):
        (answer, _), edits = mta.mail(to)
        check(f"{to} is never refused by score (SPM-02)", answer in b"ca"
              and field_of(edits, "X-Congvu-Verdict").startswith("quarantine; "),
              (answer, edits))
    plain = Mta(path, actions=0x11).hello()
    mail_filter.put_weights("signup 12\n")
    (answer, _), edits = plain.mail()
    check("an MTA without quarantine gets the header alone", answer in b"ca"
          and not any(e[0] == b"q" for e in edits)
          and field_of(edits, "X-Congvu-Verdict").startswith("quarantine"), edits)


def check_reload(check, mail_filter, path):
    mail_filter.put_weights("signup 1\n")
    mta = Mta(path).hello()
    mta.begin(f"hoa@{DOMAIN}")
    with open(os.path.join(mail_filter.dir, "weights.txt"), "w", encoding="utf-8") as f:
        f.write("signup 2\nbayse 3\n")
    answer = reload(mail_filter)
    check("a wrong line is named", not answer["ok"] and "weights.txt:2: no rule 'bayse'"
          in answer["error"], answer)
    (answer, _), edits = mta.end()
    check("the message under way ends as it began", answer in b"ca"
          and "signup(1.0)" in field_of(edits, "X-Congvu-Verdict"), edits)
    _, edits = mta.mail()
    check("the old file stays", "signup(1.0)" in field_of(edits, "X-Congvu-Verdict"), edits)
    mta.begin(f"hoa@{DOMAIN}")
    mail_filter.put_weights("signup 2\n")
    _, edits = mta.end()
    check("by the next message alone", "signup(1.0)" in field_of(edits, "X-Congvu-Verdict"), edits)
    _, edits = mta.mail()
    check("which is on the same session", "signup(2.0)" in field_of(edits, "X-Congvu-Verdict"), edits)


def check_overload(check, mail_filter, path):
    """A session more than threads_max is answered at once, and told so in the status."""
    conf = open(mail_filter.conf, encoding="utf-8").read()
    end = time.time() + 20
    while mail_filter.ask(do="status")["sessions_open"] and time.time() < end:
        time.sleep(0.05)
    for action, want in (("tempfail", b"t"), ("accept", b"a")):
        with open(mail_filter.conf, "w", encoding="utf-8") as f:
            f.write(conf + f"threads_max = 2\noverload_action = {action}\n")
        check(f"{action}: read again", reload(mail_filter)["ok"])
        held = [Mta(path).hello() for _ in range(2)]
        check(action, Mta(path).connect_step() == want)
        for mta in held:
            check(f"{action}: sessions go on", mta.mail()[0][0] in b"ca")
            mta.send(b"Q")
            mta.socket.close()
        while mail_filter.ask(do="status")["sessions_open"] and time.time() < end:
            time.sleep(0.05)
    for action, want in (("tempfail", b"y"), ("accept", b"c")):
        with open(mail_filter.conf, "w", encoding="utf-8") as f:
            f.write(conf + f"bodies_max = 1M\noverload_action = {action}\n")
        check(f"bodies, {action}: read again", reload(mail_filter)["ok"])
        first = Mta(path).hello()
        first.begin(f"hoa@{DOMAIN}")
        assert first.ask(b"L", b"From\0 a@none.test\0") == b"c" and first.ask(b"N") == b"c"
        for _ in range(40):
            assert first.ask(b"B", b"0123456789abcde\n" * 2048) == b"c"
        answer, data = Mta(path).hello().sender()
        check(f"bodies_max is reached, {action}", answer == want
              and (want == b"c" or data.startswith(b"451 4.3.2 [LIMIT.busy]")), (answer, data))
        first.send(b"E")
        while (answer := first.read()[0]) in b"himp+q":
            pass
        check(f"bodies, {action}: the message under way ends", answer in b"ca", answer)
        check(f"bodies, {action}: and the next is taken", Mta(path).hello().sender()[0] == b"c")
    with open(mail_filter.conf, "w", encoding="utf-8") as f:
        f.write(conf + "overload_action = shout\n")
    answer = reload(mail_filter)
    check("another word is refused", not answer["ok"] and "tempfail" in answer["error"], answer)
    with open(mail_filter.conf, "w", encoding="utf-8") as f:
        f.write(conf)
    check("and the old configuration again", reload(mail_filter)["ok"])
    status = mail_filter.ask(do="status")
    check("those turned away are counted", status["turned_away"] == 2, status)
    check("memory is told", status["resident_peak"] > 1 << 20 and status["bodies_max"] > 0
          and status["memory_max"] > status["resident_peak"], status)
    print("memory_max", status["memory_max"] >> 20, "MB, resident_peak",
          status["resident_peak"] >> 20, "MB")


def check_statistics(check, build, mail_filter, path):
    answer, data = Mta(path).hello().sender(b"x@bad.test")
    check("SPF refuses at MAIL", answer == b"y" and b"[SPF.fail]" in data, data)
    rows = mail_filter.ask(do="spam.stats")["rows"]
    check("counted for nobody's agency", len(rows) == 1 and rows[0]["agency"] == "-", rows)
    check("by action", rows[0]["actions"]["greylist"] == 1 and rows[0]["actions"]["junk"] == 1
          and rows[0]["actions"]["quarantine"] == 4 and rows[0]["actions"]["refuse"] == 2, rows)
    check("by rule", rows[0]["rules"]["spf-fail"] == 1
          and rows[0]["rules"]["signup"] == rows[0]["messages"] - 3, rows)
    check("no such day", not mail_filter.ask(do="spam.stats", **{"from": "2026-13-01"})["ok"])
    program = [os.path.join(build, "bin", "congvu"), "--conf", mail_filter.conf]

    def congvu(*words):
        return subprocess.run([*program, *words], capture_output=True, text=True, timeout=60,
                              check=False)
    done = congvu("--json", "spam", "stats")
    sums = json.loads(done.stdout)["sums"]
    check("congvu spam stats", sums[0]["messages"] == rows[0]["messages"], done)
    done = congvu("spam", "stats", "--csv")
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    check("as CSV", len(table) == 1 and table[0]["quarantine"] == "4"
          and "signup=" in table[0]["rules"], done)
    done = congvu("--lang", "vi", "spam", "stats")
    check("for people", "Cơ quan" in done.stdout and "signup" in done.stdout, done)
    done = congvu("--json", "spam", "stats", "--month", "2020-02", "--agency", "stp")
    check("another month is empty", json.loads(done.stdout)["rows"] == [], done)
    check("no such month", congvu("spam", "stats", "--month", "2026-13").returncode == 64)


def main():
    build = sys.argv[1]
    check = Checks()
    mail_filter = Filter(build, ZONE, options=(
        "weights_file = weights.txt\nscore_greylist = 7\n"
        f"public_boxes = tiepdan@{DOMAIN} @hoi.test\n"))
    path = os.path.join(mail_filter.dir, "filter.sock")
    mail_filter.socket = f"unix:{path}"
    mail_filter.put_weights("")
    try:
        mail_filter.start()
        spm_01_the_score_decides_and_the_header_says_why(check, mail_filter, path)
        check_reload(check, mail_filter, path)
        check_overload(check, mail_filter, path)
        check_statistics(check, build, mail_filter, path)
        check("it ends cleanly", mail_filter.stop() == 0)
        log = mail_filter.log()
        check("the log has verdict, score and reasons",
              re.search(r"verdict=quarantine score=12\.\d rules=signup\(12\.0\)", log))
        check("no complaint of a sanitizer", "Sanitizer" not in log)
    finally:
        if check.failed or sys.exc_info()[0]:
            print(mail_filter.log()[-4000:])
        mail_filter.stop()
        shutil.rmtree(mail_filter.dir, ignore_errors=True)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

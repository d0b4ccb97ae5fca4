# SPDX-License-Identifier: MPL-2.0
"""congvu-spamfilter as a tool: explain and judge, alone, with a configuration, beside the daemon.

usage: spam_tool.py BUILD
"""
import json
import mailbox
import os
import subprocess
import sys
import tempfile

from filter_kit import DOMAIN, Checks, Filter, txt

ZONE = ("$TTL 300\n" + txt("out.test.", "v=spf1 ip4:192.0.2.1 -all")
        + txt("bad.test.", "v=spf1 -all") + txt("_dmarc.victim.test.", "v=DMARC1; p=reject"))
for name in ("greedy", "hungry"):  # records that take more than a hundred look-ups each
    ZONE += txt(f"{name}.test.", "v=spf1 " + " ".join(f"mx:m{i}.{name}.test" for i in range(10))
                + " ip4:192.0.2.9 -all")
    for i in range(10):
        for k in range(10):
            ZONE += (f"m{i}.{name}.test. MX 10 h{i}x{k}.{name}.test.\n"
                     f"h{i}x{k}.{name}.test. A 198.51.100.{k + 1}\n")


def message(sender="a@out.test", subject="hello", extra="", text="text\r\n"):
    return (f"{extra}From: <{sender}>\r\nTo: <b@{DOMAIN}>\r\nSubject: {subject}\r\n"
            f"Date: Mon, 23 Nov 2026 08:00:00 +0700\r\n\r\n{text}").encode()


RECEIVED = ("Return-Path: <a@bad.test>\r\n"
            "Received: from front (front [10.0.0.7]) by store; Mon, 23 Nov 2026 08:00:01 +0700\r\n"
            "Received: from mx.bad.test (mx.bad.test [192.0.2.66])\r\n\tby front; "
            "Mon, 23 Nov 2026 08:00:00 +0700\r\n"
            "Received: from forged ([192.0.2.1]) by mx.bad.test; Mon, 23 Nov 2026 07:00:00 +0700\r\n")
SIGNUP = ("Xác nhận đăng ký tài khoản", "Mã xác nhận đăng ký tài khoản của bạn là 123456\r\n")


class Tool:
    def __init__(self, build, conf):
        self.program = os.path.join(build, "bin", "congvu-spamfilter")
        self.congvu = os.path.join(build, "bin", "congvu")
        self.conf = conf

    def run(self, *words, data=b"", program=None, env=None):
        return subprocess.run([program or self.program, *words], input=data, capture_output=True,
                              check=False, timeout=60,
                              env={**os.environ, "CONGVU_CONF": self.conf or "", "LC_ALL": "C",
                                   **(env or {})})

    def explain(self, data, *words):
        done = self.run("explain", "--json", *words, "-", data=data)
        assert done.returncode == 0, done
        return json.loads(done.stdout)


def names(answer):
    return [row["name"] for row in answer["rules"]]


def check_alone(check, build):
    tool = Tool(build, None)
    answer = tool.explain(message())
    check("alone: passed", answer["verdict"] == "pass" and answer["score"] == 0, answer)
    check("alone: no client, no SPF", answer["authentication"]["spf"] is None, answer)
    done = tool.run("explain", "-", data=message(subject=SIGNUP[0], text=SIGNUP[1]),
                    env={"LC_ALL": "vi_VN.UTF-8"})
    text = done.stdout.decode()
    check("explained in Vietnamese", "Kết luận: mark" in text and "signup" in text, text)
    done = tool.run("explain", "-", data=message(subject=SIGNUP[0], text=SIGNUP[1]))
    check("and in English", b"Verdict: mark (delivered with a mark)" in done.stdout, done)
    for words in (["explain"], ["judge"], ["explain", "--frob", "-"], ["judge", "--client"],
                  ["explain", "-", "-"]):
        check(f"usage: {words}", tool.run(*words).returncode == 64, words)
    check("help", b"--client" in tool.run("judge", "--help").stdout)
    for words in (["--client", "nowhere"], ["--from", "@@"], ["--to", "x y"]):
        done = tool.run("explain", *words, "-", data=message())
        check(f"refused: {words}", done.returncode == 1 and words[1].encode() in done.stderr, done)


def check_rules(check, build, folder):
    """What `rules` prints is a file of weights."""
    tool = Tool(build, None)
    printed = tool.run("rules").stdout.decode()
    check("every rule is printed", "\nsignup " in printed and "\nspf-fail " in printed, printed)
    rows = json.loads(tool.run("rules", "--json").stdout)["rules"]
    check("and as JSON", {"forged-domain", "secrecy-mark"} <= {row["name"] for row in rows}, rows)
    conf = os.path.join(folder, "congvu.conf")
    with open(os.path.join(folder, "weights.txt"), "w", encoding="utf-8") as f:
        f.write(printed + "signup 4.25\n")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"[congvu]\nbase_dir = {folder}\n[spamfilter]\nweights_file = weights.txt\n")
    rows = json.loads(Tool(build, conf).run("rules", "--json", program=None).stdout)["rules"]
    weights = {row["name"]: (row["weight"], row["weight_default"]) for row in rows}
    check("the weight in force", weights["signup"][0] == 4.25, weights["signup"])
    check("the others as before",
          all(abs(a - b) < 0.01 for name, (a, b) in weights.items() if name != "signup"), weights)
    check("congvu spam rules", b"\nsignup" in tool.run("spam", "rules", program=tool.congvu).stdout)


def check_without_dns(check, build, conf):
    """Without DNS nothing is waited for, and nothing it might have said counts."""
    answer = Tool(build, conf).explain(message(extra=RECEIVED), "--no-dns")
    check("no DNS: no refusal by SPF", answer["verdict"] == "pass" and answer["score"] == 0
          and answer["authentication"]["spf"] == "temperror", answer)


def check_files(check, build, folder):
    tool = Tool(build, None)
    box = mailbox.Maildir(os.path.join(folder, "Maildir"))
    for i in range(3):
        box.add(message(subject=f"m{i}"))
    mbox = mailbox.mbox(os.path.join(folder, "x.mbox"))
    mbox.add(message(subject="one", text="From the start\r\n"))
    mbox.add(message(subject=SIGNUP[0], text=SIGNUP[1]))
    mbox.close()
    sub = os.path.join(folder, "folder", "below")
    os.makedirs(sub)
    for name in ("a.eml", ".hidden"):
        with open(os.path.join(sub, name), "wb") as f:
            f.write(message().replace(b"\r\n", b"\n"))
    done = tool.run("judge", folder)
    lines = done.stdout.decode().splitlines()
    check("a line each", done.returncode == 0 and len(lines) == 6, done)
    check("verdict, score, file", lines[-1].split(" ", 2)[:2] == ["mark", "0.0"], lines)
    check("of an mbox by number", lines[-1].endswith("x.mbox#2"), lines)
    done = tool.run("judge", "--json", os.path.join(folder, "x.mbox"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    check("JSON lines", [names(row) for row in rows] == [[], ["signup"]], rows)
    done = tool.run("judge", os.path.join(folder, "none"), sub)
    check("what is not there is named", done.returncode == 2 and b"none: No such file" in done.stderr
          and len(done.stdout.splitlines()) == 1, done)
    check("nothing at all fails", tool.run("judge", "/nonexistent").returncode == 1)
    done = tool.run("judge", "-", data=b"")
    check("no message fails", done.returncode == 1 and b"no message" in done.stderr, done)
    done = tool.run("spam", "judge", sub, program=tool.congvu)
    check("congvu spam judge", done.returncode == 0 and done.stdout.startswith(b"pass 0.0 "), done)
    done = tool.run("--json", "spam", "explain", "--submission", "-", data=message(),
                    program=tool.congvu)
    check("congvu spam explain", json.loads(done.stdout)["envelope"]["submission"] is True, done)


def check_origin(check, build, conf):
    tool = Tool(build, conf)
    answer = tool.explain(message(extra=RECEIVED), "--local")
    envelope = answer["envelope"]
    check("the client is the first from outside", envelope["client"] == "192.0.2.66"
          and envelope["helo"] == "mx.bad.test" and envelope["from"] == "a@bad.test", envelope)
    check("and said to be assumed", envelope["assumed"] == ["client", "from"], envelope)
    check("so SPF speaks (RFC 7208 2.6)", answer["authentication"]["spf"] == "fail"
          and answer["verdict"] == "refuse" and answer["refusal"]["rule"] == "SPF.fail", answer)
    answer = tool.explain(message(extra=RECEIVED), "--local", "--client", "192.0.2.1",
                          "--from", "a@out.test", "--helo", "x")
    check("what is said goes first", answer["authentication"]["spf"] == "pass"
          and not answer["envelope"]["assumed"], answer)
    answer = tool.explain(message("a@victim.test"), "--local", "--client", "192.0.2.9",
                          "--from", "x@greedy.test", "--helo", "hungry.test")
    check("a sender's records do not use up the look-ups for the author's policy (RFC 9989 5.4)",
          answer["verdict"] == "refuse" and answer["authentication"]["dmarc"] == "fail", answer)
    answer = tool.explain(message(f"chutich@{DOMAIN}"), "--local", "--client", "192.0.2.9")
    check("a forged domain (POL-06)", names(answer) == ["forged-domain"]
          and answer["refusal"]["code"] == 550, answer)
    done = tool.run("explain", "--local", "--client", "192.0.2.9", "-",
                    data=message(f"x@{DOMAIN}"))
    check("the refusal names its rule", b"Refusal: 550 [POL-06.forged-own]" in done.stdout, done)


def check_daemon(check, build, mail_filter):
    tool = Tool(build, mail_filter.conf)
    before = mail_filter.ask(do="status")["messages"]
    beside = tool.explain(message(extra=RECEIVED))
    alone = tool.explain(message(extra=RECEIVED), "--local")
    for answer in (beside, alone):
        answer.pop("took_ms")
        answer.pop("classifier", None)  # its statistics are the daemon's alone while it runs
    check("the daemon says the same", beside == alone, (beside, alone))
    check("and counts nothing", mail_filter.ask(do="status")["messages"] == before)
    done = tool.run("judge", "-", data=b"From x\n" + message() + b"\nFrom y\n" + message())
    check("judged by the daemon", done.stdout.count(b"pass 0.0 -#") == 2, done)
    done = tool.run("explain", "--client", "nowhere", "-", data=message())
    check("its refusal is told", done.returncode == 1 and b"nowhere" in done.stderr, done)
    check("the daemon reads no nonsense",
          not mail_filter.ask(do="explain", message="%%%")["ok"])


def main():
    build = sys.argv[1]
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        check_alone(check, build)
        check_files(check, build, folder)
    with tempfile.TemporaryDirectory() as folder:
        check_rules(check, build, folder)
    mail_filter = Filter(build, ZONE)
    try:
        check_origin(check, build, mail_filter.conf)
        check_without_dns(check, build, None)
        mail_filter.start()
        check_daemon(check, build, mail_filter)
        check("a clean stop", mail_filter.stop() == 0)
        done = Tool(build, mail_filter.conf).run("judge", "-", data=message())
        check("stopped, its statistics are opened", done.returncode == 0 and not done.stderr, done)
    finally:
        mail_filter.stop()
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

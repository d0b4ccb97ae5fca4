#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""congvu from an empty folder to a running province: init, people, import, suspend, on running
daemons and on a stopped store; exit codes, JSON and both languages."""
import imaplib
import os
import re
import signal
import ssl
import stat
import subprocess
import time

from admin_kit import DOMAIN, Congvu, check, finish

LIST = """STT,Họ và tên,Chức vụ,Mã đơn vị,Điện thoại cơ quan
1,Nguyễn Văn Hòa,Chuyên viên,stp,0299 3123456
2,Trần Thị Thu Thảo,Văn thư,stp,0299 3123456
3,"Ông Nguyễn Văn Lỗi",Chuyên viên,khongco,0299 3123456
"""


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=False).stdout


def test_init(c):
    answer = c.init()
    check("init makes a province", answer.code == 0 and answer.json().get("ok") is True, answer)
    made = answer.json()
    check("init shows the postmaster's password once", len(made.get("password", "")) >= 14, answer)
    keys = os.path.join(c.base, "keys")
    check("the server's certificate is signed by the authority",
          "server.pem: OK" in openssl("verify", "-CAfile", f"{keys}/ca.pem", f"{keys}/server.pem"))
    text = openssl("x509", "-in", f"{keys}/server.pem", "-noout", "-ext", "subjectAltName")
    for name in (f"DNS:mail.{DOMAIN}", "DNS:localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"):
        check(f"the certificate names {name}", name in text, text)
    for name in ("ca.key", "server.key", f"dkim/{DOMAIN}/s2026a.pem"):
        path = os.path.join(keys, name).replace("s2026a", made.get("dkim_selector", "s2026a"))
        check(f"only its owner reads {name}", mode(path) == 0o600)
    check("only its owner reads the store", mode(os.path.join(c.base, "mail")) == 0o700)
    before = open(c.conf, "rb").read()
    again = c.init()
    check("init does not overwrite", again.code == 1 and again.json().get("ok") is False, again)
    check("init left the configuration alone", open(c.conf, "rb").read() == before)
    os.rename(c.conf, c.conf + ".away")
    again = c.run("init", "--base-dir", c.base, "--domain", DOMAIN, conf=False)
    check("init does not take a folder that holds mail", again.code == 1 and "/mail" in again.err,
          again)
    os.rename(c.conf + ".away", c.conf)
    for words in (("--domain", "khong"), ("--domain", DOMAIN, "--ports", "frob"), (),
                  ("--domain", DOMAIN, "--user", "no-such-user-here"),
                  ("--domain", DOMAIN, "--inside", "10.0.0.0/99"),
                  ("--domain", DOMAIN, "--province", "a\nb")):
        other = os.path.join(c.dir, "other")
        answer = c.run("init", "--base-dir", other, *words, conf=False)
        check(f"init refuses {words} before it makes anything",
              answer.code == 1 and not os.path.exists(other), answer)
    other = os.path.join(c.dir, "inside")
    c.run("init", "--base-dir", other, "--domain", DOMAIN, "--inside", "10.20.0.0/16", conf=False)
    with open(os.path.join(other, "congvu.conf"), encoding="utf-8") as f:
        text = f.read()
    check("init names the province's networks beside the machine itself",
          "inside_networks = 127.0.0.0/8 ::1/128 10.20.0.0/16\n" in text, text)
    return made


def test_config(c):
    check("config check finds no fault", c.run("config", "check").code == 0)
    bad = os.path.join(c.dir, "bad.conf")
    with open(bad, "w", encoding="utf-8") as f:
        f.write("[smtpd]\nno_such_option = 1\n")
    answer = c.run("--conf", bad, "config", "check", conf=False)
    check("config check names file and line", answer.code == 78 and "bad.conf:2" in answer.err,
          answer)
    with open(bad, "w", encoding="utf-8") as f:
        f.write("[congvu]\ntls_cert = /nowhere.pem\ninside_networks = 10.0.0.0/99\n")
    answer = c.run("--conf", bad, "config", "check", "--json", conf=False)
    check("config check looks at what the file names", answer.code == 78
          and len(answer.json().get("faults", [])) == 2, answer)


def test_help(c):
    for words in (("queue", "--help"), ("help", "queue")):
        answer = c.run(*words, conf=False)
        lines = [line for line in answer.out.split("Exit codes:")[0].splitlines() if line.startswith("  ")]
        check(f"{words} lists what can be done with it alone", answer.code == 0 and lines
              and all(line.startswith("  queue ") for line in lines), answer)
    answer = c.run("queue", "--json", conf=False)
    check("a noun alone is no command", answer.code == 64, answer)
    answer = c.run("queue", "eat", conf=False)
    check("a wrong verb shows the right ones", answer.code == 64 and "queue list" in answer.err
          and "account add" not in answer.err, answer)
    answer = c.run("help", conf=False)
    check("help lists everything", answer.code == 0 and "account add" in answer.out, answer)


def test_dkim(c, selector):
    folder = os.path.join(c.base, "keys", "dkim", DOMAIN)
    answer = c.run("dkim", "show", DOMAIN, "--json").json()
    records = {r["selector"]: r for r in answer["records"]}
    check("dkim show has both keys", sorted(records) == [selector, selector + "-ed"], answer)
    der = openssl("pkey", "-in", f"{folder}/{selector}.pem", "-pubout")
    wanted = "".join(der.split("\n")[1:-2])
    check("the RSA record holds the public half", records[selector]["value"]
          == "v=DKIM1; k=rsa; p=" + wanted, records[selector])
    raw = openssl("pkey", "-in", f"{folder}/{selector}-ed.ed25519.pem", "-pubout")
    check("the ed25519 record holds the bare 32 octets",
          records[selector + "-ed"]["value"].startswith(
        "v=DKIM1; k=ed25519; p=") and len(records[selector + "-ed"]["value"]) == 22 + 44, raw)
    strings = re.findall(r'"([^"]*)"', records[selector]["zone"])
    check("zone strings are 255 octets at most and join to the value",
          max(map(len, strings)) <= 255 and "".join(strings) == records[selector]["value"], strings)
    answer = c.run("dkim", "keygen", "trason.example", "--selector", "s1")
    check("dkim keygen prints zone lines", answer.code == 0
          and "s1._domainkey.trason.example. IN TXT (" in answer.out, answer)
    answer = c.run("dkim", "keygen", "trason.example", "--selector", "s1")
    check("dkim keygen does not overwrite", answer.code == 1, answer)


def test_people(c, when):
    """Runs twice: WHEN is "stopped" or "running"."""
    tag = when[0]
    answer = c.run("domain", "add", f"{when}.example", "--alias-of", DOMAIN, "--json")
    check(f"{when}: domain add", answer.code == 0 and answer.json()["ok"] is True, answer)
    answer = c.run("domain", "list", "--json")
    domains = {d["domain"]: d["alias_of"] for d in answer.json()["domains"]}
    check(f"{when}: domain list", domains.get(f"{when}.example") == DOMAIN, answer)
    answer = c.run("agency", "add", f"stp{tag}", "Sở Tư pháp", "--type", "so", "--rank", "3",
          "--mailbox",
                   "--json")
    check(f"{when}: agency add makes its box", answer.json().get("address") == f"stp{tag}@{DOMAIN}",
          answer)
    answer = c.run("agency", "list", "--json")
    check(f"{when}: agency list shows the address", [a for a in answer.json()["agencies"]
          if a["code"] == f"stp{tag}" and a["address"] == f"stp{tag}@{DOMAIN}"], answer)
    answer = c.run("account", "add", "Đặng Thị Duyên", "--agency", f"stp{tag}", "--title",
          "Chuyên viên",
                   "--quota", "3G", "--json")
    address = f"dtduyen.stp{tag}@{DOMAIN}"
    check(f"{when}: ADR-01 address from the name", answer.json().get("address") == address, answer)
    check(f"{when}: a made password is shown", len(answer.json().get("password", "")) >= 14, answer)
    shown = c.run("account", "show", address, "--json").json()["account"]
    check(f"{when}: account show", shown["quota"] == 3 << 30 and shown["must_change"] is True
          and shown["name"] == "Đặng Thị Duyên" and shown["title"] == "Chuyên viên", shown)
    answer = c.run("account", "list", "dang thi duyen", "--agency", f"stp{tag}")
    check(f"{when}: account list finds without diacritics", address in answer.out, answer)
    answer = c.run("account", "add", "--address", f"thu{tag}@{DOMAIN}", "--password-stdin",
                   stdin="Lua chin-vang 2026\n")
    check(f"{when}: account add with address and password", answer.code == 0, answer)
    for words, stdin in ((("account", "add", "--address", f"yeu{tag}@{DOMAIN}", "--password-stdin"),
          "123\n"),
                         (("account", "add", "--address", f"admin@{DOMAIN}"), ""),
                         (("account", "show", f"khong.co@{DOMAIN}"), ""),
                         (("agency", "add", "MÃ SAI", "Tên"), ""),
                         (("account", "add", "Lê Văn Tám", "--agency", "khongco"), "")):
        answer = c.run(*words, stdin=stdin)
        check(f"{when}: refuses {words[2:4]}",
              answer.code == 1 and answer.err.startswith("congvu: "), answer)
    answer = c.run("account", "add", "--address", f"x{tag}@{DOMAIN}", "--quota", "viel")
    check(f"{when}: a wrong size is a usage fault", answer.code == 64, answer)
    path = os.path.join(c.dir, "list.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write(LIST.replace("stp", f"stp{tag}"))
    rejects = os.path.join(c.dir, f"rejects-{when}.csv")
    dry = c.run("import", path, "--dry-run", "--json")
    check(f"{when}: ACC-01 dry run tells all", dry.code == 2 and dry.json()["added"] == 2
          and len(dry.json()["rejected"]) == 1, dry)
    check(f"{when}: a dry run changes nothing",
          "nvhoa" not in c.run("account", "list", "--agency", f"stp{tag}").out)
    answer = c.run("import", path, "--rejects", rejects)
    check(f"{when}: ACC-01 import", answer.code == 2 and "2 new" in answer.out, answer)
    with open(rejects, encoding="utf-8-sig") as f:
        rows = f.read().splitlines()
    check(f"{when}: the refused row is in the file", len(rows) == 2 and "Lỗi" in rows[1], rows)
    answer = c.run("import", path, "--json")
    check(f"{when}: ACC-01 importing again changes nothing", answer.json()["added"] == 0
          and answer.json()["unchanged"] == 2, answer)
    check(f"{when}: store check", c.run("store", "check").code == 0)


def login(c, user, password):
    context = ssl.create_default_context(cafile=os.path.join(c.base, "keys", "ca.pem"))
    with imaplib.IMAP4_SSL("127.0.0.1", c.port["2993"], ssl_context=context, timeout=60) as box:
        try:
            box.login(user, password)
            return box.select("INBOX")[0] == "OK"
        except imaplib.IMAP4.error:
            return False


def test_passwords(c, made):
    check("the postmaster's password from init works", login(c, made["postmaster"],
          made["password"]))
    user = f"thur@{DOMAIN}"
    check("a password from standard input works", login(c, user, "Lua chin-vang 2026"))
    answer = c.run("account", "passwd", user, stdin="Song Han-xanh 2027\n")
    check("account passwd", answer.code == 0, answer)
    check("the new password works", login(c, user, "Song Han-xanh 2027"))
    check("the old password does not", not login(c, user, "Lua chin-vang 2026"))
    answer = c.run("account", "passwd", user, "--random", "--json")
    check("a random password works", login(c, user, answer.json()["password"]), answer)
    answer = c.run("account", "suspend", user, "--reason", "CV 12/STP")
    check("account suspend", answer.code == 0, answer)
    time.sleep(1.2)
    password = c.run("account", "passwd", user, "--random", "--json").json()["password"]
    check("a suspended account cannot log in", not login(c, user, password))
    check("account resume", c.run("account", "resume", user).code == 0)
    time.sleep(1.2)
    check("a resumed account can", login(c, user, password))


def test_queue(c):
    for words in (("list",), ("stats",), ("retry", "--all"), ("hold", "--all", "--sender", "x"),
                  ("release", "--all"), ("delete", "--all", "--yes"), ("bounce", "--all", "--yes")):
        answer = c.run("queue", *words, "--json")
        check(f"queue {' '.join(words)}", answer.code == 0 and answer.json().get("ok") is True,
              answer)
    check("queue list for people", "empty" in c.run("queue", "list").out)
    check("queue list in Vietnamese", "trống" in c.run("queue", "list", lang="vi").out)
    check("queue show of nothing", c.run("queue", "show", "1").code == 1)


def test_languages(c):
    answer = c.run("domain", "frob", lang="vi")
    check("faults in Vietnamese", answer.code == 64 and "lỗi: không có lệnh" in answer.err, answer)
    check("tables in Vietnamese", "TÊN MIỀN" in c.run("domain", "list", lang="vi").out)
    check("tables in English", "DOMAIN" in c.run("domain", "list").out)


def test_dns(c):
    answer = c.run("dns", "show")
    check("dns show tells of the server once, of each domain once", answer.code == 0
          and answer.out.count("_25._tcp.mail.") == 1 and "_dmarc.stopped.example." in answer.out
          and answer.out.count("IN MX 10 mail.") > 1, answer)
    check("dns show lets the domain that gets the reports agree",
          f"stopped.example._report._dmarc.{DOMAIN}. IN TXT" in answer.out
          and f"{DOMAIN}._report" not in answer.out.replace(f"_report._dmarc.{DOMAIN}", ""), answer)
    check("dns show says that a domain has no key",
          "congvu dkim keygen stopped.example" in answer.out
          and f"congvu dkim keygen {DOMAIN}" not in answer.out, answer)
    for local in ("abuse", "dmarc", "tlsrpt"):
        answer = c.run("account", "show", f"{local}@{DOMAIN}")
        check(f"init gives {local}@ a box", answer.code == 0 and "postmaster" in answer.out, answer)


def test_supervised_store(c):
    """While `congvu serve` is about to start imapd again, nobody else takes the store."""
    pids = [int(p) for p in re.findall(r"serve.started program=congvu-imapd pid=(\d+)", c.log_text())]
    os.kill(pids[-1], signal.SIGKILL)
    time.sleep(0.3)  # what the dying one took it cannot answer
    answers = [c.run("account", "list", "--json") for _ in range(3)]
    check("commands wait for the new imapd", all(a.code == 0 for a in answers), answers)
    check("and did not keep the store from it", "is open in process" not in c.log_text(), c.log_text()[-2000:])


def main():
    c = Congvu()
    try:
        made = test_init(c)
        test_config(c)
        test_help(c)
        test_dkim(c, made["dkim_selector"])
        check("status of what does not run", c.run("status").code == 69)
        check("the queue needs smtpd", c.run("queue", "list").code == 69)
        test_people(c, "stopped")
        c.start()
        answer = c.run("status", "--json")
        check("status of what runs",
              answer.code == 0 and all(v["running"] for v in answer.json().values()),
              answer)
        test_people(c, "running")
        test_passwords(c, made)
        test_dns(c)
        test_queue(c)
        test_languages(c)
        test_supervised_store(c)
        check("serve ends cleanly", c.stop() == 0)
        answer = c.run("account", "show", f"thur@{DOMAIN}", "--json")
        check("what was made while running is there when stopped", answer.code == 0, answer)
        # A supervisor that dies takes its daemons along; the sockets left behind answer nobody.
        c.start()
        pids = c.daemon_pids()[-3:]
        c.serve.send_signal(signal.SIGKILL)
        c.serve.wait()
        end = time.monotonic() + 60
        while time.monotonic() < end and any(os.path.exists(f"/proc/{pid}") for pid in pids):
            time.sleep(0.1)
        check("no daemon outlives its supervisor",
              not any(os.path.exists(f"/proc/{p}") for p in pids))
        answer = c.run("account", "list", "--json")
        check("the stopped store is worked on behind a dead socket", answer.code == 0, answer)
    finally:
        c.done()
    finish()


main()

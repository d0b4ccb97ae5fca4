#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Boxes of other systems come over (MIG-03): a real Dovecot with fifty accounts, over TLS, killed in the
middle and run again; Maildir and mbox trees; and out again, read by Python's mailbox module."""
import base64
import csv
import datetime
import email
import imaplib
import mailbox
import os
import pwd
import random
import signal
import ssl
import subprocess
import sys
import time

from admin_kit import DOMAIN, Congvu, check, finish
from certs import Authority
from ports import free_ports

ACCOUNTS = 50
FOLDERS = ["INBOX", "Sent", "Công văn đến", "Công văn đến/2026", "Dự thảo & nháp"]
rng = random.Random(20261122)


def letter(user, folder, n):
    body = f"Kính gửi {user},\r\n\r\nThư số {n} trong {folder}.\r\nFrom here on: a line that mbox quotes.\r\n" * 3
    return (f"From: a{n}@trason.example\r\nTo: {user}@trason.example\r\nSubject: =?utf-8?q?Th=C6=B0_{n}?=\r\n"
            f"Message-ID: <{user}.{abs(hash((folder, n)))}@trason.example>\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}").encode()


def imap_utf7(text):
    out, run = b"", ""
    for c in text + "\0":
        if 0x20 <= ord(c) <= 0x7e or c == "\0":
            if run:
                code = base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
                out, run = out + b"&" + code + b"-", ""
            out += b"&-" if c == "&" else b"" if c == "\0" else c.encode()
        else:
            run += c
    return out


def moment(text):
    """The same moment, whatever zone the old server told it in."""
    return datetime.datetime.strptime(text.strip('"'), "%d-%b-%Y %H:%M:%S %z").timestamp()


class Dovecot:
    """The old server: TLS, a master user, Maildir behind it."""

    def __init__(self, folder):
        self.dir, self.port = folder, free_ports(1)[0]
        os.makedirs(folder, exist_ok=True)
        os.makedirs(os.path.join(folder, "ca"))
        os.chmod(folder, 0o755)
        os.chmod(os.path.dirname(folder), 0o755)
        authority = Authority(os.path.join(folder, "ca"))
        cert, key = authority.issue("localhost")
        self.ca = authority.ca
        user = pwd.getpwnam("nobody")
        with open(os.path.join(folder, "passwd"), "w", encoding="utf-8") as f:
            for i in range(ACCOUNTS):
                f.write(f"u{i:02}:{{PLAIN}}old-{i}:{user.pw_uid}:{user.pw_gid}::{folder}/home/u{i:02}::\n")
        with open(os.path.join(folder, "master"), "w", encoding="utf-8") as f:
            f.write("chuyen:{PLAIN}master-word\n")
        os.makedirs(f"{folder}/home", exist_ok=True)
        os.chown(f"{folder}/home", user.pw_uid, user.pw_gid)
        self.conf = os.path.join(folder, "dovecot.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"""
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = required
ssl_cert = <{cert}
ssl_key = <{key}
auth_master_user_separator = *
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_max_userip_connections = 0
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  args = {folder}/master
  master = yes
}}
passdb {{
  driver = passwd-file
  args = {folder}/passwd
}}
userdb {{
  driver = passwd-file
  args = {folder}/passwd
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
    address = 127.0.0.1
  }}
}}
""")
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def login(self, user, password):
        context = ssl.create_default_context(cafile=self.ca)
        end = time.time() + 60
        while True:
            try:
                box = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context)
                break
            except OSError:
                assert time.time() < end and self.process.poll() is None, open(f"{self.dir}/log").read()[-2000:]
                time.sleep(0.2)
        box.login(user, password)
        return box

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def fill(old):
    """What is in the old boxes: {user: {folder: [(body, flags, internal date)]}}."""
    content = {}
    for i in range(ACCOUNTS):
        user, box = f"u{i:02}", old.login(f"u{i:02}", f"old-{i}")
        content[user] = {}
        for folder in FOLDERS:
            name = b'"' + imap_utf7(folder) + b'"'
            if folder not in ("INBOX", "Sent"):
                box._simple_command("CREATE", name)
            content[user][folder] = []
            for n in range(rng.randrange(1, 5)):
                body = letter(user, folder, n)
                flags = sorted(rng.sample([r"\Seen", r"\Flagged", r"\Answered", "$Forwarded"], rng.randrange(4)))
                date = f'"{rng.randrange(10, 28)}-Mar-2025 0{n}:15:30 +0700"'
                box.append(name.decode("latin-1"), f"({' '.join(flags)})", date, body)
                content[user][folder].append((body, flags, moment(date)))
        box.logout()
    return content


def read_box(port, user, password):
    """{folder: [(body, flags, internal date)]} of one of our boxes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    box = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context)
    box.login(user, password)
    found = {}
    for line in box.list()[1]:
        raw = line.split(b' "/" ')[1].strip(b'"')
        count = int(box.select(b'"' + raw + b'"', readonly=True)[1][0])
        rows, data = [], box.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1] if count else []
        for part in data:
            if isinstance(part, tuple):
                flags = [f.decode() for f in imaplib.ParseFlags(part[0]) if f != rb"\Recent"]
                date = moment(part[0].split(b"INTERNALDATE ")[1][:28].decode())
                rows.append((part[1], sorted(flags), date))
        found[raw] = rows
    box.logout()
    return found


def expected_of(content):
    names = {f: imap_utf7("Thư đã gửi" if f == "Sent" else f) for f in FOLDERS}
    return {names[f]: sorted(rows) for f, rows in content.items()}


def same_box(c, user, address, content):
    found = read_box(c.port["2993"], address, "Mat-khau-1234567")
    want = expected_of(content)
    got = {name: sorted(rows) for name, rows in found.items() if rows}
    if got != want:
        for name in set(got) | set(want):
            if got.get(name) != want.get(name):
                return f"{user} {name}: {len(got.get(name, []))} for {len(want.get(name, []))}: " \
                       f"{[r[1:] for r in got.get(name, [])]} {[r[1:] for r in want.get(name, [])]}"
    return ""


def mig_03_fifty_boxes_come_over_from_dovecot(c, old, content, lists):
    common = ("--host", "localhost", "--port", str(old.port), "--ca", old.ca, "--parallel", "8", "--json")
    total = sum(len(rows) for box in content.values() for rows in box.values())
    os.chmod(lists, 0o644)
    refused = c.run("migrate", "imap", lists, *common)
    check("a list with passwords that others can read is refused", refused.code == 1 and "chmod 600" in refused.out,
          refused)
    os.chmod(lists, 0o600)
    wrong = c.run("migrate", "imap", lists, *common[:4], "--json").json()
    check("a certificate of an unknown authority ends it before the password",
          wrong["failed"] == ACCOUNTS and "certificate" in wrong["results"][0]["error"], wrong["results"][:1])
    dry = c.run("migrate", "imap", lists, *common, "--dry-run").json()
    check("the dry run counts all and copies nothing", dry["found"] == total and dry["copied"] == 0, dry["found"])
    # Killed in the middle, several times, at each point of a batch and anywhere.
    for point in ("migrate.send:7", "migrate.sent:11", None):
        env = dict(os.environ, LC_ALL="C", ASAN_OPTIONS="exitcode=99")
        if point:
            env["CONGVU_KILL"] = point
        run = subprocess.Popen([c.program, "--conf", c.conf, "migrate", "imap", lists, *common], env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not point:
            time.sleep(1.0)
            run.send_signal(signal.SIGKILL)
        run.wait(120)
        check(f"killed ({point or 'after a second'})", run.returncode in (-signal.SIGKILL, 0), run.returncode)
    done = c.run("migrate", "imap", lists, *common)
    answer = done.json()
    check("the run after the kills is whole", done.code == 0 and answer["found"] == total == answer["copied"] +
          answer["there"], (done.code, {k: v for k, v in answer.items() if k != "results"}))
    faults = [x for x in (same_box(c, u, f"{u}@{DOMAIN}", content[u]) for u in content) if x]
    check("every message once, in its folder, with flags, keywords and date", not faults, faults[:3])
    again = c.run("migrate", "imap", lists, *common).json()
    check("MIG-03: a re-run copies nothing", again["copied"] == 0 and again["there"] == total, again["copied"])


def mig_03_what_is_new_comes_with_the_next_run(c, old, content, lists):
    box = old.login("u00", "old-0")
    body = letter("u00", "INBOX", 99)
    box.append("INBOX", r"(\Seen)", '"22-Nov-2026 08:00:00 +0700"', body)
    box.logout()
    content["u00"]["INBOX"].append((body, [r"\Seen"], moment('"22-Nov-2026 08:00:00 +0700"')))
    master = os.path.join(c.dir, "master.txt")
    with open(master, "w", encoding="ascii") as f:
        f.write("master-word\n")
    plain = os.path.join(c.dir, "users.csv")
    with open(plain, "w", encoding="utf-8") as f:
        f.write("\ufeffuser;address\r\n" + "".join(f"{u};{u}@{DOMAIN}\r\n" for u in content))
    answer = c.run("migrate", "imap", plain, "--host", "localhost", "--port", str(old.port), "--ca", old.ca,
                   "--master", "chuyen", "--password-file", master, "--json").json()
    check("a master user's run brings the one new letter", answer["copied"] == 1 and not answer["failed"],
          {k: v for k, v in answer.items() if k != "results"})
    check("and it is there", not same_box(c, "u00", f"u00@{DOMAIN}", content["u00"]))


def mig_03_files_come_over_and_go_out(c, content):
    """Our box to Maildir and mbox, read by Python's mailbox module, and back into a new box."""
    lists = os.path.join(c.dir, "out.csv")
    with open(lists, "w", encoding="utf-8") as f:
        f.write(f"user,password,address\nu01@{DOMAIN},Mat-khau-1234567,u01\n")
    os.chmod(lists, 0o600)
    ca = os.path.join(c.base, "keys/ca.pem")
    server = ("--host", "127.0.0.1", "--port", str(c.port["2143"]), "--security", "starttls", "--server-name",
              f"mail.{DOMAIN}")
    want = sum(len(rows) for rows in content["u01"].values())
    for form in ("maildir", "mbox"):
        out = os.path.join(c.dir, form)
        answer = c.run("migrate", "export", lists, *server, "--ca", ca, "--output", out, "--format", form, "--json")
        check(f"export as {form}", answer.code == 0 and answer.json()["copied"] == want, answer)
    bodies = sorted(b for rows in content["u01"].values() for b, _, _ in rows)
    seen = []
    for folder, _, names in os.walk(os.path.join(c.dir, "maildir/u01")):
        if folder.endswith("/cur"):
            box = mailbox.Maildir(os.path.dirname(folder), factory=None, create=False)
            seen += [box.get_bytes(key) for key in box.keys()]
    check("Python reads the same octets from Maildir", sorted(seen) == bodies, (len(seen), len(bodies)))
    count = 0
    for folder, _, names in os.walk(os.path.join(c.dir, "mbox/u01")):
        for name in names:
            box = mailbox.mbox(os.path.join(folder, name), create=False)
            for message in box:
                count += 1
                check("a From line was quoted", b"\nFrom here" not in message.as_bytes().split(b"\n\n", 1)[1],
                      name) if count == 1 else None
    check("and all from mbox", count == want, (count, want))
    again = c.run("migrate", "export", lists, *server, "--ca", ca, "--output", os.path.join(c.dir, "maildir"),
                  "--json").json()
    check("Maildir takes each message once", again["copied"] == 0 and again["there"] == want, again)
    for form, who in (("maildir", "x1"), ("mbox", "x2")):
        path = os.path.join(c.dir, form, "u01")
        answer = c.run("migrate", form, f"{who}@{DOMAIN}", path, "--json").json()
        check(f"{form}: back into a new box", answer["copied"] == want and not answer["skipped"], answer)
        found = read_box(c.port["2993"], f"{who}@{DOMAIN}", "Mat-khau-1234567")
        texts = sorted(email.message_from_bytes(b).get_payload() for rows in found.values() for b, _, _ in rows)
        check(f"{form}: the same texts", texts == sorted(email.message_from_bytes(b).get_payload() for b in bodies))
        flags = sorted(tuple(x for x in f if x.startswith("\\")) for rows in found.values() for _, f, _ in rows)
        wanted = sorted(tuple(x for x in f if x.startswith("\\")) for rows in content["u01"].values()
                        for _, f, _ in rows)
        check(f"{form}: the same flags", flags == wanted, (flags, wanted))
        again = c.run("migrate", form, f"{who}@{DOMAIN}", path, "--json").json()
        check(f"{form}: again copies nothing", again["copied"] == 0, again)


def main():
    if subprocess.run(["sh", "-c", "command -v dovecot"], stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(77)
    c = Congvu()
    old = None
    try:
        check("made", c.init().code == 0)
        users = [f"u{i:02}" for i in range(ACCOUNTS)] + ["x1", "x2"]
        for user in users:
            answer = c.run("account", "add", "Nguyễn Văn Cũ", "--address", f"{user}@{DOMAIN}", "--password-stdin",
                           "--allow-weak", "--keep-password", "--override", "--reason", "thử", stdin="Mat-khau-1234567\n")
            if answer.code:
                check(f"account {user}", False, answer)
        old = Dovecot(os.path.join(c.dir, "old"))
        content = fill(old)
        lists = os.path.join(c.dir, "accounts.csv")
        with open(lists, "w", encoding="utf-8", newline="") as f:
            w = csv.writer(f)
            w.writerow(["user", "password", "address"])
            for i, user in enumerate(content):
                w.writerow([user, f"old-{i}", f"{user}@{DOMAIN}"])
        c.start()
        begin = time.monotonic()
        mig_03_fifty_boxes_come_over_from_dovecot(c, old, content, lists)
        print(f"     {time.monotonic() - begin:.1f} s")
        mig_03_what_is_new_comes_with_the_next_run(c, old, content, lists)
        mig_03_files_come_over_and_go_out(c, content)
        c.stop()
    finally:
        if old:
            old.stop()
        c.done()
    finish()


main()

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""ACC-03: first passwords on printed slips, changed within six hours or locked."""
import html
import imaplib
import os
import re
import shutil
import ssl
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from admin_kit import DOMAIN, Congvu, check, finish  # noqa: E402

SLIP = re.compile(r"<section class=phieu>\n<h2>([^<]*)</h2>\n<p>([^<]*)</p>\n<p>Địa chỉ: <b>([^<]*)</b></p>\n"
                  r"<p>Mật khẩu lần đầu: <code>([^<]*)</code></p>\n<p>Phải đổi trước <b>([^<]*)</b>")
NEW = "Trau-Gam-Co-Non-2027"


def slips(path):
    with open(path, encoding="utf-8") as f:
        return [tuple(html.unescape(x) for x in m) for m in SLIP.findall(f.read())]


def login(c, user, password):
    context = ssl.create_default_context(cafile=os.path.join(c.base, "keys", "ca.pem"))
    with imaplib.IMAP4_SSL("127.0.0.1", c.port["2993"], ssl_context=context, timeout=60) as box:
        try:
            box.login(user, password)
            return "ok"
        except imaplib.IMAP4.error as fault:
            return str(fault)


def pages_of(path):
    """How many pages Chromium prints, or None without Chromium."""
    if not shutil.which("chromium"):
        return None
    pdf = path + ".pdf"
    subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--no-pdf-header-footer", f"--user-data-dir={path}.profile", f"--print-to-pdf={pdf}",
                    "file://" + path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
                   check=False, env={**os.environ, "HOME": os.path.dirname(path)})
    with open(pdf, "rb") as f:
        return len(re.findall(rb"/Type\s*/Page\b(?!s)", f.read()))


def acc_03_slips_are_made_for_those_without_a_password(c):
    dry = c.run("account", "slips", "--all", "--dry-run", "--json").json()
    check("a dry run counts", dry["slips"] == 22 and dry["dry_run"], dry)
    check("and changes nothing", c.run("account", "slips", "--all", "--dry-run", "--json").json() == dry)
    answer = c.run("account", "slips", "--agency", "stp", "--output", c.folder, "--json")
    check("made", answer.code == 0 and answer.json()["slips"] == 19, answer)
    path = answer.json()["sheets"][0]["file"]
    made = slips(path)
    check("a slip each, with name, unit, address", len(made) == 19
          and all(unit == "Sở <Tư pháp> & Hộ tịch" for _, unit, _, _, _ in made)
          and len({address for _, _, address, _, _ in made}) == 19, made[:2])
    check("readable passwords", all(re.fullmatch(r"[a-hjkmnp-zA-HJ-NP-Z2-9-]{19}", p) for _, _, _, p, _ in made),
          [p for _, _, _, p, _ in made])
    check("for their reader alone", stat.S_IMODE(os.stat(path).st_mode) == 0o600
          and stat.S_IMODE(os.stat(c.folder).st_mode) == 0o700)
    check("no password in the answer", not any(p in answer.out + answer.err for _, _, _, p, _ in made))
    pages = pages_of(path)
    check("19 slips are 3 pages of A4", pages in (None, 3), pages)
    again = c.run("account", "slips", "--agency", "stp", "--output", c.folder, "--json")
    check("nobody gets a second one unasked", again.json()["slips"] == 0, again)
    return made


def acc_03_replacing_wants_a_typed_confirmation(c, made):
    named = os.path.join(c.dir, "names.txt")
    with open(named, "w", encoding="utf-8") as f:
        f.write(f"# two of them\n{made[0][2]}\n\n{made[1][2]}\n")
    words = ("account", "slips", "--list", named, "--output", c.folder, "--replace")
    answer = c.run(*words)
    check("not without it", answer.code != 0 and "2 people" in answer.err, answer)
    answer = c.run(*words, "--yes", "--json")
    check("with it", answer.code == 0 and answer.json()["slips"] == 2, answer)
    new = slips(answer.json()["sheets"][0]["file"])
    check("new passwords", [s[2] for s in new] == [s[2] for s in made[:2]]
          and all(a[3] != b[3] for a, b in zip(new, made)), new)
    with open(named, "a", encoding="utf-8") as f:
        f.write(f"niemand@{DOMAIN}\n")
    answer = c.run(*words, "--yes")
    check("an unknown address is named", answer.code == 1 and f"niemand@{DOMAIN}" in answer.err, answer)
    for bad in (("--all", "--agency", "stp"), (), ("--all", "--hours", "0")):
        answer = c.run("account", "slips", "--output", c.folder, *bad)
        check(f"usage {bad}", answer.code == 64, answer)
    return new + made[2:]


def acc_03_an_unchanged_first_password_is_locked_after_six_hours(c, made):
    os.environ["CONGVU_CLOCK_SHIFT"] = "0"
    c.start()
    first, second, third = made[0], made[1], made[2]
    check("it works at first", login(c, first[2], first[3]) == "ok")
    wrong = c.run("account", "passwd", second[2], "--self", stdin=f"no\n{NEW}\n", lang="vi")
    check("a change needs the current one", wrong.code == 1 and "hiện tại" in wrong.err, wrong)
    same = c.run("account", "passwd", second[2], "--self", stdin=f"{second[3]}\n{second[3]}\n")
    check("and another one", same.code == 1, same)
    weak = c.run("account", "passwd", second[2], "--self", stdin=f"{second[3]}\nAbc@12345\n")
    check("that is strong", weak.code == 1, weak)
    answer = c.run("account", "passwd", second[2], "--self", stdin=f"{second[3]}\n{NEW}\n")
    check("changed by its holder", answer.code == 0, answer)
    check("the new one works", login(c, second[2], NEW) == "ok")
    check("the first one no more", login(c, second[2], second[3]) != "ok")
    check("the service stops", c.stop() == 0)
    os.environ["CONGVU_CLOCK_SHIFT"] = str(6 * 3600 + 60)
    os.rename(c.log, os.path.join(c.base, "first.log"))  # looked through below
    c.start()
    said = login(c, first[2], first[3])
    check("6 h 01 later it is refused, with the reason", "EXPIRED" in said, said)
    check("what was changed still works", login(c, second[2], NEW) == "ok")
    late = c.run("account", "passwd", third[2], "--self", stdin=f"{third[3]}\n{NEW}\n", lang="vi")
    check("too late to change it alone", late.code == 1 and "đúng hạn" in late.err, late)
    answer = c.run("account", "slips", "--agency", "snv", "--output", c.folder, "--hours", "48", "--json")
    check("on the running system too, with longer time", answer.code == 0 and answer.json()["slips"] == 3, answer)
    made = made + slips(answer.json()["sheets"][0]["file"])
    check("the service stops", c.stop() == 0)
    os.environ["CONGVU_CLOCK_SHIFT"] = "0"
    secrets = [m[3].encode() for m in made] + [NEW.encode()]
    found = []
    for folder, _, names in os.walk(c.base):
        for name in names:
            if not stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode):
                continue
            with open(os.path.join(folder, name), "rb") as f:
                content = f.read()
            found += [name for s in secrets if s in content]
    check("no password in log, audit or store", not found
          and not any(s.decode() in c.log_text() for s in secrets), found)


def main():
    c = Congvu()
    try:
        check("init", c.init().code == 0)
        c.folder = os.path.join(c.dir, "phieu")
        c.run("agency", "add", "stp", "Sở <Tư pháp> & Hộ tịch")
        c.run("agency", "add", "snv", "Sở Nội vụ")
        path = os.path.join(c.dir, "list.csv")
        with open(path, "w", encoding="utf-8") as f:
            f.write("Họ và tên,Mã đơn vị\n" + "".join(f"Nguyễn Văn Hoa {g},stp\n" for g in
                    "An Ba Chi Du Em Gia Hai Kim Lan Mai Nam Oanh Phi Quy Son Tu Uyen Vi Xuan".split())
                    + "".join(f"Trần Thị {g},snv\n" for g in ("An", "Ba", "Chi")))
        answer = c.run("import", path, "--json")
        check("22 people", answer.json()["added"] == 22, answer)
        print("acc 03 slips are made for those without a password")
        made = acc_03_slips_are_made_for_those_without_a_password(c)
        made = acc_03_replacing_wants_a_typed_confirmation(c, made)
        acc_03_an_unchanged_first_password_is_locked_after_six_hours(c, made)
    finally:
        c.done()
    finish()


main()

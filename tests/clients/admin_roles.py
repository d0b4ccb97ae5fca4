#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Roles by Unix account and by address, over the socket of real daemons; asking before dangerous acts."""
import json
import os
import pty
import pwd
import select
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_kit import Congvu, DOMAIN, check, finish  # noqa: E402

PASSWORD = "Truong-Son-2026-mua"
LISTED, UNLISTED = "daemon", "games"  # Unix accounts that every Debian has


def socket_path(c):
    return os.path.join(c.base, "run", "imapd.ctl")


ASK = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
       "s.sendall(sys.argv[2].encode()+b'\\n')\n"
       "for line in s.makefile():\n    if '\"ok\"' in line:\n        print(line)\n        break\n")


def ask_as_user(c, user, request):
    """One request from a process of that Unix account."""
    entry = pwd.getpwnam(user)
    out = subprocess.run(["/usr/bin/python3", "-c", ASK, socket_path(c), json.dumps(request)],
                         user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/",
                         capture_output=True, text=True, timeout=120, check=False)
    return json.loads(out.stdout) if out.stdout.strip() else {"none": out.stderr[-500:]}


def ops_04_unix_accounts_have_the_role_that_they_were_given(c):
    mode = stat.S_IMODE(os.stat(socket_path(c)).st_mode)
    check("the socket is open to the machine's users, who are looked at", mode == 0o666, oct(mode))
    for path in ("smtpd.ctl", "spamfilter.ctl", "deliver.sock"):
        mode = stat.S_IMODE(os.stat(os.path.join(c.base, "run", path)).st_mode)
        check(f"{path} is not", mode & 0o007 == 0, oct(mode))
    if os.geteuid() != 0:
        print("skip other Unix accounts: only root can be them")
        return
    answer = ask_as_user(c, UNLISTED, {"do": "account.list"})
    check("an unlisted Unix account is refused", answer.get("status") == "denied", answer)
    check("and hears who can grant", "root" in answer.get("error", "") and
          f"congvu admin add unix:{UNLISTED}" in answer.get("error", ""), answer)
    check("in Vietnamese too", "vận hành" in answer.get("error_vi", ""), answer)
    answer = ask_as_user(c, UNLISTED, {"do": "admin.whoami"})
    check("he may ask who he is", answer.get("role") == "none", answer)
    answer = c.run("admin", "add", f"unix:{LISTED}", "--role", "agency", "--agency", "stp")
    check("an operator gives a role", answer.code == 0, answer)
    answer = ask_as_user(c, LISTED, {"do": "account.list"})
    check("who then sees his agency alone", answer.get("total") == 1 and
          answer["accounts"][0]["address"] == f"nvhoa.stp@{DOMAIN}", answer)
    answer = ask_as_user(c, LISTED, {"do": "account.set", "address": "ttbinh.snv", "title": "X"})
    check("another agency is refused", answer.get("status") == "denied" and
          "snv" in answer.get("error", ""), answer)
    answer = ask_as_user(c, LISTED, {"do": "account.set", "address": "nvhoa.stp", "title": "X"})
    check("his own is not", answer.get("changed") is True, answer)
    for request in ({"do": "reload"}, {"do": "store.check"}, {"do": "session.list"},
                    {"do": "quarantine.list"}, {"do": "quarantine.digest"},
                    {"do": "mail.notice", "template": "x", "account": "nvhoa.stp", "values": {}},
                    {"do": "mailbox.rights.list", "account": "ttbinh.snv"},
                    {"do": "session.kill", "account": "ttbinh.snv"}):
        answer = ask_as_user(c, LISTED, request)
        check(f"{request['do']} of all, or of others, is refused",
              answer.get("status") == "denied", answer)
    for request in ({"do": "session.list", "account": f"nvhoa.stp@{DOMAIN}"},
                    {"do": "status"},
                    {"do": "quarantine.list", "agency": "stp"},
                    {"do": "mailbox.rights.list", "account": "nvhoa.stp"}):
        answer = ask_as_user(c, LISTED, request)
        check(f"{request['do']} of his own is not", answer.get("ok") is True, answer)


def guests_leave_room_for_the_service(c):
    """Connections that say nothing keep nobody else out."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(UNLISTED)
    code = ("import socket,sys,time\nl=[]\nfor i in range(20):\n s=socket.socket(socket.AF_UNIX)\n"
            " s.connect(sys.argv[1])\n s.sendall(b'{')\n l.append(s)\nprint('held',flush=True)\n"
            "sys.stdin.read()\n")
    holder = subprocess.Popen(["/usr/bin/python3", "-c", code, socket_path(c)], user=entry.pw_uid,
                              group=entry.pw_gid, extra_groups=[], stdin=subprocess.PIPE, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    holder.stdout.readline()  # held, or refused on the way
    answer = c.run("admin", "whoami", timeout=60)
    check("twenty silent connections of a guest keep no operator out",
          answer.code == 0 and "unix:root" in answer.out, answer)
    holder.stdin.close()
    holder.wait(20)


def ops_04_a_person_acts_with_his_own_password(c):
    c.run("account", "passwd", "nvhoa.stp", stdin=PASSWORD + "\n")
    answer = c.run("admin", "add", "nvhoa.stp", "--role", "helpdesk")
    check("a person is given a role", answer.code == 0, answer)

    def as_person(*words, password=PASSWORD, who="nvhoa.stp"):
        return c.run("--as", who, "--as-password-stdin", *words, stdin=password + "\n")

    answer = as_person("admin", "whoami")
    check("he is known by his address", f"nvhoa.stp@{DOMAIN}: helpdesk" in answer.out, answer)
    reader, writer = os.pipe()
    os.write(writer, PASSWORD.encode() + b"\n")
    os.close(writer)
    env = dict(os.environ, CONGVU_PASSWORD_FD=str(reader), LC_ALL="C", CONGVU_LANG="en")
    out = subprocess.run([c.program, "--conf", c.conf, "--as", "nvhoa.stp", "admin", "whoami"],
                         pass_fds=[reader], env=env, capture_output=True, text=True, timeout=120,
                         check=False, stdin=subprocess.DEVNULL)
    os.close(reader)
    check("the password comes from a descriptor as well", "helpdesk" in out.stdout, out)
    answer = c.run("--as", "nvhoa.stp", "admin", "whoami")
    check("without a password nothing is asked", answer.code == 64, answer)
    answer = as_person("account", "unlock", "ttbinh.snv")
    check("the helpdesk unlocks", answer.code == 0, answer)
    answer = as_person("account", "add", "Đỗ Văn Mới", "--agency", "stp")
    check("it adds nobody", answer.code == 1 and "helpdesk" in answer.err, answer)
    answer = as_person("admin", "add", "ttbinh.snv", "--role", "operator")
    check("and gives no rights", answer.code == 1, answer)
    answer = as_person("admin", "whoami", who="ttbinh.snv", password="sai-mat-khau-1")
    check("a wrong password is refused", answer.code == 1 and "wrong" in answer.err, answer)
    for _ in range(5):
        answer = as_person("admin", "whoami", password="sai-mat-khau-1")
    answer = as_person("admin", "whoami")
    check("SEC-05: after five wrong ones the right one is refused too",
          answer.code == 1 and "15 minutes" in answer.err, answer)
    c.run("account", "unlock", "nvhoa.stp")
    answer = as_person("admin", "whoami")
    check("until it is unlocked", answer.code == 0, answer)
    answer = c.run("account", "app-password", "add", "nvhoa.stp", "--name", "may tinh", "--json")
    device = answer.json().get("password", "")
    answer = as_person("admin", "whoami", password=device)
    check("an app password is for mail programs", answer.code == 1 and device, answer)


def dangerous_acts_ask_for_a_typed_name(c):
    def on_terminal(typed, *words):
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(LC_ALL="C", CONGVU_LANG="en", ASAN_OPTIONS="detect_leaks=0")
            os.execv(c.program, [c.program, "--conf", c.conf, *words])
        said = b""
        sent = False
        while True:
            ready, _, _ = select.select([fd], [], [], 60)
            try:
                piece = os.read(fd, 4096) if ready else b""
            except OSError:
                piece = b""
            if not piece:
                break
            said += piece
            if not sent and b"to go on" in said:
                os.write(fd, typed.encode() + b"\n")
                sent = True
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        return os.waitstatus_to_exitcode(status), said.decode(errors="replace")

    code, said = on_terminal("ttbinh", "account", "retire", "ttbinh.snv")
    check("another name does nothing", code == 64 and "not done" in said, said)
    code, said = on_terminal("ttbinh.snv", "account", "retire", "ttbinh.snv")
    check("the name typed does it", code == 0 and "Retired" in said, said)


def undo_from_the_command_line(c):
    rows = "Họ và tên,Đơn vị\nĐỗ Văn Một,stp\nĐỗ Văn Hai,stp\n"
    path = os.path.join(c.dir, "list.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write(rows)
    answer = c.run("import", path, "--json")
    act = answer.json().get("act")
    check("an import is an act", answer.code == 0 and act, answer)
    answer = c.run("undo", "list")
    check("the list shows it", "import" in answer.out and str(act) in answer.out, answer)
    answer = c.run("undo", "show", str(act))
    check("with its rows", f"+ account dvmot.stp@{DOMAIN}" in answer.out, answer)
    answer = c.run("undo", str(act))
    check("taking back many rows is confirmed", answer.code == 64 and "--yes" in answer.err, answer)
    answer = c.run("undo", str(act), "--dry-run")
    check("a dry run needs no word", answer.code == 0 and "would go back" in answer.out, answer)
    answer = c.run("undo", str(act), "--yes")
    check("with it, it is done", answer.code == 0, answer)
    answer = c.run("account", "show", "dvmot.stp")
    check("nobody of the list is there", answer.code == 1, answer)


def main():
    c = Congvu()
    answer = c.init()
    check("init", answer.code == 0, answer)
    os.chmod(c.dir, 0o755)
    for code, name in (("stp", "Sở Tư pháp"), ("snv", "Sở Nội vụ")):
        c.run("agency", "add", code, name)
    c.run("account", "add", "Nguyễn Văn Hòa", "--agency", "stp")
    c.run("account", "add", "Trần Thị Bình", "--agency", "snv")
    answer = c.run("admin", "whoami")
    check("on a stopped store too, whoever can open it is an operator",
          "operator" in answer.out, answer)
    c.start()
    try:
        ops_04_unix_accounts_have_the_role_that_they_were_given(c)
        guests_leave_room_for_the_service(c)
        ops_04_a_person_acts_with_his_own_password(c)
        undo_from_the_command_line(c)
        dangerous_acts_ask_for_a_typed_name(c)
    finally:
        c.done()
    finish()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""smtpd with filters as Debian packages them: ClamAV, rspamd, and our own before OpenDKIM."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import free_ports  # noqa: E402
from kit import (DOMAIN, PATIENCE, Province, expect, need_program, run_tests,  # noqa: E402
                 wait_until)
from milter_peers import opendkim  # noqa: E402

USER = f"hoa.snv@{DOMAIN}"
VIRUS = b"CONGVU-THU-NGHIEM-DIET-VIRUS-2026"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Folder:
    """A place for a filter's files, and its processes."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="congvu-real-", dir="/tmp")
        os.chmod(self.path, 0o755)
        self.processes = []
        return self

    def __exit__(self, *what):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if what[0]:
            print("files are in", self.path, file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start(self, name, argv, is_up):
        with open(os.path.join(self.path, name + ".log"), "wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=self.path)
        self.processes.append(process)

        def ready():
            with open(os.path.join(self.path, name + ".log"), encoding="utf-8",
                      errors="replace") as log:
                expect(process.poll() is None, name, "ended", process.returncode, log.read()[-3000:])
            return is_up()
        wait_until(name, ready)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def message(subject, body, sender="a@sender.example"):
    return (f"From: {sender}\r\nTo: {USER}\r\nSubject: {subject}\r\n"
            f"Date: Sun, 22 Nov 2026 09:00:00 +0700\r\nMessage-ID: <{subject}@sender.example>\r\n"
            f"\r\n{body}\r\n").encode()


def send(p, subject, body):
    """The reply to a message from outside."""
    with p.smtp() as c:
        c.ehlo("client.sender.example")
        c.mail("a@sender.example")
        c.rcpt(USER)
        code, text = c.data(message(subject, body))
        return f"{code} {text.decode()}"


def stored(p, subject):
    box = p.imap(USER)
    try:
        box.select(readonly=True)
        found = box.search(None, "SUBJECT", subject)[1][0].split()
        return box.fetch(found[-1], "(BODY.PEEK[])")[1][0][1] if found else None
    finally:
        box.logout()


def clamav(folder):
    """clamd with one signature of ours, and its milter; gives the filter's address."""
    clamd, milter = need_program("clamd"), need_program("clamav-milter")
    base = folder.path
    os.mkdir(os.path.join(base, "db"))
    folder.write("db/thu.ndb", "Congvu.Test:0:*:" + VIRUS.hex() + "\n")
    port, = free_ports(1)
    conf = folder.write("clamd.conf", f"""LocalSocket {base}/clamd.sock
DatabaseDirectory {base}/db
TemporaryDirectory {base}
Foreground yes
User root
""")
    folder.start("clamd", [clamd, "-c", conf], lambda: os.path.exists(f"{base}/clamd.sock"))
    conf = folder.write("milter.conf", f"""MilterSocket inet:{port}@127.0.0.1
ClamdSocket unix:{base}/clamd.sock
TemporaryDirectory {base}
Foreground yes
User root
OnInfected Reject
RejectMsg Co ma doc: %v
AddHeader Replace
""")
    folder.start("milter", [milter, "-c", conf], lambda: listens(port))
    return f"inet:{port}@127.0.0.1,name=clamav,timeout=60s"


def test_clamav_refuses_a_virus_and_marks_the_rest():
    with Folder() as folder:
        words = clamav(folder)
        with Province(filter=False, smtpd={"milters": words}) as p:
            p.user(USER)
            reply = send(p, "sach", "khong co gi la")
            expect(reply.startswith("250"), reply)
            whole = stored(p, "sach")
            expect(b"X-Virus-Status: Clean" in whole, whole)
            reply = send(p, "ban", "day: " + VIRUS.decode())
            expect(reply.startswith("550") and "Congvu.Test" in reply, reply)
            expect(stored(p, "ban") is None, "the virus was stored")
            # Without clamd the milter cannot say: the message waits at its sender.
            folder.processes[0].terminate()
            folder.processes[0].wait(PATIENCE)
            reply = send(p, "cho", "cho da")
            expect(reply.startswith("4"), reply)


def rspamd(folder):
    """rspamd's proxy that scans by itself, with a rule of ours; gives the filter's address."""
    program = need_program("rspamd")
    base = folder.path
    port, = free_ports(1)
    folder.write("thu.lua", """
rspamd_config.CONGVU_TEST = {
  callback = function(task)
    task:set_milter_reply({add_headers = {['X-Congvu-Seen'] = task:get_helo() or 'nobody'}})
    local subject = task:get_header('Subject')
    return subject ~= nil and subject == 'hoi-la'
  end, score = 7.0, description = 'thu' }
""")
    # Debian's list of ten thousand suffixes takes rspamd half a minute to compile.
    folder.write("tld.dat", "com\nexample\n")
    conf = folder.write("rspamd.conf", f"""
options {{ pidfile = "{base}/rspamd.pid"; filters = ""; control_socket = "{base}/ctl.sock mode=0600";
  rrd = ""; history_file = ""; cache_file = ""; explicit_modules = []; temp_dir = "{base}";
  hs_cache_dir = "{base}"; dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
  local_addrs = []; url_tld = "{base}/tld.dat"; disable_hyperscan = true; }}
logging {{ type = "console"; level = "info"; }}
actions {{ reject = 15; add_header = 6; greylist = 100; }}
worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{port}"; milter = yes; timeout = 30s; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }} }}
lua = "{base}/thu.lua"
""")
    folder.start("rspamd", [program, "-f", "-i", "-c", conf, "--var", f"DBDIR={base}", "--var",
                            f"RUNDIR={base}"], lambda: listens(port))
    return f"inet:{port}@127.0.0.1,name=rspamd,timeout=60s"


def test_rspamd_marks_and_refuses():
    with Folder() as folder:
        words = rspamd(folder)
        with Province(filter=False, smtpd={"milters": words}) as p:
            p.user(USER)
            reply = send(p, "binh-thuong", "chao chi")
            expect(reply.startswith("250"), reply)
            whole = stored(p, "binh-thuong")
            expect(b"X-Congvu-Seen: client.sender.example" in whole and b"X-Spam:" not in whole, whole)
            reply = send(p, "hoi-la", "mua ngay")
            expect(reply.startswith("250") and b"X-Spam: Yes" in stored(p, "hoi-la"), reply)
            reply = send(p, "rac", GTUBE)
            expect(reply.startswith("5"), reply)
            expect(stored(p, "rac") is None, "stored")


def test_who_signs_last_signs_what_ours_added():
    with Folder() as folder:
        key = os.path.join(folder.path, "key.pem")
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        process, word = opendkim(
            folder.path, "signer", f"Mode s\nDomain sender.example\nSelector s1\nKeyFile {key}\n"
            "SignHeaders From,Subject,Authentication-Results\nRequireSafeKeys no\n")
        folder.processes.append(process)
        province = Province(filter=True)
        province.options["smtpd"]["milters"] = \
            f"unix:{province.dir}/run/spamfilter.sock,name=ours,reuse=yes {word},name=opendkim"
        with province as p:
            p.user(USER)
            for subject in ("ky-sau-1", "ky-sau-2", "ky-sau-3"):
                reply = send(p, subject, "noi dung")
                expect(reply.startswith("250"), reply)
                whole = stored(p, subject)
                expect(b"spf=pass" in whole, whole)
                head = whole.split(b"DKIM-Signature:", 1)[1].split(b"\r\n\r\n", 1)[0]
                names = re.search(rb"[;\s]h=([^;]*);", head).group(1).lower().split(b":")
                expect(b"authentication-results" in [n.strip() for n in names], head)
            log = p.daemons["smtpd"].text()
            expect("milter.failed" not in log, log[-2000:])


if __name__ == "__main__":
    run_tests(globals())

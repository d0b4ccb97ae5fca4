# SPDX-License-Identifier: MPL-2.0
"""Real Sendmail in front of congvu-spamfilter: results, every action, a log-in's network, its end.

Debian's Sendmail cannot be installed beside Postfix, so `./dev setup` unpacks its packages into
build/peers/sendmail ($CONGVU_SENDMAIL). It runs from there with a configuration, queue and switch
file of its own, on loopback; what it takes goes on to a small SMTP server of this script. Clients
are addresses of 127/8. usage: sendmail_milter.py BUILD
"""
import os
import shutil
import signal
import smtplib
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from email import message_from_bytes
from email.header import Header

from filter_kit import DOMAIN, Checks, Filter, free_port, txt
from postfix_milter import Sink, letter, results, wait_message

OURS = "mail." + DOMAIN
ALLOWED, OTHER, INSIDE = "127.0.0.2", "127.0.0.3", "127.0.9.1"

MC = """divert(0)dnl
OSTYPE(`linux')dnl
define(`QUEUE_DIR', `{dir}/queue')dnl
define(`STATUS_FILE', `{dir}/status')dnl
define(`ALIAS_FILE', `')dnl
define(`confPID_FILE', `{dir}/pid')dnl
define(`confSERVICE_SWITCH_FILE', `{dir}/switch')dnl
define(`confCW_FILE', `-o /nonexistent')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`confDOMAIN_NAME', `{ours}')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confDONT_BLAME_SENDMAIL', `AssumeSafeChown,GroupWritableDirPathSafe')dnl
define(`confREFUSE_LA', `999')dnl
define(`confQUEUE_LA', `999')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {sink}')dnl
FEATURE(`nocanonify')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Port={port}, Addr=127.0.0.1, Name=MTA')dnl
INPUT_MAIL_FILTER(`congvu', `S={milter}, F=T, T=S:30s;R:60s;E:60s')dnl
MAILER(`smtp')dnl
"""


# Sendmail waits a minute when its machine's name has no dot, and asks DNS about it.
START = """hostname "$1"
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/resolv.conf" /etc/resolv.conf
shift 2
exec "$@"
"""


def sendmail_root(build):
    """Where the packages were unpacked; None without them."""
    for root in (os.environ.get("CONGVU_SENDMAIL"), os.path.join(build, "peers", "sendmail"),
                 os.path.join(build, "..", "peers", "sendmail")):
        if root and os.path.exists(os.path.join(root, "usr/libexec/sendmail/sendmail")):
            return root
    return None


class Sendmail:
    def __init__(self, root, milter, sink_port):
        self.program = os.path.join(root, "usr/libexec/sendmail/sendmail")
        self.dir = tempfile.mkdtemp(prefix="congvu-sendmail-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.queue = os.path.join(self.dir, "queue")
        os.mkdir(self.queue, 0o700)
        self.write("switch", "hosts files\naliases files\n")
        self.write("x.mc", MC.format(dir=self.dir, ours=OURS, port=self.port, sink=sink_port,
                                     milter=milter))
        cf = os.path.join(root, "usr/share/sendmail/cf/")
        done = subprocess.run(["m4", f"-D_CF_DIR_={cf}", cf + "m4/cf.m4", self.path("x.mc")],
                              check=True, capture_output=True, text=True)
        self.write("x.cf", done.stdout)
        self.write("hosts", f"127.0.0.1 {OURS} localhost\n")
        self.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), 0o644)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--uts", "--mount", "sh", "-ec", START, "start", OURS, self.dir,
                 self.program, "-C" + self.path("x.cf"), "-bD", "-q1h"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.time() + 40
        while True:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=10):
                    return
            except OSError:
                assert time.time() < end and self.process.poll() is None, self.log()
                time.sleep(0.05)

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=20)
        self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def held(self):
        """Messages in quarantine: their queue files begin with hf."""
        return sum(name.startswith("hf") for name in os.listdir(self.queue))

    def send(self, message, sender, rcpt, client=ALLOWED, helo="mail.out.test"):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=40, local_hostname=helo,
                          source_address=(client, 0)) as s:
            s.ehlo(helo)
            code, text = s.docmd("MAIL", f"FROM:<{sender}> BODY=8BITMIME")
            if code == 250:
                code, text = s.docmd("RCPT", f"TO:<{rcpt}>")
            if code == 250:
                code, text = s.data(message)
            return code, text.decode()


def check_results(check, mta):
    forged = (f"Authentication-Results: {OURS}; spf=pass\r\n"
              "X-Congvu-Verdict: pass; score=-9; rules=none\r\n").encode()
    code, text = mta.send(forged + letter("a@out.test", "sm-1", "x"), "a@out.test", f"hoa@{DOMAIN}")
    check("mail is taken", code == 250, text)
    message = wait_message("Subject: sm-1")
    found = results(message)
    check("one result of ours", len(found) == 1 and "spf=pass smtp.mailfrom=a@out.test" in found[0],
          found)
    verdicts = message_from_bytes(message).get_all("X-Congvu-Verdict")
    check("one verdict", len(verdicts) == 1 and verdicts[0].startswith("pass; "), verdicts)
    code, text = mta.send(letter("a@out.test", "sm-2", "x"), "a@out.test", f"hoa@{DOMAIN}",
                          client=OTHER)
    check("SPF fail is refused at MAIL", code == 550 and "5.7.23" in text, (code, text))
    code, text = mta.send(letter(f"ct@{DOMAIN}", "sm-3", "x"), "x@none.test", f"hoa@{DOMAIN}",
                          client=OTHER)
    check("a forged domain is refused", code == 550 and "POL-06.forged-own" in text, (code, text))
    code, text = mta.send(letter(f"nvhoa.stp@{DOMAIN}", "sm-4", "x", to="a@none.test"),
                          f"nvhoa.stp@{DOMAIN}", "a@none.test", client=INSIDE)
    message = wait_message("Subject: sm-4")
    check("what staff submit bears no verdict", code == 250
          and not message_from_bytes(message).get_all("X-Congvu-Verdict"), (code, text))


def check_actions(check, mta, mail_filter):
    body = "Cảm ơn bạn đã đăng ký.\nMã xác nhận của bạn là 482913, mã có hiệu lực trong 10 phút.\n"
    author = "no-reply@shop.test"
    for weight, want, verdict, holds in (
            ("0.0", 250, "mark", 0), ("5.5", 250, "junk", 0), ("8.5", 451, "", 0),
            ("12.0", 250, "", 1), ("30.0", 550, "", 0)):
        mail_filter.put_weights(f"signup {weight}\n")
        before, subject = mta.held(), f"Xác nhận email: {weight}"
        code, text = mta.send(letter(author, subject, body), author, f"nvhoa.stp@{DOMAIN}")
        check(f"weight {weight}", code == want, (code, text))
        check(f"weight {weight}: in quarantine", mta.held() - before == holds,
              os.listdir(mta.queue))
        if verdict:
            message = message_from_bytes(wait_message(Header(subject, "utf-8").encode()))
            found = message.get_all("X-Congvu-Verdict")
            check(f"weight {weight}: {verdict}", len(found) == 1
                  and found[0].startswith(verdict + "; "), found)


def main():
    build = sys.argv[1]
    root = sendmail_root(build)
    if os.geteuid() or not root or not shutil.which("m4"):
        print("needs root, m4 and Sendmail unpacked (./dev setup)")
        return 77
    zone = "$TTL 300\n" + txt("out.test.", f"v=spf1 ip4:{ALLOWED} -all")
    sink = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink)
    sink.daemon_threads = True
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    mail_filter = Filter(build, zone, options=(
        "weights_file = weights.txt\nscore_greylist = 8\nsubmission_networks = 127.0.9.0/24\n"))
    mail_filter.put_weights("")
    mta = Sendmail(root, f"inet:{mail_filter.port}@127.0.0.1", sink.server_address[1])
    check = Checks()
    try:
        mail_filter.start()
        mta.start()
        check_results(check, mta)
        check_actions(check, mta, mail_filter)
        check("the filter ends cleanly", mail_filter.stop() == 0)
        code, text = mta.send(letter("a@out.test", "sm-9", "x"), "a@out.test", f"hoa@{DOMAIN}")
        check("without the filter mail is deferred (F=T)", 400 <= code < 500, (code, text))
        check("no complaint of a sanitizer", "Sanitizer" not in mail_filter.log())
    finally:
        if check.failed or sys.exc_info()[0]:
            print(mail_filter.log()[-4000:], mta.log()[-2000:])
        mta.stop()
        mail_filter.stop()
        shutil.rmtree(mail_filter.dir, ignore_errors=True)
        sink.shutdown()
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

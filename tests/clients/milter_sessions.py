# SPDX-License-Identifier: MPL-2.0
"""congvu-spamfilter call-back by call-back: miltertest runs each script of the folder milter.

Then what miltertest cannot: options of the command line, a stale socket, running alone, a reload
under load, sessions at once, large packets. usage: milter_sessions.py BUILD
"""
import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from filter_kit import DOMAIN, Checks, Filter, Key, txt
from milter_client import MilterClient

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = ("$TTL 300\n" + txt("out.test.", "v=spf1 ip4:192.0.2.1 -all")
        + txt("mail.out.test.", "v=spf1 +all"))


def run_script(path, socket_word):
    """miltertest takes one script; the kit goes before it."""
    with open(os.path.join(HERE, "milter", "kit.lua"), encoding="utf-8") as kit:
        text = f'SOCKET = "{socket_word}"\n' + kit.read()
    with open(path, encoding="utf-8") as script:
        text += script.read()
    done = subprocess.run(["miltertest"], input=text, text=True, capture_output=True, timeout=60,
                          check=False)
    return done.returncode == 0 and "error" not in done.stderr.lower(), done.stdout + done.stderr


class Session(MilterClient):
    """The same mail again and again, each answer looked at."""

    def mail(self, n, fields=(), body=b"text\r\n"):
        """A whole message; the final answer and the edits before it."""
        self.send(b"D", b"Mi\0Q%d\0" % n)
        assert self.ask(b"M", b"<a@none.test>\0") == b"c"
        assert self.ask(b"R", b"<b@lamgiang.example>\0") == b"c"
        for field in (b"From\0a@none.test\0", b"Subject\0%d\0" % n, *fields):
            assert self.ask(b"L", field) == b"c"
        assert self.ask(b"N") == b"c"
        for at in range(0, len(body), 65535):
            assert self.ask(b"B", body[at:at + 65535]) == b"c"
        self.send(b"E")
        edits = []
        while (answer := self.read())[0] in b"himp+":
            edits.append(answer)
        return answer[0], edits

    def open(self):
        address = b"4" + struct.pack(">H", 25) + b"192.0.2.9\0"
        assert self.ask(b"C", b"host.test\0" + address) == b"c"
        assert self.ask(b"H", b"host.test\0") == b"c"
        return self


def check_scripts(check, mail_filter):
    for path in sorted(glob.glob(os.path.join(HERE, "milter", "*.lua"))):
        if not path.endswith("kit.lua"):
            good, said = run_script(path, mail_filter.socket)
            check(os.path.basename(path), good, said[-1500:])


def check_many(check, mail_filter, path):
    """Thirty sessions at once, reloads in between."""
    faults = []

    def work(number):
        try:
            s = Session(path).open()
            for i in range(20):
                answer, edits = s.mail(number * 100 + i)
                names = [e[1] for e in edits if e[0] == b"i"]
                results = [n for n in names if b"Authentication-Results" in n]
                if answer not in (b"c", b"a") or len(results) != 1:
                    faults.append((number, i, answer, names))
            s.send(b"Q")
        except (OSError, EOFError, AssertionError) as fault:
            faults.append((number, repr(fault)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(30)]
    for t in threads:
        t.start()
    for _ in range(5):
        mail_filter.reload()
    for t in threads:
        t.join()
    check("thirty sessions of twenty messages, reloads in between", not faults, faults[:5])


def check_large(check, path):
    s = Session(path).open()
    many = [b"X-%d\0%s\0" % (i, b"x" * 60000) for i in range(20)]
    answer, _ = s.mail(1, many)
    check("a header over a megabyte is refused", answer == b"y", answer)
    check("the next message is taken", s.mail(2)[0] in (b"c", b"a"))
    check("open brackets", s.mail(3, [b"To\0" + b"(" * 600000 + b"\0"])[0] in (b"c", b"a"))
    check("ten thousand fields", s.mail(4, [b"X\0y\0"] * 9000)[0] in (b"c", b"a"))
    nested = b"".join(b"--%d\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n" % (i, i + 1)
                      for i in range(5000))
    check("deep nesting", s.mail(5, [b"Content-Type\0multipart/mixed; boundary=0\0"],
                                 nested)[0] in (b"c", b"a"))
    check("twenty megabytes", s.mail(6, (), b"0123456789abcde\n" * 1310720)[0] in (b"c", b"a"))


def check_reloads(check, mail_filter, path):
    """Reloads in a burst, faster than they are done: libmilter must not take one for its end."""
    for _ in range(300):
        mail_filter.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    answer, _ = Session(path).open().mail(1)
    check("after a burst of reloads the filter still works", answer in (b"c", b"a"), answer)


def check_rubbish(check, path):
    """Bytes that are no milter protocol cost their session and nothing else."""
    for data in (b"", b"\0\0\0\1O", b"\xff\xff\xff\xff" * 4, b"\0\0\0\0", os.urandom(4000),
                 struct.pack(">I", 13) + b"O" + b"\0" * 12,
                 struct.pack(">I", 5) + b"C" + b"abcd"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(data)
    answer, _ = Session(path).open().mail(1)
    check("after rubbish the filter still works", answer in (b"c", b"a"), answer)


def check_alone(check, build, folder):
    """Without a configuration: -p alone, the MTA's name, no folder touched."""
    path = os.path.join(folder, "alone.sock")
    alone = Filter(build, ZONE)
    environment = os.environ.pop("CONGVU_CONF", None)
    alone.start("-p", f"unix:{path}")
    second = subprocess.run([alone.program, "-p", f"unix:{path}"], capture_output=True,
                            text=True, timeout=20, check=False)
    check("a living socket is left alone", second.returncode == 1 and "listens" in second.stderr,
          second.stderr)
    s = Session(path)
    s.send(b"D", b"Cj\0mta.elsewhere.test\0")
    answer, edits = s.open().mail(1)
    found = [e[1] for e in edits if b"Authentication-Results" in e[1]]
    check("alone it takes mail", answer in (b"c", b"a"), answer)
    check("and writes results in the MTA's name",
          found and b"mta.elsewhere.test;" in found[0], found)
    alone.process.kill()
    alone.process.wait()
    check("a crash leaves a stale socket", os.path.exists(path))
    alone.start("-p", f"unix:{path}")
    check("which is replaced", Session(path).open().mail(1)[0] in (b"c", b"a"))
    check("it ends cleanly", alone.stop() == 0)
    shutil.rmtree(alone.dir)
    if environment:
        os.environ["CONGVU_CONF"] = environment
    for words, code, said in ((["--help"], 0, "Usage"), (["--version"], 0, "congvu-spamfilter"),
                              (["--nonsense"], 64, "Usage"), (["-p", "nonsense:x"], 1, "unix:/path"),
                              (["--conf", "/nonexistent", "-p", "inet:1"], 1, "/nonexistent")):
        done = subprocess.run([alone.program, *words], capture_output=True, text=True, timeout=20,
                              check=False)
        check(" ".join(words), done.returncode == code and said in done.stdout + done.stderr,
              (done.returncode, done.stdout, done.stderr))


def main():
    if not shutil.which("miltertest"):
        print("needs miltertest")
        return 77
    build = sys.argv[1]
    # Each mail by itself: what came before must not count.
    mail_filter = Filter(build, ZONE, {"s1": Key("rsa"), "s1-ed": Key("ed25519")},
                         "reputation = no\nbulk_copies = 0\nweights_file = weights.txt\n")
    mail_filter.put_weights("signup 12\n")  # milter/verdict.lua
    path = os.path.join(mail_filter.dir, "filter.sock")
    mail_filter.socket = f"unix:{path}"
    check = Checks()
    try:
        mail_filter.start()
        check_scripts(check, mail_filter)
        check_many(check, mail_filter, path)
        check_reloads(check, mail_filter, path)
        check_large(check, path)
        check_rubbish(check, path)
        check_alone(check, build, mail_filter.dir)
        status = mail_filter.ask(do="status")
        check("messages are counted", status.get("messages", 0) >= 600, status)
        check("it ends cleanly", mail_filter.stop() == 0)
        check("no complaint of a sanitizer", "Sanitizer" not in mail_filter.log())
    finally:
        if check.failed or sys.exc_info()[0]:
            print(mail_filter.log()[-4000:])
        mail_filter.stop()
        shutil.rmtree(mail_filter.dir, ignore_errors=True)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

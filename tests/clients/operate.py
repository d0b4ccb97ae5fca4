#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""smtpd under an operator's hands: configuration read again, stopped gently."""
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import ask, free_ports  # noqa: E402
from kit import BUILD, DOMAIN, Province, Supervised, expect, run_tests, wait_until  # noqa: E402
from milter_peers import Talk  # noqa: E402

A = f"hoa.snv@{DOMAIN}"
ENV = {**os.environ, "ASAN_OPTIONS": "exitcode=99"}


class World:
    """One province; each test brings its options back."""

    def __init__(self, **smtpd):
        self.province = Province(filter=False, smtpd={"drain_timeout": "20s", **smtpd})
        self.province.__enter__()
        self.province.user(A)
        with open(self.province.conf, encoding="utf-8") as f:
            self.conf = f.read()

    def set(self, text):
        """The configuration with TEXT at its end."""
        with open(self.province.conf, "w", encoding="utf-8") as f:
            f.write(self.conf + text)

    def congvu(self, *words, lang="en"):
        return subprocess.run(
            [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", self.province.conf,
             *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=ENV, check=False)

    def reload(self):
        return self.province.ask("smtpd", "reload")

    def talk(self, port=None):
        t = Talk(port or self.province.port["mx"])
        expect(t.reply().startswith("220"), "greeting")
        expect(t.cmd("EHLO client.example").startswith("250"), "EHLO")
        return t

    def done(self):
        self.province.__exit__(*sys.exc_info())

    def smtpd(self):
        return self.province.daemons["smtpd"]


def edited(conf, name, value):
    """CONF with option NAME set to VALUE where it stands."""
    text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", conf)
    expect(count == 1, name, "is not in the configuration once")
    return text


def test_a_session_sees_new_options_at_its_next_command(w):
    t = w.talk()
    expect(t.cmd(f"MAIL FROM:<a@far.example> SIZE=2000000").startswith("250"), "before")
    expect(t.cmd("RSET").startswith("250"), "RSET")
    w.set("\n[smtpd]\nmax_message = 1M\n")
    answer = w.reload()
    expect(answer["changed"] == ["smtpd.max_message"] and not answer["restart"], answer)
    expect(t.cmd("MAIL FROM:<a@far.example> SIZE=2000000").startswith("552"), "after")
    expect("SIZE 1048576" in t.cmd("EHLO client.example"), "EHLO")
    t.close()
    w.set("")
    expect(w.reload()["changed"] == ["smtpd.max_message"], "back")
    expect(w.reload()["changed"] == [], "nothing changes twice")


def test_a_fault_keeps_the_old_and_names_file_and_line(w):
    rows = [
        ("\n[smtpd]\nmax_messige = 1M\n", "max_messige"),
        ("\n[smtpd]\nmax_rcpts = 0\n", "max_rcpts"),
        ("\n[smtpd]\nmax_errors = 3\n[smtpd]\nmax_errors\n", ":"),
    ]
    lines = w.conf.count("\n") + 3
    for text, word in rows:
        w.set(text)
        for lang in ("en", "vi"):
            got = w.congvu("reload", "smtpd", lang=lang)
            expect(got.returncode == 78 and word in got.stderr, lang, got)
            expect(re.search(r"congvu\.conf:\d+", got.stderr), "no line in", got.stderr)
        answer = ask(os.path.join(w.province.dir, "run", "smtpd.ctl"), {"do": "reload"})
        expect(not answer["ok"] and word in answer["error"], answer)
        expect("vẫn dùng cấu hình cũ" in answer["error_vi"], answer)
    w.set("\n[smtpd]\nmax_messige = 1M\n")
    before = w.smtpd().text().count("reload.failed")
    w.smtpd().process.send_signal(signal.SIGHUP)
    wait_until("the log names the fault", lambda: w.smtpd().text().count("reload.failed") > before)
    expect(f"congvu.conf:{lines}: " in w.smtpd().text(), "file and line in the log")
    t = w.talk()
    expect(t.cmd("MAIL FROM:<a@far.example> SIZE=2000000").startswith("250"), "the old serves on")
    t.close()
    w.set("")
    w.reload()


def test_what_needs_a_restart_is_said(w):
    w.set("\n[smtpd]\nmta_sts_port = 444\nmax_errors = 19\n")
    answer = w.reload()
    expect(answer["changed"] == ["smtpd.max_errors"], answer)
    expect(answer["restart"] == ["smtpd.mta_sts_port"], answer)
    got = w.congvu("reload", "smtpd", lang="vi")
    expect(got.returncode == 0 and "cần khởi động lại: smtpd.mta_sts_port" in got.stdout, got)
    w.set("")
    w.reload()


def test_all_daemons_reload(w):
    got = w.congvu("reload", "--json")
    expect(got.returncode == 69, "the filter does not run here", got)
    expect('"imapd"' in got.stdout and '"smtpd"' in got.stdout, got.stdout)
    w.set("\n[imapd]\nmax_conns_per_user = 7\nrestore_window = 9d\n")
    got = w.congvu("reload", "imapd")
    expect(got.returncode == 0 and "imapd.max_conns_per_user" in got.stdout, got)
    w.set("\n[imapd]\nmax_conns_per_user = never\n")
    got = w.congvu("reload", "imapd")
    expect(got.returncode == 78 and "congvu.conf:" in got.stderr, got)
    w.set("")
    expect(w.congvu("reload", "imapd").returncode == 0, "back")


def test_listeners_open_and_close_by_difference(w):
    old, new = w.province.port["mx"], free_ports(1)[0]
    t = w.talk()
    conf = w.conf
    w.conf = edited(conf, "listen_mx", f"127.0.0.1:{old} 127.0.0.1:{new}")
    w.set("")
    w.reload()
    w.talk(new).close()
    w.conf = edited(conf, "listen_mx", f"127.0.0.1:{new}")
    w.set("")
    w.reload()

    def is_closed():
        try:
            socket.create_connection(("127.0.0.1", old), 5).close()
            return False
        except ConnectionRefusedError:
            return True
    wait_until("the old port is closed", is_closed)
    expect(t.cmd("NOOP").startswith("250"), "the session goes on")
    busy = socket.create_server(("127.0.0.1", 0))
    w.conf = edited(conf, "listen_mx", f"127.0.0.1:{old} 127.0.0.1:{busy.getsockname()[1]}")
    w.set("")
    answer = ask(os.path.join(w.province.dir, "run", "smtpd.ctl"), {"do": "reload"})
    expect(not answer["ok"] and "error_vi" in answer, answer)
    expect(is_closed(), "half a change was kept")
    w.talk(new).close()
    busy.close()
    w.conf = conf
    w.set("")
    w.reload()
    w.talk().close()
    t.close()


def test_certificates_change_under_living_sessions(w):
    port = w.province.port["submission"]
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as living:
        living.starttls()
        living.ehlo()
        w.set("\n[smtpd]\nidle_timeout = 4m\n")
        conf = w.conf
        w.conf = edited(conf, "tls_cert", w.province.dir + "/keys/missing.pem")
        w.set("")
        answer = ask(os.path.join(w.province.dir, "run", "smtpd.ctl"), {"do": "reload"})
        expect(not answer["ok"] and "missing.pem" in answer["error"], answer)
        w.conf = conf
        w.set("")
        w.reload()
        expect(living.noop()[0] == 250, "the session under TLS goes on")
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as fresh:
        expect(fresh.starttls()[0] == 220, "STARTTLS after a reload")


def test_reloads_beside_mail_lose_nothing(w):
    faults, stop = [], threading.Event()

    def send():
        n = 0
        while not stop.is_set():
            with smtplib.SMTP("127.0.0.1", w.province.port["mx"], timeout=60) as s:
                for _ in range(5):
                    n += 1
                    refused = s.sendmail("a@far.example", [A], f"Subject: {n}\r\n\r\nthu\r\n")
                    if refused:
                        faults.append(refused)
    threads = [threading.Thread(target=send) for _ in range(3)]
    for t in threads:
        t.start()
    for n in range(20):
        w.set(f"\n[smtpd]\nmax_rcpts = {100 + n}\nmax_conns = {1000 + n}\n")
        w.reload()
    stop.set()
    for t in threads:
        t.join()
    expect(not faults, faults)
    w.set("")
    w.reload()


def test_drain_finishes_the_message_and_refuses_the_idle(w):
    idle, busy = w.talk(), w.talk()
    expect(busy.cmd("MAIL FROM:<a@far.example>").startswith("250"), "MAIL")
    expect(busy.cmd(f"RCPT TO:<{A}>").startswith("250"), "RCPT")
    expect(busy.cmd("DATA").startswith("354"), "DATA")
    got = w.congvu("drain")
    expect(got.returncode == 0, got)
    expect(idle.reply().startswith("421"), "the idle session hears 421")
    busy.sock.sendall(b"Subject: het gio\r\n\r\nthu\r\n.\r\n")
    expect(busy.reply().startswith("250"), "the message under way is taken")
    expect(busy.reply().startswith("421"), "and then it ends")
    expect(w.smtpd().process.wait(60) == 0, "exit 0")
    expect("drained sessions=2 left=0" in w.smtpd().text(), "the log tells")
    w.smtpd().start()
    box = w.province.imap(A)
    box.select(readonly=True)
    expect(box.search(None, "SUBJECT", '"het gio"')[1][0].split(), "it is in the box")
    box.logout()


def test_drain_has_an_end(w):
    w.set("\n")
    w.conf = edited(w.conf, "drain_timeout", "1s")
    w.set("")
    w.reload()
    t = w.talk()
    expect(t.cmd("MAIL FROM:<a@far.example>").startswith("250"), "MAIL")
    began = time.monotonic()
    w.smtpd().process.send_signal(signal.SIGTERM)
    expect(w.smtpd().process.wait(60) == 0, "exit 0")
    expect(time.monotonic() - began < 50, "the time limit")
    expect("left=1" in w.smtpd().text(), "the log tells of the one left")
    t.close()
    w.smtpd().start()


def test_under_serve_a_drained_smtpd_comes_back_and_nobody_is_refused():
    p = Supervised(filter=False, smtpd={"drain_timeout": "20s"})
    with p:
        p.user(A)
        faults, sent, stop = [], [], threading.Event()

        def send():
            while not stop.is_set():
                try:
                    with smtplib.SMTP("127.0.0.1", p.port["mx"], timeout=90) as s:
                        s.sendmail("a@far.example", [A], "Subject: x\r\n\r\nthu\r\n")
                    sent.append(1)
                except smtplib.SMTPResponseException as fault:
                    if fault.smtp_code != 421:  # a session that was told to come again
                        faults.append(repr(fault))
                except smtplib.SMTPServerDisconnected:
                    pass  # behind a 421
                except OSError as fault:
                    faults.append(repr(fault))
        threads = [threading.Thread(target=send) for _ in range(3)]
        for t in threads:
            t.start()
        for _ in range(2):
            before, old = len(sent), p.daemons["smtpd"].pid()
            p.daemons["smtpd"].dead_pid = old
            p.ask("smtpd", "drain")
            p.daemons["smtpd"].start()
            wait_until("mail goes on", lambda: len(sent) > before + 5)
        stop.set()
        for t in threads:
            t.join()
        expect(not faults, faults[:5])
        answer = p.ask("smtpd", "reload")
        expect(not answer["restart"], answer)
        with open(p.conf, encoding="utf-8") as f:
            conf = f.read()
        with open(p.conf, "w", encoding="utf-8") as f:
            f.write(edited(conf, "listen_lmtp", ""))
        expect(p.ask("smtpd", "reload")["restart"] == ["smtpd.listen_lmtp"], "listeners wait")


WORLD = []


def with_world(test):
    def run():
        if not WORLD:
            WORLD.append(World())
        test(WORLD[0])
    run.__name__ = test.__name__
    return run


if __name__ == "__main__":
    try:
        run_tests({n: with_world(f) if n.startswith("test_") and f.__code__.co_argcount else f
                   for n, f in list(globals().items())})
    finally:
        for one in WORLD:
            one.done()

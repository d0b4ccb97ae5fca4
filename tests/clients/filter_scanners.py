# SPDX-License-Identifier: MPL-2.0
"""What the filter makes of attached documents and pictures, and of what ClamAV says.

Mail is sent as an MTA would, over the milter protocol: documents of every kind that is read bear a
mark of secrecy or none; a real clamd with a signature of ours scans; then scripted ones that lie,
say nothing or never end. usage: filter_scanners.py BUILD
"""
import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from filter_kit import DOMAIN, Checks, Filter, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import pictures  # noqa: E402
from documents import MAKERS, TYPES, docx, hostile, pdf  # noqa: E402
from milter_client import MilterClient  # noqa: E402

STAFF = f"hoa.snv@{DOMAIN}"
OUTSIDE = "nam@ban.example"
HARM = b"congvu-test-harmful-content-7f3a"
BOUNDARY = "bb"
check = Checks()


def parts(*files, text="Kinh gui anh chi van ban dinh kem."):
    """Header fields and body of a mail with FILES, (name, octets)."""
    out = f"--{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    for name, octets in files:
        kind = TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
        out += (f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; "
                f"filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n").encode()
        out += base64.encodebytes(octets).replace(b"\n", b"\r\n")
    fields = [("MIME-Version", "1.0"), ("Content-Type", f"multipart/mixed; boundary={BOUNDARY}")]
    return fields, out + f"--{BOUNDARY}--\r\n".encode()


number = 0


def send(the_filter, mail, login=None, sender=None):
    global number
    number += 1
    fields, body = mail
    sender = sender or (STAFF if login else OUTSIDE)
    header = [("From", f"<{sender}>"), ("To", f"<{STAFF}>"), ("Subject", "Van ban"),
              ("Message-ID", f"<s{number}@{DOMAIN}>"), *fields]
    macros = {"i": f"Q{number}", **({"{auth_authen}": login} if login else {})}
    with MilterClient(the_filter.socket) as c:
        c.connect("192.0.2.9")
        return c.message(f"<{sender}>", [f"<{STAFF}>"], header, body, macros)


def run(build, options, play, *arguments):
    f = Filter(build, "$TTL 300\n", options=options)
    f.start()
    try:
        play(f, *arguments)
        check("the filter ends well", f.stop() == 0, f.log()[-1500:])
    finally:
        if f.process:
            f.process.kill()
            f.process.wait()
        shutil.rmtree(f.dir)


# ---- documents ----

def secrecy(f):
    stamped = ("ỦY BAN NHÂN DÂN TỈNH", "TUYỆT MẬT", "Số: 15/BC-UBND", "Báo cáo tình hình")
    plain = ("ỦY BAN NHÂN DÂN TỈNH", "Số: 16/BC-UBND", "Hướng dẫn bảo mật mật khẩu hộp thư")
    for kind, make in MAKERS.items():
        out = send(f, parts((f"van-ban.{kind}", make(*stamped))), login=STAFF)
        check(f"{kind} with a mark is not let out", "POL-04" in out.reply, out)
        out = send(f, parts((f"van-ban.{kind}", make(*stamped))))
        check(f"{kind} with a mark is marked when it comes in",
              out.delivered and "secrecy-mark" in out.field("X-Congvu-Policy"), out)
        out = send(f, parts((f"van-ban.{kind}", make(*plain))), login=STAFF)
        check(f"{kind} without a mark goes out", out.delivered and not out.field("X-Congvu-Policy"), out)
    out = send(f, parts(("a.pdf", pdf(*plain)), ("b.bin", b"x"), ("c.docx", docx(*stamped))), login=STAFF)
    check("the last of several documents counts", "POL-04" in out.reply, out)
    began = time.monotonic()
    for name, octets in hostile():
        out = send(f, parts((name, octets)), login=STAFF)
        check(f"{name} is let through", out.delivered, out)
    print(f"hostile documents: {time.monotonic() - began:.1f} s")
    out = send(f, parts(*[(f"{i}.docx", docx(*plain)) for i in range(40)]), login=STAFF)
    check("many documents", out.delivered, out)
    check("no text of a document in the log", "TUYỆT" not in f.log() and "tình hình" not in f.log())


def no_secrecy(f):
    out = send(f, parts(("a.pdf", pdf("TUYỆT MẬT", "Số: 15/BC-UBND"))), login=STAFF)
    check("without the option documents are not read", out.delivered, out)


# ---- QR codes ----

LINK = "https://mail-quota.evil-host.example/login?u=1"
FILLER = "Kinh gui quy co quan, xin gui ban do duong den hoi truong de quy co quan tien theo doi. " * 4


def rules_of(out):
    return dict(re.findall(r"([a-z-]+)\((-?[0-9.]+)\)", out.field("X-Congvu-Verdict")))


def codes(f):
    check("the log says what reads them", "qr=0." in f.log() and "libzbar0" not in f.log(), f.log()[-2000:])
    for name, octets in pictures.good(LINK):
        out = send(f, parts((name, octets), text=FILLER))
        check(f"{name}: its link is found", out.delivered and rules_of(out).get("qr-link") == "1.0", out)
    png = pictures.good(LINK)[0]
    bare = rules_of(send(f, parts(png, text="Xin chao.")))
    check("more with hardly any text", bare.get("qr-link") == "1.8", bare)
    asks = rules_of(send(f, parts(png, text="Quý vị hãy quét mã để đăng nhập.")))
    check("and when it asks to log in", asks.get("qr-link") == "2.8", asks)
    out = send(f, parts(png, text=FILLER + LINK))
    check("a link that is written out, too, hides nothing", "qr-link" not in rules_of(out), out)
    out = send(f, parts(pictures.good(f"https://www.{DOMAIN}/lich")[0], text=FILLER))
    check("ours is no finding", out.delivered and "qr-link" not in rules_of(out), out)
    out = send(f, parts(pictures.good("chi la chu, khong co lien ket")[0], text=FILLER))
    check("a code without a link is none", out.delivered and "qr-link" not in rules_of(out), out)
    odd = rules_of(send(f, parts(pictures.good("http://0x7f000001/x")[0], text=FILLER)))
    check("rules of links see it", "url-ip-odd" in odd and "qr-link" in odd, odd)
    began = time.monotonic()
    slow = [p for p in pictures.hostile() if p[0] == "scans.jpg"]
    for name, octets in pictures.hostile():
        if name == "scans.jpg":
            continue
        out = send(f, parts((name, octets), text=FILLER))
        check(f"{name} is let through", out.delivered and "qr-link" not in rules_of(out), out)
    print(f"hostile pictures: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    out = send(f, parts(*slow * 12, text=FILLER))
    check("a dozen that take seconds each are let through in time",
          out.delivered and time.monotonic() - began < 40, (out, time.monotonic() - began))
    check("no text of a code in the log", "evil-host.example/" not in f.log())


def no_codes(f):
    out = send(f, parts(pictures.good(LINK)[0]))
    check("without the option pictures are not read", out.delivered and "qr-link" not in rules_of(out), out)


# ---- a real clamd ----

class Clamd:
    """clamd with one signature of ours, in a folder of its own."""

    def __init__(self, folder):
        self.program, self.folder = shutil.which("clamd"), folder
        os.makedirs(folder + "/db", exist_ok=True)
        with open(folder + "/db/own.ndb", "w", encoding="ascii") as f:
            f.write(f"Congvu.Test.Harm:0:*:{HARM.hex()}\n")
        self.path = folder + "/clamd.sock"
        with open(folder + "/clamd.conf", "w", encoding="ascii") as f:
            f.write(f"LocalSocket {self.path}\nDatabaseDirectory {folder}/db\nForeground yes\n"
                    f"LogFile {folder}/clamd.log\nMaxThreads 2\nStreamMaxLength 1M\n"
                    "OfficialDatabaseOnly no\nUser root\n")
        self.process = None

    def start(self):
        with open(self.folder + "/out", "ab") as out:
            self.process = subprocess.Popen([self.program, "-c", self.folder + "/clamd.conf"],
                                            stdout=out, stderr=out)
        end = time.monotonic() + 60
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(5)
                    s.connect(self.path)
                    s.sendall(b"zPING\0")
                    if s.recv(10) == b"PONG\0":
                        return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                with open(self.folder + "/out", encoding="utf-8", errors="replace") as f:
                    raise RuntimeError("clamd does not start: " + f.read()[-1000:])
            time.sleep(.1)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None


def real(f, clamd):
    out = send(f, parts(("a.docx", docx("mot van ban"))))
    check("clean mail passes", out.delivered and "virus" not in out.field("X-Congvu-Verdict"), out)
    out = send(f, parts(("a.bin", b"xx" + HARM)))
    check("a virus is refused with its name", out.reply.startswith("550 5.7.1")
          and "VIRUS.found" in out.reply and "Congvu.Test.Harm" in out.reply, out)
    out = send(f, parts(("a.bin", b"xx" + HARM)), login=STAFF)
    check("also from staff", "VIRUS.found" in out.reply, out)
    out = send(f, parts(("a.bin", os.urandom(3 << 20))))
    check("more than clamd takes is marked", out.delivered and
          "virus-unscanned" in out.field("X-Congvu-Policy"), out)
    status = f.ask(do="status")
    check("status has its version", status["clamav"].startswith("ClamAV "), status)
    check("status counts", status["clamav_found"] == 2 and status["clamav_scanned"] == 3, status)
    threads = [threading.Thread(target=send, args=(f, parts(("a.bin", HARM * 1000))))
               for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("twelve at once", f.ask(do="status")["clamav_found"] == 14, f.ask(do="status"))
    clamd.stop()
    began = time.monotonic()
    out = send(f, parts(("a.bin", b"x")))
    check("without clamd mail is marked", out.delivered and
          "virus-unscanned" in out.field("X-Congvu-Policy"), out)
    for _ in range(20):
        send(f, parts(("a.bin", b"x")))
    check("and not slowed", time.monotonic() - began < 20, time.monotonic() - began)
    check("status says so", f.ask(do="status")["clamav"] == "", f.ask(do="status"))
    check("the log said so once", f.log().count("clamav.away") == 1, f.log()[-2000:])
    clamd.start()
    end = time.monotonic() + 90
    while send(f, parts(("a.bin", HARM))).delivered and time.monotonic() < end:
        time.sleep(.2)
    check("it is asked again when it is back", "clamav.back" in f.log(), f.log()[-2000:])


def deferred(f):
    out = send(f, parts(("a.bin", b"x")))
    check("tempfail says so", out.reply.startswith("451 4.7.1") and "VIRUS.unscanned" in out.reply, out)


def quarantined(f):
    out = send(f, parts(("a.bin", HARM)))
    check("quarantine of what comes in", out.delivered and out.action() == "quarantine"
          and "virus" in out.rules(), out)
    out = send(f, parts(("a.bin", HARM)), login=STAFF)
    check("and a refusal of what goes out", "VIRUS.found" in out.reply, out)


# ---- scripted ones ----

class Liar:
    """A daemon that hears everything, or nothing, and says ANSWER."""

    def __init__(self, answer, hears=True, wait=0, endless=False):
        self.answer, self.hears, self.wait, self.endless = answer, hears, wait, endless
        self.asked = 0
        self.port = free_port()
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer:
            peer.settimeout(60)
            try:
                heard = b""
                while self.hears and not heard.endswith(b"\0\0\0\0"):
                    piece = peer.recv(1 << 16)
                    heard = (heard + piece)[-20:]
                    if not piece:
                        return
                time.sleep(self.wait)
                peer.sendall(self.answer)
                while self.endless:
                    peer.sendall(b"A" * 4096)
            except OSError:
                pass

    def close(self):
        self.server.close()


LIES = [
    # name, liar, what is to be seen in the verdict
    ("clean", Liar(b"stream: OK\0"), "clean"),
    ("found, with a name of its own", Liar(b"stream: Evil-\"Name%s FOUND\0"), "found"),
    ("found before it was all heard", Liar(b"stream: Early FOUND\0", hears=False), "found"),
    ("a name with a line end", Liar(b"stream: a\r\nX-Evil: 1 FOUND\0"), "unscanned"),
    ("no name", Liar(b"stream:  FOUND\0"), "unscanned"),
    ("a longer name than any", Liar(b"stream: " + b"n" * 900 + b" FOUND\0"), "found"),
    ("garbage", Liar(bytes(range(1, 256)) * 3 + b"\0"), "unscanned"),
    ("another protocol", Liar(b"220 mail.example ESMTP\r\n", hears=False), "unscanned"),
    ("an error of its own", Liar(b"stream: Can't allocate memory ERROR\0"), "unscanned"),
    ("the limit", Liar(b"INSTREAM size limit exceeded. ERROR\0", hears=False), "unscanned"),
    ("without end", Liar(b"stream: ", endless=True), "unscanned"),
    ("hung up", Liar(b""), "unscanned"),
    ("half an answer", Liar(b"stream: OK but not"), "unscanned"),
    ("silence", Liar(b"", wait=30), "unscanned"),
]


def lies(f, liar, want, name):
    began = time.monotonic()
    out = send(f, parts(("a.bin", b"x" * 300000)))
    seen = out.field("X-Congvu-Verdict")
    good = {"clean": out.delivered and "virus" not in seen,
            "found": "VIRUS.found" in out.reply,
            "unscanned": out.delivered and "virus-unscanned" in seen}[want]
    check(name, good, out)
    check(name + ": one line, no fields", "\n" not in out.reply.strip() and "X-Evil" not in seen, out)
    check(name + ": in time", time.monotonic() - began < 25, time.monotonic() - began)
    if name == "silence":
        began = time.monotonic()
        for _ in range(10):
            send(f, parts(("a.bin", b"x")))
        check("silence keeps nobody waiting twice", time.monotonic() - began < 2 + liar.wait / 3
              and liar.asked < 5, (liar.asked, time.monotonic() - began))


def late_names(build):
    """A sender's names that nobody answers for take all the time there is to wait, but not the
    scanner's."""
    liar = Liar(b"stream: OK\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        f = Filter(build, "", options=f"clamav = 127.0.0.1:{liar.port}\nmessage_secs = 1\n"
                                      "host_checks = yes\n")
        with open(f.conf, encoding="utf-8") as conf:
            text = conf.read()
        with open(f.conf, "w", encoding="utf-8") as conf:
            conf.write(text.replace(f"dns_zone_file = {f.zone}",
                                    f"dns_forwarders = 127.0.0.1@{silent.getsockname()[1]}"))
        f.start()
        try:
            out = send(f, parts(("a.bin", b"x")))
            check("late names: scanned all the same", out.delivered
                  and "virus" not in out.field("X-Congvu-Verdict"), out)
            check("late names: the scanner is not away", "clamav.away" not in f.log(), f.log()[-900:])
        finally:
            f.process.kill()
            f.process.wait()
            shutil.rmtree(f.dir)
            liar.close()


def main():
    build = sys.argv[1]
    run(build, "secrecy_attachments = yes\nmessage_secs = 60\n", secrecy)
    run(build, "", no_secrecy)
    run(build, "qr_codes = yes\nmessage_secs = 60\n", codes)
    run(build, "secrecy_attachments = yes\n", no_codes)
    with ThreadPoolExecutor(4) as pool:
        late = pool.submit(late_names, build)
        for one in [pool.submit(run, build, f"clamav = 127.0.0.1:{liar.port}\nclamav_timeout = 2s\n",
                                lies, liar, want, name) for name, liar, want in LIES]:
            one.result()
        late.result()
    run(build, f"clamav = 127.0.0.1:{free_port()}\nclamav_failure = tempfail\n", deferred)
    if not shutil.which("clamd"):
        print("no clamd here: only scripted ones")
        return check.end()
    folder = tempfile.mkdtemp(prefix="congvu-clamd-")
    clamd = Clamd(folder)
    try:
        clamd.start()
        options = f"clamav = unix:{clamd.path}\nclamav_timeout = 30s\n"
        run(build, options + "clamav_found = quarantine\n", quarantined)
        run(build, options, real, clamd)
    finally:
        clamd.stop()
        shutil.rmtree(folder)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())

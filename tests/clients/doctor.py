#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu doctor` and `congvu dns`: what is well, and each fault made on purpose is named with what to
do about it; OPS-01 and SEC-01 as an operator sees them."""
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

import signed_dns
from admin_kit import DOMAIN, Congvu, check, failures, finish, free_ports

HOST = f"mail.{DOMAIN}"
SELF = "198.51.100.25"


def find(answer, check_id, subject=None):
    """The findings of a check."""
    return [f for f in answer.json().get("findings", []) if f["id"] == check_id
            and (subject is None or subject in f["subject"])]


def state(answer, check_id, subject=None):
    return {f["state"] for f in find(answer, check_id, subject)}


class World:
    def __init__(self):
        self.c = Congvu()
        made = self.c.init()
        check("init", made.code == 0, made)
        self.zone = os.path.join(self.c.dir, "zone")
        self.set_zone("")
        self.c.set_option("congvu", f"dns_zone_file = {self.zone}")
        self.metrics = free_ports(1)[0]
        self.c.set_option("smtpd", f"metrics_listen = 127.0.0.1:{self.metrics}")
        with open(self.c.conf, encoding="utf-8") as f:
            self.conf = f.read()

    def set_zone(self, text):
        with open(self.zone, "w", encoding="utf-8") as f:
            f.write(f"{DOMAIN}. 60 IN SOA ns.{DOMAIN}. h.{DOMAIN}. 1 60 60 60 60\n" + text)

    def conf_with(self, section, *lines):
        """The configuration with LINES in SECTION, in the place of what it says of the same."""
        text = self.conf
        for line in lines:
            text = re.sub(rf"(?m)^{line.split(' = ', maxsplit=1)[0]} = .*$", "", text)
        with open(self.c.conf, "w", encoding="utf-8") as f:
            f.write(text + f"\n[{section}]\n" + "".join(line + "\n" for line in lines))

    def doctor(self, *words, lang="en"):
        return self.c.run("doctor", "--json", *words, lang=lang)


def ops_01_health_at_a_glance(w):
    began = time.monotonic()
    answer = w.doctor()
    took = time.monotonic() - began
    check("ops_01 doctor answers in time, whatever the machine", took < 60, took)
    families = {f["family"] for f in answer.json()["findings"]}
    check("ops_01 every family has something to say", len(families) == 15, families)
    check("ops_01 the exit code is that of the worst", answer.code == {"ok": 0, "warning": 1,
          "fault": 2}[answer.json()["worst"]], answer)
    for name in ("daemons.running", "daemons.sandbox", "ports.tls", "ports.old-tls",
                 "ports.certificate", "certificates.dates", "certificates.name", "certificates.key",
                 "filter.configured", "filter.answers", "queue.size", "clock.daemon",
                 "files.secret-mode", "config.valid", "daemons.version"):
        check(f"{name} is well in a fresh province", state(answer, name) == {"ok"},
              find(answer, name))
    mute = [f["id"] for f in answer.json()["findings"] if f["state"] != "ok" and not f["next"]]
    check("every fault says what to do", not mute, mute)
    text = w.c.run("doctor", "--only", "ports", lang="vi")
    check("for people: a sign and a word, in Vietnamese", "✓ tốt" in text.out
          and "! cảnh báo" in text.out and "chỉ nghe một trong IPv4, IPv6" in text.out, text)
    check("an unknown family is refused with their names",
          w.doctor("--only", "frob").code == 64)


def ops_01_metrics_and_readiness(w):
    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{w.metrics}{path}", timeout=60) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as fault:
            return fault.code, fault.read().decode()
    code, text = get("/metrics")
    check("ops_01 metrics for Prometheus", code == 200 and "# TYPE " in text and "queue" in text,
          text[:300])
    check("ops_01 /health", get("/health")[0] == 200, get("/health"))
    check("ops_01 /ready", get("/ready")[0] == 200, get("/ready"))


def sec_01_scan_is_clean(w):
    port = w.c.port
    for name, starttls in (("2525", "smtp"), ("2587", "smtp"), ("2465", None), ("2143", "imap"),
                           ("2993", None), ("2110", "pop3"), ("2995", None)):
        for version, want in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True),
                              ("-tls1_3", True)):
            argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port[name]}", version,
                    "-cipher", "ALL:@SECLEVEL=0", "-servername", HOST]
            argv += ["-starttls", starttls] if starttls else []
            done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=60,
                                  check=False)
            made = re.search(r"^ *(Cipher is (?!\(NONE\))|New, TLSv)", done.stdout, re.M)
            made = bool(made) and "Cipher is (NONE)" not in done.stdout
            check(f"sec_01 port {name} {version}: {'taken' if want else 'refused'}",
                  made == want, done.stdout[-600:] + done.stderr[-600:])
    answer = w.doctor("--only", "relay")
    check("sec_01 no log-in in clear on any port", len(find(answer, "relay.clear-auth")) == 4
          and state(answer, "relay.clear-auth") == {"ok"}, answer)
    check("sec_01 no open relay", state(answer, "relay.open-relay") == {"ok"}, answer)


class Liar(threading.Thread):
    """A server that takes everything: what an open relay looks like."""

    def __init__(self):
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                one, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        with one, one.makefile("rwb") as f:
            f.write(b"220 liar\r\n")
            f.flush()
            for line in f:
                verb = line[:4].upper()
                f.write(b"250-liar\r\n250 AUTH PLAIN LOGIN\r\n" if verb == b"EHLO" else
                        b"334 VXNlcm5hbWU6\r\n" if verb == b"AUTH" else b"250 ok\r\n")
                f.flush()


def test_a_relay_and_a_clear_log_in_are_seen(w):
    liar = Liar()
    w.conf_with("smtpd", f"listen_submission = 127.0.0.1:{liar.port}",
                f"listen_mx = 127.0.0.1:{liar.port}")
    answer = w.doctor("--only", "relay")
    check("an open relay is a fault", state(answer, "relay.open-relay") == {"fault"}, answer)
    check("AUTH in clear is a fault", "fault" in state(answer, "relay.clear-auth", "submission")
          and answer.code == 2, answer)
    answer = w.doctor("--only", "ports")
    check("a port without TLS is a fault", state(answer, "ports.tls", "(mx)") == {"fault"}, answer)
    liar.server.close()
    w.conf_with("smtpd")


def test_dns_lines_load_into_a_real_server(w):
    shown = w.c.run("dns", "show", DOMAIN)
    check("dns show prints", shown.code == 0 and "IN MX 10" in shown.out, shown)
    for word in (f"_submissions._tcp.{DOMAIN}. IN SRV", f"_imaps._tcp.{DOMAIN}. IN SRV",
                 f"_25._tcp.{HOST}. IN TLSA 3 1 1", "IN TXT ( \"v=DKIM1; k=rsa; p="):
        check(f"dns show has {word}", word in shown.out, shown)
    tool = shutil.which("nsd-checkzone", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not tool:
        print("nsd-checkzone is not installed (./dev setup)")
        return
    path = os.path.join(w.c.dir, "checked.zone")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"$ORIGIN {DOMAIN}.\n$TTL 3600\n@ SOA ns.{DOMAIN}. h.{DOMAIN}. 1 3600 600 86400 60\n"
                f"@ NS ns.{DOMAIN}.\nns A {SELF}\nmail A {SELF}\n" + shown.out)
    done = subprocess.run([tool, DOMAIN, path], capture_output=True, text=True, check=False)
    check("nsd takes the lines as they are printed", done.returncode == 0,
          done.stdout + done.stderr)
    longest = max(len(s) for s in re.findall(r'"([^"]*)"', shown.out))
    check("no string of a TXT is longer than 255 octets", longest <= 255, longest)


class Web:
    """The web server of the MTA-STS policy."""

    def __init__(self, w):
        folder = w.c.dir
        key, cert = os.path.join(folder, "web.key"), os.path.join(folder, "web.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                        "9", "-subj", "/CN=web", "-addext",
                        f"subjectAltName=DNS:mta-sts.{DOMAIN}"], check=True, capture_output=True)
        self.policy = b""
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(web.policy)))
                self.end_headers()
                self.wfile.write(web.policy)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port, self.cert = self.server.server_address[1], cert
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_dns_of_a_domain(w):
    web = Web(w)
    w.conf_with("smtpd", f"mta_sts_port = {web.port}", f"outbound_ca = {web.cert}")
    shown = w.c.run("dns", "show", DOMAIN, "--sts-mode", "enforce", "--json").json()["domains"][0]
    web.policy = shown["sts_policy"].encode()
    records = [r for r in shown["records"] if r["value"] and r["name"] != f"mta-sts.{DOMAIN}"]
    back = ".".join(reversed(SELF.split("."))) + ".in-addr.arpa."
    rest = (f"{HOST}. IN A 127.0.0.1\nmta-sts.{DOMAIN}. IN A 127.0.0.1\n"
            f"1.0.0.127.in-addr.arpa. IN PTR {HOST}.\n{back} IN PTR other.example.\n")
    names = {"MX": "dns.mx", "TLSA": "dns.tlsa", "SRV": "dns.srv", "CNAME": "dns.autoconfig"}

    def id_of(r):
        if r["type"] != "TXT":
            return names[r["type"]]
        for word, name in (("v=spf1 mx", "spf"), ("v=spf1 a", "spf-host"), ("v=DKIM1", "dkim"),
                           ("v=DMARC1", "dmarc"), ("v=STSv1", "sts"), ("v=TLSRPT", "tlsrpt")):
            if r["value"].startswith(word):
                return "dns." + name
        return None

    w.set_zone(rest + "".join(r["zone"] + "\n" for r in records))
    answer = w.doctor("--only", "dns")
    for name in ("mx", "host", "ptr", "spf", "spf-host", "dkim", "dmarc", "sts", "sts-host",
                 "sts-policy", "tlsrpt", "srv", "autoconfig"):
        check(f"dns.{name} is well when the lines of dns show stand there",
              state(answer, "dns." + name) == {"ok"}, find(answer, "dns." + name))
    check("without a trust anchor nobody knows whether a TLSA counts",
          state(answer, "dns.tlsa") == {"note"}, find(answer, "dns.tlsa"))
    seen = set()
    for missing in records:
        name = id_of(missing)
        if name is None or name in seen:
            continue
        seen.add(name)
        w.set_zone(rest + "".join(r["zone"] + "\n" for r in records if r is not missing))
        answer = w.doctor("--only", "dns")
        faults = [f for f in find(answer, name, missing["name"]) if f["state"] != "ok"]
        line = faults[0].get("do", "").strip() if faults else ""
        want = missing["zone"].strip()
        if name == "dns.sts":  # the id is that of mode testing
            line, want = line.split("id=", maxsplit=1)[0], want.split("id=", maxsplit=1)[0]
        check(f"{name} missing is said with the line to add", line == want, (want, faults))
    weak = (("v=spf1 mx -all", "v=spf1 +all", "dns.spf", "fault"),
            ("v=DMARC1; p=reject", "v=DMARC1; p=none", "dns.dmarc", "warning"),
            ("MX 10", "MX 0 other.example. ;", "dns.mx", "fault"),
            ("TLSA 3 1 1 ", "TLSA 3 1 1 00", "dns.tlsa", "fault"))
    good = rest + "".join(r["zone"] + "\n" for r in records)
    for old, new, name, want in weak:
        if old not in good:
            check(f"{old} stands in the zone", False)
        text = re.sub(r"(TLSA 3 1 1 00\w+)\w\w$", r"\1", good.replace(old, new), flags=re.M)
        w.set_zone(text)
        answer = w.doctor("--only", "dns")
        check(f"{name} that is wrong is a {want}", want in state(answer, name), find(answer, name))
    w.set_zone(good.replace(f"1.0.0.127.in-addr.arpa. IN PTR {HOST}.",
                            "1.0.0.127.in-addr.arpa. IN PTR nobody.example."))
    answer = w.doctor("--only", "dns")
    ptr = find(answer, "dns.ptr")[0]
    check("a PTR that leads elsewhere is said with the line to add", ptr["state"] == "warning"
          and ptr["do"] == f"1.0.0.127.in-addr.arpa. IN PTR {HOST}.", ptr)
    web.policy = b"version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n"
    w.set_zone(good)
    answer = w.doctor("--only", "dns")
    check("another policy on the web is a warning", state(answer, "dns.sts-policy") == {"warning"},
          answer)
    web.server.shutdown()
    w.conf_with("smtpd")


def test_dnssec_on_a_real_name_server(w):
    missing = signed_dns.need()
    if missing:
        print(f"{missing} is not installed (./dev setup)")
        return
    shown = w.c.run("dns", "show", DOMAIN, "--json").json()["domains"][0]
    lines = "".join(r["zone"] + "\n" for r in shown["records"] if r["value"])
    lines += f"{HOST}. A 127.0.0.1\n"
    for kind, wanted in (("signed", "ok"), ("unsigned", "warning")):
        dns = signed_dns.SignedDns(os.path.join(w.c.dir, "dns-" + kind), free_ports(1)[0])
        dns.zone("example", "signed", "")
        dns.zone(DOMAIN, "signed" if kind == "signed" else "insecure", lines)
        dns.start()
        try:
            w.conf_with("congvu", f"dns_forwarders = 127.0.0.1@{dns.port}",
                        f"dns_trust_anchor = {dns.anchor}", "dns_zone_file = ")
            answer = w.doctor("--only", "dns")
            for name in ("dns.dnssec", "dns.tlsa"):
                check(f"{name} of a zone that is {kind}: {wanted}", state(answer, name) == {wanted},
                      find(answer, name))
            check(f"dkim of a zone that is {kind}, from a real server",
                  state(answer, "dns.dkim") == {"ok"}, find(answer, "dns.dkim"))
        finally:
            dns.stop()
    w.conf_with("congvu")


def test_files_are_mended_only_when_asked(w):
    key = os.path.join(w.c.base, "keys", "server.key")
    os.chmod(key, 0o644)
    answer = w.doctor("--only", "files")
    row = find(answer, "files.secret-mode", "server.key")[0]
    check("a secret that others read is a fault with its chmod", row["state"] == "fault"
          and row["do"] == f"chmod 0640 {key}" and answer.code == 2, row)
    answer = w.doctor("--only", "files", "--fix", "--dry-run")
    check("a dry run mends nothing", find(answer, "files.secret-mode", "server.key")[0]
          .get("would_fix") is True and os.stat(key).st_mode & 0o777 == 0o644, answer)
    answer = w.doctor("--only", "files", "--fix")
    check("--fix takes the rights away", find(answer, "files.secret-mode", "server.key")[0]
          .get("fixed") is True and os.stat(key).st_mode & 0o777 == 0o640, answer)
    check("then it is well", state(w.doctor("--only", "files"), "files.secret-mode",
          "server.key") == {"ok"})
    os.chmod(key, 0o600)


def test_weak_settings_and_wrong_values(w):
    w.conf_with("congvu", "outside_password = yes", "inside_networks = 0.0.0.0/0")
    answer = w.doctor("--only", "config")
    for name in ("outside_password", "inside_networks"):
        check(f"{name} is weak", state(answer, "config.strong", name) == {"warning"}, answer)
    w.conf_with("smtpd", "outbound_tls = nonsense:rule")
    answer = w.doctor("--only", "config")
    row = [f for f in find(answer, "config.valid") if f["state"] == "fault"]
    check("a wrong value is a fault with its line", row and re.search(r"conf:\d+",
          row[0]["subject"]), answer)
    w.conf_with("smtpd")


def make_cert(folder, name, days, names):
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    str(days), "-subj", "/CN=x", "-addext", f"subjectAltName=DNS:{names}"],
                   check=True, capture_output=True)
    return cert, key


def test_certificates(w):
    for name, days, host, wanted in (("soon", 20, HOST, ("certificates.dates", "warning")),
                                     ("now", 3, HOST, ("certificates.dates", "fault")),
                                     ("other", 90, "other.example",
                                      ("certificates.name", "fault"))):
        cert, key = make_cert(w.c.dir, name, days, host)
        w.conf_with("congvu", f"tls_cert = {cert}", f"tls_key = {key}")
        answer = w.doctor("--only", "certificates")
        check(f"certificate {name}: {wanted[0]}", state(answer, wanted[0]) == {wanted[1]}, answer)
    w.conf_with("congvu", f"tls_cert = {cert}", f"tls_key = {w.c.dir}/soon.key")
    answer = w.doctor("--only", "certificates")
    check("a key of another certificate is a fault", state(answer, "certificates.key") == {"fault"},
          answer)
    answer = w.doctor("--only", "ports")
    check("a certificate that is not the file's is a warning",
          "warning" in state(answer, "ports.certificate"), answer)
    w.conf_with("congvu")


def test_the_clock_beside_a_second_source(w):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(30)
    ahead = [0]

    def answer_one():
        data, peer = server.recvfrom(100)
        now = time.time() + 2208988800 + ahead[0]
        server.sendto(struct.pack("!BBbb3I4Q", 0x24, 2, 0, -20, 0, 0, 0, 0,
                                  struct.unpack("!Q", data[40:48])[0], int(now * 2**32),
                                  int(now * 2**32)), peer)
    w.conf_with("admin", f"time_server = 127.0.0.1:{server.getsockname()[1]}")
    for seconds, wanted in ((0, "ok"), (3600, "fault")):
        ahead[0] = seconds
        t = threading.Thread(target=answer_one)
        t.start()
        answer = w.doctor("--only", "clock")
        t.join()
        check(f"a second clock {seconds} s ahead: {wanted}", state(answer, "clock.offset") ==
              {wanted}, find(answer, "clock.offset"))
    server.close()
    w.conf_with("admin")


def test_backups_and_the_log(w):
    check("no backup is said", state(w.doctor("--only", "backup"), "backup.set-up") == {"warning"})
    folder = os.path.join(w.c.base, "backup")
    os.makedirs(folder, exist_ok=True)
    now = int(time.time())
    rows = {"fresh": {"good": now - 3600, "verified": now, "verify_faults": 0},
            "old": {"good": now - 2 * 86400}, "never": {"good": 0, "error": "disk is gone"},
            "bad": {"good": now, "verified": now, "verify_faults": 2}}
    with open(os.path.join(folder, "status.json"), "w", encoding="utf-8") as f:
        json.dump({"format": 1, "targets": rows, "drill": {"time": now - 300 * 86400, "ok": True}},
                  f)
    answer = w.doctor("--only", "backup")
    for name, wanted in (("fresh", "ok"), ("old", "warning"), ("never", "fault"), ("bad", "ok")):
        check(f"backup {name}: {wanted}", state(answer, "backup.age", name) == {wanted}, answer)
    check("a failed backup says why", find(answer, "backup.failed", "never")[0]["facts"]
          == "disk is gone", answer)
    check("a damaged backup is a fault", state(answer, "backup.verified", "bad") == {"fault"},
          answer)
    check("a drill of long ago is a warning", state(answer, "backup.drill") == {"warning"}, answer)
    with open(os.path.join(folder, "status.json"), "w", encoding="utf-8") as f:
        json.dump({"format": 1, "targets": {"fresh": rows["fresh"]},
                   "drill": {"time": now, "ok": True}}, f)
    answer = w.doctor("--only", "backup")
    check("one target is not enough", state(answer, "backup.copies") == {"warning"}
          and state(answer, "backup.drill") == {"ok"}, answer)
    shutil.rmtree(folder)
    log = os.path.join(w.c.dir, "test.log")
    os.environ["TZ"] = "Asia/Ho_Chi_Minh"
    time.tzset()
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 60))
    old = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 3 * 86400))
    with open(log, "w", encoding="utf-8") as f:
        f.write(f"{old}.001+07:00 error smtpd 0 queue.old_event why=x\n"
                f"{now}.001+07:00 error smtpd 0 queue.broken why=x\n"
                f"{now}.002+07:00 error smtpd 0 queue.broken why=x\n"
                f"{now}.003+07:00 info smtpd 0 msg.accepted size=1\n")
    w.conf_with("congvu", f"log_file = {log}")
    answer = w.doctor("--only", "logs")
    row = find(answer, "logs.errors")[0]
    check("errors of the last day are counted by event", row["state"] == "warning"
          and row["facts"].startswith("2: queue.broken 2"), row)
    w.conf_with("congvu")


def test_lists_in_dns(w):
    with open(w.zone, encoding="utf-8") as f:
        zone = f.read()
    w.set_zone("2.0.0.127.good.example. IN A 127.0.0.2\n"
               "2.0.0.127.blocked.example. IN A 127.255.255.254\n"
               "2.0.0.127.all.example. IN A 127.0.0.2\n1.0.0.127.all.example. IN A 127.0.0.2\n")
    w.conf_with("smtpd", "dnsbl = good.example blocked.example all.example dead.example")
    answer = w.doctor("--only", "filter")
    for name, wanted in (("good", "ok"), ("blocked", "warning"), ("all", "warning"),
                         ("dead", "warning")):
        check(f"the DNS list {name}: {wanted}", state(answer, "filter.lists", name) == {wanted},
              find(answer, "filter.lists"))
    with open(w.zone, "w", encoding="utf-8") as f:
        f.write(zone)
    w.conf_with("smtpd")


def ops_01_bad_config_keeps_the_old_and_names_the_line(w):
    w.conf_with("smtpd", "max_messige = 1M")
    line = w.conf.count("\n") + 3
    answer = w.c.run("reload", "--json")
    check("ops_01 a bad configuration is refused with its line", answer.code == 78 and
          f"congvu.conf:{line}" in json.dumps(answer.json()), answer)
    w.conf_with("smtpd")
    with socket.create_connection(("127.0.0.1", w.c.port["2525"]), 60) as s:
        check("ops_01 the old one serves on", s.recv(100).startswith(b"220"))


def test_daemons_that_are_gone(w):
    w.c.stop()
    answer = w.doctor()
    check("stopped daemons are faults", state(answer, "daemons.running") == {"fault"}
          and len(find(answer, "daemons.running")) == 3 and answer.code == 2, answer)
    check("their ports are faults", state(answer, "ports.reachable") == {"fault"}, answer)
    check("the filter that does not answer is a fault", state(answer, "filter.answers") ==
          {"fault"}, answer)


def main():
    w = World()
    w.c.start()
    try:
        for name, test in list(globals().items()):
            if re.match(r"(test|[a-z]{3}_\d\d)_", name):
                before = len(failures)
                began = time.monotonic()
                test(w)
                print(f"-- {name} {len(failures) - before} failures "
                      f"{time.monotonic() - began:.1f} s", flush=True)
    finally:
        w.c.done()
    finish()


if __name__ == "__main__":
    main()

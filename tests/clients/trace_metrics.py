#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What an operator can ask afterwards: the course of one message, the counters, the health."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
import promtext  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import BUILD, DOMAIN, expect, wait_until  # noqa: E402
from sink import Sink  # noqa: E402

SWAKS = kit.need_program("swaks")
ENV = {**os.environ, "ASAN_OPTIONS": "exitcode=99"}
FAR_PORT, METRICS, IMAP_METRICS = free_ports(3)
ZONE = kit.ZONE + """far.example. 60 IN MX 10 mx.far.example.
mx.far.example. 60 IN A 127.0.0.7
"""
WORLD = []


def province():
    if not WORLD:
        sink = Sink("127.0.0.7", FAR_PORT, answers={"RCPT": lambda line, _:
                    "550 5.1.1 khong co ai" if "khong@" in line else None})
        p = kit.Province(filter=False, zone=ZONE, main={"log_format": "json"},
                         imapd={"metrics_listen": f"127.0.0.1:{IMAP_METRICS}"}, smtpd={
            "outbound_port": str(FAR_PORT), "retry_min": "1s",
            "metrics_listen": f"127.0.0.1:{METRICS}"})
        WORLD.append((p, sink))
        p.__enter__()
        for name in ("an", "binh", "van-thu"):
            p.user(name)
    return WORLD[0]


def congvu(p, *words, lang="en"):
    return subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf,
                           *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, env=ENV, check=False)


def swaks(p, user, to, mid, ok=(0,), more=()):
    kit.run([SWAKS, "--server", "127.0.0.1", "--port", str(p.port["submission"]), "--tls",
             "--auth", "PLAIN", "--auth-user", user, "--auth-password", p.users[user],
             "--from", user, "--to", to, "--hide-all", "--header", f"Message-ID: <{mid}>", *more],
            ok=ok, env={**os.environ, "TZ": "UTC"})


def trace(p, term, *more):
    got = congvu(p, "trace", term, "--json", *more)
    expect(got.returncode in (0, 1), got)
    return json.loads(got.stdout)["messages"]


def test_trace_tells_of_every_recipient_from_connection_to_end():
    p, sink = province()
    an, binh = f"an@{DOMAIN}", f"binh@{DOMAIN}"
    began = time.time() * 1000
    swaks(p, an, f"{binh},xa@far.example,khong@far.example,ai-do@{DOMAIN}", "vet-1@an.example",
          ok=(0, 24))
    wait_until("the far side has it", lambda: any("xa@far.example" in m.rcpts
                                                  for m in sink.messages))

    def is_told():
        messages = trace(p, "<vet-1@an.example>")
        events = [r["e"] for rs in messages.values() for r in rs]
        return messages if events.count("out") >= 3 and "report" in events else None
    messages = wait_until("the whole course", is_told)
    expect(len(messages) == 2, "the message and the report of its bounce", messages)
    (mid, records), (report, told) = messages.items()
    by = {}
    for r in records:
        by.setdefault(r["e"], []).append(r)
    times = [r["t"] for r in records]
    expect(times == sorted(times) and began - 1000 <= times[0] and times[-1] <= time.time() * 1000
           + 1000, "times", times)
    mail = by["mail"][0]
    expect(mail["account"] == an and mail["from"] == an and mail["tls"].startswith("TLSv1.")
           and mail["mech"] == "PLAIN" and mail["port"] == "submission" and mail["conn"], mail)
    rcpts = {r["to"]: r["reply"] for r in by["rcpt"]}
    expect(rcpts[binh] == "250" and rcpts["xa@far.example"] == "250", rcpts)
    expect(rcpts[f"ai-do@{DOMAIN}"].startswith("550 5.1.1"), rcpts)
    expect(by["data"][0]["mid"] == "vet-1@an.example" and int(by["data"][0]["size"]) > 0, by)
    expect([(r["to"], r["result"]) for r in by["box"]] == [(binh, "delivered")], by["box"])
    queue = by["queue"][0]["q"]
    expect(by["end"][0]["reply"] == "250", by["end"])
    out = {r["to"]: r for r in by["out"]}
    expect(out["xa@far.example"]["fate"] == "sent"
           and out["xa@far.example"]["reply"].startswith("250"), out)
    expect(out["khong@far.example"]["fate"] == "failed"
           and "khong co ai" in out["khong@far.example"]["reply"]
           and out["khong@far.example"]["q"] == queue, out)
    expect(by["report"][0]["child"] == report and by["report"][0]["to"] == an, by["report"])
    expect(told[-1]["e"] == "out" and told[-1]["to"] == an and told[-1]["fate"] == "sent", told)
    # the same course, asked for in other ways
    for term in (queue, mid, "XA@far.example", an):
        expect(mid in trace(p, term), term, "does not find it")
    expect(not trace(p, "far.example"), "a part is no whole value")
    expect(not trace(p, mid, "--until", "2d"), "--until")
    expect(trace(p, mid, "--since", "1h"), "--since")


def test_trace_speaks_in_sentences():
    p, _ = province()
    got = congvu(p, "trace", f"binh@{DOMAIN}", lang="vi")
    expect(got.returncode == 0, got)
    for words in (f"Hộp thư <binh@{DOMAIN}>: delivered", "Đã trả lời: nhận thư",
                  "Chấp nhận người nhận", "Đã giao thư cho <xa@far.example>",
                  "Gửi thông báo cho"):
        expect(words in got.stdout, words, "is missing in", got.stdout)
    got = congvu(p, "trace", "khong-co@noi-nao.example")
    expect(got.returncode == 1 and "Nothing is known" in got.stdout, got)
    expect(congvu(p, "trace", "x", "--since", "mai").returncode == 64, "a wrong time")


def test_trace_survives_a_stop_and_is_for_the_service_alone():
    p, _ = province()
    swaks(p, f"an@{DOMAIN}", f"van-thu@{DOMAIN}", "vet-2@an.example")
    p.daemons["smtpd"].stop()
    found = trace(p, "vet-2@an.example")
    expect(len(found) == 1, "while smtpd is down", found)
    folder = os.path.join(p.dir, "queue", "trace")
    expect(os.stat(folder).st_mode & 0o77 == 0, "the folder's mode")
    for name in os.listdir(folder):
        expect(os.stat(os.path.join(folder, name)).st_mode & 0o77 == 0, name)
        with open(os.path.join(folder, name), "rb") as f:
            expect(b"Subject" not in f.read() and b"test " not in f.read(), "no subjects")
    p.daemons["smtpd"].start()
    wait_until("the store", lambda: p.ask("smtpd", "status")["store_up"])


def test_the_log_is_json_and_has_the_same_id():
    p, _ = province()
    swaks(p, f"an@{DOMAIN}", "xa2@far.example", "vet-3@an.example")
    mid = next(iter(wait_until("a trace", lambda: trace(p, "vet-3@an.example"))))

    def lines():
        rows = [json.loads(line) for line in p.daemons["smtpd"].text().splitlines()
                if line.startswith("{")]
        return [r for r in rows if r.get("id") == mid]
    wait_until("it is sent", lambda: any(r["event"] == "out.sent" for r in lines()))
    rows = {r["event"]: r for r in lines()}
    expect(rows["msg.accepted"]["conn"] and rows["msg.accepted"]["remote"] == 1, rows)
    swaks(p, f"an@{DOMAIN}", f"ai-do@{DOMAIN}", "vet-3b@an.example", ok=(24,))
    row = wait_until("the refusal", lambda: [
        r for r in map(json.loads, (line for line in p.daemons["smtpd"].text().splitlines()
                                    if line.startswith("{")))
        if r["event"] == "smtp.refused" and r["to"] == f"<ai-do@{DOMAIN}>"])[-1]
    expect(row["peer"] == "127.0.0.1" and row["from"] == f"<an@{DOMAIN}>" and row["code"] == 550
           and row["reason"] == "RCPT.unknown" and row["account"] == f"an@{DOMAIN}"
           and row["id"] and row["conn"], row)
    expect(rows["out.sent"]["queue"] and rows["out.sent"]["to"] == "xa2@far.example", rows)


def get(path, port=None, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port or METRICS}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers.get("Content-Type"), answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.headers.get("Content-Type"), fault.read().decode()


def value(metrics, name, **labels):
    return metrics[name][frozenset(labels.items())]


def test_metrics_are_well_formed_and_count():
    p, _ = province()
    kit.run([SWAKS, "--server", "127.0.0.1", "--port", str(p.port["mx"]), "--from", "x@far.example",
             "--to", "nobody@far.example", "--hide-all"], ok=(24,))
    before = promtext.parse(get("/metrics")[2])
    swaks(p, f"an@{DOMAIN}", f"binh@{DOMAIN}", "dem@an.example")
    code, kind, text = get("/metrics")
    expect(code == 200 and kind.startswith("text/plain; version=0.0.4"), code, kind)
    after = promtext.parse(text)
    expect(value(after, "congvu_smtp_accepted_total")
           == value(before, "congvu_smtp_accepted_total") + 1, "accepted")
    expect(value(after, "congvu_smtp_refused_total", rule="RCPT.relay", code="550") >= 1, text)
    expect(value(after, "congvu_smtp_sessions_total", listener="submission")
           == value(before, "congvu_smtp_sessions_total", listener="submission") + 1, "sessions")
    expect(value(after, "congvu_smtp_outbound_total", outcome="sent") >= 1, text)
    expect(value(after, "congvu_smtp_messages_by_tls_total", version="TLSv1.3") >= 1, text)
    for name in ("accept", "store"):
        expect(value(after, f"congvu_smtp_{name}_seconds_count") >= 1, name)
    expect(value(after, "congvu_store_up") == 1, "store")
    expect(value(after, "congvu_workers") == 4, "workers")
    imap = promtext.parse(get("/metrics", IMAP_METRICS)[2])
    expect("congvu_imap_sessions" in imap, imap)
    promtool = shutil.which("promtool")
    if promtool:
        kit.run([promtool, "check", "metrics"], input=text.encode())


def test_health_and_readiness():
    p, _ = province()
    expect(get("/health")[:1] == (200,) and get("/ready")[2] == "ready\n", "well")
    p.daemons["imapd"].stop()

    def is_unready():
        code, _, text = get("/ready")
        return code == 503 and "store does not answer" in text
    wait_until("not ready while the store is away", is_unready)
    expect(get("/health")[0] == 200, "but alive")
    got = congvu(p, "status")
    expect("imapd does not run." in got.stdout and "local mail is queued" in got.stdout, got)
    p.daemons["imapd"].start()
    wait_until("ready again", lambda: get("/ready")[0] == 200)


def test_the_port_gives_nothing_to_the_rude():
    province()
    expect(get("/nowhere")[0] == 404 and get("/metrics", method="POST")[0] == 405, "codes")
    expect(get("/metrics", method="HEAD")[0] == 200, "HEAD")

    def raw(data, hold=False):
        with socket.create_connection(("127.0.0.1", METRICS), 30) as s:
            s.sendall(data)
            return s.recv(4096)
    expect(raw(b"GARBAGE\r\n\r\n").startswith(b"HTTP/1.1 400"), "garbage")
    expect(raw(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 2000).startswith(b"HTTP/1.1 431"),
           "a long head")
    slow = [socket.create_connection(("127.0.0.1", METRICS), 30) for _ in range(16)]
    for s in slow:
        s.sendall(b"GET /me")
    wait_until("more than sixteen at once", lambda: get("/health")[0] == 503)
    wait_until("slow ones are put out", lambda: get("/health")[0] == 200, every=0.2)
    for s in slow:
        s.settimeout(30)
        expect(s.recv(100) == b"", "closed")
        s.close()


def test_metrics_are_for_this_machine():
    p, _ = province()
    with open(p.conf, encoding="utf-8") as f:
        conf = f.read()
    other = os.path.join(p.dir, "other.conf")
    with open(other, "w", encoding="utf-8") as f:
        f.write(conf.replace(f"metrics_listen = 127.0.0.1:{METRICS}", "metrics_listen = *:9325"))
    p.daemons["smtpd"].stop()
    got = subprocess.run([os.path.join(BUILD, "bin", "congvu-smtpd"), "--conf", other], env=ENV,
                         capture_output=True, text=True, timeout=60, check=False)
    expect(got.returncode == 1 and "reached from other machines" in got.stderr, got)
    p.daemons["smtpd"].start()


if __name__ == "__main__":
    try:
        kit.run_tests(globals())
    finally:
        for p, sink in WORLD:
            p.__exit__(*sys.exc_info())
            sink.close()

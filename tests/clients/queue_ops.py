#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The queue in an operator's hands, with the outside gone for days, and in another node's hands."""
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from harness import ask, free_ports  # noqa: E402
from kit import BUILD, DOMAIN, PASSWORD, expect, wait_until  # noqa: E402
from sink import Sink  # noqa: E402

ENV = {**os.environ, "ASAN_OPTIONS": "exitcode=99"}
A, B = f"an@{DOMAIN}", f"binh@{DOMAIN}"
PORT = free_ports(1)[0]
FAR = "127.0.0.8"
ZONE = kit.ZONE + f"""; fail cut.example
cut.example. 60 TXT "x"
far.example. 60 IN MX 10 mx.far.example.
mx.far.example. 60 IN A {FAR}
gone.example. 60 IN MX 10 mx.far.example.
"""
WORLD = []


class World:
    def __init__(self):
        self.p = kit.Province(filter=False, zone=ZONE, smtpd={
            "outbound_port": str(PORT), "retry_min": "1s", "retry_max": "2s",
            "queue_lease": "3s", "drain_timeout": "1s"})
        self.p.__enter__()
        for address in (A, B):
            self.p.user(address)
        with open(self.p.conf, encoding="utf-8") as f:
            self.conf = f.read()

    def congvu(self, *words, ok=0):
        got = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", "en", "--conf",
                              self.p.conf, *words, "--json"], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=60, env=ENV, check=False)
        expect(got.returncode == ok, words, got)
        return json.loads(got.stdout) if got.stdout.strip() else None

    def queue(self, do, **fields):
        return self.p.ask("smtpd", "queue." + do, **fields)

    def submit(self, *rcpts, sender=A, size=0, subject="thu"):
        with smtplib.SMTP("127.0.0.1", self.p.port["submission"], timeout=60) as s:
            s.starttls(context=ssl.create_default_context(cafile=self.p.ca))
            s.login(sender, PASSWORD)
            s.sendmail(sender, rcpts, f"From: {sender}\r\nSubject: {subject}\r\n\r\n"
                       + "dong\r\n" * (size // 6))

    def empty(self):
        self.queue("delete", all=True)
        wait_until("an empty queue", lambda: self.queue("delete", all=True)
                   and not self.queue("stats")["messages"])

    def restart(self, conf=None):
        self.p.daemons["smtpd"].stop()
        with open(self.p.conf, "w", encoding="utf-8") as f:
            f.write(conf or self.conf)
        self.p.daemons["smtpd"].start()
        wait_until("the store", lambda: self.p.ask("smtpd", "status")["store_up"])


def world():
    if not WORLD:
        WORLD.append(World())
    return WORLD[0]


def subjects(w, user):
    box = w.p.imap(user)
    box.select(readonly=True)
    found = box.search(None, "ALL")[1][0].split()
    got = [box.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1].decode().strip()
           for n in found]
    box.logout()
    return [g.partition(": ")[2] for g in got]


def test_filters_choose_messages_and_recipients():
    w = world()
    w.submit("x@far.example", "y@gone.example", subject="hai")
    w.submit("z@gone.example", sender=B, size=60000, subject="to")
    rows = [
        ([], 2), (["--domain", "gone.example"], 2), (["--domain", "one.example"], 0),
        (["--domain", "FAR.example"], 1), (["--recipient", "z@"], 1), (["--sender", "binh"], 1),
        (["--account", A], 1), (["--account", "an"], 0), (["--size", "40K"], 1),
        (["--size", "40K", "--sender", "an@"], 0), (["--older", "1h"], 0),
        (["--state", "held"], 0), (["--state", "waiting"], 2), (["--limit", "1"], 1),
    ]
    for words, count in rows:
        got = w.congvu("queue", "list", *words)["messages"]
        expect(len(got) == count, words, len(got))
    w.congvu("queue", "list", "--state", "gone", ok=1)
    w.congvu("queue", "list", "--older", "soon", ok=64)

    def held():
        w.congvu("queue", "hold", "--all", "--domain", "gone.example", ok=None or 0)
        states = {r["address"]: r["state"] for m in w.queue("list")["messages"]
                  for r in m["recipients"]}
        return states["y@gone.example"] == states["z@gone.example"] == "held" and states

    def try_held():
        try:
            return held()
        except kit.Failure:  # one of them was being sent
            return None
    states = wait_until("both are held", try_held)
    expect(states["x@far.example"] != "held", states)
    expect(len(w.congvu("queue", "list", "--state", "held")["messages"]) == 2, "held")
    got = w.congvu("queue", "delete", "--all", "--state", "held", "--dry-run")
    expect((got["messages"], got["recipients"], got["dry_run"]) == (2, 2, True), got)
    expect(w.queue("stats")["held"] == 2, "a dry run changes nothing")
    w.congvu("queue", "delete", "--state", "held", ok=64)
    w.congvu("queue", "hold", ok=64)
    same = w.congvu("queue", "delete", "--state", "held", "--dry-run")
    expect(same == got, "a filter alone chooses", same, got)
    got = w.congvu("queue", "delete", "--all", "--state", "held", "--yes")
    expect((got["messages"], got["recipients"]) == (2, 2), got)
    left = w.queue("list")["messages"]
    expect([r["address"] for m in left for r in m["recipients"]] == ["x@far.example"], left)
    w.empty()


def test_pages_show_each_message_once_and_a_summary_counts():
    w = world()
    for n in range(25):
        w.submit(f"m{n}@{'far' if n % 5 else 'gone'}.example", subject=f"t{n}")
    wait_until("they were tried", lambda: all(
        m["recipients"][0]["last_reply"] for m in w.queue("list")["messages"]))
    seen, after, pages = [], None, 0
    while True:
        page = w.congvu("queue", "list", "--limit", "7", *(["--after", after] if after else []))
        seen += [m["id"] for m in page["messages"]]
        pages += 1
        if not page["more"]:
            break
        after = page["next"]
    expect(len(seen) == len(set(seen)) == 25 and pages == 4, len(seen), pages)
    got = {d["domain"]: d for d in w.congvu("queue", "summary")["domains"]}
    expect(got["far.example"]["waiting"] == 20 and got["gone.example"]["waiting"] == 5, got)
    expect(got["far.example"]["ages"]["5m"] == 20 and got["far.example"]["last_reply"], got)
    w.empty()


def test_smt_04_with_the_outside_cut_inside_mail_flows_and_nothing_bounces():
    """SMT-04: a resolver that fails, hosts that do not answer."""
    w = world()
    outside = [f"n{n}@{d}.example" for n in range(5) for d in ("cut", "far", "gone")]
    for address in outside:
        w.submit(address)
    slowest = 0
    for n in range(10):
        began = time.monotonic()
        w.submit(B, outside[n], subject=f"trong{n}")
        slowest = max(slowest, time.monotonic() - began)
    expect(slowest < 5, "inside mail took", slowest)
    expect(sorted(s for s in subjects(w, B) if s.startswith("trong"))
           == sorted(f"trong{n}" for n in range(10)), subjects(w, B))
    wait_until("tries", lambda: all(r["last_reply"] for m in w.queue("list")["messages"]
                                    for r in m["recipients"]))
    expect(w.queue("stats")["recipients"] == 25, "all of it waits", w.queue("stats"))
    expect(not [s for s in subjects(w, A) if s], "no bounce", subjects(w, A))
    # and it comes back: the resolver answers for cut.example too
    zone = os.path.join(w.p.dir, "zone")
    with open(zone, "w", encoding="utf-8") as f:
        f.write(ZONE.replace("; fail cut.example\ncut.example. 60 TXT \"x\"\n",
                             "cut.example. 60 IN MX 10 mx.far.example.\n"))
    sink = Sink(FAR, PORT)
    try:
        w.restart()
        wait_until("everything is sent", lambda: not w.queue("stats")["messages"])
        got = sorted(r for m in sink.messages for r in m.rcpts)
        expect(got == sorted(outside + outside[:10]), got)
    finally:
        sink.close()
        with open(zone, "w", encoding="utf-8") as f:
            f.write(ZONE)
        w.restart()
    expect(not [s for s in subjects(w, A) if s], "no bounce", subjects(w, A))


def test_a_kill_in_each_state_keeps_the_state():
    w = world()
    for n in range(4):
        w.submit(f"k{n}@far.example", subject=f"k{n}")
    ids = [m["id"] for m in w.queue("list")["messages"]]

    def steady(do, queue_id):
        return wait_until(do, lambda: w.queue(do, id=queue_id)["recipients"] == 1)
    for one in ids:  # so that the only change is the one that is killed
        steady("hold", one)
    smtpd = w.p.daemons["smtpd"]
    # an operator's bounce: the report is in the queue before the recipient is done
    smtpd.stop()
    smtpd.start({"CONGVU_KILL": "queue.update.committed:1"})
    try:
        while smtpd.is_running():
            w.queue("bounce", id=ids[1])
    except (OSError, kit.HarnessError):
        pass
    wait_until("the end", lambda: not smtpd.is_running())
    smtpd.start()
    states = {m["id"]: m["recipients"][0]["state"] for m in w.queue("list")["messages"]}
    expect([states.get(i) for i in (ids[0], ids[2], ids[3])] == ["held"] * 3, states)
    try:
        wait_until("bounced", lambda: w.queue("bounce", id=ids[1])["recipients"] == 1, secs=10)
    except kit.HarnessError:
        pass  # it was done before the kill
    wait_until("a report", lambda: 1 <= len([s for s in subjects(w, A) if s]) <= 2)
    smtpd.kill()
    smtpd.start()
    sink = Sink(FAR, PORT)
    try:
        w.queue("release", all=True)
        w.queue("retry", all=True)
        wait_until("the others are sent", lambda: not w.queue("stats")["messages"])
        got = sorted(r for m in sink.messages for r in m.rcpts)
        expect(got == ["k0@far.example", "k2@far.example", "k3@far.example"], got)
    finally:
        sink.close()


def other_node(w):
    """The configuration of a second node on the same ports, for when the first is dead."""
    shutil.rmtree(os.path.join(w.p.dir, "queue2"), ignore_errors=True)
    return (w.conf.replace(f"hostname = mail.{DOMAIN}", f"hostname = mail2.{DOMAIN}")
            .replace("[congvu]\n", "[congvu]\nqueue_dir = queue2\n")
            .replace("[smtpd]\n", f"[smtpd]\nqueue_adopt_from = {w.p.dir}/queue\n"))


def test_a_dead_nodes_queue_is_adopted_once_whatever_dies_meanwhile():
    w = world()
    smtpd, old = w.p.daemons["smtpd"], os.path.join(w.p.dir, "queue")
    ctl = os.path.join(w.p.dir, "run", "smtpd.ctl")
    for where in ("queue.put.committed:2", "adopt.put:2", "adopt.durable:3",
                  "adopt.deleted:2", "adopt.closed:1"):
        for n in range(5):
            w.submit(f"n{n}@far.example", f"n{n}@gone.example", subject=f"{where}{n}", size=3000)
        held = w.queue("list")["messages"][0]["id"]
        wait_until("hold", lambda: w.queue("hold", id=held)["recipients"] == 2)
        smtpd.kill()
        with open(w.p.conf, "w", encoding="utf-8") as f:
            f.write(other_node(w))
        smtpd.start()
        refused = ask(ctl, {"do": "queue.adopt", "dir": old})
        expect(not refused["ok"] and f"held by mail.{DOMAIN}" in refused["error"], refused)
        smtpd.stop()
        smtpd.start({"CONGVU_KILL": where})
        sink = Sink(FAR, PORT)
        try:
            def adopt():
                try:
                    return ask(ctl, {"do": "queue.adopt", "dir": old})["ok"]
                except (OSError, kit.HarnessError):
                    return not smtpd.is_running()
            wait_until("the lease to end", adopt)
            wait_until(f"the end at {where}", lambda: not smtpd.is_running())
            smtpd.start()
            time.sleep(0.3)  # what has moved is sent meanwhile, and gone when it is looked for
            wait_until("adopted", lambda: ask(ctl, {"do": "queue.adopt", "dir": old})["ok"])
            expect(ask(ctl, {"do": "queue.adopt", "dir": old})["messages"] == 0, "twice")
            wait_until("only the held one is left", lambda: w.queue("stats")["messages"] == 1)
            expect(w.queue("stats")["held"] == 2, "it is held here too")
            w.queue("release", all=True)
            wait_until("all is sent", lambda: not w.queue("stats")["messages"])
            got = sorted(r for m in sink.messages for r in m.rcpts)
            expect(got == sorted(f"n{n}@{d}.example" for n in range(5) for d in ("far", "gone")),
                   where, got)
        finally:
            sink.close()
        w.restart()
    expect(ask(ctl, {"do": "queue.adopt", "dir": old})["status"] == "invalid", "our own")
    other = ask(ctl, {"do": "queue.adopt", "dir": os.path.join(w.p.dir, "queue2")})
    expect("queue_adopt_from" in other["error"], other)
    answer = ask(ctl, {"do": "queue.adopt", "dir": w.p.dir})
    expect(not answer["ok"] and not os.path.exists(os.path.join(w.p.dir, "lock")), answer)


if __name__ == "__main__":
    try:
        kit.run_tests(globals())
    finally:
        for one in WORLD:
            one.p.__exit__(*sys.exc_info())

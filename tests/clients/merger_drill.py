#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The merger drill of MIG-01 and MIG-02: communes merge, departments are renamed and the old
province's domain becomes an alias, while mail flows and IMAP sessions are open; imapd dies in the
middle; in the end everything is rolled back. Every message that was accepted is found once.

    merger_drill.py [--full]

--full: the whole demo province (12,077 people, 60 communes become 23, three departments), with
times; else 12 communes become 5.
"""
import csv
import io
import json
import os
import random
import re
import shutil
import smtplib
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "..", "..", "conf", "demo")
sys.path[:0] = [os.path.join(HERE, ".."), DEMO]
import kit  # noqa: E402
import province as demo  # noqa: E402
from kit import DOMAIN, PASSWORD, expect, wait_until  # noqa: E402

FULL = "--full" in sys.argv
OLD_DOMAIN = "trason.example"
FROM_OLD = 4977 if FULL else 34
COMMUNES, GROUPS = (60, 23) if FULL else (12, 5)
RENAMED = {"snnmt": "snnmtl", "sxd": "sxdgt", "skhcn": "skhcns"}
SENDER = "congdan@sender.example"
rng = random.Random(20260701)


def note(what, secs=None):
    print(f"ok  {what}" + (f": {secs:.2f} s" if secs is not None else ""), flush=True)


# ---- the province ----

def pick_units():
    units = demo.units(random.Random(demo.SEED), True)
    if FULL:
        return units
    places = [u for u in units if u[3] in ("xa", "phuong", "dac_khu")]
    # The first and the 91st have one name (MIG-04).
    chosen = places[:11] + places[90:91]
    bodies = [u for u in units if u[0] in RENAMED]
    return [(c, n, "", t, r, people[:5]) for c, n, _, t, r, people in bodies + chosen]


def initials(name):
    words = name.split()
    return "".join(demo.fold(w)[:1] for w in words[:-1]) + demo.fold(words[-1])


class Drill:
    def __init__(self, p):
        self.p = p
        self.units = pick_units()
        self.communes = [u for u in self.units if u[3] in ("xa", "phuong", "dac_khu")][:COMMUNES]
        if not FULL:
            self.communes = self.communes[:12]
        self.groups = []
        at = 0
        for i in range(GROUPS):
            size = (len(self.communes) - at + GROUPS - i - 1) // (GROUPS - i)
            self.groups.append([u[0] for u in self.communes[at:at + size]])
            at += size
        self.new_of = {}       # old address -> new address, as the dry run says
        self.lock = threading.Lock()
        self.accepted = {}     # id -> receiver (its first address)
        self.faults, self.refused_new, self.tried = [], 0, 0
        self.stop_flow = threading.Event()
        self.pause = threading.Event()
        self.idle = 0
        self.use_new = False

    def congvu(self, *words, ok=(0,)):
        argv = [os.path.join(kit.BUILD, "bin", "congvu"), "--conf", self.p.conf, *words]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=600)
        expect(ok is None or done.returncode in ok, words, done.returncode, done.stdout[-3000:],
               done.stderr[-3000:])
        return done

    def build(self):
        p = self.p
        p.domain(OLD_DOMAIN)
        old_units, count = set(), 0
        lists = []
        for code, name, parent, kind, rank, people in self.units:
            is_old = kind in ("xa", "phuong", "dac_khu", "dvsn_xa") and count < FROM_OLD
            if is_old:
                old_units.add(code)
            lists.append({"code": code, "name": name, "parent": parent, "type": kind, "rank": rank,
                          "mailbox": True,
                          "address": f"{code}@{OLD_DOMAIN if is_old else DOMAIN}"})
            count += len(people) if is_old else 0
        p.ask("imapd", "agency.add", agencies=lists)
        text, taken, count = io.StringIO(), {}, 0
        out = csv.writer(text)
        out.writerow(["Mã cán bộ", "Họ và tên", "Chức vụ", "Mã đơn vị", "Thư điện tử"])
        self.staff = 0
        for code, *_, people in self.units:
            for i, (title, _) in enumerate(people):
                self.staff += 1
                # Somebody of one name in every unit: mergers must number them.
                name, address = "Nguyễn Văn An" if i == 3 else demo.person(rng), ""
                if name == "Trương Phong":  # reads as a title
                    name = "Trương Văn Phong"
                if code in old_units and count < FROM_OLD:
                    count += 1
                    stem = initials(name)
                    n = taken[code, stem] = taken.get((code, stem), 0) + 1
                    address = f"{stem}{n if n > 1 else ''}.{code}@{OLD_DOMAIN}"
                out.writerow([f"CB{self.staff:05}", name, title, code, address])
        began = time.monotonic()
        answer = p.ask("imapd", "import", csv=text.getvalue())
        expect(answer["added"] == self.staff, answer["added"], "of", self.staff,
               answer["rejected"][:3])
        note(f"{self.staff} people in {len(self.units)} units, {count} of them at {OLD_DOMAIN}",
             time.monotonic() - began)
        self.people = p.ask("imapd", "account.list", kind="person")["accounts"]
        self.by_unit = {}
        for a in self.people:
            self.by_unit.setdefault(a["agency"], []).append(a["address"])
        self.boxes(old_units)

    def boxes(self, old_units):
        """Clerks' boxes, and somebody who reads mail in each unit that changes."""
        p = self.p
        self.readers, self.shared = [], {}
        for code in [u[0] for u in self.communes] + list(RENAMED):
            where = OLD_DOMAIN if code in old_units else DOMAIN
            p.ask("imapd", "account.add", kind="role", agency=code,
                  address=f"vanthu.{code}@{where}", name="Văn thư")
            readers = self.by_unit[code][:2]
            for address in readers:
                p.ask("imapd", "account.passwd", address=address, password=PASSWORD,
                      allow_weak=True)
                p.users[address] = PASSWORD
            self.readers += readers
            for box in (f"vanthu.{code}@{where}", f"{code}@{where}"):
                p.ask("imapd", "role.hold", role=box, holder=readers[0])
                self.shared[box] = readers[0]
        p.refresh()
        self.receivers = self.readers + list(self.shared)

    def plan(self):
        lines = ["# Diễn tập sáp nhập", "[kế hoạch]", "tên = Nghị quyết diễn tập",
                 "giữ địa chỉ cũ = 24 tháng", "hộp cũ = để đọc", "người giữ hộp = tất cả", ""]
        for i, group in enumerate(self.groups):
            head = self.by_unit[group[0]][0]
            lines += ["[sáp nhập]", "từ = " + ", ".join(group), f"đứng đầu = {head}"]
            if i % 2:
                lines += [f"thành = m{i}", f"tên = UBND xã Mới {i}", f"giữ hộp của = {group[0]}",
                          "loại = xa"]
            else:
                lines += [f"thành = {group[0]}"]
            lines.append("")
        for old, new in RENAMED.items():
            lines += ["[đổi tên]", f"đơn vị = {old}", f"mã mới = {new}",
                      f"tên mới = Sở đổi tên {new}", ""]
        lines += ["[tên miền]", f"tên miền = {OLD_DOMAIN}", f"bí danh của = {DOMAIN}", ""]
        self.plan_path = os.path.join(self.p.dir, "sapnhap.plan")
        with open(self.plan_path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))

    # ---- what the register says ----

    def state(self):
        """"old", "new" or "torn": everybody as before, everybody as planned, or neither."""
        accounts = self.p.ask("imapd", "account.list")["accounts"]
        now = {a["number"]: a["address"] for a in accounts}
        old = all(now.get(n) == a for n, a in self.before.items())
        new = all(now.get(n) == self.kept_of.get(a, a) for n, a in self.before.items())
        units = {u["code"] for u in self.p.ask("imapd", "agency.list")["agencies"]}
        if old and units == self.units_before:
            return "old"
        if new and not any(c in units for c in RENAMED):
            return "new"
        print([(a, now.get(n), self.kept_of.get(a)) for n, a in self.before.items()
               if now.get(n) != self.kept_of.get(a, a)][:5], units ^ self.units_before)
        return "torn"

    def remember(self):
        self.before = {a["number"]: a["address"]
                       for a in self.p.ask("imapd", "account.list")["accounts"]}
        self.units_before = {u["code"] for u in self.p.ask("imapd", "agency.list")["agencies"]}

    # ---- mail ----

    def message(self, to, sender):
        with self.lock:
            self.tried += 1
            ident = f"thu{self.tried:07}"
        return ident, (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {ident}\r\n"
                       f"Message-ID: <{ident}@sender.example>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0700"
                       f"\r\n\r\nThu thu {ident}\r\n")

    def send_one(self, c, sender, receiver, to):
        """Accepted mail is written down; a refusal of an address that is to work is a fault."""
        ident, text = self.message(to, sender)
        try:
            c.sendmail(sender, [to], text)
        except smtplib.SMTPRecipientsRefused as refusal:
            code = list(refusal.recipients.values())[0][0]
            with self.lock:
                if code >= 500 and to == receiver:
                    self.faults.append(f"{to} refused: {refusal}")
                self.refused_new += to != receiver
            c.rset()
            return
        with self.lock:
            self.accepted[ident] = receiver

    def flow(self, connect, sender, seed):
        random_of = random.Random(seed)
        while not self.stop_flow.is_set():
            try:
                c = connect()
                for _ in range(15):
                    if self.stop_flow.is_set() or self.pause.is_set():
                        break
                    receiver = random_of.choice(self.receivers)
                    to = receiver
                    if self.use_new and random_of.random() < 0.5:
                        to = self.new_of.get(receiver, receiver)
                    self.send_one(c, sender, receiver, to)
                    time.sleep(0.02)
                c.quit()
            except (smtplib.SMTPException, OSError) as fault:
                with self.lock:
                    self.faults.append(f"a session ended: {fault!r}")
            while self.pause.is_set() and not self.stop_flow.is_set():
                with self.lock:
                    self.idle += 1
                self.pause_wait()
                with self.lock:
                    self.idle -= 1

    def pause_wait(self):
        while self.pause.is_set() and not self.stop_flow.is_set():
            time.sleep(0.02)

    def start_flow(self):
        inside = self.readers[-1]
        jobs = [(lambda: self.p.smtp(), SENDER)] * 2 + [(lambda: self.p.submit(inside), inside)]
        self.threads = [threading.Thread(target=self.flow, args=(*job, i), daemon=True)
                        for i, job in enumerate(jobs)]
        for t in self.threads:
            t.start()

    def quiet(self):
        """Nobody sends; gives back when that is so."""
        self.pause.set()
        wait_until("senders pause", lambda: self.idle == len(self.threads))

    def some_mail(self, count):
        with self.lock:
            want = len(self.accepted) + count
        wait_until("mail flows", lambda: len(self.accepted) >= want, secs=120)

    # ---- boxes ----

    def box_of(self, c, name):
        """Identities in one mailbox of session C."""
        status, data = c.select(f'"{name}"', readonly=True)
        expect(status == "OK", name, data)
        if data == [b"0"]:
            return []
        _, rows = c.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return re.findall(r"thu\d{7}", " ".join(r[1].decode() for r in rows if isinstance(r, tuple)))

    def found(self):
        """id -> boxes that hold it, over all receivers, when everybody has his old address again."""
        out = {}
        for reader in self.readers:
            c = self.p.imap(reader)
            for ident in self.box_of(c, "INBOX"):
                out.setdefault(ident, []).append(reader)
            for box in [b for b, holder in self.shared.items() if holder == reader]:
                for ident in self.box_of(c, f"D&APk-ng chung/{box}/INBOX"):
                    out.setdefault(ident, []).append(box)
            c.logout()
        return out

    def survivor(self, box):
        for group in self.groups:
            for code in group:
                if re.match(rf"(vanthu\.)?{code}@", box):
                    prefix = "vanthu." if box.startswith("vanthu.") else ""
                    return [b for b in self.shared if re.match(rf"{re.escape(prefix)}{group[0]}@", b)]
        return [box]


# ---- the acts of the play ----

def mig_01_a_dry_run_decides_everything_before_it_runs(d):
    began = time.monotonic()
    done = d.congvu("--json", "reorganise", d.plan_path, "--dry-run", "--output",
                    os.path.join(d.p.dir, "sapnhap.xlsx"), "--letters", os.path.join(d.p.dir, "thu"))
    took = time.monotonic() - began
    reply = json.loads(done.stdout)
    expect(not reply["problems"], reply["problems"][:3])
    counts = reply["counts"]
    d.new_of = {o["address"]: o["into"] if o.get("fate") == "alias" else o["new"]
                for o in reply["people"] + reply["boxes"]}
    d.kept_of = {o["address"]: o["new"] for o in reply["people"] + reply["boxes"]}
    expect(counts["units_closed"] == sum(len(g) - (i % 2 == 0) for i, g in enumerate(d.groups)) + 3,
           counts)
    expect(counts["collisions"] >= COMMUNES - GROUPS, counts)
    expect(len(os.listdir(os.path.join(d.p.dir, "thu"))) > GROUPS)
    with open(os.path.join(d.p.dir, "sapnhap.xlsx"), "rb") as f:
        expect(f.read(2) == b"PK")
    d.remember()
    expect(d.state() == "old", "a dry run changed something")
    note(f"dry run: {counts['new_addresses']} new addresses, {counts['collisions']} numbers, "
         f"{counts['units_closed']} units end, {counts['boxes_closed']} boxes become aliases", took)


def apply_plan(d, what):
    began = time.monotonic()
    done = d.congvu("--json", "reorganise", d.plan_path, "--yes")
    d.use_new = True
    note(what, time.monotonic() - began)
    return json.loads(done.stdout)["act"]


def rollback(d, act, what):
    d.use_new = False
    began = time.monotonic()
    d.congvu("--json", "reorganise", "rollback", str(act), "--yes")
    note(what, time.monotonic() - began)


def mig_02_sessions_boxes_and_log_ins_stay(d, act_on):
    """Open sessions live on over the change; the box is the same; both names log in."""
    reader = d.readers[2]
    new = d.new_of[reader]
    expect(new != reader, reader)
    open_session = d.p.imap(reader)
    _, before = open_session.status("INBOX", "(UIDVALIDITY UIDNEXT)")
    idle = kit.RawImap(d.p, reader)
    idle.cmd("SELECT INBOX")
    tag = idle.idle()
    act = act_on()
    with d.p.smtp() as c:
        d.send_one(c, SENDER, reader, new)
    while b"EXISTS" not in idle.response():
        pass
    idle.done(tag)
    idle.close()
    _, after = open_session.status("INBOX", "(UIDVALIDITY)")
    validity = re.search(rb"UIDVALIDITY (\d+)", before[0]).group(1)
    expect(validity in after[0], before, after)
    for name in (reader, new):
        c = d.p.imap(name, PASSWORD)
        c.logout()
    for to in (reader, new):
        swaks(d, reader, to)
    with d.p.submit(new, PASSWORD) as c:
        for sender in (new, reader):
            d.send_one(c, sender, d.readers[0], d.readers[0])
    open_session.logout()
    note("sessions, UIDVALIDITY, log-ins and From: old and new both work")
    return act


def swaks(d, receiver, to):
    """Another client than Python's, where it is installed."""
    program = shutil.which("swaks", path="/usr/bin:/bin")
    if not program:
        return
    ident, _ = d.message(to, SENDER)
    kit.run([program, "--server", d.p.host, "--port", str(d.p.port["mx"]), "--from", SENDER, "--to",
             to, "--header", f"Subject: {ident}", "--body", "thu"])
    with d.lock:
        d.accepted[ident] = receiver


def mig_02_the_use_of_old_addresses_is_counted(d):
    d.quiet()
    old = next(a for a in d.readers if a.endswith(OLD_DOMAIN))
    by_domain = next(d.new_of[a] for a in d.readers if a.endswith("@" + DOMAIN)
                     and d.new_of[a] != a).replace(DOMAIN, OLD_DOMAIN)
    owner = next(a for a in d.readers if d.new_of[a] == by_domain.replace(OLD_DOMAIN, DOMAIN))

    def counted():
        done = d.congvu("--json", "alias", "report", "--all")
        reply = json.loads(done.stdout)
        rows = {r["alias"]: (r["inside"], r["outside"]) for r in reply["aliases"]}
        domain = next(x for x in reply["domains"] if x["domain"] == OLD_DOMAIN)
        return rows.get(old, (0, 0)), rows.get(by_domain, (0, 0)), domain

    def settled():
        first = counted()
        time.sleep(4)
        return first == counted() and first
    base = wait_until("the counters are quiet", settled)
    with d.p.smtp() as c:
        for _ in range(5):
            d.send_one(c, SENDER, old, old)
        for _ in range(2):
            d.send_one(c, SENDER, owner, by_domain)
    with d.p.submit(d.readers[-1]) as c:
        for _ in range(3):
            d.send_one(c, d.readers[-1], old, old)
    want = ((base[0][0] + 3, base[0][1] + 5), (base[1][0], base[1][1] + 2))
    wait_until("the use is counted", lambda: counted()[:2] == want)
    after = counted()[2]
    expect(after["outside"] == base[2]["outside"] + 7 and after["inside"] == base[2]["inside"] + 3,
           after, base[2])
    text = d.congvu("--lang", "vi", "alias", "report", "--domain", OLD_DOMAIN).stdout
    expect(old in text and by_domain in text, text[-2000:])
    d.pause.clear()
    note("5 letters from outside and 3 from inside to an old address are reported, and the domain's")


def mig_01_old_boxes_are_copied_once_where_the_plan_says_so(d, act):
    """What clerks of closed units had is a folder of the kept box; asked again, nothing doubles."""
    done = json.loads(d.congvu("--json", "reorganise", "mail", str(act)).stdout)
    again = json.loads(d.congvu("--json", "reorganise", "mail", str(act)).stdout)
    expect(done["messages"] > 0 and again["messages"] == 0, done["messages"], again["messages"])
    row = max(done["boxes"], key=lambda r: r["messages"])
    c = d.p.imap(d.shared[row["box"]])
    name = f"D&APk-ng chung/{row['into']}/H&Htk-p c&AWk-/{row['box']}/INBOX"
    ours = d.box_of(c, name)
    c.logout()
    expect(len(ours) == row["messages"] and len(set(ours)) == len(ours), len(ours), row)
    note(f"{done['messages']} messages of {len(done['boxes'])} old boxes are in the kept ones, once")


def mig_01_the_directory_has_the_new_addresses(d):
    folder = os.path.join(d.p.dir, "danhba")
    began = time.monotonic()
    d.congvu("directory", "publish", "--out", folder)
    took = time.monotonic() - began
    text = ""
    for root, _, files in os.walk(folder):
        for name in files:
            if name.endswith((".csv", ".json")):
                with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
                    text += f.read()
    moved = [a for a in d.readers if d.new_of[a] != a]
    missing = [d.new_of[a] for a in moved if d.new_of[a] not in text]
    stale = [a for a in moved if re.search(rf'[",;]{re.escape(a)}[",;]', text)]
    expect(not missing and not stale, missing[:3], stale[:3])
    note("the directory has the new addresses and no old one", took)


def mig_01_a_dead_imapd_leaves_all_or_nothing(d):
    """kill -9 at several moments of the apply; then it is either wholly there or not at all."""
    seen = {"old": 0, "new": 0}
    act = None
    for delay in (0.02, 0.05, 0.08, 0.3) if not FULL else (0.5, 1.0, 1.5, 3.0):
        imapd = d.p.daemons["imapd"]
        child = subprocess.Popen([os.path.join(kit.BUILD, "bin", "congvu"), "--conf", d.p.conf,
                                  "reorganise", d.plan_path, "--yes"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        imapd.kill()
        child.wait(300)
        imapd.start()
        d.p.refresh()
        state = d.state()
        expect(state != "torn", "half a reorganisation after kill -9")
        seen[state] += 1
        if state == "new":
            acts = json.loads(d.congvu("--json", "reorganise", "list").stdout)["acts"]
            act = next(a["id"] for a in acts if a["action"] == "reorganise.apply"
                       and "undone_by" not in a)
            break
    note(f"kill -9 of imapd during the apply: {seen['old']} times nothing, {seen['new']} times all")
    return act


def mig_01_every_accepted_message_is_found_once(d):
    d.stop_flow.set()
    for t in d.threads:
        t.join(120)
    expect(not d.faults, len(d.faults), d.faults[:5])

    def drained():
        return d.p.ask("smtpd", "queue.list")["messages"] == []
    wait_until("the queue is empty", drained, secs=180, every=0.5)
    found = d.found()
    lost = [i for i in d.accepted if i not in found]
    twice = [i for i, boxes in found.items() if len(boxes) > 1]
    wrong = [(i, to, found[i]) for i, to in d.accepted.items() if i in found
             and found[i][0] != to and found[i][0] not in (d.survivor(to) if to in d.shared else [])]
    expect(not lost and not twice and not wrong, len(lost), "lost", lost[:3], len(twice), "twice",
           len(wrong), "in a wrong box", wrong[:3])
    note(f"{len(d.accepted)} accepted messages, each found once in the right box")


def mig_01_the_sample_plan_of_the_demo_is_complete():
    """conf/demo/sapnhap.plan, which the guide explains, on the small demo province."""
    with kit.Province(filter=False) as p:
        lists = os.path.join(p.dir, "lists")
        kit.run(["/usr/bin/python3", os.path.join(DEMO, "province.py"), lists])
        kit.run(["/usr/bin/python3", os.path.join(DEMO, "agencies.py"),
                 os.path.join(p.dir, "run", "imapd.ctl"), os.path.join(lists, "agencies.csv")])
        with open(os.path.join(lists, "staff.csv"), encoding="utf-8") as f:
            p.ask("imapd", "import", csv=f.read())
        p.refresh()
        argv = [os.path.join(kit.BUILD, "bin", "congvu"), "--conf", p.conf, "--lang", "vi",
                "reorganise", os.path.join(DEMO, "sapnhap.plan")]
        text = kit.run([*argv, "--dry-run"])
        expect("Thư gửi cán bộ" in text and "Phải quyết định" not in text, text[-3000:])
        text = kit.run([*argv, "--yes"])
        act = re.search(r"Đã thực hiện, lần thao tác (\d+)", text)
        expect(act, text[-3000:])
        text = kit.run([argv[0], "--conf", p.conf, "reorganise", "list"])
        expect("15/NQ-HĐND" in text, text)
        text = kit.run([argv[0], "--conf", p.conf, "reorganise", "show", act.group(1)])
        expect(".xvinhson@" in text and ".xhoadien@" in text, text)
    note("the sample plan of the demo is complete")


def main():
    if not FULL:
        mig_01_the_sample_plan_of_the_demo_is_complete()
    p = kit.Province(filter=False, main={"log_level": "info", "official_suffixes":
                                         f"{DOMAIN} {OLD_DOMAIN}"})
    with p:
        d = Drill(p)
        d.build()
        d.plan()
        d.start_flow()
        d.some_mail(20)
        mig_01_a_dry_run_decides_everything_before_it_runs(d)
        act = mig_02_sessions_boxes_and_log_ins_stay(
            d, lambda: apply_plan(d, "applied while mail flows"))
        expect(d.p.ask("imapd", "account.show", address=d.readers[0])["account"]["agency"])
        d.some_mail(40)
        mig_01_old_boxes_are_copied_once_where_the_plan_says_so(d, act)
        mig_01_the_directory_has_the_new_addresses(d)
        mig_02_the_use_of_old_addresses_is_counted(d)
        rollback(d, act, "rolled back while mail flows")
        d.p.refresh()
        expect(d.state() == "old", "a rollback that is none")
        d.some_mail(20)
        act = mig_01_a_dead_imapd_leaves_all_or_nothing(d)
        act = act or apply_plan(d, "applied again")
        d.use_new = True
        d.some_mail(20)
        rollback(d, act, "rolled back again")
        d.p.refresh()
        expect(d.state() == "old", "a second rollback that is none")
        d.some_mail(20)
        mig_01_every_accepted_message_is_found_once(d)
        p.check_store()


if __name__ == "__main__":
    main()

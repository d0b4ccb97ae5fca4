#!/usr/bin/python3
"""Random kills of every daemon while mail is delivered and clients write over IMAP.

Each writer owns one account: it appends, stores flags, copies, moves and expunges, and keeps a
model of what the server acknowledged; smtpd delivers to its INBOX meanwhile. After every lost connection
the writer reads all its mailboxes again. An operation without an answer may have happened or not,
message by message; everything else must be as acknowledged. Checked each time:

  1. nothing acknowledged is lost, nothing expunged comes back, flags are as acknowledged
  2. a UID names one message for ever; new ones are not below the UIDNEXT that was announced
  3. UIDVALIDITY never changes; UIDNEXT and HIGHESTMODSEQ never go back, nor does a message's MODSEQ
  4. at the end every acknowledged delivery was seen once in its INBOX, and the store's check
     is clean

usage: soak.py [--seconds N] [--seed N] [--writers N]
"""
# SPDX-License-Identifier: MPL-2.0
import argparse
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import exactly_once  # noqa: E402
import kit  # noqa: E402
from kit import expect  # noqa: E402

FOLDERS = ("INBOX", "Viec", "Luu")
FLAGS = (r"\Seen", r"\Answered", r"\Flagged", r"\Draft", "$viec", "quan-trong")
KEEP = 150 # messages of a mailbox; more are expunged
LOST = (OSError, EOFError, ConnectionError)


class Box:
    """One mailbox as the server acknowledged it."""

    def __init__(self, name):
        self.name = name
        self.validity = self.uidnext = self.modseq = 0
        self.whole = 0    # UIDNEXT when all of it was read last
        self.names = {}   # every UID ever seen -> key of its message
        self.flags = {}   # the UIDs that are there -> flags
        self.modseqs = {} # UID -> the newest MODSEQ seen
        self.gone = set() # UIDs whose end was acknowledged or seen


class Pending:
    """What an operation without an answer may have done."""

    def __init__(self, op, box, uids=(), flags=None, target=None, key=None):
        self.op, self.box, self.uids, self.flags = op, box, set(uids), flags
        self.target, self.key = target, key


class Writer:
    def __init__(self, p, user, seed, stop, ledger):
        self.p, self.user, self.rng, self.stop = p, user, random.Random(seed), stop
        self.ledger = ledger
        self.boxes = {name: Box(name) for name in FOLDERS}
        self.session, self.pending = None, None
        self.count = self.done = self.reconnects = 0
        self.history = []

    # ---- reading everything ----

    def connect(self):
        self.session = kit.RawImap(self.p, self.user)
        self.session.cmd("ENABLE CONDSTORE")
        self.reconnects += 1

    def read(self, box):
        """SELECT and FETCH; UID -> (key, flags, modseq)."""
        for r in self.session.cmd(f"SELECT {box.name}"):
            for name, word in (("validity", b"UIDVALIDITY"), ("uidnext", b"UIDNEXT"),
                               ("modseq", b"HIGHESTMODSEQ")):
                m = re.search(rb"\[%s (\d+)\]" % word, r)
                if m:
                    self.told(box, name, int(m.group(1)))
        found = {}
        for r in self.session.cmd("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS "
                                  "(MESSAGE-ID)])"):
            m = re.search(rb"<([^@>]+)@", r)
            if m:
                uid = int(re.search(rb"UID (\d+)", r).group(1))
                expect(uid not in found, self.where(box), "UID twice:", uid)
                found[uid] = m.group(1).decode(), self.flags_of(r), self.modseq_of(r)
        return found

    @staticmethod
    def flags_of(r):
        flags = re.search(rb"FLAGS \(([^)]*)\)", r).group(1).decode().split()
        return frozenset(flags) - {"\\Recent"}

    @staticmethod
    def modseq_of(r):
        m = re.search(rb"MODSEQ \((\d+)\)", r)
        return int(m.group(1)) if m else 0

    def where(self, box):
        return f"{self.user} {box.name} after {self.history[-6:]}:"

    def told(self, box, name, value):
        old = getattr(box, name)
        if name == "validity":
            expect(not old or old == value, self.where(box), "UIDVALIDITY was", old, "is", value)
        else:
            expect(value >= old, self.where(box), name, "went back from", old, "to", value)
        setattr(box, name, value)

    def verify(self):
        """Everything acknowledged is there; what was pending is settled by what is seen."""
        pending = self.pending # until all is read: this session may be lost as well
        for box in self.boxes.values():
            before = box.whole
            found = self.read(box)
            told = box.uidnext
            for uid, (key, flags, modseq) in found.items():
                self.verify_one(box, uid, key, flags, modseq, before, pending)
            for uid in list(box.flags):
                if uid not in found:
                    may_go = pending and pending.box is box and uid in pending.uids and \
                        pending.op in ("expunge", "move")
                    expect(may_go, self.where(box), "acknowledged UID", uid, "is lost:",
                           box.names[uid])
                    self.end(box, uid)
            box.whole = told
        self.pending = None

    def verify_one(self, box, uid, key, flags, modseq, before, pending):
        expect(uid not in box.gone, self.where(box), "expunged UID", uid, "is back")
        expect(uid < box.uidnext, self.where(box), "UID", uid, "is not below UIDNEXT", box.uidnext)
        known = box.names.get(uid)
        expect(known in (None, key), self.where(box), "UID", uid, "was", known, "is", key)
        if known is None:
            expect(uid >= before, self.where(box), "new UID", uid, "is below UIDNEXT", before)
            self.verify_new(box, key, pending)
            box.names[uid] = key
        elif uid in box.flags and flags != box.flags[uid]:
            may_differ = pending and pending.box is box and uid in pending.uids and \
                pending.op in ("store", "expunge") and flags == self.stored(box.flags[uid], pending)
            expect(may_differ, self.where(box), "flags of UID", uid, "were acknowledged as",
                   sorted(box.flags[uid]), "are", sorted(flags))
        expect(modseq >= box.modseqs.get(uid, 0), self.where(box), "MODSEQ of UID", uid, "was",
               box.modseqs.get(uid), "is", modseq)
        box.flags[uid], box.modseqs[uid] = flags, modseq

    def verify_new(self, box, key, pending):
        """A message nobody told of: a delivery, or what the pending operation made."""
        if box.name == "INBOX" and re.match(r"\d+\.\d+$", key):
            return
        made = pending and (
            pending.op == "append" and pending.box is box and pending.key == key or
            pending.op in ("copy", "move") and pending.target is box and
            key in {pending.box.names[u] for u in pending.uids})
        expect(made, self.where(box), "a message nobody made:", key)

    @staticmethod
    def stored(flags, pending):
        sign, changed = pending.flags
        return flags | changed if sign == "+" else flags - changed

    def end(self, box, uid):
        del box.flags[uid]
        box.gone.add(uid)

    # ---- operations ----

    def select(self, box):
        for r in self.session.cmd(f"SELECT {box.name}"):
            m = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", r)
            if m:
                self.told(box, "modseq", int(m.group(1)))

    def attempt(self, text, pending):
        """Runs a command that changes things; False when the server said NO for the time being."""
        self.pending = pending
        self.history.append(f"{pending.op} {pending.box.name} {sorted(pending.uids)[:5]}")
        untagged, last = self.session.finish(self.session.start(text))
        return self.settle(pending, untagged, last)

    def settle(self, pending, untagged, last):
        word = last.split(b" ", 2)[1]
        expect(word in (b"OK", b"NO"), self.where(pending.box), "answer:", last)
        if word == b"NO":
            # A refusal with a change half made is not told apart: look.
            self.verify()
            return False
        self.pending = None
        self.done += 1
        for r in untagged:
            if b" FETCH " in r and b"UID " in r and b"FLAGS" in r:
                uid = int(re.search(rb"UID (\d+)", r).group(1))
                if uid in pending.box.flags:
                    modseq = self.modseq_of(r)
                    expect(modseq > pending.box.modseqs[uid] or
                           self.flags_of(r) == pending.box.flags[uid],
                           self.where(pending.box), "a change without a new MODSEQ:", r)
                    pending.box.modseqs[uid] = max(modseq, pending.box.modseqs[uid])
        return True

    def do_append(self):
        box = self.boxes[self.rng.choice(FOLDERS[1:])]
        self.count += 1
        key = f"append{self.count}"
        flags = frozenset(self.rng.sample(FLAGS, self.rng.randrange(3)))
        text = (f"From: {self.user}\r\nMessage-ID: <{key}@soak>\r\nSubject: {key}\r\n\r\n" +
                "dong chu cua thu\r\n" * self.rng.randrange(400)).encode()
        self.pending = pending = Pending("append", box, key=key)
        self.history.append(f"append {box.name} {key}")
        last = self.session.append(box.name, text, "(" + " ".join(sorted(flags)) + ")")
        if not self.settle(pending, [], b"a " + last):
            return
        m = re.search(rb"APPENDUID (\d+) (\d+)", last)
        expect(m, "no APPENDUID:", last)
        self.add(box, int(m.group(1)), int(m.group(2)), key, flags)

    def add(self, box, validity, uid, key, flags):
        self.told(box, "validity", validity)
        expect(uid not in box.names, self.where(box), "UID", uid, "was given again for", key)
        expect(uid >= box.uidnext, self.where(box), "UID", uid, "is below UIDNEXT", box.uidnext)
        box.names[uid], box.flags[uid], box.modseqs[uid] = key, flags, 0

    def choose(self, box):
        self.select(box)
        uids = sorted(box.flags)
        return self.rng.sample(uids, min(len(uids), self.rng.randrange(1, 12)))

    def do_store(self):
        box = self.boxes[self.rng.choice(FOLDERS)]
        uids = self.choose(box)
        if not uids:
            return
        sign = self.rng.choice("+-")
        changed = frozenset(self.rng.sample(FLAGS, self.rng.randrange(1, 3)))
        pending = Pending("store", box, uids, (sign, changed))
        if self.attempt("UID STORE %s %sFLAGS (%s)" % (
                ",".join(map(str, uids)), sign, " ".join(sorted(changed))), pending):
            for uid in uids:
                box.flags[uid] = self.stored(box.flags[uid], pending)

    def do_copy(self, op="copy"):
        box = self.boxes[self.rng.choice(FOLDERS)]
        target = self.boxes[self.rng.choice([f for f in FOLDERS[1:] if f != box.name])]
        uids = self.choose(box)
        if not uids:
            return
        pending = Pending(op, box, uids, target=target)
        self.pending = pending
        self.history.append(f"{op} {box.name} {sorted(uids)[:5]} to {target.name}")
        tag = self.session.start(f"UID {op.upper()} {','.join(map(str, uids))} {target.name}")
        untagged, last = self.session.finish(tag)
        if not self.settle(pending, untagged, last):
            return
        told = b"".join(untagged) + last
        m = re.search(rb"COPYUID (\d+) ([\d,:]+) ([\d,:]+)", told)
        expect(m, "no COPYUID:", told)
        source, made = self.uid_list(m.group(2)), self.uid_list(m.group(3))
        expect(sorted(source) == sorted(uids) and len(made) == len(source), "COPYUID:", m.group(0))
        for old, new in zip(source, made):
            self.add(target, int(m.group(1)), new, box.names[old], box.flags[old])
            if op == "move":
                self.end(box, old)

    def do_move(self):
        self.do_copy("move")

    @staticmethod
    def uid_list(text):
        uids = []
        for part in text.decode().split(","):
            low, _, high = part.partition(":")
            uids += range(int(low), int(high or low) + 1)
        return uids

    def do_expunge(self):
        box = self.boxes[self.rng.choice(FOLDERS)]
        uids = self.choose(box)
        if len(box.flags) > KEEP:
            uids = self.rng.sample(sorted(box.flags), len(box.flags) - KEEP // 2)
        if not uids:
            return
        chosen, deleted = ",".join(map(str, sorted(uids))), frozenset(["\\Deleted"])
        if not self.attempt(rf"UID STORE {chosen} +FLAGS.SILENT (\Deleted)",
                            Pending("store", box, uids, ("+", deleted))):
            return
        for uid in uids:
            box.flags[uid] |= deleted
        if self.attempt(f"UID EXPUNGE {chosen}", Pending("expunge", box, uids, ("+", deleted))):
            for uid in uids:
                self.end(box, uid)

    # ---- the loop ----

    def work(self):
        ops = [self.do_append] * 4 + [self.do_store] * 4 + [self.do_copy] * 2 + \
            [self.do_move, self.do_expunge]
        while not self.stop.is_set():
            try:
                if not self.session:
                    self.connect()
                    self.verify()
                self.rng.choice(ops)()
                if self.rng.randrange(60) == 0:
                    self.verify()
            except LOST:
                self.lose()
                time.sleep(0.05)
        self.finish()

    def lose(self):
        if self.session:
            self.session.close()
        self.session = None

    def finish(self):
        """One last look, by a fresh session."""
        for _ in range(100):
            try:
                self.lose()
                self.connect()
                self.verify()
                return
            except LOST:
                time.sleep(0.1)
        raise kit.Failure(f"{self.user}: no session in the end")

    def guarded(self):
        try:
            self.work()
        except BaseException:
            self.stop.set()
            raise


def deliver(p, ledger, boxes, stop, first, step):
    """Sends message after message, to some of the boxes each; numbers FIRST, FIRST+STEP..."""
    sender = exactly_once.Sender(p, ledger, boxes, stop)
    number = first
    try:
        while not stop.is_set():
            some = random.Random(number).sample(boxes, 1 + number % len(boxes))
            for tries in range(10000):
                if sender.once((number, tries), number, tries, some) or stop.is_set():
                    break
                time.sleep(0.05)
            number += step
            time.sleep(0.01)
    except BaseException:
        stop.set()
        raise
    finally:
        sender.close()


def kill_randomly(p, stop, seconds, rng, kills):
    """Kills one daemon after the other, sometimes two at once, at random moments."""
    end = time.monotonic() + seconds
    names = sorted(p.daemons)
    try:
        while time.monotonic() < end and not stop.is_set():
            time.sleep(0.1 + rng.random() ** 2 * 3)
            dead = rng.sample(names, 2 if rng.randrange(5) == 0 else 1)
            for name in dead:
                p.daemons[name].kill()
                kills[name] = kills.get(name, 0) + 1
            time.sleep(rng.random() * 0.3)
            for name in dead:
                p.daemons[name].start()
    finally:
        stop.set()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--writers", type=int, default=4)
    args = parser.parse_args()
    seed = random.randrange(1 << 30) if args.seed is None else args.seed
    print(f"soak: {args.seconds:.0f} s, seed {seed}", flush=True)
    with kit.Province(smtpd={"max_conns_per_ip": "0"}) as p:
        boxes = [p.user(f"soak{i}") for i in range(args.writers)]
        for box in boxes:
            s = kit.RawImap(p, box)
            for folder in FOLDERS[1:]:
                s.cmd(f"CREATE {folder}")
            s.cmd("LOGOUT")
            s.close()
        ledger, stop, kills = exactly_once.Ledger(), threading.Event(), {}
        writers = [Writer(p, box, seed + i, stop, ledger) for i, box in enumerate(boxes)]
        kit.in_threads(
            [w.guarded for w in writers] +
            [lambda i=i: deliver(p, ledger, boxes, stop, i, 3) for i in range(3)] +
            [lambda: kill_randomly(p, stop, args.seconds, random.Random(seed), kills)])
        exactly_once.wait_delivered(p)
        for writer in writers:
            writer.finish()
            check_deliveries(writer, ledger)
        report = p.check_store()
        print(f"killed {kills}; {len(ledger.acked)} deliveries acknowledged, "
              f"{len(ledger.unanswered)} unanswered; {sum(w.done for w in writers)} changes by IMAP "
              f"acknowledged over {sum(w.reconnects for w in writers)} sessions; at the end "
              f"{report['messages']} messages, {report['orphan_bodies']} bodies without rows")


def check_deliveries(writer, ledger):
    """What was acknowledged was seen once in INBOX, whatever the writer did to it afterwards."""
    times = {}
    for key in writer.boxes["INBOX"].names.values():
        times[key] = times.get(key, 0) + 1
    for (number, tries), rcpts in ledger.acked.items():
        want = 1 if writer.user in rcpts else 0
        expect(times.get(f"{number}.{tries}", 0) == want, writer.user, "message", number, tries,
               "acknowledged, seen", times.get(f"{number}.{tries}", 0), "times")
    for key, seen in times.items():
        expect(seen == 1, writer.user, key, "seen", seen, "times")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""DKIM and ARC beside dkimpy: random messages in all canonical forms, signed by one, verified by the other.

dkimpy signs; what it verifies itself the filter must pass. Then the message is changed at random (blanks,
folds, case, lines, letters) and both must agree again. ARC sets are made by dkimpy over one to four hops and
altered in each part; trusted sealers may vouch. Results come from `congvu-spamfilter judge --json`.

    dkim_peer.py CONGVU_SPAMFILTER [MESSAGES [SEED]]
"""
# SPDX-License-Identifier: MPL-2.0
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import dkim
    import dkim.canonicalization
    import nacl  # noqa: F401
except ImportError:
    print("SKIPPED: python3-dkim or python3-nacl is not installed (./dev setup)")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import base64  # noqa: E402
from filter_kit import Key, txt  # noqa: E402

DOMAIN = b"sign.test"
CANON = [b"simple", b"relaxed"]
NAMES = ["From", "To", "Subject", "Date", "X-Odd", "x-lower", "Reply-To"]
ALGORITHMS = {"rsa": b"rsa-sha256", "ed": b"ed25519-sha256"}


class World:
    """Keys, a zone, the filter's answers."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.keys = {"rsa": Key("rsa"), "ed": Key("ed25519"), "rsa2": Key("rsa")}
        self.records = {f"{name}._domainkey.{DOMAIN.decode()}": key.record for name, key in self.keys.items()}
        for hop in range(1, 6):
            self.records[f"rsa._domainkey.hop{hop}.test"] = self.keys["rsa"].record
        with open(os.path.join(folder, "zone"), "w", encoding="ascii") as f:
            f.write("$TTL 300\n@ SOA ns.test. x.test. 1 2 3 4 5\n")
            for name, record in self.records.items():
                f.write(txt(name + ".", record))
        self.conf = os.path.join(folder, "conf")
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"[congvu]\nbase_dir = {folder}\nhostname = mx.here.test\ndefault_domain = here.test\n"
                    f"dns_zone_file = {folder}/zone\nsandbox = no\n[spamfilter]\n"
                    "arc_trusted_sealers = hop1.test, hop2.test\nisolated_network = yes\n")

    def dns(self, name, timeout=5):  # pylint: disable=unused-argument
        name = name.decode().rstrip(".") if isinstance(name, bytes) else name.rstrip(".")
        return self.records[name].encode() if name in self.records else None

    def private(self, name):
        key = self.keys[name]
        return base64.b64encode(key.seed) if key.kind == "ed25519" else key.pem

    def judge(self, messages):
        paths = []
        for i, message in enumerate(messages):
            paths.append(os.path.join(self.folder, f"m{i}.eml"))
            with open(paths[-1], "wb") as f:
                f.write(message)
        out = subprocess.run([self.binary, "judge", "--json", "--local", "--conf", self.conf, *paths],
                             capture_output=True, check=False)
        answers = [json.loads(line) for line in out.stdout.splitlines()]
        if len(answers) != len(messages):
            sys.exit(f"FAIL: {len(answers)} answers for {len(messages)} messages: {out.stderr.decode()[-600:]}")
        return [a["authentication"] | {"rules": json.dumps(a)} for a in answers]


def words(r, n):
    return " ".join(r.choice(["thu", "moi", "hop", "UBND", "a", "b.c", "=?utf-8?q?x?=", "x" * 30])
                    for _ in range(r.randrange(1, n)))


def blanks(r):
    return "".join(r.choice([" ", "\t"]) for _ in range(r.randrange(1, 4)))


def random_value(r):
    text = " " + words(r, 6)
    if r.random() < 0.4:
        text += "\r\n" + blanks(r) + words(r, 4)
    if r.random() < 0.3:
        text += blanks(r) + words(r, 3)
    if r.random() < 0.3:
        text += blanks(r)
    return text


def random_body(r):
    lines = []
    for _ in range(r.randrange(0, 8)):
        line = r.choice(["", "", words(r, 8), blanks(r), words(r, 4) + blanks(r), blanks(r) + words(r, 3),
                         words(r, 3) + blanks(r) + words(r, 3), ".", "--", "\x0c", "L" * 900])
        lines.append(line)
    return "\r\n".join(lines) + r.choice(["\r\n", "\r\n\r\n", "\r\n\r\n\r\n", "\r\n"]) if lines else ""


def random_message(r):
    head = "From: a@sign.test\r\n"
    for _ in range(r.randrange(1, 7)):
        head += r.choice(NAMES[1:]) + ":" + random_value(r) + "\r\n"
    return (head + "\r\n" + random_body(r)).encode("latin-1")


def change(r, message):
    """The message with one small change, and a word for it."""
    head, _, body = message.partition(b"\r\n\r\n")
    what = r.choice(["letter", "blank in body", "blank at line end", "line", "last lines", "fold", "blank in head",
                     "case of name", "head letter", "field", "nothing"])
    if what == "letter" and body.strip():
        at = r.randrange(len(body))
        body = body[:at] + (b"Z" if body[at:at + 1] not in (b"\r", b"\n", b"Z") else body[at:at + 1]) + body[at + 1:]
    elif what == "blank in body":
        body = body.replace(b" ", b"  ", 1)
    elif what == "blank at line end":
        body = body.replace(b"\r\n", b" \t\r\n", 1)
    elif what == "line":
        body = b"new\r\n" + body
    elif what == "last lines":
        body = body + b"\r\n\r\n"
    elif what == "fold":
        at = head.rfind(b" ")
        head = head[:at] + b"\r\n " + head[at + 1:] if at > head.rfind(b":") + 1 else head
    elif what == "blank in head":
        at = head.rfind(b": ")
        head = head[:at + 1] + b" " + head[at + 1:]
    elif what == "case of name":
        head = head.replace(b"\r\nSubject:", b"\r\nSUBJECT:", 1)
    elif what == "head letter":
        head = head.replace(b"UBND", b"UBNE", 1)
    elif what == "field":
        head = head + b"\r\nSubject: another"
    return what, head + b"\r\n\r\n" + body


def sign(world, r, message):
    name = r.choice(["rsa", "ed"])
    canon = (r.choice(CANON), r.choice(CANON))
    include = r.sample([n.encode().lower() for n in NAMES[1:]], r.randrange(0, 5)) + [b"from"]
    if r.random() < 0.4:
        include += [b"from", b"subject"]
    d = dkim.DKIM(message)
    signature = d.sign(name.encode(), DOMAIN, world.private(name), canonicalize=canon,
                       signature_algorithm=ALGORITHMS[name], include_headers=include)
    return f"{name} {canon[0].decode()}/{canon[1].decode()} h={b':'.join(include).decode()}", signature + message


def accepts(world, message):
    try:
        return dkim.verify(message, dnsfunc=world.dns)
    except dkim.DKIMException:
        return False


def signatures(world, r, count):
    failures, passed, failed, cases = [], 0, 0, []
    for _ in range(count):
        how, message = sign(world, r, random_message(r))
        cases.append((how, "as signed", message))
        cases.append((how, *change(r, message)))
    for (how, what, message), answer in zip(cases, world.judge([c[2] for c in cases])):
        theirs = accepts(world, message)
        ours = [s["result"] for s in answer["dkim"]] == ["pass"]
        passed, failed = passed + theirs, failed + (not theirs)
        if ours != theirs:
            failures.append((how, what, theirs, answer["dkim"], message))
    print(f"{len(cases)} signed messages: {passed} pass, {failed} fail in both, {len(failures)} differ")
    for how, what, theirs, mine, message in failures[:5]:
        print("DIFFERENT", how, what, "theirs:", theirs, "ours:", mine, message)
    return bool(failures) or not passed or not failed


def seal(world, message, hop, note="dmarc=pass header.from=sign.test"):
    domain = f"hop{hop}.test".encode()
    results = f"Authentication-Results: hop{hop}.test; arc={'none' if hop == 1 else 'pass'}; {note}\r\n".encode()
    fields = dkim.arc_sign(results + message, b"rsa", domain, world.private("rsa"), domain,
                           include_headers=[b"from", b"subject", b"to"])
    if not fields:
        sys.exit("FAIL: dkimpy does not seal")
    return b"".join(fields) + message


def chain(world, hops, **words_):
    message = b"From: a@sign.test\r\nTo: b@here.test\r\nSubject: s\r\n\r\nbody\r\n"
    for hop in range(1, hops + 1):
        message = seal(world, message, hop, **words_)
    return message


def drop(message, prefix):
    """Without the first field that begins with PREFIX."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = head.replace(b"\r\n ", b"\0 ").replace(b"\r\n\t", b"\0\t").split(b"\r\n")
    for i, f in enumerate(fields):
        if f.startswith(prefix):
            del fields[i]
            break
    else:
        sys.exit(f"FAIL: no {prefix}")
    return b"\r\n".join(fields).replace(b"\0", b"\r\n") + b"\r\n\r\n" + body


def chains(world):
    """Rows: what was done, the message, our result, whether a trusted sealer vouches."""
    three = chain(world, 3)
    rows = [("no chain", b"From: a@sign.test\r\n\r\nbody\r\n", "none", False)]
    rows += [(f"{n} hops", chain(world, n), "pass", n <= 2) for n in (1, 2, 3, 4)]
    rows += [
        ("another author's domain", chain(world, 1, note="dmarc=pass header.from=other.test"), "pass", False),
        ("dmarc failed there", chain(world, 1, note="dmarc=fail header.from=sign.test"), "pass", False),
        ("dmarc in a comment", chain(world, 1, note="spf=pass (dmarc=pass header.from=sign.test) smtp.mailfrom=x"),
         "pass", False),
        ("body changed", three.replace(b"\r\n\r\nbody", b"\r\n\r\nboda"), "fail", False),
        ("subject changed", three.replace(b"Subject: s", b"Subject: t"), "fail", False),
        ("author changed", chain(world, 1).replace(b"a@sign.test\r\nTo", b"c@sign.test\r\nTo"), "fail", False),
        ("results changed", three.replace(b"arc=none;", b"arc=none ;"), "fail", False),
        ("a field nobody signed", b"X-New: x\r\n" + three, "pass", False),
        ("seal 2 gone", drop(three, b"ARC-Seal: i=2"), "fail", False),
        ("results of 1 gone", drop(three, b"ARC-Authentication-Results: i=1"), "fail", False),
        ("signature of 3 gone", drop(three, b"ARC-Message-Signature: i=3"), "fail", False),
        ("seal 1 twice", b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=hop1.test; s=rsa; b=AAAA\r\n" + three, "fail", False),
        ("instance 0", b"ARC-Seal: i=0; a=rsa-sha256; cv=none; d=hop1.test; s=rsa; b=AAAA\r\n" + three, "fail", False),
        ("instance 51", b"ARC-Seal: i=51; a=rsa-sha256; cv=pass; d=hop1.test; s=rsa; b=AAAA\r\n" + three, "fail",
         False),
        ("a gap", b"ARC-Seal: i=5; a=rsa-sha256; cv=pass; d=hop1.test; s=rsa; b=AAAA\r\n" + three, "fail", False),
        ("cv=none later", three.replace(b"cv=pass", b"cv=none", 1), "fail", False),
        ("cv=fail", three.replace(b"cv=pass", b"cv=fail", 1), "fail", False),
        ("another sealer's name", three.replace(b"d=hop3.test", b"d=hop4.test"), "fail", False),
        ("no key", three.replace(b"d=hop3.test; s=rsa", b"d=hop3.test; s=rsx"), "fail", False),
        ("no tags at all", b"ARC-Seal: x\r\n" + three, "fail", False),
        ("results without instance", b"ARC-Authentication-Results: hop1.test; spf=pass\r\n" + three, "fail", False),
    ]
    bad = 0
    for (what, message, want, vouched), answer in zip(rows, world.judge([row[1] for row in rows])):
        cv = dkim.arc_verify(message, dnsfunc=world.dns)[0] if b"ARC-" in message else b"none"
        theirs_known = (cv or b"fail").decode().lower()
        mine = answer["arc"]
        if mine != want or ("arc-trusted" in answer["rules"]) != vouched:
            bad += 1
            print(f"DIFFERENT {what}: {mine} ({answer.get('arc_why')}), vouched {'arc-trusted' in answer['rules']}; "
                  f"wanted {want}, {vouched}")
        elif theirs_known != mine:
            print(f"beside dkimpy: {what}: ours {mine} ({answer.get('arc_why')}), theirs {theirs_known}")
    print(f"{len(rows)} chains, {bad} wrong")
    return bad > 0


def main():
    binary = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 250
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="congvu-test-") as folder:
        world = World(binary, folder)
        bad = signatures(world, random.Random(seed), count)
        bad |= chains(world)
    if bad:
        sys.exit("FAIL")


if __name__ == "__main__":
    main()

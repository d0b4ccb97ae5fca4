#!/usr/bin/python3
"""SPF beside pyspf and libspf2: random zones and clients, the same answer, or a difference we can name.

Records are made of right and wrong terms, hosts have addresses, aliases or failures. All evaluate the
same zone; results and explanations are compared, and libspf2 behind the guard must always agree. Where
pyspf differs, the reason is looked for among DIFFERENCES, each with the paragraph of RFC 7208 that
decides it for us; any other difference fails.

    spf_peer.py CONGVU_SPAMFILTER [QUERIES [SEED]]
"""
# SPDX-License-Identifier: MPL-2.0
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile

try:
    import spf
except ImportError:
    print("SKIPPED: python3-spf is not installed (./dev setup)")
    sys.exit(77)

DOMAINS = [f"d{i}.test" for i in range(12)]
HOSTS = [f"h{i}.test" for i in range(8)]
NETS = ["192.0.2", "198.51.100", "203.0.113"]
CLIENTS = ["192.0.2.1", "192.0.2.9", "198.51.100.7", "203.0.113.200", "2001:db8::1",
           "2001:db8:1::5", "::ffff:192.0.2.1"]
LOCALS = ["alice", "strong-bad", "a.b.c", "x+y=z", "postmaster"]
HELOS = ["mail.helo.test", "h1.test", "HELO.Test", "localhost", "[192.0.2.1]", "d3.test"]
QUALIFIERS = ["", "", "+", "-", "~", "?"]
MACROS = ["%{d}", "%{d1}", "%{d2r}", "%{ir}.%{v}", "%{l}", "%{lr-}", "%{o}", "%{h}", "%{s}", "%{D2}",
          "%{l1r+}", "%{i}", "%%", "%_", "%-", "%{p}"]
BAD = ["a:", "a:x", "ip4", "ip4:192.0.2", "ip4:192.0.2.1/33", "ip4:192.0.2.01", "ip6:::1/129", "include",
       "mx/33", "a//129", "foo", "foo:bar", "all:x", "exists", "a:%{x}.test", "a:%{d0}.test", "redirect=",
       "a:x.1", "exists:%{c}.test", "ptr:", "ip4:192.0.2.1/024", "a:h1.test:80", "-", "a/24/64", "1x=y",
       "%=y", "moo=%{", "a:foo.-bar", "mx:%", "ip6:192.0.2.1", "ip6:2001:db8::/0x20", "ip4:1.2.3.4//32",
       "all.", "all/8", "include:h1.test/24", "a:[192.0.2.1]"]


class Zone:
    """Records by name and type, as the master file and as pyspf's look-up see them."""

    def __init__(self):
        self.records = {}
        self.failing = set()

    def add(self, name, kind, value):
        self.records.setdefault(name.lower(), []).append((kind, value))

    def master_file(self):
        lines = ["@ SOA ns.test. x.test. 1 2 3 4 5"]
        lines += [f"; fail {name} {kind}" for name, kind in sorted(self.failing)]
        for name, rows in sorted(self.records.items()):
            for kind, value in rows:
                if kind == "TXT":
                    value = " ".join('"%s"' % re.sub(r'(["\\])', r"\\\1", value[i:i + 200])
                                     for i in range(0, len(value), 200)) or '""'
                elif kind == "MX":
                    value = f"{value[0]} {value[1]}."
                elif kind in ("PTR", "CNAME"):
                    value += "."
                lines.append(f"{name}. {kind} {value}")
        return "\n".join(lines) + "\n"

    def look_up(self, name, kind, strict=True, timeout=None):
        name = name.lower().rstrip(".")
        if (name, kind) in self.failing:
            raise spf.TempError("DNS: forced failure")
        for kind_here, value in self.records.get(name, []):
            if kind_here not in (kind, "CNAME"):
                continue
            if kind_here == "TXT":
                value = (value.encode("latin-1"),)
            elif kind_here == "AAAA":
                value = socket.inet_pton(socket.AF_INET6, value)
            yield (name, kind_here), value


def random_name(r):
    where = r.random()
    if where < 0.45:
        return r.choice(HOSTS)
    if where < 0.7:
        return r.choice(DOMAINS)
    if where < 0.8:
        return r.choice(["nx1.test", "nx2.test", "fails.test", "a..test", "x" * 64 + ".test", "h1.test."])
    return r.choice(MACROS) + "." + r.choice(["test", "map.test", "h1.test"])


def random_term(r):
    kind = r.choice(["all", "a", "a", "mx", "ip4", "ip4", "ip6", "include", "include", "exists", "ptr"])
    bits4 = r.choice(["", "", "/32", "/24", "/8", "/0"])
    bits6 = r.choice(["", "", "//128", "//64", "//0"])
    q = r.choice(QUALIFIERS)
    if kind == "all":
        return q + (kind if r.random() < 0.7 else kind.upper())
    if kind in ("a", "mx"):
        return q + kind + ("" if r.random() < 0.3 else ":" + random_name(r)) + bits4 + bits6
    if kind == "ptr":
        return q + kind + ("" if r.random() < 0.5 else ":" + r.choice(HOSTS + ["test.test", "helo.test"]))
    if kind == "ip4":
        return f"{q}ip4:{r.choice(NETS)}.{r.choice([0, 1, 9, 7, 200])}{bits4}"
    if kind == "ip6":
        return f"{q}ip6:{r.choice(['2001:db8::1', '2001:db8::', '2001:db8:1::5', '::'])}{bits6[1:]}"
    return f"{q}{kind}:{random_name(r)}"


def random_record(r):
    terms = [random_term(r) for _ in range(r.randrange(0, 5))]
    if r.random() < 0.12:
        terms.insert(r.randrange(0, len(terms) + 1), r.choice(BAD))
    if r.random() < 0.25:
        terms.insert(r.randrange(0, len(terms) + 1), "redirect=" + r.choice(DOMAINS + ["nx1.test"]))
    if r.random() < 0.35:
        terms.insert(r.randrange(0, len(terms) + 1), "exp=" + r.choice(["e1.test", "e2.test", "e3.test", "nx1.test"]))
    if r.random() < 0.1:
        terms.insert(r.randrange(0, len(terms) + 1), r.choice(["moo=%{d}", "x.y-z_=", "default=pass"]))
    if r.random() < 0.6:
        terms.append(r.choice(["-all", "~all", "?all", "all"]))
    blank = " " if r.random() < 0.9 else "  "
    version = r.choice(["v=spf1", "v=spf1", "v=spf1", "V=SPF1"])
    return version + "".join(blank + t for t in terms) + r.choice(["", "", " "])


def random_zone(r):
    z = Zone()
    for d in DOMAINS:
        chance = r.random()
        if chance < 0.9:
            z.add(d, "TXT", random_record(r))
        if chance < 0.04:
            z.add(d, "TXT", random_record(r))
        if r.random() < 0.2:
            z.add(d, "TXT", r.choice(["something else", "v=spf10 -all", "v=spf2.0/pra +all", "v=spf1x"]))
        for _ in range(r.choice([0, 1, 1, 2])):
            z.add(d, "A", f"{r.choice(NETS)}.{r.choice([1, 9, 7, 200, 33])}")
        if r.random() < 0.5:
            z.add(d, "AAAA", r.choice(["2001:db8::1", "2001:db8:1::5", "2001:db8::77"]))
        for n in range(r.choice([0, 0, 1, 2, 3, 11]) if r.random() < 0.6 else 0):
            z.add(d, "MX", (n, r.choice(HOSTS)))
    for h in HOSTS[:-1]:
        for _ in range(r.choice([0, 1, 2])):
            z.add(h, "A", f"{r.choice(NETS)}.{r.choice([1, 9, 7, 200])}")
        if r.random() < 0.5:
            z.add(h, "AAAA", r.choice(["2001:db8::1", "2001:db8:1::5"]))
    z.add(HOSTS[-1], "CNAME", "h0.test")
    z.add("e1.test", "TXT", "%{i} is not one of %{d}'s designated mail servers. See http://x.test/?s=%{S}&p=%{H}")
    z.add("e2.test", "TXT", "From %{c} %{l1r-} %{o2} %{v} %% %_ %-")
    z.add("e3.test", "TXT", r.choice(["bad %{macro", "first", "\xe9t\xe9"]))
    if r.random() < 0.3:
        z.add("e3.test", "TXT", "second")
    for ip in ("192.0.2.1", "198.51.100.7"):
        for _ in range(r.choice([0, 1, 3])):
            z.add(".".join(reversed(ip.split("."))) + ".in-addr.arpa", "PTR", r.choice(HOSTS))
    z.failing = {("fails.test", k) for k in ("A", "AAAA", "TXT", "MX")}
    if r.random() < 0.2:
        z.failing.add((r.choice(DOMAINS), r.choice(["A", "TXT", "MX"])))
    for l in LOCALS:
        z.add(f"{l}.map.test", "A", "127.0.0.2")
    z.add("1.2.0.192.in-addr.map.test", "A", "127.0.0.2")
    return z


def theirs(zone, client, helo, sender):
    spf.DNSLookup = zone.look_up
    q = spf.query(client, sender, helo, receiver="mx.peer.test", strict=1, timeout=20)
    q.set_default_explanation("")
    result, _, explanation = q.check()
    if result != "fail":
        explanation = ""
    return result, explanation, q


# What they do otherwise, and why ours stands.
DIFFERENCES = []


def difference(paragraph):
    def keep(function):
        DIFFERENCES.append((paragraph, function))
        return function
    return keep


@difference("4.6.4: the limit of two is on terms that find nothing; they count every look-up")
def counts_lookups(_zone, _query, mine, _result, _explanation, q):
    return "Void lookup limit" in str(getattr(q, "perm_error", "")) and mine["voids"] <= 2


@difference("7.3: a number of labels must not be zero")
def zero_labels(zone, _query, mine, _result, _explanation, _q):
    return mine["problem"].startswith("a macro") and "%{d0}" in str(zone.records)


@difference("6 and 4.6.1: the value of an unknown modifier is a macro-string too")
def broken_modifier(zone, _query, mine, _result, _explanation, _q):
    return mine["problem"].startswith("a macro") and re.search(r"moo=%\{(?![a-z])", str(zone.records))


@difference("4.6: an include of the record itself is no error of syntax while nobody comes to it")
def self_include(_zone, _query, _mine, _result, _explanation, q):
    return "trivial recursion" in str(getattr(q, "perm_error", ""))


@difference("6.2: an explanation with errors of syntax is none")
def broken_explanation(_zone, _query, mine, result, explanation, _q):
    return mine["result"] == result == "fail" and explanation == "bad %{macro" and not mine["explanation"]


def ours(binary, zone_path, queries):
    lines = "".join("\t".join(q) + "\n" for q in queries)
    out = subprocess.run([binary, "spf", "--batch", "--zone", zone_path, "--receiver", "mx.peer.test"],
                         input=lines.encode(), capture_output=True, check=False)
    if out.returncode:
        sys.exit(f"FAIL: the tool ended with {out.returncode}: {out.stderr.decode()}")
    return [json.loads(line) for line in out.stdout.splitlines()]


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    r = random.Random(seed)
    print(f"seed {seed}")
    seen, excused, failed, compared = {}, {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="congvu-test-") as folder:
        path = os.path.join(folder, "zone")
        while compared < count:
            zone = random_zone(r)
            with open(path, "w", encoding="latin-1") as f:
                f.write(zone.master_file())
            queries = [(r.choice(CLIENTS), r.choice(HELOS),
                        "" if r.random() < 0.1 else f"{r.choice(LOCALS)}@{r.choice(DOMAINS)}")
                       for _ in range(200)]
            for query, mine in zip(queries, ours(binary, path, queries)):
                compared += 1
                client = query[0]
                try:
                    result, explanation, q = theirs(zone, client, query[1], query[2])
                except Exception as e:  # pylint: disable=broad-except
                    result, explanation, q = f"exception {type(e).__name__} {e}", "", None
                seen[mine["result"]] = seen.get(mine["result"], 0) + 1
                if mine["libspf2"] != mine["result"]:
                    failed += 1
                    print(f"LIBSPF2 {query}: {mine['libspf2']}, ours {mine['result']}",
                          [v for k, v in sum(zone.records.values(), []) if k == "TXT"] if failed < 3 else "")
                    continue
                if mine["result"] == result and mine["explanation"] == explanation:
                    continue
                why = next((p for p, f in DIFFERENCES if f(zone, query, mine, result, explanation, q)), None)
                if why:
                    excused[why] = excused.get(why, 0) + 1
                    continue
                failed += 1
                if failed <= 12:
                    domain = query[2].rpartition("@")[2] or query[1]
                    print(f"DIFFERENT {query}: ours {mine['result']} ({mine['problem']}; "
                          f"{mine['explanation']!r}), theirs {result} ({explanation!r}; {getattr(q, 'perm_error', '')})")
                    print("   ", [v for k, v in zone.records.get(domain.lower(), []) if k == "TXT"],
                          f"lookups {mine['lookups']} voids {mine['voids']}")
    print(f"{compared} compared: " + ", ".join(f"{n} {w}" for w, n in sorted(seen.items())))
    for why, n in sorted(excused.items()):
        print(f"{n} times otherwise: {why}")
    if failed:
        sys.exit(f"FAIL: {failed} differences nobody can explain")


if __name__ == "__main__":
    main()

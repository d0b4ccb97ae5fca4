#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A strict reader of Prometheus' text format 0.0.4, for tests: what promtool would complain of fails."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


class Fault(Exception):
    pass


def need(condition, *what):
    if not condition:
        raise Fault(" ".join(str(w) for w in what))


def labels_of(text):
    found, at = {}, 0
    while text and at < len(text):
        m = LABEL.match(text, at)
        need(m, "labels:", text)
        need(m[1] not in found, "a label twice:", text)
        found[m[1]] = m[2]
        at = m.end()
    return found


def family_of(name, types):
    for ending in ("_bucket", "_sum", "_count"):
        base = name[:-len(ending)] if name.endswith(ending) else None
        if base and types.get(base) == "histogram":
            return base
    return name


def check_histogram(name, samples):
    buckets = [(float(s[1]["le"].replace("+Inf", "inf")), s[2]) for s in samples
               if s[0] == name + "_bucket"]
    need([b for b, _ in buckets] == sorted(b for b, _ in buckets), name, "bounds in order")
    need([c for _, c in buckets] == sorted(c for _, c in buckets), name, "counts grow")
    need(math.isinf(buckets[-1][0]), name, "+Inf")
    values = {s[0]: s[2] for s in samples}
    need(values[name + "_count"] == buckets[-1][1], name, "_count")
    need(name + "_sum" in values, name, "_sum")


def parse(text):
    """{name: {frozenset of labels: value}}"""
    need(text.endswith("\n"), "no newline at the end")
    helps, types, out, families, last = {}, {}, {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            need(re.fullmatch(NAME, name) and words, line)
            need(name not in helps, "HELP twice:", name)
            helps[name] = words
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            need(kind in ("counter", "gauge", "histogram"), line)
            need(name not in types and name in helps, "TYPE:", line)
            need((kind == "counter") == name.endswith("_total"), "counters end in _total:", line)
            types[name] = kind
            last = name
        else:
            m = SAMPLE.fullmatch(line)
            need(m, "no sample:", line)
            family = family_of(m[1], types)
            need(family == last, "a sample away from its family:", line)
            labels = labels_of(m[2])
            value = float(m[3])
            key = frozenset(labels.items())
            need(key not in out.setdefault(m[1], {}), "a sample twice:", line)
            out[m[1]][key] = value
            families.setdefault(family, []).append((m[1], labels, value))
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(name, families[name])
    return out

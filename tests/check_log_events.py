#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Keep docs/log-events.md true: every event that the sources log, with its level and keys.

    check_log_events.py ROOT           fail when the page and the sources differ
    check_log_events.py ROOT --write   write the page anew
"""
import os
import re
import sys

CALL = re.compile(r'cv_log\(\s*[^;]*?CV_(ERROR|WARN|INFO|DEBUG)\b[^;"]*?"([a-z0-9_.]+)"\s*,\s*'
                  r'((?:"[^"]*"\s*|PRI[a-z0-9]+\s*)+)', re.S)
LITERAL = re.compile(r'"([^"]*)"')
KEY = re.compile(r"(?:^|(?<= ))([a-z0-9_]+)=")
RESERVED = {"time", "severity", "daemon", "process", "conn", "event", "cut"}  # of a JSON line
FOLDERS = ["common", "smtpd", "imapd", "spamfilter", "admin"]
HEAD = """# Log events

One line an event: time, level (E, W, I, D), program[pid], c=connection, event, key=value; with
`log_format = json` an object with `time`, `severity`, `daemon`, `process`, `conn`, `event` and the keys below. No
passwords, no subjects, no message text.

One message is followed by `id`: it is in its Received field, in smtpd's lines from MAIL on (with `c`, the
connection), beside `queue` in every outgoing try, and is the delivery id under which the store has it.
 `tests/check_log_events.py --write` makes this page from the sources.

| event | level | keys | logged in |
|---|---|---|---|
"""


def events(root):
    found = {}
    for folder in FOLDERS:
        for path, _, files in os.walk(os.path.join(root, folder)):
            for name in files:
                if not name.endswith(".c"):
                    continue
                file = os.path.join(path, name)
                with open(file, encoding="utf-8") as f:
                    text = f.read()
                for level, event, fmt in CALL.findall(text):
                    row = found.setdefault(event, (set(), [], set()))
                    row[0].add(level[0])
                    for key in KEY.findall("".join(LITERAL.findall(fmt))):
                        if key not in row[1]:
                            row[1].append(key)
                    row[2].add(os.path.relpath(path, root))
    return found


def page(root):
    rows = []
    for event, (levels, keys, rooms) in sorted(events(root).items()):
        columns = [f"`{event}`", " ".join(sorted(levels)), ", ".join(sorted(keys)), ", ".join(sorted(rooms))]
        rows.append(f"| {' | '.join(columns)} |")
    return HEAD + "\n".join(rows) + "\n"


def main():
    root = sys.argv[1]
    for event, (_, keys, _) in events(root).items():
        if RESERVED & set(keys):
            print(f"{event}: the keys {RESERVED & set(keys)} belong to the line itself")
            return 1
    target = os.path.join(root, "docs", "log-events.md")
    text = page(root)
    if "--write" in sys.argv[2:]:
        with open(target, "w", encoding="utf-8") as f:
            f.write(text)
        return 0
    with open(target, encoding="utf-8") as f:
        if f.read() == text:
            return 0
    print("docs/log-events.md is not what the sources log: run tests/check_log_events.py . --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Write the data files of conf/policy as C string literals, so that programs run without the folder.

    embed.py ROOT            writes common/policy/data.inc and common/register/reserved.inc
    embed.py ROOT --check    fails when they are not what it would write
"""
import os
import sys

REGISTER = {"reserved-local-parts.txt"}


def literal(name, text):
    lines = [f'\t{{ "{name}",']
    for line in text.split("\n"):
        escaped = "".join(
            c if c.isascii() and c.isprintable() and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
            for c in line
        )
        lines.append(f'\t  "{escaped}\\n"')
    if lines[-1] == '\t  "\\n"':
        lines.pop()
    return "\n".join(lines) + " },\n"


def main():
    root = sys.argv[1]
    folder = os.path.join(root, "conf/policy")
    outputs = {"common/policy/data.inc": "", "common/register/reserved.inc": ""}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".txt"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = literal(name, file.read())
        outputs["common/register/reserved.inc" if name in REGISTER else "common/policy/data.inc"] += text
    stale = []
    for path, text in outputs.items():
        text = "/* Written by common/policy/embed.py from conf/policy; do not edit. */\n" + text
        whole = os.path.join(root, path)
        old = open(whole, encoding="utf-8").read() if os.path.exists(whole) else None
        if old == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv:
            with open(whole, "w", encoding="utf-8") as file:
                file.write(text)
    if "--check" in sys.argv and stale:
        sys.exit("out of date, run common/policy/embed.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""The texts of the admin tool as gettext catalogues.

    tools/texts.py ROOT --write          bring conf/locale/vi.po up to date with the sources
    tools/texts.py ROOT --check          lint: the catalogues are sound and not far behind
    tools/texts.py ROOT --compile DIR    DIR/<language>/LC_MESSAGES/congvu.mo of each conf/locale/*.po

A text stands in the source as a pair, English and Vietnamese beside each other: two string literals
that follow one another as arguments or fields, the second with Vietnamese letters. English texts that
have several Vietnamese ones (by where they stand) are left to the source.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

LITERAL = r'"(?:[^"\\]|\\.)*"'
TEXT = rf'{LITERAL}(?:\s+{LITERAL})*'
PAIR = re.compile(rf'({TEXT})\s*,\s*(?:\.help_vi\s*=\s*)?({TEXT})')
SPEC = re.compile(r'%(?:%|[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j|t)?[a-zA-Z])')
BEHIND_MAX = 400  # texts; more, and somebody forgot --write
HEAD = '''# Vietnamese texts of congvu. Made by tools/texts.py --write; what is changed here stays.
# SPDX-License-Identifier: MPL-2.0
msgid ""
msgstr ""
"Project-Id-Version: congvu\\n"
"PO-Revision-Date: 2026-11-23 00:00+0700\\n"
"Last-Translator: congvu\\n"
"Language-Team: congvu\\n"
"Language: vi\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

'''


def literal(text):
    """The C literals of TEXT as one, still escaped."""
    return "".join(m[1:-1] for m in re.findall(LITERAL, text))


def specs(text):
    return [s[-1] if s != "%%" else "" for s in SPEC.findall(text)]


def pairs(root):
    """{English: Vietnamese} and faults of all sources."""
    found, several, faults = {}, set(), []
    for folder, _, names in sorted(os.walk(os.path.join(root, "admin"))):
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                source = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
            position = 0
            while True:
                m = PAIR.search(source, position)
                if not m:
                    break
                en, vi = literal(m.group(1)), literal(m.group(2))
                # The first of a pair may be the second of none: look again from the second.
                if not en.isascii() or vi.isascii() or not re.search("[a-z]", en):
                    position = m.start(2)
                    continue
                position = m.end()
                if sorted(s for s in specs(en) if s) != sorted(s for s in specs(vi) if s):
                    faults.append(f"{os.path.relpath(path, root)}: \"{en}\": the conversions differ")
                if found.setdefault(en, vi) != vi:
                    several.add(en)
    for en in several:
        del found[en]
    return found, faults


def read_po(path):
    """{msgid: msgstr}, escaped as they stand."""
    entries, key, texts = {}, None, {}
    if not os.path.exists(path):
        return entries
    with open(path, encoding="utf-8") as f:
        for line in list(f) + ["\n"]:
            m = re.match(r'(msgid|msgstr)\s+"(.*)"$', line.rstrip("\n"))
            if m:
                key = m.group(1)
                texts[key] = m.group(2)
            elif line.startswith('"') and key:
                texts[key] += line.strip()[1:-1]
            elif not line.strip() and texts:
                if texts.get("msgid"):
                    entries[texts["msgid"]] = texts.get("msgstr", "")
                key, texts = None, {}
    return entries


def write_po(path, entries):
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        for en in sorted(entries):
            if "%" in en.replace("%%", ""):
                f.write("#, c-format\n")
            f.write(f'msgid "{en}"\nmsgstr "{entries[en]}"\n\n')


def merged(root, path):
    """What stands in the catalogue, for texts that there are; and the pairs it has not got."""
    found, faults = pairs(root)
    old = read_po(path)
    return {en: old.get(en) or vi for en, vi in found.items()}, old, faults


def compile_all(root, out):
    folder = os.path.join(root, "conf", "locale")
    for name in sorted(os.listdir(folder)):
        language, extension = os.path.splitext(name)
        if extension != ".po":
            continue
        path = os.path.join(folder, name)
        target = os.path.join(out, language, "LC_MESSAGES")
        os.makedirs(target, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            if language == "vi":
                entries, _, _ = merged(root, path)
                path = os.path.join(scratch, "vi.po")
                write_po(path, entries)
            subprocess.run(["msgfmt", "-c", "-o", os.path.join(target, "congvu.mo"), path],
                           check=True)


def check(root, path):
    entries, old, faults = merged(root, path)
    behind = [en for en in entries if en not in old]
    for en, text in old.items():
        if sorted(s for s in specs(en) if s) != sorted(s for s in specs(text) if s):
            faults.append(f"conf/locale/vi.po: \"{en}\": the conversions differ")
    if len(behind) > BEHIND_MAX:
        faults.append(f"conf/locale/vi.po is {len(behind)} texts behind: tools/texts.py . --write")
    if len(entries) < 300:
        faults.append(f"only {len(entries)} texts found: the sources are not understood any more")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            compile_all(root, scratch)
        except subprocess.CalledProcessError:
            faults.append("msgfmt refuses a catalogue")
    for fault in faults:
        print(fault)
    print(f"{len(entries)} texts, {len(behind)} not in the catalogue yet")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("root")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--compile", metavar="DIR")
    args = parser.parse_args()
    path = os.path.join(args.root, "conf", "locale", "vi.po")
    if args.write:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_po(path, merged(args.root, path)[0])
    if args.compile:
        compile_all(args.root, args.compile)
    return check(args.root, path) if args.check else 0


if __name__ == "__main__":
    sys.exit(main())

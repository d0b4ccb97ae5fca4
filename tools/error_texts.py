#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Which error sentences of the register and of the admin tool have no Vietnamese.

    tools/error_texts.py ROOT --check    lint: the table is sound, and no more sentences lack than before
    tools/error_texts.py ROOT --missing  those that lack, with the file they stand in

A sentence is the format of a cv_fail() or cv_fail_errno() call, as it stands in the source. Its
Vietnamese stands in admin/error_texts.def (admin/errors.h says how the two are matched), or beside
it where the call has both.
"""
import argparse
import os
import re
import sys

COUNTED = ("common/register", "admin")
# Others whose sentences people meet through the tool: their rows may stand in the table.
OTHERS = ("common",)
MISSING_MAX = 1  # of COUNTED, for sentences still being written: make it smaller, never larger
COUNTED_LEAST = 300
LEAST_FIXED = 5  # octets of fixed text beside the conversions
LITERAL = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(r'\b(cv_fail|cv_fail_errno)\s*\(')
ROW = re.compile(rf'(TEXT|WORD)\(\s*((?:{LITERAL}\s*)+),\s*((?:{LITERAL}\s*)+)\)')
SPEC = re.compile(r'%(?:%|(?:(\d+)\$)?[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?'
                  r'(?:hh|h|ll|l|z|j|t)?[a-zA-Z])')


def closing(source, at):
    """Where the call whose arguments begin at AT ends, and the places of its commas."""
    depth, commas = 1, []
    while depth:
        m = re.compile(rf'{LITERAL}|\'(?:[^\'\\]|\\.)*\'|[()\[\]{{}},]').search(source, at)
        at = m.end()
        if m.group() in "([{":
            depth += 1
        elif m.group() in ")]}":
            depth -= 1
        elif m.group() == "," and depth == 1:
            commas.append(m.start())
    return at - 1, commas


def literals(expression):
    """The texts that EXPRESSION may be: one, or the branches of a ?: chain; macros of <inttypes.h>
    become conversions."""
    expression = re.sub(r'\bPRI([a-z])\w*', r'"\1"', expression)
    # A macro between two texts is a text whose words stand elsewhere.
    expression = re.sub(rf'({LITERAL})\s+[A-Z][A-Z0-9_]+\s+(?=")', r'\1 "%s" ', expression)
    texts = re.findall(rf'(?:{LITERAL}\s*)+', expression)
    return ["".join(m[1:-1] for m in re.findall(LITERAL, t)) for t in texts]


def formats(root, folders):
    """{format: first file that says it}"""
    found = {}
    for top in folders:
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(n for n in names if n.endswith((".c", ".h"))):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as f:
                    source = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
                for m in CALL.finditer(source):
                    end, commas = closing(source, m.end())
                    which = 1 if m.group(1) == "cv_fail" else 2
                    if len(commas) <= which:
                        continue
                    cuts = commas + [end]
                    texts = literals(source[cuts[which] + 1:cuts[which + 1]])
                    if texts == ["%s"]:
                        texts = literals(source[cuts[which + 1] + 1:end]) if \
                            len(cuts) > which + 1 + 1 else []
                    for text in texts:
                        if re.search("[a-z]{2}", re.sub(SPEC, "", text)):
                            found.setdefault(text, os.path.relpath(path, root))
    return found


def rows(path):
    """[(macro, English, Vietnamese)] of the table, as they stand."""
    with open(path, encoding="utf-8") as f:
        source = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return [(m.group(1), literals(m.group(2))[0], literals(m.group(3))[0])
            for m in ROW.finditer(source)]


def conversions(text):
    """The letters of TEXT's conversions, in the order in which their arguments come."""
    found = [(m.group(1), m.group()[-1] + m.group()[1:3] * (m.group() == "%.0s"))
             for m in SPEC.finditer(text) if m.group() != "%%"]
    if any(number for number, _ in found):
        found = sorted(found, key=lambda f: int(f[0] or 0))
    return [letter for _, letter in found]


def faults_of(table, sentences):
    faults, seen = [], set()
    for macro, en, vi in table:
        if en in seen:
            faults.append(f'"{en}" stands twice')
        seen.add(en)
        if conversions(en) != conversions(vi):
            faults.append(f'"{en}": the conversions differ')
        if vi.isascii():
            faults.append(f'"{en}": "{vi}" is not Vietnamese')
        if macro == "WORD":
            if conversions(en):
                faults.append(f'"{en}": a WORD has no conversions')
            continue
        if en not in sentences and not covered(en, sentences):
            faults.append(f'"{en}": no cv_fail() says that any more')
        if SPEC.search(en) and len(SPEC.sub("", en).strip()) < LEAST_FIXED:
            faults.append(f'"{en}" has too little fixed text: it would match what it does not mean')
    return faults


def covered(en, sentences):
    """EN is a sentence with an argument already said, such as "%s is retired" of "%s is %s"."""
    return any(re.fullmatch(SPEC.sub("(.+)", re.escape(s).replace("\\%", "%")), en)
               for s in sentences if SPEC.search(s))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("root")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--missing", action="store_true")
    args = parser.parse_args()
    counted = formats(args.root, COUNTED)
    table = rows(os.path.join(args.root, "admin", "error_texts.def"))
    known = {en for _, en, _ in table}
    missing = {text: path for text, path in counted.items() if text not in known and not (
        len(SPEC.sub("", text).strip()) < LEAST_FIXED and any(covered(en, [text]) for en in known))}
    if args.missing:
        for text, path in missing.items():
            print(f"{path}: {text}")
    faults = faults_of(table, {**formats(args.root, OTHERS), **counted})
    if len(counted) < COUNTED_LEAST:
        faults.append(f"only {len(counted)} sentences found: the sources are not understood any more")
    if len(missing) > MISSING_MAX:
        faults.append(f"{len(missing)} error sentences have no Vietnamese, {MISSING_MAX} had none "
                      "before: add rows to admin/error_texts.def (tools/error_texts.py . --missing)")
    for fault in faults:
        print(fault)
    print(f"{len(counted)} error sentences of {' and '.join(COUNTED)}, {len(missing)} without "
          f"Vietnamese (at most {MISSING_MAX}); {len(table)} rows")
    return 1 if args.check and faults else 0


if __name__ == "__main__":
    sys.exit(main())

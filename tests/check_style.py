#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Check what clang-format does not: licence lines, columns, blanks, long functions, includes.

usage: check_style.py ROOT [FILE...]   (without FILE: every source in the tree)
"""
import os
import re
import sys

FOLDERS = ("common", "smtpd", "imapd", "spamfilter", "admin", "tests", "conf", "cmake", ".ci")
SOURCES = (".c", ".h", ".py", ".sh", ".cmake")
LICENSED = (".c", ".h", ".py", ".sh")
SPDX = "SPDX-License-Identifier: MPL-2.0"
COLUMNS = 100
TAB = 8
FUNCTION_LINES = 150
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
OWN = re.compile(r"^(common|smtpd|imapd|spamfilter|admin|tests)/")
UNBREAKABLE = re.compile(r'"(?:[^"\\]|\\.){50,}"|https?://')
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def check_line(line):
    """Faults of one line, without its newline."""
    if line.endswith("\r"):
        yield "CRLF line end"
        line = line[:-1]
    if line != line.rstrip():
        yield "trailing blanks"
    width = len(line.expandtabs(TAB))
    if width > COLUMNS and not UNBREAKABLE.search(line):
        yield f"{width} columns"
    if UNFINISHED.search(line):
        yield "a mark of unfinished work"


def check_include(root, line):
    match = INCLUDE.match(line)
    if not match:
        return
    quote, target = match.groups()
    if quote == "<" and OWN.match(target):
        yield f"own header <{target}> wants quotes"
    if quote == '"' and not os.path.exists(os.path.join(root, target)):
        yield f'"{target}" is not a path from the root'


def check_functions(lines):
    """A body starts with a brace in the first column; the line before it says whose it is."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES:
                yield start, f"a function of {number - start - 1} lines (at most {FUNCTION_LINES})"
            start = None


def check_file(root, path):
    with open(os.path.join(root, path), encoding="utf-8", newline="") as source:
        text = source.read()
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    if text.endswith("\n\n"):
        yield len(lines) - 1, "empty line at the end"
    is_c = path.endswith((".c", ".h"))
    if path.endswith(LICENSED):
        code = next((i for i, line in enumerate(lines) if is_c and line.startswith("#")), 60)
        if not any(SPDX in line for line in lines[:code]):
            yield 1, f"no '{SPDX}' before the first line of code"
    mine = path.endswith("check_style.py")
    for number, line in enumerate(lines, 1):
        for fault in check_line(line):
            if not (mine and "unfinished" in fault):
                yield number, fault
        if is_c:
            for fault in check_include(root, line):
                yield number, fault
    if is_c:
        yield from check_functions(lines)
        if not text.startswith("/* "):
            yield 1, "the first lines do not say what the file is for"


def tree(root):
    yield "dev"
    for top in FOLDERS:
        for folder, names, files in os.walk(os.path.join(root, top)):
            names[:] = [n for n in names if n not in ("__pycache__", "corpus", "fixtures")]
            for file in sorted(files):
                if file.endswith(SOURCES) or file in ("CMakeLists.txt", "run"):
                    yield os.path.relpath(os.path.join(folder, file), root)


def main():
    root = sys.argv[1]
    count = 0
    for path in sys.argv[2:] or tree(root):
        try:
            faults = list(check_file(root, path))
        except UnicodeDecodeError:
            faults = [(1, "not UTF-8")]
        for number, fault in faults:
            print(f"{path}:{number}: {fault}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

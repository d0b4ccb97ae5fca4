#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The guides of docs/huong-dan/ and README.md say only what the program does (TRN-01): every command line in
them has a noun, a verb, options and as many arguments as `congvu manual --all` tells, every option of the
configuration exists, every link leads somewhere, and every role has a first day.

    check_guides.py CONGVU TREE
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROLES = ["nguoi-dung", "van-thu", "quan-tri-co-quan", "van-hanh", "lanh-dao"]
FIRST_DAY = "## Ngày đầu tiên trong 30 phút"
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
faults = []


def fault(where, text):
    faults.append(f"{where}: {text}")


class Commands:
    """What the manual pages tell: words of a command -> the arguments that must be there, and its options
    (True: takes a value)."""

    def __init__(self, program):
        self.table, self.everywhere = {}, {}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([program, "--lang", "en", "manual", "--all", folder], check=True,
                           stdout=subprocess.DEVNULL)
            for name in sorted(os.listdir(folder)):
                if name.endswith(".1"):
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        self.read(f.read())

    def read(self, page):
        command, needed, options, heading = None, [], self.everywhere, None
        for line in page.splitlines():
            line = re.sub(r"\\f[BIR]", "", line).replace(r"\-", "-")
            if line.startswith(".SH"):
                heading = line[4:]
            elif heading == "SYNOPSIS" and line.startswith(".B congvu "):
                command, options = tuple(line.split()[2:]), {}
            elif heading == "SYNOPSIS" and command and line.startswith(".I "):
                # What is not in brackets must be there; the rest may.
                needed = re.sub(r"\[[^]]*\]|\.\.\.", "", line[3:]).split()
            elif heading and heading.startswith("OPTIONS") and line.startswith(".B --"):
                option, _, value = line[3:].partition(" ")
                options[option] = bool(value)
        if command:
            self.table[command] = (needed, options)

    def find(self, words):
        for n in (2, 1):
            if tuple(words[:n]) in self.table:
                return n, self.table[tuple(words[:n])]
        return 0, None

    def check(self, where, words, whole):
        """One command line; only where it is shown whole must every argument be there."""
        words = list(words)
        while words and words[0] in self.everywhere:
            words = words[2 if self.everywhere[words[0]] else 1:]
        if not words:
            return
        n, found = self.find(words)
        if words[1:] == ["--help"] and any(k[0] == words[0] for k in self.table):
            return
        if not found:
            if whole or len(words) > 1 or not any(k[0] == words[0] for k in self.table):
                fault(where, f"there is no `congvu {' '.join(words[:2])}`")
            return
        needed, options = found
        given, rest = [], words[n:]
        while rest:
            word = rest.pop(0)
            if not word.startswith("--"):
                given.append(word)
                continue
            name, equals, _ = word.partition("=")
            takes = options.get(name, self.everywhere.get(name))
            if takes is None and name != "--help":
                fault(where, f"`congvu {' '.join(words[:n])}` has no option {name}")
            if takes and not equals:
                if not rest or rest[0].startswith("--"):
                    fault(where, f"{name} of `congvu {' '.join(words[:n])}` wants a value") if whole else None
                else:
                    rest.pop(0)
        if whole and len(given) < len(needed) and "--help" not in words:
            fault(where, f"`congvu {' '.join(words[:n])}` wants {' '.join(needed)}")
        # The manual writes words to choose from as a|b|c.
        for choice, word in zip(needed, given):
            if re.fullmatch(r"[a-z]+(\|[a-z]+)+", choice) and word not in choice.split("|"):
                fault(where, f"`congvu {' '.join(words[:n])}` wants {choice}, not {word}")


def code_and_prose(text):
    """(line number, line, is it shown as code); a line that ends in \\ goes on in the next one."""
    fenced, start, kept = False, 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        code = fenced or line.startswith(("    ", "\t"))
        if code and line.endswith("\\"):
            start, kept = start or number, kept + line[:-1] + " "
            continue
        yield start or number, kept + line, code or bool(kept)
        start, kept = 0, ""


def shell_words(line):
    """The words after `congvu` where it is the program of a shell line, up to a pipe or the like."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    for i, word in enumerate(words):
        if word == "congvu" or word.endswith("/congvu"):
            if i and words[0] not in ("sudo", "env", "$", "#") and "=" not in words[i - 1] and words[i - 1] != "|":
                return None
            rest = words[i + 1:]
            ends = [k for k, w in enumerate(rest) if w in ("|", ">", ">>", "&&", ";", "<")]
            return rest[:ends[0]] if ends else rest
    return None


def trn_01_every_command_of_the_guides_exists(commands, name, text):
    count = 0
    for number, line, code in code_and_prose(text):
        where = f"{name}:{number}"
        if code:
            words = shell_words(line)
            if words:
                count += 1
                commands.check(where, words, True)
            continue
        for span in SPAN.findall(line):
            words = shell_words(span) if span.startswith("congvu ") else None
            if words and re.match("[a-z-]", words[0]):
                count += 1
                commands.check(where, words, False)
        # Without backticks, as in the answers of the program: the first word tells whether a command is meant.
        for phrase in re.findall(r"\bcongvu ([a-z][^.,;:()|]+)", SPAN.sub("", line)):
            words = phrase.split()
            if any(k[0] == words[0] for k in commands.table):
                count += 1
                commands.check(where, words, False)
    return count


def trn_01_every_option_of_the_guides_exists(tree, name, text):
    with open(os.path.join(tree, "conf/congvu.conf"), encoding="utf-8") as f:
        known = set(re.findall(r"^#?\s*([a-z0-9_]+) =", f.read(), re.M))
    for number, line, code in code_and_prose(text):
        wanted = re.findall(r"^\s*([a-z0-9_]+) = ", line) if code else []
        for span in [] if code else SPAN.findall(line):
            wanted += re.findall(r"^([a-z0-9]+_[a-z0-9_]+)(?: = .*)?$", span)
        for option in wanted:
            if option not in known:
                fault(f"{name}:{number}", f"congvu.conf has no option {option}")


def trn_01_every_link_of_the_guides_leads_somewhere(tree, name, text):
    for number, line, _ in code_and_prose(text):
        for target in LINK.findall(line):
            if "://" not in target and not os.path.exists(
                    os.path.join(tree, os.path.dirname(name), target)):
                fault(f"{name}:{number}", f"{target} does not exist")


def trn_01_every_role_has_a_first_day(tree):
    with open(os.path.join(tree, "docs/huong-dan/README.md"), encoding="utf-8") as f:
        index = f.read()
    for role in ROLES:
        path = f"docs/huong-dan/{role}.md"
        with open(os.path.join(tree, path), encoding="utf-8") as f:
            if FIRST_DAY not in f.read():
                fault(path, f"no heading “{FIRST_DAY}”")
        if f"({role}.md)" not in index:
            fault("docs/huong-dan/README.md", f"does not name {role}.md")


def main():
    program, tree = sys.argv[1:3]
    commands = Commands(program)
    folder = "docs/huong-dan"
    names = [f"{folder}/{n}" for n in sorted(os.listdir(os.path.join(tree, folder))) if n.endswith(".md")]
    total = 0
    for name in names + ["README.md"]:
        with open(os.path.join(tree, name), encoding="utf-8") as f:
            text = f.read()
        total += trn_01_every_command_of_the_guides_exists(commands, name, text)
        trn_01_every_option_of_the_guides_exists(tree, name, text)
        trn_01_every_link_of_the_guides_leads_somewhere(tree, name, text)
    trn_01_every_role_has_a_first_day(tree)
    for text in faults:
        print(text)
    print(f"{total} command lines in {len(names) + 1} pages, {len(faults)} faults")
    return 1 if faults or total < 100 else 0


if __name__ == "__main__":
    sys.exit(main())

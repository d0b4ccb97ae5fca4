#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Fail when a source file includes a floor above its own, another program, or db.h in the wrong room."""
import os
import re
import sys

FLOORS = [
    ("common/base", 0), ("common/text", 1), ("common/net", 1), ("common/options", 1),
    ("common/extract", 2), ("common/config", 2), ("common/sandbox", 2), ("common/store", 2), ("common/register", 3),
    ("common/policy", 3), ("common/audit", 3),
    ("smtpd", 4), ("imapd", 4), ("spamfilter", 4), ("admin", 4),
    ("common/extractor", 4),
]
# Rooms on one floor that may not see each other (text stays pure; audit lies below register, which
# lies below policy).
SAME_FLOOR = {
    "common/sandbox": set(), "common/text": set(), "common/net": set(), "common/options": set(), "common/audit": set(),
    "common/register": {"common/audit"}, "common/policy": {"common/register", "common/audit"},
}
ONLY_IN = {
    "archive.h": ("spamfilter/walk/archive.c", "admin/sheet/unpack.c"), "lzma.h": "spamfilter/walk/archive_guard.c",
    "db.h": "common/store/bdb/", "unbound.h": "common/net/", "libmilter/mfapi.h": "spamfilter/",
    "spf2/spf.h": "spamfilter/", "opendkim/dkim.h": "spamfilter/", "curl/curl.h": ("admin/", "common/net/https.c"),
    "seccomp.h": "common/sandbox/", "sodium.h": "admin/backup/seal.c", "zstd.h": ("admin/backup/seal.c", "common/store/volume/", "imapd/texts_file.c"), "png.h": "common/extractor/picture.c", "jpeglib.h": "common/extractor/picture.c", "expat.h": ("common/extractor/", "spamfilter/dmarc/", "admin/sheet/xml.c"), "zlib.h": ("smtpd/", "common/net/deflate.c", "common/extractor/zip.c", "spamfilter/dmarc/", "admin/office/zip.c"), "xlsxwriter.h": "admin/office/xlsx.c", "argon2.h": "common/register/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def room(path):
    for name, floor in FLOORS:
        if path.startswith(name + "/"):
            return name, floor
    return None, None


def main():
    root = sys.argv[1]
    bad = []
    for name, _ in FLOORS:
        for folder, _, files in os.walk(os.path.join(root, name)):
            for file in files:
                if not file.endswith((".c", ".h")):
                    continue
                path = os.path.relpath(os.path.join(folder, file), root)
                mine, floor = room(path)
                with open(os.path.join(root, path), encoding="utf-8") as source:
                    for number, line in enumerate(source, 1):
                        match = INCLUDE.match(line)
                        if not match:
                            continue
                        target = match.group(1) or match.group(2)
                        only = ONLY_IN.get(target)
                        if only and not path.startswith(only):
                            bad.append(f"{path}:{number}: {target} belongs in {only} only")
                        theirs, level = room(target)
                        if theirs is None or theirs == mine:
                            continue
                        beside = level == floor and theirs not in SAME_FLOOR.get(mine, set())
                        if level > floor or beside:
                            bad.append(f"{path}:{number}: floor {floor} ({mine}) includes "
                                       f"{target} (floor {level})")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""docs/huong-dan/khi-co-su-co.md is what `congvu diagnose --guide` prints; --write makes it so."""
import difflib
import os
import subprocess
import sys


def main():
    program, root = sys.argv[1:3]
    path = os.path.join(root, "docs", "huong-dan", "khi-co-su-co.md")
    made = subprocess.run([program, "--lang", "vi", "diagnose", "--guide"], check=True,
                          capture_output=True, text=True).stdout
    if "--write" in sys.argv[3:]:
        with open(path, "w", encoding="utf-8") as f:
            f.write(made)
        return 0
    with open(path, encoding="utf-8") as f:
        there = f.read()
    sys.stdout.writelines(difflib.unified_diff(there.splitlines(True), made.splitlines(True),
                                               "docs/huong-dan/khi-co-su-co.md", "the causes"))
    return there != made


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Turn directory_style.css into directory_style.inc, which the program carries in itself.

    embed_style.py            (run after a change; a test compares the two)
"""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    with open(os.path.join(HERE, "directory_style.css"), encoding="utf-8") as f:
        css = f.read()
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    lines = [line.strip() for line in css.splitlines() if line.strip()]
    out = ["/* directory_style.inc - made by embed_style.py from directory_style.css. */",
           "/* SPDX-License-Identifier: MPL-2.0 */", "static const char directory_style[] ="]
    out += ['\t"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"' for line in lines]
    out[-1] += ";"
    with open(os.path.join(HERE, "directory_style.inc"), "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Add the units of a list to a running congvu: agencies.py CONGVU AGENCIES.csv

Each gets its official address <code>@<domain> and a box. Parents stand before their children."""
import csv
import subprocess
import sys


def main():
    congvu, path = sys.argv[1:3]
    with open(path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        command = [congvu, "agency", "add", row["code"], row["name"], "--type", row["type"], "--rank", row["rank"],
                   "--mailbox"]
        if row["parent"]:
            command += ["--parent", row["parent"]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{row['code']}: {done.stderr.strip()}")
    print(f"{len(rows)} units")


if __name__ == "__main__":
    main()

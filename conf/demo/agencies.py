#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Add the units of a list to a running congvu in one request: agencies.py CONTROL-SOCKET AGENCIES.csv

Each gets its official address <code>@<domain> and a box. Parents stand before their children."""
import csv
import json
import socket
import sys


def main():
    path, listing = sys.argv[1:3]
    with open(listing, encoding="utf-8", newline="") as f:
        rows = [{**{k: v for k, v in row.items() if v}, "mailbox": True} for row in csv.DictReader(f)]
    for row in rows:
        row["rank"], row["staff"] = int(row["rank"]), int(row["staff"])
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(json.dumps({"do": "agency.add", "agencies": rows}).encode() + b"\n")
        for line in s.makefile(encoding="utf-8"):
            reply = json.loads(line)
            if "progress" not in reply:
                break
    if not reply.get("ok"):
        sys.exit(reply.get("error", "no answer"))
    print(f"{len(rows)} units")


if __name__ == "__main__":
    main()

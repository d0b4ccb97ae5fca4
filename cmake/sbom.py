#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Write what the programs are made of as SPDX 2.3 (SEC-06): each program with its SHA-256, and each shared
library that it loads with the Debian package, its version and its source. The same input gives the same
octets: SOURCE_DATE_EPOCH, else the last commit, is the time.

    sbom.py --version 0.1.0 --source TREE --output FILE BIN_FOLDER
"""
import argparse
import datetime
import functools
import hashlib
import json
import os
import re
import subprocess
import sys


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout


def moment(source):
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "-C", source, "log", "-1", "--format=%ct").strip()
    when = datetime.datetime.fromtimestamp(int(epoch or 0), datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def libraries(program):
    """Paths of what the loader would load for PROGRAM."""
    return sorted(set(re.findall(r"=> (/\S+)", run("ldd", program))))


@functools.lru_cache(None)
def package_of(path):
    """(package, version, source, source version) of the Debian package that owns PATH, or None."""
    for name in (path, os.path.realpath(path), re.sub("^/lib", "/usr/lib", path), re.sub("^/usr/lib", "/lib", path)):
        owner = run("dpkg-query", "-S", name).splitlines()
        if owner and ": " in owner[0]:
            package = owner[0].split(": ")[0].split(",")[0]
            form = "${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\t${Homepage}"
            return run("dpkg-query", "-W", "-f", form, package).split("\t")
    return None


def ref(word):
    return "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", word)


def package_row(name, version, source, source_version, home):
    short = name.split(":")[0]
    purl = f"pkg:deb/debian/{short}@{version.replace('+', '%2B')}?distro=debian-12"
    return {
        "SPDXID": ref(f"Package-{short}"), "name": short, "versionInfo": version,
        "downloadLocation": "NOASSERTION", "homepage": home or "NOASSERTION", "filesAnalyzed": False,
        "sourceInfo": f"built by Debian from {source} {source_version}",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": purl}]}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--version", required=True)
    ap.add_argument("--source", required=True)
    ap.add_argument("--output", required=True)
    ap.add_argument("bin")
    args = ap.parse_args()
    files, packages, relations, unknown = [], {}, [], []
    for program in sorted(os.listdir(args.bin)):
        path = os.path.join(args.bin, program)
        if not program.startswith("congvu"):
            continue
        files.append({
            "SPDXID": ref(f"File-{program}"), "fileName": f"./{program}", "fileTypes": ["BINARY"],
            "checksums": [{"algorithm": "SHA256", "checksumValue": sha256(path)}],
            "licenseConcluded": "MPL-2.0", "copyrightText": "NOASSERTION"})
        relations.append(("SPDXRef-Package-congvu", "CONTAINS", ref(f"File-{program}")))
        for library in libraries(path):
            found = package_of(library)
            if not found:
                unknown.append(library)
                continue
            row = package_row(*found)
            packages[row["SPDXID"]] = row
            relations.append((ref(f"File-{program}"), "DYNAMIC_LINK", row["SPDXID"]))
    if not files:
        sys.exit(f"sbom: no programs in {args.bin}")
    if unknown:
        print("sbom: not from a Debian package, and left out:", ", ".join(sorted(set(unknown))), file=sys.stderr)
    own = {"SPDXID": "SPDXRef-Package-congvu", "name": "congvu", "versionInfo": args.version,
           "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "MPL-2.0",
           "licenseDeclared": "MPL-2.0", "copyrightText": "NOASSERTION", "primaryPackagePurpose": "APPLICATION"}
    digest = hashlib.sha256(json.dumps([files, sorted(packages)]).encode()).hexdigest()[:32]
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"congvu-{args.version}", "documentNamespace": f"https://congvu.example/spdx/{args.version}-{digest}",
        "creationInfo": {"created": moment(args.source), "creators": ["Tool: congvu-sbom"]},
        "packages": [own] + [packages[k] for k in sorted(packages)], "files": files,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])] +
                          sorted(set(relations))]}
    os.makedirs(os.path.dirname(args.output) or ".", exist_ok=True)
    with open(args.output, "w", encoding="utf-8") as f:
        json.dump(document, f, ensure_ascii=False, indent=1)
        f.write("\n")


main()

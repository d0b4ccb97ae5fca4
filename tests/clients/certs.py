#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Throwaway certificates: an authority, what it issues, and their TLSA records. Needs openssl."""
import hashlib
import os
import subprocess


def openssl(*args, **how):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **how).stdout


class Authority:
    """Files in folder: ca.pem, ca.key, and NAME.pem (with the authority behind it), NAME.key."""

    def __init__(self, folder):
        self.folder = folder
        self.ca, self.ca_key = self.path("ca.pem"), self.path("ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.ca_key, "-out", self.ca, "-days", "30", "-subj", "/CN=Test CA",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, *names, days=30, rsa=False):
        """A server's certificate for NAMES; (chain, key)."""
        stem = names[0].replace("*", "star") + ("-rsa" if rsa else "")
        return self.sign(stem, "subjectAltName=" + ",".join("DNS:" + n for n in names), days, rsa)

    def person(self, stem, *addresses, days=30, usage="clientAuth"):
        """A client's certificate for ADDRESSES (rfc822Name); (chain, key)."""
        names = ",".join("email:" + a for a in addresses)
        return self.sign(stem, f"extendedKeyUsage={usage}"
                         + (f"\nsubjectAltName={names}" if names else ""), days)

    def sign(self, stem, extension_lines, days, rsa=False):
        request, chain, key = (self.path(stem + end) for end in (".csr", ".pem", ".key"))
        extensions = self.path(stem + ".ext")
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        with open(extensions, "w", encoding="ascii") as f:
            f.write(extension_lines + "\n")
        openssl("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj",
                "/CN=test " + stem[:40])
        leaf = openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
                       "-CAcreateserial", "-days", str(days), "-extfile", extensions)
        with open(chain, "wb") as f, open(self.ca, "rb") as ca:
            f.write(leaf + ca.read())
        return chain, key


def key_digest(path):
    """SHA-256 of the public key of the first certificate in PATH: TLSA x 1 1."""
    key = openssl("x509", "-in", path, "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", input=key)).hexdigest()


def certificate_digest(path):
    """SHA-256 of the certificate: TLSA x 0 1."""
    return hashlib.sha256(openssl("x509", "-in", path, "-outform", "DER")).hexdigest()

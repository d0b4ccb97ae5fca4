# SPDX-License-Identifier: MPL-2.0
"""A small, strict S3 server for tests: there is none in Debian 12 that can be started alone.

Every signature (AWS Signature Version 4) is computed again by botocore from what arrived, so the client's signing is
judged by other code than its own; the payload must have the SHA-256 that was signed, the date must be near. Paths are
/bucket/key; ListObjectsV2 comes in pages of a few keys with tokens that need encoding. Faults on demand.
"""
import hashlib
import http.server
import os
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ID, SECRET, REGION, BUCKET = "AKIDCONGVU", "bi-mat/voi+dau=", "hn-1", "sao-luu"
PAGE = 3


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body=b"", kind="application/xml", **headers):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, code, word):
        self.server.refused.append((code, word, self.path))
        self.answer(code, f"<?xml version='1.0'?><Error><Code>{word}</Code></Error>".encode())

    def is_signed(self, body):
        """Raises when anything of the signature is not right."""
        given = self.headers.get("Authorization", "")
        assert given.startswith("AWS4-HMAC-SHA256 Credential="), given
        fields = dict(part.strip().split("=", 1) for part in given[len("AWS4-HMAC-SHA256 "):].split(","))
        who, day, region, service, end = fields["Credential"].split("/")
        date = self.headers["X-Amz-Date"]
        now = time.time() + self.server.shift
        then = time.mktime(time.strptime(date, "%Y%m%dT%H%M%SZ")) - time.timezone
        assert (who, region, service, end) == (ID, REGION, "s3", "aws4_request"), fields
        assert date.startswith(day) and abs(now - then) < 900, (date, now)
        assert self.headers["X-Amz-Content-Sha256"] == hashlib.sha256(body).hexdigest(), "payload"
        signed = fields["SignedHeaders"].split(";")
        assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed), signed
        headers = {name: self.headers[name] for name in signed}
        request = AWSRequest(method=self.command, url=f"http://{self.headers['Host']}{self.path}",
                             headers=headers)
        request.context["timestamp"] = date
        auth = S3SigV4Auth(Credentials(ID, SECRET), "s3", REGION)
        wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert fields["Signature"] == wanted, (fields, auth.canonical_request(request))

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        with server.lock:
            server.count += 1
            if server.gone:
                self.close_connection = True
                return None
            if server.fail_every and server.count % server.fail_every == 0:
                server.failed += 1
                if server.failed % 2:
                    return self.fail(503, "SlowDown")
                self.close_connection = True  # no answer at all
                return None
        try:
            self.is_signed(body)
        except (AssertionError, KeyError, ValueError, TypeError) as fault:
            server.faults.append(str(fault))
            return self.fail(403, "SignatureDoesNotMatch")
        path, _, query = self.path.partition("?")
        parts = urllib.parse.unquote(path).split("/", 2)
        if parts[1] != BUCKET:
            return self.fail(404, "NoSuchBucket")
        key = parts[2] if len(parts) > 2 else ""
        return getattr(self, "s3_" + self.command.lower())(key, urllib.parse.parse_qs(query), body)

    do_GET = do_PUT = do_DELETE = lambda self: self.handle_one()

    def s3_put(self, key, _, body):
        if self.server.locked and key in self.server.objects:
            return self.fail(403, "AccessDenied")
        if self.server.full:
            return self.fail(507, "InsufficientStorage")
        self.server.objects[key] = body
        return self.answer(200)

    def s3_delete(self, key, _, __):
        if self.server.locked:
            return self.fail(403, "AccessDenied")
        self.server.objects.pop(key, None)
        return self.answer(204)

    def s3_get(self, key, query, _):
        if not key:
            return self.list(query)
        body = self.server.objects.get(key)
        if body is None:
            return self.fail(404, "NoSuchKey")
        span = self.headers.get("Range")
        if span:
            first, last = span[len("bytes="):].split("-")
            if int(first) >= len(body):
                return self.fail(416, "InvalidRange")
            return self.answer(206, body[int(first):int(last) + 1], "application/octet-stream")
        return self.answer(200, body, "application/octet-stream")

    def list(self, query):
        assert query["list-type"] == ["2"]
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", [""])[0].replace("+/= &", "", 1)
        keys = sorted(k for k in self.server.objects if k.startswith(prefix) and k > after)
        page = keys[:PAGE]
        rows = "".join(f"<Contents><Key>{escape(k)}</Key><LastModified>2026-11-23T00:00:00.000Z</LastModified>"
                       f"<Size>{len(self.server.objects[k])}</Size></Contents>" for k in page)
        more = len(keys) > PAGE
        token = f"<NextContinuationToken>{escape('+/= &' + page[-1])}</NextContinuationToken>" if more else ""
        return self.answer(200, (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{rows}{token}</ListBucketResult>").encode())


class S3(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.faults, self.refused, self.lock = {}, [], [], threading.Lock()
        self.count = self.failed = self.fail_every = self.shift = 0
        self.gone = self.full = self.locked = False
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def target(self, folder, name="s3", more=""):
        """The target's line, with its credentials in FOLDER."""
        path = f"{folder}/{name}.credentials"
        with open(path, "w", encoding="ascii") as f:
            f.write(f"{ID}:{SECRET}\n")
        os.chmod(path, 0o600)
        return (f"{name}=s3+http://127.0.0.1:{self.port}/{BUCKET}/tinh/lam giang".replace(" ", "-") +
                f",credentials={path},region={REGION}{more}")

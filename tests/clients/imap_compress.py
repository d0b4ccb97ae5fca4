#!/usr/bin/python3
"""imaplib over COMPRESS=DEFLATE, in the clear and below TLS: large answers, pieces of any size, IDLE."""
# SPDX-License-Identifier: MPL-2.0
import imaplib
import os
import random
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

imaplib.Commands.setdefault("COMPRESS", ("AUTH", "SELECTED"))
RANDOM = random.Random(4978)
NO_LINES = bytes.maketrans(b"\0\r\n", b"xyz")  # imaplib would change them


class Stream:
    """What imaplib reads from and writes to, with the compression between."""

    def __init__(self, sock):
        self.sock, self.data, self.raw_in = sock, b"", 0
        self.packer, self.unpacker = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)

    def more(self):
        got = self.sock.recv(65536)
        expect(got, "closed")
        self.raw_in += len(got)
        self.data += self.unpacker.decompress(got)

    def read(self, size):
        while len(self.data) < size:
            self.more()
        out, self.data = self.data[:size], self.data[size:]
        return out

    def readline(self, *_):
        while b"\n" not in self.data:
            self.more()
        return self.read(self.data.index(b"\n") + 1)

    def send(self, data):
        """The way of the flush changes nothing, nor do the pieces."""
        how = RANDOM.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH))
        packed = self.packer.compress(data) + self.packer.flush(how)
        while packed:
            size = RANDOM.choice((1, 7, 1000, 100000))
            self.sock.sendall(packed[:size])
            packed = packed[size:]


def compress(client):
    expect(client._simple_command("COMPRESS", "DEFLATE")[0] == "OK", "COMPRESS")
    stream = Stream(client.sock)
    client.read, client.readline, client.send = stream.read, stream.readline, stream.send
    return stream


def letter(number):
    words = " ".join(f"dòng thứ {i} của thư {number}" for i in range(RANDOM.randint(1, 3000)))
    return f"Subject: thư {number}\r\n\r\n{words}\r\n".encode()


def test_imp_07_a_mailbox_reads_the_same_compressed_and_plain():
    with kit.Province() as p:
        user = p.user("an")
        plain = p.imap(user)
        letters = [letter(n) for n in range(40)]
        letters.append(b"Subject: noise\r\n\r\n" + RANDOM.randbytes(400000).translate(NO_LINES))
        for implicit in (False, True):
            client = p.imap(user, implicit=implicit)
            stream = compress(client)
            for text in letters:
                expect(client.append("INBOX", None, None, text)[0] == "OK", "append")
            count = int(client.select("INBOX")[1][0])
            plain.select("INBOX")
            for what in ("(UID INTERNALDATE)", "(BODY.PEEK[])", "(ENVELOPE BODYSTRUCTURE)"):
                expect(client.fetch("1:*", what) == plain.fetch("1:*", what), what)
            got = client.fetch(f"{count - len(letters) + 1}:*", "(BODY.PEEK[])")[1]
            expect([part[1] for part in got if isinstance(part, tuple)] == letters, "letters")
            before = stream.raw_in
            answer = client.fetch("1:*", "(FLAGS UID RFC822.SIZE INTERNALDATE)")[1]
            size = sum(len(line) for line in answer)
            expect(stream.raw_in - before < size / 3, stream.raw_in - before, "of", size)
            client.send(b"x IDLE\r\n")
            expect(client.readline().startswith(b"+"), "IDLE")
            plain.append("INBOX", None, None, b"Subject: x\r\n\r\n.")
            expect(client.readline() == b"* %d EXISTS\r\n" % (count + 1), "EXISTS")
            client.send(b"DONE\r\n")
            while not client.readline().startswith(b"x OK"):
                pass
            client.logout()
        plain.logout()


def test_a_bomb_meets_the_limit_of_a_line():
    with kit.Province() as p:
        client = p.imap(p.user("an"))
        compress(client)
        packer = zlib.compressobj(9, wbits=-15)
        packed = packer.compress(b"x " + b"a" * 50_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
        try:
            for at in range(0, len(packed), 1000):
                client.sock.sendall(packed[at:at + 1000])
        except OSError:
            pass
        other = p.imap(p.user("binh"))
        expect(other.noop()[0] == "OK", "alive")
        other.logout()
        client.shutdown()


kit.run_tests(globals())

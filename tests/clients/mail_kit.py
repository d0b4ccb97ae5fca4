# SPDX-License-Identifier: MPL-2.0
"""What tests of whole mail programs share: folder names on the wire, and what the server has."""
import base64
import email
import email.policy
import re

from kit import expect

TRASH, SENT, DRAFTS, ARCHIVE = "Thùng rác", "Thư đã gửi", "Thư nháp", "Lưu trữ"

# Two letters to An, the second with every mark the language has a use for.
ENGLISH = b"""From: Tran Thi Binh <binh@lamgiang.example>\r
To: an@lamgiang.example\r
Subject: Re: lich cong tac\r
Date: Mon, 16 Nov 2026 08:00:00 +0700\r
Message-ID: <lich@lamgiang.example>\r
\r
Tuan nay khong co gi moi.\r
"""
MEETING = """From: =?utf-8?q?Tr=E1=BA=A7n_Th=E1=BB=8B_B=C3=ACnh?= <binh@lamgiang.example>\r
To: an@lamgiang.example\r
Subject: =?utf-8?b?SOG7jXAgZ2lhbyBiYW4gdHXhuqduIDQ3?=\r
Date: Tue, 17 Nov 2026 08:00:00 +0700\r
Message-ID: <hop@lamgiang.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
Kính mời các đồng chí dự họp lúc 8 giờ tại phòng họp số 2.\r
--b\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename*=utf-8''gi%E1%BA%A5y%20m%E1%BB%9Di.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQKJcOkw7zDtsOfCg==\r
--b--\r
""".encode()


def utf7(name):
    """A mailbox name as IMAP4rev1 writes it (RFC 3501, 5.1.3)."""
    def shifted(found):
        if found[0] == "&":
            return "&-"
        text = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return "&" + text.rstrip("=").replace("/", ",") + "-"
    return re.sub(r"&|[^ -~]+", shifted, name)


def parsed(message):
    return email.message_from_bytes(message, policy=email.policy.default)


def held(c, folder):
    """What the server has in FOLDER: each message's readable Subject, and its flags."""
    ok, data = c.select(f'"{utf7(folder)}"', readonly=True)
    expect(ok == "OK", folder, data)
    found = {}
    if data != [b"0"]:
        answer = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        for head, text in [d for d in answer if isinstance(d, tuple)]:
            flags = head.partition(b"FLAGS (")[2].partition(b")")[0].decode().split()
            subject = str(parsed(text)["Subject"])
            expect(subject not in found, "twice in", folder, subject)
            found[subject] = sorted(set(flags) - {"\\Recent"})
    c.close()
    return found


def folders(c, command="list"):
    """The mailboxes' names, readable."""
    names = []
    for line in getattr(c, command)()[1]:
        name = line.decode().rpartition(' "/" ')[2].strip('"')
        names.append(re.sub(r"&([^-]*)-", lambda m: base64.b64decode(
            m[1].replace(",", "/") + "===").decode("utf-16-be") if m[1] else "&", name))
    return sorted(names)

#!/usr/bin/python3
"""imaplib with UTF8=ACCEPT enabled: Vietnamese folders, searches and headers in UTF-8 both ways, beside
a client that knows nothing of it, over the same mailbox."""
# SPDX-License-Identifier: MPL-2.0
import os
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

FOLDERS = ["Công văn đến & đi", "Công văn đến & đi/Quý IV", "Họp giao ban", "Th&AbA-"]
LETTER = ("From: Nguyễn Văn Hòa <hòa@lamgiang.example>\r\nSubject: Lịch họp giao ban\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          "Kính gửi Ủy ban nhân dân.\r\n")


def quoted(name):
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def names(client):
    return [line.decode().split(' "/" ')[1].strip('"') for line in client.list()[1]]


def test_imp_02_folders_and_letters_in_utf8():
    with kit.Province() as p:
        user = p.user("an")
        new, old = p.imap(user), p.imap(user)
        expect(new.enable("UTF8=ACCEPT")[0] == "OK", "not enabled")
        for folder in FOLDERS:
            expect(new.create(quoted(folder))[0] == "OK", "create", folder)
        listed = names(new)
        for folder in FOLDERS:
            expect(folder in listed, folder, listed)
        expect("C&APQ-ng v&AQM-n &AREevw-n &- &ARE-i/Qu&AP0- IV" in names(old), names(old))
        expect("Th&-AbA-" in names(old), names(old))

        box = FOLDERS[1]
        # Python puts the words of RFC 6855 inside the message (to 3.12): without them, as RFC 9755.
        new.utf8_enabled = False
        answer = new.append(quoted(box), None, None, LETTER.encode())
        new.utf8_enabled = True
        expect(answer[0] == "OK", answer)
        decomposed = unicodedata.normalize("NFD", box)
        expect(decomposed != box and new.select(quoted(decomposed)) == ("OK", [b"1"]), box)
        for text in ("họp giao ban", "LỊCH HỌP", "lich hop"):
            expect(new.search(None, "SUBJECT", quoted(text)) == ("OK", [b"1"]), text)
        expect(new.search(None, "BODY", quoted("ủy ban")) == ("OK", [b"1"]), "body")
        expect(new.search(None, "BODY", quoted("không có")) == ("OK", [b""]), "body")
        got = new.fetch("1", "(BODY.PEEK[])")[1][0][1]
        expect(got == LETTER.encode(), got)

        expect(new.rename(quoted("Họp giao ban"), quoted("Biên bản"))[0] == "OK", "rename")
        expect("Bi&AOo-n b&HqM-n" in names(old), names(old))
        expect(new.delete(quoted("Th&AbA-"))[0] == "OK", "delete")
        new.logout()
        old.logout()


kit.run_tests(globals())

#!/usr/bin/python3
"""curl: smtps:// and smtp:// with STARTTLS send, imaps:// and imap:// list, search, fetch, append."""
# SPDX-License-Identifier: MPL-2.0
import os
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402

CURL = kit.need_program("curl")
MESSAGE = ("From: {0}\r\nTo: {1}\r\nSubject: thu qua curl\r\nMessage-ID: <curl@lamgiang.example>\r\n"
           "\r\nMot dong.\r\n.\r\nHai dong.\r\n")


def curl(p, *args, user=None, ok=(0,)):
    argv = [CURL, "--silent", "--show-error", "--cacert", p.ca, "--max-time", "30", *args]
    if user:
        argv += ["--user", f"{user}:{p.users.get(user, '')}"]
    return kit.run(argv, ok=ok)


def imaps(p, path):
    return f"imaps://localhost:{p.port['imaps']}/{path}"


def send(p, url, sender, to, user=None, ok=(0,)):
    name = os.path.join(p.dir, "letter")
    with open(name, "w", newline="") as f:
        f.write(MESSAGE.format(sender, to))
    return curl(p, "--ssl-reqd", url, "--mail-from", sender, "--mail-rcpt", to, "--upload-file",
                name, user=user, ok=ok)


def test_mail_sent_through_smtps_and_starttls_is_read_through_imaps_and_starttls():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        send(p, f"smtps://localhost:{p.port['submissions']}/client.example", an, binh, user=an)
        send(p, f"smtp://localhost:{p.port['submission']}/client.example", an, binh, user=an)
        send(p, f"smtp://localhost:{p.port['mx']}/mx.sender.example", "x@sender.example", binh)
        found = curl(p, imaps(p, "INBOX?ALL"), user=binh)
        expect(found.split() == ["*", "SEARCH", "1", "2", "3"], found)
        text = curl(p, imaps(p, "INBOX;MAILINDEX=1"), user=binh)
        expect(MESSAGE.format(an, binh).split("\r\n\r\n", 1)[1] in text, text)
        plain = f"imap://localhost:{p.port['imap']}/INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)"
        text = curl(p, "--ssl-reqd", plain, user=binh)
        expect(text.strip() == "Subject: thu qua curl", text)


def test_folders_are_listed_filled_and_emptied():
    with kit.Province() as p:
        an = p.user("an")
        folder = "H&ANQ-p thu"
        name = os.path.join(p.dir, "letter")
        with open(name, "w", newline="") as f:
            f.write(MESSAGE.format(an, an))
        curl(p, imaps(p, ""), "--request", f'CREATE "{folder}"', user=an)
        expect(folder in curl(p, imaps(p, ""), user=an), "not listed")
        curl(p, imaps(p, quote(folder)), "--upload-file", name, user=an)
        text = curl(p, imaps(p, quote(folder) + ";MAILINDEX=1"), user=an)
        expect("Hai dong." in text, text)
        found = curl(p, imaps(p, quote(folder)), "--request", 'SEARCH SUBJECT "thu qua"', user=an)
        expect(found.split() == ["*", "SEARCH", "1"], found)
        curl(p, imaps(p, quote(folder)), "--request", "UID MOVE 1 INBOX", user=an)
        expect("Hai dong." in curl(p, imaps(p, "INBOX;UID=1"), user=an), "not moved")
        curl(p, imaps(p, "INBOX"), "--request", f'UID MOVE 1 "{folder}"', user=an)
        curl(p, imaps(p, quote(folder)), "--request", r"STORE 1 +FLAGS (\Deleted)", user=an)
        curl(p, imaps(p, quote(folder)), "--request", "EXPUNGE", user=an)
        found = curl(p, imaps(p, quote(folder) + "?ALL"), user=an)
        expect(found.strip() == "* SEARCH", found)


def test_a_wrong_password_and_an_unknown_authority_end_in_curls_own_errors():
    with kit.Province() as p:
        an = p.user("an")
        p.users["an2"] = "x"
        curl(p, imaps(p, ""), "--user", f"{an}:sai mat khau", ok=(67,))
        kit.run([CURL, "--silent", imaps(p, ""), "--user", f"{an}:x"], ok=(60,))
        send(p, f"smtps://localhost:{p.port['submissions']}/x", an, "a@noi-khac.example",
             ok=(55, 67))


kit.run_tests(globals())

#!/usr/bin/python3
"""smtplib and imaplib, everything through TLS: submit, read, change, search, append, IDLE."""
# SPDX-License-Identifier: MPL-2.0
import email.message
import email.policy
import email.utils
import os
import re
import smtplib
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import utf7  # noqa: E402

SUBJECT = "Báo cáo công tác quý IV của Sở Nội vụ"
NAME = "Nguyễn Văn Hòa"
FOLDER = "Công văn đến/Quý IV"
PDF = bytes(range(256)) * 40


def letter(sender, to, subject=SUBJECT):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"] = email.utils.formataddr((NAME, sender))
    m["To"] = to
    m["Subject"] = subject
    m["Date"] = email.utils.formatdate(localtime=True)
    m["Message-ID"] = email.utils.make_msgid(domain="lamgiang.example")
    m.set_content("Kính gửi Ủy ban nhân dân tỉnh Lam Giang.\n.\n..dòng có dấu chấm\n")
    m.add_attachment(PDF, maintype="application", subtype="pdf", filename="báo cáo.pdf")
    return m


def parse(text):
    """An IMAP response's data as nested lists; literals are already in place as quoted strings."""
    token = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()]+))')
    stack, at = [[]], 0
    while at < len(text):
        m = token.match(text, at)
        if not m:
            break
        at = m.end()
        if m.group(1) == "(":
            stack.append([])
        elif m.group(1) == ")":
            done = stack.pop()
            stack[-1].append(done)
        elif m.group(2) is not None:
            stack[-1].append(re.sub(r"\\(.)", r"\1", m.group(2)))
        else:
            stack[-1].append(None if m.group(3) == "NIL" else m.group(3))
    return stack[0]


def decoded(words):
    return str(email.header.make_header(email.header.decode_header(words)))


def fetch_text(c, number, what):
    ok, data = c.fetch(number, what)
    expect(ok == "OK" and data and data[0], what, data)
    return data[0]


def test_smt_01_submission_by_STARTTLS_and_by_implicit_TLS_is_readable():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        for implicit in (False, True):
            s = p.submit(an, implicit=implicit)
            m = letter(an, binh)
            expect(s.send_message(m) == {}, "refused")
            s.quit()
            c = p.imap(binh, implicit=not implicit)
            count = int(c.select("INBOX")[1][0])
            expect(count == 1 + implicit, "messages:", count)
            raw = fetch_text(c, str(count), "(BODY.PEEK[])")[1]
            got = email.message_from_bytes(raw, policy=email.policy.SMTP)
            expect(got["Subject"] == SUBJECT, got["Subject"])
            expect(got["Message-ID"] == m["Message-ID"], "another Message-ID")
            parts = list(got.iter_parts())
            expect(parts[0].get_content().replace("\r\n", "\n") == m.get_body().get_content()
                   .replace("\r\n", "\n"), "the text changed:", parts[0].get_content())
            expect(parts[1].get_content() == PDF, "the attachment changed")
            expect(parts[1].get_filename() == "báo cáo.pdf", parts[1].get_filename())
            c.logout()


def test_envelope_and_body_structure_say_what_was_sent():
    with kit.Province() as p:
        an, binh = p.user("an", name=NAME), p.user("binh")
        m = letter(an, binh)
        with p.submit(an) as s:
            s.send_message(m)
        c = p.imap(binh)
        c.select("INBOX")
        envelope = parse(fetch_text(c, "1", "(ENVELOPE)").decode())[1][1]
        expect(decoded(envelope[1]) == SUBJECT, envelope[1])
        sender = envelope[2][0]
        expect(decoded(sender[0]) == NAME, sender)
        expect(f"{sender[2]}@{sender[3]}" == an, sender)
        expect(envelope[5][0][2:] == binh.split("@"), envelope[5])
        expect(envelope[9] == m["Message-ID"], envelope[9])
        structure = parse(fetch_text(c, "1", "(BODYSTRUCTURE)").decode())[1][1]
        text, pdf, kind = structure[:3]
        expect(kind.lower() == "mixed", structure)
        expect([w.lower() for w in text[:2]] == ["text", "plain"], text)
        expect([w.lower() for w in pdf[:2]] == ["application", "pdf"], pdf)
        expect(pdf[5].lower() == "base64", pdf)
        raw = fetch_text(c, "1", "(BODY.PEEK[2])")[1]
        expect(len(raw) == int(pdf[6]), "octets of part 2:", len(raw), "said:", pdf[6])
        expect(fetch_text(c, "1", "(BODY.PEEK[2]<10.20>)")[1] == raw[10:30], "a part of a part")
        size = int(parse(fetch_text(c, "1", "(RFC822.SIZE)").decode())[1][1])
        expect(size == len(fetch_text(c, "1", "(BODY.PEEK[])")[1]), "RFC822.SIZE:", size)
        fields = fetch_text(c, "1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT TO)])")[1]
        expect(sorted(line.split(b":")[0].lower() for line in fields.split(b"\r\n")
                      if line and line[:1] not in b" \t") == [b"subject", b"to"], fields)
        c.logout()


def fill(p, user, count):
    c = p.imap(user)
    for i in range(count):
        text = (f"From: nguoi{i}@sender.example\r\nTo: {user}\r\nSubject: thu so {i}\r\n"
                f"Date: {10 + i} Nov 2026 08:00:00 +0700\r\n\r\nnoi dung {i}\r\n")
        flags = r"(\Seen)" if i % 2 else None
        ok, data = c.append("INBOX", flags, f'"{10 + i}-Nov-2026 08:00:00 +0700"', text.encode())
        expect(ok == "OK" and b"APPENDUID" in data[0], data)
    return c


def numbers(answer):
    expect(answer[0] == "OK", answer)
    return answer[1][0].split()


def test_search_finds_by_flag_text_date_and_size():
    with kit.Province() as p:
        an = p.user("an")
        c = fill(p, an, 10)
        c.select("INBOX")
        rows = [
            ("ALL", [b"%d" % i for i in range(1, 11)]),
            ("UNSEEN", [b"1", b"3", b"5", b"7", b"9"]),
            ('SUBJECT "thu so 4"', [b"5"]),
            ('BODY "noi dung 7"', [b"8"]),
            ("FROM nguoi3@sender.example", [b"4"]),
            ("SINCE 18-Nov-2026", [b"9", b"10"]),
            ("BEFORE 12-Nov-2026 SEEN", [b"2"]),
            ("OR (SUBJECT \"so 0\") (SUBJECT \"so 9\")", [b"1", b"10"]),
            ("NOT LARGER 10", []),
            ("UID 3:4", [b"3", b"4"]),
        ]
        for query, want in rows:
            expect(numbers(c.search(None, query)) == want, query, c.search(None, query))
        c.literal = "NỘI DUNG 2".encode()
        ok, data = c.search("UTF-8", "BODY")
        expect(ok == "OK", data)
        c.logout()


def test_store_copy_move_and_expunge_change_what_they_say():
    with kit.Province() as p:
        an = p.user("an")
        c = fill(p, an, 6)
        c.create('"Xong"')
        c.select("INBOX")
        c.store("1:2", "+FLAGS", r"(\Flagged du-thao)")
        expect(numbers(c.search(None, "FLAGGED")) == [b"1", b"2"], "flags")
        expect(numbers(c.search(None, "KEYWORD du-thao")) == [b"1", b"2"], "keyword")
        c.store("2", "-FLAGS", r"(\Flagged)")
        expect(numbers(c.search(None, "FLAGGED")) == [b"1"], "flag taken away")
        ok, data = c.copy("1:2", "Xong")
        expect(ok == "OK" and b"COPYUID" in data[0], data)
        ok, data = c._simple_command("MOVE", "3", "Xong")
        expect(ok == "OK" and c.response("EXPUNGE")[1] == [b"3"], data)
        expect(numbers(c.search(None, "ALL")) == [b"1", b"2", b"3", b"4", b"5"], "after MOVE")
        c.store("1", "+FLAGS", r"(\Deleted)")
        ok, data = c.expunge()
        expect(ok == "OK" and data == [b"1"], data)
        expect(c.select("Xong")[1] == [b"3"], "copied and moved")
        uids = numbers(c.uid("SEARCH", "ALL"))
        expect(uids == [b"1", b"2", b"3"], uids)
        expect(numbers(c.search(None, "KEYWORD du-thao")) == [b"1", b"2"], "keywords are copied")
        c.logout()
        p.check_store()


def test_imp_02_folders_with_vietnamese_names_live_their_whole_life():
    with kit.Province() as p:
        an = p.user("an")
        c = p.imap(an)
        names = "\n".join(line.decode() for line in c.list()[1])
        for mark in ("Sent", "Drafts", "Trash", "Junk"):
            expect(f"\\{mark}" in names, "no folder for", mark, names)
        expect(c.create(f'"{utf7(FOLDER)}"')[0] == "OK", FOLDER)
        expect(utf7(FOLDER) in "\n".join(line.decode() for line in c.list()[1]), "not listed")
        answer = c.append(f'"{utf7(FOLDER)}"', None, None, b"Subject: x\r\n\r\nx\r\n")
        expect(answer[0] == "OK", answer)
        expect(c.select(f'"{utf7(FOLDER)}"')[1] == [b"1"], "select")
        c.close()
        expect(c.rename(f'"{utf7(FOLDER)}"', '"L&AbA-u"')[0] == "OK", "rename")
        expect(c.select('"L&AbA-u"')[1] == [b"1"], "select after rename")
        c.close()
        expect(c.delete('"L&AbA-u"')[0] == "OK", "delete")
        expect(c.select('"L&AbA-u"')[0] == "NO", "deleted, yet there")
        expect(c.create('"h&AOk"')[0] != "OK", "a name that is not modified UTF-7")
        c.logout()


def test_a_delivery_reaches_an_idle_client_within_a_second():
    with kit.Province() as p:
        an = p.user("an")
        client = kit.RawImap(p, an)
        client.cmd("SELECT INBOX")
        s = p.smtp()
        took = []
        for i in range(10):
            tag = client.idle()
            s.sendmail("x@sender.example", [an],
                       f"From: x@sender.example\r\nSubject: {i}\r\n\r\n{i}\r\n")
            answered = time.monotonic()
            while not re.match(rb"\* %d EXISTS" % (i + 1), client.response()):
                pass
            took.append((time.monotonic() - answered) * 1000)
            client.done(tag)
        s.quit()
        client.cmd("LOGOUT")
        client.close()
        took.sort()
        print(f"    250 to EXISTS: median {took[5]:.1f} ms, longest {took[-1]:.1f} ms "
              "(build with sanitizers)")
        expect(took[-1] < 1000, took)


def test_what_is_not_allowed_is_refused():
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh")
        s = p.smtp("submission")
        s.ehlo()
        expect("auth" not in s.esmtp_features, "AUTH offered without TLS")
        expect(s.docmd("MAIL FROM:<%s>" % an)[0] in (530, 503), "mail without log-in")
        s.quit()
        try:
            p.submit(an, password="sai mat khau")
            expect(False, "logged in with a wrong password")
        except smtplib.SMTPAuthenticationError as answer:
            expect(answer.smtp_code == 535, answer)
        s = p.submit(an)
        try:
            s.sendmail(binh, [binh], f"From: {binh}\r\n\r\nx\r\n")
            expect(False, "wrote as somebody else")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError,
                smtplib.SMTPRecipientsRefused) as a:
            print("    as somebody else:", str(a)[:100])
        s.close()
        s = p.smtp()
        s.ehlo()
        s.docmd("MAIL FROM:<x@sender.example>")
        code, text = s.docmd(f"RCPT TO:<khong.co@{kit.DOMAIN}>")
        expect(code == 550 and b"5.1.1" in text, code, text)
        code, text = s.docmd("RCPT TO:<ai@noi-khac.example>")
        expect(code in (550, 554), "an open relay:", code, text)
        s.quit()
        raw = kit.RawImap(p, implicit=False)
        expect(b"LOGINDISABLED" in b"".join(raw.cmd("CAPABILITY")), "LOGIN without TLS is offered")
        raw.cmd(f'LOGIN {an} "{kit.PASSWORD}"', ok=b"NO")
        raw.close()


kit.run_tests(globals())

#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Roundcube as a browser shows it: an employee's day in the web mail that the province has.

Debian's Roundcube runs from a folder of its own under PHP's built-in server, as whoever runs the
test; Chromium presses the buttons. What the page says is checked against what the server has.
"""
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
import ports  # noqa: E402
from browser import Browser  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import (DRAFTS, ENGLISH, MEETING, SENT, TRASH, folders, held, parsed,  # noqa: E402
                      utf7)
from tap import Tap  # noqa: E402

PHP = kit.need_program("php")
INSTALLED = "/var/lib/roundcube"
CONFIG = """<?php
$config['db_dsnw'] = 'sqlite:///{home}/roundcube.db?mode=0600';
$config['imap_host'] = 'ssl://localhost:{imaps}';
$config['smtp_host'] = 'ssl://localhost:{submissions}';
$config['imap_conn_options'] = $config['smtp_conn_options'] =
	['ssl' => ['verify_peer' => true, 'verify_peer_name' => true, 'cafile' => '{ca}']];
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
$config['des_key'] = 'vuaDu24KyTuChoThuNgh';
$config['temp_dir'] = '{home}/temp';
$config['log_dir'] = '{home}/logs';
$config['plugins'] = [];
$config['skin'] = 'elastic';
$config['language'] = 'vi_VN';
$config['enable_spellcheck'] = false;
$config['imap_cache'] = 'db';
$config['messages_cache'] = 'db';
$config['prefer_html'] = false;
"""
FOLDER = "Công văn đến"
REPLY = """From: an@lamgiang.example\r
To: binh@lamgiang.example\r
Subject: =?utf-8?b?UmU6IEjhu41wIGdpYW8gYmFuIHR14bqnbiA0Nw==?=\r
Date: Wed, 18 Nov 2026 08:00:00 +0700\r
Message-ID: <hop-2@lamgiang.example>\r
In-Reply-To: <hop@lamgiang.example>\r
\r
Vang.\r
""".encode()
# What Roundcube asks though it may hear NO, and why that is the right answer.
REFUSALS = {}


class Webmail:
    """Roundcube in a folder of its own, as the tap's client."""

    def __init__(self, p, tap):
        if not os.path.isfile(INSTALLED + "/SQL/sqlite.initial.sql"):
            kit.skip("roundcube-core is not installed (./dev setup)")
        self.home = os.path.join(p.dir, "roundcube")
        for name in ("conf", "temp", "logs"):
            os.makedirs(os.path.join(self.home, name))
        for name in ("defaults.inc.php", "mimetypes.php"):
            os.symlink("/etc/roundcube/" + name, os.path.join(self.home, "conf", name))
        with open(os.path.join(self.home, "conf", "config.inc.php"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(home=self.home, imaps=tap.port, ca=p.ca,
                                  submissions=p.port["submissions"]))
        with open(INSTALLED + "/SQL/sqlite.initial.sql", encoding="utf-8") as f, \
                contextlib.closing(sqlite3.connect(self.home + "/roundcube.db")) as db:
            db.executescript(f.read())
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        with open(self.home + "/php.log", "wb") as log:
            self.process = subprocess.Popen(
                [PHP, "-d", "opcache.enable_cli=1", "-d", "session.save_path=" + self.home,
                 "-S", f"127.0.0.1:{self.port}", "-t", INSTALLED + "/public_html"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "ROUNDCUBE_CONFIG_DIR": self.home + "/conf",
                     "PHP_CLI_SERVER_WORKERS": "4"})
        kit.wait_until("Roundcube answers", self.answers, every=0.1)

    def answers(self):
        expect(self.process.poll() is None, "php ended:", self.logs())
        try:
            return urllib.request.urlopen(self.url, timeout=kit.PATIENCE).status == 200
        except ConnectionError:
            return False
        except OSError as fault:
            if "refused" in str(fault):
                return False
            raise kit.Failure(f"{fault}\n{self.logs()}") from None

    def logs(self):
        text = ""
        for name in ("php.log", "logs/errors.log"):
            path = os.path.join(self.home, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += "".join(line for line in f if "] 127.0.0.1:" not in line
                                    and "Development Server" not in line)[-4000:]
        return text

    def close(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.logs())
        self.close()


class Reader:
    """What somebody does in the web mail."""

    def __init__(self, browser, web, user):
        self.b, self.web = browser, web
        self.b.open(web.url)
        self.b.fill("#rcmloginuser", user)
        self.b.fill("#rcmloginpwd", kit.PASSWORD)
        self.b.press("Enter")
        self.settled()

    def settled(self):
        """The list of messages has come and nothing is on its way."""
        self.b.wait("the message list",
                    "typeof rcmail == 'object' && rcmail.env.task == 'mail' && !rcmail.busy"
                    " && rcmail.message_list != null && document.readyState == 'complete'")

    def subjects(self):
        return self.b.eval("[...document.querySelectorAll('#messagelist tbody span.subject a span')]"
                           ".filter(e => e.getClientRects().length).map(e => e.innerText)")

    def wait_subjects(self, want):
        kit.wait_until(f"the list {want}", lambda: self.subjects() == want, every=0.1)

    def row(self, subject):
        name = self.b.eval("[...document.querySelectorAll('#messagelist tbody tr')].find("
                           "e => e.innerText.includes(%s)).id" % json.dumps(subject))
        return f'[id="{name}"]'

    def folder(self, name):
        found = self.b.eval("[...document.querySelectorAll('#mailboxlist li')].find("
                            "e => e.innerText.trim().startsWith(%s)).id" % json.dumps(name))
        return f'[id="{found}"] a'

    def until(self, what, action, done, ready=None):
        """As people do: what the page did not hear, because it was busy just then, is done again."""
        for attempt in range(6):
            if ready:
                self.b.wait("the page", ready)
            else:
                self.settled()
            action()
            try:
                return kit.wait_until(what, done, 10, 0.1)
            except kit.Failure:
                expect(attempt < 5, "done six times in vain:", what)

    def enter(self, name, subjects):
        self.until(f"{name} with {subjects}", lambda: self.b.click(self.folder(name)),
                   lambda: self.subjects() == subjects)

    def read(self, subject, text):
        self.until("reading " + subject,
                   lambda: self.b.click(self.row(subject) + " span.subject a span"),
                   lambda: text in self.b.text("#messagecontframe >> body"))

    def delete(self, subject, text):
        self.read(subject, text)
        self.until("deleting " + subject,
                   lambda: self.b.click("#layout-content a.delete:not(.disabled)"),
                   lambda: subject not in str(self.subjects()))

    def flag(self, subject, done):
        self.until("flagging " + subject,
                   lambda: self.b.click(self.row(subject) + " span.flag"), done)

    def move(self, subject, to, left):
        self.until("moving " + subject,
                   lambda: self.b.drag(self.row(subject) + " span.subject a span", self.folder(to)),
                   lambda: self.subjects() == left)

    def search(self, words, want):
        def ask():
            self.b.fill("#mailsearchform", words)
            self.b.press("Enter")
        self.until(f"{words} finds {want}", ask, lambda: self.subjects() == want)

    def search_in_text(self, words, want):
        """The same with the box `Body` ticked."""
        self.b.click("#layout-list .searchbar a.options")
        self.b.click('#searchmenu input[value="body"]')
        self.search(words, want)

    def create_folder(self, name):
        self.b.open(self.web.url + "?_task=settings&_action=folders")
        self.b.click("a.create")
        self.b.fill("#preferences-frame >> input[name=_name]", name)
        self.b.click("#preferences-frame >> button.submit")
        kit.wait_until("the new folder in the list",
                       lambda: name in self.b.text("#subscription-table"), every=0.1)
        self.back()

    def compose(self, to, subject, text):
        self.settled()
        self.b.click("#taskmenu a.compose")
        self.form_is_ready()
        self.b.click("#compose_to ul.recipient-input input")
        self.b.ask("Input.insertText", text=to)
        self.b.fill("#compose-subject", subject)
        self.b.fill("#composebody", text)

    def form_is_ready(self):
        self.b.wait("the form", "typeof rcmail == 'object' && rcmail.env.action == 'compose'"
                                " && !rcmail.busy && document.readyState == 'complete'")

    def attach(self, path):
        self.b.choose_file("input[type=file][name='_attachments[]']", path)
        kit.wait_until("the upload", lambda: os.path.basename(path)
                       in self.b.text("#attachment-list"), every=0.1)
        self.form_is_ready()

    def save_draft(self):
        self.b.click("#toolbar-menu a.save.draft")

    def send(self):
        self.form_is_ready()
        self.b.click("button.send")
        self.settled()

    def show_list(self, column, order, threads):
        """What the dialogue about the list's looks asks of the page."""
        self.settled()
        self.b.eval(f"rcmail.set_list_options(null, '{column}', '{order}', {threads}, null)")

    def search_everywhere(self, words, want):
        self.b.eval("rcmail.set_searchscope('all')")
        self.search(words, want)

    def in_settings(self, name):
        """The folder's row in the settings, chosen."""
        self.b.open(self.web.url + "?_task=settings&_action=folders")
        self.b.wait("the folders", "document.querySelectorAll('#subscription-table li').length > 5"
                                   " && !rcmail.busy")
        row = self.b.eval("[...document.querySelectorAll('#subscription-table li')].find("
                          "e => e.innerText.trim() == %s).id" % json.dumps(name))
        self.until("choosing " + name, lambda: self.b.click(f'[id="{row}"] > a'), lambda: name
                   == self.b.eval("document.querySelector('#preferences-frame').contentDocument"
                                  "?.querySelector('input[name=_name]')?.value || ''"), "!rcmail.busy")

    def rename_folder(self, name, to):
        self.in_settings(name)
        self.b.fill("#preferences-frame >> input[name=_name]", to)
        self.b.click("#preferences-frame >> button.submit")
        kit.wait_until("the new name", lambda: to in self.b.text("#subscription-table"), every=0.1)

    def delete_folder(self, name):
        self.in_settings(name)
        self.b.click("#layout-content a.delete:not(.disabled)")
        self.b.click(".ui-dialog-buttonset button.delete")
        kit.wait_until("the folder to go", lambda: name not in self.b.text("#subscription-table"),
                       every=0.1)

    def back(self):
        self.b.open(self.web.url + "?_task=mail")
        self.settled()


def a_day(p, web, browser, an, binh, _):
    c = p.imap(an)
    mine = Reader(browser, web, an)
    mine.wait_subjects(["Họp giao ban tuần 47", "Re: lich cong tac"])

    # Reading marks it read, the attachment is named, and the other stays new.
    mine.read("Họp giao ban", "dự họp lúc 8 giờ tại phòng họp số 2")
    expect("giấy mời.pdf" in browser.text("#messagecontframe >> body"), "no attachment")
    kit.wait_until("\\Seen", lambda: held(c, "INBOX")
                   == {"Re: lich cong tac": [], "Họp giao ban tuần 47": ["\\Seen"]})

    # Letters are found without their marks, in subjects and in texts.
    mine.search("hop giao ban", ["Họp giao ban tuần 47"])
    mine.search("LỊCH CÔNG", ["Re: lich cong tac"])
    mine.search("khong co thu nay", [])
    mine.search_in_text("kinh moi cac dong chi", ["Họp giao ban tuần 47"])
    browser.click("#layout-list .searchbar a.reset")
    mine.wait_subjects(["Họp giao ban tuần 47", "Re: lich cong tac"])

    mine.flag("Họp giao ban", lambda: "\\Flagged" in held(c, "INBOX")["Họp giao ban tuần 47"])

    mine.create_folder(FOLDER)
    expect(FOLDER in folders(c, "lsub"), "not subscribed:", folders(c, "lsub"))
    mine.wait_subjects(["Họp giao ban tuần 47", "Re: lich cong tac"])
    mine.move("Họp giao ban", FOLDER, ["Re: lich cong tac"])
    kit.wait_until("the move", lambda: held(c, FOLDER)
                   == {"Họp giao ban tuần 47": ["\\Flagged", "\\Seen"]})
    expect(held(c, "INBOX") == {"Re: lich cong tac": []}, "left:", held(c, "INBOX"))

    mine.compose(binh, "Về việc báo cáo quý IV", "Kính gửi chị Bình,\nXin gửi báo cáo.")
    mine.send()
    b = p.imap(binh)
    kit.wait_until("delivery", lambda: held(b, "INBOX") == {"Về việc báo cáo quý IV": []})
    kit.wait_until("the copy among what was sent", lambda: held(c, SENT)
                   == {"Về việc báo cáo quý IV": ["\\Seen"]})
    b.select("INBOX")
    letter = parsed(b.fetch("1", "(BODY.PEEK[])")[1][0][1])
    expect(letter["From"].addresses[0].addr_spec == an and "Xin gửi báo cáo." in
           letter.get_content(), letter)
    b.logout()

    # What comes meanwhile is shown when asked for; deleting puts it into the trash.
    with p.smtp() as s:
        s.sendmail("x@sender.example", [an], b"From: x@sender.example\r\nSubject: moi den\r\n\r\n1\r\n")
    mine.enter("Hộp thư", ["moi den", "Re: lich cong tac"])
    mine.delete("lich cong tac", "khong co gi moi")
    mine.wait_subjects(["moi den"])
    kit.wait_until("the trash", lambda: list(held(c, TRASH)) == ["Re: lich cong tac"])
    mine.enter("Thùng rác", ["Re: lich cong tac"])
    mine.delete("lich cong tac", "khong co gi moi")
    mine.wait_subjects([])
    kit.wait_until("the emptied trash", lambda: not held(c, TRASH))
    mine.enter(FOLDER, ["Họp giao ban tuần 47"])
    c.logout()


def drafts_and_views(p, web, browser, an, binh, tap):
    c = p.imap(an)
    c.append("INBOX", None, None, REPLY)
    c.create(f'"{utf7(FOLDER)}"')
    c.subscribe(f'"{utf7(FOLDER)}"')
    c.append(f'"{utf7(FOLDER)}"', None, None, b"Subject: hop giao ban cu\r\n\r\nx\r\n")
    mine = Reader(browser, web, an)

    mine.show_list("subject", "ASC", 0)
    mine.wait_subjects(["Họp giao ban tuần 47", "Re: Họp giao ban tuần 47", "Re: lich cong tac"])
    mine.show_list("subject", "DESC", 0)
    mine.wait_subjects(["Re: lich cong tac", "Re: Họp giao ban tuần 47", "Họp giao ban tuần 47"])
    expect(tap.said("SORT"), "the page sorted by itself")
    mine.show_list("date", "DESC", 1)
    mine.wait_subjects(["Họp giao ban tuần 47", "Re: lich cong tac"])  # the answer folded away
    expect(tap.said("THREAD"), "the page made threads by itself")
    mine.show_list("date", "DESC", 0)
    mine.search_everywhere("hop giao ban", ["hop giao ban cu", "Re: Họp giao ban tuần 47",
                                            "Họp giao ban tuần 47"])

    path, content = os.path.join(p.dir, "báo cáo.pdf"), os.urandom(1_000_000)
    with open(path, "wb") as f:
        f.write(content)
    mine.back()
    mine.compose(binh, "Dự thảo báo cáo", "Kính gửi chị Bình,")
    mine.attach(path)
    mine.save_draft()
    kit.wait_until("the draft", lambda: held(c, DRAFTS) == {"Dự thảo báo cáo": ["\\Seen"]})
    mine.form_is_ready()
    browser.fill("#composebody", "Kính gửi chị Bình, xin gửi báo cáo.")
    mine.save_draft()  # anew: the one before goes
    kit.wait_until("the second draft alone", lambda: b"(MESSAGES 1 UIDNEXT 3)" in c.status(
        f'"{utf7(DRAFTS)}"', "(MESSAGES UIDNEXT)")[1][0])
    mine.send()
    b = p.imap(binh)
    kit.wait_until("delivery", lambda: held(b, "INBOX") == {"Dự thảo báo cáo": []})
    b.select("INBOX")
    text, report = parsed(b.fetch("1", "(BODY.PEEK[])")[1][0][1]).iter_parts()
    expect(report.get_content() == content and report.get_filename() == "báo cáo.pdf",
           "the attachment changed:", report.get_filename())
    b.logout()
    kit.wait_until("the draft to go", lambda: held(c, DRAFTS) == {})

    mine.rename_folder(FOLDER, "Công văn đi")
    expect(held(c, "Công văn đi").keys() == {"hop giao ban cu"}, held(c, "Công văn đi"))
    mine.delete_folder("Công văn đi")
    kit.wait_until("the folder to go", lambda: "Công văn đi" not in folders(c))
    c.logout()


def visit(what):
    with kit.Province() as p:
        an, binh = p.user("an"), p.user("binh", name="Trần Thị Bình")
        c = p.imap(an)
        for message in (ENGLISH, MEETING):
            expect(c.append("INBOX", None, None, message)[0] == "OK", "APPEND")
        c.logout()
        with Tap(p) as tap, Webmail(p, tap) as web, Browser() as browser:
            what(p, web, browser, an, binh, tap)
            expect(not web.logs(), web.logs())
            tap.expect_only(REFUSALS)
        p.check_store()


def test_a_day_in_the_web_mail():
    visit(a_day)


def test_drafts_views_and_folders():
    visit(drafts_and_views)


kit.run_tests(globals())

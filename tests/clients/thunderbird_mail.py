#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Thunderbird itself: an employee's day in the program most desks of the province have.

The program runs headless with a profile of its own; its own windows and commands do the work, and
imaplib then says what the server has. It speaks COMPRESS, UTF8=ACCEPT, CONDSTORE and IDLE.
"""
import contextlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import certs  # noqa: E402
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import (ARCHIVE, DRAFTS, ENGLISH, MEETING, SENT, TRASH, folders, held,  # noqa: E402
                      parsed, utf7)
from marionette import Thunderbird  # noqa: E402
from tap import Tap  # noqa: E402

FOLDER, CHILD = "Công văn đến", "Sở Nội vụ & khác"
# What Thunderbird asks though it may hear NO, and why that is the right answer.
REFUSALS = {
    r'select "Cha/Con"( \(CONDSTORE\))?':
        "its second connection looks at a folder that its first has just renamed",
}
# In every script: the main window's parts, the account, its folders by name.
COMMON = """
    const win = Services.wm.getMostRecentWindow("mail:3pane");
    const pane = win.document.getElementById("tabmail").currentAbout3Pane;
    const server = MailServices.accounts.allServers.find(s => s.type == "imap");
    const folderNamed = name => server.rootFolder.descendants.find(
        f => f.localizedName == name || f.name == name);
    const subjects = () => {
        const found = [];
        for (let i = 0; pane.gDBView && i < pane.gDBView.rowCount; i++)
            found.push(pane.gDBView.getMsgHdrAt(i).mime2DecodedSubject);
        return found.sort();
    };
"""


def prefs(p, tap, user):
    server, identity, out = "mail.server.server1.", "mail.identity.id1.", "mail.smtpserver.smtp1."
    return {
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.identities": "id1", "mail.account.account1.server": "server1",
        "mail.account.account2.server": "server2",
        "mail.server.server2.type": "none", "mail.server.server2.hostname": "Local Folders",
        "mail.server.server2.userName": "nobody", "mail.server.server2.name": "Local",
        server + "type": "imap", server + "hostname": "localhost", server + "port": tap.port,
        server + "socketType": 3, server + "authMethod": 3, server + "userName": user,
        server + "name": user, server + "login_at_startup": False, server + "check_new_mail": False,
        server + "use_condstore": True, server + "delete_model": 1,
        # else its connections wander through all folders, and leave the one that is shown
        server + "autosync_offline_stores": False, server + "offline_download": False,
        identity + "fullName": "Nguyễn Văn An", identity + "useremail": user,
        identity + "valid": True, identity + "smtpServer": "smtp1",
        identity + "compose_html": False,
        "mail.smtpservers": "smtp1", "mail.smtp.defaultserver": "smtp1", out + "type": "smtp",
        out + "hostname": "localhost", out + "port": p.port["submissions"], out + "try_ssl": 3,
        out + "authMethod": 3, out + "username": user,
    }


class Reader:
    def __init__(self, tb, ca, user):
        self.tb = tb
        with open(ca.ca, encoding="ascii") as f:
            der = "".join(f.read().split("-----")[2].split())
        self.do("""
            Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
                .addCertFromBase64(args[0], "CTu,Cu,Cu");
            for (const scheme of ["imap", "smtp"]) {
                const login = Cc["@mozilla.org/login-manager/loginInfo;1"]
                    .createInstance(Ci.nsILoginInfo);
                const origin = scheme + "://localhost";
                login.init(origin, null, origin, args[1], args[2], "", "");
                await Services.logins.addLoginAsync(login);
            }""", der, user, kit.PASSWORD)

    def do(self, script, *args):
        return self.tb.do(COMMON + script, *args)

    def until(self, what, script, *args):
        return self.tb.wait(what, COMMON + script, *args)

    def names(self):
        return self.do("return server.rootFolder.descendants.map(f => f.name);")

    def discover(self):
        """Logs in and asks for the folders, as choosing the account and unfolding it do."""
        self.do("pane.displayFolder(folderNamed('INBOX').URI); server.performExpand(win.msgWindow);")

    def enter(self, name, subjects):
        """Shows a folder and waits for this list."""
        self.do("pane.displayFolder(folderNamed(args[0]).URI);"
                "folderNamed(args[0]).updateFolder(win.msgWindow);", name)
        self.sees(name, subjects)

    def sees(self, name, want):
        self.until(f"{want} in {name}",
                   "return pane.gFolder == folderNamed(args[0]) && !pane.gViewWrapper.isSearching"
                   " && JSON.stringify(subjects()) == JSON.stringify(args[1].sort());", name, want)

    def choose(self, subject):
        """Selects a message, which shows it."""
        self.do("""
            for (let i = 0; i < pane.gDBView.rowCount; i++)
                if (pane.gDBView.getMsgHdrAt(i).mime2DecodedSubject == args[0])
                    pane.threadTree.selectedIndex = i;""", subject)

    def read(self, subject, text):
        self.choose(subject)
        self.until("reading " + subject, """
            const inner = pane.messageBrowser.contentWindow;
            const body = inner.getMessagePaneBrowser().contentDocument.body;
            return body && body.textContent.includes(args[0]);""", text)

    def attachments(self):
        return self.do("return [...pane.messageBrowser.contentWindow.document.querySelectorAll("
                       "'#attachmentList .attachmentcell-name')].map(e => e.textContent)"
                       ".concat(pane.messageBrowser.contentWindow.currentAttachments"
                       ".map(a => a.name));")

    def command(self, name, folder=None):
        """A command as the menu gives it, on the message chosen."""
        self.do("if (args[1]) pane.commandController.doCommand(args[0], folderNamed(args[1]));"
                "else pane.commandController.doCommand(args[0]);", name, folder)

    def search(self, folder, attribute, words):
        """Subjects the server finds: the dialogue Search Messages with `on server` ticked."""
        return self.do("""
            const session = Cc["@mozilla.org/messenger/searchSession;1"]
                .createInstance(Ci.nsIMsgSearchSession);
            const term = session.createTerm();
            term.attrib = Ci.nsMsgSearchAttrib[args[1]];
            term.op = Ci.nsMsgSearchOp.Contains;
            const value = term.value;
            value.attrib = term.attrib;
            value.str = args[2];
            term.value = value;
            term.booleanAnd = true;
            session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folderNamed(args[0]));
            session.appendTerm(term);
            const found = [];
            await new Promise((resolve, reject) => {
                session.registerListener({
                    onSearchHit: header => found.push(header.mime2DecodedSubject),
                    onSearchDone: status => status ? reject(status) : resolve(),
                    onNewSearch() {},
                });
                session.search(win.msgWindow);
            });
            return found.sort();""", folder, attribute, words)

    def compose(self, to, subject, text, path):
        """A letter in the compose window, as plain text, with the file at PATH."""
        self.do("""
            const fields = Cc["@mozilla.org/messengercompose/composefields;1"]
                .createInstance(Ci.nsIMsgCompFields);
            Object.assign(fields, {to: args[0], subject: args[1], body: args[2]});
            const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
            file.initWithPath(args[3]);
            const attachment = Cc["@mozilla.org/messengercompose/attachment;1"]
                .createInstance(Ci.nsIMsgAttachment);
            Object.assign(attachment, {url: Services.io.newFileURI(file).spec, name: file.leafName,
                size: file.fileSize});
            fields.addAttachment(attachment);
            const params = Cc["@mozilla.org/messengercompose/composeparams;1"]
                .createInstance(Ci.nsIMsgComposeParams);
            Object.assign(params, {composeFields: fields, format: Ci.nsIMsgCompFormat.PlainText,
                identity: MailServices.accounts.defaultAccount.defaultIdentity});
            MailServices.compose.OpenComposeWindowWithParams(null, params);""", to, subject, text, path)
        self.until("the compose window", """
            const compose = Services.wm.getMostRecentWindow("msgcompose");
            return compose && compose.gMsgCompose && compose.document.readyState == "complete"
                && compose.gMsgCompose.editor && compose.gAttachmentBucket.itemCount == 1
                && compose.document.getElementById("msgSubject").value == args[0]
                && compose.gMsgCompose.editor.document.body.textContent.includes(args[1])
                && compose.defaultController.isCommandEnabled("cmd_sendNow");""", subject,
                   text.split("\n")[0])

    def save_draft(self, done):
        """A window that is just opening may not hear it: what has no effect is done again."""
        for _ in range(4):
            self.do("Services.wm.getMostRecentWindow('msgcompose').goDoCommand('cmd_saveAsDraft');")
            with contextlib.suppress(kit.Failure):
                return kit.wait_until("the draft", done, 20)
        raise kit.Failure("no draft was saved")

    def send(self):
        self.until("saving to end", """
            return Services.wm.getMostRecentWindow("msgcompose")
                .defaultController.isCommandEnabled("cmd_sendNow");""")
        self.do("Services.wm.getMostRecentWindow('msgcompose').goDoCommand('cmd_sendNow');")
        self.until("the letter goes", "return !Services.wm.getMostRecentWindow('msgcompose');")


def a_day(p, tap, mine, an, binh):
    c = p.imap(an)
    mine.discover()
    kit.wait_until("the folders", lambda: {SENT, TRASH, DRAFTS, ARCHIVE} <= set(mine.names()))
    mine.enter("INBOX", ["Họp giao ban tuần 47", "lich cong tac"])

    mine.read("Họp giao ban tuần 47", "dự họp lúc 8 giờ tại phòng họp số 2")
    expect("giấy mời.pdf" in mine.attachments(), mine.attachments())
    kit.wait_until("\\Seen", lambda: held(c, "INBOX")
                   == {"Re: lich cong tac": [], "Họp giao ban tuần 47": ["\\Seen"]})

    for attribute, words, want in (
            ("Subject", "hop giao ban", ["Họp giao ban tuần 47"]),
            ("Subject", "HỌP GIAO", ["Họp giao ban tuần 47"]),
            ("Sender", "tran thi", ["Họp giao ban tuần 47", "lich cong tac"]),
            ("Body", "kinh moi cac dong chi", ["Họp giao ban tuần 47"]),
            ("Body", "không có gì mới", ["lich cong tac"]),
            ("Subject", "không có thư này", [])):
        found = mine.search("INBOX", attribute, words)
        expect(found == want, "search", attribute, words, "->", found)

    mine.command("cmd_markAsFlagged")
    mine.do("pane.gDBView.hdrForFirstSelectedMessage.folder.addKeywordsToMessages("
            "[pane.gDBView.hdrForFirstSelectedMessage], '$label1');")
    kit.wait_until("\\Flagged", lambda: held(c, "INBOX")["Họp giao ban tuần 47"]
                   == ["$label1", "\\Flagged", "\\Seen"])

    # Folders of several levels, with `&`, and a message moved there.
    mine.do("server.rootFolder.createSubfolder(args[0], win.msgWindow);", FOLDER)
    mine.until("the folder", "return !!folderNamed(args[0]);", FOLDER)
    mine.do("folderNamed(args[0]).createSubfolder(args[1], win.msgWindow);", FOLDER, CHILD)
    mine.until("the folder below", "return !!folderNamed(args[0]);", CHILD)
    expect({FOLDER, f"{FOLDER}/{CHILD}"} <= set(folders(c)), folders(c))
    mine.command("cmd_moveMessage", CHILD)
    kit.wait_until("the move", lambda: held(c, f"{FOLDER}/{CHILD}") == {
        "Họp giao ban tuần 47": ["$label1", "\\Flagged", "\\Seen"]})
    expect(held(c, "INBOX").keys() == {"Re: lich cong tac"}, held(c, "INBOX"))

    path, content = os.path.join(p.dir, "báo cáo quý IV.pdf"), os.urandom(2_000_000)
    with open(path, "wb") as f:
        f.write(content)
    mine.compose(binh, "Về việc báo cáo quý IV", "Kính gửi chị Bình,\nXin gửi báo cáo.\n", path)
    mine.save_draft(lambda: held(c, DRAFTS).get("Về việc báo cáo quý IV"))
    mine.send()
    b = p.imap(binh)
    kit.wait_until("delivery", lambda: held(b, "INBOX") == {"Về việc báo cáo quý IV": []})
    b.select("INBOX")
    letter = parsed(b.fetch("1", "(BODY.PEEK[])")[1][0][1])
    text, report = letter.iter_parts()
    expect(letter["From"].addresses[0].addr_spec == an
           and "Xin gửi báo cáo." in text.get_content(), text)
    expect(report.get_content() == content and report.get_filename() == os.path.basename(path),
           "the attachment changed:", report.get_filename())
    b.logout()
    kit.wait_until("the draft to go", lambda: held(c, DRAFTS) == {})
    kit.wait_until("the copy among what was sent",
                   lambda: held(c, SENT) == {"Về việc báo cáo quý IV": ["\\Seen"]})

    # What comes, and what others change, shows by itself: IDLE.
    mine.enter("INBOX", ["lich cong tac"])
    kit.wait_until("Thunderbird to idle there", lambda: tap.idles_in("INBOX"))
    with p.smtp() as s:
        s.sendmail("x@sender.example", [an], b"From: x@sender.example\r\nSubject: moi den\r\n\r\n1\r\n")
    mine.sees("INBOX", ["moi den", "lich cong tac"])
    c.select("INBOX")
    c.store("2", "+FLAGS", r"(\Flagged)")
    c.close()
    mine.until("the other's flag", """
        for (let i = 0; i < pane.gDBView.rowCount; i++) {
            const header = pane.gDBView.getMsgHdrAt(i);
            if (header.mime2DecodedSubject == "moi den") return header.isFlagged;
        }""")

    mine.choose("lich cong tac")
    mine.command("cmd_deleteMessage")
    mine.sees("INBOX", ["moi den"])
    kit.wait_until("the trash", lambda: held(c, TRASH).keys() == {"Re: lich cong tac"})

    # Away and back: what happened meanwhile is there at once.
    mine.do("Services.io.offline = true; server.closeCachedConnections();")
    c.select("INBOX")
    c.store("1", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.append("INBOX", r"(\Answered)", None, b"Subject: khi vang\r\n\r\nx\r\n")
    c.close()
    mine.do("Services.io.offline = false;")
    mine.enter("INBOX", ["khi vang"])
    c.logout()
    for capability in ("COMPRESS DEFLATE", "ENABLE UTF8=ACCEPT", "IDLE", "CHANGEDSINCE"):
        expect(tap.said(capability), "was not used:", capability)


@contextlib.contextmanager
def desk(change=None, **more):
    """A province, An's Thunderbird in it, and the tap between; CHANGE(p, an, binh) comes before."""
    kit.need_program("thunderbird")
    with tempfile.TemporaryDirectory() as folder:
        ca = certs.Authority(folder)
        pair = ca.issue("localhost")
        with kit.Province(main={"tls_cert": pair[0], "tls_key": pair[1]}) as p:
            p.ca, p.host = ca.ca, "localhost"
            an, binh = p.user("an"), p.user("binh")
            if change:
                change(p, an, binh)
            with Tap(p, pair=pair) as tap, \
                    Thunderbird({**prefs(p, tap, an), **more}) as tb:
                yield p, tap, Reader(tb, ca, an), an, binh
                tap.expect_only(REFUSALS)
            p.check_store()


def two_letters(p, an, binh):
    c = p.imap(an)
    for message in (ENGLISH, MEETING):
        expect(c.append("INBOX", None, None, message)[0] == "OK", "APPEND")
    c.logout()


def delegated(p, an, binh):
    b = p.imap(binh)
    b.append("INBOX", None, None, MEETING)
    b.create(f'"{utf7(FOLDER)}"')
    b.logout()
    p.ask("imapd", "delegate.add", owner=binh, delegate=an, rights="full")


def test_oss_02_a_day_in_thunderbird():
    with desk(two_letters) as (p, tap, mine, an, binh):
        a_day(p, tap, mine, an, binh)


def test_a_box_of_another_that_was_delegated():
    with desk(delegated, **{"mail.server.server1.using_subscription": False}) as (p, _, mine, _, binh):
        c = p.imap(binh)
        mine.discover()
        kit.wait_until("the folders", lambda: SENT in mine.names())
        uri = mine.until("the delegated box", """
            const found = server.rootFolder.descendants.find(
                f => f.parent.name == args[0] && f.name.toUpperCase() == "INBOX");
            return found && found.URI;""", binh)
        mine.do("pane.displayFolder(args[0]); MailUtils.getExistingFolder(args[0])"
                ".updateFolder(win.msgWindow);", uri)
        mine.until("its letter", "return subjects().includes('Họp giao ban tuần 47');")
        mine.read("Họp giao ban tuần 47", "dự họp lúc 8 giờ tại phòng họp số 2")
        mine.command("cmd_markAsFlagged")
        kit.wait_until("the mark, and not \\Seen, which is by person", lambda: held(c, "INBOX")
                       == {"Họp giao ban tuần 47": ["\\Flagged"]})
        c.logout()


def many(p, an, binh):
    c = kit.RawImap(p, an)
    for at in range(0, 1000, 250):
        tag = b"f%d" % at
        c.send(tag + b" APPEND INBOX" + b"".join(
            b" {%d+}\r\n%s" % (len(m), m) for m in (
                f"From: nguoi{i}@x.example\r\nSubject: thu {i:04}\r\nMessage-ID: <{i}@x>\r\n\r\n"
                f"{'noi dung ' * 20}\r\n".encode() for i in range(at, at + 250))) + b"\r\n")
        expect(c.finish(tag)[1].startswith(tag + b" OK"), "APPEND failed")
    c.close()


def test_much_at_once():
    """A thousand messages: marked, moved, deleted whole; a folder with children renamed."""
    with desk(many) as (p, _, mine, an, binh):
        c = p.imap(an)

        def count(folder, what="MESSAGES"):
            answer = c.status(f'"{utf7(folder)}"', f"({what})")[1][0]
            return int(answer.rpartition(what.encode() + b" ")[2].rstrip(b")"))
        mine.discover()
        kit.wait_until("the folders", lambda: {ARCHIVE, TRASH} <= set(mine.names()))
        mine.do("pane.displayFolder(folderNamed('INBOX').URI);")
        mine.until("the list", "return pane.gDBView && pane.gDBView.rowCount == 1000;")
        mine.do("folderNamed('INBOX').markAllMessagesRead(win.msgWindow);")
        kit.wait_until("all read", lambda: count("INBOX", "UNSEEN") == 0)
        # every other one, so that the set of numbers is long
        mine.do("""
            const chosen = [];
            for (let i = 0; i < 1000; i += 2) chosen.push(pane.gDBView.getMsgHdrAt(i));
            MailServices.copy.copyMessages(folderNamed("INBOX"), chosen, folderNamed(args[0]), true,
                null, win.msgWindow, false);""", ARCHIVE)
        kit.wait_until("the move", lambda: (count("INBOX"), count(ARCHIVE)) == (500, 500))
        mine.until("the list", "return pane.gDBView.rowCount == 500;")

        mine.do("server.rootFolder.createSubfolder('Cha', win.msgWindow);")
        mine.until("the folder", "return !!folderNamed('Cha');")
        mine.do("folderNamed('Cha').createSubfolder('Con', win.msgWindow);")
        mine.until("the folder below", "return !!folderNamed('Con');")
        mine.do("""
            const chosen = [];
            for (let i = 0; i < 500; i++) chosen.push(pane.gDBView.getMsgHdrAt(i));
            MailServices.copy.copyMessages(folderNamed("INBOX"), chosen, folderNamed("Con"), false,
                null, win.msgWindow, false);""")
        kit.wait_until("the copy", lambda: (count("INBOX"), count("Cha/Con")) == (500, 500))
        mine.do("folderNamed('Cha').rename(args[0], win.msgWindow);", FOLDER)
        kit.wait_until("the rename", lambda: f"{FOLDER}/Con" in folders(c))
        expect("Cha" not in str(folders(c)) and count(f"{FOLDER}/Con") == 500, folders(c))
        mine.until("the folder renamed", "return !!folderNamed(args[0]) && !!folderNamed('Con');", FOLDER)
        # a folder deleted goes into the trash, with what is in it; then the trash is emptied
        mine.do("folderNamed(args[0]).deleteSelf(win.msgWindow);", FOLDER)
        kit.wait_until("the deletion", lambda: FOLDER not in folders(c))
        expect(count(f"{TRASH}/{FOLDER}/Con") == 500, folders(c))
        mine.do("folderNamed(args[0]).emptyTrash(null);", TRASH)
        kit.wait_until("the emptied trash", lambda: "Con" not in str(folders(c)))
        expect(count("INBOX") == 500 and count(ARCHIVE) == 500, "left")
        c.logout()


kit.run_tests(globals())

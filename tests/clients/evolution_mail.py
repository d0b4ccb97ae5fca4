#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Camel, the library with which Evolution reads and sends mail: its IMAPX and SMTP providers.

Evolution's window needs a desktop; what talks to servers is this library, and it is the same code. It
speaks QRESYNC, NOTIFY, UTF8=ACCEPT and LIST with STATUS as few others do.
"""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import ENGLISH, MEETING, TRASH, folders, held, parsed, utf7  # noqa: E402
from tap import Tap  # noqa: E402

PROVIDERS = "/usr/lib/evolution-data-server/camel-providers"
os.environ["GIO_USE_NETWORK_MONITOR"] = "base"  # no desktop that would know
try:
    import gi
    gi.require_version("Camel", "1.2")
    from gi.repository import Camel, Gio, GLib
except (ImportError, ValueError):
    kit.skip("python3-gi or gir1.2-camel-1.2 is not installed (./dev setup desktop)")
if not os.path.exists(PROVIDERS + "/libcamelimapx.so"):
    kit.skip("evolution-data-server is not installed (./dev setup desktop)")

FOLDER, CHILD = "Công văn đến", "Sở Nội vụ & khác"
# What Camel asks though it may hear NO, and why that is the right answer.
REFUSALS = {}


class PtrArray(ctypes.Structure):
    """GPtrArray. Camel's lists of uids are of shared strings, which PyGObject would free."""
    _fields_ = [("data", ctypes.POINTER(ctypes.c_char_p)), ("count", ctypes.c_uint)]

    def strings(self):
        return [self.data[i].decode() for i in range(self.count)]


def c_function(name, result, *arguments):
    function = getattr(LIBRARY, name)
    function.restype, function.argtypes = result, arguments
    return function


LIBRARY = ctypes.CDLL("libcamel-1.2.so.64")
POINTER, ARRAY = ctypes.c_void_p, ctypes.POINTER(PtrArray)
GET_UIDS = c_function("camel_folder_get_uids", ARRAY, POINTER)
FREE_UIDS = c_function("camel_folder_free_uids", None, POINTER, ARRAY)
SEARCH = c_function("camel_folder_search_by_expression", ARRAY, POINTER, ctypes.c_char_p, POINTER,
                    POINTER)
SEARCH_FREE = c_function("camel_folder_search_free", None, POINTER, ARRAY)
TRANSFER = c_function("camel_folder_transfer_messages_to_sync", ctypes.c_int, POINTER, ARRAY, POINTER,
                      ctypes.c_int, POINTER, POINTER, POINTER)


class Session(Camel.Session):
    """Answers what Evolution would ask its user."""

    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(kit.PASSWORD)
        return service.authenticate_sync(mechanism, cancellable) \
            == Camel.AuthenticationResult.ACCEPTED

    def do_trust_prompt(self, service, certificate, errors):
        return Camel.CertTrust.TEMPORARY

    def do_get_filter_driver(self, kind, for_folder):
        return None


class Reader:
    def __init__(self, p, tap, user):
        home = os.path.join(p.dir, "camel")
        Camel.init(home, False)
        Camel.provider_init()
        self.session = Session(user_data_dir=home + "/data", user_cache_dir=home + "/cache")
        self.session.set_online(True)
        self.store = self.service("in", "imapx", Camel.ProviderType.STORE, tap.port, user)
        self.store.set_online_sync(True, None)
        self.transport = self.service("out", "smtp", Camel.ProviderType.TRANSPORT,
                                      p.port["submissions"], user)
        self.user = user

    def service(self, name, kind, how, port, user):
        service = self.session.add_service(name, kind, how)
        settings = service.ref_settings()
        for key, value in (("host", "localhost"), ("port", port), ("user", user),
                           ("auth-mechanism", "PLAIN"),
                           ("security-method",
                            Camel.NetworkSecurityMethod.SSL_ON_ALTERNATE_PORT)):
            settings.set_property(key, value)
        if kind == "imapx":
            settings.set_property("use-qresync", True)
            settings.set_property("use-idle", True)
        return service

    def connect(self):
        self.store.connect_sync(None)
        self.store.get_folder_info_sync(None, Camel.StoreGetFolderInfoFlags.RECURSIVE, None)

    def folder(self, name):
        folder = self.store.get_folder_sync(name, 0, None)
        folder.refresh_info_sync(None)
        return folder

    @staticmethod
    def uids(folder):
        """Each subject's uid."""
        array = GET_UIDS(hash(folder))  # PyGObject's hash is the object's address
        uids = array.contents.strings()
        FREE_UIDS(hash(folder), array)
        return {folder.get_message_info(uid).get_subject(): uid for uid in uids}

    def waits_for(self, folder, what, check):
        """Until news comes by itself; what the library does in its main loop is done here."""
        def done():
            while GLib.MainContext.default().iteration(False):
                pass
            return check(self.uids(folder))
        kit.wait_until(what, done, every=0.1)

    @staticmethod
    def text(folder, uid):
        stream = Gio.MemoryOutputStream.new_resizable()
        folder.get_message_sync(uid, None).write_to_output_stream_sync(stream, None)
        stream.close(None)
        return stream.steal_as_bytes().get_data()

    def search(self, folder, expression):
        names = {uid: subject for subject, uid in self.uids(folder).items()}
        array = SEARCH(hash(folder), expression.encode(), None, None)
        expect(array, "search failed:", expression)
        found = array.contents.strings()
        SEARCH_FREE(hash(folder), array)
        return sorted(names[uid] for uid in found)

    def create(self, parent, name):
        self.store.create_folder_sync(parent, name, None)

    def move(self, folder, uid, to):
        chosen = PtrArray((ctypes.c_char_p * 1)(uid.encode()), 1)
        target = self.folder(to)
        expect(TRANSFER(hash(folder), ctypes.byref(chosen), hash(target), True, None, None, None),
               "the move failed")
        folder.synchronize_sync(False, None)

    def mark(self, folder, uid, flags=0, user_flag=None):
        info = folder.get_message_info(uid)
        info.set_flags(flags, flags)
        if user_flag:
            info.set_user_flag(user_flag, True)
        folder.synchronize_sync(False, None)

    def send(self, to, subject, text):
        message = Camel.MimeMessage.new()
        sender, target = Camel.InternetAddress.new(), Camel.InternetAddress.new()
        sender.add("Nguyễn Văn An", self.user)
        target.add("", to)
        message.set_from(sender)
        message.set_recipients(Camel.RECIPIENT_TYPE_TO, target)
        message.set_subject(subject)
        message.set_content(text.encode(), "text/plain; charset=utf-8")
        message.set_encoding(Camel.TransferEncoding.ENCODING_QUOTEDPRINTABLE)
        self.transport.connect_sync(None)
        self.transport.send_to_sync(message, sender, target, None)
        self.transport.disconnect_sync(True, None)


def a_day(p, tap, an, binh):
    c, mine = p.imap(an), Reader(p, tap, an)
    mine.connect()
    inbox = mine.folder("INBOX")
    uids = mine.uids(inbox)
    expect(uids.keys() == {"Họp giao ban tuần 47", "Re: lich cong tac"}, uids)
    meeting = uids["Họp giao ban tuần 47"]
    letter = parsed(mine.text(inbox, meeting))
    parts = list(letter.iter_parts())
    expect("dự họp lúc 8 giờ" in parts[0].get_content()
           and parts[1].get_filename() == "giấy mời.pdf", letter)

    expect(mine.search(inbox, '(match-all (body-contains "kinh moi cac dong chi"))')
           == ["Họp giao ban tuần 47"], "search in texts")
    expect(mine.search(inbox, '(match-all (header-contains "subject" "lich cong"))')
           == ["Re: lich cong tac"], "search in subjects")

    mine.mark(inbox, meeting, Camel.MessageFlags.SEEN | Camel.MessageFlags.FLAGGED, "$Label1")
    expect(held(c, "INBOX") == {"Re: lich cong tac": [],
                                "Họp giao ban tuần 47": ["$Label1", "\\Flagged", "\\Seen"]},
           held(c, "INBOX"))
    mine.create("", FOLDER)
    mine.create(FOLDER, CHILD)
    expect({FOLDER, f"{FOLDER}/{CHILD}"} <= set(folders(c)), folders(c))
    mine.move(inbox, meeting, f"{FOLDER}/{CHILD}")
    expect(held(c, f"{FOLDER}/{CHILD}") == {
        "Họp giao ban tuần 47": ["$Label1", "\\Flagged", "\\Seen"]}, held(c, f"{FOLDER}/{CHILD}"))
    expect(held(c, "INBOX") == {"Re: lich cong tac": []}, held(c, "INBOX"))
    inbox.refresh_info_sync(None)

    mine.send(binh, "Về việc báo cáo quý IV", "Kính gửi chị Bình,\nXin gửi báo cáo.\n")
    b = p.imap(binh)
    kit.wait_until("delivery", lambda: held(b, "INBOX") == {"Về việc báo cáo quý IV": []})
    b.logout()

    # What comes, changes and goes is told by itself.
    with p.smtp() as s:
        s.sendmail("x@sender.example", [an], b"From: x@sender.example\r\nSubject: moi den\r\n\r\n1\r\n")
    mine.waits_for(inbox, "new mail", lambda uids: "moi den" in uids)
    c.select("INBOX")
    c.store("2", "+FLAGS", r"(\Flagged)")
    c.unselect()
    mine.waits_for(inbox, "the other's flag", lambda uids: inbox.get_message_info(
        uids["moi den"]).get_flags() & Camel.MessageFlags.FLAGGED)
    c.select("INBOX")
    c.store("1", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.unselect()
    mine.waits_for(inbox, "the other's deletion", lambda uids: uids.keys() == {"moi den"})

    # Away and back.
    mine.store.disconnect_sync(True, None)
    c.select("INBOX")
    c._simple_command("MOVE", "1", f'"{utf7(TRASH)}"')
    c.unselect()
    c.append("INBOX", r"(\Answered)", None, b"Subject: khi vang\r\n\r\nx\r\n")
    mine.store.connect_sync(None)
    inbox.refresh_info_sync(None)
    mine.waits_for(inbox, "what happened meanwhile", lambda uids: uids.keys() == {"khi vang"})
    mine.mark(inbox, mine.uids(inbox)["khi vang"], Camel.MessageFlags.DELETED)
    inbox.expunge_sync(None)
    expect(held(c, "INBOX") == {}, held(c, "INBOX"))
    mine.store.disconnect_sync(True, None)
    c.logout()
    for capability in ("NOTIFY SET", "ENABLE UTF8=ACCEPT", r"QRESYNC", "RETURN .*STATUS"):
        expect(tap.said(capability), "was not used:", capability)


def test_oss_02_a_day_with_evolutions_library():
    with kit.Province() as p, Tap(p) as tap:
        an, binh = p.user("an"), p.user("binh")
        c = p.imap(an)
        for message in (ENGLISH, MEETING):
            expect(c.append("INBOX", None, None, message)[0] == "OK", "APPEND")
        c.logout()
        a_day(p, tap, an, binh)
        tap.expect_only(REFUSALS)
        p.check_store()


kit.run_tests(globals())

# SPDX-License-Identifier: MPL-2.0
"""Thunderbird, headless, driven by Marionette: scripts run in its own windows.

The protocol is JSON over TCP, each packet with its length in front. Scripts get what a piece of
Thunderbird's own interface has (MailServices, Services, window, tabs) and give back plain data.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import kit
import ports
from kit import expect

# Nothing of this reaches the network: no updates, no reports, no start page, no guesses about servers.
QUIET = {
    "app.update.enabled": False, "app.update.auto": False, "toolkit.telemetry.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False, "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False, "mailnews.start_page.enabled": False,
    "mailnews.start_page.url": "", "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "services.settings.server": "data:,none",
    "mail.provider.enabled": False, "mail.instrumentation.postUrl": "", "mail.rights.version": 1,
    "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
    "mail.shell.checkDefaultClient": False, "mail.spellcheck.inline": False,
    "mail.biff.show_alert": False, "mail.biff.play_sound": False, "mail.inappnotifications.enabled": False,
    "app.donation.eoy.version.viewed": 9999, "browser.cache.disk.enable": False,
    "security.OCSP.enabled": 0, "mail.purge.ask": False, "mail.warn_on_send_accel_key": False,
    "network.proxy.type": 0, "geo.enabled": False, "calendar.timezone.local": "Asia/Ho_Chi_Minh",
    "mail.default_send_format": 1, "mail.compose.attachment_reminder": False,
    "mailnews.confirm.moveFoldersToTrash": False,
}


class Thunderbird:
    """PREFS go into the profile's user.js over QUIET."""

    def __init__(self, prefs):
        program = kit.need_program("thunderbird")
        self.home = tempfile.mkdtemp(prefix="congvu-thunderbird-")
        profile = os.path.join(self.home, "profile")
        # Its letters pass through files there, with the same names in every Thunderbird.
        temporary = os.path.join(self.home, "tmp")
        os.mkdir(profile)
        os.mkdir(temporary)
        self.port = ports.free_port()
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as f:
            for name, value in {**QUIET, "marionette.port": self.port, **prefs}.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DBUS_"))}
        with open(os.path.join(self.home, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [program, "--headless", "--marionette", "--remote-allow-system-access",
                 "--no-remote", "--profile", profile],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**env, "HOME": self.home, "TMPDIR": temporary, "LANG": "C.UTF-8",
                     "MOZ_CRASHREPORTER_DISABLE": "1"})
        self.sock, self.number = None, 0
        kit.wait_until("Thunderbird listens", self._connect, secs=2 * kit.PATIENCE, every=0.2)
        self._packet()  # its greeting
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {
            "unhandledPromptBehavior": "ignore"}}})
        self.ask("Marionette:SetContext", {"value": "chrome"})
        self.ask("WebDriver:SetTimeouts", {"script": kit.PATIENCE * 1000})

    def _connect(self):
        expect(self.process.poll() is None, "thunderbird ended:", self.log())
        try:
            self.sock = socket.create_connection(("127.0.0.1", self.port), 2 * kit.PATIENCE)
        except OSError:
            return False
        self.file = self.sock.makefile("rb")
        return True

    def log(self):
        with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as f:
            return "".join(line for line in f if "tk" not in line and line.strip())[-3000:]

    def _packet(self):
        size = b""
        while not size.endswith(b":"):
            one = self.file.read(1)
            expect(one, "thunderbird went away:", self.log())
            size += one
        return json.loads(self.file.read(int(size[:-1])))

    def ask(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.sock.sendall(b"%d:%s" % (len(text), text))
        while True:
            answer = self._packet()
            if answer[:2] == [1, self.number]:
                expect(not answer[2], command, answer[2])
                return answer[3]

    def do(self, script, *args):
        """Runs the body of an async function with `args`; what it returns. A throw fails."""
        wrapped = """
            const done = arguments[arguments.length - 1];
            const args = [...arguments].slice(0, -1);
            const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
            const {MailUtils} = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
            (async () => { %s })().then(value => done({value}),
                fault => done({fault: String(fault) + " " + (fault && fault.stack)}));
        """ % script
        answer = self.ask("WebDriver:ExecuteAsyncScript",
                          {"script": wrapped, "args": list(args), "sandbox": "system",
                           "newSandbox": True})["value"]
        expect("fault" not in answer, script, "->", answer.get("fault"))
        return answer.get("value")

    def wait(self, what, script, *args):
        return kit.wait_until(what, lambda: self.do(script, *args), every=0.2)

    def close(self):
        if self.sock:
            self.sock.close()
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
                self.process.wait(20)
                break
            except (subprocess.TimeoutExpired, ProcessLookupError):
                continue
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.log())
        self.close()

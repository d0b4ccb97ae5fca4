# SPDX-License-Identifier: MPL-2.0
"""Chromium, headless, driven over its DevTools pipe: real clicks and keys in a real page.

No driver program and no port: requests go down one pipe as JSON with a NUL behind, answers and events
come up another.
"""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

import kit
from kit import expect

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
         "--disable-extensions", "--no-proxy-server", "--remote-debugging-pipe", "--lang=vi",
         "--window-size=1400,1000"]
KEYS = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, ""), "Delete": ("Delete", 46, "")}


class Browser:
    def __init__(self):
        program = kit.need_program("chromium")
        self.profile = tempfile.mkdtemp(prefix="congvu-chromium-")
        self.out, theirs_in = self._pipe(lambda ends: reversed(ends))
        self.back, theirs_out = self._pipe(lambda ends: ends)
        with open(os.path.join(self.profile, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", program, *FLAGS,
                 "--user-data-dir=" + self.profile, "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs_in, theirs_out], start_new_session=True,
                env={**os.environ, "HOME": self.profile})
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.read, self.errors = 0, b"", []
        page = [t for t in self.ask("Target.getTargets", at=None)["targetInfos"]
                if t["type"] == "page"][0]
        self.session = self.ask("Target.attachToTarget", at=None, targetId=page["targetId"],
                                flatten=True)["sessionId"]
        for domain in ("Page", "Runtime"):
            self.ask(domain + ".enable")

    @staticmethod
    def _pipe(order):
        """Our end and theirs, which is far from the descriptors 3 and 4 that it will become."""
        ours, theirs = order(os.pipe())
        far = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, 60)
        os.close(theirs)
        return ours, far

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            try:
                print("the page says:", self.eval("document.body.innerText")[:3000], self.errors)
            except Exception as fault:  # the first fault is the one to tell
                print("no page to show:", fault)
        self.close()

    def close(self):
        os.close(self.out)
        os.close(self.back)
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        shutil.rmtree(self.profile, ignore_errors=True)

    def _next(self, secs):
        end = time.monotonic() + secs
        while b"\0" not in self.read:
            expect(select.select([self.back], [], [], max(0, end - time.monotonic()))[0],
                   "chromium does not answer")
            data = os.read(self.back, 1 << 20)
            expect(data, "chromium went away")
            self.read += data
        one, _, self.read = self.read.partition(b"\0")
        return json.loads(one)

    def ask(self, method, at="page", secs=kit.PATIENCE, **params):
        """One request, its result; AT None is the browser itself."""
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if at:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while True:
            answer = self._next(secs)
            if answer.get("id") == self.number:
                expect("error" not in answer, method, answer.get("error"))
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"].get("text"))
            if answer.get("method") == "Page.javascriptDialogOpening":
                self.number += 1
                os.write(self.out, json.dumps(
                    {"id": self.number, "sessionId": self.session,
                     "method": "Page.handleJavaScriptDialog",
                     "params": {"accept": True}}).encode() + b"\0")

    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.wait("the page", "document.readyState == 'complete'")

    def text(self, selector):
        """What is read there; empty when it is not there (yet)."""
        document, inner, _ = self._find(selector)
        return self.eval(f"(() => {{ try {{ return {document}.querySelector({inner}).innerText; }}"
                         " catch (e) { return ''; } })()") or ""

    def wait_text(self, selector, text):
        kit.wait_until(f"{text!r} in {selector}", lambda: text in self.text(selector), every=0.1)

    def eval(self, script):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True,
                          awaitPromise=True)
        expect("exceptionDetails" not in answer, script, answer)
        return answer["result"].get("value")

    def wait(self, what, script, secs=kit.PATIENCE):
        """Until SCRIPT is true in the page; a page that is just changing is asked again."""
        def true():
            try:
                return self.eval(script)
            except kit.Failure as fault:
                if "went away" in str(fault) or "does not answer" in str(fault):
                    raise
                return None
        return kit.wait_until(what, true, secs, 0.1)

    @staticmethod
    def _find(selector):
        """Of "FRAME >> SELECTOR" or SELECTOR: script for the document it is in, and the selector."""
        frame, _, inner = selector.rpartition(" >> ")
        document = "document.querySelector(%s).contentDocument" % json.dumps(frame) if frame \
            else "document"
        return document, json.dumps(inner), json.dumps(frame)

    def _middle(self, selector):
        """Where the first visible element is, once it stays there."""
        document, inner, frame = self._find(selector)
        script = f"""(() => {{
            const e = [...{document}.querySelectorAll({inner})].find(e => e.getClientRects().length);
            if (!e) return null;
            e.scrollIntoView({{block: 'nearest'}});
            const r = e.getBoundingClientRect();
            const f = {frame} ? document.querySelector({frame}).getBoundingClientRect() : {{left: 0, top: 0}};
            return [f.left + r.left + r.width / 2, f.top + r.top + r.height / 2];
        }})()"""
        before, end = None, time.monotonic() + kit.PATIENCE
        while True:
            try:
                now = self.eval(script)
            except kit.Failure:
                now = None  # a frame that is just loading
            if now and now == before:
                return now
            before = now
            expect(time.monotonic() < end, "not in the page:", selector)
            time.sleep(0.1)

    def click(self, selector, button="left", count=1):
        x, y = self._middle(selector)
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for number in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button,
                         clickCount=number)

    def drag(self, source, target):
        (x, y), (to_x, to_y) = self._middle(source), self._middle(target)
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.ask("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
        for step in range(1, 11):
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1,
                     x=x + (to_x - x) * step / 10, y=y + (to_y - y) * step / 10)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=to_y, button="left",
                 clickCount=1)

    def fill(self, selector, text):
        """Puts TEXT where SELECTOR is, in place of what is there."""
        self.click(selector)
        document, inner, _ = self._find(selector)
        self.eval(f"{document}.querySelector({inner}).select()")
        self.ask("Input.insertText", text=text)

    def choose_file(self, selector, path):
        """Gives the file field at SELECTOR a file."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        expect(node, "no file field", selector)
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[path])

    def press(self, key):
        name, code, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                     windowsVirtualKeyCode=code, **more)

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

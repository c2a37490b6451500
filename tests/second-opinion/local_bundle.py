"""The local bundle, as one of the two that are asked."""

import json
import os
import re
import secrets
import sqlite3
import subprocess
import tempfile
import threading

from calls import Api
from doors import Doors

START_SECONDS = 60


class LocalBundle:
    name = "local bundle"
    # Requests of the collection that fail here.
    not_collected = ()

    def __init__(self, binary, out):
        self.folder = tempfile.TemporaryDirectory(prefix="kith-second-opinion-")
        keys = [f"kith_{mode}_for-the-second-opinion-{secrets.token_hex(8)}" for mode in ("live", "test")]
        environment = {**os.environ, "KITH_OPERATOR_KEY": keys[0], "KITH_TEST_OPERATOR_KEY": keys[1]}
        self.log = open(out / "local-bundle.log", "w", encoding="utf-8")
        self.lines = []
        self.ready = threading.Event()
        # Its data is in a folder, so that time can be moved there; see `hurry`.
        self.process = subprocess.Popen(
            [binary, "--data", self.folder.name, "--port", "0", "--verbose"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        threading.Thread(target=self._read, daemon=True).start()
        if not self.ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.stop()
            raise SystemExit(f"the local bundle did not start; see {self.log.name}")
        self.api = Api(self._said(r"API +(http://[^/\s]+)"), *keys)
        self.services = self._said(r"AWS +(http://[^/\s]+)")
        self.doors = Doors(self.services, "local", "local")

    def _read(self):
        for line in self.process.stdout:
            self.log.write(line)
            self.lines.append(line)
            if "operator key, test programs" in line:
                self.ready.set()
        self.ready.set()

    def _said(self, pattern):
        return next(found[1] for line in self.lines if (found := re.search(pattern, line)))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.flush()
        self.folder.cleanup()

    def mails(self):
        """Mails of live programs: whom they are to, and their text."""
        page = self.api.call("GET", "/local/mail", headers=[("accept", "application/json")])
        return [(mail["to"], mail["text"]) for mail in json.loads(page.text)["data"]]

    def hurry(self):
        """Lets messages that failed come again now instead of after their visibility timeout."""
        with sqlite3.connect(os.path.join(self.folder.name, "host.db"), timeout=30) as database:
            database.execute("UPDATE messages SET visible_ms = 0 WHERE receives > 0")
        database.close()

    def under_role(self, function):
        """The doors as a function sees them. The bundle knows it by its access key, the name of the package."""
        return Doors(self.services, "local", function, owner=self.doors)

    def has_run(self, function):
        """Whether a function was called, by what the bundle prints of its steps."""
        return any(re.match(rf"[\d:.]+ +{function} ", line) for line in self.lines)

    def panics(self):
        return [line.strip() for line in self.lines if "panicked" in line]

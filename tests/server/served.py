"""`fillmask serve` in a process of its own, and what its answers look like."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

FILLMASK = str(Path(sys.executable).with_name("fillmask"))
PHRASE = "The <mask> dog went to the bakery early."
JSON = {"Content-Type": "application/json"}


class Service:
    """A running `fillmask serve`."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        inherited = {key: value for key, value in os.environ.items() if key != "FILLMASK_API_KEY"}
        self.process = subprocess.Popen(
            [FILLMASK, "serve", "--port", "0", "--threads", "1", "--log-format", "json", "--no-measure", *arguments],
            stderr=subprocess.PIPE,
            env={**inherited, **environment},
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        self.stderr: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.stderr.append(line)

    def event(
        self, name: str, nth: int = 1, *, where: tuple[str, Any] | None = None, seconds: float = 60
    ) -> dict[str, Any]:
        """Wait for the nth event of this name in the log, among those with a value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [
                entry for entry in self.log if entry["event"] == name and (not where or entry.get(where[0]) == where[1])
            ]
            if len(found) >= nth:
                return found[nth - 1]
            assert self.process.poll() is None or self._reader.is_alive(), self.stderr
            time.sleep(0.01)
        raise AssertionError(f"no event {name!r} number {nth} in {self.log} and {self.stderr}")

    @property
    def url(self) -> str:
        return str(self.event("listening")["url"])

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def worker(self, nth: int = 1) -> int:
        """The process id of the nth model process that became ready."""
        return int(self.event("model ready", nth)["pid"])

    def client(self, **settings: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **settings)

    def metric(self, name: str) -> float:
        """The value of a metric, summed over its labels."""
        text = httpx.get(f"{self.url}/metrics").text
        pattern = re.escape(name) if "{" in name else rf"{name}(?:{{.*}})?"
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))

    def wait_for_metric(self, name: str, value: float, seconds: float = 60, *, at_least: bool = False) -> None:
        end = time.monotonic() + seconds
        while (current := self.metric(name)) != value and not (at_least and current > value):
            assert time.monotonic() < end, f"{name} is {current}, expected {value}"
            time.sleep(0.01)

    def end(self) -> None:
        """Make sure that it is gone."""
        for entry in list(self.log):
            if entry["event"] == "model ready" and self.process.poll() is None:
                _signal(entry["pid"], signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            assert self.process.stderr is not None
            self.process.stderr.close()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def refused(answer: httpx.Response, status: int, error_type: str) -> str:
    """Check an error's status and shape, and return its message."""
    body = answer.json()
    assert (answer.status_code, body["error_type"]) == (status, error_type), body
    assert set(body) == {"error", "error_type", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["error"])

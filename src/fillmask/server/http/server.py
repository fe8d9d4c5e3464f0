"""The uvicorn server of the service: how it listens, what it does meanwhile, and how it ends."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

import uvicorn

from fillmask.server import logs
from fillmask.server.http.connection import SWEEP_SECONDS, LimitedHttpProtocol, check_times
from fillmask.server.service import Service

_CANCEL_SECONDS = 0.5


class Server(uvicorn.Server):
    """A uvicorn server that goes on listening, and refuses, until what it accepted is answered."""

    def __init__(self, app: Any, service: Service) -> None:
        settings = service.settings
        protocol: Any = functools.partial(LimitedHttpProtocol, settings.limits, service.metrics)
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=settings.keep_alive,  # type: ignore[arg-type]
                timeout_graceful_shutdown=1,
            )
        )
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep: asyncio.Task[None] | None = None
        self.exit_code = 0
        service.give_up = self._give_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._sweep = self._loop.create_task(self._check_times())
        for name, listener in zip(("listening", "listening for metrics"), sockets or (), strict=False):
            host, port = listener.getsockname()[:2]
            logs.event(name, url=f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def _check_times(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            check_times(self.server_state.connections, time.monotonic())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal drains, a second ends at once."""
        if self._service.draining or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self.exit_code = 130 if sig == signal.SIGINT else 0
        self._service.draining = True
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        logs.event("draining")
        end = time.monotonic() + self._service.settings.shutdown_timeout
        while self._busy() and time.monotonic() < end:
            await asyncio.sleep(0.02)
        if self._busy():
            logs.event("giving up what is not finished", level=logging.WARNING, requests=self._busy())
            self._service.abandon()
            end = time.monotonic() + _CANCEL_SECONDS
            while self._busy() and time.monotonic() < end:
                await asyncio.sleep(0.02)
        self.should_exit = True

    def _busy(self) -> int:
        return len(self._service.calls)

    def _give_up(self, message: str) -> None:
        logs.event("giving up", level=logging.ERROR, reason=message)
        print(f"fillmask: {message}", file=sys.stderr)
        self.exit_code = 1
        self.should_exit = True

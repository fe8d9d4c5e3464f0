"""`fillmask serve`: in which order things start, so that the model loads while the web framework is imported."""

from __future__ import annotations

import socket
import sys

from fillmask.errors import MissingExtraError
from fillmask.server.settings import LOOPBACK, ServerSettings

_BACKLOG = 2048


def serve(settings: ServerSettings) -> int:
    """Serve until a signal; the exit code.

    Raises:
        CheckpointError: there is no such model.
        InputError: a setting cannot be used.
        MissingExtraError: the extra is not installed.
        OSError: the address cannot be listened at.
    """
    try:
        from fillmask.server import logs
        from fillmask.server.service import Service
    except ModuleNotFoundError as missing:
        raise MissingExtraError("fillmask serve", "serve") from missing
    logs.set_up(settings.log_level, settings.log_format)
    if settings.host not in LOOPBACK and settings.api_key is None:
        print(
            f"fillmask: warning: {settings.host} can be reached from other machines, and requests need no key;"
            " set FILLMASK_API_KEY, or leave out --host",
            file=sys.stderr,
        )
    listener = _listen(settings.host, settings.port)
    service = Service(settings)  # starts the model processes
    try:
        import uvicorn

        from fillmask.server.http.app import create_app
        from fillmask.server.server import Server
    except ModuleNotFoundError as missing:
        raise MissingExtraError("fillmask serve", "serve") from missing
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, service)
    server.run([listener])
    return server.exit_code


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(
            f"cannot listen at {host} port {port}: {error.strerror or error}; choose another with --host and --port"
        ) from error

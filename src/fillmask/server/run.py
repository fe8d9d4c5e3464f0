"""`fillmask serve`: in which order things start, so that the model loads while the web framework is imported."""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import replace

from fillmask.errors import MissingExtraError
from fillmask.server.settings import LOOPBACK, ServerSettings

_BACKLOG = 2048
# Bytes that the system keeps of an answer that is not read yet. By itself it keeps some megabytes of each, and the
# service would take them for read.
_SEND_BUFFER = 262_144
_OTHER_FILES = 100  # that the process has open beside its connections


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
        from fillmask.server.http.hosts import HostPolicy, OriginPolicy
        from fillmask.server.service import Service
    except ModuleNotFoundError as missing:
        raise MissingExtraError("fillmask serve", "serve") from missing
    logs.set_up(settings.log_level, settings.log_format)
    HostPolicy(settings.host, settings.allowed_hosts)  # errors come before the model is loaded
    OriginPolicy(settings.cors)
    if settings.host not in LOOPBACK and not settings.api_keys:
        print(
            f"fillmask: warning: {settings.host} can be reached from other machines, and requests need no key;"
            " set FILLMASK_API_KEY, or leave out --host",
            file=sys.stderr,
        )
    listeners = [_listen(settings.host, settings.port, "--host and --port")]
    if settings.metrics_port is not None:
        listeners.append(_listen(settings.metrics_host, settings.metrics_port, "--metrics-host and --metrics-port"))
        settings = replace(settings, metrics_port=listeners[1].getsockname()[1])
    _allow_open_files(settings.limits.max_connections + _OTHER_FILES)
    service = Service(settings)  # starts the model processes
    try:
        from fillmask.server.http.app import create_app
        from fillmask.server.http.server import Server
    except ModuleNotFoundError as missing:
        raise MissingExtraError("fillmask serve", "serve") from missing
    server = Server(create_app(service), service)
    server.run(listeners)
    return server.exit_code


def _listen(host: str, port: int, options: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(
            f"cannot listen at {host} port {port}: {error.strerror or error}; choose another with {options}"
        ) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # connections inherit it
    return listener


def _allow_open_files(count: int) -> None:
    """Raise the process's own bound of open files, so that every connection finds one."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The options of `fillmask serve`, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from fillmask.server.limits import Limits

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a service.

    Attributes:
        host, port: the address to listen at.
        model, engine, precision, device, threads: as for `MaskedLM`; threads of each model process.
        replicas: model processes.
        measure: whether to measure engines and precisions that are "auto" on the first thousand masks of clients.
        api_keys: keys of which each request must carry one; empty for a service without keys.
        allowed_hosts: names that requests may call the service by, beside the loopback names and `host`; `*.example.org`
            for every name below a domain, `*` for every name.
        cors: origins whose pages may call the service from a browser, `*` for all.
        root_path: the prefix under which a proxy shows the service, such as `/fillmask`; empty for none.
        metrics_host, metrics_port: an address for `/metrics` alone; a port of None leaves it among the other routes.
        timeout: seconds that a request has where it does not say.
        restore_timeout: the same for a restoration.
        shutdown_timeout: seconds that accepted requests have to finish after SIGTERM.
        keep_alive: seconds that a connection without a request stays open.
        batch_wait: seconds that a batch may wait for more texts while others come.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None
    threads: int | None = None
    replicas: int = 1
    measure: bool = True
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    root_path: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    timeout: float = 30.0
    restore_timeout: float = 300.0
    shutdown_timeout: float = 8.0
    keep_alive: float = 30.0
    batch_wait: float = 0.003
    log_level: str = "info"
    log_format: str = "auto"
    limits: Limits = field(default_factory=Limits)

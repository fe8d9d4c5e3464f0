"""What `fillmask serve` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from fillmask.server.limits import Limits

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a service.

    Attributes:
        model, engine, precision, device, threads: as for `MaskedLM`; threads of each model process.
        replicas: model processes.
        api_key: what requests must carry; None for no key.
        timeout: seconds that a request has where it does not say.
        restore_timeout: the same for a restoration.
        shutdown_timeout: seconds that accepted requests have to finish after SIGTERM.
        batch_wait: most seconds that a batch waits for more texts while others come.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str | None = None
    threads: int | None = None
    replicas: int = 1
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    restore_timeout: float = 300.0
    shutdown_timeout: float = 8.0
    batch_wait: float = 0.003
    log_level: str = "info"
    log_format: str = "auto"
    limits: Limits = field(default_factory=Limits)

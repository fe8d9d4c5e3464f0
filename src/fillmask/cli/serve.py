"""`fillmask serve`: an HTTP service over a model, with a page for people."""

from __future__ import annotations

from typing import Any

import click

from fillmask.cli.options import model_options


@click.command("serve")
@click.option("--host", envvar="FILLMASK_HOST", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    envvar="FILLMASK_PORT",
    default=8000,
    show_default=True,
    help="Port to listen at; 0 for a free one.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    envvar="FILLMASK_API_KEY",
    help="What requests must carry; better set in the environment, where other users do not see it.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 64),
    envvar="FILLMASK_REPLICAS",
    default=1,
    show_default=True,
    help="Model processes; the threads are shared out among them.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.001),
    metavar="SECONDS",
    envvar="FILLMASK_TIMEOUT",
    default=30.0,
    show_default=True,
    help="Deadline of a request that names none in X-Request-Timeout.",
)
@click.option(
    "--restore-timeout",
    type=click.FloatRange(min=0.001),
    metavar="SECONDS",
    default=300.0,
    show_default=True,
    help="The same for a restoration.",
)
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=8.0,
    show_default=True,
    help="What accepted requests have to finish after SIGTERM.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    envvar="FILLMASK_LIMITS",
    help="Change a limit that /info names, for instance max_top_k=20; may be repeated.",
)
@click.option(
    "--batch-wait",
    type=click.FloatRange(0, 1000),
    metavar="MS",
    default=3.0,
    show_default=True,
    help="Most that a batch waits for more texts while others come.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="auto is text on a terminal.",
)
@model_options
def command(
    limits: tuple[str, ...], batch_wait: float, threads: int | None, replicas: int, api_key: str | None, **rest: Any
) -> int:
    """Answer HTTP requests with a model, until a signal.

    \b
      fillmask serve
      curl localhost:8000/v1/fill-mask --json '{"inputs": "I am <mask> to the bakery"}'

    A page for people is at /, the interface's description at /docs. The
    service listens at the loopback address unless --host says otherwise.
    SIGTERM finishes what was accepted and exits with 0.
    """
    import os

    from fillmask.server.limits import Limits
    from fillmask.server.run import serve
    from fillmask.server.settings import ServerSettings

    if api_key is not None and not api_key.strip():
        raise click.UsageError("the key is empty; leave --api-key and FILLMASK_API_KEY out for a service without one")
    if replicas > 1 and threads is None:
        threads = max(1, (os.cpu_count() or 1) // replicas)
    return serve(
        ServerSettings(
            limits=Limits().with_settings(limits),
            batch_wait=batch_wait / 1000,
            threads=threads,
            replicas=replicas,
            api_key=api_key,
            **rest,
        )
    )

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
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    envvar="FILLMASK_ALLOWED_HOSTS",
    help="A name that requests may have in their Host header, beside the loopback names and --host: fill.example.org,"
    " *.example.org, or * for every name. May be repeated.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    envvar="FILLMASK_CORS",
    help="An origin whose pages may send requests, such as https://example.org, or * for all. May be repeated.",
)
@click.option(
    "--root-path",
    metavar="PATH",
    envvar="FILLMASK_ROOT_PATH",
    default="",
    help="The prefix under which a proxy shows the service, such as /fillmask. Requests may carry it or not.",
)
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    help="A key that requests must carry; may be repeated. Better set FILLMASK_API_KEY or --api-key-file, which other"
    " users of the machine cannot see.",
)
@click.option(
    "--api-key-file",
    metavar="FILE",
    envvar="FILLMASK_API_KEY_FILE",
    help="A file of keys, one a line.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    envvar="FILLMASK_METRICS_PORT",
    help="Answer /metrics at a port of its own, without a key, and not beside the other routes; 0 for a free one.",
)
@click.option(
    "--metrics-host",
    envvar="FILLMASK_METRICS_HOST",
    default="127.0.0.1",
    show_default=True,
    help="Address of the port for metrics.",
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
    "--measure/--no-measure",
    default=True,
    show_default=True,
    help="Measure engines and precisions that are auto on the first thousand masks of clients, and take the fastest that"
    " keeps float32's answers.",
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
    "--keep-alive",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    envvar="FILLMASK_KEEP_ALIVE",
    default=30.0,
    show_default=True,
    help="How long a connection without a request stays open. Longer than that of a proxy in front.",
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
    limits: tuple[str, ...],
    batch_wait: float,
    threads: int | None,
    replicas: int,
    api_keys: tuple[str, ...],
    api_key_file: str | None,
    root_path: str,
    **options: Any,
) -> int:
    """Answer HTTP requests with a model, until a signal.

    \b
      fillmask serve
      curl localhost:8000/v1/fill-mask --json '{"inputs": "I am <mask> to the bakery"}'

    A page for people is at /, the interface's description at /docs. The
    service listens at the loopback address unless --host says otherwise.
    SIGTERM finishes what was accepted and exits with 0.
    """
    from fillmask.runtime.processor import usable_cores
    from fillmask.server.http.auth import read_keys
    from fillmask.server.http.routes import checked_root_path
    from fillmask.server.limits import Limits
    from fillmask.server.run import serve
    from fillmask.server.settings import ServerSettings

    keys = read_keys(api_keys, api_key_file)
    try:
        prefix = checked_root_path(root_path)
    except ValueError as error:
        raise click.UsageError(f"--root-path: {error}") from None
    if replicas > 1 and threads is None:
        threads = max(1, usable_cores() // replicas)
    return serve(
        ServerSettings(
            limits=Limits().with_settings(limits),
            batch_wait=batch_wait / 1000,
            threads=threads,
            replicas=replicas,
            api_keys=keys,
            root_path=prefix,
            **options,
        )
    )

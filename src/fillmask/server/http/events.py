"""Server-sent events of a restoration: progress while it lasts, then its result or an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from fillmask.server.errors import ApiError, body_of
from fillmask.server.http.call import Call
from fillmask.server.scheduling.jobs import JobProgress, QueuedJob

_QUIET_SECONDS = 10.0


async def events(call: Call, job: QueuedJob) -> AsyncIterator[bytes]:
    """The events, each as it is written to the stream."""
    while True:
        try:
            await asyncio.wait_for(job.changed.wait(), _QUIET_SECONDS)
        except TimeoutError:
            yield b": still at it\n\n"  # keeps proxies from closing a quiet connection
            continue
        job.changed.clear()
        if job.future.done():
            break
        if job.progress is not None:
            yield _event("progress", json.dumps(_progress(job.progress)).encode())
    try:
        yield _event("result", job.future.result())
    except ApiError as error:
        call.error_type = error.error_type
        yield _event("error", body_of(str(error), error.error_type, call.request_id))


def _progress(progress: JobProgress) -> dict[str, int]:
    return {"done": progress.settled, "holes": progress.holes, "forward_passes": progress.forward_passes}


def _event(name: str, data: bytes) -> bytes:
    # JSON as it is written here has no line breaks.
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"

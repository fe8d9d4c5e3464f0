"""What the service counts and times, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384, 65536)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """A registry of its own, so that several services fit in one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("fillmask_requests", "Requests answered.", ["route", "status"], registry=registry)
        self.rejections = Counter("fillmask_rejections", "Requests refused, by type of error.", ["reason"], registry=registry)  # fmt: skip
        self.total = Histogram("fillmask_request_seconds", "From a request's head to its answer's end.", ["route"], registry=registry, buckets=_SECONDS)  # fmt: skip
        self.tokenise = Histogram("fillmask_tokenise_seconds", "Tokenising the texts of a request.", registry=registry, buckets=_SECONDS)  # fmt: skip
        self.queue = Histogram("fillmask_queue_seconds", "A text's or a job's wait before it goes to the model.", ["task"], registry=registry, buckets=_SECONDS)  # fmt: skip
        self.inference = Histogram("fillmask_inference_seconds", "A batch's or a job's time with the model.", ["task"], registry=registry, buckets=_SECONDS)  # fmt: skip
        self.batch_tokens = Histogram("fillmask_batch_tokens", "Tokens of a batch, padding included.", registry=registry, buckets=_TOKENS)  # fmt: skip
        self.batch_rows = Histogram("fillmask_batch_rows", "Texts of a batch.", registry=registry, buckets=_ROWS)
        self.in_flight = Gauge("fillmask_in_flight", "Requests in work or waiting.", ["route"], registry=registry)
        self.connections = Gauge("fillmask_connections", "Open connections.", registry=registry)
        self.queued = Gauge("fillmask_queued", "Texts and jobs that wait for the model.", ["task"], registry=registry)
        self.ready = Gauge("fillmask_model_processes_ready", "Model processes that answer.", registry=registry)
        self.restarts = Counter("fillmask_model_process_restarts", "Model processes started again.", registry=registry)
        self.left = Counter("fillmask_clients_left", "Requests whose client went before the answer.", registry=registry)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        text: bytes = generate_latest(self.registry)
        return text

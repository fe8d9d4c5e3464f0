"""Which requests run next: admission, batches across requests, and jobs."""

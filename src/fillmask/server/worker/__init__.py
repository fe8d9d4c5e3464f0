"""The model process: its loop, its messages, and its supervision."""

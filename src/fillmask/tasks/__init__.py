"""Tasks over `MaskedLM`: fill, score, classify, and evaluate.

This package knows texts and answers. It does not know graphs, HTTP, or files.
"""

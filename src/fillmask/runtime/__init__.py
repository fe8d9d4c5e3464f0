"""Running a model: engines, precision selection, the graph cache, batching, and `MaskedLM`.

This package answers one question: which log-probabilities stand at these masked positions? It does not know
what the answers are for.
"""

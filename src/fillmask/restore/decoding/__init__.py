"""Constrained decoding: character and token automata, candidate search, and rescoring.

This package knows what a damaged stretch may spell and how likely each reading is. It does not know notations or
report formats.
"""

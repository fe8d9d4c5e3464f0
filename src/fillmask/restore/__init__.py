"""Restore damaged documents: notation, constraints, joint decoding, confidence, editions."""

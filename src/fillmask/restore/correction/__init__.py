"""Correction of what was misread: the channel that garbles words, candidates, and their judgement in context.

This package knows text with wrong letters and how letters come to be misread. It does not know holes, notations, or
files; what it finds is a list of changes to a text.
"""

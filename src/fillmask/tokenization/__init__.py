"""Text to token ids and back: the tokenizer, its files, and windows over long texts.

This package knows the tokenizer files of a checkpoint and which of them wins. It does not know models or engines.
"""

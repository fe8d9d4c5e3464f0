"""Files: text, tables, and compressed streams in; atomic writes out.

This package knows file formats and encodings. It does not know tokenizers, models, or tasks.
"""

"""Training masked language models: corpus, tokenizer, packing, masking, pretraining, evaluation.

Everything here needs the `train` extra (torch and transformers), except the
corpus, packing and masking modules, which are numpy and `tokenizers` alone.
"""

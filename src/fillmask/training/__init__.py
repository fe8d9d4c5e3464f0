"""Training masked language models: text, tokenizers, packing, masking, and what is made with them.

- Without torch: reading, corpus, tokenizer, vocabulary, packing, masking, pairs, recipe.
- With the `train` extra: families, objectives, pretrain (the loop), export, reporting, session, and the commands
  build (pretrain), adapt and distil.
"""

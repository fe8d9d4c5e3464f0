"""Training masked language models: text, tokenizers, packing, masking, and what is made with them.

- Without torch: reading, corpus, tokenizer, vocabulary, packing, masking, pairs, recipe.
- With the `train` extra: families, objectives, pretrain (the loop), state (what a killed run goes on from), export,
  reporting, session (what every training does), derived (what begins from another model), and the commands build
  (pretrain), adapt, distil and finetune.
"""

"""Training masked language models: text, tokenizers, packing, masking, and what is made with them.

- Without torch: corpus, held_out, tokenizer, vocabulary, packing, masking, pairs, sampling, recipe.
- With the `train` extra: families, objectives, optimizers, averaging, pretrain (the loop), state (what a killed run goes on
  from), export, reporting, probes, session (what every training does), sweep (which rates), transplant and warm_start
  (new vocabularies and heads), derived (what begins from another model), and the commands build (pretrain), adapt, distil
  and finetune, the last with classifier and classifier_folder.

This room knows nothing of the command line, the service or batch jobs.
"""

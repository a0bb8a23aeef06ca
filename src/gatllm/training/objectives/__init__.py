"""What a model can be trained for: ``causal``, ``chat``, ``seq2seq``, ``tagging``, ``preference``, ``policy``.

Each is the module of that name, with ``prepare(recipe, tokenizer, report) -> Objective`` (see `protocol`), an entry in
`registry` and a ``[data]`` table in `data_tables`. The other modules are shared by several of them: where rows come
from (`corpora`, `windows`, `pairs`, `questions`, `rewarded`, `tagging_samples`), how answers are scored (`answers`).
"""

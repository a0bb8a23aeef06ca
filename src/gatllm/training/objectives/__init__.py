"""What a model can be trained for: the next token, a target for a source, or finding and repairing errors.

An objective is a module of this folder with ``prepare(recipe, tokenizer, report) -> Objective`` (see `protocol`) and an
entry in `registry`.
"""

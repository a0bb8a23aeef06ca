"""The seven steps of 'gatllm demo': calls the public faces of the rooms below, in order."""

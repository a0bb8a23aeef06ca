"""Where editors and agents meet the reviewer: language server, tools for agents, notebooks, a project's own settings.

Nothing is imported here: a command that needs one of these modules waits for no other.
"""

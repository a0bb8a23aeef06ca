"""The web: chat page and OpenAI-compatible API."""

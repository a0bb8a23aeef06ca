"""Sessions and keys of wallets, as the market asks for them."""

from __future__ import annotations

from gatllm.service.accounts import KEY_MARK, Accounts


class Sessions:
    """Opens sessions for wallets, and tells whose a session's token or an API key is."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def open(self, address: str) -> str:
        """Return a token for whoever holds ``address``."""
        return self._accounts.sign_in_wallet(address)

    def address(self, token: str) -> str | None:
        """Return whose token or key this is; None when it is unknown, revoked or over, or no wallet's."""
        if not token:
            return None
        caller = self._accounts.by_key(token) if token.startswith(KEY_MARK) else self._accounts.by_session(token)
        return caller.name if caller is not None and caller.kind == "wallet" else None

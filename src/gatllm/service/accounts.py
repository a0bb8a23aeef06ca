"""Accounts: who may ask, by session or key. Tokens and keys are random, so a plain hash of them is enough to keep."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import delete, select, update

from gatllm.errors import GatllmError, UsageError
from gatllm.service.database import Account, ApiKey, Database, LoginSession
from gatllm.service.database.tables import new_id

Kind = Literal["local", "user", "wallet", "visitor"]
ROLES = ("subscriber", "contributor", "operator")
KEY_MARK = "gat-"
SESSION_SECONDS = 30 * 24 * 3600
VISITOR_SECONDS = 365 * 24 * 3600
_SEEN_EVERY = 60.0  # seconds: that somebody was there need not be written more often
_MOST_KEYS = 50


class SignInError(GatllmError):
    """The name or the password is wrong."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong", "the operator adds users with `gatllm service user add NAME`")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``session_id`` and ``key_id`` say by what they are known."""

    account_id: str
    kind: Kind
    name: str
    role: str
    shares_feedback: bool = False
    session_id: str = ""
    key_id: str = ""

    @property
    def is_known(self) -> bool:
        """Whether this is more than a browser that was here before: what it does may move what all share."""
        return self.kind != "visitor"


class Accounts:
    """Accounts, their sessions and keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def local(self) -> Caller:
        """Return this machine's own user, whom a service without log-in serves."""
        return self._caller(self._named("local", "local", role="operator"))

    def add_user(self, name: str, password: str, role: str = "subscriber") -> str:
        """Add a user with a password; return the account's id.

        Raises:
            UsageError: the name is taken or no name, the password too short, or there is no such role.
        """
        if not name.strip() or len(name) > 100:
            raise UsageError("a user needs a name of at most 100 characters")
        if len(password) < 8:
            raise UsageError("the password is too short", "use 8 characters or more")
        _check_role(role)
        with self._database.begin() as session:
            if session.scalar(select(Account.id).where(Account.kind == "user", Account.name == name)):
                raise UsageError(f"there is a user {name!r} already", "choose another name")
            account = Account(id=new_id(), kind="user", name=name, role=role, password=_hash_password(password))
            session.add(account)
            return account.id

    def set_role(self, account_id: str, role: str) -> None:
        """Give an account another role.

        Raises:
            UsageError: there is no such role.
        """
        _check_role(role)
        with self._database.begin() as session:
            session.execute(update(Account).where(Account.id == account_id).values(role=role))

    def set_feedback(self, account_id: str, shares: bool) -> None:
        """Say whether an account's feedback may be trained on."""
        with self._database.begin() as session:
            session.execute(update(Account).where(Account.id == account_id).values(shares_feedback=shares))

    def listed(self) -> list[Account]:
        """Return all accounts but visitors, oldest first."""
        with self._database.read() as session:
            found = session.scalars(select(Account).where(Account.kind != "visitor").order_by(Account.created))
            return list(found)

    def find(self, kind: Kind, name: str) -> Account | None:
        """Return the account of this name."""
        with self._database.read() as session:
            return session.scalar(select(Account).where(Account.kind == kind, Account.name == name))

    def sign_in_user(self, name: str, password: str, agent: str = "") -> str:
        """Return the token of a new session.

        Raises:
            SignInError: name or password is wrong.
        """
        account = self.find("user", name)
        # The same work is done for a name that does not exist: the time tells nothing.
        kept = account.password if account is not None and account.password else _hash_password("nobody")
        if not _is_password(password, kept) or account is None:
            raise SignInError
        return self.open_session(account.id, agent)

    def sign_in_wallet(self, address: str, agent: str = "") -> str:
        """Return the token of a new session for whoever proved to hold an address."""
        return self.open_session(self.wallet(address), agent)

    def wallet(self, address: str) -> str:
        """Return the id of an address's account."""
        return self._named("wallet", address, role="contributor").id

    def visit(self, agent: str = "") -> tuple[Caller, str]:
        """Return a new visitor and the token by which the browser is known again."""
        account = self._named("visitor", secrets.token_hex(8))
        return self._caller(account), self.open_session(account.id, agent, seconds=VISITOR_SECONDS)

    def open_session(self, account_id: str, agent: str = "", *, seconds: float = SESSION_SECONDS) -> str:
        """Return the token of a new session of an account."""
        token = secrets.token_urlsafe(32)
        with self._database.begin() as session:
            session.add(
                LoginSession(
                    account_id=account_id, token_hash=_hash(token), agent=agent[:200], until=time.time() + seconds
                )
            )
        return token

    def by_session(self, token: str) -> Caller | None:
        """Return whose session a token is; None where it is unknown, revoked or over."""
        with self._database.read() as session:
            row = session.execute(
                select(LoginSession, Account)
                .join(Account, Account.id == LoginSession.account_id)
                .where(LoginSession.token_hash == _hash(token), LoginSession.until > time.time())
            ).first()
        if row is None:
            return None
        found, account = row
        if time.time() - found.used > _SEEN_EVERY:
            with self._database.begin() as session:
                now = time.time()
                session.execute(update(LoginSession).where(LoginSession.id == found.id).values(used=now))
                session.execute(update(Account).where(Account.id == account.id).values(seen=now))
        return self._caller(account, session_id=found.id)

    def sessions(self, account_id: str) -> list[LoginSession]:
        """Return the open sessions of an account, last used first."""
        with self._database.read() as session:
            wanted = select(LoginSession).where(LoginSession.account_id == account_id, LoginSession.until > time.time())
            return list(session.scalars(wanted.order_by(LoginSession.used.desc())))

    def revoke_session(self, account_id: str, session_id: str) -> None:
        """End a session of an account."""
        with self._database.begin() as session:
            session.execute(
                delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id == session_id)
            )

    def new_key(self, account_id: str, name: str) -> str:
        """Return a new key; it can't be shown again.

        Raises:
            UsageError: it has no name, or there are too many.
        """
        if not name.strip() or len(name) > 100:
            raise UsageError("a key needs a name of at most 100 characters", "say what it is for")
        key = KEY_MARK + secrets.token_urlsafe(32)
        with self._database.begin() as session:
            live = session.scalars(select(ApiKey.id).where(ApiKey.account_id == account_id, ApiKey.revoked.is_(None)))
            if len(list(live)) >= _MOST_KEYS:
                raise UsageError(f"there are {_MOST_KEYS} keys already", "revoke one that is not used")
            session.add(ApiKey(account_id=account_id, name=name.strip(), prefix=key[:10], key_hash=_hash(key)))
        return key

    def by_key(self, key: str) -> Caller | None:
        """Return whose key this is; None where it is unknown or revoked."""
        with self._database.read() as session:
            row = session.execute(
                select(ApiKey, Account)
                .join(Account, Account.id == ApiKey.account_id)
                .where(ApiKey.key_hash == _hash(key), ApiKey.revoked.is_(None))
            ).first()
        if row is None:
            return None
        found, account = row
        if time.time() - (found.used or 0) > _SEEN_EVERY:
            with self._database.begin() as session:
                session.execute(update(ApiKey).where(ApiKey.id == found.id).values(used=time.time()))
        return self._caller(account, key_id=found.id)

    def keys(self, account_id: str) -> list[ApiKey]:
        """Return the keys of an account, newest first."""
        with self._database.read() as session:
            return list(
                session.scalars(select(ApiKey).where(ApiKey.account_id == account_id).order_by(ApiKey.created.desc()))
            )

    def revoke_key(self, account_id: str, key_id: str) -> None:
        """Make a key of an account worthless."""
        with self._database.begin() as session:
            session.execute(
                update(ApiKey)
                .where(ApiKey.account_id == account_id, ApiKey.id == key_id, ApiKey.revoked.is_(None))
                .values(revoked=time.time())
            )

    def _named(self, kind: Kind, name: str, *, role: str = "subscriber") -> Account:
        with self._database.begin() as session:
            account = session.scalar(select(Account).where(Account.kind == kind, Account.name == name))
            if account is None:
                account = Account(id=new_id(), kind=kind, name=name, role=role)
                session.add(account)
                session.flush()
            return account

    @staticmethod
    def _caller(account: Account, *, session_id: str = "", key_id: str = "") -> Caller:
        kind = cast(Kind, account.kind)
        shares = account.shares_feedback
        return Caller(account.id, kind, account.name, account.role, shares, session_id, key_id)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UsageError(f"there is no role {role!r}", f"choose one of {', '.join(ROLES)}")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _hash_password(password: str) -> str:
    """Return a salted hash that is slow to try (scrypt, RFC 7914, with OWASP's parameters)."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


def _is_password(password: str, kept: str) -> bool:
    salt, digest = (bytes.fromhex(part) for part in kept.split(":"))
    return hmac.compare_digest(_scrypt(password, salt), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=2**15, r=8, p=3, maxmem=2**26, dklen=32)

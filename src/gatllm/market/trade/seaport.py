"""Listing and buying dataset tokens through Seaport 1.6, the contract that OpenSea trades on.

An offer is a JSON file in the form of OpenSea's own tools: signed by the seller, it costs nothing until somebody buys.
The buyer's payment is divided in the same transaction: the royalty to the contributor's vault, the rest to the seller.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.artifacts import artifact
from gatllm.market.chain.client import Chain, Quote, Receipt, call_json
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID
from gatllm.market.trade.deployment import Deployment, save_deployment
from gatllm.market.trade.tokens import DatasetTokens
from gatllm.proof import recover_typed

SEAPORT = "0x0000000000000068F116a894984e2DB1123eB395"  # version 1.6, the same on every chain that OpenSea serves
_ZERO = "0x" + "00" * 20
_ZERO32 = "0x" + "00" * 32
_NATIVE, _ERC721 = 0, 2
_MOST_DAYS = 366
_DOMAIN_TYPE = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]

_ITEM = [
    {"name": "itemType", "type": "uint8"},
    {"name": "token", "type": "address"},
    {"name": "identifierOrCriteria", "type": "uint256"},
    {"name": "startAmount", "type": "uint256"},
    {"name": "endAmount", "type": "uint256"},
]
_TYPES = {
    "OfferItem": _ITEM,
    "ConsiderationItem": [*_ITEM, {"name": "recipient", "type": "address"}],
    "OrderComponents": [
        {"name": "offerer", "type": "address"},
        {"name": "zone", "type": "address"},
        {"name": "offer", "type": "OfferItem[]"},
        {"name": "consideration", "type": "ConsiderationItem[]"},
        {"name": "orderType", "type": "uint8"},
        {"name": "startTime", "type": "uint256"},
        {"name": "endTime", "type": "uint256"},
        {"name": "zoneHash", "type": "bytes32"},
        {"name": "salt", "type": "uint256"},
        {"name": "conduitKey", "type": "bytes32"},
        {"name": "counter", "type": "uint256"},
    ],
}

_FIELDS = {field["name"] for field in _TYPES["OrderComponents"]} | {"totalOriginalConsiderationItems"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A signed offer to sell one dataset token for ether; ``parameters`` as Seaport's tools write them."""

    chain_id: int
    seaport: str
    parameters: dict[str, Any]
    signature: str

    @property
    def token(self) -> str:
        """The id of the token on offer, as 64 hexadecimal digits."""
        return f"{int(self.parameters['offer'][0]['identifierOrCriteria']):064x}"

    @property
    def price(self) -> int:
        """What the buyer pays, in wei."""
        return sum(int(item["startAmount"]) for item in self.parameters["consideration"])

    def to_json(self) -> str:
        """Return the offer as a file's text."""
        value = {"format": "gatllm-offer/1", "chain_id": self.chain_id, "seaport": self.seaport}
        return json.dumps(value | {"parameters": self.parameters, "signature": self.signature}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Offer:
        """Read an offer's file.

        Raises:
            GatllmError: it can't be read, or is not an offer of one dataset for ether.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["format"] != "gatllm-offer/1":
                raise ValueError
        except OSError as error:
            raise GatllmError(f"can't read {path}: {error.strerror}", "name an offer's file") from None
        except (ValueError, KeyError, TypeError):
            raise GatllmError(
                f"{path} is not an offer of one dataset for ether", "ask the seller for the file"
            ) from None
        return cls.of(value, str(path))

    @classmethod
    def of(cls, value: dict[str, Any], where: str = "this") -> Offer:
        """Return an offer from its JSON.

        Raises:
            GatllmError: it is not an offer of one dataset for ether at a fixed price.
        """
        try:
            offer = cls(int(value["chain_id"]), value["seaport"], value["parameters"], value["signature"])
            if set(offer.parameters) != _FIELDS:
                raise ValueError
            int(offer.token, 16), int(offer.parameters["startTime"]), int(offer.parameters["endTime"])
            kinds = [int(item["itemType"]) for item in offer.parameters["offer"]]
            prices = {int(item["itemType"]) for item in offer.parameters["consideration"]}
            fixed = all(item["startAmount"] == item["endAmount"] for item in offer.parameters["consideration"])
            if kinds != [_ERC721] or prices != {_NATIVE} or not fixed or offer.price <= 0:
                raise ValueError
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise GatllmError(
                f"{where} is not an offer of one dataset for ether", "ask the seller for the file"
            ) from None
        return offer


def known_seaport(chain: Chain, deployment: Deployment) -> str | None:
    """Return where Seaport 1.6 lies, or None: nobody else's word for it is taken, an offer's least of all."""
    for address in (SEAPORT, deployment.addresses.get("Seaport")):
        if address and chain.has_code(address):
            return address
    return None


def find_seaport(chain: Chain, deployment: Deployment, state_dir: Path) -> str:
    """Return where Seaport 1.6 lies; on a local chain it is deployed on the first call.

    Raises:
        GatllmError: this chain has no Seaport.
    """
    if (known := known_seaport(chain, deployment)) is not None:
        return known
    if chain.chain_id != DEVNET_CHAIN_ID:
        raise GatllmError(f"chain {chain.chain_id} has no Seaport 1.6", "trade on a chain that OpenSea serves")

    def place(name: str, *arguments: Any) -> str:
        built = artifact(name)
        contract: Any = chain.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
        return str(chain.send(contract.constructor(*arguments)).contract)

    deployment.addresses["Seaport"] = place("Seaport", place("LocalConduitController"))
    save_deployment(state_dir, deployment)
    return deployment.addresses["Seaport"]


class Trade:
    """Selling and buying dataset tokens."""

    def __init__(self, tokens: DatasetTokens, seaport: str) -> None:
        self.tokens = tokens
        self.chain = tokens.chain
        self.contract: Any = self.chain.web3.eth.contract(
            address=self.chain.checksum(seaport), abi=artifact("Seaport").abi
        )

    def offer(self, token: str, price: int, *, days: float = 30) -> Offer:
        """Offer a token of the account for ``price`` wei; allows Seaport to move this one token.

        The royalty is part of the price. Signing costs nothing, the permission costs some gas.

        Raises:
            GatllmError: the account does not own the token.
            UsageError: price or days are not above 0.
        """
        number = self._checked(token, price, days)
        approve = self._approval(number, self.chain.address)
        if self.chain.account is None:
            raise UsageError("selling needs an account", "set GATLLM_KEY or name a key file with --key")
        if approve is not None:
            self.chain.send(approve)
        parameters = self._parameters(number, price, days, self.chain.address)
        signed = self.chain.account.sign_typed_data(self._domain(), _TYPES, _components(parameters))
        return Offer(self.chain.chain_id, str(self.contract.address), parameters, "0x" + bytes(signed.signature).hex())

    def prepare_offer(self, token: str, price: int, seller: str, *, days: float = 30) -> dict[str, Any]:
        """Return what another wallet sends and signs to offer a token.

        ``approve`` is the permission for Seaport to move this one token (None: given already), ``typed_data`` what is
        signed (EIP-712), ``parameters`` what goes with the signature into `accept`.

        Raises:
            GatllmError: ``seller`` does not own the token.
            UsageError: price or days are not above 0.
        """
        number = self._checked(token, price, days)
        approve = self._approval(number, seller)
        parameters = self._parameters(number, price, days, seller)
        # Numbers stay texts: those of JSON end at 2**53.
        message = {name: value for name, value in parameters.items() if name != "totalOriginalConsiderationItems"}
        typed = {
            "domain": self._domain(),
            "types": {"EIP712Domain": _DOMAIN_TYPE, **_TYPES},
            "primaryType": "OrderComponents",
            "message": message,
        }
        call = None if approve is None else call_json(approve, seller)
        return {"approve": call, "parameters": parameters, "typed_data": typed}

    def accept(self, parameters: dict[str, Any], signature: str) -> Offer:
        """Return the offer that a wallet signed, checked: of a token that the signer owns, and open now.

        Raises:
            GatllmError: the parameters are not such an offer, or its seller did not sign it.
        """
        offer = Offer.of({"chain_id": self.chain.chain_id, "seaport": str(self.contract.address),
                          "parameters": parameters, "signature": signature})  # fmt: skip
        seller = recover_typed(signature, self._domain(), _TYPES, _components(offer.parameters))
        if seller != offer.parameters["offerer"]:
            raise GatllmError("the offer is not signed by its seller", "sign it with the wallet that owns the token")
        self.check(offer)
        return offer

    def prepare_buy(self, offer: Offer, buyer: str) -> dict[str, str]:
        """Return the transaction with which the wallet of ``buyer`` takes an offer.

        Raises:
            GatllmError: the offer can't be taken (any more).
        """
        self.check(offer)
        return call_json(self._fulfil(offer), buyer, offer.price)

    def prepare_cancel(self, offer: Offer) -> dict[str, str]:
        """Return the transaction with which the seller's wallet takes an offer back."""
        call = self.contract.functions.cancel([_components(offer.parameters)])
        return call_json(call, str(offer.parameters["offerer"]))

    def _checked(self, token: str, price: int, days: float) -> int:
        if price <= 0:
            raise UsageError("the price must be above 0", "give a price in ether, for example 0.5")
        if not 0 < days <= _MOST_DAYS:
            raise UsageError(
                f"an offer of {days:g} days makes no sense", "give the days that it stands, for example 30"
            )
        return int(self.tokens.get(token).id, 16)

    def _approval(self, number: int, seller: str) -> Any:
        """Return the call that lets Seaport move a token of ``seller``, or None where it may already."""
        if self.tokens.owner_of(number) != seller:
            raise GatllmError(f"{seller} does not own dataset {number:064x}", "use the owner's account")
        functions = self.tokens.contract.functions
        if self.chain.read(functions.getApproved(number)) == self.contract.address:
            return None
        return functions.approve(self.contract.address, number)

    def _domain(self) -> dict[str, Any]:
        chain_id, contract = self.chain.chain_id, str(self.contract.address)
        return {"name": "Seaport", "version": "1.6", "chainId": chain_id, "verifyingContract": contract}

    def _parameters(self, number: int, price: int, days: float, seller: str) -> dict[str, Any]:
        receiver, royalty = self.tokens.royalty(number, price)
        now = self.chain.timestamp()

        def item(kind: int, token: str, identifier: int, amount: int) -> dict[str, Any]:
            amounts = {"startAmount": str(amount), "endAmount": str(amount)}
            return {"itemType": kind, "token": token, "identifierOrCriteria": str(identifier), **amounts}

        amounts = [(price - royalty, seller), (royalty, receiver)]
        consideration = [
            item(_NATIVE, _ZERO, 0, amount) | {"recipient": recipient} for amount, recipient in amounts if amount
        ]
        return {
            "offerer": seller,
            "zone": _ZERO,
            "offer": [item(_ERC721, self.tokens.address, number, 1)],
            "consideration": consideration,
            "orderType": 0,  # anyone may fulfil it, as a whole
            "startTime": str(now),
            "endTime": str(now + int(days * 86_400)),
            "zoneHash": _ZERO32,
            "salt": str(secrets.randbits(255)),
            "totalOriginalConsiderationItems": len(consideration),
            "conduitKey": _ZERO32,
            "counter": str(self.chain.read(self.contract.functions.getCounter(seller))),
        }

    def check(self, offer: Offer) -> None:
        """Check that an offer can be taken now.

        Raises:
            GatllmError: another chain or contract, not signed by the seller, over, cancelled, or the token is gone.
        """
        if offer.chain_id != self.chain.chain_id:
            raise GatllmError(f"the offer is for chain {offer.chain_id}, this is {self.chain.chain_id}", "change --rpc")
        parameters = offer.parameters
        if offer.seaport != self.contract.address or parameters["offer"][0]["token"] != self.tokens.address:
            raise GatllmError("the offer is for other contracts than ours", "check where you got it from")
        functions = self.contract.functions
        order_hash = self.chain.read(functions.getOrderHash(_components(parameters)))
        _, cancelled, filled, _ = self.chain.read(functions.getOrderStatus(order_hash))
        if cancelled or int(parameters["counter"]) != self.chain.read(functions.getCounter(parameters["offerer"])):
            raise GatllmError("the offer was cancelled", "ask the seller for a new one")
        if filled or self.tokens.owner_of(offer.token) != parameters["offerer"]:
            raise GatllmError("the dataset is sold already", "ask its new owner")
        if not int(parameters["startTime"]) <= self.chain.timestamp() < int(parameters["endTime"]):
            raise GatllmError("the offer is over", "ask the seller for a new one")

    def buy(self, offer: Offer) -> Receipt:
        """Pay and receive the token in one transaction.

        Raises:
            GatllmError: the offer can't be taken (any more), or the account can't pay.
        """
        self.check(offer)
        return self.chain.send(self._fulfil(offer), offer.price)

    def quote(self, offer: Offer) -> Quote:
        """Return what `buy` would cost; nothing is sent."""
        self.check(offer)
        return self.chain.quote(self._fulfil(offer), offer.price)

    def _fulfil(self, offer: Offer) -> Any:
        given = {name: value for name, value in offer.parameters.items() if name != "counter"}
        order = {"parameters": _numbers(given), "signature": offer.signature}
        return self.contract.functions.fulfillOrder(order, _ZERO32)

    def cancel(self, offer: Offer) -> Receipt:
        """Take an offer back; its seller only."""
        return self.chain.send(self.contract.functions.cancel([_components(offer.parameters)]))


def _numbers(value: Any) -> Any:
    """Return parameters with the numbers that JSON holds as strings turned into integers."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _components(parameters: dict[str, Any]) -> dict[str, Any]:
    numbers: dict[str, Any] = _numbers(parameters)
    return {name: value for name, value in numbers.items() if name != "totalOriginalConsiderationItems"}

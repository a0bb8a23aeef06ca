"""What is said of the shipped weights beside them and in NOTICE, held against weights and packages."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from gatllm.data.sources.licences import of_distribution
from gatllm.proof import read_proof, verify
from gatllm.proof.document import recover_proof
from gatllm.records import sha256
from gatllm.review.default import SHIPPED

ROOT = Path(__file__).parents[2]
CARD = SHIPPED.parent / "MODEL_CARD.md"
SIGNER = "0x69dD6cf86599782916256420C01848EAB3a8271a"
_LINE = re.compile(
    r"^- (?P<name>.+?) (?P<version>[\d.]+|\(version not recorded.*?\)): (?P<licence>[^.\[]+(?:\.\d[^.\[]*)*)"
)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return dict(json.loads((SHIPPED / "dataset.json").read_text()))


@pytest.fixture(scope="module")
def notice() -> list[dict[str, str]]:
    part = (ROOT / "NOTICE").read_text().partition("\n2. ")[0]
    lines = [line for line in part.splitlines() if line.startswith("- ")]
    found = [_LINE.match(line) for line in lines]
    assert None not in found
    return [{key: value.strip() for key, value in match.groupdict().items()} for match in found if match]


def test_notice_names_every_source(notice: list[dict[str, str]], manifest: dict[str, Any]) -> None:
    named = [entry["name"] for entry in notice]
    sources = [source.removeprefix("dist:") for source in manifest["sources"]]
    assert named == ["Python standard library", *sources[1:]]
    assert len(named) == 43
    assert sources[0] == f"stdlib of Python {notice[0]['version']}"


def test_notice_counts_the_licences_of_the_manifest(notice: list[dict[str, str]], manifest: dict[str, Any]) -> None:
    assert {entry["licence"] for entry in notice} == manifest["licences"].keys()
    counted = re.findall(r"^ +(\d+)  (\S.*)$", (ROOT / "NOTICE").read_text(), re.MULTILINE)
    assert {licence: int(count) for count, licence in counted} == manifest["licences"]
    assert sum(manifest["licences"].values()) == manifest["records"] == 6000


def test_notice_says_what_the_packages_say(notice: list[dict[str, str]]) -> None:
    compared = 0
    for entry in notice[1:]:
        try:
            found = distribution(entry["name"])
        except PackageNotFoundError:
            continue
        if found.version == entry["version"]:
            assert of_distribution(found) == entry["licence"], entry["name"]
            compared += 1
    assert compared >= 5  # those that gatllm itself needs, at the versions that constraints.txt pins


def test_the_card_names_these_files_and_this_proof() -> None:
    card, proof = CARD.read_text(), read_proof(SHIPPED)
    for stated in (
        sha256((SHIPPED / "model.safetensors").read_bytes()),
        proof.claims.output["weights_root"],
        proof.digest(),
        proof.signer,
        proof.ed25519,
        proof.hashes.data_hash,
        f"{proof.claims.output['metrics']['parameters']:,} parameters",
        f"{(SHIPPED / 'model.safetensors').stat().st_size:,} bytes",
        f"{proof.claims.output['metrics']['steps']:,} updates",
    ):
        assert stated in card, stated


def test_the_shipped_weights_hold_and_are_signed_by_whom_the_docs_name() -> None:
    result = verify(SHIPPED, signer=SIGNER, require_updates=0)
    assert (result.failures, result.outcome) == ([], "intact")
    assert verify(SHIPPED, signer=SIGNER).outcome == "inconclusive"
    (parent,) = [item for item in result.items if item.name == "lineage"]
    assert parent.verdict == "claimed"
    assert read_proof(SHIPPED).lineage[0]["proof"] in parent.detail
    assert parent.detail.endswith("its weights are the initial ones")
    for page in (CARD, ROOT / "docs" / "proof.md", ROOT / "docs" / "review.md"):
        assert SIGNER in page.read_text(), page.name


def test_the_shipped_weights_can_not_be_replayed_and_say_so() -> None:
    result = verify(SHIPPED, depth="full")
    assert (result.failures, result.outcome, result.redone) == ([], "inconclusive", 0)
    assert "can't be replayed" in CARD.read_text()


def test_the_ancestry_is_told_as_far_as_it_is_kept() -> None:
    card = CARD.read_text()
    shipped, ancestor = read_proof(SHIPPED), read_proof(SHIPPED.parent / "lineage" / "discriminator-2")
    assert recover_proof(ancestor) == ancestor.signer == SIGNER
    assert ancestor.hashes.data_hash == shipped.hashes.data_hash
    for proof in (shipped, ancestor):
        assert {proof.digest(), proof.claims.output["weights_root"]} <= set(re.findall(r"`([0-9a-f]{64})`", card))
        for parent in proof.lineage:
            assert {parent["proof"], parent["weights_root"]} <= set(re.findall(r"`([0-9a-f]{64})`", card))

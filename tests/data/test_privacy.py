"""Privacy: keys are found, addresses in prose and not in products, redaction keeps the code whole."""

import ast

from gatllm.data.privacy import REDACTED_ADDRESS, clean

KEY = "ghp_" + "a1B2" * 9


def test_keys_forbid_or_are_masked() -> None:
    text = f'token = "{KEY}"\n'
    _, forbidden, _ = clean(text, code=True, secret="reject", address="keep")
    assert [one.what for one in forbidden] == ["GitHub Token"]
    masked, forbidden, count = clean(text, code=True, secret="redact", address="keep")
    assert (forbidden, count) == ([], 1)
    assert masked == f'token = "{"x" * len(KEY)}"\n'
    assert clean(text, code=True, secret="keep", address="keep")[0] == text


def test_private_keys_are_found() -> None:
    text = "x = '''-----BEGIN RSA PRIVATE KEY-----\nabc'''\n"
    assert clean(text, code=True, secret="reject", address="keep")[1]


def test_addresses_in_prose_are_masked_and_products_are_not() -> None:
    text = "# by jane.doe@corp.org\ny = weights@x.transpose\nz = 'mail me@example.com or bob@corp.org'\n"
    masked, _, count = clean(text, code=True, secret="reject", address="redact")
    assert count == 2
    assert masked == text.replace("jane.doe@corp.org", REDACTED_ADDRESS).replace("bob@corp.org", REDACTED_ADDRESS)
    ast.parse(masked)
    assert len(clean("write to bob@corp.org", code=False, secret="reject", address="reject")[1]) == 1


def test_plain_code_passes_untouched(good: str) -> None:
    assert clean(good, code=True, secret="reject", address="redact") == (good, [], 0)

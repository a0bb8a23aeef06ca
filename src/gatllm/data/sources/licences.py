"""The licence of a source as an SPDX identifier, from package metadata or a licence file."""

from __future__ import annotations

import re
from importlib.metadata import Distribution
from pathlib import Path

UNKNOWN = "NOASSERTION"

# Trove classifiers that name one licence, as SPDX writes it.
_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "zlib/libpng License": "Zlib",
}
# What a licence text says near its beginning, most particular first.
_TEXTS = [
    (r"Apache License\s+Version 2\.0", "Apache-2.0"),
    (r"Mozilla Public License,? (?:Version|version|v\.?) ?2\.0", "MPL-2.0"),
    (r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3", "AGPL-3.0-only"),
    (r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3", "LGPL-3.0-only"),
    (r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1", "LGPL-2.1-only"),
    (r"GNU GENERAL PUBLIC LICENSE\s+Version 3", "GPL-3.0-only"),
    (r"GNU GENERAL PUBLIC LICENSE\s+Version 2", "GPL-2.0-only"),
    (r"PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2", "PSF-2.0"),
    (r"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    (r"Permission to use, copy, modify, and(?:/or)? distribute this software .{0,80}hereby granted", "ISC"),
    (r"Redistribution and use in source and binary forms.*Neither the name", "BSD-3-Clause"),
    (r"Redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"This is free and unencumbered software released into the public domain", "Unlicense"),
]
_FILE = re.compile(r"(?i)^(licen[cs]e|copying|unlicense)([.\-_].*)?$")
_TAG = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+\-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+\-]+)*)")


def of_text(text: str) -> str:
    """Return the SPDX identifier of a licence text, or `UNKNOWN`."""
    head = text[:20_000]
    if tag := _TAG.search(head):
        return tag[1]
    for pattern, name in _TEXTS:
        if re.search(pattern, head, re.DOTALL):
            return name
    return UNKNOWN


def of_header(text: str) -> str | None:
    """Return what an ``SPDX-License-Identifier`` line near the top of a source file says."""
    tag = _TAG.search(text[:2000])
    return tag[1] if tag else None


def is_licence_file(name: str) -> bool:
    """Tell whether a file name is that of a licence text."""
    return bool(_FILE.match(name))


def of_folder(folder: Path) -> str:
    """Return the licence that a folder's ``pyproject.toml`` or licence file states, or `UNKNOWN`."""
    try:
        names = sorted(path for path in folder.iterdir() if is_licence_file(path.name) and path.is_file())
    except OSError:
        return UNKNOWN
    found = [of_text(path.read_text(encoding="utf-8", errors="replace")) for path in names]
    return next((name for name in found if name != UNKNOWN), UNKNOWN)


def of_distribution(distribution: Distribution) -> str:
    """Return the licence of an installed package: its expression, else a classifier, else its licence file."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    names = {line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")}
    known = sorted(_CLASSIFIERS[name] for name in names if name in _CLASSIFIERS)
    if len(known) == 1:
        return known[0]
    for file in distribution.files or []:
        if is_licence_file(file.name):
            path = Path(str(file.locate()))
            if path.is_file():
                licence = of_text(path.read_text(encoding="utf-8", errors="replace"))
                if licence != UNKNOWN:
                    return licence
    return UNKNOWN

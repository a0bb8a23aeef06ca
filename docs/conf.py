"""How Sphinx builds the documentation: `make site`, strict, into `build/site`."""

from importlib.metadata import version as installed

import fastapi  # noqa: F401  # before autodoc, which imports with TYPE_CHECKING set: pydantic's models don't stand that

project = "gatllm"
author = "The gatllm maintainers"
copyright = "the gatllm maintainers, Apache-2.0"  # noqa: A001  # Sphinx's name
release = version = installed("gatllm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
# Links of the pages that lead out of `docs/` (to the log, the sources) are checked by tests/test_docs.py.
suppress_warnings = ["myst.xref_missing"]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_use_ivar = True
default_role = "code"  # docstrings name things between single backticks

html_theme = "furo"
html_title = "gatllm"
html_static_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}

"""How the documentation is built: Sphinx with MyST, every warning an error (``sphinx -W docs out``)."""

project = "apikeychain"
author = "the apikeychain contributors"
copyright = "the apikeychain contributors"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "apikeychain"

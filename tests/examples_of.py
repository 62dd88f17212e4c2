"""Loads an example as a module."""

import importlib.util
import sys
from types import ModuleType

from command import ROOT

EXAMPLES = ROOT / "examples"


def example(name: str) -> ModuleType:
    """The module in ``examples/<name>.py``, loaded once."""
    full = f"example_{name.replace('/', '_')}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]

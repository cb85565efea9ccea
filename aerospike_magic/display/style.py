"""The one style sheet of our HTML: JupyterLab's or VS Code's own colours, else those of the page.

Every piece of HTML carries it, because a saved notebook is opened in places that never saw our other outputs.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def style_sheet() -> str:
    """Return the style sheet on one line: Zeppelin looks for directives at the start of lines."""
    text = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return "".join(line.strip() for line in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).splitlines())


def page(body: str) -> str:
    """Return HTML as one self-contained block.

    Args:
        body: markup of ours, in which every foreign value is already escaped.
    """
    return f'<div class="aero"><style>{style_sheet()}</style>{body}</div>'

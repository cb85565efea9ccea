"""The one style sheet of our HTML: JupyterLab's own variables where they exist, else the system's light or dark.

Every piece of HTML carries it, because a saved notebook is opened in places that never saw our other outputs.
"""

from __future__ import annotations

CSS = """
.aero{--aero-fg:var(--jp-content-font-color1,var(--vscode-editor-foreground,#1f2328));
--aero-dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,#57606a));
--aero-bg:var(--jp-layout-color1,var(--vscode-editor-background,#fff));
--aero-head:var(--jp-layout-color2,#f3f4f6);--aero-line:var(--jp-border-color2,#d0d7de);
--aero-accent:var(--jp-brand-color1,#1f6feb);--aero-bad:var(--jp-error-color1,#cf222e);
--aero-warn:var(--jp-warn-color0,#9a6700);
--aero-mono:var(--jp-code-font-family,ui-monospace,SFMono-Regular,Menlo,Consolas,monospace);
color:var(--aero-fg);font-size:var(--jp-ui-font-size1,13px);line-height:1.5}
@media (prefers-color-scheme:dark){.aero{--aero-fg:var(--jp-content-font-color1,var(--vscode-editor-foreground,#e6edf3));
--aero-dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,#9da7b3));
--aero-bg:var(--jp-layout-color1,var(--vscode-editor-background,#0d1117));
--aero-head:var(--jp-layout-color2,#161b22);--aero-line:var(--jp-border-color2,#30363d)}}
.aero .aero-scroll{overflow:auto;max-height:26em;max-width:100%;width:fit-content;border:1px solid var(--aero-line);
border-radius:4px}
.aero table.aero-grid{border-collapse:separate;border-spacing:0;margin:0;font-size:inherit;color:inherit;
font-variant-numeric:tabular-nums;table-layout:auto}
.aero .aero-grid th,.aero .aero-grid td{padding:3px 10px;text-align:left;white-space:pre;max-width:34em;
overflow:hidden;text-overflow:ellipsis;border:0;border-bottom:1px solid var(--aero-line);vertical-align:top}
.aero .aero-grid tr:last-child td{border-bottom:0}
.aero .aero-grid thead th{position:sticky;top:0;z-index:1;background:var(--aero-head);font-weight:600}
.aero .aero-grid tbody tr,.aero .aero-grid tbody tr:nth-child(even){background:var(--aero-bg)}
.aero .aero-grid tbody tr:hover{background:var(--aero-head)}
.aero .aero-grid .aero-r{text-align:right}
.aero .aero-type{display:block;font-weight:400;font-size:.82em;color:var(--aero-dim)}
.aero .aero-null{color:var(--aero-dim);font-style:italic}
.aero .aero-wrap td{white-space:pre-wrap}
.aero .aero-note{color:var(--aero-dim);padding:2px 0}
.aero .aero-line{font-variant-numeric:tabular-nums}
.aero .aero-line b{font-weight:600}
.aero .aero-line .aero-dim,.aero .aero-dim{color:var(--aero-dim)}
.aero .aero-pred{font-family:var(--aero-mono);font-size:.92em;background:var(--aero-head);border-radius:3px;padding:0 4px}
.aero .aero-warn{color:var(--aero-warn)}
.aero .aero-bad{color:var(--aero-bad)}
.aero .aero-title{font-weight:600;margin:2px 0 4px}
.aero pre.aero-words{margin:0 0 6px;font-family:inherit;white-space:pre-wrap;color:inherit;background:none;padding:0}
"""


def page(body: str) -> str:
    """Return HTML as one self-contained block.

    Args:
        body: markup of ours, in which every foreign value is already escaped.
    """
    # On one line each: Zeppelin looks for directives at the start of lines.
    return f'<div class="aero"><style>{CSS.replace(chr(10), "")}</style>{body}</div>'

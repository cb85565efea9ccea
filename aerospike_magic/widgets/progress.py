"""The live map of a query's partitions, for Jupyter.

The kernel's main thread is busy with the cell while the map is shown, so how does a press of "Cancel" get in?
Two ways. The page sends a message; a kernel that handles widgets' messages on another thread (a subshell)
sets an event, which the cell's display loop sees. Most kernels leave the message until the cell has ended
(ipykernel 7.4 answers on the shell that last wrote to the widget, which is the busy one), so when nobody
has acknowledged it within a quarter of a second the page asks the kernel to interrupt, as the notebook's
stop button does. Only the thread that runs the cell ever writes traits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.display import DisplayHandle

from aerospike_magic.display.live import line_bundle
from aerospike_magic.display.progress import live_line, total_eta_s, total_fraction
from aerospike_magic.display.text import clean, count, duration, percent, rate, size

if TYPE_CHECKING:
    from aerospike_magic.scan.progress import ScanProgress

_HERE = Path(__file__).parent


class ProgressWidget(anywidget.AnyWidget):
    """Traits that `progress.js` draws.

    Attributes:
        scans: one dict a scan, words ready to be shown (see `scan_words`).
        states: 4,096 bytes a scan, one `PartitionState` a partition.
        owners: 4,096 bytes a scan, the index of the node that serves each partition.
        fraction: 0..1 over all scans.
        activity: where the engine itself is, in a few words.
        status: what a screen reader is told; changes only every ten percent.
        phase: "running", or "cancelling" once a cancel was taken note of.
    """

    _esm = _HERE / "progress.js"
    _css = _HERE / "progress.css"

    scans = traitlets.List(traitlets.Dict()).tag(sync=True)
    states = traitlets.Bytes(b"").tag(sync=True)
    owners = traitlets.Bytes(b"").tag(sync=True)
    fraction = traitlets.Float(0.0).tag(sync=True)
    clock = traitlets.Unicode("").tag(sync=True)
    activity = traitlets.Unicode("").tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    phase = traitlets.Unicode("running").tag(sync=True)


class WidgetView:
    """A `ProgressView` that shows the map while the query runs and one plain line of HTML afterwards.

    The line replaces the map in the cell's output, so a saved notebook shows it without any widget state.
    """

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self._widget: ProgressWidget | None = None
        self._handle: Any = None

    @property
    def cancel_wanted(self) -> bool:
        """Whether the cancel button was pressed."""
        return self._cancel.is_set()

    def update(self, scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> None:
        """Show or change the map."""
        traits = widget_traits(scans, elapsed_s, activity)
        traits["phase"] = "cancelling" if self._cancel.is_set() else "running"
        if self._widget is None:
            self._widget = ProgressWidget(**traits)
            self._widget.on_msg(self._on_message)
            self._show(self._widget, live_line(scans, elapsed_s, 140, activity))
            return
        with self._widget.hold_sync():
            for name, value in traits.items():
                setattr(self._widget, name, value)

    def finish(self, line: str, fragment: str) -> None:
        """Replace the map by the line, and forget the widget's state in kernel and page."""
        if self._handle is not None:
            self._handle.update(line_bundle(line, fragment), raw=True)
        elif line:
            self._handle = DisplayHandle()
            self._handle.display(line_bundle(line, fragment), raw=True)
        if self._widget is not None:
            self._widget.layout.close()
            self._widget.close()
            self._widget = None

    def _show(self, widget: ProgressWidget, words: str) -> None:
        # The words are for front ends without a widget manager: they show the last type that they understand.
        view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        bundle = {"text/plain": words, "application/vnd.jupyter.widget-view+json": view}
        self._handle = DisplayHandle()
        self._handle.display(bundle, raw=True)

    def _on_message(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if isinstance(content, dict) and content.get("type") == "cancel":
            self._cancel.set()


def widget_traits(scans: Sequence[ScanProgress], elapsed_s: float, activity: str = "") -> dict[str, Any]:
    """Return the traits that show these snapshots.

    Args:
        scans: a snapshot of each scan of the query.
        elapsed_s: seconds since the cell started.
        activity: where the engine itself is, in a few words.
    """
    fraction = total_fraction(scans)
    eta_s = total_eta_s(scans)
    return {
        "scans": [scan_words(scan) for scan in scans],
        "states": b"".join(scan.partitions for scan in scans),
        "owners": b"".join(scan.owners for scan in scans),
        "fraction": fraction,
        "clock": duration(elapsed_s) + (f" · {duration(eta_s)} left" if eta_s is not None else ""),
        "activity": clean(activity),
        "status": f"{percent(int(fraction * 10) / 10)} of the partitions read" if scans else "planning the query",
    }


def scan_words(scan: ScanProgress) -> dict[str, Any]:
    """Return one scan's words for the page, cleaned; the page sets them as text, never as markup."""
    return {
        "name": clean(f"{scan.namespace}.{scan.set_name}"),
        "access": clean(scan.access),
        "state": scan.state,
        "pushed": clean(scan.pushed),
        "residual": clean(scan.residual),
        "scanned": count(scan.scanned),
        "returned": count(scan.returned),
        "received": size(scan.n_bytes),
        "rate": rate(scan.records_per_s, ""),
        "partitions": f"{count(scan.partitions_done)} of {count(scan.partitions_total)}",
        "fraction": scan.fraction,
        "retries": scan.retries,
        "throttled": scan.throttled,
        "nodes": [
            {
                "name": clean(node.address or node.name),
                "done": node.partitions_done,
                "total": node.partitions_total,
                "records": count(node.records),
            }
            for node in scan.nodes
        ],
    }

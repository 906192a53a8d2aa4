"""The parts that the explorer's widgets are made of."""

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from longcot.files.visible import visible
from longcot.report.explorer import page

WIDE: dict[str, Any] = {"layout": {"width": "18rem", "max_width": "100%"}, "style": {"description_width": "5rem"}}

KEYBOARD = "longcot-reader"


def menu(name: str, options: Sequence[str] = ()) -> widgets.Dropdown:
    """A menu of names, `any` (an empty value) at its head."""
    return widgets.Dropdown(options=or_any(options), value="", description=name, **WIDE)


def or_any(options: Sequence[str]) -> list[tuple[str, str]]:
    """The names as a menu's options, `any` before them."""
    return [("any", ""), *named(options)]


def named(options: Sequence[str]) -> list[tuple[str, str]]:
    """The names as a menu's options: what is shown, and the name itself."""
    return [(visible(name), name) for name in options]


class Keys(anywidget.AnyWidget):
    """Hears the keys that are pressed within `KEYBOARD`, a class of the widget around it, before JupyterLab does.

    `pressed` becomes (key, time) of those that are `heard`, unless something is being typed.
    """

    _esm = """
    export default { render({ model, el }) {
      const around = () => el.closest(".KEYBOARD");
      const hear = event => {
        const typed = event.target.matches("input:not([type=checkbox]), select, textarea");
        if (!around()?.contains(event.target) || typed || event.ctrlKey || event.altKey || event.metaKey) return;
        if (!model.get("heard").includes(event.key)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        model.set("pressed", [event.key, Date.now()]);
        model.save_changes();
      };
      requestAnimationFrame(() => { if (around()) around().tabIndex = 0; });
      window.addEventListener("keydown", hear, true);
      return () => window.removeEventListener("keydown", hear, true);
    } };
    """.replace("KEYBOARD", KEYBOARD)
    heard = traitlets.List().tag(sync=True)
    pressed = traitlets.List().tag(sync=True)


class Column:
    """One arm's column: a menu of its samples and the one that is read."""

    def __init__(self, card: Callable[[int], str]):
        self._card, self.row = card, None
        self.name, self.text = widgets.HTML(), widgets.HTML()
        self.menu = widgets.Dropdown(layout={"width": "100%"})
        self.box = widgets.VBox([self.name, self.menu, self.text], layout={"flex": "1 1 18rem", "min_width": "0"})
        self.menu.observe(lambda change: self._picked(change["new"]), "value")

    def offer(self, arm: str, options: list[tuple[str, int]], row: int | None) -> None:
        """The arm's samples of a problem, and which of them to read."""
        self.row = None
        self.name.value = page.whole(f"<b>{page.plain(arm)}</b>")
        self.menu.options = options
        self.menu.value = self.row = row

    def show(self) -> None:
        """Show the sample that is chosen."""
        self.text.value = page.whole("No trace of this problem." if self.row is None else self._card(self.row))

    def _picked(self, row: int | None) -> None:
        if self.row is not None and row is not None and row != self.row:
            self.row = row
            self.show()

    def step(self, by: int) -> None:
        """Read the next of the samples that pass (those with a dot), or of all where none does, or one before."""
        rows = [row for label, row in self.menu.options if label.startswith("●")]
        rows = rows or [row for _, row in self.menu.options]
        if self.row is not None:
            at = rows.index(self.row) if self.row in rows else -1
            self.menu.value = rows[(at + by) % len(rows)]

"""The widgets of the explorer: choose arms, filter, pick a problem and samples, read."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ipywidgets as widgets
import itables
import pandas as pd
from itables.widget import ITable

from longcot.files.errors import BadInput
from longcot.report.explorer import page
from longcot.report.explorer.choice import (
    ENDINGS,
    UNITS,
    VERDICTS,
    Filters,
    disagreed,
    length_unit,
    orders,
    passing,
    problem_table,
    sample_options,
)
from longcot.report.explorer.controls import KEYBOARD, WIDE, Column, Keys, menu, named, or_any
from longcot.report.explorer.counts import Counts
from longcot.report.explorer.index import Index
from longcot.report.explorer.searching import Search
from longcot.traces.behaviours import BEHAVIOURS

itables.options.warn_on_undocumented_option = False  # displayStart is DataTables' own
MOST = 4  # arms beside each other
PAGE = 5  # problems on a page of the list
FILED = ("as in the files", "")  # their order
_ROW = {"flex_flow": "row wrap", "grid_gap": "0.4rem 1.2rem", "align_items": "flex-start"}


class Reader:
    """The explorer of an index; `view` is its widget. It begins at the trace `row`, with `arms` beside each other."""

    def __init__(self, index: Index, arms: Sequence[str], row: int):
        self.index, self.counts, self.search = index, Counts(index, self._told), Search(index)
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # not in a kernel
            self._loop = None
        place = index.table.loc[row]
        self.set = widgets.Dropdown(options=index.sets(), value=place["set"], description="traces on", **WIDE)
        self.arms = widgets.SelectMultiple(rows=6, description="arms", **WIDE)
        self.verdict, self.ending = menu("verdict", VERDICTS), menu("end", ENDINGS)
        self.behaviour = menu("shows", BEHAVIOURS)
        self.wrong_in, self.right_in = menu("wrong in"), menu("right in")
        self.length = widgets.FloatRangeSlider(continuous_update=False, readout_format=",.0f", **WIDE)
        self.highlight = widgets.Dropdown(
            options=[
                ("all behaviours", BEHAVIOURS),
                ("the answer alone", ()),
                *((name, (name,)) for name in BEHAVIOURS),
            ],
            description="highlight",
            **WIDE,
        )
        self.words = widgets.Text(description="text holds", placeholder="words", continuous_update=False, **WIDE)
        self.order = widgets.Dropdown(options=[FILED], description="order", **WIDE)
        self.reset = widgets.Button(description="reset filters")
        self.place = widgets.Text(description="go to", placeholder="file:line", continuous_update=False, **WIDE)
        self.previous = widgets.Button(description="previous problem")
        self.next = widgets.Button(description="next problem")
        self.found, self.progress, self.problem = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.listed, self.side = widgets.VBox(), widgets.Box(layout=_ROW)
        self.columns = [Column(self._card) for _ in range(MOST)]
        self.table = pd.DataFrame()
        self.keys = {
            "j": lambda: self._step(1),
            "k": lambda: self._step(-1),
            "]": lambda: self.columns[0].step(1),
            "[": lambda: self.columns[0].step(-1),
            "}": lambda: self.columns[1].step(1),
            "{": lambda: self.columns[1].step(-1),
            "r": self._reset,
        }
        self.keyboard = Keys(heard=list(self.keys))
        self.view = self._laid_out()
        self._held = False
        with self._hold():
            self._choose_set(place["set"], arms)
        self._filter(place["problem_id"], row)
        self._watch()

    def _laid_out(self) -> widgets.Widget:
        filters = [self.words, self.verdict, self.ending, self.behaviour, self.length, self.wrong_in, self.right_in]
        filters += [self.order, self.highlight]
        controls = [widgets.VBox([self.set, self.arms]), widgets.Box(filters, layout=_ROW | {"flex": "1 1 18rem"})]
        moves = widgets.Box([self.previous, self.next, self.place, self.reset, self.keyboard], layout=_ROW)
        head = widgets.HTML(page.STYLE + page.whole(page.legend()))
        parts = [widgets.Box(controls, layout=_ROW), self.found, self.progress, self.listed, moves]
        return widgets.VBox([*parts, self.problem, head, self.side]).add_class(KEYBOARD)

    def _watch(self) -> None:
        self.set.observe(lambda change: self._set_changed(change["new"]), "value")
        self.arms.observe(lambda _: self._filter(self.problem_id), "value")
        for control in (self.verdict, self.ending, self.behaviour, self.length, self.words, self.order):
            control.observe(lambda _: self._filter(self.problem_id), "value")
        for control in (self.wrong_in, self.right_in):
            control.observe(lambda change: self._pair_changed(change["new"]), "value")
        self.highlight.observe(lambda _: self._show_columns(), "value")
        self.place.observe(lambda change: self._go_to(change["new"]), "value")
        self.next.on_click(lambda _: self._step(1))
        self.previous.on_click(lambda _: self._step(-1))
        self.reset.on_click(lambda _: self._reset())
        self.keyboard.observe(lambda change: self.keys[change["new"][0]](), "pressed")

    @contextmanager
    def _hold(self) -> Iterator[None]:
        """What widgets are given within is no choice of the reader's, and nothing follows from it."""
        held, self._held = self._held, True
        try:
            yield
        finally:
            self._held = held

    @property
    def filters(self) -> Filters:
        """What is chosen now."""
        low, high = self.length.value
        everything = (self.length.min, self.length.max) == (low, high)
        menus = [control.value for control in (self.verdict, self.ending, self.behaviour)]
        pair = self.wrong_in.value, self.right_in.value
        return Filters(*menus, None if everything else (low, high), *pair, self.words.value.strip())

    @property
    def chosen(self) -> list[str]:
        """The arms beside each other."""
        return list(self.arms.value)[:MOST]

    def _choose_set(self, name: str, arms: Sequence[str]) -> None:
        rows = self.index.table[self.index.table["set"] == name]
        there = list(rows["arm"].unique())
        self.set.value = name
        self.arms.options = named(there)
        self.arms.value = [arm for arm in arms if arm in there] or there[:2]
        for pair in (self.wrong_in, self.right_in):
            pair.options, pair.value = or_any(there), ""
        unit = length_unit(rows)
        self.length.description = UNITS[unit]
        self.length.min, self.length.max = 0, float(rows[unit].max())
        self.length.value = self.length.min, self.length.max

    def _set_changed(self, name: str) -> None:
        if not self._held:
            with self._hold():
                self._choose_set(name, self.chosen)
            self._filter()

    def _pair_changed(self, arm: str) -> None:
        """Arms that disagree are shown beside each other."""
        if not self._held:
            pair = [control.value for control in (self.wrong_in, self.right_in) if control.value]
            with self._hold():
                self.arms.value = pair if len(pair) == 2 else list(dict.fromkeys([*pair, *self.chosen]))[:MOST]
            self._filter(self.problem_id)

    def _filter(self, problem_id: str = "", row: int | None = None) -> None:
        """List the problems that are left, and show one: `problem_id` where it is among them, else the first."""
        if self._held:
            return
        table, name, filters = self.index.table, self.set.value, self.filters
        rows = table[(table["set"] == name) & table["arm"].isin(self.chosen)]
        if filters.behaviour:
            self.counts.ask(list(rows["file"].unique()))
        self.kept = passing(rows, filters, self.counts.array, self.search.holding)
        listed = self.kept & rows["problem_id"].map(disagreed(self.index, name, filters))
        unit = length_unit(table[table["set"] == name])
        self.table = self._ordered(problem_table(self.index, rows, listed, self.chosen, unit))
        more = f"; of {len(self.arms.value)} arms the first {MOST}" if len(self.arms.value) > MOST else ""
        asked = f" Filters: {page.plain('; '.join(said))}." if (said := filters.said()) else ""
        self.reset.disabled = not said
        self.found.value = (
            f"<p>{len(self.table):,} of {rows['problem_id'].nunique():,} problems; "
            f"{int(self.kept.sum()):,} of {len(rows):,} traces pass{more}.{asked}</p>"
        )
        self._show_problem(problem_id if problem_id in self.table.index else "", row, anew=True)

    def _ordered(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table in the order that is chosen; its menu offers what these arms can be ordered by."""
        ways = orders(table)
        with self._hold():
            chosen = self.order.value
            self.order.options = [FILED, *named(list(ways))]
            self.order.value = chosen if chosen in ways else ""
        if not self.order.value:
            return table
        column, up = ways[self.order.value]
        return table.sort_values(column, ascending=up, kind="stable")

    def _show_problem(self, problem_id: str = "", row: int | None = None, anew: bool = False) -> None:
        """Show a problem of the list, its first where none is given; `anew`: the list itself is another."""
        self.problem_id = problem_id or (self.table.index[0] if len(self.table) else "")
        position = self.table.index.get_loc(self.problem_id) if len(self.table) else None
        self._show_list(position, anew)
        table = self.index.table
        own = table[(table["set"] == self.set.value) & (table["problem_id"] == self.problem_id)]
        for arm, column in zip(self.chosen, self.columns, strict=False):
            options, best = sample_options(own[own["arm"] == arm], self.kept, arm, self.filters)
            column.offer(arm, options, row if row in [value for _, value in options] else best)
        self.side.children = [column.box for column in self.columns[: len(self.chosen)]] if len(own) else []
        self._show_columns()
        first = next((column.row for column in self.columns if column.row is not None), None)
        self.problem.value = page.whole(self._problem(first) if len(own) else "<p>Nothing passes.</p>")

    def _show_list(self, position: int | None, anew: bool) -> None:
        old = self.listed.children[0] if self.listed.children else None
        start = (position or 0) // PAGE * PAGE
        selected = [] if position is None else [position]
        if old is not None and not anew and start == self._start:
            with self._hold():
                old.selected_rows = selected
            return
        # A table of its own for each list: one that is given other rows no longer tells which is selected.
        shown = page.visible_table(self.table)
        looks = {"classes": "display nowrap compact", "scrollX": True, "pageLength": PAGE, "lengthMenu": [PAGE, 10, 25]}
        # Its own search and order would show other rows than those that next and previous step through.
        looks |= {"showIndex": False, "searching": False, "ordering": False}
        new = ITable(shown, select="single", maxBytes=0, displayStart=start, selected_rows=selected, **looks)
        new.observe(lambda change: self._row_selected(change["new"]), "selected_rows")
        self._start, self.listed.children = start, [new]
        if old is not None:
            old.close()

    def _row_selected(self, selected: list[int]) -> None:
        if not self._held and selected and self.table.index[selected[0]] != self.problem_id:
            self.problem_id = self.table.index[selected[0]]
            self._start = selected[0] // PAGE * PAGE
            self._show_problem(self.problem_id)

    def _step(self, by: int) -> None:
        if len(self.table):
            position = (self.table.index.get_loc(self.problem_id) + by) % len(self.table)
            self._show_problem(self.table.index[position])

    def _go_to(self, place: str) -> None:
        """Show the trace that stands at `file:line`, its arm first, whatever the filters say."""
        row = self.index.find(place)
        if row is None:
            self.progress.value = f"<p>{page.plain(place)}: no trace there.</p>" if place.strip() else ""
            return
        at = self.index.table.loc[row]
        self.progress.value = ""
        with self._hold():
            self._choose_set(at["set"], list(dict.fromkeys([at["arm"], *self.chosen]))[:MOST])
            self._clear()
        self._filter(at["problem_id"], row)

    def _clear(self) -> None:
        for control in (self.verdict, self.ending, self.behaviour, self.words, self.wrong_in, self.right_in):
            control.value = ""
        self.length.value = self.length.min, self.length.max

    def _reset(self) -> None:
        """No filter, and the same problem as before."""
        with self._hold():
            self._clear()
        self._filter(self.problem_id)

    def _show_columns(self) -> None:
        for column in self.columns[: len(self.chosen)]:
            column.show()

    def _problem(self, row: int | None) -> str:
        try:
            return "" if row is None else page.problem_html(self.index.read(row))
        except BadInput as error:
            return f"<p>{page.plain(error)}</p>"

    def _card(self, row: int) -> str:
        try:
            at = self.index.table.loc[row]
            return page.place_html(f"{at['file']}:{at['line']}") + page.card(self.index.read(row), self.highlight.value)
        except BadInput as error:
            return f"<p>{page.plain(error)}</p>"

    def _told(self, text: str) -> None:
        """Called from the thread that counts: what follows is done between the reader's own actions."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._counted, text)
        else:
            self._counted(text)

    def _counted(self, text: str) -> None:
        self.progress.value = f"<p>{page.plain(text)}</p>" if text else ""
        if self.filters.behaviour and (self.counts.idle or not len(self.table)):
            self._filter(self.problem_id)

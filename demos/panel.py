"""A tab is data: a ``Demo`` is its key, its panels, its method modules and its sources.

A panel is one pure function from control values to a ``View`` (or a generator of Views, for long
work) and one function that returns its controls by parameter name. Checking, code, links and API
signature follow from these two, here; layout and events follow in ``demos.frame``.
"""

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

from demos.controls import Control, InputError, Upload, label_word
from demos.view import View
from demos.words import W, Word, quoted

Values = dict[str, Any]


@dataclass(frozen=True)
class Preset:
    """A named set of values with a sentence on what to look for.

    Args:
        key: Its words are ``<tab>.<panel>_try_<key>`` (button) and ``…_see`` (what to look for).
        values: Values to set; a function of the current values where a rule computes them.
    """

    key: str
    values: Mapping[str, Any] | Callable[[Values], Mapping[str, Any]]

    def apply(self, current: Values) -> Values:
        """Return all values after the preset: the current ones for a rule, else the defaults'."""
        new = self.values(current) if callable(self.values) else self.values
        return {**current, **new}


@dataclass(frozen=True)
class Panel:
    """One picture with its controls.

    Args:
        view: From keyword arguments to a View, or a generator of Views; its name is the key.
        controls: Returns the controls by parameter name.
        presets: "Try this".
        pick: From the current values and the clicked point (``figure``, ``x``, ``y``, ``curve``,
            ``index``) to values to set.
    """

    view: Callable[..., View | Iterator[View]]
    controls: Callable[[], dict[str, Control]]
    presets: Sequence[Preset] = ()
    pick: Callable[[Values, Mapping[str, Any]], Mapping[str, Any]] | None = None

    @property
    def key(self) -> str:
        """Name of the panel, as in links and in the API."""
        return self.view.__name__

    @property
    def tab(self) -> str:
        """Key of the tab: the module in ``demos`` that holds the panel, or its folder."""
        return self.view.__module__.split(".")[1]

    @property
    def long(self) -> bool:
        """Whether it is long work: a generator with a Run button."""
        return inspect.isgeneratorfunction(self.view)

    @cached_property
    def fields(self) -> dict[str, Control]:
        """The controls by parameter name, made once."""
        return self.controls()

    @property
    def defaults(self) -> Values:
        """The control values at first."""
        return {name: control.default for name, control in self.fields.items()}

    def word(self, suffix: str, **params: Any) -> Word:
        """Return one of the panel's words: ``<tab>.<panel>_<suffix>``."""
        return W(f"{self.tab}.{self.key}_{suffix}", **params)

    def label(self, param: str) -> Word:
        """Return a control's label."""
        return label_word(self.tab, self.key, param)

    def check(self, values: Mapping[str, Any]) -> Values:
        """Return checked values for all parameters; a missing one takes its default.

        Raises:
            InputError: A value is outside its control's domain, or a name is not a parameter.
        """
        for name in values:
            if name not in self.fields:
                raise InputError(W("frame.error_parameter", given=quoted(name), panel=self.key))
        return {
            name: control.check(self.label(name), values.get(name, control.default))
            for name, control in self.fields.items()
        }

    def views(self, values: Mapping[str, Any]) -> Generator[View, None, None]:
        """Yield the views for checked values: one for a live panel, several for long work."""
        result = self.view(**values)
        if isinstance(result, View):
            yield result
        else:
            yield from result

    def first(self, values: Mapping[str, Any]) -> View:
        """Return the first view: what a panel shows without pressing Run."""
        with closing(self.views(values)) as views:
            return next(views)

    def query(self, values: Mapping[str, Any]) -> str:
        """Return the part of a link that restores this view."""
        stated = {
            name: text
            for name, control in self.fields.items()
            if (text := control.to_text(values[name])) or not isinstance(control, Upload)
        }
        return urlencode({"tab": self.tab, "panel": self.key, **stated})

    def from_query(self, query: Mapping[str, str]) -> tuple[Values, list[Word]]:
        """Return values from a link's parameters and what was wrong with them.

        A bad parameter falls back to its default and is named.
        """
        values, problems = self.defaults, []
        for name, text in query.items():
            control = self.fields.get(name)
            try:
                if control is None or isinstance(control, Upload):
                    raise InputError(
                        W("frame.error_parameter", given=quoted(name), panel=self.word("title"))
                    )
                values[name] = control.check(self.label(name), control.from_text(text))
            except InputError as error:
                problems.append(W("frame.link_problem", problem=error.word))
        return values, problems

    def code(self, values: Mapping[str, Any]) -> str:
        """Return Python code that makes this view, runnable from the repository root."""
        arguments = "".join(
            f"    {name}={control.code(values[name])},\n" for name, control in self.fields.items()
        )
        call = f"{self.key}(\n{arguments})"
        if not self.long:
            body = f"view = {call}\n"
        else:
            body = f"for view in {call}:\n    pass  # each view is one step; the last one is done\n"
        return f"from demos.{self.tab} import {self.key}\n\n{body}print(view)\n"


@dataclass(frozen=True)
class Demo:
    """One tab.

    Args:
        key: Tab id, prefix of its words and API names, and the name of its file in ``demos/``.
        panels: In reading order.
        methods: Modules whose source the tab shows.
        sources: Addresses of posts and papers by the key of their title in the tab's words.
    """

    key: str
    panels: Sequence[Panel]
    methods: Sequence[ModuleType]
    sources: Mapping[str, str] = field(default_factory=dict)

    def panel(self, key: str) -> Panel | None:
        """Return the panel called ``key``."""
        return next((panel for panel in self.panels if panel.key == key), None)

"""A picture with controls above it: whoever moves one sees the picture drawn anew.

The controls are sliders, number fields and buttons of ipywidgets, which the keyboard alone can
move. (JupyterLab takes the keys of a drop-down list for its own: an arrow leaves the list, a letter
changes the notebook.) Below them stands a picture that does not move, with several settings side by
side: for print, for a page without a kernel, and for whoever only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as widgets
from IPython.display import display

from helpers.basics.errors import UsageError
from helpers.pictures.picture import Picture

VIEW = "application/vnd.jupyter.widget-view+json"


class MovingPicture:
    """Controls, the picture of their settings, and a still picture of some settings.

    The last thing in a cell, it shows itself.

    Attributes:
        title: what it is, in a few words.
        box: the controls and the picture, one widget of ipywidgets.
        controls: name -> control of ipywidgets; the value of each is one setting.
        still: the picture that does not move.
    """

    def __init__(
        self,
        title: str,
        draw: Callable[..., Picture],
        controls: Mapping[str, widgets.ValueWidget],
        still: Picture,
        *,
        above: widgets.Widget | None = None,
    ):
        """`draw` gets the settings by name; `above` has the controls where a row will not do."""
        self.title, self.controls, self.still = title, dict(controls), still
        self._draw, self._picture = draw, widgets.HTML()
        self.box = widgets.VBox([above or row_of(*controls.values()), self._picture])
        self._drawn: dict[str, object] = {}
        self._held = False
        for control in self.controls.values():
            control.observe(self._redraw, "value")
        self._redraw()

    @property
    def settings(self) -> dict[str, object]:
        """The value of each control, by its name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def picture(self) -> Picture:
        """The picture of the present settings."""
        return self._draw(**self.settings)

    def put(self, **settings: object) -> None:
        """Move several controls, and draw once.

        Raises:
            UsageError: there is no control of such a name, or it has no such place. All stay
                where they were.
        """
        if unknown := [name for name in settings if name not in self.controls]:
            raise UsageError(
                f"Expected one of the controls {', '.join(self.controls)}. Received: {unknown[0]}."
            )
        before = self.settings
        self._held = True
        try:
            # In the order of the controls: a filter decides how many pages there are.
            for name in self.controls:
                if name in settings:
                    self._put(name, settings[name])
        except UsageError:
            for name, value in before.items():
                self.controls[name].value = value
            raise
        finally:
            self._held = False
            self._redraw()

    def _put(self, name: str, value: object) -> None:
        control = self.controls[name]
        try:
            control.value = value
        except Exception:  # traitlets has several kinds
            taken = False
        else:
            taken = control.value == value  # a slider moves to its end instead
        if not taken:
            if hasattr(control, "options"):
                values = [each[1] if isinstance(each, tuple) else each for each in control.options]
                more = ", ..." if len(values) > 12 else ""
                places = f"one of {', '.join(map(repr, values[:12]))}{more}"
            else:
                places = f"{control.min} to {control.max}"
            raise UsageError(f"Expected {places} for {name}. Received: {value!r}.") from None

    def _redraw(self, _: object = None) -> None:
        if not self._held and self.settings != self._drawn:
            self._drawn = self.settings
            self._picture.value = self.picture.to_html()

    def _ipython_display_(self) -> None:
        words = f"Moving picture: {self.title}. Run this cell to move it."
        view = {"model_id": self.box.model_id, "version_major": 2, "version_minor": 0}
        display({VIEW: view, "text/plain": words}, raw=True)
        display(self.still)

    def __repr__(self) -> str:
        return f"Moving picture: {self.title}. {self.picture.description}"


def row_of(*controls: widgets.Widget) -> widgets.Box:
    """Side by side, and in a new line where the page is narrow."""
    return widgets.HBox(controls, layout=widgets.Layout(flex_flow="row wrap"))


def named(description: str, **settings: object) -> dict[str, object]:
    """What a control is called. (ipywidgets gives the name of a slider to the eye only.)"""
    wide, apart = {"description_width": "initial"}, widgets.Layout(margin="2px 2em 2px 2px")
    return {"description": description, "style": wide, "layout": apart} | settings

"""What a browser remembers of the sidebar that evaluates a model."""

from typing import Any

from app.ui.evaluation.sidebar import EvaluationSidebar
from app.ui.widgets.remembered import Held, RememberedForm
from app.ui.wiring.guard import Updates


class EvaluationMemory(RememberedForm):
    """Model, data, attacks and numbers; not the visitor's own labelled images."""

    def __init__(self, sidebar: EvaluationSidebar) -> None:
        form = sidebar.form
        own = [form.models.choice, form.data, form.suites, form.count, form.eps]
        super().__init__("evaluate", sidebar.panel.notice, form.reset, own, changing=[form.models.choice, form.data])
        self._form = form

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return self._form.followed

    def fill(self, values: Held, _owner: str) -> Updates:
        """See ``RememberedForm``. No attack may be chosen yet, and no image have a label."""
        form = self._form
        data, count, eps = (values[one] for one in (form.data, form.count, form.eps))
        form.check_settings(values[form.models.choice], data, count, eps)
        return form.follow(values[form.models.choice], data)

"""What the tests of the checks share."""

from collections.abc import Callable
from typing import Any

import pytest

from workshop_lib.course import checks

Refusal = Callable[..., str]


@pytest.fixture
def refusal() -> Refusal:
    """Return the message with which a check refuses a function."""

    def run(check: Callable[..., None], *args: Any, **named: Any) -> str:
        with pytest.raises(checks.CheckFailed) as caught:
            check(*args, **named)
        return " ".join(str(caught.value).split())

    return run

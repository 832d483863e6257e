from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands configure logging for their process; the next test must not notice."""
    yield
    structlog.reset_defaults()

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from signals.cli.common import console


@pytest.fixture(autouse=True)
def _same_terminal() -> Iterator[None]:
    """Give every test a wide terminal, and the next test the logging that it had before."""
    console.width = 160
    yield
    structlog.reset_defaults()

"""What all tests share: their order, hypothesis' settings, the numbers printed at the end."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
import pytest

hypothesis.settings.register_profile("umbel", deadline=None, print_blob=True)
hypothesis.settings.load_profile("umbel")

_CLOSING_WORDS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CLOSING_WORDS] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then those that start Ray, then the slow ones: news comes early."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return 2
    return 1 if item.get_closest_marker("ray") else 0


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for words in config.stash[_CLOSING_WORDS]:
        terminalreporter.write_line(words)


@pytest.fixture(scope="session")
def say_at_the_end(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a text before pytest's last line, whether or not output is captured."""
    return pytestconfig.stash[_CLOSING_WORDS].append


# --- The embedded Ray that the tests marked `ray` share goes here. -----------------------------

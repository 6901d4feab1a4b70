"""What all tests share: their order, hypothesis' settings, the numbers printed at the end."""

from __future__ import annotations

import faulthandler
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.mark.expression import Expression

hypothesis.settings.register_profile("umbel", deadline=None, print_blob=True, max_examples=40)
hypothesis.settings.register_profile(
    "thorough", deadline=None, print_blob=True, max_examples=1000
)  # pytest --hypothesis-profile=thorough
hypothesis.settings.load_profile("umbel")

_CLOSING_WORDS = pytest.StashKey[list[str]]()
_MODULE_MARKS = re.compile(r"^pytestmark = (\[\n.*?^\]|.*?$)", re.MULTILINE | re.DOTALL)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CLOSING_WORDS] = []
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Crash(config))


class _Crash:
    """What runs when native code ends the process: the test and all threads, in a file. pytest
    itself would put them out with a list of hundreds of modules behind."""

    def __init__(self, config: pytest.Config) -> None:
        folder = config.rootpath / ".pytest_cache"
        folder.mkdir(exist_ok=True)
        self._file = (folder / "crash").open("w", encoding="utf-8")
        config.add_cleanup(self._file.close)
        faulthandler.enable(self._file)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{nodeid}\n")
        self._file.flush()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A module that ``-m`` leaves out as a whole is not imported: the libraries of some take ten
    seconds to load."""
    wanted = config.option.markexpr
    named = any(collection_path.name in word for word in config.invocation_params.args)
    if not wanted or named or collection_path.suffix != ".py":
        return None
    found = _MODULE_MARKS.search(collection_path.read_text(encoding="utf-8"))
    marks = set(re.findall(r"pytest\.mark\.(ray|slow|soak)\b", found[1] if found else ""))
    if not marks:
        return None
    expression = Expression.compile(wanted)
    possible = [marks, marks | {"ray"}, marks | {"slow"}, marks | {"ray", "slow"}]
    return None if any(expression.evaluate(some.__contains__) for some in possible) else True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then those that start Ray, then the slow ones: news comes early."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return 2
    return 1 if item.get_closest_marker("ray") else 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands its words to the one that prints."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["closing_words"] = session.config.stash[_CLOSING_WORDS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", None) or {}
    node.config.stash[_CLOSING_WORDS].extend(output.get("closing_words", []))


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

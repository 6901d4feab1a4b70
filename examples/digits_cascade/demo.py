"""Train, serve on embedded Ray, send the request, show the answer and its path, shut down."""

import json
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PORT = sys.argv[1] if len(sys.argv) > 1 else "8000"


def main() -> int:
    subprocess.run([sys.executable, str(HERE / "train.py")], check=True)
    command = [sys.executable, "-m", "umbel", "run", str(HERE / "graph.py"), "--port", PORT]
    print("$ umbel run examples/digits_cascade/graph.py", flush=True)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = wait_for_url(server)
        print(f"ready {url}\n$ umbel call {url} -d @examples/digits_cascade/request.json")
        sys.stdout.flush()
        call = [sys.executable, "-m", "umbel", "call", url, "--json", "-d"]
        answer = subprocess.run(
            [*call, f"@{HERE / 'request.json'}"], check=True, capture_output=True, text=True
        )
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(timeout=120)
    got = json.loads(answer.stdout)
    expected = json.loads((HERE / "expected.json").read_text())
    print("answer:", json.dumps(got["body"]))
    print("path:  ", got["path"])
    if got["body"] != expected:
        print("expected:", json.dumps(expected))
        return 1
    print(f"umbel run ended with exit code {code}")
    return code


def wait_for_url(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    raise SystemExit(f"umbel run ended with exit code {server.wait()}")


if __name__ == "__main__":
    sys.exit(main())

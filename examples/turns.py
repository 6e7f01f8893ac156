"""Talks with a Python in a sandbox, turn by turn, over JSON Lines; needs nothing but the standard library.

    python3 examples/turns.py 'x = 6' 'x * 7'      prints what each line evaluates to
"""
import base64
import json
import subprocess
import sys

PYTHON = ["python3", "-i", "-q", "-u"]
SBX = ["sbx", "exec", "--stream", "--json", "--json-input", "--", *PYTHON]
MARK = b"\0"


def to_bytes(event):
    return event["text"].encode() if "text" in event else base64.b64decode(event["base64"])


def ask(sbx, line):
    """Sends a line, and gives what Python prints up to a mark that it prints behind it."""
    request = {"stdin": f"{line}\nprint('\\0', end='')\n"}
    print(json.dumps(request), file=sbx.stdin, flush=True)
    answer = b""
    while not answer.endswith(MARK):
        event = json.loads(sbx.stdout.readline())
        if event["event"] == "stdout":
            answer += to_bytes(event)
        elif event["event"] in ("exit", "error"):
            sys.exit(f"the session ended: {event}")
    return answer.removesuffix(MARK).decode()


with subprocess.Popen(SBX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sbx:
    for line in sys.argv[1:]:
        print(ask(sbx, line), end="")
    print(json.dumps({"eof": True}), file=sbx.stdin, flush=True)
    *_, last = sbx.stdout
    print("exit:", json.loads(last)["exit"])

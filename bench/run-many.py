"""
`run-many.py SOCKET COUNT`: runs `true` so many times in the sandbox "bench", 20 at a time, each to its end, by plain
HTTP: a thousand times the start of a client would take longer than all they do.
"""

import http.client
import json
import socket
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

path, count = sys.argv[1], int(sys.argv[2])


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)


def run(_):
    connection = Connection("sbx")
    request = {"id": str(uuid.uuid4()), "sandbox": "bench", "argv": ["true"], "stdin": "null"}
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    connection.request("POST", "/api/v1/execs", json.dumps(request), headers)
    events = connection.getresponse().read()
    connection.close()
    if b"\nevent: exit\n" not in events:
        sys.exit(f"an exec ended with {events[-500:]!r}")


with ThreadPoolExecutor(20) as pool:
    for _ in pool.map(run, range(count)):
        pass

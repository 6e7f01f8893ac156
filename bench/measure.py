"""
Takes the samples of one measure, in turn from each contender, so that noise of the machine hits all alike. Its own
share is the same for all and small: real pipes, plain reads and writes, no event loop.

Takes the order as JSON in argv[1]; prints {"samples": {contender: [...]}, "failures": {contender: words}}.
"""

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import time

DEVNULL, PIPE = subprocess.DEVNULL, subprocess.PIPE
CHUNK = 128 * 1024
MIB = 1024 * 1024
SAMPLE_LIMIT_S = 300
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    pass


started = []  # by the sample that is being taken


def start(argv, **streams):
    child = subprocess.Popen(argv, **{"stdin": DEVNULL, "bufsize": 0, **streams})
    started.append(child)
    return child


def finish(child, kill=False):
    if kill:
        child.kill()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    status = child.wait()
    if status != 0 and not kill:
        raise Failure(f"exit status {status}")


# (a)
def take_start(argv, _order):
    begin = time.perf_counter()
    child = start(argv, stdout=DEVNULL)
    finish(child)
    return [time.perf_counter() - begin]


# (b)
def take_first_byte(argv, _order):
    begin = time.perf_counter()
    child = start(argv, stdout=PIPE)
    byte = os.read(child.stdout.fileno(), 1)
    elapsed = time.perf_counter() - begin
    if byte != b"x":
        raise Failure(f"the first byte is {byte!r}")
    finish(child)
    return [elapsed]


# (d)
def take_out(argv, order):
    buffer = bytearray(CHUNK)
    begin = time.perf_counter()
    child = start(argv, stdout=PIPE)
    total = drain(child.stdout.fileno(), buffer)
    finish(child)
    elapsed = time.perf_counter() - begin
    if total != order["size"]:
        raise Failure(f"{total} bytes of {order['size']} arrived")
    return [total / MIB / elapsed]


def drain(fd, buffer, on_chunk=None):
    total = 0
    while count := os.readv(fd, [buffer]):
        total += count
        if on_chunk is not None:
            on_chunk()
    return total


# (e): the bytes are random, so that nothing can make them fewer; the child counts them
def take_in(argv, order):
    block = os.urandom(MIB)
    pieces = [block[at : at + CHUNK] for at in range(0, MIB, CHUNK)]
    begin = time.perf_counter()
    child = start(argv, stdin=PIPE, stdout=PIPE)
    fd = child.stdin.fileno()
    for _ in range(order["size"] // MIB):
        for piece in pieces:
            os.write(fd, piece)
    child.stdin.close()
    words = child.stdout.read()
    finish(child)
    elapsed = time.perf_counter() - begin
    if int(words) != order["size"]:
        raise Failure(f"{words.decode().strip()} bytes of {order['size']} arrived")
    return [order["size"] / MIB / elapsed]


# (c): the loops of all contenders live through the whole measure and are asked in turn, a block of turns each
class Loop:
    def __init__(self, argv):
        self.child = start(argv, stdin=PIPE, stdout=PIPE)
        self.count = 0

    def take_turn(self):
        self.count += 1
        line = b'{"n":%d,"text":"a line as an agent would send it to a tool, and its reply"}\n' % self.count
        begin = time.perf_counter()
        os.write(self.child.stdin.fileno(), line)
        reply = b""
        while not reply.endswith(b"\n"):
            piece = os.read(self.child.stdout.fileno(), 65536)
            if not piece:
                raise Failure(f"the loop ended after {self.count} turns")
            reply += piece
        elapsed = time.perf_counter() - begin
        if json.loads(reply)["n"] != self.count:
            raise Failure(f"turn {self.count} got {reply!r}")
        return elapsed

    def take_turns(self, count, warm_up):
        for _ in range(warm_up):
            self.take_turn()
        return [self.take_turn() for _ in range(count)]

    def close(self):
        finish(self.child)


def take_turns(loop, order):
    return loop.take_turns(order["block"], order["warmUp"])


def status(pid, key):
    """A size of a process, in MiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key + ":"))


# (f)
def take_memory(argv, order, processes):
    idle_child = start(order["idle"], stdout=PIPE)
    time.sleep(order["settle"])
    idle = {name: status(pid, "VmRSS") for name, pid in processes.items()}
    idle["CLI"] = status(idle_child.pid, "VmRSS")
    finish(idle_child, kill=True)
    for pid in processes.values():
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")  # the peak starts again from here

    child = start(argv, stdout=PIPE)
    watched = {"CLI": child.pid, **processes}
    time.sleep(order["sleep"])
    asleep = {name: status(pid, "VmHWM") for name, pid in watched.items()}
    awake = dict(asleep)
    count = 0

    def look():
        nonlocal count
        count += 1
        if count % 1000 == 0:
            for name, pid in watched.items():
                awake[name] = max(awake[name], status(pid, "VmHWM"))

    total = drain(child.stdout.fileno(), bytearray(CHUNK), look)
    finish(child)
    if total != order["size"]:
        raise Failure(f"{total} bytes of {order['size']} arrived")
    return [{"process": name, "idle": idle[name], "asleep": asleep[name], "awake": awake[name]} for name in watched]


# (g)
class Busy:
    """Streams that write without end, each to a reader of its own that discards."""

    def __init__(self, argv, count):
        self.pairs = []
        for _ in range(count):
            writer = start(argv, stdout=PIPE)
            reader = start(["cat"], stdin=writer.stdout, stdout=DEVNULL)
            writer.stdout.close()
            self.pairs.append((writer, reader))
        while any(read == 0 for read in self.count_read()):
            time.sleep(0.2)

    def count_read(self):
        counts = []
        for writer, reader in self.pairs:
            if writer.poll() is not None:
                raise Failure(f"a busy stream ended with {writer.returncode}")
            with open(f"/proc/{reader.pid}/io") as file:
                counts.append(max(0, int(file.readline().split()[1]) - 65536))  # what its start has read
        return counts

    def close(self, sweep):
        for writer, _ in self.pairs:
            writer.terminate()
        if sweep:
            subprocess.run(sweep, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        for writer, reader in self.pairs:
            try:
                writer.wait(10)
            except subprocess.TimeoutExpired:
                writer.kill()
                writer.wait()
            reader.wait()


def take_busy(argv, order):
    loop = Loop(order["turn"])
    loop.take_turns(0, 20)
    busy = Busy(argv, order["streams"])
    try:
        time.sleep(1)
        before, begin = sum(busy.count_read()), time.perf_counter()
        samples = []
        while len(samples) < order["turns"] and (time.perf_counter() - begin < order["seconds"] or len(samples) < 100):
            samples += loop.take_turns(1, 0)
        rate = (sum(busy.count_read()) - before) / MIB / (time.perf_counter() - begin)
    finally:
        busy.close(order["sweep"])
        finish(loop.child, kill=True)
    return [{"turns": samples, "rate": rate}]


# (h), (i): by how much a second; what the sample before has left is removed first
def take_transfer(argv, order):
    finish(start(order["before"]))
    begin = time.perf_counter()
    child = start(argv)
    finish(child)
    return [order["amount"] / (time.perf_counter() - begin)]


# (k): the command prints nothing, and its end is that of the exec
def take_detached(argv, order):
    begin = time.perf_counter()
    finish(start(argv, stdout=DEVNULL))
    return [order["size"] / MIB / (time.perf_counter() - begin)]


# (m)
class Flow:
    """Lines with the times at which they were written, through a proxy that cuts its connections when it is told to."""

    def __init__(self, argv, proxy):
        self.proxy = start(proxy, stdin=PIPE, stdout=PIPE)
        self.expect(b"ready\n")
        self.child = start(argv, stdout=PIPE)
        self.rest = b""
        self.read_until(0)

    def expect(self, words):
        if (answer := self.proxy.stdout.readline()) != words:
            raise Failure(f"the proxy says {answer!r}")

    def read_until(self, moment):
        """Reads on to a line that was written after that moment, in nanoseconds; when it came, in seconds."""
        while True:
            piece = os.read(self.child.stdout.fileno(), 65536)
            if not piece:
                raise Failure("the output ended at a cut")
            arrival = time.monotonic()
            *lines, self.rest = (self.rest + piece).split(b"\n")
            if any(int(line) > moment for line in lines):
                return arrival

    def cut(self):
        begin = time.monotonic()
        os.write(self.proxy.stdin.fileno(), b"cut\n")
        self.expect(b"cut\n")
        return self.read_until(time.monotonic_ns()) - begin

    def take_cuts(self, count, pause):
        samples = []
        for _ in range(count):
            end = time.monotonic() + pause
            while self.read_until(0) < end:
                pass
            samples.append(self.cut())
        return samples

    def close(self):
        finish(self.child, kill=True)  # it would not end by itself
        finish(self.proxy)


# (n)
def take_held(argv, order):
    children = []

    def read_with(count):
        while len(children) < count:
            children.append(start(argv, stdout=PIPE))
        for child in children:
            os.read(child.stdout.fileno(), 1)  # it has started
        time.sleep(order["settle"])
        return status(order["processes"]["daemon"], "VmRSS")

    finish(start(order["idle"]))
    idle, one, every = (read_with(count) for count in (0, 1, order["count"]))
    for child in children:
        finish(child, kill=True)
    return [{"count": order["count"], "idle": idle, "one": one, "all": every}]


# (n)
def take_finished(argv, order):
    daemon = order["processes"]["daemon"]
    idle = status(daemon, "VmRSS")
    finish(start(argv))
    time.sleep(order["settle"])
    return [{"idle": idle, "after": status(daemon, "VmRSS")}]


def take_all(order):
    commands = order["commands"]
    samples = {name: [] for name in commands}
    failures = {}
    loops = {}
    takes = {
        "start": take_start,
        "first-byte": take_first_byte,
        "out": take_out,
        "in": take_in,
        "turns": lambda argv, each: take_turns(loops.get(name) or open_loop(argv), each),
        "memory": lambda argv, each: take_memory(argv, each, each["processes"]),
        "busy": take_busy,
        "transfer": take_transfer,
        "detached": take_detached,
        "resume": lambda argv, each: (loops.get(name) or open_flow(argv, each)).take_cuts(each["block"], each["pause"]),
        "held": take_held,
        "finished": take_finished,
    }

    def open_loop(argv):
        loops[name] = Loop(argv)
        return loops[name]

    def open_flow(argv, each):
        loops[name] = Flow(argv, each["proxy"])
        return loops[name]

    for round_number in range(-order["unrecorded"], order["rounds"]):
        names = [name for name in commands if name not in failures]
        shift = round_number % len(names) if names else 0
        for name in names[shift:] + names[:shift]:
            signal.alarm(SAMPLE_LIMIT_S)
            take = takes[commands[name].get("take", order["take"])]
            try:
                taken = take(commands[name]["argv"], {**order, **commands[name]})
                if round_number >= 0:
                    samples[name] += taken
            except (Failure, OSError, ValueError) as error:
                failures[name] = str(error) or type(error).__name__
                for child in started:
                    child.kill()
                    child.wait()
            signal.alarm(0)
            started.clear()
    for name in loops.keys() - failures.keys():
        loops[name].close()
    return {"samples": samples, "failures": failures}


def on_alarm(*_):
    raise Failure(f"no end after {SAMPLE_LIMIT_S} s")


def on_term(*_):
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_term)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    gc.disable()
    print(json.dumps(take_all(json.loads(sys.argv[1]))))

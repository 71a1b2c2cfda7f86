# SPDX-License-Identifier: MIT
"""What the crash suite works with: a data folder that outlives its hosts, services that remember, load.

    with World(shards=2) as world:
        host = world.start("store.commit:kill:7")     # None: it died before it listened
        world.load(host)                              # until it dies, or the load is done
        world.end()                                   # dead now, and all it sent has been seen
        invariants.settle(world)                      # checks; a host without fault brings all runs to their end

An *epoch* is the life of one host process, from 1. The disk is read by store_tool (FLOWHOST_CRASH_STORE), past the
host's own code, while no host lives.
"""
import http.client
import os
import random
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from disk import STORE_TOOL, Disk, id_bytes  # noqa: E402,F401  pylint: disable=wrong-import-position
from harness import ROOT, Host, HarnessError, Upstream, wait_until  # noqa: E402  pylint: disable=wrong-import-position

SEED = int(os.environ.get("FLOWHOST_CRASH_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
ROUNDS = int(os.environ.get("FLOWHOST_CRASH_ROUNDS", "1"))
THREADS, REQUESTS_A_THREAD = 6, 60
LOG_KEPT_BYTES = 6000
SETTLE_SECONDS = 30
DIED = "ended with -9"


# --- the outside services -----------------------------------------------------------------------------------------

class Sent:
    """One request that a host sent: key "run/path", the epoch it came in, the id it was (or would be) answered,
    whether it was refused instead."""

    def __init__(self, epoch, request, answer_id, is_refused):
        self.epoch, self.answer_id, self.is_refused = epoch, answer_id, is_refused
        self.key = request.headers["Idempotency-Key"]
        self.run, self.path = self.key.split("/", 1)
        self.body = request.json

    def __repr__(self):
        return f"<{self.key} epoch {self.epoch} answered {self.answer_id}>"


class Services(Upstream):
    """Three services in one; each answer has another id. gate: answers wait for it; refused: paths that get 503."""

    def __init__(self, world):
        self.world, self.sent, self.gate, self.refused = world, [], threading.Event(), set()
        self.accepted, self.closed = 0, 0
        self.gate.set()
        super().__init__(self.reply)
        self.count_connections()

    def count_connections(self):
        """Requests of a dead host may still be on their way through the sockets; see drain."""
        accept, shut = self.server.get_request, self.server.shutdown_request

        def counted_accept():
            connection = accept()
            self.accepted += 1
            return connection

        def counted_shut(connection):
            shut(connection)
            with self.lock:
                self.closed += 1
        self.server.get_request, self.server.shutdown_request = counted_accept, counted_shut

    def reply(self, request):
        if request.path == "/sentinel":
            return 200, {}
        with self.lock:
            answer_id = len(self.sent) + 1
            is_refused = request.path in self.refused
            self.sent.append(Sent(self.world.epoch, request, answer_id, is_refused))
        self.gate.wait()
        time.sleep(0.001)  # as long as a near service takes
        if is_refused:
            return 503, {"id": answer_id}
        return 201, {"id": answer_id, "service": request.path}

    def drain(self):
        """Everything that dead hosts sent has been seen. Connections are accepted in order, so ours is the last."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/sentinel")
        connection.getresponse().read()
        connection.close()
        wait_until(lambda: self.closed == self.accepted, 10, "the connections of the dead host to end")

    @property
    def seen(self):
        with self.lock:
            return list(self.sent)


# --- load ---------------------------------------------------------------------------------------------------------

class Answer:
    """What a caller was told: kind of the request, status, run id, body; key is its Idempotency-Key."""

    def __init__(self, kind, key, status, headers, body):
        self.kind, self.key, self.status, self.run, self.body = kind, key, status, headers["Flowhost-Run"], body

    def __repr__(self):
        return f"<{self.kind} {self.status} {self.run} {self.body}>"


BODIES = {
    "register": lambda n: {"body": {"phone": f"1380000{n:04}"}},
    "early": lambda n: {"body": {"number": n}},
}


def keyed(flow, key, number, headers=None):
    body = BODIES.get(flow, lambda n: {"number": n})(number)
    return flow, key, "POST", f"/v1/flows/{flow}/runs", body, {"Idempotency-Key": key, **(headers or {})}


REQUESTS = {
    "route": lambda n, key: ("register", None, "POST", "/register", {"phone": f"1380000{n:04}"}, {}),
    "register": lambda n, key: keyed("register", key, n),
    "mixed": lambda n, key: keyed("mixed", key, n),
    "pure": lambda n, key: keyed("pure", key, n),
    "async": lambda n, key: keyed("mixed", key, n, {"Prefer": "respond-async"}),
    "unkeyed": lambda n, key: ("mixed", None, "POST", "/v1/flows/mixed/runs", {"number": n},
                               {"Prefer": "respond-async"}),
    "early keyed": lambda n, key: keyed("early", key, n),
    "early": lambda n, key: ("early", None, "POST", "/early", {"number": n}, {}),
}
KINDS = list(REQUESTS)


class Load:
    """Client threads that ask until the host is gone or they are done."""

    def __init__(self, world, host, seed):
        self.world, self.host, self.is_cut = world, host, False
        self.threads = [threading.Thread(target=self.work, args=(random.Random(f"{seed}/{i}"),))
                        for i in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def work(self, rng):
        for _ in range(REQUESTS_A_THREAD):
            # Few keys a round, so that some are asked at the same time by several, also of several shards.
            number = rng.randrange(200)
            kind = rng.choice(KINDS)
            try:
                self.world.ask(self.host, kind, number, f"{self.world.epoch}-{number}")
            except (OSError, http.client.HTTPException):
                self.is_cut = True
                return

    def join(self):
        """Whether all was asked and answered."""
        for thread in self.threads:
            thread.join()
        return not self.is_cut


# --- the world ----------------------------------------------------------------------------------------------------

class World:
    """shards: of every host, unless start says otherwise. data_parent: where the data folder lies."""

    def __init__(self, shards=1, args=(), data_parent=None):
        self.shards, self.args = shards, list(args)
        self.folder = tempfile.mkdtemp(prefix="flowhost-crash-")
        self.flows = self.make_flows(os.path.join(self.folder, "flows"))
        self.data = os.path.join(data_parent or self.folder, "data")
        self.epoch, self.lock = 0, threading.Lock()
        self.answers, self.unexpected, self.asked = [], [], {}
        self.recorded, self.ended = {}, {}   # request key, run id -> the epoch at whose end the disk showed it so
        self.disk, self.log, self.host, self.note = None, "", None, ""
        self.errors = []        # lines of the hosts' logs at level error
        self.recovers = False   # whether the test recovers runs: then failed steps may be sent again
        self.services = self.new_services()

    def make_flows(self, folder):
        """The crash suite's flows and the example that everybody starts from."""
        shutil.copytree(os.path.join(HERE, "flows"), folder)
        shutil.copy(os.path.join(ROOT, "flows", "register.lua"), folder)
        return folder

    def new_services(self):
        return Services(self)

    def environment(self):
        """What host.lua of the flows reads."""
        url = self.services.url
        return {"USER_URL": url + "/users", "COUPON_URL": url + "/coupons", "MESSAGE_URL": url + "/messages"}

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.host:
            self.forget_host()
        if kind is not None:
            print(f"--- {self.note}, epoch {self.epoch}; log of the last host\n{self.log}", file=sys.stderr)
        self.services.gate.set()
        self.services.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- hosts

    def start(self, fault=None, shards=None, args=()):
        """A host on the data folder, or None when its fault killed it before it listened."""
        self.epoch += 1
        env = {**self.environment(), "ROUND": self.epoch}
        if fault:
            env["FLOWHOST_FAULT"] = fault
        options = ["--shards", str(shards or self.shards), *self.args, *args]
        try:
            self.host = Host(self.flows, data_dir=self.data, args=options, env=env)
        except HarnessError as error:
            self.host = None
            if not fault or DIED not in str(error):
                raise
        return self.host

    def load(self, host, seed=0):
        """Asks until the host dies or the load is done; whether it has survived."""
        return Load(self, host, seed).join()

    def end(self):
        """SIGKILL, if it still lives. All its requests have been seen then."""
        if self.host:
            self.host.kill()
            self.forget_host()
        self.services.drain()

    def stop(self):
        """SIGTERM; its exit code."""
        code = self.host.stop()
        self.forget_host()
        self.services.drain()
        return code

    def forget_host(self):
        """Leaves nothing of it but the end of its log."""
        self.log = self.host.log[-LOG_KEPT_BYTES:]
        self.errors += [line for line in self.host.log.splitlines() if " error " in line[:40]]
        self.host.close()
        self.host = None

    def read_disk(self):
        self.disk = Disk(self.data)
        return self.disk

    def end_waiting(self):
        """The same while answers of the services wait for the gate: it opens once the host is dead."""
        self.host.kill()
        self.services.gate.set()
        self.end()

    def wait_for_requests(self, count):
        wait_until(lambda: len(self.services.seen) >= count, SETTLE_SECONDS, f"{count} requests to the services")

    def wait_for_runs(self, host, runs):
        """Each of these has ended well."""
        for run in runs:
            wait_until(lambda: host.request("GET", f"/v1/runs/{run}")[2]["status"] == "succeeded",  # noqa: B023
                       SETTLE_SECONDS, f"run {run} to end")

    # --- requests

    def ask(self, host, kind, number, key):
        flow, key, method, path, body, headers = REQUESTS[kind](number, f"{kind}-{key}")
        if key:
            with self.lock:
                self.asked[flow, key] = (kind, number)
        status, got, answer_body = host.request(method, path, body, headers)
        answer = Answer(kind, key, status, got, answer_body)
        with self.lock:
            (self.answers if status in (200, 202) else self.unexpected).append(answer)
        return answer

    def ask_again(self, host, flow, key):
        """The same request as first made with this key."""
        kind, number = self.asked[flow, key]
        _, _, method, path, body, headers = REQUESTS[kind](number, key)
        status, got, answer_body = host.request(method, path, body, headers)
        return Answer(kind, key, status, got, answer_body)

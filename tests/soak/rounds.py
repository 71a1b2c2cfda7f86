# SPDX-License-Identifier: MIT
"""A round of the soak: a random program on the real host and on one data folder, while people send signals, recover,
cancel and fork, and the host is killed, stopped and started again. In the end each run must have come to the end that
the model says, and nothing may be left over. What is not as it must be raises AssertionError."""
import concurrent.futures
import contextlib
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "crash"), os.path.join(HERE, "..", "support")]

import engine_invariants  # noqa: E402  pylint: disable=wrong-import-position
import plans  # noqa: E402  pylint: disable=wrong-import-position
from disk import Disk  # noqa: E402  pylint: disable=wrong-import-position
from harness import Host, HarnessError, Upstream  # noqa: E402  pylint: disable=wrong-import-position
from invariants import Broken, hold  # noqa: E402  pylint: disable=wrong-import-position
from make import Program  # noqa: E402  pylint: disable=wrong-import-position
from program import NEVER, signal_data, suspend_value  # noqa: E402  pylint: disable=wrong-import-position

CUT = (OSError, http.client.HTTPException)
OPEN = ("queued", "running", "waiting", "suspended")
RUNS = 14               # started from outside, a round
STUCK_SECONDS = 30      # without a change of any run, while the host lives
WORKERS = 4


class Refused(Exception):
    """The disk is full, or the host is closing down: try again."""


class Services:
    """What the flows call. sent: (run, place) -> how often; once: key of what may come once only -> how often;
    mended: runs whose broken services work again; undone: run -> numbers of its compensations in their order."""

    def __init__(self, rng):
        self.rng, self.lock = rng, threading.Lock()
        self.sent, self.once, self.mended, self.undone = {}, {}, set(), {}
        self.upstream = Upstream(self.reply)

    def reply(self, request):
        key = request.headers["Idempotency-Key"]
        run = key.split("/", 1)[0]
        _, verb, *more = request.path.split("/")
        with self.lock:
            before = self.sent.get((run, request.path), 0)
            self.sent[run, request.path] = before + 1
            if verb == "once":
                self.once[key] = self.once.get(key, 0) + 1
            elif verb == "undo" and before == 0:
                self.undone.setdefault(run, []).append(int(more[0]))
            pause = self.rng.random() * 0.004 if self.rng.random() < 0.5 else 0
        time.sleep(pause)
        if verb == "flaky" and before < int(more[0]):
            return 503, {"n": int(more[1])}
        if verb == "mend" and run not in self.mended:
            return 500, {"broken": True}
        return 200, request.json

    def is_ready(self, run):
        return (run, "/ready/0") in self.sent


class Round:
    """One program on one data folder, to its end."""

    def __init__(self, seed, runs=RUNS):
        self.seed, self.rng, self.program = seed, random.Random(f"round {seed}"), Program(seed)
        self.folder = tempfile.mkdtemp(prefix="flowhost-soak-")
        self.services = Services(random.Random(f"services {seed}"))
        self.to_start = [(self.rng.choice(self.program.tops), number) for number in range(runs)]
        self.kills = self.rng.choice((1, 3, 6, 10))
        self.started, self.inputs = {}, {}      # key -> run; run -> (flow, input)
        self.acknowledged = {}                  # (run, what) -> True
        self.cancelled, self.forgotten = set(), set()
        self.restarted, self.to_fork = set(), None
        self.switch = os.path.join(self.folder, "switch")   # while it exists the disk is full
        self.is_tight = self.rng.random() < 0.4
        self.host, self.starts, self.changed_at, self.seen = None, 0, 0, None
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        self.log, self.death = "", threading.Timer(0, id)

    # --- hosts

    def start_host(self):
        rng = self.rng
        self.free_disk()
        fault = None
        if self.kills and rng.random() < 0.5:
            point = rng.choice([*plans.ENGINE, *plans.OFTEN])
            fault = f"{point}:kill:{rng.randint(1, 40)}"
        options = ["--shards", str(rng.choice((1, 2, 3, 4))), "--park-after", rng.choice(("0", "0.02", "0.3", "5")),
                   "--max-running", rng.choice(("0", "0", "3", "8")), "--hot-runs", rng.choice(("2", "10000"))]
        faults = [f"store.commit:DISK_FULL:@{self.switch}"] + ([fault] if fault else [])
        env = {"UPSTREAM_URL": self.services.upstream.url, "FLOWHOST_FAULT": ",".join(faults), "ROUND": self.starts}
        self.starts += 1
        try:
            self.host = Host(os.path.join(self.folder, "flows"), data_dir=os.path.join(self.folder, "data"),
                             args=options, env=env)
        except HarnessError as error:
            if not fault or "ended with -9" not in str(error):
                raise
            self.kills -= 1
            return self.start_host()
        self.changed_at = time.monotonic()
        if self.kills:
            self.plan_death(fault)
        return None

    def plan_death(self, fault):
        """Kills it, or asks it to stop, after a while; a fault may have been quicker."""
        self.kills -= 1
        seconds, how = self.rng.uniform(0.02, 1.5), self.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        if fault:
            seconds, how = seconds + 1, signal.SIGKILL
        self.death = threading.Timer(seconds, self.host.process.send_signal, [how])
        self.death.daemon = True
        self.death.start()

    def bury_host(self):
        code = self.host.wait()
        self.log = self.host.log[-20000:]
        hold(code in (0, -9), "the host has ended in another way", code)
        errors = [line for line in self.host.log.splitlines() if " error " in line[:40]]
        hold(not errors, "the host has logged errors", errors[:3])
        self.host.close()
        self.host = None
        engine_invariants.check_disk(self.read_disk())

    def read_disk(self):
        return Disk(os.path.join(self.folder, "data"))

    # --- the round

    def play(self):
        self.write_flows()
        self.start_host()
        while not self.is_done():
            if not self.host.is_running():
                self.bury_host()
                self.start_host()
        code = self.host.stop()
        hold(code == 0, "the host did not stop in order", code)
        self.bury_host()
        self.check_end(self.read_disk())

    def is_done(self):
        """All is at rest, and the host will live until it is asked to stop."""
        with contextlib.suppress(*CUT):
            if self.turn():
                self.death.cancel()
                self.free_disk()
                return self.host.is_running()
        return False

    def write_flows(self):
        for path, text in self.program.files().items():
            full = os.path.join(self.folder, "flows", path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)

    def turn(self):
        """Does some of what there is to do; whether all is at rest."""
        if self.is_tight and self.rng.random() < 0.05:
            self.fill_disk(self.rng.uniform(0.01, 0.5))
        listed = [item for status in OPEN for item in self.list(status)]
        actions = [action for item in listed for action in self.actions_for(item)]
        actions += [(self.start, key) for key in enumerate(self.to_start) if key not in self.started][:4]
        actions = [one for one in actions if self.rng.random() < 0.6]
        self.rng.shuffle(actions)
        for done in [self.pool.submit(self.attempt, *one) for one in actions]:
            done.result()
        self.watch(listed)
        if not actions:
            time.sleep(0.01)
        is_rest = not listed and len(self.started) == len(self.to_start) and not self.list_any()
        return is_rest and not self.fork_some()

    def fill_disk(self, seconds):
        """The disk is full for a while."""
        with open(self.switch, "w", encoding="utf-8"):
            pass
        timer = threading.Timer(seconds, self.free_disk)
        timer.daemon = True
        timer.start()

    def free_disk(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.switch)

    def list_any(self):
        return any(self.list(status) for status in OPEN)

    def list(self, status):
        answer = self.request("GET", f"/v1/runs?status={status}&limit=1000", expected=(200,))
        return answer["items"]

    def watch(self, listed):
        state = sorted((item["id"], item["status"], str(item["error"])) for item in listed)
        if state != self.seen:
            self.seen, self.changed_at = state, time.monotonic()
        elif time.monotonic() - self.changed_at > STUCK_SECONDS and self.host.is_running():
            why = [self.request("GET", f"/v1/runs/{item['id']}/why", expected=(200,)) for item in listed[:6]]
            raise Broken(f"stuck: {why} {len(self.started)} {self.host.args}")

    def request(self, method, path, body=None, headers=None, expected=(202,)):
        status, got, answer = self.host.request(method, path, body, headers)
        is_leaving = status == 503 and answer["code"] == "DRAINING"
        if is_leaving or (status == 507 and self.is_tight):
            raise Refused(path)
        hold(status in expected, "an unexpected answer", method, path, body, status, answer)
        return got["Flowhost-Run"] if path.endswith(("/runs", "/fork")) and method == "POST" else answer

    @staticmethod
    def attempt(act, *arguments):
        with contextlib.suppress(*CUT, Refused):
            act(*arguments)

    def once(self, act, run, what, *more):
        """As an action, unless it was acknowledged."""
        if (run, what) in self.acknowledged:
            return []

        def do():
            act(run, what, *more)
            self.acknowledged[run, what] = True
        return [(do,)]

    # --- what is done to runs

    def start(self, key):
        number, (flow, value) = key
        headers = {"Prefer": "respond-async", "Idempotency-Key": f"run {number}"}
        run = self.request("POST", f"/v1/flows/{flow}/runs", {"n": value}, headers)
        self.inputs[run] = (flow, value)
        self.started[key] = run

    def actions_for(self, item):
        run, flow = item["id"], item["flow"]
        if flow == NEVER:
            return []
        actions = []
        for name, count in self.program.end_of(flow, 0).signals.items():
            for number in range(count):
                actions += self.once(self.send_signal, run, f"{name}-{number}", name, flow)
        is_top = run in self.inputs
        if is_top and self.program.flows[flow].end == "cancel" and self.services.is_ready(run):
            actions += self.once(self.cancel, run, "cancel")
        elif is_top and self.inputs[run][1] % 7 == 6 and self.rng.random() < 0.05:
            self.cancelled.add(run)
            actions += self.once(self.cancel, run, "cancel")
        if item["status"] == "suspended":
            actions.append((self.recover, item))
        return actions

    def send_signal(self, run, key, name, flow):
        """It may have ended, or even been removed."""
        expected = (202, 409, 404) if self.program.flows[flow].is_brief else (202, 409)
        self.request("POST", f"/v1/runs/{run}/signal/{name}", signal_data(name), {"Idempotency-Key": key}, expected)

    def fork_some(self):
        """Whether there are forks now that have to come to their end."""
        if self.to_fork is None:
            good = [run for run, (flow, _) in self.inputs.items()
                    if self.program.flows[flow].end == "ok" and run not in self.cancelled]
            self.to_fork = self.rng.sample(good, min(len(good), 3))
        for run in list(self.to_fork):
            self.to_fork.remove(run)
            edits = {"allow_effects": True}
            if self.rng.random() < 0.8:
                edits["from"] = self.some_path(run)
            # 409: it has ended, so its release may be gone
            self.attempt(self.request, "POST", f"/v1/runs/{run}/fork", edits, {}, (201, 409))
            return True
        return False

    def some_path(self, run):
        """Of a step of the run: where to begin anew."""
        steps = self.request("GET", f"/v1/runs/{run}/steps", expected=(200,))["items"]
        return self.rng.choice(sorted(one["path"] for one in steps if one["kind"] not in ("log", "undo")))

    def cancel(self, run, _):
        self.request("POST", f"/v1/runs/{run}/cancel", {"reason": "soak"}, expected=(202, 409))

    def recover(self, item):
        run, code = item["id"], item["error"]["code"]
        edits = {}
        if run not in self.restarted and random.random() < 0.1:
            self.restarted.add(run)
            self.forgotten.add(run)
            self.services.mended.add(run)
            edits = {"from": self.some_path(run)}
            if code.startswith("S"):
                edits["value"] = suspend_value(code)
        elif code.startswith("S"):
            edits = {"value": suspend_value(code)}
        elif code == "OUTCOME_UNKNOWN":
            edits = self.find_out(run, item["error"]["step"])
        elif code == "HTTP_STATUS":
            self.services.mended.add(run)
        else:
            raise Broken(f"suspended for no reason of the program's: {item}")
        self.request("POST", f"/v1/runs/{run}/recover", edits, expected=(202, 409))

    def find_out(self, run, path):
        """What a step that may run once had for a result; or it is run again."""
        steps = self.request("GET", f"/v1/runs/{run}/steps", expected=(200,))["items"]
        step = next((one for one in steps if one["path"] == path), None)
        hold(step, "the step whose outcome is unknown is not listed", run, path, steps)
        if random.random() < 0.5:
            self.forgotten.add(run)
            return {}
        if step["kind"] == "request":
            return {"value": {"n": int(step["name"].rsplit("/", 1)[1])}}
        return {"value": int(step["name"][1:])}

    # --- what must have become of them

    def check_end(self, disk):
        engine_invariants.check_rest(disk)
        for run, row in disk.runs.items():
            self.check_run(disk, run, row)
        for key, run in self.started.items():
            hold(run in disk.runs, "an acknowledged run is not stored", key, run)
        tops = [run for run, row in disk.runs.items()
                if row["flow"] in self.program.tops and not row["more"].get("forked_from")]
        hold(len(tops) == len(self.to_start), "there are more runs than were started", tops)

    def check_run(self, disk, run, row):
        end = self.program.end_of(row["flow"], row["input"]["n"]) if row["flow"] != NEVER else None
        if row["status"] == "cancelled" and (end is None or self.may_be_cancelled(disk, run, row)):
            return
        hold(end is not None, "what never ends has ended", run, row)
        told = (row["status"], row["output"], (row["error"] or {}).get("code"))
        hold(told == (end.status, end.output, end.code), "another end than the model's", run, row, vars(end))
        hold((row["more"].get("tags") or {}) == end.tags, "other tags than the model's", run, row, end.tags)
        if end.status in engine_invariants.UNDONE:
            undone = self.services.undone.get(run, [])
            is_open = self.program.flows[row["flow"]].end == "late"
            hold(undone == end.undo or is_open, "other compensations than the model's", run, row, undone, end.undo)
        self.check_once(run)

    def may_be_cancelled(self, disk, run, row):
        """From outside, or since nobody waited for it any more."""
        parent = row["more"].get("parent")
        if run in self.cancelled or not parent:
            return run in self.cancelled
        entries = [one for one in disk.entries[parent["run"]] if one["path"] == parent["step"]]
        begun = [one["value"]["child"] for one in entries if one["state"] == "o"]
        end = entries[-1]
        is_told = end["state"] in "et" and end["value"].get("error", end["value"])["code"] in ("TIMEOUT", "CANCELLED")
        return begun[-1] != run or end["state"] in "or" or is_told

    def check_once(self, run):
        """Unless somebody has decided that it is to run again."""
        for key, count in self.services.once.items():
            if key.startswith(run) and run not in self.forgotten:
                hold(count == 1, "sent more often than once", key, count)

    def close(self):
        self.pool.shutdown()
        if self.host:
            self.log = self.host.log[-20000:]
            self.host.close()
        self.services.upstream.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

# SPDX-License-Identifier: MIT
"""The world of the engine's own fault points: flows that wait, call, retry, are undone and forked (engine_flows/), and
scripts of people who start, signal, cancel, recover and fork them.

    with EngineWorld() as world:
        host = world.start("engine.park:kill:3", shards=2)
        world.play(host)      # until it dies, or all scripts are done and all runs rest
        world.end()

A script is a list of requests, each safe to repeat. Who is cut off repeats the request it got no answer to on the next
host and goes on from there.
"""
import http.client
import os
import shutil
import threading
import time

from invariants import hold
from world import HERE, SETTLE_SECONDS, Services, Sent, World, wait_until

THREADS = 5
FLAKY_REFUSALS = 2
LONG_SECONDS = 1.05     # a sleep of more than a second is worth parking
CUT = (OSError, http.client.HTTPException)
UNREST = ("queued", "running", "waiting")


def poll(fn, what):
    """As wait_until, but for a host that has died: that is raised at once."""
    cut = []

    def look():
        try:
            return fn()
        except CUT as error:
            cut.append(error)
            return True
    wait_until(look, SETTLE_SECONDS, what)
    if cut:
        raise cut[0]


class EngineServices(Services):
    """/ok/*, /once/*, /undo/* say which path they are; /flaky/* refuse the first attempts of each run."""

    def reply(self, request):
        if request.path == "/sentinel":
            return 200, {}
        with self.lock:
            sent = Sent(self.world.epoch, request, len(self.sent) + 1, False)
            sent.place = request.path
            before = sum(1 for one in self.sent if (one.run, one.place) == (sent.run, sent.place))
            sent.is_refused = sent.place.startswith("/flaky/") and before < FLAKY_REFUSALS
            self.sent.append(sent)
        self.gate.wait()
        if sent.is_refused:
            return 503, {"id": sent.answer_id}
        return 200, {"id": sent.answer_id, "path": request.path, **request.json}


class Script:
    """One person's dealings with one run. at: the request that comes next; is_repeat: it was sent before."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.key = f"{type(self).__name__}-{world.epoch}-{number}"
        self.at, self.is_repeat, self.run, self.acknowledged = 0, False, None, []

    def __repr__(self):
        return f"<{self.key} run {self.run} at {self.at} {self.acknowledged}>"

    @property
    def is_done(self):
        return self.at == len(self.steps())

    def go_on(self, host):
        while not self.is_done:
            name, act = self.steps()[self.at]
            try:
                act(host)
            except CUT:
                self.is_repeat = True
                raise
            self.acknowledged.append(name)
            self.at, self.is_repeat = self.at + 1, False

    def steps(self):
        raise NotImplementedError

    # --- requests

    def ask(self, host, method, path, body, headers=None, expected=(202,), if_repeated=()):
        status, got, answer = host.request(method, path, body, headers)
        while status == 507 and self.world.is_patient:
            time.sleep(0.05)    # as long as a person waits to try again
            status, got, answer = host.request(method, path, body, headers)
        allowed = (*expected, *if_repeated) if self.is_repeat else expected
        hold(status in allowed, "refused", self, method, path, status, answer)
        return status, got, answer

    def start(self, flow, data):
        def act(host):
            headers = {"Prefer": "respond-async", "Idempotency-Key": self.key}
            _, got, _ = self.ask(host, "POST", f"/v1/flows/{flow}/runs", data, headers)
            self.run = got["Flowhost-Run"]
        return "start", act

    def post(self, verb, body=None, key=None):
        """A repeated one may find that it was done before: then the run is not as it was."""
        def act(host):
            headers = {"Idempotency-Key": key} if key else {}
            self.ask(host, "POST", f"/v1/runs/{self.run}/{verb}", body, headers, if_repeated=(409,))
        return verb, act

    def wait_for(self, *statuses):
        def act(host):
            poll(lambda: self.status(host) in statuses, f"{self} to be {statuses}")
        return "wait", act

    def status(self, host):
        return self.ask(host, "GET", f"/v1/runs/{self.run}", None, expected=(200,))[2]["status"]

    # --- what must be

    def check_disk(self, disk):
        """Of what was acknowledged."""
        if self.run:
            hold(self.run in disk.runs, "an acknowledged run is not stored", self)
            for verb in self.acknowledged:
                self.check_acknowledged(disk, disk.runs[self.run], verb)

    def check_acknowledged(self, disk, row, verb):
        if verb.startswith("signal/"):
            name = verb.split("/")[1]
            got = [one for one in disk.entries[self.run] if (one["kind"], one["name"]) == ("signal", name)]
            hold(len(got) == 1, "an acknowledged signal is not stored once", self, got)
        elif verb == "cancel":
            ending = (row["more"].get("ending") or {}).get("status")
            hold("cancelled" in (row["status"], ending), "an acknowledged cancel is not stored", self, row)
        elif verb == "recover":
            hold(row["attempt"] >= 2, "an acknowledged recover is not stored", self, row)

    def check_end(self, disk):
        """Once all is at rest."""

    def expect(self, disk, status, output=None, code=None):
        row = disk.runs[self.run]
        hold(row["status"] == status, "a run has ended otherwise", self, status, row)
        hold(row["output"] == output, "a run has another output", self, output, row["output"])
        hold((row["error"] or {}).get("code") == code, "a run has another error", self, code, row["error"])

    def sent_to(self, prefix):
        return [one.place for one in self.world.services.seen if one.run == self.run and one.place.startswith(prefix)]


class Waits(Script):
    def steps(self):
        seconds = LONG_SECONDS if self.number % 2 else 0.02
        signal = self.post("signal/go", {"n": self.number}, self.key)
        return [self.start("waits", {"number": self.number, "seconds": seconds}), signal, signal]

    def check_end(self, disk):
        self.expect(disk, "succeeded", {"go": {"n": self.number}, "ok": False, "code": "TIMEOUT", "last": "/ok/last"})
        tags = {"number": str(self.number), "state": "gone"}
        hold(disk.runs[self.run]["more"]["tags"] == tags, "tags", self, disk.runs[self.run])


class Early(Waits):
    """The signal comes before the run asks for it, as a rule."""

    def steps(self):
        start, signal, _ = super().steps()
        return [start, signal]


class Parent(Script):
    def steps(self):
        return [self.start("parent", {"number": self.number})]

    def check_end(self, disk):
        self.expect(disk, "succeeded", {"called": self.number, "has_started": True, "won": "won", "index": 2,
                                        "listed": [1, 2, 3]})
        flows = sorted((row["flow"], row["status"]) for row in disk.runs.values()
                       if (row["more"].get("parent") or {}).get("run") == self.run)
        expected = [("child", "succeeded")] * 5 + [("stuck", "cancelled")]
        hold(flows in (expected, expected[:5]), "children", self, flows)


class Refused(Script):
    def steps(self):
        return [self.start("order", {"number": self.number}), self.post("signal/decide", '"fail"', self.key)]

    def check_end(self, disk):
        self.expect(disk, "failed", code="REFUSED")
        undone = sorted(set(self.sent_to("/undo/")), reverse=True)
        hold(undone == ["/undo/3", "/undo/2", "/undo/1"], "compensations", self, undone)


class Cancelled(Script):
    """Cancelled as early as it may be."""

    def steps(self):
        return [self.start("order", {"number": self.number}), self.post("cancel", {"reason": "no more"})]

    def check_end(self, disk):
        self.expect(disk, "cancelled", code="CANCELLED")
        for row in disk.audit:
            if row["run"] == self.run and row["action"] == "cancel":
                return
        hold(False, "no audit entry of a cancel", self)


class CancelledLate(Cancelled):
    """Once it waits: parked, most likely."""

    def steps(self):
        start, cancel = super().steps()
        return [start, self.wait_for("waiting"), cancel]

    def check_end(self, disk):
        super().check_end(disk)
        undone = sorted(set(self.sent_to("/undo/")), reverse=True)
        hold(undone == ["/undo/3", "/undo/2", "/undo/1"], "compensations", self, undone)


class Careful(Script):
    def steps(self):
        return [self.start("careful", {"number": self.number})]

    def check_end(self, disk):
        self.expect(disk, "succeeded", {"first": "/once/1", "second": "/once/2"})


class Patient(Script):
    def steps(self):
        seconds = LONG_SECONDS if self.number % 2 else 0.005
        return [self.start("patient", {"number": self.number, "seconds": seconds})]

    def check_end(self, disk):
        self.expect(disk, "succeeded", ["/flaky/1", "/flaky/2", "/flaky/3"])


class Person(Script):
    """Recovered with a value, then forked from where it stood: the fork stands there again and is cancelled."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.forks = []

    def steps(self):
        said = {"said": self.number}
        return [self.start("person", {"number": self.number, "group": "one"}), self.wait_for("suspended", "succeeded"),
                self.post("recover", {"value": said}), self.wait_for("succeeded"), ("fork", self.fork)]

    def fork(self, host):
        _, got, _ = self.ask(host, "POST", f"/v1/runs/{self.run}/fork", {"steps": {"3": {"output": "forked"}}},
                             expected=(201,))
        self.forks.append(got["Flowhost-Run"])

    def check_acknowledged(self, disk, row, verb):
        super().check_acknowledged(disk, row, verb)
        for fork in self.forks:
            hold(fork in disk.runs, "an acknowledged fork is not stored", self, fork)

    def check_end(self, disk):
        self.expect(disk, "succeeded", {"said": {"said": self.number}, "first": "/ok/first", "last": "/ok/last"})
        for fork, row in disk.runs.items():
            if (row["more"].get("forked_from") or {}).get("run") == self.run:
                output = {"said": "forked", "first": "/ok/first", "last": "/ok/last"}
                hold((row["status"], row["output"]) == ("succeeded", output), "a fork", self, fork, row)
                sent = [one for one in self.world.services.seen if one.run == fork]
                hold(not sent, "a fork had an effect", self, sent)


class Bulk(Script):
    """Two runs stand still; all of their group are cancelled at once."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.members = [Member(world, f"{number}-{i}", self.key) for i in range(2)]

    def steps(self):
        return [("members", self.start_members), ("bulk", self.cancel_all)]

    def start_members(self, host):
        for member in self.members:
            member.go_on(host)

    def cancel_all(self, host):
        body = {"filter": {"tag": "group:" + self.key, "status": "suspended"}, "reason": "all"}
        _, got, _ = self.ask(host, "POST", "/v1/runs/cancel", body)
        self.run = got["Flowhost-Run"]

    def check_end(self, disk):
        row = disk.runs[self.run]
        hold((row["flow"], row["status"]) == ("flowhost/bulk", "succeeded"), "the run of a bulk", self, row)
        hold(row["output"]["changed"] + row["output"]["refused"] == row["output"]["matched"], "bulk", self, row)
        for member in self.members:
            hold(disk.runs[member.run]["status"] == "cancelled", "a member is not cancelled", self, member, row)


class Member(Script):
    def __init__(self, world, number, group):
        super().__init__(world, number)
        self.group = group

    def steps(self):
        return [self.start("person", {"number": 0, "group": self.group}), self.wait_for("suspended")]


class Brief(Script):
    """Removed soon after its end, with everything."""

    def steps(self):
        return [self.start("brief", {"number": self.number})]

    def check_disk(self, disk):
        """It may be gone already."""

    def check_end(self, disk):
        hold(self.run not in disk.runs, "a run is kept longer than its retention", self)
        hold(("brief", self.key) not in disk.idempotency, "the key of a removed run is left", self)


KINDS = (Parent, Waits, Patient, Careful, Refused, CancelledLate, Brief, Person, Bulk, Early, Cancelled)


class EngineWorld(World):
    """play: new scripts, and those that were cut off. args: of every host."""

    def __init__(self, args=()):
        # runs are parked soon, and stand in line
        super().__init__(args=["--park-after", "0.01", "--max-running", "8", *args])
        self.scripts, self.failures = [], []
        self.is_patient = False     # scripts try again when the disk is full

    def make_flows(self, folder):
        shutil.copytree(os.path.join(HERE, "engine_flows"), folder)
        return folder

    def new_services(self):
        return EngineServices(self)

    def environment(self):
        return {"UPSTREAM_URL": self.services.url}

    def play(self, host, count=2):
        """`count` new scripts of each kind. Whether the host has survived it and all runs rest."""
        self.scripts += [kind(self, number) for number in range(count) for kind in KINDS]
        return self.go_on(host)

    def go_on(self, host):
        """Plays all scripts that are not done yet."""
        waiting = [script for script in self.scripts if not script.is_done]
        alive = []
        threads = [threading.Thread(target=self.work, args=(host, waiting, alive)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        return len(alive) == THREADS and self.come_to_rest(host)

    def work(self, host, waiting, alive):
        while True:
            with self.lock:
                if not waiting:
                    alive.append(True)
                    return
                script = waiting.pop(0)
            try:
                script.go_on(host)
            except CUT:
                return
            except AssertionError as error:
                self.failures.append(error)
                return

    def come_to_rest(self, host):
        try:
            poll(lambda: not any(self.listed(host, status) for status in UNREST), "all runs to come to rest")
        except CUT:
            return False
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.describe_unrest(host)}") from error
        return True

    @staticmethod
    def listed(host, status, flow=""):
        query = f"status={status}&limit=1000" + (f"&flow={flow}" if flow else "")
        return host.request("GET", "/v1/runs?" + query)[2]["items"]

    def describe_unrest(self, host):
        runs = [item for status in UNREST for item in self.listed(host, status)]
        return [(item["flow"], item["id"], item["status"], host.request("GET", f"/v1/runs/{item['id']}/why")[2])
                for item in runs[:5]]

    @staticmethod
    def wait_for_none(host, flow):
        """All runs of the flow have been removed."""
        wait_until(lambda: not host.request("GET", f"/v1/runs?flow={flow}")[2]["items"], SETTLE_SECONDS,
                   f"the runs of {flow} to be removed")

    def recover_unknown(self, host):
        """Somebody finds out that the requests whose outcome is unknown have come through."""
        places = {"1": {"path": "/once/1"}, "2": "/once/2"}
        for item in self.listed(host, "suspended", "careful"):
            hold(item["error"]["code"] == "OUTCOME_UNKNOWN", "suspended for another reason", item)
            status, _, body = host.request("POST", f"/v1/runs/{item['id']}/recover",
                                           {"value": places[item["error"]["step"]]})
            hold(status == 202, "a recover was refused", item, status, body)

# SPDX-License-Identifier: MIT
"""The world of state machines: executions started over the Step Functions API, a service that components call, workers
who take activities' tasks, somebody who reads histories all the time.

    with MachineWorld(MACHINES) as world:
        host = world.start("store.commit:kill:7", shards=2)
        world.play(host)          # until it dies, or all executions have ended
        world.end()
        settle(world, model, 1)   # model: what an undisturbed world brought, see outcomes()
"""
import json
import os
import re
import time

from crowd import Crowd
from invariants import hold
from machine_kit import COMPONENTS
from world import SETTLE_SECONDS, Services
from steps_api import ACCOUNT, REGION, call, create_activity, get_task, succeed

WORKERS, READERS = 3, 2
PATIENCE_SECONDS = 0.2
ONE_BRANCH = ("wait", "component", "worker", "retried", "caught", "failing", "child", "parent")
ALREADY = "ExecutionAlreadyExists"


def execution_arn(machine):
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine}:one"


def machine_arn(machine):
    return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}"


class Echo(Services):
    """What a component sends comes back; so an answer says nothing of when or how often it was asked."""

    def reply(self, request):
        status, _ = super().reply(request)
        return status, request.json if request.path != "/sentinel" else {}


class MachineWorld(Crowd):
    """machines: name -> definition, each executed once. seen: name -> the longest history that was read; ended: name ->
    what DescribeExecution said once it had ended; handed, done: places of tasks that workers got and finished."""

    def __init__(self, machines):
        self.machines = machines
        super().__init__(args=["--park-after", "0.01"])
        self.seen, self.ended, self.started = {}, {}, set()
        self.handed, self.done, self.recorded_keys = set(), set(), set()

    def make_flows(self, folder):
        os.makedirs(os.path.join(folder, "components"))
        files = {f"{name}.asl.json": json.dumps(machine) for name, machine in self.machines.items()}
        for path, text in {**files, **COMPONENTS}.items():
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                file.write(text)
        return folder

    def new_services(self):
        return Echo(self)

    def environment(self):
        return {"UPSTREAM_URL": self.services.url}

    # --- what goes on at the same time

    def play(self, host):
        """Whether the host has survived until all executions had ended."""
        return self.do_all(host, [self.start_all, *[self.read_histories] * READERS,
                                  *[lambda host, n=n: self.work(host, n) for n in range(WORKERS)]])

    def start_all(self, host):
        hold(create_activity(host, "work")[0] == 200, "an activity cannot be made")
        for name in self.machines:
            if name not in self.started:
                status, answer = call(host, "StartExecution", stateMachineArn=machine_arn(name), name="one",
                                      input=json.dumps({"at": name}))
                hold(status == 200 or answer["code"] == ALREADY, "an execution cannot be started", name, answer)
                self.started.add(name)
        deadline = time.monotonic() + SETTLE_SECONDS
        while len(self.ended) < len(self.machines) and not self.is_resting.is_set():
            hold(time.monotonic() < deadline, "executions do not end", set(self.machines) - set(self.ended))
            self.look(host)
            time.sleep(0.02)
        self.is_resting.set()

    def look(self, host):
        for name in set(self.machines) - set(self.ended):
            _, shown = call(host, "DescribeExecution", executionArn=execution_arn(name))
            if shown["status"] != "RUNNING":
                self.ended[name] = shown

    def read_histories(self, host):
        while not self.is_resting.is_set():
            for name in list(self.started):
                self.read_history(host, name)
            time.sleep(0.01)

    def read_history(self, host, name):
        """All of it; what was seen of it before must be its beginning."""
        before = self.seen.get(name, [])
        status, answer = call(host, "GetExecutionHistory", executionArn=execution_arn(name), maxResults=1000)
        hold(status == 200, "a history cannot be read", name, answer)
        events = answer["events"]
        check_numbers(name, events)
        with self.lock:
            if len(events) >= len(before):
                check_beginning(name, before, events)
                if len(events) > len(self.seen.get(name, [])):
                    self.seen[name] = events
        return events

    def work(self, host, number):
        while not self.is_resting.is_set():
            try:
                task = get_task(host, "work", f"w{self.epoch}.{number}", PATIENCE_SECONDS)
            except TimeoutError:
                continue    # it goes away and comes again
            if task.get("taskToken"):
                self.finish(host, task)

    def finish(self, host, task):
        token = task["taskToken"]
        with self.lock:
            hold(token not in self.done, "a task was handed out after it was done", task)
            self.handed.add(token)
        time.sleep(0.005)
        answer = succeed(host, token, {"did": json.loads(task["input"])})
        hold(answer in (None, "TaskTimedOut"), "a result was refused", task, answer)
        if answer is None:
            with self.lock:
                self.done.add(token)

    # --- what must be

    def check_death(self):
        """Requests whose result is recorded are never sent again; those that are come with the same body."""
        bodies = {}
        for sent in self.services.seen:
            hold(bodies.setdefault(sent.key, sent.body) == sent.body, "a request was sent again as another", sent)
            hold(sent.epoch != self.epoch or sent.key not in self.recorded_keys,
                 "a request was sent again though its result was recorded", sent)
        disk = self.read_disk()
        for run, by_path in disk.journal.items():
            self.recorded_keys |= {f"{run}/{path}" for path, entry in by_path.items()
                                   if entry and entry["kind"] == "request" and entry["state"] in "ke"}
        return disk


def check_numbers(name, events):
    hold(events and events[0]["type"] == "ExecutionStarted", "a history without a beginning", name)
    for i, event in enumerate(events, 1):
        hold(event["id"] == i, "ids of events", name, i, event)
        hold(0 <= event.get("previousEventId", 0) < i, "an event that follows a later one", name, event)
        hold(i == 1 or event.get("previousEventId", 0) > 0 or event["type"].startswith("Execution")
             or events[i - 2]["id"] == 1, "an event that follows none", name, event)


def check_beginning(name, before, events):
    """What was seen stays as it is. But of several branches: a worker takes a task on the shard of its queue, and
    another branch may have gone on meanwhile of which nothing is on disk yet. Once it has ended nothing changes."""
    if name not in ONE_BRANCH and not (len(before) > 1 and before[-1]["type"].startswith("Execution")):
        before, events = without_takers(before), without_takers(events)
    for old, new in zip(before, events):
        hold(old == new, "an event has changed", name, old, new)


def without_takers(events):
    return [{key: value for key, value in event.items() if key not in ("id", "previousEventId")}
            for event in events if event["type"] != "ActivityStarted"]


def without_lost(types):
    """Without tasks that were handed out to nobody, as their host died: they were tried again."""
    for _ in range(types.count("ActivityTimedOut")):
        for kind in ("Scheduled", "Started", "TimedOut"):
            types.remove("Activity" + kind)
    return types


def outcomes(world, host):
    """name -> what has to be the same however often hosts died: status, output, error, cause, types of events. Causes
    name events by their numbers, which depend on the order in which branches went on."""
    found = {}
    for name in world.machines:
        shown = world.ended[name]
        output = json.loads(shown["output"]) if "output" in shown else None
        types = without_lost(sorted(event["type"] for event in world.read_history(host, name)))
        found[name] = (shown["status"], output, shown.get("error"), re.sub(r"#\d+", "#", shown.get("cause", "")), types)
    return found


def settle(world, model, shards):
    """A host without fault brings everything to its end, as the undisturbed one did."""
    host = world.start(shards=shards)
    hold(world.play(host), "the host has died without a fault")
    found = outcomes(world, host)
    for name, expected in model.items():
        hold(found[name] == expected, "an execution ended otherwise", name, found[name], expected)
    for event in (event for events in world.seen.values() for event in events):
        hold("timestamp" in event, "an event without its time", event)
    code = world.stop()
    hold(code == 0, "the host did not stop in order", code)
    disk = world.check_death()
    hold(not disk.tasks and not disk.queues, "tasks are left", disk.tasks, disk.queues)
    hold(not world.errors, "hosts logged errors", world.errors[:3])


def model_of(machines, shards=1):
    """The outcomes of a world in which nothing dies."""
    with MachineWorld(machines) as world:
        host = world.start(shards=shards)
        hold(world.play(host), "the host has died without a fault")
        found = outcomes(world, host)
        hold(world.stop() == 0, "the host did not stop in order")
        world.check_death()
        return found

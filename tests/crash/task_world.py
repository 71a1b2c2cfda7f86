# SPDX-License-Identifier: MIT
"""The world of tasks: flows that hand work out (task_flows/), people who start and cancel runs, workers who take tasks,
show signs of life, finish, fail to, and come twice.

    with TaskWorld() as world:
        host = world.start("engine.task.take:kill:3", shards=2)
        world.play(host)      # until it dies, or all runs have ended
        world.end()

Workers remember what they were told (handed, done); check_disk holds the disk against it.
"""
import json
import os
import random
import shutil
import time

from crowd import Crowd
from invariants import TERMINAL, hold
from world import HERE, SETTLE_SECONDS, wait_until
from steps_api import activity_arn, beat, call, create_activity, fail, get_task, succeed

RUNS, WORKERS = 6, 4
PATIENCE_SECONDS = 0.15
UNREST = ("queued", "running", "waiting")


class TaskWorld(Crowd):
    """handed: tokens that workers got; done: token -> output that was acknowledged; places: (run, i) whose task was
    acknowledged as done; keys: those that runs were started with; runs: acknowledged starts."""

    def __init__(self):
        super().__init__(args=["--park-after", "0.01"])
        self.handed, self.done, self.places, self.keys, self.runs = set(), {}, set(), [], {}
        self.cancelled = set()
        self.stopped_ms = 0
        self.activities = {}    # name -> whether it is there, of what was acknowledged

    def make_flows(self, folder):
        shutil.copytree(os.path.join(HERE, "task_flows"), folder)
        return folder

    def environment(self):
        return {}

    # --- people

    def play(self, host):
        """New runs, and those of before. Whether the host has survived it and all runs have ended."""
        for i in range(RUNS):
            flow, data = ("race", {"seconds": 0.02 * i}) if i % 3 == 2 else ("work", {"n": i})
            self.keys.append((f"{flow}-{self.epoch}-{i}", flow, data))
        return self.go_on(host)

    def go_on(self, host):
        return self.do_all(host, [self.people, *[lambda host, n=n: self.work(host, n) for n in range(WORKERS)]])

    def people(self, host):
        """Starts all runs, cancels one, makes and takes away activities, waits for the end."""
        hold(create_activity(host, "work")[0] == 200, "an activity cannot be made")
        for key, flow, data in self.keys:
            if key not in self.runs:
                headers = {"Prefer": "respond-async", "Idempotency-Key": key}
                _, got, _ = host.request("POST", f"/v1/flows/{flow}/runs", data, headers)
                self.runs[key] = got["Flowhost-Run"]
        for _ in range(2):
            self.change_activity(host, f"other-{self.epoch}", True)
            self.change_activity(host, f"other-{self.epoch}", False)
        run = self.runs[self.keys[-RUNS][0]]
        self.cancelled.add(run)
        host.request("POST", f"/v1/runs/{run}/cancel", {})
        self.wait_for_rest(host)

    def change_activity(self, host, name, is_made):
        self.activities.pop(name, None)
        if is_made:
            create_activity(host, name)
        else:
            call(host, "DeleteActivity", activityArn=activity_arn(name))
        self.activities[name] = is_made
        status, _ = call(host, "DescribeActivity", activityArn=activity_arn(name))
        hold(status == (200 if is_made else 400), "an activity", name, is_made, status)

    def wait_for_rest(self, host):
        deadline = time.monotonic() + SETTLE_SECONDS
        while any(self.listed(host, status) for status in UNREST):
            hold(time.monotonic() < deadline, "runs do not end", [
                (item["id"], host.request("GET", f"/v1/runs/{item['id']}/why")[2].get("sentence"))
                for status in UNREST for item in self.listed(host, status)])
            time.sleep(0.02)
        self.is_resting.set()

    @staticmethod
    def listed(host, status):
        return host.request("GET", f"/v1/runs?status={status}&limit=1000")[2]["items"]

    # --- workers

    def work(self, host, number):
        rng, name = random.Random(f"{self.epoch}/{number}"), f"w{self.epoch}.{number}"
        while not self.is_resting.is_set():
            try:
                task = get_task(host, "work", name, PATIENCE_SECONDS)
            except TimeoutError:
                continue    # it goes away and comes again
            if task.get("taskToken"):
                self.take(task)
                self.finish(host, task, name, rng)

    def take(self, task):
        place = json.loads(task["input"])
        place = (place["run"], place["i"])
        with self.lock:
            hold(task["taskToken"] not in self.handed, "a task was handed out twice", place)
            hold(place not in self.places, "a task was handed out after it was done", place)
            self.handed.add(task["taskToken"])

    def finish(self, host, task, name, rng):
        token, place = task["taskToken"], json.loads(task["input"])
        what = rng.randrange(10)
        if what == 0 and not self.is_resting.is_set():
            return  # it dies with the task: no sign of life
        if what < 5:
            hold(beat(host, token) in (None, "TaskTimedOut"), "a heartbeat was refused", place)
        output = {**place, "by": name, "token": token[-8:]}
        answer = succeed(host, token, output)
        hold(answer in (None, "TaskTimedOut"), "a result was refused", place, answer)
        if answer is None:
            with self.lock:
                self.done[token] = output
                self.places.add((place["run"], place["i"]))
            again = fail(host, token, "Late") if what % 2 else succeed(host, token, {"twice": True})
            hold(again == "TaskTimedOut", "a task was finished twice", place, again)

    # --- what must be

    def check_disk(self):
        disk = self.read_disk()
        for key, run in self.runs.items():
            hold(run in disk.runs, "an acknowledged run is not stored", key, run)
        self.check_done(disk)
        check_tables(disk)
        for name, is_made in self.activities.items():
            hold((name in disk.activities) == is_made, "an activity", name, is_made, disk.activities)
        for run in self.cancelled & set(disk.runs):
            row = disk.runs[run]
            hold(row["status"] in (*TERMINAL, *UNREST), "a cancelled run", row)
        return disk

    def check_done(self, disk):
        """Each acknowledged result is the one that is recorded, once."""
        for token, output in self.done.items():
            ends = [one for one in disk.entries[output["run"]] if one["kind"] == "task" and one["state"] == "k"
                    and one["value"] == output]
            hold(len(ends) == 1, "an acknowledged result is not recorded once", token, output, ends)
            hold(ends[0]["extra"]["task"]["worker"] == output["by"], "another worker is recorded", output, ends)

    def check_rest(self, disk):
        for run, row in disk.runs.items():
            hold(row["status"] in TERMINAL, "a run has not ended", run, row)
            hold(row["status"] == "succeeded" or run in self.cancelled, "a run has ended otherwise", run, row)
            if row["status"] == "succeeded" and row["flow"] == "work":
                hold([(one["run"], one["i"]) for one in row["output"]] == [(run, i) for i in (1, 2, 3)],
                     "a run's output", run, row)
        hold(not disk.tasks and not disk.queues, "tasks are left", disk.tasks, disk.queues)
        # an alarm that a taking set while the task's end was on its way goes when it fires
        hold(not [one for one in disk.alarms if one.verb != "task" or one.due < self.stopped_ms], "alarms are left",
             disk.alarms)


def check_tables(disk):
    """Tasks, queues and journals say the same."""
    opened = {}
    for run, by_path in disk.journal.items():
        for entry in by_path.values():
            if entry and entry["kind"] == "task" and entry["state"] == "o":
                opened[run, entry["value"]["task"]] = entry
    for place, row in disk.tasks.items():
        hold(place in opened, "a task that no journal has open", place, row)
    for place in opened:
        is_over = disk.runs[place[0]]["status"] in TERMINAL
        group = is_lost(disk, place[0], opened[place]["path"])
        hold(is_over or group or place in disk.tasks, "an open task has no row", place, opened[place])
        hold(not is_over or place not in disk.tasks, "a task of a run that has ended", place)
    waiting = {(run, task) for _, _, run, task in disk.queues}
    for place, row in disk.tasks.items():
        hold((place in waiting) == ("worker" not in row), "a task is lost, or in a queue though a worker has it", place,
             row)
    hold(waiting <= set(disk.tasks), "a place in a queue without a task", waiting - set(disk.tasks))


def is_lost(disk, run, path):
    """Whether a group that the step lies in has been decided."""
    parts = path.split(".")
    for end in range(1, len(parts)):
        entry = disk.journal[run].get(".".join(parts[:end]))
        if entry and entry["state"] in "ke":
            return True
    return False


def settle(world, shards):
    """A host without fault brings everything to its end."""
    host = world.start(shards=shards)
    hold(world.go_on(host), "the host has died without a fault")
    for _ in range(2):
        wait_until(lambda: not any(world.listed(host, status) for status in UNREST), SETTLE_SECONDS, "the runs to end")
    world.stopped_ms = time.time() * 1000
    code = world.stop()
    hold(code == 0, "the host did not stop in order", code)
    world.check_rest(world.check_disk())
    hold(not world.errors, "hosts logged errors", world.errors[:3])


# SPDX-License-Identifier: MIT
"""A full disk under everything a run can wait for (engine_world.py): what would begin something anew is refused with
507; what has begun neither fails nor gets lost, and goes on by itself once there is space. Needs a build with
FLOWHOST_FAULTS."""
import os
import threading
import unittest

import engine_invariants
from engine_world import EngineWorld, poll
from invariants import hold
from world import SETTLE_SECONDS, wait_until

FULL = 507


class Full(unittest.TestCase):
    def setUp(self):
        self.world = EngineWorld()
        self.world.__enter__()
        self.addCleanup(self.world.__exit__, None, None, None)
        self.switch = os.path.join(self.world.folder, "switch")
        self.host = self.world.start(f"store.commit:DISK_FULL:@{self.switch}", shards=2)

    def fill(self):
        with open(self.switch, "w", encoding="utf-8"):
            pass

    def free(self):
        os.unlink(self.switch)
        wait_until(lambda: self.get("/readyz")[0] == 200, SETTLE_SECONDS, "/readyz")

    def get(self, path):
        status, _, body = self.host.request("GET", path)
        return status, body

    def post(self, path, body=None, headers=None):
        status, got, body = self.host.request("POST", path, body, headers)
        return status, got["Flowhost-Run"], body

    def start(self, flow, data):
        status, run, body = self.post(f"/v1/flows/{flow}/runs", data, {"Prefer": "respond-async"})
        self.assertEqual(status, 202, body)
        return run

    def wait_for(self, run, status):
        poll(lambda: self.get(f"/v1/runs/{run}")[1]["status"] == status, f"run {run} to be {status}")

    def settle(self):
        """Without anybody's help."""
        hold(self.world.come_to_rest(self.host), "the host has died")
        self.assertEqual(self.world.stop(), 0)
        disk = self.world.read_disk()
        engine_invariants.check_disk(disk)
        engine_invariants.check_sent(self.world, disk)
        return disk

    def test_what_waits_goes_on(self):
        """Parked runs whose time comes, retries, children: all of it while nothing can be written."""
        sleeper = self.start("waits", {"number": 1, "seconds": 1.05})
        self.assertEqual(self.post(f"/v1/runs/{sleeper}/signal/go", {"n": 1})[0], 202)
        poll(lambda: (self.get(f"/v1/runs/{sleeper}")[1]["waiting_for"] or {}).get("kind") == "sleep", "the sleep")
        self.world.services.gate.clear()
        runs = [self.start("parent", {"number": 1}), self.start("patient", {"number": 1, "seconds": 0.005})]
        self.world.wait_for_requests(3)
        self.fill()
        self.world.services.gate.set()
        status, run, body = self.post("/v1/flows/child/runs", {"number": 1}, {"Prefer": "respond-async"})
        self.assertEqual((status, run, body["code"]), (FULL, None, "DISK_FULL"))
        wait_until(lambda: self.is_woken(sleeper), SETTLE_SECONDS, "the time of the sleep")
        self.free()
        disk = self.settle()
        for run in (sleeper, *runs):
            self.assertEqual(disk.runs[run]["status"], "succeeded", disk.runs[run])

    def is_woken(self, run):
        """Its sleep is over: the row cannot say so yet, but it waits for something else."""
        return self.get(f"/v1/runs/{run}/why")[1]["kind"] != "sleep"

    def test_decisions_about_standing_runs_are_refused(self):
        run = self.start("person", {"number": 1, "group": "g"})
        self.wait_for(run, "suspended")
        self.fill()
        for verb, body in (("recover", {"value": 1}), ("cancel", None), ("fork", None)):
            status, _, problem = self.post(f"/v1/runs/{run}/{verb}", body)
            self.assertEqual((status, problem["code"]), (FULL, "DISK_FULL"), verb)
        status, _, problem = self.post("/v1/runs/cancel", {"filter": {"flow": "person"}})
        self.assertEqual((status, problem["code"]), (FULL, "DISK_FULL"))
        self.assertEqual(self.get(f"/v1/runs/{run}")[1]["status"], "suspended")
        self.free()
        self.assertEqual(self.post(f"/v1/runs/{run}/recover", {"value": 1})[0], 202)
        disk = self.settle()
        self.assertEqual((len(disk.runs), disk.runs[run]["output"]["said"]), (1, 1))

    def test_operations_on_running_work_are_kept(self):
        """A signal and a cancel of work that was taken in: refused, or answered once there is space; never lost."""
        order = self.start("order", {"number": 1})
        other = self.start("waits", {"number": 2, "seconds": 0.01})
        self.wait_for(order, "waiting")
        self.wait_for(other, "waiting")
        self.fill()
        answers = {}

        def ask(name, path, body):
            answers[name] = self.post(path, body)[0]
        threads = [threading.Thread(target=ask, args=("cancel", f"/v1/runs/{order}/cancel", None)),
                   threading.Thread(target=ask, args=("signal", f"/v1/runs/{other}/signal/go", {"n": 2}))]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.get("/readyz")[0] == 503, SETTLE_SECONDS, "/readyz to say no")
        self.free()
        for thread in threads:
            thread.join()
        for name, path, body in (("cancel", f"/v1/runs/{order}/cancel", None),
                                 ("signal", f"/v1/runs/{other}/signal/go", {"n": 2})):
            self.assertIn(answers[name], (202, FULL))
            if answers[name] == FULL:
                self.assertEqual(self.post(path, body)[0], 202)
        disk = self.settle()
        self.assertEqual(disk.runs[order]["status"], "cancelled")
        self.assertEqual(disk.runs[other]["status"], "succeeded")
        self.assertEqual(disk.runs[other]["output"]["go"], {"n": 2})

    def test_full_now_and_then(self):
        """All scripts, of people who try again."""
        stop = threading.Event()

        def fill_and_free():
            while not stop.is_set():
                self.fill()
                stop.wait(0.1)
                os.unlink(self.switch)
                stop.wait(0.2)
        filler = threading.Thread(target=fill_and_free)
        filler.start()
        self.world.is_patient = True
        self.assertTrue(self.world.play(self.host, 1))
        stop.set()
        filler.join()
        self.world.end()
        engine_invariants.check_death(self.world)
        engine_invariants.settle(self.world, 1)


if __name__ == "__main__":
    unittest.main()

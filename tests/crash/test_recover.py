# SPDX-License-Identifier: MIT
"""Recover and cancel with death in between: a service refuses, runs are suspended, people let them go on or end them,
and the host is killed meanwhile. What was accepted (202) is on the disk; steps that went well are not sent again.

FLOWHOST_CRASH_ROUNDS=N dies N times as often.
"""
import http.client
import os
import random
import threading
import unittest

import invariants
from world import ROUNDS, SEED, World, wait_until

RUNS = 12
POINTS = ("store.submit", "store.apply", "store.commit", "store.committed", "store.notify", "engine.submit",
          "engine.committed", "engine.effect.start", "engine.effect.done", "engine.answer") * ROUNDS
PATHS = {"/users", "/coupons", "/messages"}


class Recover(unittest.TestCase):
    def suspend_some(self, world, refused):
        """RUNS runs that a refusing service has suspended: a host without fault brings them there and stops."""
        world.services.refused = refused
        host = world.start()
        for number in range(RUNS):
            answer = world.ask(host, random.Random(number).choice(("route", "register", "mixed")), number,
                               f"{world.epoch}-{number}")
            self.assertEqual((answer.status, answer.body["code"]), (502, "HTTP_STATUS"), answer)
        runs = [answer.run for answer in world.unexpected]
        world.unexpected.clear()
        world.services.refused = set()
        self.assertEqual(world.stop(), 0)
        invariants.check_disk(world)
        self.assertEqual({world.disk.runs[run]["status"] for run in runs}, {"suspended"})
        return runs

    def order(self, host, runs, verb, accepted):
        """Asks for it from several threads, until the host dies. accepted: (verb, run) of each 202."""
        def work(some):
            for run in some:
                try:
                    status, _, body = host.request("POST", f"/v1/runs/{run}/{verb}")
                except (OSError, http.client.HTTPException):
                    return
                self.assertEqual(status, 202, body)
                accepted.append((verb, run))
        threads = [threading.Thread(target=work, args=(runs[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def check_accepted(self, world, accepted):
        for verb, run in accepted:
            row = world.disk.runs[run]
            if verb == "cancel":
                self.assertEqual(row["status"], "cancelled", row)
            else:
                self.assertEqual((row["status"] in ("running", "succeeded"), row["attempt"]), (True, 2), row)

    def check_end(self, world, runs):
        """Whoever is still suspended is recovered; in the end all have succeeded or were cancelled."""
        host = world.start()
        invariants.wait_for_end(host)
        suspended = [item["id"] for item in invariants.pages(host, "&status=suspended")]
        self.order(host, suspended, "recover", [])
        invariants.wait_for_end(host)
        listed = invariants.check_lists(host)
        for run in runs:
            self.assertIn(listed[run]["status"], ("succeeded", "cancelled"), listed[run])
        self.assertEqual(world.stop(), 0)
        invariants.check_disk(world)

    def die_once(self, world, point, rng):
        runs = self.suspend_some(world, {rng.choice(sorted(PATHS))})
        # An armed host dies at its own start when n is small: the release it stores passes the same points.
        host = world.start(f"{point}:kill:{rng.randrange(2, 2 * RUNS)}")
        accepted = []
        if host:
            self.order(host, runs[:RUNS // 3], "cancel", accepted)
            self.order(host, runs[RUNS // 3:], "recover", accepted)
        world.end()
        invariants.check_disk(world)
        self.check_accepted(world, accepted)
        self.check_end(world, runs)

    def test_killed_at_points(self):
        with World(shards=2) as world:
            world.recovers = True
            rng = random.Random(f"{SEED}/recover")
            for point in POINTS:
                world.note = f"{point}, seed {SEED}"
                self.die_once(world, point, rng)

    def test_recover_sends_only_what_failed(self):
        with World() as world:
            world.recovers = True
            runs = self.suspend_some(world, {"/messages"})
            sent = len(world.services.seen)
            self.check_end(world, runs)
            again = world.services.seen[sent:]
            failed = {item.key for item in world.services.seen[:sent] if item.is_refused}
            done = {item.key for item in world.services.seen[:sent] if not item.is_refused}
            self.assertEqual({item.key for item in again} & done, set())
            self.assertLessEqual(failed, {item.key for item in again})

    def test_full_disk_changes_nothing(self):
        """Recover and cancel of a suspended run are refused at once; with space again both work."""
        with World() as world:
            world.recovers = True
            runs = self.suspend_some(world, {"/messages"})
            switch = os.path.join(world.folder, "switch")
            host = world.start(f"store.commit:DISK_FULL:@{switch}")
            with open(switch, "w", encoding="utf-8"):
                pass
            for verb in ("recover", "cancel"):
                status, _, body = host.request("POST", f"/v1/runs/{runs[0]}/{verb}")
                self.assertEqual((status, body["code"]), (507, "DISK_FULL"), body)
                self.assertEqual(host.request("GET", f"/v1/runs/{runs[0]}")[2]["status"], "suspended")
            os.unlink(switch)
            wait_until(lambda: host.request("GET", "/readyz")[0] == 200, 20, "/readyz")
            self.order(host, runs[:1], "cancel", [])
            self.assertEqual(host.request("GET", f"/v1/runs/{runs[0]}")[2]["status"], "cancelled")
            self.assertEqual(world.stop(), 0)
            self.check_end(world, runs)


if __name__ == "__main__":
    unittest.main()

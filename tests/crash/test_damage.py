# SPDX-License-Identifier: MIT
"""A damaged value stops the run it belongs to and nothing else: the host starts, the others are served.

store_tool flips one bit of a stored value while no host lives.
"""
import subprocess
import unittest

import invariants
from world import STORE_TOOL, World, id_bytes


def damage(world, table, key):
    subprocess.run([STORE_TOOL, "damage", world.data, table, key.hex()], check=True)


def get(host, path):
    status, _, body = host.request("GET", path)
    return status, body


class Damage(unittest.TestCase):
    def start_some(self, world):
        """Two ended runs, two that wait for their service; then the host dies. (ended, waiting) ids."""
        host = world.start()
        ended = [world.ask(host, "pure", n, str(n)).run for n in range(2)]
        world.services.gate.clear()
        waiting = [world.ask(host, "async", n, str(n)).run for n in range(2)]
        world.wait_for_requests(2)
        world.end_waiting()
        return ended, waiting

    def check_others(self, world, host, runs):
        """Those runs are served and end well, and new ones are taken."""
        invariants.wait_for_end(host)
        for run in runs:
            status, body = get(host, f"/v1/runs/{run}")
            self.assertEqual((status, body["status"]), (200, "succeeded"), body)
        self.assertEqual(world.ask(host, "route", 9, "new").status, 200)
        self.assertEqual(get(host, "/healthz")[0], 200)

    def damaged(self, world, table, key):
        damage(world, table, key)
        return world.start()

    def test_journal_of_an_unfinished_run(self):
        with World() as world:
            ended, waiting = self.start_some(world)
            host = self.damaged(world, "journal", id_bytes(waiting[0]) + bytes(4))
            self.check_others(world, host, [*ended, waiting[1]])
            status, run = get(host, f"/v1/runs/{waiting[0]}")
            self.assertEqual((status, run["status"], run["error"]["code"]), (200, "suspended", "CORRUPT"))
            self.assertIn("journal", run["error"]["message"])
            status, problem = get(host, f"/v1/runs/{waiting[0]}/steps")
            self.assertEqual((status, problem["code"]), (500, "CORRUPT"))
            self.check_recover_and_cancel(host, waiting[0])
            self.assertEqual(world.stop(), 0)

    def check_recover_and_cancel(self, host, run):
        """It cannot go on, and says so; it can be ended."""
        status, _, problem = host.request("POST", f"/v1/runs/{run}/recover")
        self.assertEqual((status, problem["code"]), (500, "CORRUPT"))
        status, _, body = host.request("POST", f"/v1/runs/{run}/cancel", {"reason": "damaged"})
        self.assertEqual((status, body["status"], body["reason"]), (202, "cancelled", "damaged"))

    def test_journal_of_an_ended_run(self):
        with World() as world:
            ended, waiting = self.start_some(world)
            host = self.damaged(world, "journal", id_bytes(ended[0]) + bytes(4))
            self.check_others(world, host, [*ended, *waiting])
            status, problem = get(host, f"/v1/runs/{ended[0]}/steps")
            self.assertEqual((status, problem["code"], problem["run"]), (500, "CORRUPT", ended[0]))
            self.assertEqual(world.stop(), 0)

    def check_row(self, which):
        with World() as world:
            ended, waiting = self.start_some(world)
            broken = (ended + waiting)[which]
            host = self.damaged(world, "runs", id_bytes(broken))
            others = [run for run in ended + waiting if run != broken]
            world.wait_for_runs(host, others)
            status, problem = get(host, f"/v1/runs/{broken}")
            self.assertEqual((status, problem["code"], problem["run"]), (500, "CORRUPT", broken))
            self.assertIn(id_bytes(broken).hex(), problem["detail"])
            listed = {item["id"]: item["status"] for item in invariants.pages(host)}
            self.assertEqual(listed[broken], "corrupt")
            self.assertEqual({listed[run] for run in others}, {"succeeded"})
            for verb in ("recover", "cancel"):
                status, _, problem = host.request("POST", f"/v1/runs/{broken}/{verb}")
                self.assertEqual((status, problem["code"]), (500, "CORRUPT"))
            self.assertEqual(world.stop(), 0)

    def test_row_of_an_ended_run(self):
        self.check_row(0)

    def test_row_of_an_unfinished_run(self):
        self.check_row(2)

    def test_idempotency_key(self):
        """Neither a second run in silence nor a dead host: the caller is told."""
        with World() as world:
            host = world.start()
            first = world.ask(host, "pure", 1, "a")
            world.stop()
            host = self.damaged(world, "idempotency", b"pure\0" + first.key.encode())
            again = world.ask_again(host, "pure", first.key)
            self.assertEqual((again.status, again.body["code"]), (500, "CORRUPT"))
            self.assertEqual(len(invariants.pages(host)), 1, "no second run")
            self.assertEqual(world.ask(host, "pure", 2, "b").status, 200)
            self.assertEqual(world.stop(), 0)

    def test_code_of_an_unfinished_run(self):
        """The release it is pinned to: the run waits for a person, the folder is served."""
        with World() as world:
            _, waiting = self.start_some(world)
            release = world.read_disk().runs[waiting[0]]["release"]
            host = self.damaged(world, "releases", bytes.fromhex(release))
            invariants.wait_for_end(host)
            for run in waiting:
                status, body = get(host, f"/v1/runs/{run}")
                self.assertEqual((status, body["status"], body["error"]["code"]), (200, "suspended", "RELEASE_MISSING"))
            self.assertEqual(world.ask(host, "route", 9, "new").status, 200)
            self.assertEqual(world.stop(), 0)


if __name__ == "__main__":
    unittest.main()

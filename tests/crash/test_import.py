# SPDX-License-Identifier: MIT
"""Import killed in the middle: the run is there whole or not at all, and the next try succeeds or says that it is there.

Needs a build with FLOWHOST_FAULTS.
"""
import http.client
import os
import unittest

import invariants
from world import World

POINTS = ("api.import", "store.submit", "store.apply", "store.commit", "store.committed", "store.notify")


class Import(unittest.TestCase):

    def make_bundle(self):
        """(run id, bundle, steps) of a run in a world of its own."""
        with World() as world:
            host = world.start()
            run = world.ask(host, "mixed", 1, "a").run
            bundle = host.request("GET", f"/v1/runs/{run}/export", raw=True)[2]
            steps = host.request("GET", f"/v1/runs/{run}/steps")[2]
            world.end()
            invariants.settle(world)
            return run, bundle, steps

    def import_until_killed(self, host, bundle):
        try:
            self.fail(host.request("POST", "/v1/runs/import", bundle))
        except (OSError, http.client.HTTPException):
            pass
        self.assertEqual(host.wait(), -9)

    def test_killed(self):
        run, bundle, steps = self.make_bundle()
        for point in POINTS:
            with self.subTest(point), World(shards=2) as world:
                flag = os.path.join(world.folder, "now")   # a start passes some of these points, too
                host = world.start(f"{point}:kill:@{flag}")
                with open(flag, "wb"):
                    self.import_until_killed(host, bundle)
                world.end()
                disk = world.read_disk()
                invariants.check_indexes(disk)
                invariants.check_journals(disk)
                is_there = run in disk.runs
                self.assertEqual(is_there, point in ("store.committed", "store.notify"))
                self.assertEqual(run in disk.journal, is_there)
                host = world.start()
                self.assertEqual(host.request("POST", "/v1/runs/import", bundle)[0], 409 if is_there else 201)
                self.assertEqual(host.request("GET", f"/v1/runs/{run}/steps")[2], steps)
                world.end()


if __name__ == "__main__":
    unittest.main()

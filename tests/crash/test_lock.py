# SPDX-License-Identifier: MIT
"""One process a data folder: a second is refused while the first lives, and starts once it is gone, however it went."""
import os
import re
import subprocess
import unittest

import invariants
from world import World

COULD_NOT_START = 3


def try_second(world):
    """(exit code, what it wrote) of a second host on the same data folder."""
    host = world.host
    command = [host.binary, world.flows, "--listen", "127.0.0.1:0", "--data", world.data]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return ended.returncode, ended.stdout + ended.stderr


class Lock(unittest.TestCase):
    def check_refused(self, world):
        code, text = try_second(world)
        self.assertEqual(code, COULD_NOT_START, text)
        self.assertRegex(text, rf"data folder {re.escape(world.data)} is in use by process {world.host.process.pid}")

    def test_second_is_refused_while_the_first_lives(self):
        with World() as world:
            host = world.start()
            first = world.ask(host, "route", 1, "a")
            self.check_refused(world)
            # and the refused one has done no harm
            second = world.ask(host, "mixed", 2, "b")
            self.assertEqual((first.status, second.status), (200, 200))
            self.assertEqual(world.stop(), 0)
            invariants.settle(world)

    def test_refused_during_load(self):
        with World(shards=2) as world:
            host = world.start()
            world.services.gate.clear()
            waiting = world.ask(host, "async", 1, "a")
            self.check_refused(world)
            world.services.gate.set()
            self.assertEqual(waiting.status, 202)
            world.end()
            invariants.settle(world)

    def test_second_starts_after_the_first_was_killed(self):
        with World() as world:
            host = world.start()
            world.ask(host, "route", 1, "a")
            world.end()
            self.assertTrue(os.path.exists(os.path.join(world.data, "LOCK")), "the dead host's lock file lies there")
            invariants.settle(world)

    def test_lock_outlives_no_child(self):
        """A killed host is gone for good: the very next start succeeds, many times over."""
        with World() as world:
            for number in range(10):
                host = world.start()
                self.assertEqual(world.ask(host, "route", number, str(number)).status, 200)
                world.end()
            invariants.settle(world)


if __name__ == "__main__":
    unittest.main()

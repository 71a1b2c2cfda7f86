# SPDX-License-Identifier: MIT
"""The fault points of everything that a run can wait for and that can be done to it: the host is killed there while
people start, signal, cancel, recover and fork runs; the next one has another number of shards.

    acknowledged   an operation that was answered 2xx has happened whole, and stands
    else           it happened whole or not at all: the scripts repeat it, and end as if nothing had been
    at rest        every run has ended as it must; no alarm, no note, no index row is left over

FLOWHOST_CRASH_ROUNDS=N tries N times as many passages. Needs a build with FLOWHOST_FAULTS.
"""
import random
import unittest

import engine_invariants
import plans
from engine_world import EngineWorld
from world import ROUNDS, SEED

SHARDS = (1, 2, 4)


class EnginePoints(unittest.TestCase):
    def kill_at(self, point, passages, rng):
        """Kills of one data folder; rng draws the shards."""
        with EngineWorld() as world:
            for n in passages:
                world.note = f"{point}:kill:{n} seed {SEED}"
                self.kill_once(world, point, n, rng.choice(SHARDS))
            engine_invariants.settle(world, rng.choice(SHARDS))

    def kill_once(self, world, point, n, shards):
        host = world.start(f"{point}:kill:{n}", shards=shards)
        if host:
            has_survived = world.play(host)
            self.assertFalse(has_survived and n <= plans.ENGINE.get(point, 0), "the fault point was never passed")
            if not has_survived:
                self.assertEqual(host.wait(), -9)
        world.end()
        engine_invariants.check_death(world)

    def test_without_a_fault(self):
        with EngineWorld() as world:
            self.assertTrue(world.play(world.start(shards=2), 3))
            world.end()
            engine_invariants.check_death(world)
            engine_invariants.settle(world, 1)


def add_test(point, draw):
    def test(self):
        rng = random.Random(f"{SEED}/{point}")
        for _ in range(ROUNDS):
            self.kill_at(point, draw(rng), rng)
    setattr(EnginePoints, "test_kill_at_" + point.replace(".", "_"), test)


def first_and_later(most):
    return lambda rng: (1,) if most == 1 else (1, rng.randint(2, most))


for name, last in plans.ENGINE.items():
    add_test(name, first_and_later(last))
for name in plans.OFTEN:
    add_test(name, lambda rng: [rng.randrange(*plans.OFTEN_RANGE) for _ in range(2)])

if __name__ == "__main__":
    unittest.main()

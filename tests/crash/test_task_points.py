# SPDX-License-Identifier: MIT
"""The fault points of tasks: the host is killed there while workers take tasks, show life, finish them and come twice;
the next one has another number of shards.

    acknowledged   a result that was acknowledged is recorded, once, with the worker that gave it
    once           no task is handed out twice, none after it has been finished
    lost           an open task has its row; it stands in its queue or a worker has it
    at rest        every run has ended with one result for each task; no task, no alarm is left over

FLOWHOST_CRASH_ROUNDS=N tries N times as many passages. Needs a build with FLOWHOST_FAULTS.
"""
import random
import unittest

import plans
import task_world
from task_world import TaskWorld
from world import ROUNDS, SEED

SHARDS = (1, 2, 3)


class TaskPoints(unittest.TestCase):
    def kill_at(self, point, passages, rng):
        with TaskWorld() as world:
            for n in passages:
                world.note = f"{point}:kill:{n} seed {SEED}"
                host = world.start(f"{point}:kill:{n}", shards=rng.choice(SHARDS))
                if host:
                    has_survived = world.play(host)
                    self.assertFalse(has_survived and point not in plans.TASKS_RARE, "the fault point was never passed")
                    if not has_survived:
                        self.assertEqual(host.wait(), -9)
                world.end()
                world.check_disk()
            task_world.settle(world, rng.choice(SHARDS))

    def test_without_a_fault(self):
        with TaskWorld() as world:
            self.assertTrue(world.play(world.start(shards=2)))
            world.end()
            task_world.settle(world, 1)


def add_test(point, last):
    def test(self):
        rng = random.Random(f"{SEED}/{point}")
        for _ in range(ROUNDS):
            self.kill_at(point, (1,) if last == 1 else (1, rng.randint(2, last)), rng)
    setattr(TaskPoints, "test_kill_at_" + point.replace(".", "_"), test)


for name, most in {**plans.TASKS, **plans.TASKS_RARE}.items():
    add_test(name, most)

if __name__ == "__main__":
    unittest.main()

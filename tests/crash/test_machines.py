# SPDX-License-Identifier: MIT
"""State machines of which the hosts die: while they wait, while workers and components do tasks, in Map and Parallel.

    the end    status, output, error and the types of all events are those of a world in which nothing dies
    history    ids 1..n without holes, each event follows an earlier one; what was read once stays as it was
    effects    a request whose result is recorded is not sent again; one that is sent again is the same; no task is
               handed out after it was done

FLOWHOST_CRASH_ROUNDS=N tries N times as many moments; SECONDS=N draws machines for so long. The fault points need a
build with FLOWHOST_FAULTS.
"""
import os
import random
import threading
import time
import unittest

import plans
from machine_kit import MACHINES, draw
from machine_world import MachineWorld, model_of, settle
from world import ROUNDS, SEED

KILLS, KILL_SECONDS = 4, 1.6
DRAWN, DRAWN_SEEDS = 6, (1, 2, 3)
SECONDS = float(os.environ.get("SECONDS", "0"))


def kill_later(world, seconds, shards):
    host = world.start(shards=shards)
    timer = threading.Timer(seconds, host.process.kill)
    timer.start()
    world.play(host)
    timer.join()
    world.end()
    world.check_death()


class Machines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = model_of(MACHINES)

    def kill_at(self, point, passages, rng):
        with MachineWorld(MACHINES) as world:
            for n in passages:
                world.note = f"{point}:kill:{n} seed {SEED}"
                host = world.start(f"{point}:kill:{n}", shards=rng.choice((1, 2)))
                if host and not world.play(host):
                    self.assertEqual(host.wait(), -9)
                world.end()
                world.check_death()
            settle(world, self.model, rng.choice((1, 2)))

    def kill_often(self, shards):
        rng = random.Random(f"{SEED}/{shards}")
        for _ in range(ROUNDS):
            with MachineWorld(MACHINES) as world:
                for turn in range(KILLS):
                    world.note = f"seed {SEED}, kill {turn}"
                    kill_later(world, rng.uniform(0, KILL_SECONDS), shards)
                settle(world, self.model, shards)

    def test_two_shards_bring_the_same(self):
        self.assertEqual(model_of(MACHINES, 2), self.model)

    def test_killed_at_any_moment_on_one_shard(self):
        self.kill_often(1)

    def test_killed_at_any_moment_on_two_shards(self):
        self.kill_often(2)


class Drawn(unittest.TestCase):
    def play(self, seed):
        rng = random.Random(f"machines/{seed}")
        machines = draw(rng, DRAWN)
        model = model_of(machines, rng.choice((1, 2)))
        with MachineWorld(machines) as world:
            for turn in range(rng.randint(1, KILLS)):
                world.note = f"machines of seed {seed}, kill {turn}"
                kill_later(world, rng.uniform(0, KILL_SECONDS), rng.choice((1, 2)))
            settle(world, model, rng.choice((1, 2)))

    def test_drawn_machines(self):
        for seed in DRAWN_SEEDS:
            with self.subTest(seed=seed):
                self.play(seed)

    @unittest.skipUnless(SECONDS, "SECONDS says for how long")
    def test_more_machines(self):
        until, seed = time.monotonic() + SECONDS, SEED
        while time.monotonic() < until:
            self.play(seed)
            seed += 1


def add_test(point, last):
    def test(self):
        rng = random.Random(f"{SEED}/{point}")
        for _ in range(ROUNDS):
            self.kill_at(point, (1, rng.randint(2, last)), rng)
    setattr(Machines, "test_kill_at_" + point.replace(".", "_"), test)


for name, most in plans.MACHINES.items():
    add_test(name, most)

if __name__ == "__main__":
    unittest.main()

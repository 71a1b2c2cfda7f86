# SPDX-License-Identifier: MIT
"""SIGKILL at random moments: under load, and again while the next host takes up what the last one left.

FLOWHOST_CRASH_ROUNDS=N kills N times as often; FLOWHOST_CRASH_SEED repeats the moments drawn (not the scheduler's).
"""
import random
import threading
import unittest

import invariants
from world import ROUNDS, SEED, Load, World

KILLS = 5  # of one data folder
LOAD_SECONDS, RECOVERY_SECONDS = 0.35, 0.05


class Random(unittest.TestCase):
    def kill_often(self, shards_of_round):
        rng = random.Random(f"{SEED}/{shards_of_round}")
        for _ in range(ROUNDS):
            with World() as world:
                for turn in range(KILLS):
                    world.note = f"seed {SEED}, kill {turn}"
                    self.kill_under_load(world, shards_of_round[turn % len(shards_of_round)], rng)

    def kill_under_load(self, world, shards, rng):
        host = world.start(shards=shards)
        load = Load(world, host, f"{SEED}/{world.epoch}")
        timer = threading.Timer(rng.uniform(0, LOAD_SECONDS), host.process.kill)
        timer.start()
        load.join()
        timer.join()
        world.end()
        for _ in range(rng.randrange(3)):
            self.kill_in_recovery(world, shards, rng)
        invariants.settle(world, shards)

    def kill_in_recovery(self, world, shards, rng):
        """The host that takes up the unfinished runs dies as well, with some of them brought further."""
        invariants.check_disk(world)
        host = world.start(shards=shards)
        timer = threading.Timer(rng.uniform(0, RECOVERY_SECONDS), host.process.kill)
        timer.start()
        timer.join()
        world.end()

    def test_one_shard(self):
        self.kill_often((1,))

    def test_two_shards(self):
        self.kill_often((2,))

    def test_four_shards(self):
        self.kill_often((4,))

    def test_another_count_of_shards_each_time(self):
        self.kill_often((1, 4, 2, 3))


if __name__ == "__main__":
    unittest.main()

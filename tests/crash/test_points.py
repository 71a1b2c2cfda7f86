# SPDX-License-Identifier: MIT
"""Every named fault point: the process is killed there under load, at several passages, and everything must hold.

FLOWHOST_CRASH_ROUNDS=N tries N times as many passages. Needs a build with FLOWHOST_FAULTS.
"""
import glob
import os
import random
import re
import unittest

import invariants
from plans import ENGINE, LOAD, ONCE, TASKS, TASKS_RARE
from world import ROOT, ROUNDS, SEED, World

# Passed by what these loads do not do; killed at, or made to fail, in the suite named.
ELSEWHERE = {"file.written": "test_backup", "file.synced": "test_backup", "file.renamed": "test_backup",
             "api.import": "test_import", "engine.reloaded": "test_reload", "engine.override": "test_reload",
             "engine.collect": "test_reload", "host.watch": "integration/test_reload",
             **{f"{name}.{when}": "test_changes" for name in ("documents", "machines", "secrets", "access")
                for when in ("change", "changed")},
             "engine.edit": "test_changes", "engine.edited": "test_changes"}
# Further passages, one drawn from each range. One round is one start, so what is passed once a start has none.
LATER = ((5, 30), (30, 80), (80, 200))
NAME_IN_C = re.compile(r'\bfh_fault\("([^"]+)"\)')
NAME_IN_LUA = re.compile(r'\bfault *\(? *"([^"]+)"')
STORED_IN_LUA = re.compile(r'chore\.store\("([a-z]+)"')     # see engine/chore.lua


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def find_points():
    """Every fault point that the sources name."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, "core", "**", "*.[ch]"), recursive=True):
        names.update(NAME_IN_C.findall(read(path)))
    for path in glob.glob(os.path.join(ROOT, "lua", "**", "*.lua"), recursive=True):
        names.update(NAME_IN_LUA.findall(read(path)))
        names.update(f"{name}.{when}" for name in STORED_IN_LUA.findall(read(path)) for when in ("change", "changed"))
    return names


def passages(point, rng):
    """The first ones, and one of each range."""
    drawn = [rng.randrange(*bounds) for bounds in LATER] if LOAD[point] != ONCE else []
    return [*LOAD[point], *drawn]


class Points(unittest.TestCase):
    def test_every_point_is_covered(self):
        self.assertEqual(find_points(), {*LOAD, *ENGINE, *TASKS, *TASKS_RARE, *ELSEWHERE},
                         "plans.py or ELSEWHERE must name each fault point of the sources")

    def kill_at(self, point):
        rng = random.Random(f"{SEED}/{point}")
        for turn in range(ROUNDS):
            with World(shards=1 + (len(point) + turn) % 2) as world:
                for n in passages(point, rng):
                    world.note = f"{point}:kill:{n} seed {SEED}"
                    self.kill_once(world, point, n)

    def kill_once(self, world, point, n):
        host = world.start(f"{point}:kill:{n}")
        if host:
            has_survived = world.load(host, f"{SEED}/{n}")
            self.assertFalse(has_survived and n in LOAD[point], "the fault point was never passed")
            if not has_survived:
                self.assertEqual(host.wait(), -9)
        world.end()
        invariants.settle(world)


def add_test(point):
    def test(self):
        self.kill_at(point)
    setattr(Points, "test_kill_at_" + point.replace(".", "_"), test)


for name in LOAD:
    add_test(name)

if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""One Idempotency-Key, many callers at the same moment, several shards, and death in between: one run, one answer.

FLOWHOST_CRASH_ROUNDS=N asks N times as often.
"""
import http.client
import threading
import unittest

import invariants
from world import ROUNDS, World

CALLERS = 8
KEYS = 25 * ROUNDS


class Crowd:
    """Callers that all ask the same at the same moment. answers: what those got who got one."""

    def __init__(self, world, host, kind):
        self.world, self.host, self.kind = world, host, kind
        self.answers, self.failures = [], []
        self.barrier = threading.Barrier(CALLERS)

    def ask(self, number):
        threads = [threading.Thread(target=self.call, args=(number,)) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers, self.answers = self.answers, []
        return answers

    def call(self, number):
        self.barrier.wait()
        try:
            self.answers.append(self.world.ask(self.host, self.kind, number, f"crowd-{number}"))
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(error)


class Keys(unittest.TestCase):
    def check_one_run(self, kind, shards):
        with World(shards=shards) as world:
            host = world.start()
            crowd = Crowd(world, host, kind)
            for number in range(KEYS):
                answers = crowd.ask(number)
                self.assertEqual((len(answers), crowd.failures), (CALLERS, []))
                self.assertEqual(len({answer.run for answer in answers}), 1, answers)
                self.assertEqual(len({str(answer.body) for answer in answers if answer.status == 200}),
                                 0 if kind == "async" else 1, answers)
            invariants.wait_for_end(host)
            self.assertEqual(len(invariants.pages(host)), KEYS)
            world.end()
            invariants.settle(world)

    def test_waiting_callers_of_one_shard(self):
        self.check_one_run("pure", 1)

    def test_waiting_callers_of_several_shards(self):
        self.check_one_run("pure", 4)

    def test_waiting_callers_of_a_long_run(self):
        self.check_one_run("register", 4)

    def test_callers_that_do_not_wait(self):
        self.check_one_run("async", 4)

    def test_accepted_is_stored(self):
        """Also who joins a run that another caller has just started is told 202 only once it is on the disk."""
        with World() as world:
            for number in range(KEYS):
                world.note = f"key {number}"
                world.start()
                crowd = Crowd(world, world.host, "async")
                killer = threading.Timer(0.0005 * (number % 10), world.host.process.kill)
                killer.start()
                crowd.ask(number)
                killer.join()
                world.end()
                invariants.check_disk(world)
            invariants.settle(world)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""A world in which several jobs go on at the same time on one host, until it dies or they have ended."""
import threading

from engine_world import CUT
from world import World


class Crowd(World):
    """is_resting: set once nothing more is to come; jobs that only accompany others look at it."""

    def __init__(self, args):
        super().__init__(args=args)
        self.failures, self.is_resting = [], threading.Event()

    def do_all(self, host, jobs):
        """jobs: functions of the host. Whether it has survived all of them; raises the first failure."""
        self.is_resting.clear()
        alive = []
        threads = [threading.Thread(target=self._guard, args=(job, host, alive)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        return len(alive) == len(jobs)

    def _guard(self, job, host, alive):
        try:
            job(host)
            alive.append(job)
        except CUT:
            self.is_resting.set()
        except AssertionError as error:
            self.failures.append(error)
            self.is_resting.set()

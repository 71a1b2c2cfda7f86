# SPDX-License-Identifier: MIT
"""A store that cannot be written: a full disk (simulated, real, and the data file's own limit) and a broken one.

    full    new work is refused with 507 and Retry-After, /readyz says 503; reads and flows with durable = "never" go on;
            started runs are held and go on by themselves once there is space; nothing acknowledged is lost
    broken  everything that would write is refused with 503 until a restart, which takes up what was running
"""
import os
import subprocess
import unittest

import invariants
from world import World, wait_until

SECONDS = 20
SMALL_DISK = "4m"
SMALL_MAP = "256k"


class Switch:
    """A file: while it exists, the fault named acts."""

    def __init__(self, world, point, code):
        self.path = os.path.join(world.folder, "switch")
        self.fault = f"{point}:{code}:@{self.path}"

    def on(self):
        with open(self.path, "w", encoding="utf-8"):
            pass

    def off(self):
        os.unlink(self.path)


class StoreErrors(unittest.TestCase):
    def get(self, host, path):
        status, headers, body = host.request("GET", path)
        return status, headers, body

    def ask_refused(self, world, kind, number, status, code):
        """Asks, and takes the refusal as the right answer."""
        answer = world.ask(world.host, kind, number, "refused")
        self.assertEqual((answer.status, answer.body["code"], answer.run), (status, code, None), answer)
        self.assertEqual(world.unexpected.pop(), answer)
        return answer

    def check_reads(self, world, stored):
        """What needs no writing works as ever."""
        host = world.host
        self.assertEqual(self.get(host, "/healthz")[0], 200)
        status, _, body = self.get(host, "/fleeting")
        self.assertEqual((status, body), (200, {"round": str(world.epoch)}))
        for answer in stored:
            invariants.check_answer_served(host, answer)
            self.assertEqual(self.get(host, f"/v1/runs/{answer.run}/steps")[0], 200)
        self.assertGreaterEqual(len(invariants.pages(host)), len(stored))

    def check_full(self, world, stored):
        count = len(invariants.pages(world.host))
        for kind in ("route", "register", "pure", "async", "unkeyed"):
            self.ask_refused(world, kind, 7, 507, "DISK_FULL")
        status, headers, _ = world.host.request("POST", "/register", {"phone": "13800000000"})
        self.assertEqual((status, headers["Retry-After"] is not None), (507, True))
        status, _, body = self.get(world.host, "/readyz")
        self.assertEqual((status, body["code"]), (503, "DISK_FULL"))
        self.assertEqual(len(invariants.pages(world.host)), count, "a refused run is not stored")
        self.check_reads(world, stored)

    def check_space(self, world):
        """There is space again: ready, and new work is taken, without a restart."""
        wait_until(lambda: self.get(world.host, "/readyz")[0] == 200, SECONDS, "/readyz")
        self.assertEqual(world.ask(world.host, "route", 8, "after").status, 200)

    # --- simulated

    def start_waiting(self, world):
        """One ended run and one whose service has not answered yet."""
        stored = [world.ask(world.host, "route", 1, "before"), world.ask(world.host, "pure", 1, "before")]
        world.services.gate.clear()
        before = len(world.services.seen)
        waiting = world.ask(world.host, "async", 2, "before")
        world.wait_for_requests(before + 1)
        return stored, waiting

    def test_full(self):
        for shards in (1, 2):
            with self.subTest(shards=shards), World(shards=shards) as world:
                switch = Switch(world, "store.commit", "DISK_FULL")
                world.start(switch.fault)
                stored, waiting = self.start_waiting(world)
                switch.on()
                self.check_full(world, stored)
                sent = len(world.services.seen)
                world.services.gate.set()
                self.check_full(world, stored)
                # The next request of the waiting run leaves only once what came before it could be stored.
                self.assertEqual(len(world.services.seen), sent)
                switch.off()
                self.check_space(world)
                world.wait_for_runs(world.host, [waiting.run])
                self.assertEqual(world.stop(), 0)
                invariants.settle(world)

    def test_killed_while_full(self):
        with World() as world:
            switch = Switch(world, "store.commit", "DISK_FULL")
            world.start(switch.fault)
            stored, waiting = self.start_waiting(world)
            switch.on()
            self.check_full(world, stored)
            world.end_waiting()
            invariants.settle(world)
            self.assertEqual(world.disk.runs[waiting.run]["status"], "succeeded")

    def test_stopped_while_full(self):
        """An orderly stop does not wait for space for ever; what was held is taken up by the next start."""
        with World(args=["--drain-timeout", "0.2"]) as world:
            switch = Switch(world, "store.commit", "DISK_FULL")
            world.start(switch.fault)
            _, waiting = self.start_waiting(world)
            switch.on()
            world.services.gate.set()
            self.ask_refused(world, "pure", 7, 507, "DISK_FULL")
            self.assertEqual(world.stop(), 0)
            invariants.settle(world)
            self.assertEqual(world.disk.runs[waiting.run]["status"], "succeeded")

    def test_started_while_full(self):
        """Reads work at once; the release that could not be stored yet is, before any run that needs it."""
        with World() as world:
            world.start()
            stored, waiting = self.start_waiting(world)
            world.end_waiting()
            switch = Switch(world, "store.commit", "DISK_FULL")
            switch.on()
            world.start(switch.fault)
            # Nothing has tried to write but the release.
            wait_until(lambda: self.get(world.host, "/readyz")[0] == 503, SECONDS, "/readyz to say no")
            self.check_full(world, stored)
            switch.off()
            self.check_space(world)
            world.wait_for_runs(world.host, [waiting.run])
            world.end()
            invariants.settle(world)

    # --- broken

    def check_broken(self, world, stored):
        for kind in ("route", "register", "pure", "async", "unkeyed"):
            self.ask_refused(world, kind, 7, 503, "IO")
        status, _, body = self.get(world.host, "/readyz")
        self.assertEqual((status, body["code"]), (503, "IO"))
        self.check_reads(world, stored)

    def check_io(self, point):
        with World() as world:
            switch = Switch(world, point, "IO")
            world.start(switch.fault)
            stored, waiting = self.start_waiting(world)
            switch.on()
            self.check_broken(world, stored)
            switch.off()
            # The disk being well again is no proof of what it holds.
            self.check_broken(world, stored)
            sent = len(world.services.seen)
            world.services.gate.set()
            self.check_broken(world, stored)
            self.assertEqual(len(world.services.seen), sent, "nothing leaves any more")
            self.assertEqual(world.stop(), 0)
            self.assertIn("check the disk, then restart", world.errors[0])
            world.errors.clear()
            invariants.settle(world)
            self.assertEqual(world.disk.runs[waiting.run]["status"], "succeeded")

    def test_commit_fails(self):
        self.check_io("store.commit")

    def test_begin_fails(self):
        self.check_io("store.begin")

    def test_apply_fails(self):
        self.check_io("store.apply")

    def test_submit_fails(self):
        """The queue itself refuses: no run, no half run, and the host serves on."""
        with World() as world:
            switch = Switch(world, "store.submit", "IO")
            world.start(switch.fault)
            stored, _ = self.start_waiting(world)
            switch.on()
            for kind in ("route", "register", "pure", "async", "unkeyed"):
                self.ask_refused(world, kind, 7, 503, "IO")
            self.check_reads(world, stored)
            switch.off()
            world.services.gate.set()
            self.assertEqual(world.ask(world.host, "route", 8, "after").status, 200)
            world.end()
            invariants.settle(world)

    # --- for real

    def fill(self, folder):
        path = os.path.join(folder, "ballast")
        with open(path, "wb", buffering=0) as ballast:
            block = bytes(65536)
            while block:
                try:
                    ballast.write(block)
                except OSError:
                    block = block[:len(block) // 2]
        return path

    def ask_until_refused(self, world):
        """Until nothing fits any more: pages that are free inside the data file still take some, now and then."""
        refused = 0
        for number in range(5000):
            answer = world.ask(world.host, "pure", number % 200, f"fill-{world.epoch}-{number}")
            if answer.status == 200:
                refused = 0
                continue
            self.assertEqual((answer.status, answer.body["code"], answer.run), (507, "DISK_FULL", None))
            world.unexpected.remove(answer)
            refused += 1
            if refused == 10:
                return
        self.fail("the disk did not fill up")

    def check_tight(self, world, stored):
        self.ask_until_refused(world)
        self.check_reads(world, stored)

    def check_count(self, world):
        """A refused run has left nothing behind."""
        invariants.check_disk(world)
        self.assertEqual(set(world.disk.runs), {answer.run for answer in world.answers})

    def test_real_disk(self):
        with World() as world:
            disk = os.path.join(world.folder, "disk")
            os.mkdir(disk)
            mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "flowhost-crash", disk],
                                   capture_output=True, text=True, check=False)
            if mount.returncode != 0:
                self.skipTest(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
            try:
                self.check_real_disk(world, disk)
            finally:
                if world.host:
                    world.end_waiting()
                subprocess.run(["umount", disk], check=True)

    def check_real_disk(self, world, disk):
        world.data = os.path.join(disk, "data")
        world.start()
        stored, waiting = self.start_waiting(world)
        ballast = self.fill(disk)
        self.check_tight(world, stored)
        world.services.gate.set()
        self.check_tight(world, stored)
        os.unlink(ballast)
        self.check_space(world)
        world.wait_for_runs(world.host, [waiting.run])
        self.fill(disk)
        self.ask_until_refused(world)
        world.end()
        self.check_count(world)
        world.start()
        self.check_tight(world, stored)
        os.unlink(ballast)
        self.check_space(world)
        world.end()
        self.check_count(world)
        invariants.settle(world)

    def test_small_map(self):
        """The data file has reached the size it may have: as a full disk, until a restart allows more."""
        with World(args=["--map-size", SMALL_MAP]) as world:
            world.start()
            stored, waiting = self.start_waiting(world)
            self.check_tight(world, stored)
            world.end_waiting()
            self.check_count(world)
            world.args = []
            invariants.settle(world)
            self.assertEqual(world.disk.runs[waiting.run]["status"], "succeeded")


if __name__ == "__main__":
    unittest.main()

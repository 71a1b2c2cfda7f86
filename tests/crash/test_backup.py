# SPDX-License-Identifier: MIT
"""Backup and restore killed in the middle: what is there then is nothing or whole, and the next try succeeds. A backup
under load holds one moment of the host: nothing half, and every run that was acknowledged before it began.

Needs a build with FLOWHOST_FAULTS.
"""
import os
import subprocess
import unittest

import invariants
from world import Disk, Host, Load, World

POINTS = ("file.written", "file.synced", "file.renamed")
KILLED = -9


def run(world, *words, fault=None):
    """Exit code and what it wrote."""
    env = {**os.environ, "FLOWHOST_FAULT": fault or ""}
    binary = os.environ.get("FLOWHOST_BINARY") or world.host.binary
    done = subprocess.run([binary, *words], capture_output=True, text=True, timeout=60, check=False, env=env)
    return done.returncode, done.stdout + done.stderr


class Backup(unittest.TestCase):

    def succeed(self, world, *words):
        code, text = run(world, *words)
        self.assertEqual(code, 0, text)

    def back_up(self, world, name, fault=None):
        path = os.path.join(world.folder, name)
        return path, run(world, "backup", path, "--data", world.data, fault=fault)

    def restored(self, world, path):
        """The disk of a folder that the backup was restored to."""
        folder = path + "-restored"
        self.succeed(world, "restore", path, "--data", folder)
        disk = Disk(folder)
        invariants.check_indexes(disk)
        invariants.check_journals(disk)
        return folder, disk

    def test_under_load(self):
        with World(shards=2) as world:
            host = world.start()
            load = Load(world, host, "backup")
            for i in range(5):
                with world.lock:
                    told = [answer.run for answer in world.answers]
                path, (code, text) = self.back_up(world, f"backup{i}")
                self.assertEqual(code, 0, text)
                _, disk = self.restored(world, path)
                self.assertEqual([run_id for run_id in told if run_id not in disk.runs], [])
            self.assertTrue(load.join())
            path, _ = self.back_up(world, "last")
            world.end()
            invariants.settle(world)
            self.check_serves(world, *self.restored(world, path))

    def check_serves(self, world, folder, disk):
        env = {name: world.services.url for name in ("USER_URL", "COUPON_URL", "MESSAGE_URL")}
        with Host(world.flows, data_dir=folder, env=env) as host:
            world.wait_for_runs(host, [run_id for run_id, row in disk.runs.items() if row["status"] == "running"])
            for run_id in list(disk.runs)[:20]:
                self.assertEqual(host.request("GET", f"/v1/runs/{run_id}")[0], 200)

    def test_backup_killed(self):
        with World() as world:
            host = world.start()
            world.load(host)
            for point in POINTS:
                path, (code, text) = self.back_up(world, point, fault=f"{point}:kill")
                self.assertEqual(code, KILLED, text)
                self.assertEqual(os.path.exists(path), point == "file.renamed")
                if not os.path.exists(path):
                    self.assertTrue(os.path.exists(path + ".part"))
                    self.assertEqual(self.back_up(world, point)[1][0], 0)
                self.assertFalse(os.path.exists(path + ".part"))
                self.restored(world, path)
            world.end()
            invariants.settle(world)

    def test_disk_full(self):
        with World() as world:
            world.load(world.start())
            for point in POINTS[:2]:
                path, (code, text) = self.back_up(world, point, fault=f"{point}:DISK_FULL")
                self.assertEqual(code, 1)
                self.assertIn("no space left", text)
                self.assertFalse(os.path.exists(path) or os.path.exists(path + ".part"))
            world.end()
            invariants.settle(world)

    def test_restore_killed(self):
        with World() as world:
            world.load(world.start())
            path, (code, text) = self.back_up(world, "backup")
            self.assertEqual(code, 0, text)
            for point in POINTS:
                folder = os.path.join(world.folder, "restored-" + point)
                words = ("restore", path, "--data", folder)
                self.assertEqual(run(world, *words, fault=f"{point}:kill")[0], KILLED)
                is_there = os.path.exists(os.path.join(folder, "data.mdb"))
                self.assertEqual(is_there, point == "file.renamed")
                if not is_there:
                    self.succeed(world, *words)
                code, text = run(world, *words)
                self.assertEqual(code, 1)
                self.assertIn("holds data already", text)
                self.assertEqual(sorted(os.listdir(folder)), ["LOCK", "data.mdb", "lock.mdb"])
                self.check_serves(world, folder, Disk(folder))
            world.end()
            invariants.settle(world)

    def test_restore_over_a_running_host(self):
        with World() as world:
            world.load(world.start())
            path, _ = self.back_up(world, "backup")
            code, text = run(world, "restore", path, "--data", world.data)
            self.assertEqual(code, 1)
            self.assertIn("is in use by process", text)
            world.end()
            invariants.settle(world)


if __name__ == "__main__":
    unittest.main()

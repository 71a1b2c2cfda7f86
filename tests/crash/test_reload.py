# SPDX-License-Identifier: MIT
"""Saves of the folder and changes by hand (disable, enable, activate) under load, with death at every point on the way.
Afterwards every run finds the code it is pinned to, and what was acknowledged is in force.

FLOWHOST_CRASH_ROUNDS=N dies N times as often. Needs a build with FLOWHOST_FAULTS for the points named here.
"""
import http.client
import json
import os
import random
import subprocess
import threading
import unittest

import invariants
from world import HarnessError, ROUNDS, SEED, STORE_TOOL, SETTLE_SECONDS, World, wait_until

# point -> passages to die at; the first one of engine.release is at the start
POINTS = {
    "engine.release": (2, 3), "engine.reloaded": (1, 4), "engine.override": (1, 2, 3), "engine.collect": (1,),
    "store.apply": (5, 40), "store.commit": (7, 60), "store.committed": (6, 30), "store.notify": (8, 50),
}
EDITS = 30
GONE = (OSError, http.client.HTTPException)


class Releases:
    """What a data folder holds of releases: trees by root, hashes of files, names in `active`."""

    def __init__(self, folder):
        self.trees, self.blobs, self.active = {}, set(), {}
        dump = subprocess.run([STORE_TOOL, "dump", folder], check=True, capture_output=True, text=True).stdout
        for line in dump.splitlines():
            table, key, stored = line.split(" ")
            if table == "releases":
                self.trees[key] = json.loads(bytes.fromhex(stored)[1:-4])
            elif table == "blobs":
                self.blobs.add(key)
            elif table == "active":
                self.active[bytes.fromhex(key)] = bytes.fromhex(stored)[1:-4]

    def override(self, flow):
        return json.loads(self.active.get(b"flow:" + flow.encode(), b"{}"))


class Editor(threading.Thread):
    """Changes the folder and the flow "switch" until the host dies. told: what was acknowledged last of switch;
    begun: what was asked for and not answered."""

    def __init__(self, world, host, rng):
        super().__init__()
        self.world, self.host, self.rng = world, host, rng
        self.told, self.begun, self.error = {}, None, None

    def run(self):
        try:
            for number in range(EDITS):
                self.save(number)
                if number % 3 == 0:
                    self.change()
        except GONE:
            pass
        except (AssertionError, HarnessError) as error:
            self.error = error

    def ask(self, method, path, body=None):
        status, _, answer = self.host.request(method, path, body)
        assert status == 200, answer
        return answer

    def save(self, number):
        """Writes a flow anew, as an editor does, and waits until it is served."""
        name = self.rng.choice(("pure.lua", "mixed.lua", "early.lua", "components/notify.lua", "switch.lua"))
        path = os.path.join(self.world.flows, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        before = self.ask("GET", "/v1/flows")["release"]
        with open(path + "~", "w", encoding="utf-8") as file:
            file.write(text.split("\n-- edit")[0] + f"\n-- edit {self.world.epoch}/{number}\n")
        os.rename(path + "~", path)
        wait_until(self.alive(lambda: self.ask("GET", "/v1/flows")["release"] != before), SETTLE_SECONDS,
                   "the save to be served")

    def alive(self, look):
        """wait_until swallows exceptions: a host that is gone must end the waiting."""
        def looks():
            try:
                return look()
            except GONE:
                if self.host.process.poll() is not None:
                    return True
                raise
        return looks

    def change(self):
        versions = self.ask("GET", "/v1/flows/switch/versions")["items"]
        chosen = self.rng.choice(versions)["release"]
        newest = self.ask("GET", "/v1/flows")["release"]
        held = {} if chosen == newest else {"release": chosen}
        is_disabled = {"disabled": True} if self.told.get("disabled") else {}
        rest = {key: value for key, value in self.told.items() if key != "disabled"}
        verb, body, after = self.rng.choice((
            ("disable", None, {**rest, "disabled": True}), ("enable", None, rest),
            ("activate", {"release": chosen}, {**is_disabled, **held})))
        self.begun = after
        self.ask("POST", f"/v1/flows/switch/{verb}", body)
        self.told, self.begun = after, None


def check_releases(world, editor):
    disk, releases = world.read_disk(), Releases(world.data)
    roots = {row["release"] for row in disk.runs.values() if row["status"] not in invariants.TERMINAL}
    roots.add(releases.active[b"flows"].hex())
    said = releases.override("switch")
    roots.update({said["release"]} if "release" in said else set())
    for root in roots:
        invariants.hold(root in releases.trees, "a release that is needed is gone", root)
    for root, tree in releases.trees.items():
        missing = set(tree["files"].values()) - releases.blobs
        invariants.hold(not missing, "files of a release are gone", root, missing)
        invariants.hold(b"release:" + bytes.fromhex(root) in releases.active, "a release is not listed", root)
    used = {name for tree in releases.trees.values() for name in tree["files"].values()}
    invariants.hold(releases.blobs == used, "files of no release are left", releases.blobs - used)
    invariants.hold(said == editor.told or said == editor.begun, "switch is not as it was told", said, editor.told,
                    editor.begun)


class Reload(unittest.TestCase):
    def die_at(self, point, passage, shards):
        rng = random.Random(f"{SEED}/{point}/{passage}")
        with World(shards=shards) as world:
            with open(os.path.join(world.flows, "switch.lua"), "w", encoding="utf-8") as file:
                file.write("return function() return 'switch' end\n")
            world.note = f"{point}:kill:{passage} seed {SEED}"
            host = world.start(f"{point}:kill:{passage}")
            if host:
                editor = Editor(world, host, rng)
                editor.start()
                world.load(host, f"{SEED}/{passage}")
                editor.join()
                if editor.error:
                    raise editor.error
                if point.startswith("engine."):
                    self.assertEqual(host.wait(), -9, "the fault point was never passed")
            world.end()
            if host:
                check_releases(world, editor)
            invariants.settle(world)
            if host:
                self.check_switch(world, editor)

    def check_switch(self, world, editor):
        """What was told is in force after a start."""
        host = world.start()
        _, _, flow = host.request("GET", "/v1/flows/switch")
        said = {key: value for key, value in (("disabled", not flow["enabled"]),
                                              ("release", flow["pinned"] and flow["release"])) if value}
        self.assertIn(said, (editor.told, editor.begun))
        self.assertEqual(world.stop(), 0)


def add_test(point, passage, turn):
    def test(self):
        self.die_at(point, passage + turn, 1 + (len(point) + passage) % 2)
    setattr(Reload, f"test_{point.replace('.', '_')}_{passage + turn}", test)


for name, passages in POINTS.items():
    for at in passages:
        for again in range(ROUNDS):
            add_test(name, at, again)

if __name__ == "__main__":
    unittest.main()

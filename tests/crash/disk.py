# SPDX-License-Identifier: MIT
"""A data folder as it lies on the disk, read by store_tool (FLOWHOST_CRASH_STORE) past the host's own code, while no
host lives."""
import json
import os
import subprocess
from typing import NamedTuple

STORE_TOOL = os.environ.get("FLOWHOST_CRASH_STORE", "")
# Rows and entries are arrays: engine/rows.lua and engine/journal.lua say in which order.
ROW = ("flow", "version", "release", "status", "durable", "created", "started", "ended", "trace_id", "attempt", "redo",
       "reason", "error", "input", "output", "lua_us", "commit_us", "more")
ENTRY = ("path", "kind", "name", "hash", "line", "started", "ended", "attempts", "state", "value", "extra")
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def id_text(run_bytes):
    number, text = int.from_bytes(run_bytes, "big"), ""
    for _ in range(26):
        text = DIGITS[number & 31] + text
        number >>= 5
    return text


def id_bytes(text):
    number = 0
    for digit in text:
        number = number << 5 | DIGITS.index(digit)
    return number.to_bytes(16, "big")


class Alarm(NamedTuple):
    """A key of the table alarms and its value: engine/alarms.lua."""
    partition: int
    due: int
    run: str
    tag: bytes
    verb: str
    arguments: object


class Disk:
    """runs: id -> row (more: what most rows do not have); journal: id -> {path: entry in force, None when voided};
    entries: id -> all entries in order; chunks: id -> chunk numbers; by_flow: id -> [(flow, status)];
    by_status: id -> [(status, flow)]; by_tag: id -> [(name, value, flow)]; idempotency: (flow, key) -> id;
    alarms: list; audit: list of entries; tasks: (run, task in hex) -> row; queues: list of (name, scheduled, run, task);
    activities: name -> activity."""

    def __init__(self, folder):
        self.runs, self.journal, self.chunks, self.entries = {}, {}, {}, {}
        self.by_flow, self.by_status, self.by_tag, self.idempotency = {}, {}, {}, {}
        self.alarms, self.audit = [], []
        self.tasks, self.queues, self.activities = {}, [], {}
        command = [STORE_TOOL, "dump", folder]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            table, key, stored = line.split(" ")
            take = getattr(self, "take_" + table, None)
            if take:
                # format byte, value, CRC32C: see store/store.h
                take(bytes.fromhex(key), bytes.fromhex(stored)[1:-4])

    def take_runs(self, key, value):
        row = dict(zip(ROW, json.loads(value)))
        row["more"] = row.get("more") or {}
        self.runs[id_text(key)] = row

    def take_journal(self, key, value):
        run, number = id_text(key[:16]), int.from_bytes(key[16:], "big")
        self.chunks.setdefault(run, []).append(number)
        by_path, entries = self.journal.setdefault(run, {}), self.entries.setdefault(run, [])
        for fields in json.loads(value):
            entry = dict(zip(ENTRY, fields))
            entry["extra"] = entry.get("extra") or {}
            entries.append(entry)
            by_path[entry["path"]] = entry if entry["state"] != "r" else None

    def take_runs_by_flow(self, key, value):
        self.by_flow.setdefault(id_text(key[-16:]), []).append((key[:-17].decode(), value.decode()))

    def take_runs_by_status(self, key, value):
        self.by_status.setdefault(id_text(key[-16:]), []).append((key[:-17].decode(), value.decode()))

    def take_runs_by_tag(self, key, value):
        name, tag_value = key[:-17].decode().split("\0")
        self.by_tag.setdefault(id_text(key[-16:]), []).append((name, tag_value, value.decode()))

    def take_idempotency(self, key, value):
        flow, name = key.split(b"\0", 1)
        self.idempotency[flow.decode(), name.decode()] = id_text(value[:16])

    def take_alarms(self, key, value):
        verb, *arguments = json.loads(value)
        self.alarms.append(Alarm(key[0], int.from_bytes(key[1:9], "big"), id_text(key[9:25]), key[25:], verb,
                                 arguments[0] if arguments else None))

    def take_audit(self, _, value):
        self.audit.append(json.loads(value))

    def take_tasks(self, key, value):
        self.tasks[id_text(key[:16]), key[16:].hex()] = json.loads(value)

    def take_queues(self, key, value):
        name, rest = key.split(b"\0", 1)
        json.loads(value)
        self.queues.append((name.decode(), int.from_bytes(rest[:8], "big"), id_text(rest[8:24]), rest[24:].hex()))

    def take_activities(self, key, value):
        self.activities[key.decode()] = json.loads(value)

    def is_recorded(self, run, path):
        entry = self.journal.get(run, {}).get(path)
        return entry is not None and entry["state"] in "ke"

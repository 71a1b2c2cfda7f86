# SPDX-License-Identifier: MIT
"""What must hold after every crash: on the disk while no host lives (check_disk), and through the API once the next
host has brought all runs to their end (check_served).

    acknowledged   an answer that a caller got stands: same run, same output, for ever
    output commit  what services saw of a run lies on the disk, with every step before it
    once           a step whose result is on the disk is never sent again; one without it is, with the same key
    complete       every run that was started comes to its end
    lists          rows and indexes say the same, each run stands once in each list
"""
from world import SETTLE_SECONDS, wait_until

# Steps that must be on the disk before a request leaves, by flow and path of the request.
BEFORE = {
    "register": {"1": [], "2.1.1": ["1"], "2.2.1": ["1"]},
    "mixed": {"2": ["1", "1.1"], "4.1": ["1", "2", "3"], "5": ["1", "2", "3", "4", "4.1", "4.2"]},
    "early": {"1": [], "4": ["1", "2", "3"]},
}
STATUSES = ("queued", "running", "waiting", "suspended", "succeeded", "failed", "broken", "cancelled", "timed_out")
TERMINAL = ("succeeded", "failed", "broken", "cancelled", "timed_out")
PAGE = 37


class Broken(AssertionError):
    """An invariant does not hold."""


def hold(condition, what, *details):
    if not condition:
        raise Broken(": ".join([what, *map(str, details)]))


# --- on the disk --------------------------------------------------------------------------------------------------

def check_disk(world):
    """No host lives. Reads the disk and remembers what is recorded on it for the epochs to come."""
    disk = world.read_disk()
    check_indexes(disk)
    check_journals(disk)
    check_sent(world, disk)
    for answer in world.answers:
        check_answer_on_disk(disk, answer)
    remember(world, disk)
    hold(not world.unexpected, "callers got other answers than 200 and 202", world.unexpected[:3])


def check_indexes(disk):
    for run, row in disk.runs.items():
        flow, status = row["flow"], row["status"]
        hold(disk.by_flow.get(run) == [(flow, status)], "runs_by_flow", run, flow, status, disk.by_flow.get(run))
        hold(disk.by_status.get(run) == [(status, flow)], "runs_by_status", run, status, disk.by_status.get(run))
        tags = sorted((name, value, flow) for name, value in (row["more"].get("tags") or {}).items())
        hold(sorted(disk.by_tag.get(run, ())) == tags, "runs_by_tag", run, tags, disk.by_tag.get(run))
    for table in (disk.by_flow, disk.by_status, disk.by_tag):
        hold(not set(table) - set(disk.runs), "an index names runs that have no row", set(table) - set(disk.runs))
    for key, run in disk.idempotency.items():
        hold(run in disk.runs and disk.runs[run]["flow"] == key[0], "idempotency key of no run", key, run)


def check_journals(disk):
    for run, numbers in disk.chunks.items():
        hold(run in disk.runs, "journal of no run", run)
        hold(numbers == list(range(len(numbers))), "chunks of a journal", run, numbers)


def check_sent(world, disk):
    attempts = {}
    for sent in world.services.seen:
        check_output_commit(disk, sent)
        # What is recorded is never sent again, and nothing twice by one process: no retry was asked for.
        hold(sent.epoch <= world.recorded.get(sent.key, sent.epoch), "sent again though recorded", sent)
        hold(sent.epoch <= world.ended.get(sent.run, sent.epoch), "sent though its run had ended", sent)
        last = attempts.get(sent.key)
        hold(last is None or last.epoch < sent.epoch or (world.recovers and last.is_refused),
             "sent twice by one process", last, sent)
        attempts[sent.key] = sent
    for sent in attempts.values():
        entry = disk.journal.get(sent.run, {}).get(sent.path)
        if entry and entry["state"] == "k":
            hold(entry["value"]["id"] == sent.answer_id, "recorded is not the answer to the last attempt", sent, entry)


def check_output_commit(disk, sent):
    hold(sent.run in disk.runs, "a service got a request of a run that is not stored", sent)
    before = BEFORE[disk.runs[sent.run]["flow"]]
    hold(sent.path in before, "a service got a request of no step", sent)
    for path in before[sent.path]:
        hold(disk.is_recorded(sent.run, path), f"a request left before step {path} was stored", sent)


def check_answer_on_disk(disk, answer):
    row = disk.runs.get(answer.run)
    hold(row is not None, "an answered run is not stored", answer)
    if answer.kind.startswith("early"):
        entry = disk.journal[answer.run].get("3")
        hold(entry and entry["value"]["body"] == answer.body, "an early answer is not recorded", answer, entry)
    elif answer.status == 200:
        hold(row["status"] == "succeeded", "an answered run has not ended", answer, row)
        hold(row["output"] == answer.body, "an answer is not the stored output", answer, row["output"])
    if answer.key:
        hold(disk.idempotency.get((row["flow"], answer.key)) == answer.run, "a key names another run", answer)


def remember(world, disk):
    for run, by_path in disk.journal.items():
        for path in by_path:
            if disk.is_recorded(run, path) and not (world.recovers and by_path[path]["state"] == "e"):
                world.recorded.setdefault(f"{run}/{path}", world.epoch)
    for run, row in disk.runs.items():
        if row["status"] in TERMINAL:
            world.ended.setdefault(run, world.epoch)


# --- through the API ----------------------------------------------------------------------------------------------

def pages(host, query=""):
    """All items of a list, over its pages."""
    items, cursor = [], ""
    while cursor is not None:
        path = f"/v1/runs?limit={PAGE}{query}" + (f"&cursor={cursor}" if cursor else "")
        status, _, body = host.request("GET", path)
        hold(status == 200, "a list was refused", path, body)
        items += body["items"]
        cursor = body["next"]
    return items


def wait_for_end(host):
    wait_until(lambda: not host.request("GET", "/v1/runs?status=running&limit=1")[2]["items"], SETTLE_SECONDS,
               "all runs to end")


def check_served(world, host, allowed=()):
    """Call after check_disk and a start. allowed: error codes that a run may be suspended or have failed for."""
    before = world.disk
    wait_for_end(host)
    listed = check_lists(host)
    for run in before.runs:
        hold(run in listed, "a stored run is not listed", run)
    for item in listed.values():
        code = (item["error"] or {}).get("code")
        hold(item["status"] == "succeeded" or code in allowed, "a run has not come to its end", item)
    check_sent_again(world, before, listed)
    for answer in list(world.answers):
        check_answer_served(host, answer)
    check_keys(world, host, before)


def check_lists(host):
    """id -> item of the list of all; each filtered list says the same."""
    everything = pages(host)
    listed = {item["id"]: item for item in everything}
    ids = [item["id"] for item in everything]
    hold(len(listed) == len(ids), "the list names a run twice")
    hold(ids == sorted(ids, reverse=True), "the list is not in order")
    check_partition(host, listed, "flow", {item["flow"] for item in everything})
    check_partition(host, listed, "status", STATUSES)
    return listed


def check_partition(host, listed, field, values):
    seen = []
    for value in values:
        for item in pages(host, f"&{field}={value}"):
            hold(item[field] == value, f"the list by {field} {value} names another", item)
            seen.append(item["id"])
    hold(sorted(seen) == sorted(listed), f"the lists by {field} do not hold each run once",
         set(listed).symmetric_difference(seen))


def check_sent_again(world, before, listed):
    """Services had got it, its result was not on the disk, the run has ended now: so it was sent again, once."""
    now = [sent.key for sent in world.services.seen if sent.epoch == world.epoch]
    for sent in world.services.seen:
        is_open = before.runs.get(sent.run, {}).get("status") == "running"
        if sent.epoch < world.epoch and is_open and not before.is_recorded(sent.run, sent.path):
            if listed[sent.run]["status"] == "succeeded":
                hold(now.count(sent.key) == 1, "a step without a result was not sent again", sent)


def check_answer_served(host, answer):
    status, _, run = host.request("GET", f"/v1/runs/{answer.run}")
    hold(status == 200, "an answered run is not found", answer, run)
    if not answer.kind.startswith("early") and answer.status == 200:
        hold(run["output"] == answer.body, "an answer is not the run's output", answer, run)


def check_keys(world, host, before):
    """Each key once more: the run and the answer of the first time."""
    told = {(a.key, a.run): a.body for a in world.answers if a.status == 200}
    for (flow, key), _ in list(world.asked.items()):
        answer = world.ask_again(host, flow, key)
        hold(answer.status in (200, 202), "a key asked again was refused", answer)
        first = before.idempotency.get((flow, key))
        hold(first in (None, answer.run), "a key asked again names another run", first, answer)
        known = told.get((key, answer.run))
        hold(known is None or answer.status == 202 or known == answer.body, "a key asked again answers otherwise",
             known, answer)
        world.answers.append(answer)
    wait_for_end(host)


# --- a round ------------------------------------------------------------------------------------------------------

def settle(world, shards=None):
    """After an end: what lies there, then a host without fault, then an orderly stop."""
    check_disk(world)
    host = world.start(shards=shards)
    check_served(world, host)
    code = world.stop()
    hold(code == 0, "the host did not stop in order", code)
    check_disk(world)
    hold(not world.errors, "hosts logged errors", world.errors[:3])

# SPDX-License-Identifier: MIT
"""What must hold of a data folder whenever a host has died on it (check_disk), and once all runs are at rest
(check_rest):

    alarms     a run that is parked until a time has one alarm, for that time; no other run has one. Notes from run to
               run concern runs that are what the note says
    journals   no step is recorded twice; no wait has ended before its time; no attempt was made before its time
    signals    none is stored twice, none is taken by two waits
    children   each step has at most the one child that its journal names; what it returned is what the child did
    once       what may be sent once only was announced before, and was sent once
    undo       a run that was cancelled, failed or ran out of time has run the compensations it had
"""
import invariants
from disk import id_bytes, id_text
from invariants import TERMINAL, hold

UNDONE = ("cancelled", "failed", "timed_out")
TIMERS = ("sleep", "sleep_until")


def check_disk(disk):
    """Of any flows."""
    invariants.check_indexes(disk)
    invariants.check_journals(disk)
    check_alarms(disk)
    for run, entries in disk.entries.items():
        check_entries(run, entries)
        check_signals(run, entries)
        check_children_of(disk, run, entries)
    check_parents(disk)
    for run, row in disk.runs.items():
        if row["status"] in UNDONE:
            check_undo(run, row, disk.entries.get(run, []))


def check_rest(disk):
    """After check_disk: nothing is left to be done."""
    for run, row in disk.runs.items():
        hold(row["status"] in TERMINAL or row["status"] == "suspended", "a run is not at rest", run, row)
    notes = [alarm for alarm in disk.alarms if alarm.verb != "expire"]
    hold(not notes, "alarms are left though nothing is to be done", notes[:3])
    for run, row in disk.runs.items():
        parent = row["more"].get("parent")
        if parent and parent.get("is_awaited") and parent["run"] in disk.runs:
            is_over = disk.runs[parent["run"]]["status"] in TERMINAL
            hold(not is_over or row["status"] in TERMINAL, "a child has outlived its parent", run, row)


# --- alarms -------------------------------------------------------------------------------------------------------

def check_alarms(disk):
    woken = {}
    for alarm in disk.alarms:
        hold(alarm.partition == id_bytes(alarm.run)[6] % 64, "an alarm of another partition", alarm)
        if alarm.verb == "wake":
            hold(alarm.run not in woken, "two alarms of one run", alarm)
            woken[alarm.run] = alarm.due
        ALARM_CHECKS[alarm.verb](disk, alarm)
    for run, row in disk.runs.items():
        due = row["more"].get("alarm")
        hold(woken.get(run) == due, "the alarm of a row is not the one in the table", run, due, woken.get(run), row)
        hold(due is None or row["status"] == "waiting", "an alarm of a run that is not parked", run, row)
        if row["status"] == "waiting":
            untils = [one["until"] for one in row["more"]["waiting"] if one.get("until")]
            hold(due is None or not untils or due <= min(untils), "an alarm after the time of a wait", run, row)
            hold(untils == [] or due is not None, "a parked run waits for a time and has no alarm", run, row)


def check_wake(disk, alarm):
    hold(alarm.run in disk.runs and alarm.tag == b"", "an alarm of no run", alarm)


def check_child_note(disk, alarm):
    child = disk.runs.get(id_text(alarm.tag))
    hold(child is not None and child["status"] in TERMINAL, "a note of a child that has not ended", alarm, child)
    hold(child["more"]["parent"]["run"] == alarm.run, "a note to another run than the parent", alarm, child)


def check_expire(disk, alarm):
    row = disk.runs.get(alarm.run)
    hold(row is not None and row["status"] in TERMINAL, "an end of retention of a run that has not ended", alarm, row)
    hold(row["ended"] < alarm.due, "a run would be removed before its time", alarm, row)


def check_cancel_note(disk, alarm):
    hold(alarm.tag == b"c", "a cancel of another form", alarm)


def check_task_alarm(disk, alarm):
    hold(alarm.tag[:1] == b"t" and len(alarm.tag) == 17 and alarm.run in disk.runs, "an alarm of no task", alarm)


ALARM_CHECKS = {"wake": check_wake, "task": check_task_alarm, "child": check_child_note, "expire": check_expire, "cancel": check_cancel_note}


# --- journals -----------------------------------------------------------------------------------------------------

def due_of(entry):
    value = entry["value"]
    return value.get("due") if isinstance(value, dict) else None


def check_entries(run, entries):
    done, due = {}, {}
    for entry in entries:
        path, state = entry["path"], entry["state"]
        if state == "r":
            if entry["extra"].get("from"):
                done.clear()
                due.clear()
            done.pop(path, None)
            due.pop(path, None)
        elif state in "ke" and entry["kind"] != "signal":
            is_edit = entry["extra"].get("edited")
            hold(path not in done or is_edit, "a step is recorded twice", run, done.get(path), entry)
            check_time(run, entry, due.get(path))
            done[path] = entry
        elif state in "ot":
            hold(path not in done, "a step begins though it has ended", run, done.get(path), entry)
            check_time(run, entry, due.get(path))
            due[path] = (entry, due_of(entry))


def check_time(run, entry, opened):
    """opened: the last "o" or "t" of the path, and its due time."""
    if not opened or opened[1] is None or entry["extra"].get("edited") or entry["extra"].get("stub"):
        return
    before, due = opened
    if before["state"] == "t":
        hold(entry["started"] >= due or is_timeout(entry), "an attempt before its time", run, before, entry)
    elif entry["state"] == "k" and entry["kind"] in TIMERS:
        hold(entry["ended"] >= due, "woken before its time", run, before, entry)
    elif entry["state"] == "e" and entry["kind"] in ("wait", "call") and is_own_timeout(entry):
        hold(entry["ended"] >= due, "out of time before its time", run, before, entry)


def is_timeout(entry):
    return entry["state"] == "e" and entry["value"].get("code") == "TIMEOUT"


def is_own_timeout(entry):
    """Not that of a step around it, nor a child's."""
    text = entry["value"].get("message", "")
    return is_timeout(entry) and ("came in time" in text or "did not end in time" in text)


def check_signals(run, entries):
    numbers = [int(one["path"][1:]) for one in entries if one["kind"] == "signal"]
    hold(numbers == list(range(1, len(numbers) + 1)), "numbers of signals", run, numbers)
    keys = [(one["name"], one["hash"]) for one in entries if one["kind"] == "signal" and one["hash"]]
    hold(len(keys) == len(set(keys)), "a signal is stored twice", run, keys)
    taken = {}
    for entry in entries:
        if entry["state"] == "r":
            is_whole = entry["extra"].get("from")
            taken = {} if is_whole else {n: path for n, path in taken.items() if path != entry["path"]}
        number = entry["extra"].get("signal") if entry["kind"] == "wait" else None
        if number and entry["state"] == "k":
            hold(taken.get(number, entry["path"]) == entry["path"], "a signal is taken twice", run, number, entry)
            taken[number] = entry["path"]


# --- children -----------------------------------------------------------------------------------------------------

def check_children_of(disk, run, entries):
    if "forked_from" in disk.runs[run]["more"]:
        return  # it has copies of what another run has called
    named, last = {}, {}
    for entry in entries:
        path = entry["path"]
        if entry["kind"] in ("call", "start") and entry["state"] == "o":
            child = entry["value"]["child"]
            hold(named.get(child, path) == path, "a child of two steps", run, entry)
            named[child], last[path] = path, child
        elif entry["kind"] == "start" and entry["state"] == "k":
            hold(entry["value"] == last.get(path), "a child that was not announced", run, entry, last.get(path))
            hold(entry["value"] in disk.runs or is_unkept(disk, entry["value"]), "a started child is not stored", run,
                 entry)
        elif entry["kind"] == "call" and entry["state"] == "k" and not entry["extra"].get("edited"):
            check_returned(run, entry, disk.runs.get(last[path]))
    for child, path in named.items():
        row = disk.runs.get(child)
        if row:
            parent = row["more"].get("parent") or {}
            hold((parent.get("run"), parent.get("step")) == (run, path), "a child knows another parent", run, path,
                 child, row)


def check_returned(run, entry, child):
    if child:   # its flow keeps runs
        hold(child["status"] == "succeeded", "a call has returned before its child has ended", run, entry, child)
        hold(child["output"] == entry["value"], "a call has returned something else than its child", run, entry, child)


def is_unkept(disk, run):
    """Whether its retention may have removed it, or its flow keeps no runs."""
    return run not in disk.chunks


def check_parents(disk):
    seen = {}
    for run, row in disk.runs.items():
        parent = row["more"].get("parent")
        if not parent or parent["run"] not in disk.runs:
            continue
        entries = [one for one in disk.entries.get(parent["run"], ()) if one["path"] == parent["step"]]
        begun = [one["value"]["child"] for one in entries if one["state"] == "o"]
        hold(run in begun, "a child that its parent does not know", run, row, entries)
        is_tried = any(one["state"] == "t" for one in entries)
        is_voided = any(one["state"] == "r" for one in disk.entries[parent["run"]])
        step = (parent["run"], parent["step"])
        hold(step not in seen or is_tried or is_voided, "a step has two children", step, seen.get(step), run)
        seen[step] = run
        check_told(disk, run, row, parent)


def check_told(disk, run, row, parent):
    """A parked parent that waits for a child that has ended is told, or will be."""
    other = disk.runs[parent["run"]]
    waiting = [one.get("child") for one in other["more"].get("waiting") or ()]
    if other["status"] == "waiting" and row["status"] in TERMINAL and run in waiting:
        notes = [alarm for alarm in disk.alarms if alarm.verb == "child" and alarm.run == parent["run"]]
        hold(any(alarm.tag == id_bytes(run) for alarm in notes), "a parked parent would never learn of its child's end",
             run, row, other)


# --- compensations ------------------------------------------------------------------------------------------------

def check_undo(run, row, entries):
    if not row["more"].get("ending"):
        return
    in_force = {}
    for entry in entries:
        if entry["state"] == "r":
            return  # a recover has changed what it had
        in_force[entry["path"]] = entry
    defers = sum(1 for one in in_force.values() if one["kind"] == "defer")
    undone = sum(1 for one in in_force.values() if one["kind"] == "undo" and one["state"] in "ke")
    is_excused = "compensations did not run" in str((row["error"] or {}).get("cause"))
    hold(defers == undone or is_excused, "compensations have not run", run, defers, undone, row)


# --- what was sent ------------------------------------------------------------------------------------------------

def check_sent(world, disk):
    """Of EngineServices."""
    once, last = {}, {}
    for sent in world.services.seen:
        hold(sent.run in disk.runs or sent.place == "/ok/brief", "a request of a run that is not stored", sent)
        hold(sent.epoch <= world.recorded.get(sent.key, sent.epoch), "sent again though recorded", sent)
        hold(sent.epoch <= world.ended.get(sent.run, sent.epoch), "sent though its run had ended", sent)
        if sent.place.startswith("/once/"):
            hold(sent.key not in once, "sent twice though it may be sent once only", sent, once.get(sent.key))
            once[sent.key] = sent
            states = [one["state"] for one in disk.entries[sent.run] if one["path"] == sent.path.split(".")[0]]
            hold("s" in states, "sent before its beginning was stored", sent, states)
        last[sent.key] = sent
    for sent in last.values():
        entry = disk.journal.get(sent.run, {}).get(sent.path)
        if entry and entry["state"] == "k" and not entry["extra"].get("edited"):
            hold(entry["value"]["id"] == sent.answer_id, "recorded is not the answer to the last attempt", sent, entry)


def remember(world, disk):
    for run, by_path in disk.journal.items():
        for path, entry in by_path.items():
            if entry and entry["state"] == "k":
                world.recorded.setdefault(f"{run}/{path}", world.epoch)
    for run, row in disk.runs.items():
        if row["status"] in TERMINAL:
            world.ended.setdefault(run, world.epoch)


# --- an end of a host ---------------------------------------------------------------------------------------------

def check_death(world):
    """No host lives: what lies there."""
    disk = world.read_disk()
    check_disk(disk)
    check_sent(world, disk)
    for script in world.scripts:
        script.check_disk(disk)
    remember(world, disk)
    return disk


def settle(world, shards):
    """A host without fault brings everything to its end and stops in order."""
    host = world.start(shards=shards)
    hold(world.go_on(host), "the host has died without a fault")
    world.recover_unknown(host)
    hold(world.come_to_rest(host), "the host has died without a fault")
    for flow in ("brief",):
        world.wait_for_none(host, flow)
    invariants.check_lists(host)
    code = world.stop()
    hold(code == 0, "the host did not stop in order", code)
    disk = check_death(world)
    check_rest(disk)
    for script in world.scripts:
        script.check_end(disk)
    hold(not world.errors, "hosts logged errors", world.errors[:3])

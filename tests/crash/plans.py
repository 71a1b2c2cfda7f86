# SPDX-License-Identifier: MIT
"""Where the crash suite kills the host: every fault point that the sources name stands in one of these tables, with the
passages to die at."""
EARLY = (1, 2)
ONCE = (1,)     # passed once a start: further passages would never come

# test_points.py: under the load of world.py
LOAD = {
    "store.submit": EARLY, "store.begin": EARLY, "store.apply": EARLY, "store.commit": EARLY,
    "store.committed": EARLY, "store.notify": EARLY,
    "engine.start": EARLY, "engine.submit": EARLY, "engine.committed": EARLY, "engine.effect.start": EARLY,
    "engine.effect.done": EARLY, "engine.answer": EARLY, "engine.release": ONCE, "engine.released": ONCE,
}

# test_engine_points.py: under the scripts of engine_world.py; the first passage, and one drawn up to that number, which
# each play passes for sure
ENGINE = {
    "engine.queue": 8, "engine.queued": 8, "engine.begin": 6,
    "engine.park": 8, "engine.parked": 8, "engine.wake": 8,
    "engine.alarm.set": 8, "engine.alarm.fire": 8, "engine.alarm.drop": 2, "engine.alarm.dropped": 2,
    "engine.child.start": 10, "engine.child.started": 2, "engine.child.end": 8, "engine.child.told": 8,
    "engine.signal": 6, "engine.signalled": 6,
    "engine.once": 4, "engine.retry": 12,
    "engine.cancel": 6, "engine.ending": 4, "engine.undo": 12,
    "engine.recover": 2, "engine.recovered": 2, "engine.fork": 2, "engine.forked": 2,
    "engine.bulk": 2, "engine.bulk.done": 2, "engine.remove": 2, "engine.removed": 2,
    "engine.link_key": 1, "engine.link_key.stored": 1,
}

# test_task_points.py: under the load of task_world.py; as ENGINE
TASKS = {
    "engine.task.queue": 8, "engine.task.take": 8, "engine.task.taken": 8, "engine.task.end": 6, "engine.task.ended": 6,
    "engine.task.beat": 3, "engine.task.beaten": 3, "engine.activity.create": 2, "engine.activity.created": 2,
    "engine.activity.delete": 2, "engine.activity.deleted": 2,
}

# the same, where passing them is a matter of luck: a worker goes away while a task is on its way to it
TASKS_RARE = {"engine.task.return": 2, "engine.task.returned": 2}

# also in test_engine_points.py: what every batch passes, at passages far enough that all kinds of them are met
OFTEN = ("store.commit", "store.committed", "engine.submit", "engine.committed", "engine.effect.start",
         "engine.effect.done")
OFTEN_RANGE = (3, 150)

# also in test_machines.py: the first passage, and one drawn up to that number
MACHINES = {
    "store.commit": 80, "store.committed": 80, "engine.effect.start": 60, "engine.effect.done": 60, "engine.park": 12,
    "engine.wake": 12, "engine.alarm.set": 12, "engine.alarm.fire": 12, "engine.child.start": 2, "engine.child.end": 2,
    "engine.task.queue": 20, "engine.task.take": 20, "engine.task.taken": 20, "engine.task.end": 20,
    "engine.task.ended": 20,
}

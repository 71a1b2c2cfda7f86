# SPDX-License-Identifier: MIT
"""GET /v1/runs/{id}/events: a run as it goes on, also from another shard, resumed, and by callers that go away."""
import http.client
import json
import queue
import socket
import unittest

from suite import SECONDS, HostCase, Problems, clients_by_shard, partition_of, start_run, wait_for_run, wait_until

FLOWS = {
    "now.lua": "return function(ctx, input) return input end",
    "calls.lua": """return function(ctx, input)
        for n = 1, input.calls do
            ctx.request { url = ctx.env.UPSTREAM .. "/" .. n }
        end
        return "done"
    end""",
    "wait.lua": "return function(ctx) return ctx.wait('go') end",
    "steps.lua": """return function(ctx, input)
        for n = 1, input.steps do
            ctx.step("step " .. n, function() return ("x"):rep(input.bytes or 10) end)
        end
        return "done"
    end""",
}


class EventStream:
    """The events of a run over a connection of its own: [{ "id", "event", "data" }, ...] one by one."""

    def __init__(self, port, run_id, headers=None, query=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self.connection.request("GET", f"/v1/runs/{run_id}/events{query}", headers=headers or {})
        self.answer = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()

    def hang_up(self):
        self.answer.close()
        self.connection.close()

    def next(self):
        """The next event, None at the end."""
        event, silences = {}, 0
        while line := self.answer.readline().decode():
            silences += line.startswith(": keep-alive")
            assert silences * 15 < SECONDS, "no event came"
            if line == "\n" and event:
                event["data"] = json.loads(event["data"])
                return event
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                event[name] = value
        return None

    def rest(self):
        events = []
        while event := self.next():
            events.append(event)
        return events


def words(events):
    return [" ".join(filter(None, (e["event"], e["data"].get("path"), e["data"]["status"]))) for e in events]


class EventsCase(HostCase, Problems):
    FLOWS = FLOWS

    def setUp(self):
        super().setUp()
        self.gate = queue.Queue()

    def handle(self, _):
        return self.gate.get(timeout=SECONDS)

    def let(self, count=1, status=200):
        for _ in range(count):
            self.gate.put((status, {"ok": True}))

    def begin(self, calls, client=None):
        """A run of that many calls, none of which is answered yet; the first is at the upstream."""
        answer = start_run(client or self.host, "calls", {"calls": calls}, prefer="respond-async")
        self.assertEqual(answer.status, 202)
        wait_until(lambda: self.upstream.requests, SECONDS, "the first call")
        return answer.body["id"]


    def follow(self, run_id, **options):
        return self.enterContext(EventStream(self.host.port, run_id, **options))


class OneShard(EventsCase):

    def test_live(self):
        run_id = self.begin(3)
        stream = self.follow(run_id)
        self.assertEqual(stream.answer.status, 200)
        self.assertEqual(stream.answer.headers["Content-Type"], "text/event-stream")
        self.assertEqual(words([stream.next()]), ["run running"])
        for n in range(1, 4):
            self.let()
            event = stream.next()
            self.assertEqual(words([event]), [f"step {n} succeeded"])
            self.assertRegex(event["id"], r"^\d+-\d+$")
            steps = self.ask("GET", f"/v1/runs/{run_id}/steps").body["items"]
            self.assertIn(event["data"], steps)
        end = stream.next()
        self.assertEqual((end["event"], end["id"], end["data"]["status"]), ("end", "end", "succeeded"))
        run = self.ask("GET", f"/v1/runs/{run_id}").body
        self.assertEqual(end["data"], {name: run[name] for name in end["data"]})
        self.assertIsNone(stream.next())

    def test_resume_in_the_middle(self):
        run_id = self.begin(4)
        first = self.follow(run_id)
        self.let(2)
        seen = [first.next() for _ in range(3)]
        first.hang_up()
        self.let()
        wait_until(lambda: len(self.upstream.requests) == 4, SECONDS, "the fourth call")
        second = self.follow(run_id, headers={"Last-Event-ID": seen[-1]["id"]})
        third = self.follow(run_id, query="?after=" + seen[-1]["id"])
        self.let()
        for stream in second, third:
            events = stream.rest()
            self.assertEqual([w for w in words(events) if w != "run running"],
                             ["step 3 succeeded", "step 4 succeeded", "end succeeded"])

    def test_of_an_ended_run(self):
        run_id = self.start_run("steps", {"steps": 3}).run
        events = self.follow(run_id).rest()
        self.assertEqual(words(events), [f"step {n} succeeded" for n in (1, 2, 3)] + ["end succeeded"])
        for at, event in enumerate(events[:-1]):
            self.assertEqual(self.follow(run_id, headers={"Last-Event-ID": event["id"]}).rest(), events[at + 1:])
        self.assertEqual(self.follow(run_id, headers={"Last-Event-ID": "end"}).answer.status, 204)

    def test_suspended_stays_open(self):
        run_id = self.begin(1)
        stream = self.follow(run_id)
        self.let(status=500)
        self.assertEqual(words([stream.next() for _ in range(3)]), ["run running", "step 1 failed", "run suspended"])
        self.assertEqual(self.ask("POST", f"/v1/runs/{run_id}/recover").status, 202)
        self.let()
        self.assertEqual(words(stream.rest()), ["redo 1 redo", "run running", "step 1 succeeded", "end succeeded"])

    def test_cancelled(self):
        run_id = self.begin(1)
        stream = self.follow(run_id)
        stream.next()
        self.ask("POST", f"/v1/runs/{run_id}/cancel", {"reason": "enough"})
        end = stream.rest()[-1]
        self.assertEqual((end["event"], end["data"]["status"], end["data"]["reason"]), ("end", "cancelled", "enough"))
        self.let()

    def test_a_client_is_killed(self):
        run_id = self.begin(2)
        killed, other = self.follow(run_id), self.follow(run_id)
        for stream in killed, other:
            stream.next()
        killed.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        killed.hang_up()
        self.let(2)
        self.assertEqual(words(other.rest()), ["step 1 succeeded", "step 2 succeeded", "end succeeded"])
        self.assertEqual(wait_for_run(self.host, run_id)["status"], "succeeded")

    def test_a_slow_reader_gets_it_all(self):
        run_id = self.start_run("steps", {"steps": 40, "bytes": 200_000}).run
        stream = self.follow(run_id)
        self.assertEqual(self.start_run("now", 1).status, 200)  # the host is not held up meanwhile
        events = stream.rest()
        self.assertEqual(len(events), 41)
        self.assertEqual([e["data"]["path"] for e in events[:-1]], [str(n) for n in range(1, 41)])

    def test_refused(self):
        run_id = self.start_run("now", 1).run
        self.assert_problem(self.ask("GET", f"/v1/runs/{'0' * 26}/events"), 404, "NO_RUN")
        self.assert_problem(self.ask("GET", f"/v1/runs/{run_id}/events?after=x"), 422, "QUERY_INVALID")
        self.assertEqual(self.ask("HEAD", f"/v1/runs/{run_id}/events").headers["Content-Type"], "text/event-stream")

    def test_many_at_once(self):
        run_id = self.begin(2)
        streams = [self.follow(run_id) for _ in range(100)]
        self.let(2)
        for stream in streams:
            self.assertEqual([w for w in words(stream.rest()) if w != "run running"],
                             ["step 1 succeeded", "step 2 succeeded", "end succeeded"])


class TwoShards(EventsCase):
    SHARDS = 2

    def test_from_either_shard(self):
        clients = clients_by_shard(self.host, 2, "now")
        for owner, client in clients.items():
            self.upstream.forget()
            run_id = self.begin(3, client)
            client.disconnect()
            self.assertEqual(partition_of(run_id) % 2, owner)
            # the kernel deals connections out: among these, each shard has one but for a chance of 2^-15
            streams = [self.follow(run_id) for _ in range(16)]
            for stream in streams:
                stream.next()
            for n in range(1, 4):
                self.let()
                for stream in streams:
                    self.assertEqual(words([stream.next()]), [f"step {n} succeeded"])
            for stream in streams:
                self.assertEqual(words(stream.rest()), ["end succeeded"])

    def test_callers_come_and_go(self):
        run_id = self.begin(6)
        stay = self.follow(run_id)
        stay.next()
        for n in range(1, 7):
            others = [self.follow(run_id) for _ in range(8)]
            others[0].next()
            for stream in others[1:]:
                stream.hang_up()
            self.let()
            self.assertEqual(words([stay.next()]), [f"step {n} succeeded"])
            others[0].hang_up()
        self.assertEqual(words(stay.rest()), ["end succeeded"])


class Parked(EventsCase):
    SHARDS = 2
    HOST_LUA = EventsCase.HOST_LUA.replace("return {", "return { park_after = 0.01,", 1)

    def wait_for(self, stream, word):
        """The events up to the one that says so."""
        events = [stream.next()]
        while words(events[-1:]) != [word]:
            events.append(stream.next())
        return events

    def test_a_parked_run_keeps_the_stream_open(self):
        run_id = start_run(self.host, "wait", prefer="respond-async").body["id"]
        streams = [self.follow(run_id) for _ in range(6)]
        for stream in streams:
            self.wait_for(stream, "run waiting")
        self.assertEqual(self.ask("POST", f"/v1/runs/{run_id}/signal/go", {"n": 1}).status, 202)
        for stream in streams:
            events = stream.rest()
            self.assertEqual(words(events[-1:]), ["end succeeded"])
            self.assertIn("step 1 succeeded", words(events))

    def test_over_a_crash(self):
        run_id = start_run(self.host, "wait", prefer="respond-async").body["id"]
        stream = self.follow(run_id)
        seen = [e for e in self.wait_for(stream, "run waiting") if "id" in e]
        self.host.kill()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError, AssertionError)):
            assert stream.next(), "cut"
        self.host.start()
        stream = self.follow(run_id, headers={"Last-Event-ID": seen[-1]["id"]})
        self.assertEqual(self.ask("POST", f"/v1/runs/{run_id}/signal/go", {"n": 1}).status, 202)
        events = stream.rest()
        self.assertEqual(words(events[-1:]), ["end succeeded"])
        self.assertFalse({e["id"] for e in events if "id" in e} & {e["id"] for e in seen})


class Drained(EventsCase):
    SHARDS = 2

    def test_open_streams_do_not_hold_up_the_end(self):
        run_id = self.begin(1)
        streams = [self.follow(run_id) for _ in range(8)]
        for stream in streams:
            stream.next()
        self.host.signal(15)
        for stream in streams:
            self.assertIsNone(stream.next())
        self.let()
        self.assertEqual(self.host.wait(), 0)
        self.host.start()
        self.assertEqual(self.follow(run_id).rest()[-1]["event"], "end")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""Tasks for outside workers: ctx.task and the activities of the Step Functions API, on one shard and on two."""
import http.client
import json
import time
import unittest

from suite import Background, FolderCase, HostCase, ask, get_run, in_threads, start_run, wait_for_run, wait_until
from steps_api import activity_arn, beat, call, create_activity, fail, get_task, succeed

FLOWS = {
    "work.lua": "return function(ctx, input) return ctx.task(input.queue, input.n) end",
    "careful.lua": """
return function(ctx, input)
    local ok, value = pcall(ctx.task, input.queue, input.n, { heartbeat = 1, timeout = 20 })
    return { ok, ok and value or value.code, not ok and value.data or nil }
end
""",
    "race.lua": """
return function(ctx, input)
    return (ctx.race { function() return ctx.task(input.queue, 1) end, function() return ctx.wait("stop") end })
end
""",
    "passing.lua": """
return { durable = "never", run = function(ctx, input) return ctx.task(input.queue, input.n) end }
""",
}
ASYNC = {"prefer": "respond-async"}


class Tasks(HostCase):
    FLOWS = FLOWS
    SHARDS = 1
    ARGS = ("--park-after", "0.05")

    def queue(self, name):
        name = f"{name}-{self.SHARDS}"
        self.assertEqual(create_activity(self.host, name)[0], 200)
        return name

    def begin(self, flow, queue, n=1):
        return self.start_run(flow, {"queue": queue, "n": n}, **ASYNC).run

    def test_a_worker_gets_input_and_gives_output(self):
        queue = self.queue("give")
        run = self.begin("work", queue, {"a": [1, None]})
        wait_for_run(self.host, run, "waiting")
        self.assertEqual(get_run(self.host, run)["waiting_for"]["kind"], "task")
        task = get_task(self.host, queue, "w1")
        self.assertEqual(json.loads(task["input"]), {"a": [1, None]})
        self.assertIsNone(succeed(self.host, task["taskToken"], {"b": False}))
        self.assertEqual(wait_for_run(self.host, run)["output"], {"b": False})
        self.assertEqual(succeed(self.host, task["taskToken"], 2), "TaskTimedOut")
        self.assertEqual(beat(self.host, task["taskToken"]), "TaskTimedOut")

    def test_a_caller_gets_what_the_worker_gives(self):
        for flow in ("work", "passing"):
            queue = self.queue("caller-" + flow)
            caller = Background(lambda: self.start_run(flow, {"queue": queue, "n": 4}))  # noqa: B023
            task = get_task(self.host, queue)
            self.assertEqual(task["input"], "4")
            self.assertIsNone(succeed(self.host, task["taskToken"], "done"))
            answer = caller.result()
            self.assertEqual((answer.status, answer.body), (200, "done"))

    def test_a_failed_task(self):
        queue = self.queue("fail")
        run = self.begin("careful", queue)
        self.assertIsNone(fail(self.host, get_task(self.host, queue)["taskToken"], "Broken", "it fell"))
        self.assertEqual(wait_for_run(self.host, run)["output"], [False, "Broken", {"error": "Broken",
                                                                                   "cause": "it fell"}])

    def test_workers_that_wait_get_a_task_each(self):
        queue = self.queue("many")
        workers = [Background(lambda: get_task(self.host, queue)) for _ in range(8)]
        runs = [self.begin("work", queue, n) for n in range(8)]
        tasks = [worker.result() for worker in workers]
        self.assertEqual(sorted(int(task["input"]) for task in tasks), list(range(8)))
        in_threads(8, lambda i: self.assertIsNone(succeed(self.host, tasks[i]["taskToken"], tasks[i]["input"])))
        for n, run in enumerate(runs):
            self.assertEqual(wait_for_run(self.host, run)["output"], str(n))

    def test_a_worker_that_has_gone_gets_nothing(self):
        queue = self.queue("gone")
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=10)
            connection.request("POST", "/", json.dumps({"activityArn": activity_arn(queue)}), {
                "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions.GetActivityTask"})
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
        run = self.begin("work", queue, 9)
        task = get_task(self.host, queue)
        self.assertEqual(task["input"], "9")
        self.assertIsNone(succeed(self.host, task["taskToken"], 1))
        self.assertEqual(wait_for_run(self.host, run)["output"], 1)

    def test_no_sign_of_life(self):
        queue = self.queue("silent")
        run = self.begin("careful", queue)
        token = get_task(self.host, queue)["taskToken"]
        taken = time.monotonic()
        time.sleep(0.6)
        self.assertIsNone(beat(self.host, token))
        ended = wait_for_run(self.host, run)
        self.assertGreater(time.monotonic() - taken, 1.5)
        self.assertEqual(ended["output"], [False, "TIMEOUT", {"error": "States.HeartbeatTimeout"}])
        self.assertEqual(succeed(self.host, token, 1), "TaskTimedOut")

    def test_a_task_that_lost_is_not_handed_out(self):
        queue = self.queue("lost")
        run = self.begin("race", queue)
        wait_for_run(self.host, run, "waiting")
        self.assertEqual(self.ask("POST", f"/v1/runs/{run}/signal/stop", "5").status, 202)
        self.assertEqual(wait_for_run(self.host, run)["output"], 5)
        cancelled = self.begin("work", queue, 6)
        self.assertEqual(self.ask("POST", f"/v1/runs/{cancelled}/cancel", "{}").status, 202)
        wait_for_run(self.host, cancelled, "cancelled")
        self.begin("work", queue, 7)
        self.assertEqual(get_task(self.host, queue)["input"], "7")

    def test_why(self):
        run = self.begin("work", self.queue("why"))
        wait_for_run(self.host, run, "waiting")
        sentence = self.ask("GET", f"/v1/runs/{run}/why").body["sentence"]
        self.assertIn("waiting for the task 'why-", sentence)
        run = self.begin("work", "lambda-nobody")
        wait_for_run(self.host, run, "waiting")
        sentence = self.ask("GET", f"/v1/runs/{run}/why").body["sentence"]
        self.assertIn("; there is no component 'nobody', and no activity 'lambda-nobody' of which", sentence)

    def test_refusals(self):
        self.assertEqual(call(self.host, "GetActivityTask", activityArn=activity_arn("none"))[1]["code"],
                         "ActivityDoesNotExist")
        status, answer = call(self.host, "SendTaskSuccess", taskToken="x", output="1")
        self.assertEqual((status, answer["code"], answer["message"]),
                         (400, "InvalidToken", "Invalid Token: 'Invalid token'"))
        queue = self.queue("refusals")
        self.begin("work", queue)
        token = get_task(self.host, queue)["taskToken"]
        refusal = call(self.host, "SendTaskSuccess", taskToken=token, output="nope")[1]
        self.assertEqual((refusal["code"], refusal["message"]),
                         ("InvalidOutput", "Invalid Output: 'Unrecognized token 'nope': was expecting (JSON String, "
                          "Number, Array, Object or token 'null', 'true' or 'false')'"))
        self.assertIsNone(succeed(self.host, token, 1))


class TasksOnTwoShards(Tasks):
    SHARDS = 2


class Restarts(FolderCase):
    FLOWS = FLOWS

    def test_a_task_outlives_hosts(self):
        host = self.serve(args=["--shards", "2", "--park-after", "0.05"])
        create_activity(host, "q")
        taken = start_run(host, "work", {"queue": "q", "n": 1}, **ASYNC).run
        token = get_task(host, "q", "w")["taskToken"]
        waiting = [start_run(host, "work", {"queue": "q", "n": n}, **ASYNC).run for n in (2, 3)]
        for run in waiting:
            wait_for_run(host, run, "waiting")
        host.kill()
        host.start(args=["--shards", "3", "--park-after", "0.05"])
        self.assertIsNone(succeed(host, token, "first"))
        self.assertEqual(wait_for_run(host, taken)["output"], "first")
        for n, run in enumerate(waiting, 2):
            task = get_task(host, "q")
            self.assertEqual(task["input"], str(n))
            self.assertIsNone(succeed(host, task["taskToken"], n))
            self.assertEqual(wait_for_run(host, run)["output"], n)
        self.assertEqual(host.stop(), 0)

    def test_workers_wait_while_the_host_stops(self):
        host = self.serve(args=["--shards", "2"])
        create_activity(host, "q")
        worker = Background(lambda: get_task(host, "q"))
        wait_until(lambda: ask(host, "GET", "/healthz").status == 200, 10, "the host to be there")
        time.sleep(0.2)
        self.assertEqual(host.stop(), 0)
        self.assertEqual(worker.result(), {})


if __name__ == "__main__":
    unittest.main()

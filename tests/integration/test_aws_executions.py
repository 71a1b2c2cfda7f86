# SPDX-License-Identifier: MIT
"""The Step Functions API on POST /, on two shards: executions, their histories, map runs, redrives."""
import json
import re
import unittest

from aws_case import ACCOUNT, ECHO, WAITING, AwsCase, Calls, ask, execution_arn, machine_arn
from suite import SECONDS, Client, FolderCase, in_threads, wait_until

UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Executions(AwsCase):
    FLOWS = {"file.asl.json": ECHO, "double.lua": "return { run = function(_, o) return o.n * 2 end }",
             "components/flaky.lua": "return function(ctx, o) return ctx.request { url = ctx.env.UPSTREAM, retry = 0 } end"}

    def setUp(self):
        super().setUp()
        self.answer = (200, {"ok": True})

    def handle(self, _):
        return self.answer

    def test_one_is_started_described_and_listed(self):
        self.create("ex", ECHO)
        execution = self.start("ex", {"b": [1, None]}, name="first")
        self.assertEqual(execution, execution_arn("ex", "first"))
        shown = self.end_of(execution)
        self.assertEqual((json.loads(shown["input"]), json.loads(shown["output"])), ({"b": [1, None]},) * 2)
        self.assertEqual((shown["status"], shown["name"], shown["redriveStatus"]),
                         ("SUCCEEDED", "first", "NOT_REDRIVABLE"))
        self.assertGreaterEqual(shown["stopDate"], shown["startDate"])
        listed = self.good("ListExecutions", stateMachineArn=machine_arn("ex"))["executions"]
        self.assertEqual([one["executionArn"] for one in listed], [execution])
        self.assertEqual(self.good("ListExecutions", stateMachineArn=machine_arn("ex"), statusFilter="RUNNING"),
                         {"executions": []})
        self.assertIn("[SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
                      self.bad("ListExecutions", "ValidationException", stateMachineArn=machine_arn("ex"),
                               statusFilter="done"))

    def test_a_name_stands_for_one_execution(self):
        self.create("named", WAITING)
        first = self.good("StartExecution", stateMachineArn=machine_arn("named"), name="n", input="{}")
        again = self.good("StartExecution", stateMachineArn=machine_arn("named"), name="n", input="{}")
        self.assertEqual(first, again)
        self.assertEqual(self.bad("StartExecution", "ExecutionAlreadyExists", stateMachineArn=machine_arn("named"),
                                  name="n", input="[]"),
                         f"Execution Already Exists: '{execution_arn('named', 'n')}'")
        self.good("StopExecution", executionArn=first["executionArn"])
        self.bad("StartExecution", "ExecutionAlreadyExists", stateMachineArn=machine_arn("named"), name="n",
                 input="{}")

    def test_of_many_starts_with_one_name_one_wins(self):
        self.create("race", WAITING)
        arns = in_threads(8, lambda _: self.good("StartExecution", self.fresh(), stateMachineArn=machine_arn("race"),
                                                 name="n")["startDate"])
        self.assertEqual(len(set(arns)), 1)
        listed = self.good("ListExecutions", stateMachineArn=machine_arn("race"))["executions"]
        self.assertEqual(len(listed), 1)
        self.good("StopExecution", executionArn=listed[0]["executionArn"])

    def fresh(self):
        client = Client(self.host.port)
        self.addCleanup(client.disconnect)
        return client

    def test_stop(self):
        self.create("stop", WAITING)
        execution = self.start("stop")
        stopped = self.good("StopExecution", executionArn=execution, error="E", cause="because")
        shown = self.describe(execution)
        self.assertEqual((shown["status"], shown["error"], shown["cause"]), ("ABORTED", "E", "because"))
        self.assertEqual(shown["stopDate"], stopped["stopDate"])
        self.assertEqual(self.good("StopExecution", executionArn=execution)["stopDate"], stopped["stopDate"])
        last = self.good("GetExecutionHistory", executionArn=execution, reverseOrder=True, maxResults=1)["events"][0]
        self.assertEqual((last["type"], last["executionAbortedEventDetails"]),
                         ("ExecutionAborted", {"error": "E", "cause": "because"}))

    def test_history_in_pages_and_reversed(self):
        self.create("hist", ECHO)
        execution = self.start("hist", {"x": 1})
        self.end_of(execution)
        whole = self.good("GetExecutionHistory", executionArn=execution)["events"]
        self.assertEqual([event["type"] for event in whole],
                         ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])
        backwards = self.good("GetExecutionHistory", executionArn=execution, reverseOrder=True)["events"]
        self.assertEqual(backwards, whole[::-1])
        page = self.good("GetExecutionHistory", executionArn=execution, maxResults=3)
        rest = self.good("GetExecutionHistory", executionArn=execution, maxResults=3, nextToken=page["nextToken"])
        self.assertEqual(page["events"] + rest["events"], whole)
        self.assertNotIn("nextToken", rest)
        bare = self.good("GetExecutionHistory", executionArn=execution, includeExecutionData=False)["events"]
        self.assertNotIn("input", bare[0]["executionStartedEventDetails"])
        self.create("assigning", json.dumps({"StartAt": "P", "States": {"P": {
            "Type": "Pass", "Assign": {"x": 1}, "End": True}}}))
        execution = self.start("assigning")
        self.end_of(execution)
        bare = self.good("GetExecutionHistory", executionArn=execution, includeExecutionData=False)["events"]
        self.assertEqual(bare[2]["stateExitedEventDetails"], {"name": "P"})

    def test_what_a_release_that_is_gone_had(self):
        self.create("gone", json.dumps({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}))
        execution = self.start("gone")
        self.end_of(execution)
        run = ask(self.host, "GET", "/v1/runs?flow=gone").body["items"][0]["id"]
        for n in range(40):  # so many that older ones are collected
            self.create(f"other-{n}")

        def is_gone():
            return ask(self.host, "GET", f"/v1/runs/{run}/replay").status == 409
        wait_until(is_gone, SECONDS, "the release to be collected")
        events = self.good("GetExecutionHistory", executionArn=execution)["events"]
        self.assertEqual([event["type"] for event in events],
                         ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"])
        self.good("RedriveExecution", executionArn=execution)
        self.assertEqual(self.end_of(execution)["redriveCount"], 1)

    def test_map_runs(self):
        self.create("map", json.dumps({"StartAt": "M", "States": {"M": {
            "Type": "Map", "End": True, "MaxConcurrency": 2, "Label": "each", "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P",
                "States": {"P": {"Type": "Pass", "End": True}}}}}}))
        execution = self.start("map", [1, 2, 3])
        self.assertEqual(self.end_of(execution)["output"], "[1,2,3]")
        found = self.good("ListMapRuns", executionArn=execution)["mapRuns"]
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["stateMachineArn"], machine_arn("map/each"))
        shown = self.good("DescribeMapRun", mapRunArn=found[0]["mapRunArn"])
        self.assertEqual((shown["executionArn"], shown["status"], shown["maxConcurrency"]),
                         (execution, "SUCCEEDED", 2))
        self.assertEqual((shown["itemCounts"]["total"], shown["itemCounts"]["succeeded"]), (3, 3))
        self.check_children(found[0]["mapRunArn"])
        self.bad("ListExecutions", "ValidationException")
        self.bad("DescribeMapRun", "ResourceNotFound", mapRunArn=found[0]["mapRunArn"][:-1] + "x")
        self.bad("UpdateMapRun", "ValidationException", mapRunArn=found[0]["mapRunArn"], maxConcurrency=1)

    def check_children(self, map_run):
        page = self.good("ListExecutions", mapRunArn=map_run, maxResults=2)
        children = page["executions"] + self.good("ListExecutions", mapRunArn=map_run, maxResults=2,
                                                  nextToken=page["nextToken"])["executions"]
        self.assertEqual([(one["status"], one["stateMachineArn"], one["mapRunArn"]) for one in children],
                         [("SUCCEEDED", machine_arn("map/each"), map_run)] * 3)
        self.assertEqual(self.good("ListExecutions", mapRunArn=map_run, statusFilter="FAILED"), {"executions": []})
        child = self.good("DescribeExecution", executionArn=children[1]["executionArn"])
        self.assertEqual((child["input"], child["output"], child["mapRunArn"], child["redriveStatus"]),
                         ("2", "2", map_run, "NOT_REDRIVABLE"))
        bare = self.good("DescribeExecution", executionArn=children[1]["executionArn"], includedData="METADATA_ONLY")
        self.assertEqual((bare.get("input"), bare["inputDetails"]), (None, {"included": False}))
        events = self.good("GetExecutionHistory", executionArn=children[1]["executionArn"])["events"]
        self.assertEqual([event["type"] for event in events], ["ExecutionStarted", "PassStateEntered",
                                                               "PassStateExited", "ExecutionSucceeded"])
        self.bad("DescribeExecution", "ExecutionDoesNotExist", executionArn=children[1]["executionArn"][:-2] + "ff")
        self.bad("StopExecution", "ExecutionDoesNotExist", executionArn=children[1]["executionArn"])

    def test_a_label_names_no_execution_of_the_machine(self):
        self.create("parent", WAITING)
        execution = self.start("parent", name="n")
        child = execution.replace("execution:parent:", "execution:parent/each:")
        for operation in ("StopExecution", "DescribeExecution", "GetExecutionHistory", "RedriveExecution", "ListMapRuns"):
            self.bad(operation, "ExecutionDoesNotExist", executionArn=child)
        self.assertEqual(self.describe(execution)["status"], "RUNNING")
        self.good("StopExecution", executionArn=execution)

    def test_a_map_state_is_no_machine(self):
        self.create("labelled")
        arn = machine_arn("labelled/each")
        for operation in ("StartExecution", "UpdateStateMachine", "DeleteStateMachine", "PublishStateMachineVersion"):
            self.bad(operation, "ValidationException", stateMachineArn=arn, definition=ECHO)
        self.assertIn("by mapRunArn", self.bad("ListExecutions", "ValidationException", stateMachineArn=arn))
        shown = self.good("DescribeStateMachine", stateMachineArn=arn)
        self.assertEqual((shown["name"], shown["label"]), ("labelled", "each"))

    def test_many_map_runs_in_pages(self):
        inner = {"StartAt": "M", "States": {"M": {
            "Type": "Map", "End": True, "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P",
                "States": {"P": {"Type": "Pass", "End": True}}}}}}
        self.create("maps", json.dumps({"StartAt": "A", "States": {"A": {
            "Type": "Map", "End": True, "ItemProcessor": inner}}}))
        execution = self.start("maps", [[n] for n in range(300)])
        self.assertEqual(self.end_of(execution)["status"], "SUCCEEDED")
        page = self.good("ListMapRuns", executionArn=execution)
        found = page["mapRuns"]
        while "nextToken" in page:
            page = self.good("ListMapRuns", executionArn=execution, nextToken=page["nextToken"])
            found += page["mapRuns"]
        self.assertEqual(len({one["mapRunArn"] for one in found}), 300)
        last = found[-1]["mapRunArn"]
        self.assertEqual(self.good("DescribeMapRun", mapRunArn=last)["executionArn"], execution)
        child = self.good("ListExecutions", mapRunArn=last)["executions"][0]["executionArn"]
        self.assertEqual((self.describe(child)["input"], self.describe(child)["mapRunArn"]), ("299", last))

    def test_a_map_run_that_is_stopped(self):
        self.create("stopped", json.dumps({"StartAt": "M", "States": {"M": {
            "Type": "Map", "End": True, "MaxConcurrency": 1, "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **json.loads(WAITING)}}}}))
        execution = self.start("stopped", [1, 2, 3])
        arn = wait_until(lambda: self.good("ListMapRuns", executionArn=execution)["mapRuns"], SECONDS,
                         "a map run")[0]["mapRunArn"]

        def counts():
            return {name: n for name, n in self.good("DescribeMapRun", mapRunArn=arn)["itemCounts"].items() if n}
        wait_until(lambda: counts() == {"running": 1, "pending": 2, "total": 3}, SECONDS, "one to run")
        child = self.good("ListExecutions", mapRunArn=arn)["executions"][0]["executionArn"]
        shown = self.describe(child)
        self.assertEqual((shown["status"], shown["redriveStatus"], shown["redriveStatusReason"]),
                         ("RUNNING", "NOT_REDRIVABLE", "Execution is RUNNING and cannot be redriven"))
        self.good("StopExecution", executionArn=execution)
        self.assertEqual(counts(), {"aborted": 3, "total": 3})
        shown = self.describe(child)
        self.assertEqual((shown["status"], shown["redriveStatus"]), ("ABORTED", "REDRIVABLE_BY_MAP_RUN"))
        events = self.good("GetExecutionHistory", executionArn=child)["events"]
        self.assertEqual([event["type"] for event in events],
                         ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"])

    def test_a_machine_made_anew_has_no_executions(self):
        self.create("anew", WAITING)
        execution = self.start("anew", name="n")
        self.good("DeleteStateMachine", stateMachineArn=machine_arn("anew"))
        self.bad("DescribeExecution", "ExecutionDoesNotExist", executionArn=execution)
        self.create("anew", WAITING)
        self.assertEqual(self.bad("DescribeExecution", "ExecutionDoesNotExist", executionArn=execution),
                         f"Execution Does Not Exist: '{execution}'")
        self.assertEqual(self.good("ListExecutions", stateMachineArn=machine_arn("anew")), {"executions": []})
        self.assertEqual(self.start("anew", name="n"), execution)
        self.good("StopExecution", executionArn=execution)
        stopped = ask(self.host, "GET", "/v1/runs?flow=anew").body["items"]
        self.assertEqual({run["status"] for run in stopped}, {"cancelled"})

    def test_express(self):
        self.create("exp", ECHO, type="EXPRESS")
        answer = self.good("StartSyncExecution", stateMachineArn=machine_arn("exp"), input='{"a":1}', name="n")
        self.assertRegex(answer["executionArn"], f"^{re.escape(machine_arn('exp')).replace('stateMachine', 'express')}:n:")
        self.assertEqual((answer["status"], json.loads(answer["output"])), ("SUCCEEDED", {"a": 1}))
        self.assertEqual(answer["billingDetails"], {"billedDurationInMilliseconds": 100, "billedMemoryUsedInMB": 64})
        self.assertIn(":express:exp:", self.start("exp"))
        self.bad("ListExecutions", "StateMachineTypeNotSupported", stateMachineArn=machine_arn("exp"))
        self.assertEqual(self.bad("DescribeExecution", "InvalidArn", executionArn=answer["executionArn"]),
                         "Invalid Arn: 'Resource type not valid in this context: express'")
        self.create("std", ECHO)
        self.assertEqual(self.bad("StartSyncExecution", "StateMachineTypeNotSupported",
                                  stateMachineArn=machine_arn("std")),
                         "This operation is not supported by this type of state machine")

    def test_a_machine_that_is_a_file(self):
        shown = self.good("DescribeStateMachine", stateMachineArn=machine_arn("file"))
        self.assertEqual((shown["definition"], shown["type"]), (ECHO, "STANDARD"))
        self.assertIn("file", [one["name"] for one in self.good("ListStateMachines")["stateMachines"]])
        execution = self.start("file", {"a": 1}, name="n")
        self.assertEqual(json.loads(self.end_of(execution)["output"]), {"a": 1})
        run = self.start_run("file", {"by": "v1"}).run
        self.assertEqual(json.loads(self.describe(execution_arn("file", run))["output"]), {"by": "v1"})
        self.assertEqual(len(self.good("ListExecutions", stateMachineArn=machine_arn("file"))["executions"]), 2)
        self.assertIn("file.asl.json", self.bad("UpdateStateMachine", "ValidationException",
                                                stateMachineArn=machine_arn("file"), definition=ECHO))
        self.bad("DeleteStateMachine", "ValidationException", stateMachineArn=machine_arn("file"))

    def test_redrive_of_a_failed_one(self):
        self.create("red", json.dumps({"StartAt": "First", "States": {
            "First": {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:flaky", "Next": "Both"},
            "Both": {"Type": "Parallel", "End": True, "Branches": [
                {"StartAt": "F", "States": {"F": {"Type": "Task", "End": True, "Resource":
                                                  f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:flaky"}}},
                {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}]}}}))
        self.answer = (500, {})
        execution = self.start("red")
        self.assertEqual(self.end_of(execution)["status"], "FAILED")
        self.assertEqual(self.describe(execution)["redriveStatus"], "REDRIVABLE")
        self.good("RedriveExecution", executionArn=execution)
        failed = self.end_of(execution)
        self.assertEqual((failed["status"], failed["redriveCount"]), ("FAILED", 1))
        self.answer = (200, {"ok": True})
        self.good("RedriveExecution", executionArn=execution)
        shown = self.end_of(execution)
        self.assertEqual((shown["status"], shown["redriveCount"]), ("SUCCEEDED", 2), shown)
        self.assertEqual(json.loads(shown["output"])[0], {"ok": True})
        self.assertEqual(self.bad("RedriveExecution", "ExecutionNotRedrivable", executionArn=execution),
                         "Execution is SUCCEEDED and cannot be redriven")

    def test_redrive_of_a_stopped_one(self):
        self.create("redstop", json.dumps({"StartAt": "W", "States": {
            "W": {"Type": "Wait", "Seconds": 2, "End": True}}}))
        execution = self.start("redstop", {"a": 1})
        self.bad("RedriveExecution", "ExecutionNotRedrivable", executionArn=execution)
        self.good("StopExecution", executionArn=execution)
        self.good("RedriveExecution", executionArn=execution)
        self.assertEqual(json.loads(self.end_of(execution)["output"]), {"a": 1})

    def test_redrive_with_a_token_that_was_used(self):
        self.create("token", WAITING)
        execution = self.start("token")
        self.good("StopExecution", executionArn=execution)
        first = self.good("RedriveExecution", executionArn=execution, clientToken="t")
        self.assertEqual(self.good("RedriveExecution", executionArn=execution, clientToken="t"), first)
        self.assertEqual(self.bad("RedriveExecution", "ExecutionNotRedrivable", executionArn=execution,
                                  clientToken="u"), "Execution is RUNNING and cannot be redriven")
        self.good("StopExecution", executionArn=execution)
        self.assertEqual(self.good("RedriveExecution", executionArn=execution, clientToken="t"), first)
        shown = self.describe(execution)
        self.assertEqual((shown["status"], shown["redriveCount"], shown["redriveDate"]),
                         ("ABORTED", 1, first["redriveDate"]))
        self.good("RedriveExecution", executionArn=execution, clientToken="u")
        self.assertEqual(self.describe(execution)["redriveCount"], 2)
        self.good("StopExecution", executionArn=execution)

    def test_redrive_by_v1(self):
        self.create("redv1", WAITING)
        execution = self.start("redv1")
        run = ask(self.host, "GET", "/v1/runs?flow=redv1").body["items"][0]["id"]
        self.assertEqual(ask(self.host, "POST", f"/v1/runs/{run}/redrive").body["code"], "WRONG_STATE")
        self.good("StopExecution", executionArn=execution)
        self.assertEqual(ask(self.host, "POST", f"/v1/runs/{run}/redrive", '{"reason":"r"}').status, 202)
        self.assertEqual(self.describe(execution)["status"], "RUNNING")
        entry = ask(self.host, "GET", f"/v1/audit?run={run}").body["items"][0]
        self.assertEqual((entry["action"], entry["reason"]), ("redrive", "r"))
        self.good("StopExecution", executionArn=execution)
        other = self.start_run("double", {"n": 1}).run
        self.assertEqual(ask(self.host, "POST", f"/v1/runs/{other}/redrive").body["code"], "WRONG_STATE")


class Functions(Calls, FolderCase):
    FLOWS = {"components/later.lua": "return function() error 'not yet' end"}

    def test_a_redrive_calls_functions_as_they_are_now(self):
        self.host = self.serve()
        self.create("later", json.dumps({"StartAt": "F", "States": {"F": {
            "Type": "Task", "End": True, "Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:later"}}}))
        execution = self.start("later")
        self.assertEqual(self.end_of(execution)["status"], "FAILED")
        before = ask(self.host, "GET", "/v1/flows").body["release"]
        self.write({"components/later.lua": "return function() return 'now' end"})
        wait_until(lambda: ask(self.host, "GET", "/v1/flows").body["release"] != before, SECONDS, "the change")
        self.good("RedriveExecution", executionArn=execution)
        self.assertEqual(self.end_of(execution)["output"], '"now"')
        self.assertEqual(self.good("GetExecutionHistory", executionArn=execution)["events"][-1]["type"],
                         "ExecutionSucceeded")


if __name__ == "__main__":
    unittest.main()

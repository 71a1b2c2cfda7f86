# SPDX-License-Identifier: MIT
"""TestState of the Step Functions API, on two shards: what is mocked, and what workers, components and servers do."""
import json
import threading
import unittest

from aws_case import ACCOUNT, PREFIX, ROLE, AwsCase

INVOKE = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
          "Parameters": {"FunctionName": "greet", "Payload.$": "$"}}
DOUBLE = "return function(_, input) return { n = input.n * 2 } end"


class OneState(AwsCase):
    FLOWS = {"components/double.lua": DOUBLE}

    def try_state(self, definition, **more):
        return self.good("TestState", definition=json.dumps(definition), **more)

    def test_a_mock_stands_for_the_task(self):
        answer = self.try_state(INVOKE, mock={"result": '{"Payload":"hi"}'}, inspectionLevel="DEBUG", input='{"a":1}')
        self.assertEqual((answer["status"], answer["output"]), ("SUCCEEDED", '{"Payload":"hi"}'))
        self.assertEqual(json.loads(answer["inspectionData"]["afterParameters"]),
                         {"FunctionName": "greet", "Payload": {"a": 1}})

    def test_a_worker_does_the_task(self):
        arn = self.good("CreateActivity", name="lambda-greet")["activityArn"]
        self.assertEqual(arn, f"{PREFIX}activity:lambda-greet")

        def work():
            task = self.good("GetActivityTask", activityArn=arn)
            self.good("SendTaskSuccess", taskToken=task["taskToken"], output=json.dumps({"got": task["input"]}))
        worker = threading.Thread(target=work)
        worker.start()
        answer = self.try_state(INVOKE, roleArn=ROLE, input='{"a":1}')
        worker.join()
        self.assertEqual(json.loads(answer["output"])["Payload"], {"got": '{"a":1}'})

    def test_a_component_does_the_task(self):
        definition = {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:double", "Next": "N"}
        answer = self.try_state(definition, roleArn=ROLE, input='{"n":4}', inspectionLevel="TRACE")
        self.assertEqual((answer["output"], answer["nextState"]), ('{"n":8}', "N"))
        self.assertEqual(answer["inspectionData"]["result"], '{"n":8}')

    def test_an_http_call_is_shown(self):
        definition = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": True, "Parameters": {
            "ApiEndpoint": self.upstream.url + "/x", "Method": "POST", "RequestBody": {"a": 1},
            "QueryParameters": {"q": "1"}, "Authentication": {"ConnectionArn": "conn"}}}
        self.assertIn(self.ask("PUT", "/v1/secrets/conn", {"value": "Bearer hunter2hunter2"}).status, (200, 201))
        data = self.try_state(definition, roleArn=ROLE, inspectionLevel="TRACE")["inspectionData"]
        self.assertEqual((data["request"]["method"], data["request"]["body"]), ("POST", '{"a":1}'))
        self.assertEqual(data["request"]["url"], self.upstream.url + "/x?q=1")
        self.assertIn("Authorization: HIDDEN", data["request"]["headers"])
        self.assertEqual(self.upstream.requests[0].headers["Authorization"], "Bearer hunter2hunter2")
        shown = self.try_state(definition, roleArn=ROLE, inspectionLevel="TRACE", revealSecrets=True)
        self.assertIn("Authorization: secret conn", shown["inspectionData"]["request"]["headers"])
        self.assertNotIn("hunter2", json.dumps(shown))
        self.assertEqual(data["response"]["statusCode"], "200")
        data = self.try_state(definition, roleArn=ROLE, inspectionLevel="DEBUG")["inspectionData"]
        self.assertNotIn("request", data)
        definition["Parameters"]["Transform"] = {"RequestBodyEncoding": "URL_ENCODED"}
        data = self.try_state(definition, roleArn=ROLE, inspectionLevel="TRACE")["inspectionData"]
        self.assertEqual(data["request"]["body"], "a=1")

    def test_problems(self):
        definition = json.dumps(INVOKE)
        self.assertEqual(self.bad("TestState", "ValidationException", definition=definition),
                         "RoleArn must be specified when testing a Task state")
        self.assertEqual(self.bad("TestState", "InvalidArn", definition=definition, roleArn="r"),
                         "Invalid Role Arn: 'r'")
        self.assertIn("at 'stateName'", self.bad("TestState", "ValidationException", definition=definition,
                                                 stateName=""))
        self.bad("TestState", "InvalidDefinition", definition="{}")
        count = json.dumps({"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "P", "States": {
            "P": {"Type": "Pass", "End": True}}}})
        self.bad("TestState", "ValidationException", definition=count, input="[1]", mock={"errorOutput": {"error": "E"}},
                 stateConfiguration={"mapIterationFailureCount": 2})

    def test_nothing_is_left(self):
        self.try_state({"Type": "Pass", "End": True})
        self.assertEqual(self.ask("GET", "/v1/runs").body["items"], [])
        self.assertEqual(self.good("ListStateMachines")["stateMachines"], [])


class OnAHostThatKeepsAll(OneState):
    """What a test runs is in no release, so not even record_all keeps it."""
    ARGS = ("--record-all", "true")


if __name__ == "__main__":
    unittest.main()

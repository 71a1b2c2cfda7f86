# SPDX-License-Identifier: MIT
"""The Step Functions API on POST /, on two shards: machines, versions, aliases, tags, errors, who may call; what holds
over a restart. Executions: test_aws_executions.py."""
import datetime
import json
import os
import re
import time
import unittest

from aws_case import (ACCOUNT, ECHO, ROLE, WAITING, AwsCase, Calls, ask, execution_arn, headers_of,
                      machine_arn, passing, sign)
from suite import FolderCase, Host
from test_access import make_token

UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Machines(AwsCase):
    def test_a_machine_is_made_described_listed_and_deleted(self):
        made = self.create("life", tags=[{"key": "a", "value": "b"}])
        self.assertEqual(made["stateMachineArn"], machine_arn("life"))
        self.assertAlmostEqual(made["creationDate"], time.time(), delta=60)
        shown = self.good("DescribeStateMachine", stateMachineArn=machine_arn("life"))
        self.assertEqual(shown["definition"], passing({"n": 1}))
        self.assertEqual((shown["status"], shown["type"], shown["roleArn"]), ("ACTIVE", "STANDARD", ROLE))
        self.assertEqual(shown["loggingConfiguration"], {"level": "OFF", "includeExecutionData": False})
        self.assertNotIn("revisionId", shown)
        listed = self.good("ListStateMachines")["stateMachines"]
        self.assertIn({"name": "life", "type": "STANDARD", "stateMachineArn": machine_arn("life"),
                       "creationDate": made["creationDate"]}, listed)
        self.assertEqual(self.good("DeleteStateMachine", stateMachineArn=machine_arn("life")), {})
        self.assertEqual(self.good("DeleteStateMachine", stateMachineArn=machine_arn("life")), {})
        self.assertEqual(self.bad("DescribeStateMachine", "StateMachineDoesNotExist",
                                  stateMachineArn=machine_arn("life")),
                         f"State Machine Does Not Exist: '{machine_arn('life')}'")

    def test_creating_again_is_the_same_when_the_machine_is(self):
        first = self.create("again")
        self.assertEqual(self.create("again"), first)
        self.assertEqual(self.bad("CreateStateMachine", "StateMachineAlreadyExists", name="again",
                                  definition=passing({"n": 2}), roleArn=ROLE),
                         f"State Machine Already Exists: '{machine_arn('again')}'")
        self.bad("CreateStateMachine", "StateMachineAlreadyExists", name="again", definition=passing({"n": 1}),
                 publish=True)
        self.assertEqual(self.create("plainly", publish=True), self.create("plainly", publish=True))
        published = self.create("released", publish=True, versionDescription="one")
        self.assertEqual(self.create("released", publish=True, versionDescription="one"), published)
        for other in ({}, {"publish": True}, {"publish": True, "versionDescription": "two"}):
            self.bad("CreateStateMachine", "StateMachineAlreadyExists", name="released",
                     definition=passing({"n": 1}), **other)

    def test_an_update_concerns_later_executions_only(self):
        self.create("upd", WAITING)
        before = self.start("upd")
        updated = self.good("UpdateStateMachine", stateMachineArn=machine_arn("upd"), definition=passing({"n": 2}))
        self.assertRegex(updated["revisionId"], UUID)
        self.assertEqual(self.good("UpdateStateMachine", stateMachineArn=machine_arn("upd"),
                                   definition=passing({"n": 2}))["revisionId"], updated["revisionId"])
        self.assertEqual(json.loads(self.end_of(self.start("upd"))["output"]), {"n": 2})
        self.assertEqual(self.describe(before)["status"], "RUNNING")
        shown = self.good("DescribeStateMachineForExecution", executionArn=before)
        self.assertEqual(shown["definition"], WAITING)
        self.assertNotIn("revisionId", shown)
        self.good("StopExecution", executionArn=before)

    def test_names_with_signs_that_paths_do_not_take(self):
        for name in ("_hidden", ".dot", "plus+sign", "p(1)=2!", "x@y"):
            with self.subTest(name):
                self.create(name)
                execution = self.start(name)
                self.assertEqual(json.loads(self.end_of(execution)["output"]), {"n": 1})
                self.good("DeleteStateMachine", stateMachineArn=machine_arn(name))

    def test_a_name_that_is_no_flow_s(self):
        name = "\u00e9" * 80
        self.assertEqual(self.bad("CreateStateMachine", "InvalidName", name=name, definition=ECHO),
                         f"Invalid Name: '{name}'")

    def test_a_name_of_a_flow_is_taken(self):
        self.bad("CreateStateMachine", "StateMachineAlreadyExists", name="lua", definition=passing(1), roleArn=ROLE)

    def test_bad_definitions_are_refused(self):
        message = self.bad("CreateStateMachine", "InvalidDefinition", name="bad", definition='{"StartAt":"A"}',
                           roleArn=ROLE)
        self.assertEqual(message, "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are "
                         "required: [States] at /'")
        self.create("good")
        self.bad("UpdateStateMachine", "InvalidDefinition", stateMachineArn=machine_arn("good"), definition="{}")
        self.assertEqual(self.good("ValidateStateMachineDefinition", definition=passing(1)),
                         {"result": "OK", "diagnostics": [], "truncated": False})
        self.assertEqual(self.good("ValidateStateMachineDefinition", definition="{}")["result"], "FAIL")

    def test_logging_and_tracing(self):
        group = {"cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g:*"}}
        self.create("logs", loggingConfiguration={"level": "ALL", "destinations": [group]},
                    tracingConfiguration={"enabled": True})
        shown = self.good("DescribeStateMachine", stateMachineArn=machine_arn("logs"))
        self.assertEqual(shown["loggingConfiguration"],
                         {"level": "ALL", "includeExecutionData": False, "destinations": [group]})
        self.assertEqual(shown["tracingConfiguration"], {"enabled": True})
        untraced = self.good("UpdateStateMachine", stateMachineArn=machine_arn("logs"),
                             tracingConfiguration={})["revisionId"]
        self.assertEqual(self.good("UpdateStateMachine", stateMachineArn=machine_arn("logs"),
                                   tracingConfiguration={"enabled": False})["revisionId"], untraced)
        for logging in ({"level": "ERROR"}, {"level": "ALL", "destinations": [group, group]},
                        {"level": "ALL", "destinations": [{}]},
                        {"level": "OFF", "destinations": [{"cloudWatchLogsLogGroup": None}]}):
            self.assertEqual(self.bad("UpdateStateMachine", "InvalidLoggingConfiguration",
                                      stateMachineArn=machine_arn("logs"), loggingConfiguration=logging),
                             "Invalid Logging Configuration: Must specify exactly one Log Destination.")
        unqualified = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:g"}}
        self.assertEqual(self.bad("CreateStateMachine", "InvalidLoggingConfiguration", name="unlogged",
                                  definition=ECHO, loggingConfiguration={"level": "ALL", "destinations": [unqualified]}),
                         "Invalid Logging Configuration: Log Group ARN must be provided with '*' qualifier.")

    def test_encryption_is_kept_and_shown(self):
        own, key = {"type": "AWS_OWNED_KEY"}, {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/key"}
        made = self.create("locked")
        self.assertEqual(self.create("locked", encryptionConfiguration=own), made)
        activity = self.good("CreateActivity", name="locked", encryptionConfiguration=key)["activityArn"]
        self.good("CreateActivity", name="locked", encryptionConfiguration=key)
        self.assertEqual(self.bad("CreateActivity", "ActivityAlreadyExists", name="locked"),
                         f"Activity Already Exists: '{activity}'")
        self.good("UpdateStateMachine", stateMachineArn=machine_arn("locked"), encryptionConfiguration=key)
        kept = {**key, "kmsDataKeyReusePeriodSeconds": 300}
        self.assertEqual(self.good("DescribeActivity", activityArn=activity)["encryptionConfiguration"], kept)
        shown = self.good("DescribeStateMachine", stateMachineArn=machine_arn("locked"))
        self.assertEqual(shown["encryptionConfiguration"], kept)
        keyless = {"type": "CUSTOMER_MANAGED_KMS_KEY"}
        for operation in ("CreateActivity", "CreateStateMachine"):
            self.bad(operation, "InvalidEncryptionConfiguration", name="keyless", definition=ECHO,
                     encryptionConfiguration=keyless)
        self.bad("CreateActivity", "ValidationException", name="keyless", encryptionConfiguration={})

    def test_tags(self):
        arn = machine_arn("tagged")
        self.create("tagged", tags=[{"key": "b", "value": "1"}])
        self.good("TagResource", resourceArn=arn, tags=[{"key": "a", "value": ""}, {"key": "b", "value": "2"}])
        self.assertEqual(self.good("ListTagsForResource", resourceArn=arn)["tags"],
                         [{"key": "a", "value": ""}, {"key": "b", "value": "2"}])
        self.good("UntagResource", resourceArn=arn, tagKeys=["a", "none"])
        self.assertEqual(self.good("ListTagsForResource", resourceArn=arn)["tags"], [{"key": "b", "value": "2"}])
        many = [{"key": f"k{i}", "value": ""} for i in range(51)]
        for tagged in (arn, self.good("CreateActivity", name="tagged", tags=many[50:])["activityArn"]):
            self.bad("TagResource", "TooManyTags", resourceArn=tagged, tags=many[:50])
            self.assertEqual(len(self.good("ListTagsForResource", resourceArn=tagged)["tags"]), 1)
        self.bad("CreateActivity", "TooManyTags", name="laden", tags=many)
        self.bad("CreateStateMachine", "TooManyTags", name="laden", definition=ECHO, tags=many)
        self.bad("TagResource", "ValidationException", resourceArn=arn, tags=[{"value": "x"}])
        self.bad("ListTagsForResource", "ResourceNotFound", resourceArn=machine_arn("nothing"))
        self.bad("TagResource", "ValidationException", resourceArn=arn, tags=None)

    def test_versions_have_no_tags(self):
        self.create("bare", publish=True)
        version = machine_arn("bare", 1)
        self.assertEqual(self.bad("TagResource", "ResourceNotFound", resourceArn=version,
                                  tags=[{"key": "a", "value": "b"}]), f"Resource not found: '{version}'")
        self.bad("UntagResource", "ResourceNotFound", resourceArn=version, tagKeys=["a"])
        self.bad("ListTagsForResource", "ResourceNotFound", resourceArn=version)

    def test_lists_come_in_pages(self):
        names = [f"page-{i}" for i in range(5)]
        for name in names:
            self.create(name)
        found, token = [], {}
        while True:
            answer = self.good("ListStateMachines", maxResults=2, **token)
            self.assertLessEqual(len(answer["stateMachines"]), 2)
            found += [one["name"] for one in answer["stateMachines"]]
            if "nextToken" not in answer:
                break
            token = {"nextToken": answer["nextToken"]}
        self.assertEqual([name for name in found if name in names], names)
        self.assertEqual(len(found), len(set(found)))
        for wrong in ("xx", "00", token["nextToken"][2:]):
            self.assertEqual(self.bad("ListStateMachines", "InvalidToken", nextToken=wrong),
                             "Invalid Token: 'Invalid token'")
        self.bad("ListExecutions", "InvalidToken", stateMachineArn=machine_arn(names[0]), **token)

    def test_a_token_is_of_its_list(self):
        for name in ("tokens", "other"):
            self.create(name)
            for _ in range(3):
                self.end_of(self.start(name))
        token = self.good("ListExecutions", stateMachineArn=machine_arn("tokens"), maxResults=1)["nextToken"]
        rest = self.good("ListExecutions", stateMachineArn=machine_arn("tokens"), maxResults=5, nextToken=token)
        self.assertEqual(len(rest["executions"]), 2)
        self.bad("ListExecutions", "InvalidToken", stateMachineArn=machine_arn("other"), nextToken=token)
        self.bad("ListExecutions", "InvalidToken", stateMachineArn=machine_arn("tokens"), statusFilter="FAILED",
                 nextToken=token)

    FLOWS = {"lua.lua": "return function() end"}


class Versions(AwsCase):
    def publish(self, name):
        return self.good("PublishStateMachineVersion", stateMachineArn=machine_arn(name))["stateMachineVersionArn"]

    def test_versions_keep_what_they_were(self):
        made = self.create("ver", passing(1), publish=True, versionDescription="first")
        self.assertEqual(made["stateMachineVersionArn"], machine_arn("ver", 1))
        self.assertEqual(self.publish("ver"), machine_arn("ver", 1))
        for n in range(2, 9):
            updated = self.good("UpdateStateMachine", stateMachineArn=machine_arn("ver"), definition=passing(n),
                                publish=True)
            self.assertEqual(updated["stateMachineVersionArn"], machine_arn("ver", n))
        listed = self.good("ListStateMachineVersions", stateMachineArn=machine_arn("ver"))["stateMachineVersions"]
        self.assertEqual([one["stateMachineVersionArn"] for one in listed],
                         [machine_arn("ver", n) for n in range(8, 0, -1)])
        execution = self.end_of(self.start("ver", qualifier=1))
        self.assertEqual((execution["output"], execution["stateMachineVersionArn"]), ("1", machine_arn("ver", 1)))
        shown = self.good("DescribeStateMachine", stateMachineArn=machine_arn("ver", 1))
        self.assertEqual((shown["definition"], shown["description"]), (passing(1), "first"))
        self.good("DeleteStateMachineVersion", stateMachineVersionArn=machine_arn("ver", 1))
        self.bad("StartExecution", "StateMachineDoesNotExist", stateMachineArn=machine_arn("ver", 1))
        self.bad("PublishStateMachineVersion", "ConflictException", stateMachineArn=machine_arn("ver"), revisionId="x")

    def test_aliases_lead_to_versions_by_weight(self):
        self.create("al", passing(1), publish=True)
        self.good("UpdateStateMachine", stateMachineArn=machine_arn("al"), definition=passing(2), publish=True)
        routes = [{"stateMachineVersionArn": machine_arn("al", n), "weight": 50} for n in (1, 2)]
        self.good("CreateStateMachineAlias", name="live", routingConfiguration=routes)
        self.good("CreateStateMachineAlias", name="live", routingConfiguration=routes)
        outputs = {self.end_of(self.start("al", qualifier="live"))["output"] for _ in range(40)}
        self.assertEqual(outputs, {"1", "2"})
        self.assertIn("[live]", self.bad("DeleteStateMachineVersion", "ConflictException",
                                         stateMachineVersionArn=machine_arn("al", 1)))
        self.good("UpdateStateMachineAlias", stateMachineAliasArn=machine_arn("al", "live"),
                  routingConfiguration=[{"stateMachineVersionArn": machine_arn("al", 2), "weight": 100}])
        shown = self.good("DescribeStateMachineAlias", stateMachineAliasArn=machine_arn("al", "live"))
        self.assertEqual(shown["routingConfiguration"],
                         [{"stateMachineVersionArn": machine_arn("al", 2), "weight": 100}])
        execution = self.end_of(self.start("al", qualifier="live"))
        self.assertEqual(execution["stateMachineAliasArn"], machine_arn("al", "live"))
        self.good("DeleteStateMachineAlias", stateMachineAliasArn=machine_arn("al", "live"))
        self.bad("DescribeStateMachineAlias", "ResourceNotFound", stateMachineAliasArn=machine_arn("al", "live"))

    def test_lists_of_what_there_is_not(self):
        self.create("unlisted", publish=True)
        for qualifier in ("2", "none"):
            arn = machine_arn("unlisted", qualifier)
            for operation in ("ListExecutions", "ListStateMachineAliases"):
                self.assertEqual(self.bad(operation, "StateMachineDoesNotExist", stateMachineArn=arn),
                                 f"State Machine Does Not Exist: '{arn}'")

    def test_aliases_of_another_account(self):
        self.create("ours", publish=True)
        routes = [{"stateMachineVersionArn": machine_arn("ours", 1), "weight": 100}]
        self.good("CreateStateMachineAlias", name="live", routingConfiguration=routes)
        alias = machine_arn("ours", "live").replace(ACCOUNT, "210987654321")
        theirs = [{"stateMachineVersionArn": machine_arn("ours", 1).replace(ACCOUNT, "210987654321"), "weight": 100}]
        self.bad("CreateStateMachineAlias", "ResourceNotFound", name="theirs", routingConfiguration=theirs)
        self.bad("UpdateStateMachineAlias", "ResourceNotFound", stateMachineAliasArn=machine_arn("ours", "live"),
                 routingConfiguration=theirs)
        self.bad("UpdateStateMachineAlias", "ResourceNotFound", stateMachineAliasArn=alias, description="theirs")
        self.good("DeleteStateMachineAlias", stateMachineAliasArn=alias)
        shown = self.good("DescribeStateMachineAlias", stateMachineAliasArn=machine_arn("ours", "live"))
        self.assertNotIn("description", shown)
        self.assertEqual(shown["routingConfiguration"], routes)

    def test_bad_routes(self):
        self.create("routes", publish=True)
        version = machine_arn("routes", 1)

        def refused(*routes, code="ValidationException"):
            return self.bad("CreateStateMachineAlias", code, name="a", routingConfiguration=[
                {"stateMachineVersionArn": arn, "weight": weight} for arn, weight in routes])
        self.assertEqual(refused((version, 99)), "Sum of routing configuration weights must equal 100. Received: [99]")
        self.assertIn("value less than or equal to 100", refused((version, 101)))
        self.assertIn("distinct", refused((version, 50), (version, 50)))
        self.assertEqual(refused((machine_arn("routes", "live"), 100)),
                         "Routing configuration must contain state machine version ARNs. Received: "
                         f"[{machine_arn('routes', 'live')}]")
        refused((machine_arn("routes", 9), 100), code="ResourceNotFound")
        self.create("elsewhere", publish=True)
        refused((version, 50), (machine_arn("elsewhere", 1), 50))
        self.good("CreateStateMachineAlias", name="kept",
                  routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}])
        self.bad("UpdateStateMachineAlias", "ValidationException", stateMachineAliasArn=machine_arn("routes", "kept"),
                 routingConfiguration=[{"stateMachineVersionArn": machine_arn("elsewhere", 1), "weight": 100}])
        self.assertIn(f"Value '[RoutingConfigurationListItem(stateMachineVersionArn={version}, weight=1), Routing",
                      refused(*[(version, 1)] * 3))


class Errors(AwsCase):
    def test_what_is_no_call(self):
        for headers, body, code in (
                ({}, "{}", "UnknownOperationException"),
                ({"X-Amz-Target": "AWSStepFunctions.Nothing"}, "{}", "UnknownOperationException"),
                ({"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "{}", "UnknownOperationException"),
                (headers_of("ListStateMachines"), "{", "SerializationException"),
                (headers_of("ListStateMachines"), "[]", "SerializationException"),
                (headers_of("ListStateMachines"), '{"maxResults":"a"}', "SerializationException"),
                (headers_of("ListStateMachines"), '{"maxResults":9e99}', "SerializationException"),
                (headers_of("DescribeStateMachine"), "", "ValidationException")):
            with self.subTest(code=code, body=body):
                answer = ask(self.host, "POST", "/", body, headers)
                self.assertEqual((answer.status, answer.body["__type"].rpartition("#")[2]), (400, code))
                self.assertTrue(answer.body["message"])
        answer = ask(self.host, "POST", "/", '{"a":1,}', headers_of("ListStateMachines"))
        self.assertRegex(answer.body["message"], "^the body is not JSON: .* line 1 column 8")

    def test_arns(self):
        for arn, text in (("x", "Invalid ARN prefix: x"), ("arn:aws:states", "Invalid ARN: arn:aws:states"),
                          (execution_arn("a", "b"), "Resource type not valid in this context: execution"),
                          ("arn:aws:s3:::bucket", "Invalid ARN: arn:aws:s3:::bucket")):
            self.assertEqual(self.bad("DescribeStateMachine", "InvalidArn", stateMachineArn=arn),
                             f"Invalid Arn: '{text}'")
        other = machine_arn("a").replace("us-east-1", "eu-west-1")
        self.bad("DescribeStateMachine", "StateMachineDoesNotExist", stateMachineArn=other)

    def test_parameters(self):
        message = self.bad("CreateStateMachine", "ValidationException", name="x" * 81, type="FAST")
        self.assertEqual(
            message, "3 validation errors detected: Value null at 'definition' failed to satisfy constraint: Member "
            f"must not be null; Value '{'x' * 81}' at 'name' failed to satisfy constraint: Member must have length "
            "less than or equal to 80; Value 'FAST' at 'type' failed to satisfy constraint: Member must satisfy enum "
            "value set: [STANDARD, EXPRESS]")
        self.assertIn(r"regular expression pattern: \p{ASCII}*", self.bad(
            "StartExecution", "ValidationException", stateMachineArn=machine_arn("a"), traceHeader="Root=\u00e9"))
        self.assertIn("regular expression pattern: [!-~]+", self.bad(
            "RedriveExecution", "ValidationException", executionArn=execution_arn("a", "b"), clientToken="a b"))
        self.assertEqual(self.bad("CreateStateMachine", "InvalidName", name="a b", definition=ECHO, roleArn=ROLE),
                         "Invalid Name: 'a b'")
        self.assertEqual(self.bad("CreateStateMachine", "InvalidArn", name="a", definition=ECHO, roleArn="me"),
                         "Invalid Role Arn: 'me'")
        self.create("input")
        self.assertEqual(self.bad("StartExecution", "InvalidExecutionInput", stateMachineArn=machine_arn("input"),
                                  input=""), "Invalid State Machine Execution Input: 'Invalid execution input.'")
        self.assertIn("Unrecognized token 'no'",
                      self.bad("StartExecution", "InvalidExecutionInput", stateMachineArn=machine_arn("input"),
                               input="no"))


class Access(Calls, FolderCase):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.scratch, "data")

    def signed(self, operation, key, secret, body="{}", **more):
        headers = sign(headers_of(operation), body, f"127.0.0.1:{self.host.port}", key, secret, **more)
        answer = ask(self.host, "POST", "/", body, headers)
        return answer.status, (answer.body or {}).get("__type", "").rpartition("#")[2]

    def test_signatures_are_verified_once_there_are_tokens(self):
        with Host(self.folder, data_dir=self.data) as self.host:
            self.assertEqual(self.signed("ListStateMachines", "AKIDWRONG", "any"), (200, ""))
        admin = make_token(self.data, "admin")
        self.host = self.enterContext(Host(self.folder, data_dir=self.data))
        for name, value in (("aws.operator.AKIDOPERATOR", "AWS4secret/one"), ("aws.viewer.AKIDVIEWER", "AWS4other")):
            answer = ask(self.host, "PUT", f"/v1/secrets/{name}", json.dumps({"value": value}),
                         {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"})
            self.assertIn(answer.status, (200, 201, 204), answer.body)
        create = json.dumps({"name": "a", "definition": ECHO, "roleArn": ROLE})
        self.assertEqual(self.signed("CreateStateMachine", "AKIDOPERATOR", "secret/one", create), (200, ""))
        self.assertEqual(self.signed("ListStateMachines", "AKIDVIEWER", "other"), (200, ""))
        self.assertEqual(self.signed("CreateStateMachine", "AKIDVIEWER", "other", create),
                         (400, "AccessDeniedException"))
        self.assertEqual(self.signed("ListStateMachines", "AKIDVIEWER", "wrong"), (400, "InvalidSignatureException"))
        self.assertEqual(self.signed("ListStateMachines", "AKIDNOBODY", "other"),
                         (400, "UnrecognizedClientException"))
        late = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=6)
        self.assertEqual(self.signed("ListStateMachines", "AKIDVIEWER", "other", at=late),
                         (400, "InvalidSignatureException"))
        self.bad("ListStateMachines", "MissingAuthenticationTokenException")
        answer = ask(self.host, "POST", "/", "{}", {**headers_of("ListStateMachines"),
                                                   "Authorization": f"Bearer {admin}"})
        self.assertEqual(answer.status, 200)


class Restart(Calls, FolderCase):
    def test_machines_versions_and_executions_are_there_again(self):
        data = os.path.join(self.scratch, "data")
        with Host(self.folder, data_dir=data, args=["--shards", "2"]) as self.host:
            self.create("kept", passing(1), publish=True, tags=[{"key": "a", "value": "b"}])
            self.good("UpdateStateMachine", stateMachineArn=machine_arn("kept"), definition=WAITING)
            execution = self.start("kept", name="n")
            self.create("fast", ECHO, type="EXPRESS")
        with Host(self.folder, data_dir=data, args=["--shards", "1"]) as self.host:
            self.assertEqual(self.describe(execution)["status"], "RUNNING")
            self.assertEqual(self.end_of(self.start("kept", qualifier=1))["output"], "1")
            self.assertEqual(self.good("DescribeStateMachine", stateMachineArn=machine_arn("kept"))["definition"],
                             WAITING)
            self.assertEqual(self.good("ListTagsForResource", resourceArn=machine_arn("kept"))["tags"],
                             [{"key": "a", "value": "b"}])
            answer = self.good("StartSyncExecution", stateMachineArn=machine_arn("fast"), input="[1]")
            self.assertEqual(answer["output"], "[1]")
            self.good("StopExecution", executionArn=execution)

    def test_account_and_region_are_settings(self):
        self.write({"host.lua": 'return { aws = { account = "999999999999", region = "eu-central-1" } }'})
        with Host(self.folder) as self.host:
            made = self.create("a")
            self.assertEqual(made["stateMachineArn"], "arn:aws:states:eu-central-1:999999999999:stateMachine:a")


if __name__ == "__main__":
    unittest.main()

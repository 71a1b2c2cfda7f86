# SPDX-License-Identifier: MIT
"""What the tests of the Step Functions API share: calls, machines, executions; requests signed with Signature 4."""
import datetime
import hashlib
import hmac
import json

from suite import SECONDS, HostCase, wait_until
from suite import ask as ask_host

ACCOUNT = "123456789012"
PREFIX = f"arn:aws:states:us-east-1:{ACCOUNT}:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
TERMINAL = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


def machine_arn(name, qualifier=None):
    return f"{PREFIX}stateMachine:{name}" + (f":{qualifier}" if qualifier else "")


def execution_arn(machine, name):
    return f"{PREFIX}execution:{machine}:{name}"


def passing(result):
    """A definition whose executions end with that."""
    return json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": True}}})


WAITING = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
ECHO = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})


def headers_of(operation):
    return {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{operation}"}


def sign(headers, body, host, key, secret, at=None):
    """The headers with a signature of version 4 (AWS IAM user guide, "Create a signed AWS API request")."""
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host, "x-amz-date": stamp, **{name.lower(): text for name, text in headers.items()}}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join(["POST", "/", "", lines, names, hashlib.sha256(body.encode()).hexdigest()])
    scope = f"{stamp[:8]}/us-east-1/states/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    signing = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    return {**headers, "X-Amz-Date": stamp, "Authorization":
            f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"}


def ask(client, method, path, body=None, headers=None):
    """As suite.ask; the body of AWS's content type is JSON as well."""
    answer = ask_host(client, method, path, body, headers)
    return answer._replace(body=json.loads(answer.body)) if isinstance(answer.body, bytes) else answer


class Calls:
    """Needs self.host."""

    def send(self, operation, client=None, **params):
        return ask(client or self.host, "POST", "/", json.dumps(params), headers_of(operation))

    def good(self, operation, client=None, **params):
        answer = self.send(operation, client, **params)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/x-amz-json-1.0")
        self.assertTrue(answer.headers["x-amzn-RequestId"])
        return answer.body

    def bad(self, operation, code, client=None, **params):
        """The message of the error."""
        answer = self.send(operation, client, **params)
        self.assertEqual(answer.status, 400, answer.body)
        self.assertEqual(answer.body["__type"].rpartition("#")[2], code, answer.body)
        return answer.body["message"]

    def create(self, machine, definition=None, **more):
        return self.good("CreateStateMachine", name=machine, roleArn=ROLE,
                         definition=definition or passing({"n": 1}), **more)

    def start(self, machine, value=None, qualifier=None, **more):
        given = {} if value is None else {"input": json.dumps(value)}
        arn = machine_arn(machine, qualifier)
        return self.good("StartExecution", stateMachineArn=arn, **given, **more)["executionArn"]

    def describe(self, execution):
        return self.good("DescribeExecution", executionArn=execution)

    def end_of(self, execution):
        """The execution once it has ended."""
        def look():
            shown = self.describe(execution)
            return shown if shown["status"] in TERMINAL else None
        return wait_until(look, SECONDS, f"{execution} to end")


class AwsCase(Calls, HostCase):
    SHARDS = 2

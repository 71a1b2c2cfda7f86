# SPDX-License-Identifier: MIT
"""The Step Functions API as a worker's SDK speaks it: AWS JSON 1.0 on POST /, unsigned (an open loopback host).

    status, answer = call(host, "GetActivityTask", activityArn=ARN, workerName="w1")
"""
import json

ACCOUNT, REGION = "123456789012", "us-east-1"
POLL_SECONDS = 70   # a worker's patience: the host answers after 60


def activity_arn(name):
    return f"arn:aws:states:{REGION}:{ACCOUNT}:activity:{name}"


def call(client, operation, seconds=POLL_SECONDS, **params):
    """(status, answer); of a refusal the answer has `code` and `message`. TimeoutError after so many seconds."""
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation}
    status, _, body = client.request("POST", "/", json.dumps(params), headers, raw=True, timeout=seconds)
    answer = json.loads(body) if body else {}
    if status >= 300:
        answer["code"] = answer["__type"].rpartition("#")[2]
    return status, answer


def create_activity(client, name):
    return call(client, "CreateActivity", name=name)


def get_task(client, name, worker=None, seconds=POLL_SECONDS):
    """The task; {} when none came."""
    more = {"workerName": worker} if worker else {}
    return call(client, "GetActivityTask", seconds, activityArn=activity_arn(name), **more)[1]


def succeed(client, token, output):
    """None, or the code of the refusal."""
    return call(client, "SendTaskSuccess", taskToken=token, output=json.dumps(output))[1].get("code")


def fail(client, token, error=None, cause=None):
    given = {key: value for key, value in (("error", error), ("cause", cause)) if value is not None}
    return call(client, "SendTaskFailure", taskToken=token, **given)[1].get("code")


def beat(client, token):
    return call(client, "SendTaskHeartbeat", taskToken=token)[1].get("code")

# SPDX-License-Identifier: MIT
"""The figures of state machines. run.py calls measure(row, wrk).

    express    a hundred Pass states, over POST /v1/flows/NAME/runs at one connection
    standard   five states, all recorded, at 64 connections: over /v1, and by StartExecution, which does not wait
    map        10,000 items inline through a Pass state
"""
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Host, wait_until  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
ROUNDS = 3
PASSES, ITEMS = 100, 10_000
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:"


def chain(states, **more):
    """A machine of states one after the other."""
    names = [f"S{i}" for i in range(len(states))]
    for state, after in zip(states, [*names[1:], None]):
        state.update({"Next": after} if after else {"End": True})
    return {"StartAt": names[0], "States": dict(zip(names, states)), **more}


def five_states():
    rules = [{"Variable": "$.n", "NumericGreaterThan": 5, "Next": "S3"}]
    machine = chain([{"Type": "Pass", "Parameters": {"n.$": "$.n", "id.$": "States.UUID()"}}, {"Type": "Pass"},
                     {"Type": "Choice", "Choices": rules, "Default": "S3"},
                     {"Type": "Pass", "Result": {"done": True}, "ResultPath": "$.result"}, {"Type": "Pass"}])
    del machine["States"]["S2"]["Next"]
    return machine


MACHINES = {
    "express": chain([{"Type": "Pass"} for _ in range(PASSES)]),
    "standard": five_states(),
    "map": chain([{"Type": "Map", "ItemsPath": "$", "ItemProcessor": {
        "StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}}]),
}


def write(folder):
    for name, machine in MACHINES.items():
        with open(os.path.join(folder, name + ".asl.json"), "w", encoding="utf-8") as file:
            json.dump(machine, file)
    return folder


def create_express(host):
    """A machine of a folder is a standard one; express is what the API makes."""
    call(host, "CreateStateMachine", name="quick", type="EXPRESS", roleArn="arn:aws:iam::123456789012:role/r",
         definition=json.dumps(MACHINES["express"]))


def call(host, operation, **params):
    status, _, body = host.request("POST", "/", json.dumps(params), headers_of(operation), raw=True)
    assert status == 200, body
    return json.loads(body)


def headers_of(operation):
    return {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation}


def median(measure_once):
    return sorted(measure_once() for _ in range(ROUNDS))[ROUNDS // 2]


def map_s(host):
    """Seconds of one execution over ITEMS items."""
    body = json.dumps([{"n": i} for i in range(ITEMS)])
    begin = time.monotonic()
    status, _, got = host.request("POST", "/v1/flows/map/runs", body, {"Content-Type": "application/json"})
    took = time.monotonic() - begin
    assert status == 200 and len(got) == ITEMS, got
    return took


def start_rate(host, wrk):
    """Executions that StartExecution has begun in a second."""
    body = json.dumps({"stateMachineArn": MACHINE_ARN + "standard", "input": json.dumps({"n": 7})})
    rate = wrk(host, "/", 64, method="POST", body=body, seconds=3, headers=headers_of("StartExecution"))[0]
    wait_until(lambda: not host.request("GET", "/v1/runs?status=running")[2]["items"], 30, "the executions to end")
    return rate


def measure(row, wrk):
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    try:
        folder = os.path.join(scratch, "flows")
        os.mkdir(folder)
        with Host(write(folder), binary=BINARY, args=["--shards", "1"]) as host:
            create_express(host)
            wrk(host, "/v1/flows/quick/runs", 1, method="POST", body="{}", seconds=1)
            p50 = statistics.median(wrk(host, "/v1/flows/quick/runs", 1, method="POST", body="{}", seconds=2)[1]
                                    for _ in range(ROUNDS))
            row(f"machine of {PASSES} Pass states, express, 1 connection, p50", "1 ms", f"{p50:.2f} ms", p50=p50)
            rate = median(lambda: wrk(host, "/v1/flows/standard/runs", 64, method="POST", body='{"n":7}', seconds=3)[0])
            row("machine of 5 states, standard, 64 connections", "5,000 /s", f"{rate:,.0f} /s", rate=rate)
            rate = median(lambda: start_rate(host, wrk))
            row("the same by StartExecution, 64 connections", "5,000 /s", f"{rate:,.0f} /s", rate=rate)
            took = median(lambda: map_s(host))
            row(f"Map over {ITEMS:,} items inline with Pass", "1 s", f"{took:.2f} s", s=took)
    finally:
        shutil.rmtree(scratch)

# SPDX-License-Identifier: MIT
"""Killed while an operator changes something: a document, a secret, a token, the snapshot of a suspended rule, a state
machine. After the next start the change is there whole or not at all, and can be made again.

Needs a build with FLOWHOST_FAULTS.
"""
import http.client
import json
import os
import tempfile
import unittest

import world  # noqa: F401  puts the harness on the path
from harness import Host

RULE = {"suspend": True, "components": [[{"name": "s", "type": "script", "url": "s", "outputName": "s"}]],
        "response": {"body": "{s}"}}
MACHINE = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
ROLE, ARN = "arn:aws:iam::123456789012:role/r", "arn:aws:states:us-east-1:123456789012:stateMachine:"
STORE = ("store.submit", "store.apply", "store.commit", "store.committed", "store.notify")
DURABLE = ("store.committed", "store.notify")


def aws(operation):
    return {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{operation}"}


class Changes(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.data = os.path.join(self.folder, "data")
        self.flag = os.path.join(self.folder, "now")
        os.mkdir(os.path.join(self.folder, "flows"))

    def serve(self, fault=None):
        env = {"FLOWHOST_FAULT": fault} if fault else {}
        return Host(os.path.join(self.folder, "flows"), data_dir=self.data, env=env, args=["--shards", "2"])

    def kill_during(self, fault, method, path, body, headers=None):
        """Makes the change on a host that dies at the fault."""
        host = self.serve(f"{fault}:kill:@{self.flag}")
        with open(self.flag, "wb"):
            try:
                host.request(method, path, body, headers)
                self.fail(f"the host lives behind {fault}")
            except (OSError, http.client.HTTPException):
                self.assertEqual(host.wait(), -9)
        os.remove(self.flag)
        host.close()

    def each(self, area, method, path, body, is_there, undo):
        """Kills at each point; is_there(host) says whether the change is."""
        for fault in (f"{area}.change", *STORE, f"{area}.changed"):
            with self.subTest(fault):
                self.kill_during(fault, method, path, body)
                with self.serve() as host:
                    self.assertEqual(is_there(host), fault in DURABLE or fault == f"{area}.changed")
                    status = host.request(method, path, body)[0]
                    self.assertIn(status, (200, 201, 409))  # 409: it was made before
                    self.assertTrue(is_there(host))
                    undo(host)

    def test_documents(self):
        body = {"name": "r", "method": "POST", "text": json.dumps({"components": [], "response": {"defaultBody": 1}})}

        def versions(host):
            return host.request("GET", "/v1/documents/rule?limit=200")[2]["items"]

        def use_another_name(_):  # the active one cannot be removed
            body["name"] = body["name"] + "x"

        def is_named(host):
            served = host.request("POST", f"/ps/{body['name']}", {})[2] == 1
            self.assertEqual(served, body["name"] in [row["name"] for row in versions(host)])
            return served
        self.each("documents", "POST", "/v1/documents/rule", body, is_named, use_another_name)

    def test_machines(self):
        def call(host, operation, **params):
            status, _, body = host.request("POST", "/", params, aws(operation))
            return status, json.loads(body)

        def kill(fault, operation, **params):
            self.kill_during(fault, "POST", "/", params, aws(operation))
        for fault in ("machines.change", *STORE, "machines.changed"):
            with self.subTest(fault):
                is_durable = fault in DURABLE or fault == "machines.changed"
                name = "m-" + fault.replace(".", "-")
                kill(fault, "CreateStateMachine", name=name, definition=MACHINE, roleArn=ROLE, publish=True)
                with self.serve() as host:
                    self.assertEqual(call(host, "DescribeStateMachine", stateMachineArn=ARN + name)[0],
                                     200 if is_durable else 400)
                    for _ in range(2):  # whether it was there or not
                        self.assertEqual(call(host, "CreateStateMachine", name=name, definition=MACHINE, roleArn=ROLE,
                                              publish=True)[0], 200)
                    self.assertEqual(call(host, "StartExecution", stateMachineArn=f"{ARN}{name}:1")[0], 200)
                kill(fault, "DeleteStateMachine", stateMachineArn=ARN + name)
                with self.serve() as host:
                    served = {flow["name"] for flow in host.request("GET", "/v1/flows")[2]["items"]}
                    self.assertEqual(name not in served, is_durable)
                    self.assertEqual(call(host, "DeleteStateMachine", stateMachineArn=ARN + name)[0], 200)

    def test_secrets(self):
        def names(host):
            return [row["name"] for row in host.request("GET", "/v1/secrets")[2]["items"]]
        with self.serve() as host:
            host.request("PUT", "/v1/secrets/FIRST", {"value": "so that there is a key"})
        self.each("secrets", "PUT", "/v1/secrets/KEY", {"value": "a value to keep"}, lambda host: "KEY" in names(host),
                  lambda host: host.request("DELETE", "/v1/secrets/KEY"))

    def test_accounts(self):
        user = {"name": "ann", "owner": "ann"}

        def apps(host):
            return host.request("GET", "/v1/apps")[2]["items"]
        self.each("access", "POST", "/v1/apps", user, lambda host: bool(apps(host)),
                  lambda host: host.request("DELETE", "/v1/apps/ann"))

    def test_edits(self):
        with self.serve() as host:
            host.request("POST", "/v1/documents/script", {"name": "s", "text": "function handler() error('no') end"})
            host.request("POST", "/v1/documents/rule", {"name": "r", "method": "POST", "text": json.dumps(RULE)})
        for fault in ("engine.edit", *STORE, "engine.edited"):
            with self.subTest(fault):
                with self.serve() as host:
                    run = host.request("POST", "/ps/r", {})[1]["Trx"]
                path = f"/v1/runs/{run}/snapshot"
                self.kill_during(fault, "PUT", path, {"data": {"edited": 1}})
                with self.serve() as host:
                    data = host.request("GET", path)[2]["data"]
                    self.assertEqual(data == {"edited": 1}, fault in DURABLE or fault == "engine.edited")
                    self.assertEqual(host.request("PUT", path, {"data": {"edited": 1}})[0], 200)
                    self.assertEqual(host.request("GET", f"/v1/runs/{run}")[2]["status"], "suspended")


if __name__ == "__main__":
    unittest.main()

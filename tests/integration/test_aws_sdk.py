# SPDX-License-Identifier: MIT
"""The JavaScript SDK of AWS, @aws-sdk/client-sfn, end to end: aws_sdk.mjs makes a machine, runs it, polls its activity and
reads the history. ./dev test installs the package into build/node; without node and npm this is skipped."""
import json
import os
import shutil
import subprocess
import unittest

from suite import ROOT, SECONDS, HostCase

FOLDER = os.path.join(ROOT, "build", "node")
PACKAGE = os.path.join(FOLDER, "node_modules", "@aws-sdk", "client-sfn", "package.json")
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aws_sdk.mjs")


@unittest.skipUnless(shutil.which("node") and os.path.exists(PACKAGE),
                     "npm could not be reached: node or build/node/node_modules/@aws-sdk/client-sfn is not there")
class Sdk(HostCase):
    SHARDS = 2

    def test_a_machine_with_an_activity_end_to_end(self):
        done = subprocess.run(["node", SCRIPT, f"http://127.0.0.1:{self.host.port}", FOLDER], capture_output=True,
                              text=True, timeout=SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = json.loads(done.stdout)
        types = ["ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted", "ActivitySucceeded",
                 "TaskStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"]
        self.assertEqual(seen, {
            "isDate": True, "status": "SUCCEEDED", "output": {"doubled": 42}, "types": types,
            "ids": list(range(1, len(types) + 1)), "worker": "node", "listed": ["first"],
            "missing": {"name": "StateMachineDoesNotExist", "status": 400}})


if __name__ == "__main__":
    unittest.main()

// SPDX-License-Identifier: MIT
// What a program does with the JavaScript SDK of AWS: node aws_sdk.mjs ENDPOINT FOLDER, which has the package
// @aws-sdk/client-sfn. Prints what it saw as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";

const [endpoint, folder] = process.argv.slice(2);
const sdk = createRequire(join(folder, "index.js"))("@aws-sdk/client-sfn");

const client = new sdk.SFNClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "AKIDLOCAL", secretAccessKey: "not looked at on an open host" },
});
const send = (name, input) => client.send(new sdk[`${name}Command`](input));

async function refusal(name, input) {
  try {
    await send(name, input);
    return null;
  } catch (error) {
    return { name: error.name, status: error.$metadata.httpStatusCode };
  }
}

async function work(activityArn) {
  const task = await send("GetActivityTask", { activityArn, workerName: "node" });
  const { amount } = JSON.parse(task.input);
  await send("SendTaskHeartbeat", { taskToken: task.taskToken });
  await send("SendTaskSuccess", { taskToken: task.taskToken, output: JSON.stringify({ doubled: amount * 2 }) });
}

async function outcome(executionArn) {
  for (;;) {
    const shown = await send("DescribeExecution", { executionArn });
    if (shown.status !== "RUNNING") {
      return shown;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function history(executionArn) {
  const events = [];
  for await (const page of sdk.paginateGetExecutionHistory({ client, pageSize: 3 }, { executionArn })) {
    events.push(...page.events);
  }
  return events;
}

const { activityArn } = await send("CreateActivity", { name: "double" });
const definition = JSON.stringify({
  StartAt: "Double",
  States: { Double: { Type: "Task", Resource: activityArn, TimeoutSeconds: 60, Next: "Done" }, Done: { Type: "Succeed" } },
});
const made = await send("CreateStateMachine", {
  name: "sdk", definition, roleArn: "arn:aws:iam::123456789012:role/any", tags: [{ key: "by", value: "node" }],
});
const working = work(activityArn);
const started = await send("StartExecution", {
  stateMachineArn: made.stateMachineArn, name: "first", input: JSON.stringify({ amount: 21 }),
});
await working;
const ended = await outcome(started.executionArn);
const events = await history(started.executionArn);
const listed = await send("ListExecutions", { stateMachineArn: made.stateMachineArn, statusFilter: "SUCCEEDED" });
const missing = await refusal("DescribeStateMachine", { stateMachineArn: made.stateMachineArn + "x" });
await send("DeleteStateMachine", { stateMachineArn: made.stateMachineArn });
await send("DeleteActivity", { activityArn });

console.log(JSON.stringify({
  isDate: made.creationDate instanceof Date && started.startDate instanceof Date, status: ended.status,
  output: JSON.parse(ended.output), types: events.map((event) => event.type), ids: events.map((event) => event.id),
  worker: events.find((event) => event.type === "ActivityStarted")?.activityStartedEventDetails.workerName,
  listed: listed.executions.map((one) => one.name), missing,
}));
client.destroy();

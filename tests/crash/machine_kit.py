# SPDX-License-Identifier: MIT
"""State machines for the crash suite: some written down, others drawn. What they bring depends neither on the order of
branches nor on time: only failures that are caught, or that nothing else races with."""
OURS = "us-east-1:123456789012"

COMPONENTS = {
    "host.lua": """return { env = { URL = os.getenv "UPSTREAM_URL" or "" } }""",
    "components/send.lua": """return function(ctx, input)
        local answer = ctx.request { url = ctx.env.URL .. "/send", json = { at = input.at, i = input.i } }
        return { sent = answer }
    end""",
    "components/flaky.lua": """return function(ctx, input)
        ctx.request { url = ctx.env.URL .. "/flaky", json = { at = input.at, try = input.try } }
        if input.try < input.fails then error { code = "NO_LUCK", message = "try " .. input.try } end
        return { tries = input.try }
    end""",
}


def function_arn(name):
    return f"arn:aws:lambda:{OURS}:function:{name}"


def chain(**states):
    """A machine of states one after the other."""
    names = list(states)
    for name, after in zip(names, [*names[1:], None]):
        state = states[name]
        if state["Type"] not in ("Fail", "Succeed", "Choice") and "Next" not in state and "End" not in state:
            state.update({"Next": after} if after else {"End": True})
    return {"StartAt": names[0], "States": states}


def wait(seconds=1):
    return {"Type": "Wait", "Seconds": seconds}


def send(path="$.sent", **more):
    return {"Type": "Task", "Resource": function_arn("send"), "ResultPath": path, **more}


def work(path="$.work", **more):
    """A worker may lose a task without knowing of it, with the host that was about to hand it out: no sign of life."""
    again = {"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 20, "BackoffRate": 1}
    return {"Type": "Task", "Resource": f"arn:aws:states:{OURS}:activity:work", "ResultPath": path,
            "HeartbeatSeconds": 2, "TimeoutSeconds": 600, "Retry": [again], **more}


def flaky(fails, attempts, **more):
    retry = [{"ErrorEquals": ["NO_LUCK"], "IntervalSeconds": 1, "MaxAttempts": attempts, "BackoffRate": 1}]
    return {"Type": "Task", "Resource": function_arn("flaky"), "ResultPath": "$.flaky",
            "Parameters": {"at.$": "$.at", "try.$": "$$.State.RetryCount", "fails": fails}, "Retry": retry, **more}


def parallel(*branches, **more):
    return {"Type": "Parallel", "Branches": list(branches), "ResultPath": "$.branches", **more}


def iterate(machine, count, concurrency, **more):
    """Over { at, i }."""
    return [{"Type": "Pass", "Parameters": {"at.$": "$.at", "list.$": f"States.ArrayRange(1, {count}, 1)"}},
            {"Type": "Map", "ItemsPath": "$.list", "MaxConcurrency": concurrency, "ItemProcessor": machine,
             "ItemSelector": {"at.$": "$.at", "i.$": "$$.Map.Item.Value"}, "ResultPath": "$.mapped", **more}]


def catch(next_name):
    return {"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": next_name}]}


def mapped(machine, count, concurrency, **more):
    items, state = iterate(machine, count, concurrency, **more)
    return chain(Items=items, Each=state, After=send())


def distributed(machine):
    return {**machine, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


MACHINES = {
    "wait": chain(A=wait(), B=send(), C=wait()),
    "component": chain(A=send(), B=send("$.two"), C=send("$.three")),
    "worker": chain(A=work(), B=work("$.two"), C=send()),
    "map_component": mapped(chain(S=send()), 25, 10),
    "map_worker": mapped(chain(W=work(), S=send()), 12, 10),
    "map_wait": mapped(chain(W=wait(), S=send()), 12, 10),
    "map_distributed": mapped(distributed(chain(S=send(), W=work())), 8, 3),
    "parallel": chain(P=parallel(
        chain(A=wait(), B=send()), chain(C=work(), D=send()), chain(E=send(), F=wait())), Z=send()),
    "nested": chain(P=parallel(
        mapped(chain(Q=parallel(chain(A=send()), chain(B=work()), chain(W=wait()))), 4, 2), chain(C=send(), D=wait())),
        Z=send()),
    "retried": chain(A=flaky(1, 2), B=send()),
    "caught": chain(A=flaky(9, 1, **catch("B")), B=send()),
    "failing": chain(A=wait(), B=flaky(9, 1)),
    "failing_branch": chain(P=parallel(
        chain(L=wait(5000)), chain(W=wait(), F={"Type": "Fail", "Error": "E", "Cause": "C"})), Z=send()),
    "child": chain(A=send(), B=wait()),
    "parent": chain(A={"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
                       "Parameters": {"StateMachineArn": f"arn:aws:states:{OURS}:stateMachine:child",
                                      "Input": {"at": "parent"}},
                       "ResultSelector": {"out.$": "$.Output"}, "ResultPath": "$.child"}, B=send()),
}


class Maker:
    """Draws machines: rng says all."""

    def __init__(self, rng):
        self.rng, self.number = rng, 0

    def name(self):
        self.number += 1
        return f"S{self.number}"

    def machine(self, depth=2):
        """At most three things one after the other; below the top nothing fails."""
        states = {}
        for _ in range(self.rng.randint(1, 3)):
            states.update(self.part(depth))
        if depth == 2 and self.rng.random() < 0.15:
            states[self.name()] = {"Type": "Fail", "Error": "Drawn", "Cause": "by chance"}
        return chain(**states)

    def part(self, depth):
        kinds = [self.passing, self.choice, self.waiting, self.sending, self.working, self.retrying, self.catching]
        if depth > 0:
            kinds += [self.parallel, self.map] * 2
        return self.rng.choice(kinds)(depth)

    def passing(self, _):
        return {self.name(): {"Type": "Pass", "Result": {"n": self.number}, "ResultPath": f"$.p{self.number}"}}

    def choice(self, _):
        """Over one state or not."""
        first, over, after = self.name(), self.name(), self.name()
        rule = {"Variable": "$.at", "StringGreaterThan": self.rng.choice(["a", "zz"]), "Next": after}
        return {first: {"Type": "Choice", "Choices": [rule], "Default": over}, over: send(f"$.{over}"),
                after: {"Type": "Pass"}}

    def waiting(self, _):
        return {self.name(): wait(self.rng.randint(0, 1))}

    def sending(self, _):
        return {self.name(): send(f"$.s{self.number}")}

    def working(self, _):
        return {self.name(): work(f"$.w{self.number}")}

    def retrying(self, _):
        return {self.name(): flaky(1, 1)}

    def catching(self, _):
        after = self.name()
        return {self.name(): flaky(9, self.rng.randint(0, 1), **catch(after)), after: {"Type": "Pass"}}

    def parallel(self, depth):
        branches = [self.machine(depth - 1) for _ in range(self.rng.randint(1, 3))]
        return {self.name(): parallel(*branches, ResultPath=f"$.b{self.number}")}

    def map(self, depth):
        machine = self.machine(depth - 1)
        if self.rng.random() < 0.3:
            machine = distributed(machine)
        items, state = iterate(machine, self.rng.randint(0, 6), self.rng.randint(0, 4))
        return {self.name(): items, self.name(): state}


def draw(rng, count):
    """name -> machine."""
    return {f"drawn{i}": Maker(rng).machine() for i in range(count)}

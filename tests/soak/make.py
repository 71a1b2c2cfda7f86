# SPDX-License-Identifier: MIT
"""Random programs of flows: from a seed, `Program(seed).files()` is the Lua text of its flows, and
`Program.end_of(flow, input)` what a run of one must come to.

How a flow ends: "ok"; "fail" (ctx.fail), "error", "stop"; "late", when its time is over; "cancel", where somebody
cancels it because it waits for ever.
"""
import random

from program import MAX_COST, NEVER, End, State, body, run

PRELUDE = """\
return {%s run = function(ctx, input)
local function caught(fn, ...)
    local ok, value = pcall(fn, ...)
    if ok then return { true, value } end
    return { false, value.code }
end
local function get(place, n, o)
    o = o or {}
    o.url, o.json = ctx.env.URL .. place .. n, { n = n, dice = ctx.random(6), at = ctx.now() }
    return ctx.request(o).n
end
local function keep(n)
    ctx.data.store("k" .. n, { n })
    return ctx.data.load("k" .. n)[1]
end
local function undo(n)
    ctx.defer(function() get("/undo/", n) end)
    return n
end
%s
end }
"""
COMPONENT = """\
return function(ctx, input)
    local answer = ctx.request { url = ctx.env.URL .. "/ok/" .. input.n, json = input }
    ctx.log.info("component", input.n)
    return { n = answer.n, twice = ctx.step("twice", function() return input.n * 2 end) }
end
"""
# every start of the host makes another release; older runs need theirs
HOST = 'return { env = { URL = os.getenv "UPSTREAM_URL" or "", ROUND = os.getenv "ROUND" or "" } }\n'


class Flow:
    """end: see above; options: fields of the flow's file; durable: whether its journal is kept; is_brief: its runs are
    removed soon after their end."""

    def __init__(self, name, end, code=None, durable="always", is_brief=False):
        self.name, self.end, self.code, self.durable, self.block = name, end, code, durable, None
        self.is_brief = is_brief

    @property
    def options(self):
        fields = [f'durable = "{self.durable}",']
        if self.end in ("error", "fail", "late"):
            fields.append('on_error = "fail",')
        if self.end == "late":
            fields.append("timeout = 0.4,")
        if self.is_brief:
            fields.append("retention = { age = 0.05 },")
        return " ".join(fields)

    def text(self):
        last = {
            "ok": "return out", "fail": f'ctx.fail("{self.code}", "m")',
            "error": f'error {{ code = "{self.code}", message = "m" }}', "stop": 'ctx.stop("no more")',
            "late": f'ctx.wait "{NEVER}"', "cancel": f'get("/ready/", 0) ctx.wait "{NEVER}"',
        }[self.end]
        text = body(self.block)
        assert text.endswith("return out")
        return PRELUDE % (self.options, text[:-len("return out")] + last)


ENDS = {"fail": "failed", "error": "failed", "stop": "broken", "late": "timed_out", "cancel": "cancelled"}
CODES = {"stop": "BROKEN", "late": "TIMEOUT", "cancel": "CANCELLED"}
SHORT = (0, 0.001, 0.01, 0.05, 0.2)
LONG = 1.1   # worth parking


class Program:
    """flows: name -> Flow; tops: names of those that are started from outside."""

    def __init__(self, seed, tops=6):
        self.random = random.Random(f"program {seed}")
        self.last, self.flows, self.ends = 0, {}, {}
        self.add(Flow(NEVER, "cancel"), [["undo", 0]])
        leaves = [self.make(f"leaf{i}", end, 1, durable) for i, (end, durable) in enumerate((
            ("ok", "always"), ("ok", self.pick("on_error", "never")), (self.pick("fail", "error"), "always"),
            (self.pick("stop", "late"), "always"), ("ok", "always")))]
        leaves[-1].is_brief = True
        middles = [self.make(f"middle{i}", end, 1, durable, leaves) for i, (end, durable) in enumerate((
            ("ok", "always"), (self.pick("fail", "ok"), self.pick("always", "on_error"))))]
        self.tops = [self.make(f"top{i}", self.pick("ok", "ok", "ok", "cancel", "fail", "error", "stop"), 3, "always",
                               leaves + middles).name for i in range(tops)]

    def files(self):
        files = {f"{flow.name}.lua": flow.text() for flow in self.flows.values()}
        return {**files, "host.lua": HOST, "components/c.lua": COMPONENT}

    def end_of(self, flow, number):
        if (flow, number) not in self.ends:
            self.ends[flow, number] = self.play(self.flows[flow], number)
        return self.ends[flow, number]

    def play(self, flow, number):
        state = State(self, number)
        output = run(flow.block, state)
        if flow.end == "ok":
            return End("succeeded", output, None, state)
        return End(ENDS[flow.end], None, flow.code or CODES[flow.end], state)

    # --- making them

    def pick(self, *choices):
        return self.random.choice(choices)

    def next(self):
        self.last += 1
        return self.last

    def add(self, flow, expressions):
        flow.block = {"do": expressions, "then": ["return"]}
        self.flows[flow.name] = flow

    def make(self, name, end, depth, durable="always", callable_flows=()):
        code = f"F{self.next()}" if end in ("fail", "error") else None
        flow = Flow(name, end, code, durable)
        while True:
            self.fill(flow, depth, callable_flows)
            if self.play(flow, 0).cost <= MAX_COST:
                return flow

    def fill(self, flow, depth, callable_flows):
        maker, end, durable = Maker(self, flow, callable_flows), flow.end, flow.durable
        count = self.random.randint(1, 2) if end == "late" else self.random.randint(2, 5)
        expressions = [["input"]] + [maker.expression(depth) for _ in range(count)]
        if durable == "always" and end != "late":
            for _ in range(self.random.randint(0, 2)):
                expressions.insert(self.random.randrange(len(expressions) + 1), ["undo", self.next()])
        self.add(flow, expressions)


class Maker:
    """Of the expressions of one flow. is_loud: an error there suspends the run; may_halt: what suspends may stand
    there: it is gone through whatever comes first."""

    def __init__(self, program, flow, flows):
        self.program, self.flow, self.random = program, flow, program.random
        self.flows = [one for one in flows]
        self.is_kept = flow.durable == "always" and flow.end != "late"
        self.may_halt, self.is_loud, self.items = self.is_kept, self.is_kept and flow.end not in ("error", "fail"), []

    def expression(self, depth):
        if depth > 0 and self.random.random() < 0.6:
            return self.random.choice(self.INNER)(self, depth - 1)
        return self.leaf()

    def leaf(self):
        choices = list(self.LEAVES)
        if self.is_kept:
            choices += self.KEPT
            choices += self.HALTING if self.may_halt else ()
            choices += self.LOUD if self.is_loud and self.may_halt else ()
        choices += self.CALLS if self.flows else ()
        if self.items:
            choices.append(lambda self: ["item", self.random.choice(self.items)])
        return self.random.choice(choices)(self)

    def seconds(self):
        return LONG if self.is_kept and self.random.random() < 0.04 else self.random.choice(SHORT)

    def name(self):
        return f"w{self.next()}"

    def next(self):
        return self.program.next()

    def call(self, make):
        return make(self, self.random.choice(self.flows))

    LEAVES = (
        lambda self: ["pure", self.next()],
        lambda self: ["request", self.next()],
        lambda self: ["request", self.next()],
        lambda self: ["flaky", self.next(), self.random.randint(1, 3), self.random.choice((0, 0.01, 0.05))],
        lambda self: ["component", self.next()],
        lambda self: ["sleep", self.seconds()],
        lambda self: ["sleep_until", self.seconds()],
        lambda self: ["keep", self.next()],
        lambda self: ["chance"],
        lambda self: ["log", self.next()],
        lambda self: ["in_vain", self.random.choice((0.001, 0.02, 0.2))],
    )
    KEPT = (
        lambda self: ["signal", self.name()],
        lambda self: ["signal", self.name()],
        lambda self: ["signal", self.name()],
        lambda self: ["tag", self.next(), self.random.choice(("a", "b"))],
        lambda self: ["flaky", self.next(), 1, self.random.choice((0.02, 0.3, LONG))],
    )
    HALTING = (
        lambda self: ["suspend", self.next()],
        lambda self: ["once", self.next()],
        lambda self: ["once_step", self.next()],
    )
    LOUD = (
        lambda self: ["mend", self.next()],
    )

    def called(self):
        """A call of any flow, so that no error of it is lost."""
        flow = self.random.choice(self.flows)
        if flow.end == "ok":
            return ["call", flow.name, self.next()]
        return ["call_caught", flow.name, self.next()]

    def called_again(self):
        flow = self.random.choice(self.flows)
        if flow.end == "ok":
            return ["call", flow.name, self.next()]
        return ["call_retried", flow.name, self.next(), flow.code or CODES[flow.end]]

    CALLS = (
        called, called,
        lambda self: ["start", self.random.choice([one.name for one in self.flows if one.durable == "always"]),
                      self.next()],
        called_again,
        lambda self: ["call_in_vain", self.random.choice((0.01, 0.1, 0.3)), self.random.randint(0, 2)],
    )

    # --- blocks

    def block(self, depth, then=("return",), **changes):
        before = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, getattr(self, name) and value)
        block = {"do": [self.expression(depth) for _ in range(self.random.randint(1, 3))], "then": list(then)}
        for name, value in before.items():
            setattr(self, name, value)
        return block

    def failing(self, depth, **changes):
        return self.block(depth, ("error", f"E{self.next()}"), is_loud=False, **changes)

    def never(self, depth):
        """A block that does not end, with something before that may or may not be done."""
        ways = [f'ctx.wait "{NEVER}"', f'ctx.wait("{NEVER}", {{ timeout = 4000 }})', "ctx.sleep(4000)"]
        if self.flows:
            ways += [f'ctx.call("{NEVER}", {{ n = 1 }})'] * 2
            both = f'{{ function() ctx.call("{NEVER}", {{ n = 2 }}) end, function() ctx.sleep(3000) end }}'
            ways += [f"ctx.all {both}", f"ctx.race {both}"]
        expressions = []
        while depth > 0 and self.random.random() < 0.4:
            expressions.append(self.random.choice(self.QUIET)(self))
        return {"do": expressions, "then": ["never", self.random.choice(ways)]}

    QUIET = (
        lambda self: ["pure", self.next()],
        lambda self: ["request", self.next()],
        lambda self: ["sleep", self.random.choice(SHORT)],
        lambda self: ["chance"],
        lambda self: ["component", self.next()],
    )

    def blocks(self, make, others):
        """One block by `make` among others; and where it stands."""
        blocks = [others() for _ in range(self.random.randint(1, 3))]
        winner = self.random.randint(0, len(blocks))
        blocks.insert(winner, make())
        return blocks, winner

    def make_step(self, depth):
        return [self.random.choice(("step", "timely")), self.next(), self.block(depth)]

    def make_all(self, depth):
        return ["all", [self.block(depth) for _ in range(self.random.randint(2, 4))]]

    def make_all_caught(self, depth):
        blocks, _ = self.blocks(lambda: self.failing(depth), lambda: self.block(depth, is_loud=False))
        return ["all_caught", blocks]

    def make_map(self, depth):
        name = f"item{self.next()}"
        self.items.append(name)
        block = self.block(depth)
        self.items.pop()
        return ["map", name, [self.next() for _ in range(self.random.randint(1, 4))], self.random.randint(1, 3), block]

    def make_any(self, depth):
        def other():
            if self.random.random() < 0.5:
                return self.never(depth)
            return {"do": [self.random.choice(self.QUIET)(self)], "then": ["error", f"E{self.next()}"]}
        return ["any", *self.blocks(lambda: self.block(depth, is_loud=False), other)]

    def make_none(self, depth):
        return ["none", [self.failing(depth) for _ in range(self.random.randint(1, 3))]]

    def make_race(self, depth):
        return ["race", *self.blocks(lambda: self.block(depth), lambda: self.never(depth))]

    def make_late(self, depth):
        return ["late", self.next(), self.never(depth), self.random.choice((0.01, 0.1, 0.3))]

    def make_try(self, depth):
        if self.random.random() < 0.5:
            return ["try", self.failing(depth)]
        return ["try", self.block(depth, is_loud=False)]

    def make_retried(self, depth):
        return ["retried", self.next(), self.failing(depth), self.random.choice((0, 0.01, 0.1))]

    INNER = (make_step, make_all, make_all, make_all_caught, make_map, make_map, make_any, make_none, make_race,
             make_race, make_late, make_try, make_retried)

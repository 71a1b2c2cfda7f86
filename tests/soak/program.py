# SPDX-License-Identifier: MIT
"""Random programs of flows, as data: from a seed, `Program(seed).files()` is the Lua text of its flows, and
`Program.end_of(flow, input)` what a run of one must come to, by a plain interpreter of the same data.

What a flow returns hangs on nothing but its input, so timing, restarts and deaths change nothing: a race has one branch
that can end, of `any` one that succeeds; signals carry what their name says.

    block   {"do": [expression, ...], "then": ["return"] | ["error", code] | ["never", how]}
    expression   [kind, ...]: one row of KINDS below; its value is never nil

How a flow ends ("end"): "ok", "fail", "error", "stop", "late" (its timeout passes), "cancel" (somebody cancels it where it
waits for ever).
"""
import collections
import random

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
HOST = 'return { env = { URL = os.getenv "UPSTREAM_URL" or "" } }\n'
NEVER = "never"     # the flow, the signal and the branches that do not end


class ModelError(Exception):
    """An error that a flow would see."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class End:
    """What a run comes to. signals: name -> how many it takes; undo: numbers of its compensations, in the order in
    which they run; cost: how long it takes, as it were."""

    def __init__(self, status, output, code, state):
        self.status, self.output, self.code = status, output, code
        self.signals, self.tags, self.undo, self.cost = state.signals, state.tags, state.undo[::-1], state.cost


class State:
    """Of a run in the model."""

    def __init__(self, program, number):
        self.program, self.number, self.items, self.cost = program, number, {}, 0
        self.signals, self.tags, self.undo = collections.Counter(), {}, []


# --- expressions: Lua text, and value in the model ----------------------------------------------------------------

KINDS = {}
COSTS = {"suspend": 20, "once": 5, "once_step": 5, "mend": 20, "signal": 5}
MAX_COST = 200


def kind(fn):
    """A kind of expression: fn(*arguments) -> Lua text, fn(state) -> value."""
    KINDS[fn.__name__.rstrip("_")] = fn
    return fn


def lua(expression):
    return KINDS[expression[0]](*expression[1:])[0]


def value_of(expression, state):
    state.cost += COSTS.get(expression[0], 1)
    return KINDS[expression[0]](*expression[1:])[1](state)


def caught(block, state, times=1):
    for _ in range(times - 1):
        try:
            run(block, state)
        except ModelError:
            pass
    try:
        return [True, run(block, state)]
    except ModelError as error:
        return [False, error.code]


def body(block):
    lines = ["local out = {}"] + [f"out[#out + 1] = {lua(one)}" for one in block["do"]]
    how, *arguments = block["then"]
    lines.append({"return": "return out", "error": 'error { code = "%s", message = "m" }', "never": "%s"}[how]
                 % tuple(arguments) if arguments else "return out")
    return "\n".join(lines)


def function(block):
    return f"function()\n{body(block)}\nend"


def functions(blocks):
    return "{ " + ", ".join(function(block) for block in blocks) + " }"


def run(block, state):
    out = [value_of(one, state) for one in block["do"]]
    assert block["then"][0] != "never", "the model cannot wait for ever"
    if block["then"][0] == "error":
        raise ModelError(block["then"][1])
    return out


@kind
def input_():
    return "input.n", lambda state: state.number


@kind
def item(name):
    return name, lambda state: state.items[name]


@kind
def pure(n):
    return f'ctx.step("p{n}", function() return {n} end)', lambda state: n


@kind
def request(n):
    return f'get("/ok/", {n})', lambda state: n


@kind
def flaky(n, refusals, base):
    """The service refuses at first."""
    return f'get("/flaky/{refusals}/", {n}, {{ retry = {{ max = {refusals}, base = {base}, jitter = true }} }})', \
        lambda state: n


@kind
def once(n):
    return f'get("/once/", {n}, {{ once = true }})', lambda state: n


@kind
def once_step(n):
    return f'ctx.step("o{n}", function() return get("/once/", {n}) end, {{ once = true }})', lambda state: n


@kind
def mend(n):
    """Fails until somebody has mended it: the run is suspended meanwhile."""
    return f'get("/mend/", {n})', lambda state: n


@kind
def component(n):
    return f'ctx.component("c", {{ n = {n} }})', lambda state: {"n": n, "twice": 2 * n}


@kind
def sleep(seconds):
    return f'(ctx.sleep({seconds}) or "slept")', lambda state: "slept"


@kind
def sleep_until(seconds):
    return f'(ctx.sleep_until(ctx.now() + {seconds}) or "until")', lambda state: "until"


@kind
def keep(n):
    return f"keep({n})", lambda state: n


@kind
def chance():
    return '(ctx.uuid() and ctx.random(9) and math.random(9) and "chance")', lambda state: "chance"


@kind
def log(n):
    return f'(ctx.log.info("line", {n}) or ctx.progress({n}, 1000, "t") or {n})', lambda state: n


@kind
def tag(n, text):
    def value(state):
        state.tags[f"t{n}"] = text
        return n
    return f'(ctx.tag("t{n}", "{text}") or {n})', value


@kind
def undo(n):
    def value(state):
        state.undo.append(n)
        return n
    return f"undo({n})", value


@kind
def signal(name):
    def value(state):
        state.signals[name] += 1
        return signal_data(name)
    return f'ctx.wait("{name}")', value


@kind
def in_vain(seconds):
    return f'caught(ctx.wait, "{NEVER}", {{ timeout = {seconds} }})', lambda state: [False, "TIMEOUT"]


@kind
def suspend(n):
    return f'ctx.suspend("S{n}")', lambda state: suspend_value(f"S{n}")


@kind
def call(flow, n):
    return f'ctx.call("{flow}", {{ n = {n} }})', lambda state: called(state, flow, n)


@kind
def call_caught(flow, n):
    def value(state):
        try:
            return [True, called(state, flow, n)]
        except ModelError as error:
            return [False, error.code]
    return f'caught(ctx.call, "{flow}", {{ n = {n} }})', value


@kind
def call_retried(flow, n, code):
    """Fails each time."""
    options = f'{{ retry = {{ max = 2, base = 0.01, on = {{ "{code}" }} }} }}'
    return f'caught(ctx.call, "{flow}", {{ n = {n} }}, {options})', lambda state: [False, code]


@kind
def call_in_vain(seconds, retries):
    options = f'{{ timeout = {seconds}, retry = {{ max = {retries}, base = 0 }} }}'
    return f'caught(ctx.call, "{NEVER}", {{ n = 0 }}, {options})', lambda state: [False, "TIMEOUT"]


@kind
def start(flow, n):
    return f'#ctx.start("{flow}", {{ n = {n} }})', lambda state: 26


def called(state, flow, n):
    end = state.program.end_of(flow, n)
    state.cost += end.cost
    if end.status != "succeeded":
        raise ModelError(end.code)
    return end.output


@kind
def step(n, block):
    return f'ctx.step("s{n}", {function(block)})', lambda state: run(block, state)


@kind
def timely(n, block):
    """In a step that may take a very long time."""
    return f'ctx.step("i{n}", {function(block)}, {{ timeout = 5000 }})', lambda state: run(block, state)


@kind
def late(n, block, seconds):
    return f'caught(ctx.step, "l{n}", {function(block)}, {{ timeout = {seconds} }})', lambda state: [False, "TIMEOUT"]


@kind
def try_(block):
    return f"caught({function(block)})", lambda state: caught(block, state)


@kind
def retried(n, block, base):
    """Its block ends with an error, three times."""
    options = f'{{ retry = {{ max = 2, base = {base}, factor = 1, on = {{ "{block["then"][1]}" }} }} }}'
    return f'caught(ctx.step, "r{n}", {function(block)}, {options})', lambda state: caught(block, state, 3)


@kind
def all_(blocks):
    return f"{{ ctx.all {functions(blocks)} }}", lambda state: [run(block, state) for block in blocks]


@kind
def all_caught(blocks):
    """Some of them fail: the lowest is told, once all have ended."""
    def value(state):
        ends = [caught(block, state) for block in blocks]
        return next(end for end in ends if not end[0])
    return f"caught(function() return {{ ctx.all {functions(blocks)} }} end)", value


@kind
def map_(name, items, width, block):
    def value(state):
        out = []
        for one in items:
            state.items[name] = one
            out.append(run(block, state))
        return out
    numbers = ", ".join(str(one) for one in items)
    return f"ctx.map({{ {numbers} }}, function({name})\n{body(block)}\nend, {{ concurrency = {width} }})", value


@kind
def any_(blocks, winner):
    return f"{{ ctx.any {functions(blocks)} }}", lambda state: [run(blocks[winner], state), winner + 1]


@kind
def none(blocks):
    """All of them fail."""
    def value(state):
        for block in blocks:
            caught(block, state)
        return [False, "ALL_FAILED"]
    return f"caught(function() return {{ ctx.any {functions(blocks)} }} end)", value


@kind
def race(blocks, winner):
    return f"{{ ctx.race {functions(blocks)} }}", lambda state: [run(blocks[winner], state), winner + 1]


# --- what comes from outside --------------------------------------------------------------------------------------

def signal_data(name):
    return {"of": name}


def suspend_value(code):
    return {"said": code}


# --- programs -----------------------------------------------------------------------------------------------------

class Flow:
    """end: see above; options: fields of the flow's file; durable: whether its journal is kept."""

    def __init__(self, name, end, code=None, durable="always"):
        self.name, self.end, self.code, self.durable, self.block = name, end, code, durable, None

    @property
    def options(self):
        fields = [f'durable = "{self.durable}",']
        if self.end in ("error", "fail", "late"):
            fields.append('on_error = "fail",')
        if self.end == "late":
            fields.append("timeout = 0.4,")
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
        middles = [self.make(f"middle{i}", end, 1, durable, leaves) for i, (end, durable) in enumerate((
            ("ok", "always"), (self.pick("fail", "ok"), "always")))]
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
        lambda self: ["start", self.random.choice([one for one in self.flows if one.durable == "always"]).name, self.next()],
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
            ways.append(f'ctx.all {{ function() ctx.call("{NEVER}", {{ n = 2 }}) end, function() ctx.sleep(3000) end }}')
            ways.append(f'ctx.race {{ function() ctx.call("{NEVER}", {{ n = 3 }}) end, function() ctx.sleep(3000) end }}')
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

    INNER = (make_step, make_all, make_all, make_all_caught, make_map, make_map, make_any, make_none, make_race, make_race,
             make_late, make_try, make_retried)

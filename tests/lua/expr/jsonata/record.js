// SPDX-License-Identifier: MIT
// Makes the vectors of jsonata_spec.lua: node record.js FOLDER, where FOLDER holds the unpacked npm packages
// jsonata@1.0.8 (as v1.0.8, whose tests are the source of suite.json) and jsonata@2.2.2 (as v2.2.2, the reference that
// says what each expression gives). expressions.json is our own list. Case: [group, expression, input name or null,
// bindings or null, result] where result is {value} | {} (undefined) | {code, position, token} | {skip: reason}.
"use strict";
const fs = require("fs"), path = require("path"), Module = require("module");
const folder = path.resolve(process.argv[2]);
const reference = require(path.join(folder, "v2.2.2/package/jsonata.js"));
const OLD = path.join(folder, "v1.0.8/package/test/jsonata-test.js");
const NOW = 1500000000000;

const recorded = [];
let groups = [];

/** jsonata as the old tests call it: what they evaluate is written down. */
function recorder(expression) {
    const bindings = {};
    let opaque = false;
    return {
        evaluate(input, given) {
            recorded.push({ group: groups[0], expression, input: clone(input),
                bindings: Object.assign({}, bindings, given), opaque });
            return undefined;
        },
        assign(name, value) { bindings[name] = value; opaque = opaque || typeof value === "function"; },
        registerFunction() { opaque = true; },
        ast() { return {}; },
    };
}
recorder.parser = () => ({});

function clone(value) { return value === undefined ? undefined : JSON.parse(JSON.stringify(value)); }

function run_old_tests() {
    const chain = new Proxy(function () { return chain; }, { get: () => chain, apply: () => chain });
    const load = Module._load;
    Module._load = (name, ...rest) => name === "../jsonata" ? recorder : name === "chai"
        ? { expect: (fn) => { if (typeof fn === "function") { attempt(fn); } return chain; } }
        : name === "assert" ? chain : load(name, ...rest);
    const attempt = (fn) => { try { fn(); } catch (e) { /* what it asserts is not of interest */ } };
    Object.assign(global, {
        describe(name, fn) { groups.push(name); attempt(fn); groups.pop(); },
        it(name, fn) { if (fn && fn.length === 0) { attempt(fn); } },
        before(fn) { attempt(fn); }, after() {}, beforeEach() {}, afterEach() {},
    });
    require(OLD);
    Module._load = load;
}

function has_function(value, seen = new Set()) {
    if (typeof value === "function") { return true; }
    if (typeof value !== "object" || value === null || seen.has(value)) { return false; }
    if (value._jsonata_function || value._jsonata_lambda) { return true; }
    seen.add(value);
    return Object.values(value).some(inner => has_function(inner, seen));
}

async function evaluate(item) {
    const real = Date;
    global.Date = class extends real {
        constructor(...args) { args.length ? super(...args) : super(NOW); }
    };
    try {
        const value = await reference(item.expression, { timeout: 3000, stack: 2000 })
            .evaluate(clone(item.input), clone(item.bindings));
        if (value === undefined) { return {}; }
        if (has_function(value)) { return { skip: "gives a function" }; }
        const text = JSON.stringify(value);
        if (/\\ud[89a-f]/.test(text)) { return { skip: "splits a surrogate pair of UTF-16" }; }
        return text === undefined || /null/.test(text) && !/null/.test(JSON.stringify(value, (k, v) =>
            typeof v === "number" && !isFinite(v) ? 0 : v)) ? { skip: "gives a number that is not finite" } : { value };
    } catch (err) {
        if (!err.code) { return { skip: "fails outside of JSONata: " + String(err.message).slice(0, 80) }; }
        return { code: err.code, position: err.position, token: err.token };
    } finally {
        global.Date = real;
    }
}

/** The vectors of a list, with inputs kept once by name. */
async function vectors(list, note) {
    const inputs = {}, names = new Map(), cases = [], seen = new Set();
    for (const item of list) {
        let name = null;
        if (item.input !== undefined) {
            const text = JSON.stringify(item.input);
            if (!names.has(text)) { names.set(text, "i" + (names.size + 1)); inputs[names.get(text)] = item.input; }
            name = names.get(text);
        }
        const key = JSON.stringify([item.expression, name, item.bindings]);
        if (seen.has(key) || typeof item.expression !== "string") { continue; }
        seen.add(key);
        const bindings = item.bindings && Object.keys(item.bindings).length ? item.bindings : null;
        const result = item.opaque ? { skip: "needs functions in JavaScript" } : await evaluate(item);
        cases.push([item.group, item.expression, name, bindings && clone(bindings), result]);
    }
    return JSON.stringify({ note, now: NOW }).slice(0, -1) + ',\n"inputs": {\n'
        + Object.entries(inputs).map(([n, v]) => JSON.stringify(n) + ": " + JSON.stringify(v)).join(",\n")
        + '\n},\n"cases": [\n' + cases.map(c => JSON.stringify(c)).join(",\n") + "\n]}\n";
}

async function main() {
    run_old_tests();
    fs.writeFileSync(path.join(__dirname, "suite.json"), await vectors(recorded, "expressions and inputs of the tests of "
        + "jsonata 1.0.8 (github.com/jsonata-js/jsonata, MIT licence, copyright IBM Corp.); results of jsonata 2.2.2"));
    const own = path.join(__dirname, "expressions.json");
    if (fs.existsSync(own)) {
        const data = JSON.parse(fs.readFileSync(own, "utf8")), list = [];
        for (const [group, items] of Object.entries(data.groups)) {
            for (const item of items) {
                const [expression, input, bindings] = Array.isArray(item) ? item : [item];
                list.push({ group, expression, bindings: bindings || {},
                    input: input === null ? undefined : typeof input === "string" && data.inputs[input] !== undefined ? data.inputs[input] : input });
            }
        }
        fs.writeFileSync(path.join(__dirname, "own.json"), await vectors(list, "our own expressions for the groups of "
            + "jsonata's 2.x suite; results of jsonata 2.2.2 (MIT licence)"));
    }
}
main();

// SPDX-License-Identifier: MIT
// The reference's side of bench_jsonata.py: node bench_jsonata.js JSONATA.js CASES.json prints microseconds per call,
// one line a case, or the results with --results.
"use strict";
const fs = require("fs");
const jsonata = require(process.argv[2]);
const { input, cases } = JSON.parse(fs.readFileSync(process.argv[3], "utf8"));
const ROUNDS = 5, SECONDS = 0.3;

async function measure(expression) {
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
        const begin = process.hrtime.bigint();
        let calls = 0, took = 0;
        do {
            for (let i = 0; i < 3; i++) { await expression.evaluate(input); }
            calls += 3;
            took = Number(process.hrtime.bigint() - begin) / 1e9;
        } while (took < SECONDS);
        times.push(took / calls * 1e6);
    }
    return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

async function main() {
    for (const [, text] of cases) {
        const expression = jsonata(text);
        console.log(process.argv[4] === "--results" ? JSON.stringify(await expression.evaluate(input))
            : (await measure(expression)).toFixed(3));
    }
}
main();

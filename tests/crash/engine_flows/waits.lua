-- Waits for a signal, for a time, for a signal that never comes: parked again and again.
return {
    timeout = 600,
    run = function(ctx, input)
        ctx.tag("number", input.number)
        local first = ctx.request { url = ctx.env.URL .. "/ok/first", json = { number = input.number } }
        local go = ctx.wait "go"
        ctx.tag("state", "gone")
        ctx.sleep(input.seconds)
        local ok, err = pcall(ctx.wait, "never", { timeout = 0.03 })
        ctx.sleep_until(ctx.now() + 0.01)
        local last = ctx.request { url = ctx.env.URL .. "/ok/last", json = { first = first.number } }
        return { go = go, ok = ok, code = err.code, last = last.path }
    end,
}

-- Steps that fail at first and are tried again.
return function(ctx, input)
    local first = ctx.request { url = ctx.env.URL .. "/flaky/1", json = input, retry = { max = 9, base = 0.005 } }
    local second = ctx.step("second", function()
        return ctx.request { url = ctx.env.URL .. "/flaky/2", json = input }.path
    end, { retry = { max = 9, base = 0.005 } })
    local third = ctx.component("notify", input, { retry = { max = 9, base = input.seconds, factor = 1 } })
    return { first.path, second, third }
end

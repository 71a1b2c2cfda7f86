-- Steps that may run once only.
return function(ctx, input)
    local first = ctx.request { url = ctx.env.URL .. "/once/1", json = { number = input.number }, once = true }
    local second = ctx.step("second", function()
        return ctx.request { url = ctx.env.URL .. "/once/2", json = { number = input.number } }.path
    end, { once = true })
    return { first = first.path, second = second }
end

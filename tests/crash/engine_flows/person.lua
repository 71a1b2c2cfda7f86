-- Stops for a person.
return function(ctx, input)
    ctx.tag("group", input.group)
    local first = ctx.request { url = ctx.env.URL .. "/ok/first", json = { number = input.number } }
    local said = ctx.suspend("ASK", "what now?")
    local last = ctx.request { url = ctx.env.URL .. "/ok/last", json = { said = said } }
    return { said = said, first = first.path, last = last.path }
end

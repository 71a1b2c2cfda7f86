-- Is not kept for long.
return {
    retention = { age = 0.05 },
    run = function(ctx, input)
        ctx.tag("brief", input.number)
        ctx.defer(function() end)
        return ctx.request { url = ctx.env.URL .. "/ok/brief", json = { number = input.number } }.path
    end,
}

-- Three things that are undone when the order is cancelled, or fails.
return {
    on_error = "fail",
    run = function(ctx, input)
        for i = 1, 3 do
            ctx.request { url = ctx.env.URL .. "/ok/book", json = { number = input.number, i = i } }
            ctx.defer(function()
                ctx.request { url = ctx.env.URL .. "/undo/" .. i, json = { number = input.number } }
            end)
        end
        if ctx.wait "decide" == "fail" then
            ctx.fail("REFUSED", "the order was refused")
        end
        ctx.wait "never"
    end,
}

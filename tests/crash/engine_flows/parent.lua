-- Calls a child, starts one, and races against one that never ends and has to be cancelled.
return function(ctx, input)
    local called = ctx.call("child", { number = input.number })
    local id = ctx.start("child", { number = input.number + 1 })
    local won, index = ctx.race {
        function() return ctx.call("stuck", { number = input.number }) end,
        function()
            ctx.request { url = ctx.env.URL .. "/ok/race", json = { number = input.number } }
            return "won"
        end,
    }
    local listed = ctx.map({ 1, 2, 3 }, function(item)
        return ctx.call("child", { number = item }).number
    end, { concurrency = 2 })
    return { called = called.number, has_started = #id == 26, won = won, index = index, listed = listed }
end

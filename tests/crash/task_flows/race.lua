-- A task that loses, as a rule.
return function(ctx, input)
    local which = ctx.race {
        function() ctx.task("work", { run = ctx.trx(), i = 1 }) return "task" end,
        function() ctx.sleep(input.seconds) return "time" end,
    }
    return which
end
